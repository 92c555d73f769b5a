# SPDX-License-Identifier: Apache-2.0
"""RootlessKit where it is not on the host: inside `unshare -r` (one ID only), as root of a user
namespace with IDs, inside itself, as PID 1 of a container, on a kernel without newer calls."""
import os
import re
import signal

import pytest

from harness import HERE, PROBE, PYTHON, children_of, gone, id_lines, nested, wait_until

SINGLE = ["unshare", "-r"]
PID1 = ["unshare", "-r", "--pid", "--fork", "--mount", "--mount-proc", "--kill-child"]
EVERYTHING = ["--pidns", "--utsns", "--ipcns", "--cgroupns", "--net=none", "--copy-up=/etc",
              "--copy-up=/run"]
NEWER = "open_tree,move_mount,clone3,pidfd_open,close_range,mount_setattr,openat2"
WRAP = [*PYTHON, str(HERE / "seccomp_wrap.py"), "ENOSYS"]


# --- inside unshare -r: one ID --------------------------------------------------------------------

@pytest.mark.parametrize("flags", [[], ["--pidns"], ["--net=none"],
                                   ["--net=none", "--detach-netns"],
                                   ["--copy-up=/etc"], ["--reaper=true"], EVERYTHING], ids=" ".join)
def test_one_id_works_with_subid_source_none(rk, flags):
    report = rk.run("--subid-source=none", *flags, *PROBE, prefix=SINGLE).json()
    assert id_lines(report["uid_map"]) == id_lines(report["gid_map"]) == [(0, 0, 1)]
    assert set(report["fds"]) == {"0", "1", "2"}


@pytest.mark.parametrize("source", ["auto", "static", "dynamic"])
def test_one_id_is_too_few_for_the_other_sources(rk, needs_sub_ids, source):
    outcome = rk.run(f"--subid-source={source}", "true", prefix=SINGLE, timeout=5)
    assert outcome.code == 1
    assert "[rootlesskit:parent] error: " in outcome.err, outcome


def test_running_as_root_is_announced_as_unsupported(rk):
    err = rk.run("--subid-source=none", "true", prefix=SINGLE).ok().err
    assert re.search(r"level=warning.*Running RootlessKit as the root user is unsupported",
                     err), err


@pytest.mark.parametrize("code", [0, 42])
def test_exit_code_inside_unshare(rk, code):
    assert rk.sh("--subid-source=none", f"exit {code}", prefix=SINGLE).code == code


@pytest.mark.only_as_root
def test_real_root_works_with_a_warning(rk):
    outcome = rk.run("id", "-u").ok()
    assert outcome.out == "0\n"
    assert "Running RootlessKit as the root user is unsupported" in outcome.err


# --- nested in a namespace with IDs ---------------------------------------------------------------

@pytest.mark.parametrize("flags", [[], EVERYTHING, ["--net=none", "--detach-netns"]], ids=" ".join)
def test_as_root_of_an_outer_namespace_with_sub_ids(rk, needs_sub_ids, flags):
    report = rk.run(*flags, *PROBE, prefix=nested(rk)).json()
    assert id_lines(report["uid_map"]) == [(0, 0, 1), (1, 1, 60000)]


def test_rootlesskit_inside_rootlesskit(rk, needs_sub_ids):
    script = (f'rm -f /etc/subuid /etc/subgid; echo root:1:60000 | tee /etc/subuid >/etc/subgid; '
              f'exec {rk.exe} --copy-up=/etc --pidns --net=none '
              'sh -c "cat /proc/self/uid_map; exit 5"')
    outcome = rk.sh("--copy-up=/etc", "--pidns", "--net=none", script)
    assert outcome.code == 5
    assert id_lines(outcome.out) == [(0, 0, 1), (1, 1, 60000)]


def test_binary_garbage_in_a_private_subuid_file(rk, needs_sub_ids):
    script = ('rm -f /etc/subuid /etc/subgid; head -c 5000 /dev/urandom >/etc/subuid; '
              f'cp /etc/subuid /etc/subgid; {rk.exe} true; echo "code:$?"')
    outcome = rk.sh("--copy-up=/etc", script).ok()
    assert outcome.out == "code:1\n", outcome
    assert "No subuid ranges found" in outcome.err


