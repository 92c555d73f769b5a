# SPDX-License-Identifier: Apache-2.0
"""Signals, Ctrl-C, Ctrl-Z and window sizes (spec lifecycle.md 12, known-defects D39)."""
import ast
import contextlib
import ctypes
import os
import signal
import subprocess

import pytest

from harness import PYTHON, children_of, gone, kill_all, marked_processes, process_state, wait_until

MODES = [[], ["--reaper=true"], ["--pidns"], ["--pidns", "--reaper=false"]]

# Counts every signal but one: USR2 (or "?" on standard input) makes it print the counts, so the
# last signal of a test serves as a fence behind which nothing can come any more.
COUNTER = """
import os, signal, sys
counts = {}
names = ["HUP", "INT", "QUIT", "USR1", "TERM", "TSTP", "CONT", "WINCH", "ALRM", "URG", "PIPE", "IO"]
watched = {getattr(signal, "SIG" + n) for n in names} | {signal.SIGRTMIN + 3}
signal.pthread_sigmask(signal.SIG_BLOCK, watched | {signal.SIGUSR2})
print("ready", os.getpid(), flush=True)
while True:
    number = signal.sigwait(watched | {signal.SIGUSR2})
    if number == signal.SIGUSR2:
        print("counts", sorted(counts.items()), flush=True)
        counts.clear()
    else:
        counts[int(number)] = counts.get(int(number), 0) + 1
        print("got", int(number), flush=True)
"""


def counter(rk, *flags):
    running = rk.start(f"--state-dir={rk.state()}", *flags, *PYTHON, "-c", COUNTER)
    running.wait_line("ready")
    running.child = int((rk.state() / "child_pid").read_text())
    return running


def counts(running, to=None):
    """What arrived until now, by a fence sent the same way."""
    before = running.out.count("counts")
    os.kill(to or running.pid, signal.SIGUSR2)
    wait_until(lambda: running.out.count("]\n") > before, what=f"the fence {running!r}")
    return dict(ast.literal_eval(running.out.rpartition("counts ")[2].splitlines()[0]))


FORWARDED = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGTERM,
             signal.SIGALRM, signal.SIGWINCH, signal.SIGIO, signal.SIGRTMIN + 3]


@pytest.mark.also_as_root
@pytest.mark.parametrize("flags", MODES, ids=" ".join)
def test_signals_to_the_parent_reach_the_command_exactly_once(rk, flags):
    running = counter(rk, *flags)
    for number in FORWARDED:
        for time in (1, 2):
            os.kill(running.pid, number)
            # Not before it arrived: of two pending signals the lower number is delivered first.
            wait_until(lambda n=number, t=time: running.out.count(f"got {int(n)}\n") == t)
            assert counts(running) == {int(number): 1}, signal.Signals(number)
    running.signal(signal.SIGKILL)


@pytest.mark.parametrize("flags", MODES, ids=" ".join)
def test_signals_to_the_child_reach_the_command_exactly_once(rk, flags):
    running = counter(rk, *flags)
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP):
        os.kill(running.child, number)
        running.wait_line(f"got {int(number)}")
        assert counts(running, running.child) == {int(number): 1}
    running.signal(signal.SIGKILL)


@pytest.mark.parametrize("flags", MODES, ids=" ".join)
def test_a_signal_to_child_pid_ends_the_command(rk, flags):
    running = rk.start_ready(*flags)
    os.kill(running.child, signal.SIGUSR1)
    outcome = running.wait()
    assert outcome.code == 255
    assert "user defined signal 1" in outcome.err


@pytest.mark.parametrize("flags", MODES, ids=" ".join)
def test_sigterm_stops_the_command_and_cleans_up(rk, flags):
    running = rk.start_ready(*flags)
    running.signal(signal.SIGTERM)
    outcome = running.wait()
    assert outcome.code == 255
    assert "signal: terminated" in outcome.err
    assert not running.state.exists()


