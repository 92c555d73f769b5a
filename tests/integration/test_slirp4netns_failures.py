# SPDX-License-Identifier: Apache-2.0
"""--net=slirp4netns: a helper that fails, hangs, prints junk or dies (spec network.md 5)."""
# pylint: disable=redefined-outer-name,unused-import
import os
import re
import signal
from pathlib import Path

import pytest

from harness import PYTHON, SLOW, copy_of, descendants, gone, wait_until, which
from netkit import CTL
from openapi import Api, Document
from slirp import (ASK, COPY_UP, DETACH, NET, QUIET, arguments_of, helper_of, host,  # noqa: F401
                   inside, need_slirp4netns)

# A failing start must be told within this time (seconds), whatever the helper does: two waits of
# ours take 4 s each at most, and no helper here uses up both.
SOON = 8


@pytest.fixture(autouse=True)
def needs_slirp4netns():
    need_slirp4netns()


def fake(rk, text, name="slirp4netns"):
    return rk.path_first(rk.script(name, text))


def assert_told(outcome, *texts):
    assert outcome.code == 1, outcome
    assert outcome.seconds < SOON * SLOW, outcome
    assert outcome.out == ""
    for text in texts:
        assert text in outcome.err, outcome


GOOD_HELP = "case $1 in --help) echo --netns-type --disable-host-loopback; exit 0;; esac\n"


def test_binary_missing(rk):
    outcome = rk.run(*QUIET, "--slirp4netns-binary=/nonexistent/s4", "echo", "started")
    assert_told(outcome, "failed to setup network", "/nonexistent/s4", "no such file or directory",
                "cause: there is no program /nonexistent/s4", "remedy: ")
    outcome = rk.run(*QUIET, "--slirp4netns-binary=no-such-program-x", "echo", "started")
    assert_told(outcome, 'exec: "no-such-program-x": executable file not found in $PATH',
                "cause: there is no no-such-program-x in $PATH", "remedy: ", "--net=builtin")


def test_a_missing_binary_costs_no_state_dir(rk):
    state = rk.state()
    rk.run(f"--state-dir={state}", *QUIET, "--slirp4netns-binary=/nonexistent/s4", "true")
    assert not state.exists()


def test_bin_false(rk):
    assert_told(rk.run(*QUIET, "--slirp4netns-binary=/bin/false", "echo", "started"),
                'command "/bin/false --help" failed: exit status 1',
                "cause: /bin/false is not slirp4netns")


@pytest.mark.parametrize("text, error", [
    ("echo usage: --cidr", "slirp4netns seems older than v0.4.0"),
    ("head -c 3000000 /dev/urandom", "slirp4netns seems older than v0.4.0"),
    ("echo --netns-type", "this version of slirp4netns does not support --disable-host-loopback"),
    ("exec sleep 100", "timed out"),
    ("exec yes", "timed out"),
], ids=["old", "junk", "lacks", "hangs", "endless"])
def test_help_that_does_not_help(rk, text, error):
    assert_told(rk.run(*QUIET, "echo", "started", env=fake(rk, text)), "failed to setup network",
                error, "cause: ", "remedy: ", "--net=builtin")


@pytest.mark.parametrize("text, error", [
    ("echo bad luck >&2; exit 3", 'exit status 3, having printed "bad luck"'),
    ("kill -9 $$", "signal: killed"),
    ("exec sleep 100", "did not get ready in time"),
    ("exec yes", "did not get ready in time"),
    ("exec 3>&-; exec sleep 100", "did not get ready in time"),
    ("exec /bin/false", "exit status 1"),
], ids=["fails", "killed", "hangs", "endless", "closes", "false"])
@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_a_helper_that_does_not_start(rk, text, error, detached):
    outcome = rk.run(*QUIET, *(DETACH if detached else []), "echo", "started",
                     env=fake(rk, GOOD_HELP + text))
    assert_told(outcome, "failed to setup network", "waiting for ready fd", error)


def test_a_helper_that_ends_is_told_at_once(rk):
    outcome = rk.run(*QUIET, "echo", "started", env=fake(rk, GOOD_HELP + "exit 7\n"))
    assert_told(outcome, "exit status 7")
    assert outcome.seconds < 3.5 * SLOW  # not at the end of the 4 s it may take


