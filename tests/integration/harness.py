# SPDX-License-Identifier: Apache-2.0
"""What every integration test stands on.

A test asks the `rk` fixture to run or start the real program. Everything started carries one
environment variable that is unique to the test (MARK), so that whatever is left over can be found
in /proc, whoever its parent is by then. Nothing here sleeps for a fixed time: wait_until() polls a
condition.
"""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BIN_DIR = Path(os.environ.get("RK_BIN_DIR", HERE.parent.parent / "build" / "bin")).resolve()
FIXTURES = Path(os.environ.get("RK_FIXTURES", "/run/rootlesskit-test-fixtures"))
PYTHON = [sys.executable, "-I", "-S"]
PROBE = [*PYTHON, str(HERE / "probe.py")]
MARK = "RK_TEST_MARK"
PF_EXITING = 4  # in the flags of /proc/PID/stat (linux/sched.h)
AS_ROOT = os.geteuid() == 0
# Every way to run a command: with and without PID namespace and reaper.
REAPERS = [[], ["--reaper=true"], ["--reaper=false"], ["--pidns"], ["--pidns", "--reaper=true"],
           ["--pidns", "--reaper=false"]]
# Sanitizers, valgrind or a loaded machine: all time limits are multiplied by this.
SLOW = float(os.environ.get("RK_TEST_SLOW", "1"))
# What instrumented builds need to find in the environment.
PASSED_ON = ("ASAN_", "UBSAN_", "LSAN_", "TSAN_", "GCOV_", "LLVM_PROFILE_")
# Files of ours in a temporary directory start like this.
OUR_PREFIXES = ("rootlesskit", "rksys")


def wait_until(condition, timeout=5.0, what="the condition"):
    """Polls until `condition` returns something true, and returns it; fails after `timeout`."""
    end = time.monotonic() + timeout * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail(f"waited {timeout * SLOW:g} s in vain for {what}")
        time.sleep(0.004)


def process_state(pid):
    """The state letter of /proc/PID/stat, None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def gone(pid):
    """Whether the process ended (a zombie waiting for its parent has ended)."""
    return process_state(pid) in (None, "Z", "X")


def parent_of(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def children_of(pid):
    """Living direct children, by /proc."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and parent_of(entry) == pid and not gone(entry):
            found.append(int(entry))
    return sorted(found)


def descendants(pid):
    """Living children, their children and so on, parents first."""
    found = []
    for child in children_of(pid):
        found += [child, *descendants(child)]
    return found


def marked_processes(mark):
    """(pid, command line) of everything alive that carries the mark in its environment."""
    needle = f"{MARK}={mark}".encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            if needle in Path(f"/proc/{entry}/environ").read_bytes() and not gone(entry):
                line = Path(f"/proc/{entry}/cmdline").read_bytes().replace(b"\0", b" ")
                found.append((int(entry), line.decode(errors="replace").strip()))
        except OSError:
            continue
    return found


