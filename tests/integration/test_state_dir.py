# SPDX-License-Identifier: Apache-2.0
"""The state directory: child_pid, lock, recovery, and what must never be deleted (spec lifecycle.md
3, known-defects D5, D6, D13, D14, D34, D38)."""
import fcntl
import os
import re
import signal
import socket
import stat
import subprocess

import pytest

from harness import PYTHON, gone, namespaces_of, parent_of, wait_until

LOCKED = "failed to lock {}/lock, another RootlessKit is running with the same state directory?"


def listing(directory):
    return sorted(p.name for p in directory.iterdir())


# --- child_pid ------------------------------------------------------------------------------------

@pytest.mark.also_as_root
@pytest.mark.parametrize("flags", [[], ["--pidns"], ["--net=none"],
                                   ["--net=none", "--detach-netns"],
                                   ["--reaper=true"], ["--copy-up=/run"]], ids=" ".join)
def test_child_pid_is_there_before_the_command_starts(rk, flags):
    outcome = rk.sh(*flags,
                    'cd "$ROOTLESSKIT_STATE_DIR"; cat child_pid; stat -c "|%a|%F" child_pid')
    number, mode, kind = outcome.ok().out.strip().split("|")
    assert number.isdigit(), "decimal and without a newline"
    assert (mode, kind) == ("444", "regular file")


@pytest.mark.parametrize("flags", [[], ["--pidns"], ["--net=none"],
                                   ["--pidns", "--utsns", "--ipcns",
                                   "--cgroupns", "--net=none"]], ids=" ".join)
def test_child_pid_names_a_process_in_all_the_new_namespaces(rk, flags):
    running = rk.start_ready(*flags, script="for n in user mnt net pid uts ipc cgroup; do "
                             "readlink /proc/self/ns/$n; done; echo ready; exec sleep 1000")
    kinds = ("user", "mnt", "net", "pid", "uts", "ipc", "cgroup")
    assert list(namespaces_of(running.child, kinds).values()) == running.out.split()[:7]
    assert parent_of(running.child) == running.pid


def test_child_pid_appears_complete_or_not_at_all(rk):
    """Nobody may see it empty: it is watched from before the start, in a busy loop."""
    for _ in range(10):
        running = rk.start(f"--state-dir={rk.state()}", "sleep", "0.02")
        while running.running():
            try:
                assert (rk.state() / "child_pid").read_bytes().isdigit()
            except FileNotFoundError:
                pass
        assert running.wait().code == 0


def test_only_known_files_are_in_a_running_state_dir(rk):
    running = rk.start_ready("--net=none")
    assert set(listing(running.state)) <= {"lock", "child_pid", "api.sock"}
    assert {"lock", "child_pid"} <= set(listing(running.state))
    assert stat.S_IMODE((running.state / "lock").stat().st_mode) == 0o600


# --- where it is ----------------------------------------------------------------------------------

def test_temporary_directory_is_private_in_tmpdir_and_removed(rk):
    running = rk.start("sh", "-c", 'echo "dir:$ROOTLESSKIT_STATE_DIR"; echo ready; read x',
                       stdin=subprocess.PIPE)
    running.wait_line("ready")
    directory, = rk.leftover_files()
    assert f"dir:{directory}\n" in running.out
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert directory.name[len("rootlesskit"):].isalnum()
    running.write(b"\n")
    running.wait().ok()
    assert rk.leftover_files() == []


@pytest.mark.parametrize("tmpdir", ["", None])
def test_temporary_directory_without_tmpdir_is_in_tmp(rk, tmpdir):
    out = rk.sh('echo "$ROOTLESSKIT_STATE_DIR"', env=rk.with_env(TMPDIR=tmpdir)).ok().out
    assert out.startswith("/tmp/rootlesskit")
    assert not os.path.exists(out.strip())


def test_missing_tmpdir_is_an_error(rk):
    outcome = rk.run("true", env=rk.with_env(TMPDIR=rk.base / "no" / "such"), timeout=5)
    assert outcome.code == 1
    assert "no such file or directory" in outcome.err


@pytest.mark.parametrize("mask", [0o777, 0o277, 0o137])
def test_temporary_directory_is_0700_whatever_the_umask(rk, mask):
    script = "stat -c %a $ROOTLESSKIT_STATE_DIR; cat $ROOTLESSKIT_STATE_DIR/child_pid"
    out = rk.sh(script, preexec_fn=lambda: os.umask(mask)).ok().out
    assert out.startswith("700\n")