SLOW_STOP = """
import os, signal, sys
def stop(*_):
    os.write(1, b"stopping\\n")
    open(sys.argv[1]).read()
    sys.exit(5)
signal.signal(signal.SIGTERM, stop)
os.write(1, b"ready\\n")
while True:
    signal.pause()
"""


@pytest.mark.parametrize("flags", MODES, ids=" ".join)
def test_rootlesskit_waits_for_a_command_that_takes_its_time(rk, flags):
    gate = rk.base / "gate"
    os.mkfifo(gate)
    running = rk.start(f"--state-dir={rk.state()}", *flags, *PYTHON, "-c", SLOW_STOP, gate)
    running.wait_line("ready").signal(signal.SIGTERM)
    running.wait_line("stopping")
    assert running.running() and (rk.state() / "child_pid").exists()
    with open(gate, "w", encoding="ascii"):
        pass
    assert running.wait().code == 5
    assert not rk.state().exists()


def _kill_leftovers(rk):
    """For background jobs of a command: rootlesskit does not hunt for them, nor should it."""
    kill_all(pid for pid, _ in marked_processes(rk.mark))


def test_sigint_ignored_by_a_background_shell_stays_ignored(rk):
    running = rk.start_ready(preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    os.kill(running.pid, signal.SIGINT)
    os.kill(running.child, signal.SIGINT)
    os.kill(running.pid, signal.SIGTERM)
    assert "signal: terminated" in running.wait().err


@pytest.mark.parametrize("flags", MODES, ids=" ".join)
def test_signals_without_meaning_for_the_command_are_not_forwarded(rk, flags):
    running = counter(rk, *flags)
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGURG):
        os.kill(running.pid, number)
    assert counts(running) == {}
    running.signal(signal.SIGKILL)


@pytest.mark.parametrize("flags", MODES, ids=" ".join)
def test_a_signal_to_the_whole_group_arrives_once(rk, flags):
    """kill -TERM -- -PGID, as systemd's KillMode=control-group or a shell's job kill does."""
    running = rk.start(f"--state-dir={rk.state()}", *flags, *PYTHON, "-c", COUNTER,
                       start_new_session=True)
    running.wait_line("ready")
    os.killpg(running.pid, signal.SIGUSR1)
    running.wait_line("got 10")
    # Sent with kill(2) to the group, so it is not from the terminal's driver: a copy may be
    # forwarded when it cannot be told apart; but never more than one.
    assert counts(running)[10] <= 2
    running.signal(signal.SIGKILL)


@pytest.mark.parametrize("flags", MODES, ids=" ".join)
def test_killing_the_group_ends_everything(rk, flags):
    running = rk.start_ready(*flags, start_new_session=True)
    os.killpg(running.pid, signal.SIGTERM)
    assert running.wait().code in (255, -signal.SIGTERM)
    wait_until(lambda: gone(running.child), 2)
    assert not running.state.exists()


def test_signal_before_the_command_runs_ends_the_start(rk, needs_sub_ids):
    gate = rk.base / "gate"
    os.mkfifo(gate)
    slow = rk.script("newuidmap", f'echo here >{gate}; exec sleep 1000\n')
    running = rk.start(f"--state-dir={rk.state()}", "true", env=rk.path_first(slow))
    assert gate.read_text() == "here\n"
    running.signal(signal.SIGTERM)
    outcome = running.wait(3)
    assert outcome.code in (1, 255, -signal.SIGTERM), outcome
    assert rk.run(f"--state-dir={rk.state()}", "true").code == 0


# --- from the keyboard ----------------------------------------------------------------------------

def terminal_counter(rk, *flags):
    terminal = rk.terminal(rk.exe, f"--state-dir={rk.state()}", *flags, *PYTHON, "-c", COUNTER)
    terminal.expect("ready")
    return terminal