def exiting_processes():
    """Processes that have given up their memory, and with it their environment, by which
    marked_processes() finds them, but perhaps not yet their files, and the locks on them."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[6]) & PF_EXITING and fields[0] not in "ZX":
            found.append(int(entry))
    return found


def environ_of(pid):
    raw = Path(f"/proc/{pid}/environ").read_bytes()
    return dict(item.split("=", 1) for item in raw.decode().split("\0") if "=" in item)


def namespaces_of(pid, kinds=("user", "mnt", "net", "pid", "uts", "ipc", "cgroup")):
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in kinds}


def signal_sets(pid):
    """The masks of /proc/PID/status that exec keeps."""
    wanted = ("SigBlk", "SigIgn")
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line.split(":")[0]: int(line.split()[1], 16) for line in lines
            if line.split(":")[0] in wanted}


class Outcome:
    """How a finished run ended."""

    def __init__(self, argv, code, out, err, seconds):
        self.argv, self.code, self.out, self.err, self.seconds = argv, code, out, err, seconds

    def json(self):
        self.ok()
        return json.loads(self.out)

    def ok(self):
        assert self.code == 0, self
        return self

    def told(self):
        """Standard error without the warning that every run as root gives."""
        unsupported = "Running RootlessKit as the root user is unsupported"
        return "".join(line for line in self.err.splitlines(True)
                       if not (AS_ROOT and unsupported in line))

    def lines(self):
        return self.out.splitlines()

    def __repr__(self):
        return (f"{' '.join(map(str, self.argv))}\nexit {self.code} after {self.seconds:.2f} s"
                f"\n--- stdout\n{self.out}--- stderr\n{self.err}---")


class Running:
    """A started program whose output goes to files, so that no leaked pipe can block a test."""

    def __init__(self, process, argv, out, err):
        self.process, self.argv, self._out, self._err = process, argv, out, err
        self.began = time.monotonic()

    @property
    def pid(self):
        return self.process.pid

    @property
    def out(self):
        return self._out.read_bytes().decode(errors="replace")

    @property
    def err(self):
        return self._err.read_bytes().decode(errors="replace")

    def __repr__(self):
        return f"{self.argv}\n--- stdout\n{self.out}--- stderr\n{self.err}---"

    def signal(self, number):
        self.process.send_signal(number)

    def wait_line(self, text, timeout=5.0):
        """Waits until `text` was printed on standard output."""
        def seen():
            if text in self.out:
                return True
            assert self.process.poll() is None or text in self.out, \
                f"ended with {self.process.returncode} before printing {text!r}\n{self!r}"
            return False
        wait_until(seen, timeout, f"{text!r} from {self.argv}; got {self.out!r} {self.err!r}")
        return self

    def wait(self, timeout=10.0):
        try:
            code = self.process.wait(timeout * SLOW)
        except subprocess.TimeoutExpired:
            pytest.fail(f"still running after {timeout * SLOW:g} s: {self!r}")
        return Outcome(self.argv, code, self.out, self.err, time.monotonic() - self.began)

    def running(self):
        return self.process.poll() is None

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()


class Rk:
    """Runs the rootlesskit under test with an environment of its own."""

    def __init__(self, base, mark):
        self.base, self.mark = base, mark
        self.exe = str(BIN_DIR / "rootlesskit")
        self.tmp = base / "tmp"
        self.tmp.mkdir()
        home = base / "home"
        home.mkdir()
        self.env = {
            "HOME": str(home), "USER": "root" if AS_ROOT else _user_name(),
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "TMPDIR": str(self.tmp), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", MARK: mark,
        }
        self.env.update({k: v for k, v in os.environ.items() if k.startswith(PASSED_ON)})
        self.started = []
        self.terminals = []
        self.prefix = list(_root_world(base)) if AS_ROOT else []

    def start(self, *args, prefix=None, env=None, stdin=subprocess.DEVNULL, exe=None, **popen):
        """Starts `rootlesskit ARGS`; `prefix` is put in front, `exe=()` leaves the program out."""
        program = [self.exe] if exe is None else list(exe)
        before = self.prefix if prefix is None else [*self.prefix, *prefix]
        argv = [*map(str, before), *map(str, program), *map(os.fspath, map(_text, args))]
        number = len(self.started)
        out, err = self.base / f"out{number}", self.base / f"err{number}"
        with open(out, "wb") as o, open(err, "wb") as e:
            popen.setdefault("stdout", o)
            popen.setdefault("stderr", e)
            popen.setdefault("cwd", self.base)
            process = subprocess.Popen(argv, env=self.env if env is None else env, stdin=stdin,
                                       **popen)
        running = Running(process, argv, out, err)
        self.started.append(running)
        return running

    def run(self, *args, timeout=15.0, **kwargs):
        """Runs to the end; a run that does not end in time fails the test."""
        return self.start(*args, **kwargs).wait(timeout)

    def sh(self, *args, **kwargs):
        """rootlesskit OPTIONS... sh -c SCRIPT: the last argument is the script."""
        return self.run(*args[:-1], "sh", "-c", args[-1], **kwargs)

    def other(self, *argv, **kwargs):
        """Runs another program with the test's environment and mark."""
        return self.run(*argv, exe=(), prefix=kwargs.pop("prefix", ()), **kwargs)

    def start_ready(self, *options, state=None, script="echo ready; exec sleep 1000", **kwargs):
        """Starts with a state directory and waits until the command says `ready`."""
        state = state or self.state()
        running = self.start(f"--state-dir={state}", *options, "sh", "-c", script, **kwargs)
        running.wait_line("ready")
        running.state = state
        running.child = int((state / "child_pid").read_bytes())
        return running

    def state(self, name="state"):
        return self.base / name

    def with_env(self, **changes):
        env = dict(self.env)
        for key, value in changes.items():
            if value is None:
                env.pop(key, None)
            else:
                env[key] = str(value)
        return env

    def script(self, name, text):
        """An executable shell script in a directory of its own, which is returned."""
        directory = self.base / f"bin-{name}"
        directory.mkdir(exist_ok=True)
        path = directory / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return directory

    def path_first(self, *directories):
        return self.with_env(PATH=":".join([*map(str, directories), self.env["PATH"]]))

    def terminal(self, *argv, **kwargs):
        from terminal import Terminal  # it imports this module
        terminal = Terminal(argv, kwargs.pop("env", self.env), self.base, **kwargs)
        self.terminals.append(terminal)
        return terminal

    def leftover_files(self):
        return [p for p in self.tmp.iterdir() if p.name.startswith(OUR_PREFIXES)]


