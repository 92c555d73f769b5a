# SPDX-License-Identifier: Apache-2.0
"""seccomp_wrap.py ERRNO SYSCALL[,SYSCALL...] PROGRAM ARGS...: runs PROGRAM under a filter that
answers the given system calls with ERRNO, as an older kernel (ENOSYS) or a container engine (EPERM)
does. `newuser` stands for clone and unshare with CLONE_NEWUSER (clone3 then answers ENOSYS, because
a filter cannot look into its struct). Uses no_new_privs only where it must: as root of a user
namespace the kernel does not ask for it."""
import ctypes
import errno
import os
import struct
import sys

NUMBERS = {
    "x86_64": {"arch": 0xC000003E, "open_tree": 428, "move_mount": 429, "clone3": 435,
               "pidfd_open": 434,
               "close_range": 436, "mount_setattr": 442, "openat2": 437, "fsopen": 430,
               "mount": 165,
               "pidfd_send_signal": 424, "clone": 56, "unshare": 272, "statx": 332, "fsconfig": 431,
               "fsmount": 432, "keyctl": 250, "setns": 308, "signalfd4": 289},
    "aarch64": {"arch": 0xC00000B7, "open_tree": 428, "move_mount": 429, "clone3": 435,
                "pidfd_open": 434,
                "close_range": 436, "mount_setattr": 442, "openat2": 437, "fsopen": 430,
                "mount": 40,
                "pidfd_send_signal": 424, "clone": 220, "unshare": 97, "statx": 291,
                "fsconfig": 431,
                "fsmount": 432, "keyctl": 219, "setns": 268, "signalfd4": 74},
}
LD_NR, LD_ARCH, LD_ARG0 = 0, 4, 16
LOAD, JEQ, JSET, RET = 0x20, 0x15, 0x45, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000
CLONE_NEWUSER = 0x10000000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


def instruction(code, jump_true, jump_false, value):
    return struct.pack("HBBI", code, jump_true, jump_false, value)


def program(numbers, names, error):
    code = [instruction(LOAD, 0, 0, LD_ARCH), instruction(JEQ, 1, 0, numbers["arch"]),
            instruction(RET, 0, 0, ALLOW)]
    plain = [n for n in names if n != "newuser"]
    for name in plain:
        code += [instruction(LOAD, 0, 0, LD_NR), instruction(JEQ, 0, 1, numbers[name]),
                 instruction(RET, 0, 0, FAIL | error)]
    if "newuser" in names:
        code += [instruction(LOAD, 0, 0, LD_NR), instruction(JEQ, 0, 1, numbers["clone3"]),
                 instruction(RET, 0, 0, FAIL | errno.ENOSYS)]
        for name in ("clone", "unshare"):
            code += [instruction(LOAD, 0, 0, LD_NR), instruction(JEQ, 0, 3, numbers[name]),
                     instruction(LOAD, 0, 0, LD_ARG0), instruction(JSET, 0, 1, CLONE_NEWUSER),
                     instruction(RET, 0, 0, FAIL | error)]
    code.append(instruction(RET, 0, 0, ALLOW))
    return code


def main():
    error = getattr(errno, sys.argv[1])
    code = program(NUMBERS[os.uname().machine], sys.argv[2].split(","), error)
    libc = ctypes.CDLL(None, use_errno=True)
    raw = ctypes.create_string_buffer(b"".join(code))

    class Prog(ctypes.Structure):  # struct sock_fprog
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
    prog = Prog(len(code), ctypes.addressof(raw))

    def install():
        return libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(prog), 0, 0)
    if install() != 0:
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if install() != 0:
            sys.exit(f"cannot install the filter: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[3], sys.argv[3:])


main()
