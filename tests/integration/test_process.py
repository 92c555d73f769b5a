# SPDX-License-Identifier: Apache-2.0
"""What the command gets: namespaces, environment, descriptors, session and terminal (spec
lifecycle.md 6, 7 and 10)."""
import json
import os
import re
import resource
import signal

import pytest

from harness import (PROBE, PYTHON, REAPERS, children_of, close_others, environ_of, namespaces_of,
                     signal_sets)

OURS = {"ROOTLESSKIT_STATE_DIR", "ROOTLESSKIT_PARENT_EUID", "ROOTLESSKIT_PARENT_EGID"}
NAMESPACES = {"--pidns": "pid", "--cgroupns": "cgroup", "--utsns": "uts", "--ipcns": "ipc",
              "--net=none": "net"}



def environment(report):
    return dict(item.split("=", 1) for item in report["env"])


# --- namespaces -----------------------------------------------------------------------------------

@pytest.mark.also_as_root
@pytest.mark.parametrize("flags", [[], *[[f] for f in NAMESPACES], list(NAMESPACES)], ids=" ".join)
def test_exactly_the_namespaces_asked_for_are_new(rk, flags):
    host = namespaces_of("self")
    inside = rk.run(*flags, *PROBE).json()["ns"]
    if rk.prefix:  # the root world's private mount namespace
        host.pop("mnt"), inside.pop("mnt")
        new = {"user"}
    else:
        new = {"user", "mnt"}
    new |= {NAMESPACES[flag] for flag in flags}
    assert {kind for kind in host if host[kind] != inside[kind]} == new


def test_a_new_uts_namespace_belongs_to_the_command(rk):
    assert rk.sh("--utsns", "hostname inside && hostname").ok().out == "inside\n"
    assert rk.other("hostname").ok().out != "inside\n"


def test_the_command_is_a_child_of_pid_1_with_pidns(rk):
    report = rk.run("--pidns", *PROBE).json()
    assert report["ppid"] == 1


def test_proc_shows_the_new_pid_namespace(rk):
    out = rk.sh("--pidns", "ls /proc | grep -c '^[0-9]'; readlink /proc/self").ok().out
    assert int(out.split()[0]) <= 5


# --- environment ----------------------------------------------------------------------------------

@pytest.mark.also_as_root
def test_environment_is_the_callers_plus_three_variables(rk):
    env = rk.with_env(XDG_RUNTIME_DIR="/run/user/4711", NOTIFY_SOCKET="/nowhere", FOO="a=b c\ne",
                      _DOCKERD_ROOTLESS_CHILD="1", EMPTY="")
    env.pop("LC_ALL")
    inside = environment(rk.run(*PROBE, env=env).json())
    if rk.prefix:  # sh of the prefix
        for name in ("PWD", "OLDPWD", "SHLVL", "_"):
            inside.pop(name, None)
    assert {k: v for k, v in inside.items() if k not in OURS} == env
    assert OURS <= set(inside)
    assert inside["ROOTLESSKIT_PARENT_EUID"] == str(os.geteuid())
    assert inside["ROOTLESSKIT_PARENT_EGID"] == str(os.getegid())
    assert inside["ROOTLESSKIT_STATE_DIR"].startswith(str(rk.tmp) + "/rootlesskit")


def test_old_values_of_our_variables_are_replaced(rk):
    env = rk.with_env(**{name: "bogus" for name in OURS})
    report = rk.run(*PROBE, env=env).json()
    assert "bogus" not in environment(report).values()
    assert len([item for item in report["env"] if item.startswith("ROOTLESSKIT_")]) == 3


@pytest.mark.parametrize("flags", [[], ["--pidns"], ["--net=none"],
                                   ["--net=none", "--detach-netns"],
                                   ["--reaper=true"]], ids=" ".join)
