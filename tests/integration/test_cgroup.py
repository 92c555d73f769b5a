# SPDX-License-Identifier: Apache-2.0
"""--cgroupns and --evacuate-cgroup2 (spec lifecycle.md 9, clients.md 7, known-defects D21, D22)."""
import os
import signal
from pathlib import Path

import pytest

from harness import wait_until

EVACUATE = ["--cgroupns", "--pidns", "--evacuate-cgroup2=evac"]


def own_group(pid="self"):
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return next((line[3:] for line in lines if line.startswith("0::")), None)


@pytest.fixture
def delegated(fixture_dir):
    """An empty cgroup2 directory that belongs to us; pytest runs in a sibling (run.sh)."""
    top = Path((fixture_dir("cgroup")).read_text().strip())
    unit = top / "unit"
    if not (own_group() or "").startswith("/" + top.name):
        pytest.skip(f"this process is not below {top}: use tests/integration/run.sh")
    _clean(unit)
    yield unit
    wait_until(lambda: _clean(unit), what=f"{unit} to be empty")


def _clean(unit):
    try:
        for controller in (unit / "cgroup.subtree_control").read_text().split():
            (unit / "cgroup.subtree_control").write_text("-" + controller)
        for directory, _, _ in os.walk(unit, topdown=False):
            if directory != str(unit):
                os.rmdir(directory)
    except OSError:
        return False
    return True


def in_unit(unit):
    def join():
        (unit / "cgroup.procs").write_text(str(os.getpid()))
    return join


@pytest.mark.parametrize("flags", [[], ["--net=none"], ["--net=none", "--detach-netns"],
                                   ["--copy-up=/run"]],
                         ids=" ".join)
def test_evacuation_gives_the_command_a_writable_cgroup2(rk, delegated, flags):
    outcome = rk.sh(*EVACUATE, *flags,
                    "grep ^0:: /proc/self/cgroup; stat -f -c %T /sys/fs/cgroup; "
                    "mkdir /sys/fs/cgroup/mine && echo $$ >/sys/fs/cgroup/mine/cgroup.procs && "
                    "grep ^0:: /proc/self/cgroup", preexec_fn=in_unit(delegated))
    assert outcome.ok().out == "0::/evac\ncgroup2fs\n0::/mine\n"


def test_the_group_of_the_start_is_empty_and_passes_its_controllers_on(rk, delegated):
    running = rk.start_ready(*EVACUATE, preexec_fn=in_unit(delegated))
    assert (delegated / "cgroup.procs").read_text().split() == []
    assert own_group(running.child).endswith("/unit/evac")
    assert own_group(running.pid).endswith("/unit/evac")
    available = (delegated / "cgroup.controllers").read_text().split()
    assert (delegated / "cgroup.subtree_control").read_text().split() == available
    running.signal(signal.SIGTERM)
    running.wait()


def test_evacuation_twice_in_the_same_group(rk, delegated):
    for _ in range(2):
        rk.sh(*EVACUATE, "grep -q ^0::/evac$ /proc/self/cgroup", preexec_fn=in_unit(delegated)).ok()


def test_evacuation_without_delegation_is_an_error(rk, delegated):
    foreign = delegated.parent / "foreign"
    outcome = rk.run(f"--state-dir={rk.state()}", *EVACUATE, "true", timeout=5,
                     preexec_fn=in_unit(foreign))
    assert outcome.code == 1, outcome
    assert "permission denied" in outcome.err and "evac" in outcome.err, outcome
    assert not rk.state().exists()


def test_a_cgroup_namespace_hides_the_path(rk, delegated):
    out = rk.run("--cgroupns", "grep", "^0::", "/proc/self/cgroup",
                 preexec_fn=in_unit(delegated)).ok().out
    assert out == "0::/\n"
