# SPDX-License-Identifier: Apache-2.0
"""Fixtures and rules for all integration tests: the `rk` fixture with its leak check, the worlds
(ordinary user, root), and the switch that turns every skip into a failure."""
import ctypes
import os
import signal
import subprocess
import time
import uuid
from pathlib import Path

import pytest

import harness
import spread
from harness import AS_ROOT, BIN_DIR, FIXTURES, Rk, kill_all, marked_processes, wait_until
from remote_host import remote  # noqa: F401  # pylint: disable=unused-import

MUST_RUN = "1" in (os.environ.get("ROOTLESSKIT_TESTS_MUST_RUN"),
                   os.environ.get("RK_TESTS_MUST_RUN"))
INSTRUMENTED = "ASAN_OPTIONS" in os.environ
PR_SET_CHILD_SUBREAPER = 36


def pytest_configure(config):
    config.addinivalue_line("markers", "also_as_root: run in the root world, too")
    config.addinivalue_line("markers", "only_as_root: makes sense in the root world only")
    config.addinivalue_line("markers", "leaves_files: the test kills rootlesskit, so files stay")
    config.addinivalue_line("markers", "release_only: load, figures or a client's daemon: nothing "
                            "that a sanitizer would see more of, and much slower with one")
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(spread.Hooks())
    # A shell starts what it starts with & with these two ignored, and so would be all that we start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    # Orphans of a test become our children: they can be found, and no init is needed to reap them.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def pytest_sessionstart(session):
    """The original may delete a user's files when it is tested with hard cases (its --state-dir
    and --copy-up defects), so a stranger's binary is only run when that is really wanted."""
    exe = BIN_DIR / "rootlesskit"
    if exe.exists() and os.environ.get("RK_ALLOW_ORIGINAL") != "1":
        version = subprocess.run([exe, "--version"], capture_output=True, text=True, check=False)
        if "cxx" not in version.stdout:
            pytest.exit(f"{exe} is not ours ({version.stdout.strip()}): testing it may delete "
                        "files of this user; RK_ALLOW_ORIGINAL=1 if you mean it", 3)


def pytest_collection_modifyitems(config, items):
    def fits(item):
        if INSTRUMENTED and item.get_closest_marker("release_only"):
            return False
        if AS_ROOT:
            return any(map(item.get_closest_marker, ("also_as_root", "only_as_root")))
        return not item.get_closest_marker("only_as_root")

    wrong_world = [item for item in items if not fits(item)]
    if wrong_world:
        config.hook.pytest_deselected(items=wrong_world)
        items[:] = [item for item in items if fits(item)]
    spread.longest_first(items)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """With ROOTLESSKIT_TESTS_MUST_RUN=1 a test that cannot run is a failure."""
    report = (yield).get_result()
    if MUST_RUN and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"could not run although it must (MUST_RUN): {report.longrepr}"


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.stats.get("skipped", []):
        where, _, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, "")
        terminalreporter.write_line(f"CANNOT RUN HERE: {report.nodeid}: {reason}")


def pytest_report_header(config):
    world = "root" if AS_ROOT else "ordinary user"
    return f"rootlesskit: {BIN_DIR}/rootlesskit, world: {world}, fixtures: {FIXTURES}"


@pytest.fixture
def fixture_dir():
    """A directory made by setup_privileged.sh: fixture_dir("nosuid")."""
    def find(name):
        path = FIXTURES / name
        if not path.exists():
            pytest.skip(f"{path} is missing: run tests/integration/setup_privileged.sh as root")
        return path
    return find


def _mounts_naming(words):
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return {line for line in lines if any(word in line for word in words)}


def _stop_everything(rk):
    """Ends what the test left running. Returns whether SIGKILL was needed."""
    killed = False
    for terminal in rk.terminals:
        killed |= terminal.code is None
        terminal.close()
    for running in rk.started:
        if running.process.poll() is None:
            try:
                running.process.terminate()
                running.process.wait(3 * harness.SLOW)
            except Exception:  # pylint: disable=broad-except
                running.process.kill()
                running.process.wait()
                killed = True
    return killed


def _reap_orphans():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _check_no_processes(rk):
    for _ in range(int(500 * harness.SLOW)):
        left = marked_processes(rk.mark)
        if not left:
            return
        time.sleep(0.01)
    kill_all(pid for pid, _ in left)
    wait_until(lambda: not marked_processes(rk.mark), what="the leftovers to die")
    pytest.fail(f"processes were left running: {left}")


@pytest.fixture
def rk(request, tmp_path):
    """The program under test; after the test nothing of it may be left."""
    assert (BIN_DIR / "rootlesskit").exists(), f"{BIN_DIR}/rootlesskit is not built (RK_BIN_DIR)"
    tmp_path.chmod(0o755)
    words = ("rootlesskit", "rksys", str(tmp_path))
    mounts = _mounts_naming(words)
    kit = Rk(tmp_path, uuid.uuid4().hex)
    yield kit
    killed = _stop_everything(kit) or request.node.get_closest_marker("leaves_files")
    try:
        _check_no_processes(kit)
    finally:
        _reap_orphans()
    new = _mounts_naming(words) - mounts
    assert not new, f"mounts were left on the host: {new}"
    if not killed:
        left = kit.leftover_files()
        assert not left, f"files were left in TMPDIR: {left}"


@pytest.fixture
def needs_sub_ids(rk):
    """For tests that look at the ranges: the caller's lines of /etc/subuid and /etc/subgid."""
    if AS_ROOT:
        return {"uid": [(200000, 65536)], "gid": [(200000, 65536)]}
    ranges = {}
    for kind, name in (("uid", "/etc/subuid"), ("gid", "/etc/subgid")):
        fields = [line.strip().split(":") for line in Path(name).read_text().splitlines()]
        ranges[kind] = [(int(f[1]), int(f[2])) for f in fields
                        if len(f) == 3 and f[0] in (rk.env["USER"], str(os.getuid()))]
        if not ranges[kind]:
            pytest.skip(f"{rk.env['USER']} has no ranges in {name}")
    return ranges