def test_environ_of_the_child_shows_our_variables(rk, flags):
    # containerd-rootless-setuptool.sh reads them there.
    running = rk.start_ready(*flags)
    child = environ_of(running.child)
    assert child["ROOTLESSKIT_STATE_DIR"] == str(running.state)
    assert child["ROOTLESSKIT_PARENT_EUID"] == str(os.geteuid())
    assert child["ROOTLESSKIT_PARENT_EGID"] == str(os.getegid())


def test_child_is_called_proc_self_exe_with_the_parents_arguments(rk):
    running = rk.start_ready("--pidns")
    with open(f"/proc/{running.child}/cmdline", "rb") as f:
        child = f.read().split(b"\0")
    with open(f"/proc/{running.pid}/cmdline", "rb") as f:
        parent = f.read().split(b"\0")
    assert child[0] == b"/proc/self/exe"
    assert child[1:] == parent[1:]


@pytest.mark.parametrize("flags", [[], ["--pidns"], ["--net=none"]], ids=" ".join)
def test_odd_environments_come_through(rk, flags):
    odd = {b"BYTES": b"\xff\xfe\x80", b"LONG": b"x" * 130000,
           b"LISTEN_FDS": b"garbage",
           b"LISTEN_PID": b"\x01\x02", b"PATH": b"/usr/bin", b"TMPDIR": os.fsencode(rk.tmp)}
    odd.update({b"BIG%d" % i: b"y" * 100000 for i in range(9)})  # 1 MB in all
    odd[b"RK_TEST_MARK"] = rk.mark.encode()
    code = "import os,sys;sys.stdout.buffer.write(open('/proc/self/environ','rb').read())"
    outcome = rk.start(*flags, *PYTHON, "-c", code, env=odd).wait()
    raw = rk.started[-1]._out.read_bytes()
    assert outcome.code == 0, outcome.err
    items = set(raw.rstrip(b"\0").split(b"\0"))
    assert {k + b"=" + v for k, v in odd.items() if k} <= items


@pytest.mark.parametrize("missing", ["HOME", "USER", "TMPDIR"])
def test_missing_variables(rk, missing):
    outcome = rk.run("--", "/usr/bin/id", "-u", env=rk.with_env(**{missing: None}))
    assert outcome.ok().out == "0\n"


def test_an_empty_environment(rk):
    # newuidmap is looked up in PATH, hence the single ID.
    outcome = rk.run("--subid-source=none", *PROBE, env={})
    assert set(environment(outcome.json())) == OURS


def test_an_empty_path(rk):
    outcome = rk.run("id", env=rk.with_env(PATH=""), timeout=5)
    assert outcome.code == 1
    assert "executable file not found in $PATH" in outcome.err, outcome


# --- what passes through --------------------------------------------------------------------------

@pytest.mark.also_as_root
def test_cwd_umask_limits_nice_and_signal_dispositions_pass_through(rk):
    def change():
        os.umask(0o037)
        resource.setrlimit(resource.RLIMIT_NOFILE, (333, 444))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.nice(3)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    work = rk.base / "work dir"
    work.mkdir()
    report = rk.run(*PROBE, preexec_fn=change, cwd=work).json()
    assert report["cwd"] == str(work)
    assert report["umask"] == 0o037
    assert report["nofile"] == [333, 444]
    assert report["core"] == [0, 0]
    assert report["nice"] == os.nice(0) + 3
    ignored = int(report["status"]["SigIgn"], 16)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
        assert ignored & (1 << (number - 1)), number


@pytest.mark.parametrize("flags", REAPERS, ids=" ".join)
def test_signal_masks_of_the_command_are_those_of_the_caller(rk, flags):
    probe = [*PYTHON, "-c", "print(open('/proc/self/status').read())"]

    def masks(outcome):
        return re.findall(r"^(SigBlk|SigIgn):\s*(\w+)$", outcome.ok().out, re.M)
    assert masks(rk.run(*flags, *probe)) == masks(rk.other(*probe))


def test_a_blocked_signal_stays_blocked(rk):
    def block():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD})
    report = rk.run("--", *PROBE, preexec_fn=block).json()
    blocked = int(report["status"]["SigBlk"], 16)
    assert blocked & (1 << (signal.SIGUSR1 - 1))
    assert blocked & (1 << (signal.SIGCHLD - 1))