def test_the_command_starts_with_an_interface_that_carries(rk):
    """A helper that says it is ready a little before it attaches to the interface: the kernel drops
    what is sent meanwhile."""
    late = (GOOD_HELP + 'echo 1 >&3; exec 3>&-; sleep 0.3; mtu=$2; shift 4; '
            f'exec {which("slirp4netns")} --mtu "$mtu" "$@"')
    outcome = rk.run(*QUIET, "cat", "/sys/class/net/tap0/carrier", "/sys/class/net/tap0/operstate",
                     env=fake(rk, late))
    assert outcome.ok().out == "1\nup\n"


def test_a_relative_binary_path(rk):
    copy_of(which("slirp4netns"), rk.base / "rel" / "slirp4netns-x")
    rk.run(*QUIET, "--slirp4netns-binary=rel/slirp4netns-x", "test", "-d", "/sys/class/net/tap0"
           ).ok()


def test_no_other_program_is_needed(rk, needs_sub_ids):
    only = rk.base / "only"
    only.mkdir()
    for name in ("newuidmap", "newgidmap", "slirp4netns"):
        (only / name).symlink_to(which(name))
    for flags in ([], COPY_UP, DETACH):
        rk.run(*QUIET, *flags, "/bin/true", env=rk.with_env(PATH=only)).ok()


def test_a_signal_ends_a_start_that_hangs(rk):
    running = rk.start(*QUIET, "sleep", "100", env=fake(rk, GOOD_HELP + "exec sleep 100"))
    wait_until(lambda: any("-r" in arguments_of(pid) or arguments_of(pid)[:1] == ["sleep"]
                           for pid in descendants(running.pid)), what="the fake helper")
    running.signal(signal.SIGTERM)
    assert running.wait(3).code == -signal.SIGTERM


def test_tun_that_is_missing_has_a_remedy(rk):
    """In a mount namespace with an empty /dev/net."""
    prefix = ["unshare", "--map-root-user", "--map-auto", "--mount", "sh", "-c",
              'mount -t tmpfs tmpfs /dev/net && exec "$@"', "sh"]
    outcome = rk.run(*QUIET, "--subid-source=none", "echo", "started", prefix=prefix)
    assert_told(outcome, "create interface tap0: open /dev/net/tun: no such file or directory",
                "cause:", "/dev/net/tun", "remedy:")


# ---- the helper's life

@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_a_killed_helper_is_started_again(rk, host, detached):
    (rk.base / "ask.py").write_text(ASK)
    python = " ".join(PYTHON)
    script = ("echo ready; while read line; do "
              f"{inside(detached)}{python} {rk.base}/ask.py tcp 10.0.2.2 {host.ports[0]} 5; done")
    read_end, write_end = os.pipe()
    running = rk.start_ready(*NET, *COPY_UP, *(DETACH if detached else []), script=script,
                             stdin=read_end)
    os.close(read_end)
    os.write(write_end, b"go\n")
    running.wait_line("pong")
    for number in range(1, 4):
        first = helper_of(running)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda n=number: running.err.count("slirp4netns ended (signal: killed") == n,
                   timeout=1, what="a line about its death")
        wait_until(lambda n=number: running.err.count("slirp4netns runs again") == n,
                   what="the next slirp4netns")
        assert helper_of(running) != first
        os.write(write_end, b"go\n")
        wait_until(lambda n=number: running.out.count("pong") == n + 1, timeout=8,
                   what=f"the network after restart {number}")
    os.close(write_end)
    running.wait()


