# SPDX-License-Identifier: Apache-2.0
"""kill -9 at every step of the start, and many starts: nothing may be left that the next start with
the same --state-dir does not clean (issue: "To show")."""
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import HERE, PYTHON, exiting_processes, gone, kill_all, marked_processes, wait_until

pytestmark = pytest.mark.leaves_files
TRACER = [*PYTHON, str(HERE / "tracer.py")]
# Every Nth system call is tried. 1 tries all (three minutes; sanitizer builds make many more).
STRIDE = int(os.environ.get("RK_KILL_STRIDE", "5"))
SCENARIOS = {
    "sub-IDs": [],
    "everything": ["--pidns", "--net=none", "--utsns", "--ipcns", "--cgroupns", "--copy-up=D"],
    "detach": ["--net=none", "--detach-netns"],
    "one ID, reaper": ["--subid-source=none", "--reaper=true", "--net=none"],
}


def traced(rk, role, when, flags, ran):
    return rk.run(role, when, rk.exe, f"--state-dir={rk.state()}", *flags, "/bin/touch", ran,
                  exe=TRACER, timeout=20)


def no_process_is_left(rk):
    wait_until(lambda: not marked_processes(rk.mark), 2, f"the end of {marked_processes(rk.mark)}")
    dying = exiting_processes()
    wait_until(lambda: not set(dying) & set(exiting_processes()), 2, "the last of them to die")


def check_next_start(rk, flags):
    outcome = rk.run(f"--state-dir={rk.state()}", *flags, "true", timeout=6)
    assert outcome.code == 0, outcome
    assert outcome.err == "" or "--subid-source=none" in flags, outcome
    assert not rk.state().exists()


@pytest.fixture
def tree():
    """Copy-up makes a link for every neighbour of the directory and of those above it; pytest's
    own directory has a thousand, hence this one."""
    with tempfile.TemporaryDirectory(prefix="rk-kill9-", dir="/tmp") as name:
        directory = Path(name) / "D"
        (directory / "sub").mkdir(parents=True)
        (directory / "sub" / "file").touch()
        (directory / "link").symlink_to("sub/file")
        yield directory


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("role", ["parent", "child"])
def test_kill_at_every_system_call_of_the_start(rk, needs_sub_ids, tree, role, name):
    flags, ran = [flag.replace("=D", f"={tree}") for flag in SCENARIOS[name]], rk.base / "ran"
    count = traced(rk, role, 0, flags, ran)
    assert count.code == 0 and ran.exists(), count
    total = int(count.out.split()[1 if role == "parent" else 2])
    assert total > 20, count
    before = _files(tree)
    for when in range(1, total + 1, STRIDE):
        outcome = traced(rk, role, when, flags, ran)
        assert outcome.out.startswith(("killed", "calls")), f"call {when}: {outcome}"
        no_process_is_left(rk)
        check_next_start(rk, flags)
        assert _files(tree) == before, f"call {when}"


def _files(directory):
    return sorted(str(path) for path in directory.rglob("*"))


@pytest.mark.parametrize("helper", ["newuidmap", "newgidmap"])
@pytest.mark.parametrize("victim", ["$PPID", "$1"], ids=["parent", "child"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_kill_while_the_map_is_made(rk, needs_sub_ids, helper, victim, moment):
    body = {"before": f"kill -9 {victim}; exec /usr/bin/{helper} \"$@\"\n",
            "after": f"/usr/bin/{helper} \"$@\"; kill -9 {victim}\n"}[moment]
    ran = rk.base / "ran"
    running = rk.start(f"--state-dir={rk.state()}", "touch", ran,
                       env=rk.path_first(rk.script(helper, body)))
    outcome = running.wait(5)
    assert outcome.code in (1, 255, -signal.SIGKILL), outcome
    no_process_is_left(rk)
    if victim == "$1":
        assert not ran.exists(), outcome
        assert outcome.code != -signal.SIGKILL
        assert not rk.state().exists()
    check_next_start(rk, [])


def test_a_hanging_newuidmap_does_not_outlive_a_killed_parent(rk, needs_sub_ids):
    gate = rk.base / "gate"
    os.mkfifo(gate)
    slow = rk.script("newuidmap", f"echo here >{gate}; exec sleep 1000\n")
    running = rk.start(f"--state-dir={rk.state()}", "true", env=rk.path_first(slow))
    assert gate.read_text() == "here\n"
    os.kill(running.pid, signal.SIGKILL)
    no_process_is_left(rk)
    check_next_start(rk, [])


def test_two_hundred_starts_leak_nothing(rk):
    """Neither processes nor directories nor mounts."""
    for _ in range(200):
        process = subprocess.run([rk.exe, f"--state-dir={rk.state()}", "/bin/true"], env=rk.env,
                                 cwd=rk.base,
                                 stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert (process.returncode, process.stderr) == (0, b"")
    assert not rk.state().exists()
    assert not rk.leftover_files()
    assert marked_processes(rk.mark) == []


def test_many_at_once_in_temporary_directories(rk):
    runs = [rk.start("--pidns", "--net=none", "sh", "-c", "exit 3") for _ in range(30)]
    assert {r.wait(30).code for r in runs} == {3}
    assert not rk.leftover_files()


def test_killing_all_of_it_at_once(rk):
    running = rk.start_ready("--pidns", "--net=none", "--copy-up=/etc")
    family = [pid for pid, _ in marked_processes(rk.mark)]
    kill_all(family)
    wait_until(lambda: all(gone(pid) for pid in family), 2)
    running.wait()
    check_next_start(rk, [])


def test_a_stopped_child_does_not_stop_the_parent_from_dying(rk):
    running = rk.start_ready()
    os.kill(running.child, signal.SIGSTOP)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    no_process_is_left(rk)
    check_next_start(rk, [])