def test_ignored_sigchld_of_the_caller_does_not_lose_the_exit_code(rk):
    outcome = rk.sh("exit 42", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert outcome.code == 42


FD_FLAGS = [[], ["--pidns"], ["--net=none"], ["--detach-netns", "--net=none"], ["--reaper=true"],
            ["--copy-up=/etc"], ["--debug"]]


@pytest.mark.parametrize("flags", FD_FLAGS, ids=" ".join)
def test_only_the_callers_descriptors_reach_the_command(rk, flags):
    files = {}
    for number in (3, 4, 5, 9):
        path = rk.base / f"file{number}"
        path.write_text("x")
        files[number] = path

    def give():
        for number, path in files.items():
            fd = os.open(path, os.O_RDONLY)
            if fd == number:
                os.set_inheritable(fd, True)
            else:
                os.dup2(fd, number)
                os.close(fd)
        close_others(files)
    report = rk.run(*flags, *PROBE, preexec_fn=give, close_fds=False).json()
    assert {int(n): t for n, t in report["fds"].items() if int(n) > 2} == \
        {n: str(p) for n, p in files.items()}


@pytest.mark.parametrize("flags", FD_FLAGS, ids=" ".join)
def test_nothing_of_ours_leaks_into_the_command(rk, flags):
    report = rk.run(*flags, *PROBE).json()
    assert set(report["fds"]) == {"0", "1", "2"}


@pytest.mark.parametrize("closed", [[0], [1], [2], [0, 1], [0, 1, 2]], ids=str)
@pytest.mark.parametrize("flags", [[], ["--net=none", "--pidns"], ["--detach-netns"]], ids=" ".join)
def test_closed_standard_descriptors(rk, closed, flags):
    """They stay closed, or become /dev/null; never a socket or file of ours."""
    report = rk.base / "report"

    def close():
        for fd in closed:
            os.close(fd)
    rk.start(f"--state-dir={rk.state()}", *flags, *PROBE, report, preexec_fn=close).wait().ok()
    fds = json.loads(report.read_text())["fds"]
    for fd in closed:
        # Python itself may have opened a file at the free number while it was looking.
        assert fds.get(str(fd), "closed") in ("closed", "/dev/null"), fds


# --- terminal -------------------------------------------------------------------------------------

@pytest.mark.parametrize("flags", [[], ["--reaper=false"], ["--pidns", "--reaper=false"]],
                         ids=" ".join)
def test_without_a_reaper_the_command_keeps_session_group_and_terminal(rk, flags):
    terminal = rk.terminal(rk.exe, *flags, "bash", "--norc", "-ic", "echo on:$(tty); exit 42")
    assert terminal.wait() == 42
    assert "cannot set terminal process group" not in terminal.text
    assert re.search(r"on:/dev/pts/\d+", terminal.text), terminal.text


def test_session_and_process_group_are_the_callers_without_a_reaper(rk):
    report = rk.run(*PROBE, start_new_session=True).json()
    parent = rk.started[-1].pid
    assert (report["sid"], report["pgid"]) == (parent, parent)


@pytest.mark.parametrize("flags", [["--reaper=true"], ["--pidns"]], ids=" ".join)
def test_with_a_reaper_the_command_has_a_session_of_its_own(rk, flags):
    report = rk.run(*flags, *PROBE).json()
    assert report["sid"] == report["pid"] == report["pgid"]


def test_masks_of_a_long_running_command_stay_the_callers(rk):
    running = rk.start_ready()
    command, = children_of(running.child)
    assert signal_sets(command) == signal_sets(os.getpid()) | {"SigIgn": _after_popen()}


def _after_popen():
    """subprocess restores SIGPIPE and SIGXFSZ, which Python ignores."""
    ours = signal_sets(os.getpid())["SigIgn"]
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        ours &= ~(1 << (number - 1))
    return ours

