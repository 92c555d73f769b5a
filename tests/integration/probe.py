# SPDX-License-Identifier: Apache-2.0
"""Run as the command: prints what a command can see of itself, as JSON, on standard output or to
the file named by the first argument."""
import json
import os
import resource
import stat
import sys


def descriptors():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink("/proc/self/fd/" + name)
        except OSError:
            pass  # the directory stream of listdir() itself
    return found


def sockets(fds):
    return [int(n) for n in fds if stat.S_ISSOCK(os.fstat(int(n)).st_mode)]


def environment():
    with open("/proc/self/environ", "rb") as f:
        return [item.decode("utf-8", "surrogateescape") for item in f.read().split(b"\0") if item]


def status():
    wanted = ("SigBlk", "SigIgn", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs",
              "Groups", "Uid", "Gid")
    with open("/proc/self/status") as f:
        pairs = (line.split(":", 1) for line in f)
        return {k: v.strip() for k, v in pairs if k in wanted}


def main():
    fds = descriptors()
    mask = os.umask(0)
    os.umask(mask)
    kinds = ("user", "mnt", "net", "pid", "uts", "ipc", "cgroup")
    report = {
        "pid": os.getpid(), "ppid": os.getppid(), "pgid": os.getpgid(0), "sid": os.getsid(0),
        "fds": fds, "sockets": sockets(fds), "env": environment(), "status": status(),
        "umask": mask, "cwd": os.getcwd(), "nice": os.nice(0),
        "nofile": resource.getrlimit(resource.RLIMIT_NOFILE),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "ns": {k: os.readlink("/proc/self/ns/" + k) for k in kinds},
        "uid_map": open("/proc/self/uid_map").read(),
        "gid_map": open("/proc/self/gid_map").read(),
        "setgroups": open("/proc/self/setgroups").read().strip(),
        "oom_score_adj": open("/proc/self/oom_score_adj").read().strip(),
    }
    text = json.dumps(report, ensure_ascii=True)
    if len(sys.argv) > 1:
        with open(sys.argv[1] + ".new", "w") as f:
            f.write(text)
        os.rename(sys.argv[1] + ".new", sys.argv[1])
    else:
        print(text)


main()
