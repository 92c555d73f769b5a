# SPDX-License-Identifier: Apache-2.0
"""rootlessctl stats --watch: a live table until Ctrl-C or the end of rootlesskit."""
import json
import signal

import pytest

from harness import wait_until
from netkit import BUILTIN, CTL, connect, own_loopback, read_exactly, serve


def watch(running, *options):
    return [CTL, f"--socket={running.state / 'api.sock'}", "stats", "--watch", *options]


def test_watch_shows_rates_in_place_and_ends_with_ctrl_c(rk):
    host = own_loopback()
    running = serve(rk, f"-p={host}:8080:127.0.0.1:80/tcp")
    terminal = rk.terminal(*watch(running, "--interval=0.1"), size=(10, 200))
    terminal.expect("\x1b[H\x1b[J").expect("ACCEPTED/S").expect(f"{host}:8080/tcp")
    with connect(host, 8080) as sock:
        sock.sendall(b"x" * 1000)
        assert read_exactly(sock, 1000)
        terminal.expect("\x1b[H\x1b[J").expect("1.0k")
    terminal.send("\x03")
    assert terminal.wait() == 0
    assert "error" not in terminal.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_watch_ends_with_a_signal(rk, number):
    running = rk.start_ready(*BUILTIN)
    watching = rk.start(*watch(running), exe=(), prefix=())
    watching.wait_line("Relay: not running")
    watching.signal(number)
    outcome = watching.wait()
    assert (outcome.code, outcome.err) == (0, "")


def test_watch_ends_with_rootlesskit(rk):
    """At once, not with the next table, and that is no error."""
    running = rk.start_ready(*BUILTIN)
    watching = rk.start(*watch(running, "--interval=3600"), exe=(), prefix=())
    watching.wait_line("Relay: not running")
    running.signal(signal.SIGTERM)
    running.wait()
    outcome = watching.wait()
    assert (outcome.code, outcome.err) == (0, "rootlesskit has ended\n")


def test_watch_as_json_is_one_object_a_line(rk):
    running = serve(rk, f"-p={own_loopback()}:8080:127.0.0.1:80/tcp")
    watching = rk.start(*watch(running, "--json", "--interval=0.1"), exe=(), prefix=())
    wait_until(lambda: watching.out.count("\n") >= 3, what="three answers")
    watching.signal(signal.SIGINT)
    assert watching.wait().code == 0
    for line in watching.out.splitlines():
        assert [port["id"] for port in json.loads(line)["ports"]] == [1]


def test_watch_where_there_is_nothing_to_watch(rk):
    running = rk.start_ready("--net=none")
    outcome = rk.other(*watch(running))
    assert (outcome.code, outcome.err) == (1, "error: no PortDriver is available\n")
    outcome = rk.other(*watch(running, "--interval=1s"))
    assert outcome.code == 1 and outcome.err.startswith('error: invalid interval "1s"')