def test_info_shows_how_the_helper_is(rk):
    """Alive, dead, and alive again."""
    real = which("slirp4netns")
    running = rk.start_ready(
        *QUIET, env=fake(rk, f'test -e {rk.base}/down && exit 1; exec {real} "$@"'))
    with Api(running.state / "api.sock", Document()) as api:
        def helper():
            return api.ask("GET", "/v1/info").json()["networkDriver"]["helper"]
        first = helper_of(running)
        assert helper() == {"running": True, "pid": first, "restarts": 0}
        ctl = [CTL, f"--socket={running.state}/api.sock", "info"]
        assert "Helper" not in rk.other(*ctl).ok().out
        (rk.base / "down").touch()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: helper() == {"running": False, "pid": 0, "restarts": 0}, timeout=1,
                   what="its death to be told")
        assert "  - Helper: not running, started again 0 times\n" in rk.other(*ctl).ok().out
        (rk.base / "down").unlink()
        wait_until(lambda: helper()["running"], timeout=10, what="the next one")
        assert helper() == {"running": True, "pid": helper_of(running), "restarts": 1}
        assert "  - Helper: running, started again 1 times\n" in rk.other(*ctl).ok().out


@pytest.mark.parametrize("flag,lacks", [
    ("--ipv6", "--enable-ipv6"), ("--cidr=10.9.0.0/16", "--cidr"),
    ("--slirp4netns-sandbox=true", "--enable-sandbox"),
    ("--slirp4netns-seccomp=true", None),
])
def test_what_this_version_lacks(rk, flag, lacks):
    error = (f"this version of slirp4netns does not support {lacks}" if lacks else
             "unsupported slirp4netns version: lacks SupportsEnableSeccomp")
    assert_told(rk.run(*QUIET, flag, "echo", "started", env=fake(rk, GOOD_HELP)), error)


def test_auto_does_without(rk):
    """And the fake fails when it is asked to start, so what it was asked is in the error."""
    outcome = rk.run(*QUIET, "--slirp4netns-sandbox=auto", "--slirp4netns-seccomp=auto", "echo",
                     "started", env=fake(rk, GOOD_HELP + 'echo "asked: $*"; exit 1'))
    assert_told(outcome, "asked: --mtu 65520 -r 3 --disable-host-loopback ")
    assert "--enable" not in outcome.err


def test_a_helper_that_keeps_dying_is_not_restarted_in_a_rush(rk):
    """Ready, then dead, each time: the pauses double."""
    env = fake(rk, GOOD_HELP + f"echo x >>{rk.base}/starts; echo 1 >&3; exit 1")
    running = rk.start_ready(*QUIET, env=env)
    starts = rk.base / "starts"
    wait_until(lambda: len(starts.read_text().split()) >= 5, timeout=10, what="five starts")
    pauses = re.findall(r"starting slirp4netns again in ([0-9.]+) s", running.err)
    assert list(map(float, pauses[:4])) == [0.1, 0.2, 0.4, 0.8]
    running.signal(signal.SIGTERM)
    running.wait()


def test_output_of_the_helper_is_in_the_debug_log(rk):
    outcome = rk.run("--debug", *QUIET, "true").ok()
    assert "network/slirp4netns: " in outcome.err
    assert "network/slirp4netns: " not in rk.run(*QUIET, "true").ok().err


@pytest.mark.parametrize("flags", [[], ["--slirp4netns-sandbox=true", "--slirp4netns-seccomp=true"],
                                   DETACH, ["--pidns"]], ids=" ".join)
def test_nothing_is_left_at_the_end(rk, flags):
    running = rk.start_ready(*QUIET, *COPY_UP, *flags)
    pid = helper_of(running)
    running.signal(signal.SIGTERM)
    running.wait()
    assert gone(pid)
    assert not running.state.exists()


@pytest.mark.leaves_files
@pytest.mark.parametrize("flags", [[], ["--slirp4netns-sandbox=true", "--slirp4netns-seccomp=true"],
                                   DETACH], ids=" ".join)
def test_it_dies_with_a_killed_parent(rk, flags):
    running = rk.start_ready(*QUIET, *COPY_UP, *flags)
    pid = helper_of(running)
    running.signal(signal.SIGKILL)
    running.wait()
    wait_until(lambda: gone(pid) and gone(running.child), timeout=2, what="everything to die")


def test_a_failed_mount_ends_the_helper(rk):
    outcome = rk.run(*QUIET, "--copy-up=/nonexistent", "true")
    assert outcome.code == 1 and outcome.seconds < SOON * SLOW
