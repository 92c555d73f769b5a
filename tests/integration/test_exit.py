# SPDX-License-Identifier: Apache-2.0
"""How a run ends: exit codes, death of child or parent, reaping (spec cli.md 1.5 and 1.6,
lifecycle.md 10 and 11)."""
import os
import re
import resource
import signal
import subprocess

import pytest

from harness import PYTHON, REAPERS, children_of, descendants, gone, process_state, wait_until


# --- exit codes -----------------------------------------------------------------------------------

@pytest.mark.also_as_root
@pytest.mark.parametrize("flags", REAPERS, ids=" ".join)
@pytest.mark.parametrize("code", [0, 1, 42, 126, 127, 137, 255])
def test_exit_codes_pass_through(rk, flags, code):
    outcome = rk.sh(*flags, f"exit {code}")
    assert outcome.code == code
    if code:
        assert outcome.told() == (
            f"[rootlesskit:child ] error: command [sh -c exit {code}] exited: exit status {code}\n"
            f"[rootlesskit:parent] error: child exited: exit status {code}\n")
    else:
        assert outcome.told() == ""


SIGNALS = {"KILL": "killed", "TERM": "terminated", "INT": "interrupt", "HUP": "hangup",
           "ABRT": "aborted", "SEGV": "segmentation fault", "USR1": "user defined signal 1",
           "USR2": "user defined signal 2", "QUIT": "quit", "ALRM": None, "42": "signal 42"}


@pytest.mark.parametrize("flags", [[], ["--pidns"], ["--reaper=true"],
                                   ["--pidns", "--reaper=false"]],
                         ids=" ".join)
@pytest.mark.parametrize("name", SIGNALS)
def test_death_by_signal_is_255_and_names_the_signal(rk, flags, name):
    outcome = rk.sh(*flags, f"kill -{name} $$",
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
    assert outcome.code == 255, outcome
    text = SIGNALS[name]
    if text:
        expected = text if text.startswith("signal") else f"signal: {text}"
        first = outcome.err.splitlines()[0]
        assert re.fullmatch(rf"\[rootlesskit:child \] error: command \[sh -c kill -{name} \$\$\] "
                            rf"exited: (signal: )?{expected}( \(core dumped\))?", first), outcome
    assert "[rootlesskit:parent] error: child exited: exit status 255" in outcome.err


@pytest.mark.parametrize("flags", [[], ["--pidns"]], ids=" ".join)
def test_command_not_found(rk, flags):
    outcome = rk.run(*flags, "no-such-command", timeout=5)
    assert outcome.code == 1
    assert 'exec: "no-such-command": executable file not found in $PATH' in outcome.err, outcome


@pytest.mark.parametrize("flags", [[], ["--pidns"]], ids=" ".join)
def test_command_that_cannot_be_executed(rk, flags):
    plain = rk.base / "plain"
    plain.write_text("no program")
    outcome = rk.run(*flags, plain, timeout=5)
    assert outcome.code == 1
    assert "permission denied" in outcome.err, outcome
    plain.write_bytes(b"\x01\x02\x03")
    plain.chmod(0o755)
    outcome = rk.run(*flags, plain, timeout=5)
    assert outcome.code == 1
    assert "exec format error" in outcome.err, outcome
    outcome = rk.run(*flags, rk.base / "missing", timeout=5)
    assert outcome.code == 1
    assert "no such file or directory" in outcome.err, outcome
    assert rk.run(*flags, rk.base, timeout=5).code == 1


def test_path_lookup_uses_the_commands_path_and_skips_what_is_not_executable(rk):
    bad = rk.base / "bad"
    bad.mkdir()
    (bad / "tool").write_text("not executable")
    good = rk.script("tool", "echo the right one\n")
    assert rk.run("tool", env=rk.path_first(bad, good)).ok().out == "the right one\n"


@pytest.mark.parametrize("flags", REAPERS, ids=" ".join)
def test_a_killed_child_is_255_and_takes_the_command_along(rk, flags):
    running = rk.start_ready(*flags, script="echo ready; echo $$; exec sleep 1000")
    command = next(p for p in descendants(running.child) if p != running.child)
    os.kill(running.child, signal.SIGKILL)
    outcome = running.wait(3)
    assert outcome.code == 255
    assert "[rootlesskit:parent] error: child exited: signal: killed" in outcome.err, outcome
    wait_until(lambda: gone(command), 2, "the command to die with the child")
    assert not running.state.exists()


# --- parent death ---------------------------------------------------------------------------------

@pytest.mark.leaves_files
@pytest.mark.also_as_root
@pytest.mark.parametrize("flags", [*REAPERS, ["--net=none"], ["--detach-netns", "--net=none"]],
                         ids=" ".join)
def test_child_and_command_die_with_the_parent(rk, flags):
    running = rk.start_ready(*flags)
    family = descendants(running.pid)
    assert len(family) >= 2 and running.child in family
    os.kill(running.pid, signal.SIGKILL)
    wait_until(lambda: all(gone(pid) for pid in family), 2, "child and command to die")


@pytest.mark.leaves_files
def test_reaper_value_in_the_next_argument(rk):
    running = rk.start_ready("--reaper", "true", "--pidns")
    os.kill(running.pid, signal.SIGKILL)
    wait_until(lambda: gone(running.child), 2, "the child to die")


# --- reaper ---------------------------------------------------------------------------------------

ORPHAN = """
import os, sys
if os.fork() == 0:                      # the middle one: its child becomes an orphan
    if os.fork() == 0:
        open(sys.argv[1]).read()        # until the test opens the fifo for writing
    os._exit(0)
os.wait()
print("ready", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize("flags", [["--pidns"], ["--reaper=true"], ["--pidns", "--reaper=true"]],
                         ids=" ".join)
def test_orphans_are_reaped(rk, flags):
    gate = rk.base / "gate"
    os.mkfifo(gate)
    running = rk.start(f"--state-dir={rk.state()}", *flags, *PYTHON, "-c", ORPHAN, gate,
                       stdin=subprocess.PIPE)
    running.wait_line("ready")
    child = int((rk.state() / "child_pid").read_text())
    command = min(children_of(child), key=_start_time)
    orphan, = wait_until(lambda: [p for p in children_of(child) if p != command], what="adoption")
    with open(gate, "w", encoding="ascii"):
        pass
    wait_until(lambda: process_state(orphan) is None, 3, "the zombie to be reaped")
    assert running.running()
    running.write(b"\n")
    running.wait().ok()


def _start_time(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        return int(f.read().rpartition(")")[2].split()[19]), pid


@pytest.mark.parametrize("flags", [["--pidns"], ["--reaper=true"]], ids=" ".join)
def test_many_orphans_do_not_hide_the_commands_status(rk, flags):
    code = ("import os\nfor i in range(100):\n"
            "    if os.fork() == 0:\n        os.fork()\n        os._exit(9)\nos._exit(42)")
    assert rk.run(*flags, *PYTHON, "-c", code).code == 42


def test_with_pidns_everything_ends_with_the_command(rk):
    rk.sh("--pidns", "setsid sleep 1000 & exit 0").ok()  # the leak check looks for the sleeper