@pytest.mark.parametrize("flags", MODES, ids=" ".join)
def test_ctrl_c_reaches_the_command_exactly_once(rk, flags):
    terminal = terminal_counter(rk, *flags)
    for _ in range(5):
        terminal.send("\x03").expect("got 2")
        os.kill(terminal.pid, signal.SIGUSR2)
        terminal.expect("counts [(2, 1)]")
    terminal.send("\x1c").expect("got 3")
    os.kill(terminal.pid, signal.SIGUSR2)
    terminal.expect("counts [(3, 1)]")
    os.kill(terminal.pid, signal.SIGKILL)
    terminal.wait()


@pytest.mark.parametrize("flags", MODES, ids=" ".join)
def test_ctrl_c_ends_a_plain_command(rk, flags):
    terminal = rk.terminal(rk.exe, *flags, "sh", "-c", "echo ready; exec sleep 1000")
    terminal.expect("ready").send("\x03")
    assert terminal.wait() == 255
    assert "signal: interrupt" in terminal.text


@pytest.mark.parametrize("flags", MODES, ids=" ".join)
def test_window_changes_reach_the_command_once(rk, flags):
    terminal = terminal_counter(rk, *flags)
    terminal.resize(50, 132)
    terminal.expect("got 28")
    os.kill(terminal.pid, signal.SIGUSR2)
    terminal.expect("counts [(28, 1)]")
    os.kill(terminal.pid, signal.SIGKILL)
    terminal.wait()


def test_hang_up_of_the_terminal_ends_the_command(rk):
    terminal = rk.terminal(rk.exe, f"--state-dir={rk.state()}", "sh", "-c",
                           "echo ready; exec sleep 1000")
    terminal.expect("ready")
    child = int((rk.state() / "child_pid").read_text())
    os.close(terminal.master)
    terminal.master = os.open("/dev/null", os.O_RDWR)
    wait_until(lambda: gone(child), 3, "the child to end after the hang-up")
    wait_until(lambda: gone(terminal.pid), 3, "the parent to end after the hang-up")
    os.waitpid(terminal.pid, 0)
    terminal.code = 0
    assert not rk.state().exists()


def reader_in_a_shell(rk, flags):
    """An interactive shell with a run in the foreground that echoes lines; the run's two processes."""
    shell = rk.terminal("bash", "--norc", "--noprofile", "-i", env=rk.with_env(PS1="$ ",
                                                                               HISTFILE=""))
    shell.expect("$ ")
    shell.send(" ".join([rk.exe, f"--state-dir={rk.state()}", *flags,
                         "sh -c 'echo rea\"\"dy; while read x; do echo got-$x; done'\n"]))
    shell.expect("ready")
    return shell, children_of(shell.pid)[0], int((rk.state() / "child_pid").read_text())


@pytest.mark.parametrize("flags", [[], ["--pidns", "--reaper=false"]], ids=" ".join)
def test_ctrl_z_stops_and_fg_continues_under_a_job_control_shell(rk, flags):
    shell, parent, child = reader_in_a_shell(rk, flags)
    for text in ("one", "two"):
        shell.send("\x1a").expect("Stopped").expect("$ ")
        assert process_state(parent) == "T"
        wait_until(lambda: process_state(children_of(child)[0]) == "T", what="a stopped command")
        shell.send("fg\n").expect("rootlesskit")
        shell.send(text + "\n").expect("got-" + text)
        assert process_state(parent) != "T"
    shell.send("\x04").expect("$ ")
    shell.send("echo co'de':$?\n").expect("code:0")
    shell.send("exit\n")
    assert shell.wait() == 0


@contextlib.contextmanager
def held_back(pid):
    """Keeps a process from running, without a signal (ptrace(2))."""
    seize, interrupt, detach = 0x4206, 0x4207, 17
    libc = ctypes.CDLL(None, use_errno=True)

    def ptrace(request):
        assert libc.ptrace(request, pid, None, None) == 0, os.strerror(ctypes.get_errno())
    ptrace(seize)
    ptrace(interrupt)
    os.waitpid(pid, 0)
    yield
    ptrace(detach)