def test_given_directory_is_made_with_parents_and_mode_755(rk):
    state = rk.base / "a" / "b" / "c"
    out = rk.sh(f"--state-dir={state}", f"stat -c %a {state}", preexec_fn=lambda: os.umask(0o022))
    assert out.ok().out == "755\n"


def test_relative_directory_becomes_absolute(rk):
    out = rk.sh("--state-dir=x/../y/./z/", 'echo "$ROOTLESSKIT_STATE_DIR"; ls y/z').ok().out
    assert out.splitlines()[0] == str(rk.base / "y" / "z")
    assert "child_pid" in out


def test_symlinks_in_the_path_are_kept(rk):
    (rk.base / "real").mkdir()
    (rk.base / "link").symlink_to("real")
    out = rk.sh(f"--state-dir={rk.base}/link/state", 'echo "$ROOTLESSKIT_STATE_DIR"').ok().out
    assert out.strip() == f"{rk.base}/link/state"
    assert listing(rk.base / "real") == []


def test_a_symlink_as_the_state_dir_keeps_the_link_and_its_target(rk):
    (rk.base / "real").mkdir()
    (rk.base / "link").symlink_to("real")
    rk.run(f"--state-dir={rk.base}/link", "true").ok()
    assert (rk.base / "link").is_symlink()


@pytest.mark.parametrize("name", ["with blank", "with\nnewline", "ümläut", "quote\"'", "%s%n",
                                  "-dash"])
def test_odd_names(rk, name):
    running = rk.start_ready(state=rk.base / name)
    running.signal(signal.SIGTERM)
    running.wait()
    assert not (rk.base / name).exists()


# --- what is refused ------------------------------------------------------------------------------

def test_a_path_too_long_for_its_sockets_is_refused_early(rk):
    state = rk.base / ("x" * 100)
    outcome = rk.run(f"--state-dir={state}", "true", timeout=5)
    assert outcome.code == 1
    assert re.search("too long|at most", outcome.err), outcome
    assert not state.exists()


def test_a_tmpdir_too_long_for_its_sockets_is_refused_early(rk):
    long = rk.base / ("x" * 100)
    long.mkdir()
    outcome = rk.run("echo", "started", env=rk.with_env(TMPDIR=long), timeout=5)
    assert outcome.code == 1 and outcome.out == "", outcome
    assert "$TMPDIR is too long for a state directory, give --state-dir" in outcome.err
    assert listing(long) == []


def test_a_component_too_long(rk):
    outcome = rk.run(f"--state-dir=/tmp/{'x' * 300}", "true", timeout=5)
    assert outcome.code == 1, outcome


def test_a_file_instead_of_a_directory(rk):
    rk.state().write_text("mine")
    outcome = rk.run(f"--state-dir={rk.state()}", "true", timeout=5)
    assert outcome.code == 1
    assert rk.state().read_text() == "mine"
    assert "not a directory" in outcome.err, outcome


def test_a_read_only_parent(rk):
    parent = rk.base / "ro"
    parent.mkdir(0o555)
    outcome = rk.run(f"--state-dir={parent}/state", "true", timeout=5)
    assert outcome.code == 1
    assert "permission denied" in outcome.err
    assert listing(parent) == []


def test_a_directory_of_somebody_else(rk):
    before = os.stat("/etc")
    outcome = rk.run("--state-dir=/etc", "true", timeout=5)
    assert outcome.code == 1
    assert os.stat("/etc").st_mtime == before.st_mtime


@pytest.mark.parametrize("content", [["precious"], [".hidden"], ["child_pid.bak", "lockfile"]],
                         ids=str)
def test_a_directory_with_foreign_files_is_refused_and_not_changed(rk, content):
    rk.state().mkdir()
    for name in content:
        (rk.state() / name).write_text("precious")
    (rk.state() / "sub").mkdir()
    outcome = rk.run(f"--state-dir={rk.state()}", "true", timeout=5)
    assert outcome.code == 1
    assert str(rk.state()) in outcome.err and "not empty" in outcome.err, outcome
    assert listing(rk.state()) == sorted([*content, "sub"])
    assert all((rk.state() / name).read_text() == "precious" for name in content)


def test_the_home_directory_is_refused(rk):
    home = rk.base / "home"
    (home / "letter").write_text("dear")
    assert rk.run(f"--state-dir={home}", "true", timeout=5).code == 1
    assert listing(home) == ["letter"]


# --- what is accepted and survives ----------------------------------------------------------------