def _text(value):
    return str(value) if isinstance(value, (int, Path)) else value


def _user_name():
    import pwd
    return pwd.getpwuid(os.geteuid()).pw_name


def _root_world(base):
    """Real root has no sub-IDs on most machines: give it some in a private mount namespace."""
    (base / "subid").write_text("root:200000:65536\n")
    return _bind_subids(["unshare", "--mount"], base / "subid", base / "subid")


def _bind_subids(front, subuid, subgid):
    script = ('mount --bind "$1" /etc/subuid && mount --bind "$2" /etc/subgid && shift 2 && '
              'exec "$@"')
    return [*front, "sh", "-c", script, "sh", str(subuid), str(subgid)]


def nested(rk, subuid="root:1:60000\n", subgid=None, extra=()):
    """A prefix: become uid 0 of a user namespace that has all the user's sub-IDs, where /etc/subuid
    and /etc/subgid are files with the given contents. In there newuidmap works by capability, so
    an ordinary user can try any contents of these files."""
    files = []
    for name, text in (("subuid", subuid), ("subgid", subuid if subgid is None else subgid)):
        path = rk.base / f"nested-{name}"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o644)
        files.append(path)
    return _bind_subids(["unshare", "--map-root-user", "--map-auto", "--mount", *extra], *files)


def contained(rk):
    """A prefix: everything is read-only but a fresh tmpfs on TMPDIR with one file `precious`. For
    inputs that made other implementations delete the user's files: a bug then cannot reach them.
    Prints LOST if the file did not survive, exits 99 if the containment does not hold."""
    script = r"""
        cut -d' ' -f5 /proc/self/mountinfo | while read -r m; do
            mount -o remount,bind,ro "$m" 2>/dev/null; done
        mount -t tmpfs tmpfs "$TMPDIR" || exit 99
        for d in / /tmp /var/tmp /dev/shm "$HOME" "$PWD"; do
            if (: >"$d/.canary") 2>/dev/null; then echo "$d is writable" >&2; exit 99; fi; done
        : >"$TMPDIR/precious"
        "$@"; code=$?
        test -e "$TMPDIR/precious" || echo LOST
        exit $code"""
    assert str(rk.tmp).startswith(str(rk.base))
    return ["unshare", "--map-root-user", "--map-auto", "--mount", "sh", "-c", script, "sh"]


def id_lines(text):
    """uid_map or gid_map as a list of int triples."""
    return [tuple(map(int, line.split())) for line in text.splitlines() if line.strip()]


def copy_of(source, target, mode=0o755):
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(Path(source).read_bytes())
    target.chmod(mode)
    return target.parent


def kill_all(pids):
    """SIGKILL for each; one may already have died of another's death."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def close_others(keep):
    """In a preexec_fn: closes what pytest's own caller left open, except the descriptors to keep.
    (Popen's error pipe is close-on-exec and has to stay.)"""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in keep:
            try:
                if os.get_inheritable(int(name)):
                    os.close(int(name))
            except OSError:
                pass


def which(name):
    import shutil
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if not found:
        pytest.skip(f"{name} is not installed")
    return found
