# SPDX-License-Identifier: Apache-2.0
"""--port-driver=implicit with the builtin network: what listens inside is on the host's loopback."""
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from harness import HERE, PYTHON, children_of, gone, wait_until, which
from netkit import api_of, ask, connect, free_port, read_exactly, udp_client

IMPLICIT = ["--port-driver=implicit", "--disable-host-loopback"]
BUILTIN = ["--net=builtin", *IMPLICIT]
PATIENCE = 2.0  # seconds until a port has come or gone


class Inside:
    """A namespace in which servers come and go."""

    def __init__(self, rk, *options):
        enter = ""
        if "--detach-netns" in options:
            enter = f"{which('nsenter')} --net=$ROOTLESSKIT_STATE_DIR/netns "
        self.running = rk.start_ready(*options, stdin=subprocess.PIPE, script=(
            f"exec {enter}{' '.join(PYTHON)} {HERE}/opener.py"))

    def tell(self, line):
        self.running.write(line.encode() + b"\n")
        self.running.wait_line(line + "\n")

    def open(self, *what):
        self.tell("open " + " ".join(map(str, what)))

    def close(self, *what):
        self.tell("close " + " ".join(map(str, what)))

    def told(self, text):
        return [line for line in self.running.err.splitlines() if text in line]


def answers_tcp(host, port):
    try:
        return ask(host, port) == b"hello"
    except OSError:
        return False


def answers_udp(host, port):
    with udp_client(host) as client:
        client.settimeout(0.2)
        try:
            client.connect((host, port))
            client.send(b"hello")
            return client.recv(100) == b"hello"
        except OSError:
            return False


def is_refused(kind, host, port):
    """Whether nobody is bound there: a connect or datagram that nobody waits for."""
    try:
        if kind == "tcp":
            socket.create_connection((host, port), 1).close()
            return False
        with udp_client(host) as client:
            client.settimeout(0.1)
            client.connect((host, port))
            client.send(b"?")
            client.recv(1)
        return False
    except ConnectionRefusedError:
        return True
    except OSError:
        return False


ANSWERS = {"tcp": answers_tcp, "udp": answers_udp}


def comes(kind, host, port):
    wait_until(lambda: ANSWERS[kind](host, port), PATIENCE, f"{kind} {host} {port} to answer")


def goes(kind, host, port):
    wait_until(lambda: is_refused(kind, host, port), PATIENCE, f"{kind} {host} {port} to go")


@pytest.mark.parametrize("options", [BUILTIN, [*BUILTIN, "--detach-netns"],
                                     ["--net=gvisor-tap-vsock", *IMPLICIT]],
                         ids=["builtin", "detached", "gvisor-tap-vsock"])
def test_ports_come_and_go_with_what_listens_inside(rk, options):
    inside = Inside(rk, *options)
    local, everywhere, both = free_port(), free_port(), free_port()
    servers = [("tcp", "127.0.0.1", local), ("tcp", "::1", local), ("udp", "127.0.0.1", local),
               ("tcp", "0.0.0.0", everywhere), ("udp", "0.0.0.0", everywhere),
               ("tcp", "::", both), ("udp", "::", both)]
    seen = [("tcp", "127.0.0.1", local), ("tcp", "::1", local), ("udp", "127.0.0.1", local),
            ("tcp", "127.0.0.1", everywhere), ("udp", "127.0.0.1", everywhere),
            ("tcp", "127.0.0.1", both), ("tcp", "::1", both), ("udp", "127.0.0.1", both),
            ("udp", "::1", both)]
    for server in servers:
        inside.open(*server)
    for port in seen:
        comes(*port)
    assert is_refused("tcp", "::1", everywhere) and is_refused("udp", "::1", local)
    for server in servers:
        inside.close(*server)
    for port in seen:
        goes(*port)
    assert inside.told("implicit:") == []


def test_connections_outlive_their_listener(rk):
    inside = Inside(rk, *BUILTIN)
    port, other = free_port(), free_port()
    inside.open("tcp", "127.0.0.1", port)
    comes("tcp", "127.0.0.1", port)
    with connect("127.0.0.1", port) as client:
        client.sendall(b"1")
        assert read_exactly(client, 1) == b"1"
        inside.close("tcp", "127.0.0.1", port)
        # Rounds that see that it is gone.
        inside.open("tcp", "127.0.0.1", other)
        comes("tcp", "127.0.0.1", other)
        inside.close("tcp", "127.0.0.1", other)
        goes("tcp", "127.0.0.1", other)
        client.sendall(b"2")
        assert read_exactly(client, 1) == b"2"
    goes("tcp", "127.0.0.1", port)


def test_the_port_is_on_the_loopback_alone(rk):
    inside = Inside(rk, *BUILTIN)
    port = free_port()
    inside.open("tcp", "0.0.0.0", port)
    comes("tcp", "127.0.0.1", port)
    listens_on = {line.split()[1].split(":")[0] for name in ("tcp", "tcp6")
                  for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
                  if line.split()[3] == "0A" and int(line.split()[1].split(":")[1], 16) == port}
    assert listens_on == {"0100007F"}


def test_udp_clients_are_not_published(rk):
    inside = Inside(rk, *BUILTIN)
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    client, server = (low + high) // 2, free_port()
    inside.open("udp", "0.0.0.0", client)
    inside.open("udp", "0.0.0.0", server)
    comes("udp", "127.0.0.1", server)
    assert is_refused("udp", "127.0.0.1", client)


def test_a_port_the_host_has_is_told_once_and_taken_when_it_is_free(rk):
    inside = Inside(rk, *BUILTIN)
    port, other = free_port(), free_port()
    with socket.create_server(("127.0.0.1", port)):
        inside.open("tcp", "0.0.0.0", port)
        wait_until(lambda: inside.told("cannot be published"), PATIENCE, "the warning")
        # Several rounds: a port comes and goes, twice.
        for _ in range(2):
            inside.open("tcp", "127.0.0.1", other)
            comes("tcp", "127.0.0.1", other)
            inside.close("tcp", "127.0.0.1", other)
            goes("tcp", "127.0.0.1", other)
    comes("tcp", "127.0.0.1", port)
    told, = inside.told("cannot be published")
    assert f"127.0.0.1:{port}/tcp" in told and "address already in use" in told
    assert len(inside.told(f"127.0.0.1:{port}/tcp is published now")) == 1


def test_a_relay_that_dies_costs_no_port(rk):
    inside = Inside(rk, *BUILTIN)
    port, later = free_port(), free_port()
    inside.open("tcp", "127.0.0.1", port)
    comes("tcp", "127.0.0.1", port)
    relay, = [pid for pid in children_of(inside.running.pid) if pid != inside.running.child]
    os.kill(relay, signal.SIGKILL)
    wait_until(lambda: gone(relay), what="the relay's end")
    inside.open("tcp", "127.0.0.1", later)
    comes("tcp", "127.0.0.1", port)
    comes("tcp", "127.0.0.1", later)


def test_the_api_shows_no_port_driver(rk):
    inside = Inside(rk, *BUILTIN)
    info = api_of(inside.running).ask("GET", "/v1/info").json()
    assert info["networkDriver"]["driver"] == "builtin" and "portDriver" not in info
    outcome = rk.run(*BUILTIN, "-p", "127.0.0.1:8080:80/tcp", "echo", "started")
    assert outcome.code == 1 and outcome.out == ""
    assert 'port driver "implicit" does not support publishing ports' in outcome.err