def test_an_empty_directory_is_accepted(rk):
    rk.state().mkdir()
    rk.run(f"--state-dir={rk.state()}", "true").ok()


def test_files_the_user_keeps_in_it_survive(rk):
    """An isulad guide puts its socket, pid file and state there; usernetes a marker."""
    rk.sh(f"--state-dir={rk.state()}",
          'cd "$ROOTLESSKIT_STATE_DIR"; echo 1 >isulad.pid; mkdir sub; '
          "echo 2 >sub/child_pid; touch _child_pid.u7s-ready").ok()
    assert {"isulad.pid", "sub", "_child_pid.u7s-ready"} <= set(listing(rk.state()))
    assert "child_pid" not in listing(rk.state())
    assert (rk.state() / "isulad.pid").read_text() == "1\n"
    assert (rk.state() / "sub" / "child_pid").read_text() == "2\n"
    # ... and the directory is ours the next time, too.
    rk.sh(f"--state-dir={rk.state()}", f"cat {rk.state()}/isulad.pid").ok()
    assert (rk.state() / "sub" / "child_pid").exists()


def test_a_directory_with_a_lock_file_is_ours(rk):
    rk.state().mkdir()
    (rk.state() / "lock").touch()
    (rk.state() / "own").touch()
    rk.run(f"--state-dir={rk.state()}", "true").ok()
    assert "own" in listing(rk.state())


def test_symlinks_planted_in_it_are_not_followed(rk):
    precious = rk.base / "precious"
    precious.write_text("precious")
    rk.state().mkdir()
    (rk.state() / "lock").touch()
    for name in ("child_pid", "api.sock", "netns", "resolv.conf", "hosts"):
        (rk.state() / name).symlink_to(precious)
    rk.run(f"--state-dir={rk.state()}", "true").ok()
    assert precious.read_text() == "precious"
    assert stat.S_IMODE(precious.stat().st_mode) != 0o444


def test_a_command_may_remove_the_state_dir_itself(rk):
    rk.sh(f"--state-dir={rk.state()}", 'rm -rf "$ROOTLESSKIT_STATE_DIR"').ok()
    assert not rk.state().exists()


# --- removal --------------------------------------------------------------------------------------

@pytest.mark.also_as_root
@pytest.mark.parametrize("command,code", [(["true"], 0), (["false"], 1), (["no-such-command"], 1),
                                          (["sh", "-c", "kill -9 $$"], 255)], ids=str)
@pytest.mark.parametrize("flags", [[], ["--pidns"], ["--net=none", "--detach-netns"]], ids=" ".join)
def test_it_is_removed_however_the_command_ends(rk, flags, command, code):
    assert rk.run(f"--state-dir={rk.state()}", *flags, *command).code == code
    assert not rk.state().exists()
    assert rk.run(*flags, *command).code == code
    assert rk.leftover_files() == []


@pytest.mark.parametrize("flags", [["--copy-up=/no/such/dir"], ["--copy-up=/etc/passwd"]],
                         ids=" ".join)
def test_it_is_removed_when_the_start_fails(rk, flags):
    assert rk.run(f"--state-dir={rk.state()}", *flags, "true", timeout=5).code == 1
    assert not rk.state().exists()
    assert rk.run(*flags, "true", timeout=5).code == 1
    assert rk.leftover_files() == []


# --- lock -----------------------------------------------------------------------------------------

def test_a_second_start_is_refused_and_harms_nothing(rk):
    first = rk.start_ready()
    before = listing(first.state)
    outcome = rk.run(f"--state-dir={first.state}", "true", timeout=5)
    assert outcome.code == 1
    assert f"[rootlesskit:parent] error: {LOCKED.format(first.state)}" in outcome.err, outcome
    assert listing(first.state) == before
    assert first.running()
    first.signal(signal.SIGTERM)
    first.wait()
    assert not first.state.exists()


