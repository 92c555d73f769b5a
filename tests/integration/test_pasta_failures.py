# SPDX-License-Identifier: Apache-2.0
"""--net=pasta: a pasta that fails, hangs, prints junk or dies (spec network.md 4, defect D29)."""
# pylint: disable=redefined-outer-name,unused-import
import os
import re
import signal
from pathlib import Path

import pytest

from harness import PYTHON, SLOW, copy_of, descendants, gone, wait_until, which
from pasta import NET, PASTA, QUIET, helper_of, info_of, need_pasta, pastas_of, words_of
from slirp import ASK, COPY_UP, DETACH, host, inside  # noqa: F401

# A failing start must be told within this time (seconds), whatever the helper does: two waits of
# ours take 4 s each at most, and no helper here uses up both.
SOON = 8
HELP = ("case $1 in --help) echo '--config-net --foreground --pid FILE --no-map-gw --tcp-ns "
        "--udp-ns'; exit 0;; esac\n")
FAKE_QUIET = ["--net=pasta", "--disable-host-loopback"]


@pytest.fixture(autouse=True)
def needs_pasta():
    need_pasta()


def health(running):
    return info_of(running)["networkDriver"]["helper"]


def fake(rk, text, name="pasta"):
    return rk.path_first(rk.script(name, text))


def assert_told(outcome, *texts):
    assert outcome.code == 1, outcome
    assert outcome.seconds < SOON * SLOW, outcome
    assert outcome.out == ""
    for text in texts:
        assert text in outcome.err, outcome


def test_binary_missing(rk):
    state = rk.state()
    outcome = rk.run(f"--state-dir={state}", *FAKE_QUIET, "--pasta-binary=/nonexistent/pasta",
                     "echo", "started")
    assert_told(outcome, "failed to setup network", "/nonexistent/pasta",
                "no such file or directory")
    assert not state.exists()
    outcome = rk.run(*FAKE_QUIET, "--pasta-binary=no-such-program-x", "echo", "started")
    assert_told(outcome, 'exec: "no-such-program-x": executable file not found in $PATH',
                "cause: there is no no-such-program-x in $PATH", "remedy: ")


def test_bin_false(rk):
    assert_told(rk.run(*FAKE_QUIET, "--pasta-binary=/bin/false", "echo", "started"),
                'command "/bin/false --help" failed, make sure pasta is installed: exit status 1',
                "cause: /bin/false is not pasta")


@pytest.mark.parametrize("text, error", [
    ("echo usage: --config-net --foreground", "it has no --pid"),
    ("head -c 3000000 /dev/urandom", "it has no --config-net"),
    ("echo '--config-net --foreground --pid FILE'; exit 1",
     "this version of pasta does not support --disable-host-loopback"),
    ("exec sleep 100", "timed out"),
    ("kill -9 $$", "signal: killed"),
], ids=["old", "junk", "lacks", "hangs", "killed"])
def test_help_that_does_not_help(rk, text, error):
    assert_told(rk.run(*FAKE_QUIET, "echo", "started", env=fake(rk, text)),
                "failed to setup network", error)


@pytest.mark.parametrize("text, error", [
    ("echo bad luck >&2; exit 3", 'exit status 3, having printed "bad luck"'),
    ("kill -9 $$", "signal: killed"),
    ("exec /bin/false", "exit status 1"),
    ("exit 0", "exit status 0"),
], ids=["fails", "killed", "false", "true"])
@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_a_pasta_that_does_not_start(rk, text, error, detached):
    outcome = rk.run(*FAKE_QUIET, *(DETACH if detached else []), "echo", "started",
                     env=fake(rk, HELP + text))
    assert_told(outcome, "failed to setup network", "pasta", error)


@pytest.mark.parametrize("text, detached", [("exec sleep 100", True), ("exec yes", False)])
def test_a_pasta_that_hangs(rk, text, detached):
    outcome = rk.run(*FAKE_QUIET, *(DETACH if detached else []), "echo", "started",
                     env=fake(rk, HELP + text))
    assert_told(outcome, "failed to setup network", "pasta did not get ready in time")


def test_the_message_of_pasta_itself_is_told(rk):
    outcome = rk.run(*QUIET, "--cidr=127.0.0.0/8", "echo", "started")
    assert_told(outcome, "failed to setup network", "pasta ended before it was ready: exit status 1",
                "having printed", "cause: pasta itself gave up")


def test_a_relative_binary_path(rk):
    copy_of(PASTA, rk.base / "rel" / "pasta")
    rk.run("--net=pasta", "--disable-host-loopback", "--pasta-binary=rel/pasta", "test", "-d",
           "/sys/class/net/tap0").ok()


def test_no_other_program_is_needed(rk, needs_sub_ids):
    only = rk.base / "only"
    only.mkdir()
    for name in ("newuidmap", "newgidmap"):
        (only / name).symlink_to(which(name))
    (only / "pasta").symlink_to(PASTA)
    for flags in ([], COPY_UP, DETACH):
        rk.run(*FAKE_QUIET, *flags, "/bin/true", env=rk.with_env(PATH=only)).ok()


def test_a_signal_ends_a_start_that_hangs(rk):
    running = rk.start(*FAKE_QUIET, "sleep", "100", env=fake(rk, HELP + "exec sleep 100"))
    wait_until(lambda: any(words_of(pid)[:1] == ["sleep"] for pid in descendants(running.pid)),
               what="the fake pasta")
    running.signal(signal.SIGTERM)
    assert running.wait(3).code == -signal.SIGTERM


