# SPDX-License-Identifier: Apache-2.0
"""How the tests are spread over several processes (pytest-xdist: `pytest -n 2`, given by scripts/test.sh).

Most tests wait for other processes, so two of them side by side take half of the time. A file stays in
one process, for its tests may share fixtures; files that share something on the machine stay together.
What else there is only once is divided: ports (netkit.free_port). Loopback addresses are random, names
and directories follow from the test's own, network namespaces are its own.
"""
import os
from types import SimpleNamespace

try:
    from xdist.scheduler import LoadFileScheduling
except ImportError:  # one process, then
    LoadFileScheduling = object

# Both give orders to one DHCP server (lxc_fixture.py).
TOGETHER = {"test_lxc_user_nic.py": "test_lxc_dhcp.py"}
# The longest ones first: the processes shall end at about the same time.
LONG = ("test_kill9.py", "test_lxc_dhcp.py", "test_lxc_user_nic.py", "test_slirp4netns_failures.py",
        "test_pasta_failures.py", "test_slirp4netns.py", "test_signals.py", "test_builtin_abuse.py")


class Scheduler(LoadFileScheduling):
    """Hands out files, and those of TOGETHER as one."""

    def _split_scope(self, nodeid):
        directory, _, name = super()._split_scope(nodeid).rpartition("/")
        return f"{directory}/{TOGETHER.get(name, name)}"


class Hooks:
    """Registered by conftest.py where pytest-xdist is there."""

    @staticmethod
    def pytest_xdist_make_scheduler(config, log):
        return Scheduler(config, log)


def longest_first(items):
    """The same order in every process."""
    def place(item):
        return LONG.index(item.path.name) if item.path.name in LONG else len(LONG)
    items.sort(key=place)  # a stable sort: no other order changes


def share():
    """Which of how many processes this is."""
    return SimpleNamespace(number=int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]),
                           of=int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
