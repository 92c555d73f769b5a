# SPDX-License-Identifier: Apache-2.0
"""A small ptrace(2) driver that kills rootlesskit's parent or child at an exact system call.

    tracer.py ROLE N PROGRAM ARGS...

runs PROGRAM and delivers SIGKILL to ROLE (`parent` or `child`) at the entry of its Nth system call
(from 1 on). Prints how many calls each role made as "calls PARENT CHILD" when nothing was killed,
or "killed NUMBER" with the number of the call.

Who is who: the parent is the process we start; the child is the process it makes that does not
exec a helper. Helpers that need their setuid bit (newuidmap and so on) are let go just before their
exec, because the kernel ignores the bit under a tracer; other descendants are followed but never
killed. strace -e inject cannot do this for an ordinary user, for the same reason.
"""
import ctypes
import os
import signal
import sys

TRACEME, CONT, KILL_, SYSCALL, DETACH = 0, 7, 8, 24, 17
SETOPTIONS, GETEVENTMSG, GET_SYSCALL_INFO = 0x4200, 0x4201, 0x420E
O_SYSGOOD, O_FORK, O_VFORK, O_CLONE, O_EXEC, O_EXITKILL = 1, 2, 4, 8, 16, 1 << 20
EVENTS_FORK = (1, 2, 3)
HELPERS = ("newuidmap", "newgidmap", "getsubids")
ENTRY = 1
WALL = 0x40000000
EXECVE = {"x86_64": (59, 322), "aarch64": (221, 281)}[os.uname().machine]

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


class SyscallInfo(ctypes.Structure):
    _fields_ = [("op", ctypes.c_uint8), ("pad", ctypes.c_uint8 * 3), ("arch", ctypes.c_uint32),
                ("ip", ctypes.c_uint64), ("sp", ctypes.c_uint64), ("nr", ctypes.c_uint64),
                ("args", ctypes.c_uint64 * 6)]


def ptrace(request, pid, address=0, data=0):
    return libc.ptrace(request, pid, address, data)


def syscall_entry(pid):
    """(number, args) if the stop is an entry, else None."""
    info = SyscallInfo()
    ptrace(GET_SYSCALL_INFO, pid, ctypes.sizeof(info), ctypes.addressof(info))
    return (info.nr, list(info.args)) if info.op == ENTRY else None


def text_at(pid, address):
    try:
        with open(f"/proc/{pid}/mem", "rb", 0) as memory:
            memory.seek(address)
            return memory.read(256).split(b"\0")[0].decode(errors="replace")
    except OSError:
        return ""


def user_namespace(pid):
    return os.readlink(f"/proc/{pid}/ns/user")


class Tracer:
    def __init__(self, role, when, argv):
        self.role, self.when, self.argv = role, when, argv
        self.calls = {"parent": 0, "child": 0}
        self.roles = {}
        self.known = set()
        self.main_status = None
        self.killed = None

    def start(self):
        pid = os.fork()
        if pid == 0:
            ptrace(TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            os.execvp(self.argv[0], self.argv)
        os.waitpid(pid, 0)
        ptrace(SETOPTIONS, pid, 0, O_SYSGOOD | O_FORK | O_VFORK | O_CLONE | O_EXEC | O_EXITKILL)
        self.main, self.roles[pid] = pid, "parent"
        self.known.add(pid)
        ptrace(SYSCALL, pid)

    def loop(self):
        while self.known:
            try:
                pid, status = os.waitpid(-1, WALL)
            except ChildProcessError:
                break
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                self.known.discard(pid)
                if pid == self.main:
                    self.main_status = status
                continue
            self.on_stop(pid, status)

    def on_stop(self, pid, status):
        number, event = os.WSTOPSIG(status), status >> 16
        if pid not in self.known:  # the first stop of a new process
            self.known.add(pid)
            if self.roles.get(pid) is None:
                self.roles[pid] = "unknown"
            ptrace(SYSCALL, pid)
            return
        if number == signal.SIGTRAP and event in EVENTS_FORK:
            self.on_fork(pid)
            ptrace(SYSCALL, pid)
        elif number == signal.SIGTRAP and event:
            ptrace(SYSCALL, pid)
        elif number == (signal.SIGTRAP | 0x80):
            self.on_syscall(pid)
        else:
            ptrace(SYSCALL, pid, 0, number)

    def on_fork(self, pid):
        message = ctypes.c_ulong()
        ptrace(GETEVENTMSG, pid, 0, ctypes.addressof(message))
        new = message.value
        if self.roles.get(pid) == "parent" and self.calls["child"] == 0:
            self.roles[new] = "maybe child"
        else:
            self.roles[new] = "other"

    def on_syscall(self, pid):
        entry = syscall_entry(pid)
        if entry is None:
            ptrace(SYSCALL, pid)
            return
        nr, args = entry
        if nr in EXECVE:
            path = text_at(pid, args[0] if nr == EXECVE[0] else args[1])
            if os.path.basename(path) in HELPERS:
                self.known.discard(pid)
                ptrace(DETACH, pid)
                return
        role = self.roles.get(pid)
        if role == "maybe child" and user_namespace(pid) != user_namespace("self"):
            role = self.roles[pid] = "child"
        if role in self.calls:
            self.calls[role] += 1
            if role == self.role and self.calls[role] == self.when:
                self.killed = nr
                os.kill(pid, signal.SIGKILL)
                return
        ptrace(SYSCALL, pid)


def main():
    tracer = Tracer(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
    tracer.start()
    tracer.loop()
    if tracer.killed is None:
        print("calls", tracer.calls["parent"], tracer.calls["child"], flush=True)
    else:
        print("killed", tracer.killed, flush=True)
    status = tracer.main_status
    sys.exit(0 if status is not None else 3)


main()