# ---- pasta's life

@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_a_killed_pasta_is_started_again(rk, host, detached):
    (rk.base / "ask.py").write_text(ASK)
    script = ("echo ready; while read line; do "
              f"{inside(detached)}{' '.join(PYTHON)} {rk.base}/ask.py tcp 10.0.2.2 "
              f"{host.ports[0]} 5; done")
    read_end, write_end = os.pipe()
    running = rk.start_ready(*NET, *COPY_UP, *(DETACH if detached else []), script=script,
                             stdin=read_end)
    os.close(read_end)
    os.write(write_end, b"go\n")
    running.wait_line("pong")
    for number in range(1, 4):
        first = helper_of(running)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda old=first: health(running)["pid"] != old, timeout=1, what="bad health")
        wait_until(lambda n=number: running.err.count("pasta ended (signal: killed") == n,
                   timeout=1, what="a line about its death")
        wait_until(lambda n=number: running.err.count("pasta runs again") == n,
                   what="the next pasta")
        assert health(running) == {"running": True, "pid": helper_of(running),
                                   "restarts": number}
        os.write(write_end, b"go\n")
        wait_until(lambda n=number: running.out.count("pong") == n + 1, timeout=8,
                   what=f"the network after restart {number}")
    os.close(write_end)
    running.wait()


# Sends to the host until the connection breaks, then until the next one works.
LOAD = """
import socket, sys, time
def load(seconds):
    s = socket.create_connection(("10.0.2.2", int(sys.argv[1])), 3); s.settimeout(3)
    sent = 0
    while sent < 1 << 30:
        sent += s.send(bytes(1 << 16))
        if sent >> 16 == 64: print("loaded", flush=True)
try: load(1)
except OSError: print("broke", flush=True)
for _ in range(100):
    try: socket.create_connection(("10.0.2.2", int(sys.argv[1])), 1); print("again", flush=True); break
    except OSError: time.sleep(0.05)
time.sleep(100)
"""


def test_killed_under_load_it_comes_back(rk):
    import socket
    import threading
    (rk.base / "load.py").write_text(LOAD)
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        try:
            while True:
                connection, _ = server.accept()
                threading.Thread(target=swallow, args=(connection,), daemon=True).start()
        except OSError:
            pass

    def swallow(connection):
        try:
            while connection.recv(1 << 20):
                pass
        except OSError:
            pass

    threading.Thread(target=serve, daemon=True).start()
    running = rk.start(*NET, *PYTHON, str(rk.base / "load.py"), str(server.getsockname()[1]))
    running.wait_line("loaded")
    os.kill(helper_of(running), signal.SIGKILL)
    running.wait_line("broke", timeout=8)
    running.wait_line("again", timeout=8)
    running.signal(signal.SIGTERM)
    running.wait()
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def test_a_pasta_that_keeps_dying_is_not_restarted_in_a_rush(rk):
    """Ready, then dead, each time: the pauses double."""
    env = fake(rk, HELP + f"echo x >>{rk.base}/starts\n"
               "for word in \"$@\"; do case $word in --pid=*) echo 1 >${word#--pid=};; esac; done\n"
               "exit 1")
    running = rk.start_ready(*FAKE_QUIET, env=env)
    starts = rk.base / "starts"
    wait_until(lambda: len(starts.read_text().split()) >= 4, timeout=10, what="four starts")
    pauses = re.findall(r"starting pasta again in ([0-9.]+) s", running.err)
    assert list(map(float, pauses[:3])) == [0.1, 0.2, 0.4]
    running.signal(signal.SIGTERM)
    running.wait()


def test_output_of_pasta_is_in_the_debug_log(rk):
    outcome = rk.run("--debug", *QUIET, "true").ok()
    assert "network/pasta: " in outcome.err
    assert "network/pasta: " not in rk.run(*QUIET, "true").ok().err


@pytest.mark.parametrize("flags", [[], DETACH, ["--pidns"]], ids=" ".join)
def test_nothing_is_left_at_the_end(rk, flags):
    running = rk.start_ready(*QUIET, *COPY_UP, *flags)
    pid = helper_of(running)
    running.signal(signal.SIGTERM)
    running.wait()
    assert gone(pid)
    assert not running.state.exists()


@pytest.mark.leaves_files
@pytest.mark.also_as_root
@pytest.mark.parametrize("flags", [[], DETACH, ["--pidns"]], ids=" ".join)
def test_it_dies_with_a_killed_parent(rk, flags):
    running = rk.start_ready(*QUIET, *COPY_UP, *flags)
    pid = helper_of(running)
    running.signal(signal.SIGKILL)
    running.wait()
    wait_until(lambda: gone(pid) and gone(running.child), timeout=2, what="everything to die")


def test_a_failed_mount_ends_pasta(rk):
    running = rk.start(*QUIET, "--copy-up=/nonexistent", "true")
    assert running.wait().code == 1
    assert not pastas_of(running)


def test_the_helper_has_nothing_of_ours(rk):
    """No signal mask, a session of its own."""
    running = rk.start_ready(*QUIET)
    pid = helper_of(running)
    status = Path(f"/proc/{pid}/status").read_text()
    assert re.search(r"SigBlk:\s+0+$", status, re.MULTILINE)
    assert os.getsid(pid) == pid