@pytest.mark.parametrize("flags", [[], ["--pidns", "--reaper=false"]], ids=" ".join)
def test_a_ctrl_z_is_not_undone_by_the_fg_before_it(rk, flags):
    """The SIGCONT that the child gets from the parent comes late when the child is slow."""
    shell, _, child = reader_in_a_shell(rk, flags)
    command, = children_of(child)
    shell.send("\x1a").expect("Stopped").expect("$ ")
    with held_back(child):
        shell.send("fg\n").expect("rootlesskit")
        shell.send("one\n").expect("got-one")
        shell.send("\x1a")
        wait_until(lambda: process_state(command) == "T", what="a stopped command")
    shell.expect("Stopped").expect("$ ")
    assert process_state(command) == "T"
    shell.send("fg\n").expect("rootlesskit")
    shell.send("again\n").expect("got-again")
    shell.send("\x04").expect("$ ")
    shell.send("exit\n")
    assert shell.wait() == 0


@pytest.mark.parametrize("flags", [["--reaper=true"], ["--pidns"]], ids=" ".join)
def test_ctrl_z_is_survived_with_a_session_of_its_own(rk, flags):
    shell = rk.terminal("bash", "--norc", "--noprofile", "-i", env=rk.with_env(PS1="$ ",
                                                                               HISTFILE=""))
    shell.expect("$ ")
    shell.send(" ".join([rk.exe, f"--state-dir={rk.state()}", *flags,
                         "sh -c 'trap \"exit 7\" TERM; echo rea\"\"dy; sleep 1000 & wait'\n"]))
    shell.expect("ready")
    parent = children_of(shell.pid)[0]
    shell.send("\x1a").expect("Stopped").expect("$ ")
    os.kill(parent, signal.SIGTERM)
    os.kill(parent, signal.SIGCONT)
    wait_until(lambda: gone(parent), what="SIGTERM and SIGCONT to end it after Ctrl-Z")
    _kill_leftovers(rk)


def test_an_interactive_shell_inside_has_job_control(rk):
    shell = rk.terminal(rk.exe, "bash", "--norc", "--noprofile", "-i",
                        env=rk.with_env(PS1="in$ ", HISTFILE=""))
    shell.expect("in$ ")
    shell.send("sh -c 'echo u\"\"p; exec cat'\n").expect("\nup")
    shell.send("hello\n").expect("hello").expect("hello")
    shell.send("\x1a").expect("Stopped").expect("in$ ")
    shell.send("fg\n").expect("cat")
    shell.send("again\n").expect("again").expect("again")
    shell.send("\x03").expect("in$ ")
    shell.send("echo co'de':$?\n").expect("code:130").expect("in$ ")
    shell.send("exit 9\n")
    assert shell.wait() == 9


def test_output_of_a_background_rootlesskit_is_not_stopped(rk):
    """`rootlesskit CMD &` in a shell: Ctrl-C at the prompt must not reach it."""
    shell = rk.terminal("bash", "--norc", "--noprofile", "-i", env=rk.with_env(PS1="$ ",
                                                                               HISTFILE=""))
    shell.expect("$ ")
    shell.send(f"{rk.exe} --state-dir={rk.state()} sleep 1000 &\n").expect("$ ")
    wait_until((rk.state() / "child_pid").exists, what="child_pid")
    child = int((rk.state() / "child_pid").read_text())
    shell.send("\x03").expect("$ ")
    assert not gone(child)
    shell.send("kill %1; wait %1; echo co'de':$?\n").expect("code:255")
    shell.send("exit\n")
    shell.wait()


def test_standard_input_is_passed_through(rk):
    running = rk.start("cat", stdin=subprocess.PIPE)
    running.write(b"x" * 100000)
    running.process.stdin.close()
    assert running.wait().ok().out == "x" * 100000