def test_an_inner_environment_does_not_confuse_the_outer_one(rk, needs_sub_ids):
    outcome = rk.sh(f'outer=$ROOTLESSKIT_STATE_DIR; {rk.exe} --subid-source=none sh -c "echo '
                    '\\$ROOTLESSKIT_STATE_DIR \\$ROOTLESSKIT_PARENT_EUID"; '
                    'echo $outer; ls $outer').ok()
    inner, outer, *files = outcome.lines()
    assert inner.split()[0] != outer and inner.split()[1] == "0"
    assert "child_pid" in files


# --- PID 1 of a container -------------------------------------------------------------------------

@pytest.mark.parametrize("flags", [[], ["--pidns"], ["--reaper=true"], ["--net=none"]],
                         ids=" ".join)
def test_as_pid_1_exit_codes_pass(rk, flags):
    for code in (0, 42):
        assert rk.sh("--subid-source=none", *flags, f"exit {code}", prefix=PID1).code == code


def test_as_pid_1_a_signal_to_it_is_forwarded(rk):
    code = ("import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(6))\n"
            "print('ready', flush=True)\nwhile True: signal.pause()")
    running = rk.start("--subid-source=none", f"--state-dir={rk.state()}", *PYTHON, "-c", code,
                       prefix=PID1)
    running.wait_line("ready")
    pid1, = children_of(running.pid)
    os.kill(pid1, signal.SIGTERM)
    assert running.wait().code == 6
    wait_until(lambda: gone(pid1))


@pytest.mark.parametrize("flags", [[], ["--reaper=true"], ["--pidns"]], ids=" ".join)
def test_as_pid_1_orphans_are_reaped(rk, flags):
    code = ("import os,time\n"
            "for i in range(20):\n    if os.fork() == 0:\n"
            "        if os.fork() == 0: os._exit(0)\n        os._exit(0)\n    os.wait()\n"
            "def zombies():\n"
            "    n = 0\n"
            "    for p in os.listdir('/proc'):\n"
            "        if p.isdigit():\n"
            "            try: n += ') Z ' in open(f'/proc/{p}/stat').read()\n"
            "            except OSError: pass\n"
            "    return n\n"
            "end = time.monotonic() + 3\n"
            "while zombies() and time.monotonic() < end: time.sleep(0.01)\n"
            "print('zombies', zombies())")
    outcome = rk.run("--subid-source=none", *flags, *PYTHON, "-c", code, prefix=PID1)
    assert outcome.ok().out == "zombies 0\n"


def test_as_pid_1_with_arguments_of_a_daemon(rk):
    # moby/buildkit:rootless: ENTRYPOINT rootlesskit buildkitd, plus the user's arguments
    out = rk.run("--subid-source=none", "echo", "--addr", "tcp://0.0.0.0:1234",
                 prefix=PID1).ok().out
    assert out == "--addr tcp://0.0.0.0:1234\n"


# --- an older kernel ------------------------------------------------------------------------------

@pytest.mark.parametrize("flags", [[], EVERYTHING, ["--net=none", "--detach-netns"],
                                   ["--reaper=true", "--copy-up=/var/lib"]], ids=" ".join)
def test_without_the_newer_system_calls(rk, needs_sub_ids, flags):
    outcome = rk.run(*flags, *PROBE, prefix=[*nested(rk), *WRAP, NEWER])
    report = outcome.json()
    assert id_lines(report["uid_map"]) == [(0, 0, 1), (1, 1, 60000)]
    assert set(report["fds"]) == {"0", "1", "2"}


@pytest.mark.parametrize("call", NEWER.split(","))
def test_without_one_of_the_newer_system_calls(rk, call):
    outcome = rk.sh("--subid-source=none", *EVERYTHING,
                    "test $(stat -f -c %T /etc) = tmpfs && exit 42",
                    prefix=[*SINGLE, *WRAP, call])
    assert outcome.code == 42, outcome


@pytest.mark.parametrize("call", ["pidfd_open,clone3", "close_range", NEWER])
def test_signals_and_death_without_the_newer_system_calls(rk, call):
    running = rk.start_ready("--subid-source=none", "--pidns", prefix=[*SINGLE, *WRAP, call])
    running.signal(signal.SIGTERM)
    assert running.wait().code == 255
    running = rk.start_ready("--subid-source=none", prefix=[*SINGLE, *WRAP, call],
                             state=rk.state("second"))
    os.kill(running.child, signal.SIGKILL)
    assert running.wait(3).code == 255


@pytest.mark.leaves_files
def test_parent_death_without_the_newer_system_calls(rk):
    running = rk.start_ready("--subid-source=none", prefix=[*SINGLE, *WRAP, NEWER])
    os.kill(running.pid, signal.SIGKILL)
    wait_until(lambda: gone(running.child), 2)