def test_the_lock_is_held_by_flock_for_others_to_see(rk):
    running = rk.start_ready()
    with open(running.state / "lock", encoding="ascii") as f:
        with pytest.raises(BlockingIOError):
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_directory_is_held_by_a_shared_flock(rk):
    """systemd-tmpfiles leaves directories alone that somebody holds (D14)."""
    running = rk.start_ready()
    fd = os.open(running.state, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.close(fd)


def test_somebody_elses_lock_on_the_directory_does_not_block_us(rk):
    rk.state().mkdir()
    fd = os.open(rk.state(), os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    outcome = rk.run(f"--state-dir={rk.state()}", "true", timeout=5)
    os.close(fd)
    assert outcome.code in (0, 1), outcome


def test_the_command_does_not_hold_the_lock(rk):
    """A daemon that outlives us must not keep the directory locked."""
    running = rk.start_ready(script="setsid sh -c 'echo $$; echo ready; exec sleep 1000' & wait")
    daemon = int(running.out.split()[0])
    running.signal(signal.SIGTERM)
    running.wait()
    assert not gone(daemon)
    os.kill(daemon, 0)
    rk.run(f"--state-dir={rk.state()}", "true").ok()
    os.kill(daemon, signal.SIGKILL)


def test_many_starts_at_once_on_one_directory(rk):
    """Exactly one wins at a time; losers say so; nobody loses its files while it runs."""
    check = 'd="$ROOTLESSKIT_STATE_DIR"; test -s "$d/child_pid" && echo $$ >"$d/child_mark" && ' \
            'sleep 0.05 && test "$(cat "$d/child_mark")" = $$ && test -s "$d/child_pid" && ' \
            'rm "$d/child_mark"'
    runs = [rk.start(f"--state-dir={rk.state()}", "--pidns", "--reaper=false", "sh", "-c",
                     check.replace("$$", str(i))) for i in range(12)]
    outcomes = [r.wait() for r in runs]
    assert any(o.code == 0 for o in outcomes)
    for outcome in outcomes:
        assert outcome.code == 0 or LOCKED.format(rk.state()) in outcome.err, outcome
    assert not rk.state().exists()


def test_starts_in_quick_succession(rk):
    for _ in range(20):
        rk.run(f"--state-dir={rk.state()}", "true").ok()


# --- recovery -------------------------------------------------------------------------------------

@pytest.mark.leaves_files
@pytest.mark.also_as_root
@pytest.mark.parametrize("flags", [[], ["--pidns", "--net=none"], ["--net=none", "--detach-netns"],
                                   ["--copy-up=/etc", "--copy-up=/run"]], ids=" ".join)
def test_a_directory_left_by_sigkill_is_used_again(rk, flags):
    for _ in range(2):
        running = rk.start_ready(*flags)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        wait_until(lambda r=running: gone(r.child), 2)
        assert "child_pid" in listing(running.state)
    rk.run(f"--state-dir={rk.state()}", *flags, "true").ok()
    assert not rk.state().exists()


@pytest.mark.leaves_files
def test_users_files_survive_recovery(rk):
    running = rk.start_ready(script="echo x >$ROOTLESSKIT_STATE_DIR/own; echo ready; "
                             "exec sleep 1000")
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    wait_until(lambda: gone(running.child), 2)
    rk.run(f"--state-dir={rk.state()}", "true").ok()
    assert (rk.state() / "own").read_text() == "x\n"


def test_leftovers_of_the_original_are_accepted(rk):
    rk.state().mkdir()
    for name in ("lock", "child_pid", "resolv.conf", "hosts", "netns"):
        (rk.state() / name).touch()
    os.mkfifo(rk.state() / ".bp-ready.pipe")
    for name in ("api.sock", ".bp.sock", ".s4nn.sock"):
        socket.socket(socket.AF_UNIX).bind(str(rk.state() / name))
    rk.sh(f"--state-dir={rk.state()}", 'test -s "$ROOTLESSKIT_STATE_DIR/child_pid"').ok()
    assert not rk.state().exists()


def test_old_child_pid_is_not_visible_while_the_next_run_starts(rk, needs_sub_ids):
    """usernetes reads child_pid as soon as it exists: a stale one would lead it astray."""
    rk.state().mkdir()
    (rk.state() / "lock").touch()
    (rk.state() / "child_pid").write_text("1")
    gate = rk.base / "gate"
    os.mkfifo(gate)
    slow = rk.script("newuidmap",
                     f'echo here >{gate}; read x <{gate}; exec /usr/bin/newuidmap "$@"\n')
    running = rk.start(f"--state-dir={rk.state()}", "true", env=rk.path_first(slow))
    assert gate.read_text() == "here\n"
    assert not (rk.state() / "child_pid").exists()
    gate.write_text("go\n")
    running.wait().ok()


def test_two_runs_share_nothing(rk):
    code = "import os;print(os.environ['ROOTLESSKIT_STATE_DIR'])"
    runs = [rk.start(*PYTHON, "-c", code) for _ in range(5)]
    assert len({r.wait().ok().out for r in runs}) == 5
