# SPDX-License-Identifier: Apache-2.0
"""--egress-deny and --egress-allow, /v1/egress and `rootlessctl *-egress` with --net=builtin. Destinations are
addresses of this machine: its loopback, seen as 10.0.2.2 inside, and its own address."""
# pylint: disable=redefined-outer-name
import contextlib
import errno
import json
import socket
import subprocess
import threading

import pytest

import harness
from harness import PYTHON, wait_until, which
from netkit import CTL, free_port, host_address
from openapi import Api, Document, check_metrics

NET = "--net=builtin"
GATEWAY, DNS = "10.0.2.2", "10.0.2.3"

# What one attempt ends with: "ok", or the name of the errno.
INSIDE = """
import errno, socket, struct, sys
kind, address, port, patience = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])

def echo_request():
    packet = struct.pack("!BBHHH", 8, 0, 0, 7, 1) + b"12345678"
    total = sum(struct.unpack("!8H", packet))
    total = (total & 0xffff) + (total >> 16)
    return packet[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + packet[4:]

def attempt():
    if kind == "tcp":
        with socket.create_connection((address, port), patience) as sock:
            return sock.recv(5).decode()
    if kind == "udp":
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(patience)
        sock.connect((address, port))
        sock.send(b"hello")
        return sock.recv(100).decode()
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    sock.settimeout(patience)
    sock.sendto(echo_request(), (address, 0))
    while True:
        packet = sock.recv(2000)[20:]
        if packet[0] == 0:
            return "ok"
        if packet[0] == 3:
            return f"unreachable {packet[1]}"

try:
    print(attempt())
except TimeoutError:
    print("TIMEOUT")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


class Server:
    """A TCP and a UDP server on one port of one address; TCP says "hello" and keeps the connection."""

    def __init__(self, address):
        self.port = free_port()
        self.tcp = socket.create_server((address, self.port))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((address, self.port))
        self.connections = []
        for serve in (self._accept, self._answer):
            threading.Thread(target=serve, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.tcp.accept()
                self.connections.append(connection)
                connection.sendall(b"hello")

    def _answer(self):
        with contextlib.suppress(OSError):
            while True:
                data, peer = self.udp.recvfrom(100)
                self.udp.sendto(data, peer)

    def close(self):
        for sock in (self.tcp, self.udp, *self.connections):
            sock.close()


@pytest.fixture
def server():
    made = Server("127.0.0.1")
    yield made
    made.close()


def start(rk, *options):
    """A run whose command connects to what it is told on its standard input, and stays connected."""
    running = rk.start_ready(NET, *options)
    running.api = Api(running.state / "api.sock", Document())
    return running


def attempt(running, kind, address, port=0, patience=5.0):
    pid = (running.state / "child_pid").read_text()
    enter = [which("nsenter"), "-t", pid, "-U", "-n", "--preserve-credentials"]
    done = subprocess.run([*enter, *PYTHON, "-c", INSIDE, kind, address, str(port),
                           str(patience * harness.SLOW)], text=True, capture_output=True, check=True,
                          timeout=60 * harness.SLOW)
    return done.stdout.strip()


def ctl(running, *args, code=0):
    done = subprocess.run([CTL, f"--socket={running.state}/api.sock", *args], text=True,
                          capture_output=True, check=False, timeout=30 * harness.SLOW)
    assert done.returncode == code, done
    return done.stdout if code == 0 else done.stderr


def hits(running):
    return {rule["rule"]: rule["hits"] for rule in running.api.ask("GET", "/v1/egress").json()}


# --- enforcement ---


def test_tcp_is_refused_with_a_reset_and_counted(rk, server):
    running = start(rk, f"--egress-deny={GATEWAY}:{server.port}/tcp")
    assert attempt(running, "tcp", GATEWAY, server.port) == errno.errorcode[errno.ECONNREFUSED]
    assert attempt(running, "udp", GATEWAY, server.port) == "hello", "the rule is about TCP"
    assert hits(running) == {f"{GATEWAY}:{server.port}/tcp": 1}
    assert not server.connections, "the destination has seen nothing"
    assert running.api.ask("GET", "/v1/stats").json()["network"]["denied"] == 1


def test_udp_is_refused_as_prohibited(rk, server):
    running = start(rk, f"--egress-deny={GATEWAY}/udp")
    assert attempt(running, "udp", GATEWAY, server.port) == errno.errorcode[errno.EHOSTUNREACH]
    assert attempt(running, "tcp", GATEWAY, server.port) == "hello"


def test_echo_requests_are_refused_as_prohibited(rk):
    other = host_address()
    running = start(rk, f"--egress-deny={other}/icmp")
    if running.api.ask("GET", "/v1/info").json()["networkDriver"]["extra"]["mode"] == "accept-first":
        pytest.skip("echo requests are not held on this kernel")
    assert attempt(running, "icmp", other) == "unreachable 13", "administratively prohibited"
    assert hits(running) == {f"{other}/icmp": 1}


def test_the_most_specific_rule_decides(rk, server):
    other = Server("127.0.0.1")
    running = start(rk, "--egress-deny=0.0.0.0/0", f"--egress-allow={GATEWAY}:{server.port}")
    assert attempt(running, "tcp", GATEWAY, server.port) == "hello"
    assert attempt(running, "udp", GATEWAY, server.port) == "hello"
    assert attempt(running, "tcp", GATEWAY, other.port) == "ECONNREFUSED"
    assert attempt(running, "tcp", host_address(), other.port) == "ECONNREFUSED"
    assert attempt(running, "udp", DNS, 53) == "EHOSTUNREACH", "the name server is one, too"
    other.close()


def test_what_the_gateway_stands_for_is_matched_too(rk, server):
    """10.0.2.2 inside is 127.0.0.1 of the host."""
    running = start(rk, "--egress-deny=127.0.0.0/8")
    assert attempt(running, "tcp", GATEWAY, server.port) == "ECONNREFUSED"
    assert attempt(running, "udp", GATEWAY, server.port) == "EHOSTUNREACH"
    assert hits(running)["127.0.0.0/8"] == 2


# --- changes while it runs ---


CLIENT = """
import os, socket, sys
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print(sock.recv(5).decode(), flush=True)
while True:
    data = sock.recv(100)
    print("got", data.decode(), flush=True)
    if not data:
        break
"""


def test_changes_hold_for_new_connections_only(rk, server):
    running = start(rk)
    pid = (running.state / "child_pid").read_text()
    client = subprocess.Popen(  # pylint: disable=consider-using-with
        [which("nsenter"), "-t", pid, "-U", "-n", "--preserve-credentials", *PYTHON, "-c", CLIENT,
         GATEWAY, str(server.port)], stdout=subprocess.PIPE, text=True)
    try:
        assert client.stdout.readline() == "hello\n"
        added = running.api.ask("POST", "/v1/egress", {"action": "deny", "rule": f"{GATEWAY}/32"})
        assert added.status == 201
        assert added.json() == {"id": 1, "action": "deny", "rule": GATEWAY, "source": "api", "hits": 0}
        assert attempt(running, "tcp", GATEWAY, server.port) == "ECONNREFUSED"
        server.connections[0].sendall(b"still")
        assert client.stdout.readline() == "got still\n", "the open connection is left alone"
        assert running.api.ask("DELETE", "/v1/egress/1", known_as="/v1/egress/{id}").status == 200
        assert attempt(running, "tcp", GATEWAY, server.port) == "hello"
        assert running.api.ask("GET", "/v1/egress").body == "[]"
    finally:
        client.kill()
        client.wait()
        client.stdout.close()


def test_rootlessctl_lists_adds_and_removes(rk, server):
    running = start(rk, "--egress-deny=192.0.2.0/24")
    assert ctl(running, "add-egress", "deny", f"{GATEWAY}:{server.port}", "2001:db8::/32") == "2\n3\n"
    assert attempt(running, "tcp", GATEWAY, server.port) == "ECONNREFUSED"
    lines = [line.split() for line in ctl(running, "list-egress").splitlines()]
    assert lines == [["ID", "ACTION", "RULE", "SOURCE", "HITS"],
                     ["1", "deny", "192.0.2.0/24", "flag", "0"],
                     ["2", "deny", f"{GATEWAY}:{server.port}", "api", "1"],
                     ["3", "deny", "2001:db8::/32", "api", "0"]]
    assert ctl(running, "remove-egress", "1", "2") == "1\n2\n"
    assert attempt(running, "tcp", GATEWAY, server.port) == "hello"
    one = json.loads(ctl(running, "list-egress", "--json"))
    assert (one["id"], one["rule"]) == (3, "2001:db8::/32")
    assert ctl(running, "remove-egress", "7", code=1) == "error: unknown id: 7\n"
    assert "conflict with ID 3" in ctl(running, "add-egress", "deny", "2001:db8::/32", code=1)
    assert "host bits are set" in ctl(running, "add-egress", "allow", "10.0.0.1/8", code=1)
    assert "deny" in ctl(running, "add-egress", "10.0.0.0/8", code=1)


def test_rules_survive_the_relay(rk, server):
    running = start(rk, "--egress-deny=192.0.2.0/24")
    ctl(running, "add-egress", "deny", GATEWAY)
    assert attempt(running, "tcp", GATEWAY, server.port) == "ECONNREFUSED"
    opened = running.api.ask("GET", "/v1/stats").json()["network"]
    before = running.api.ask("GET", "/v1/stats").json()["relay"]
    subprocess.run(["kill", "-9", str(before["pid"])], check=True)

    def restarted():
        relay = running.api.ask("GET", "/v1/stats").json()["relay"]
        return relay["running"] and relay["restarts"] == before["restarts"] + 1
    wait_until(restarted, 10, "a new relay")
    assert attempt(running, "tcp", GATEWAY, server.port) == "ECONNREFUSED"
    assert hits(running) == {"192.0.2.0/24": 0, GATEWAY: 2}, "counts go on"
    ctl(running, "remove-egress", "2")
    assert attempt(running, "tcp", GATEWAY, server.port) == "hello"
    network = running.api.ask("GET", "/v1/stats").json()["network"]
    assert network["denied"] == opened["denied"] + 1
    assert (network["tcpOpened"], network["heldSYNs"]) == (opened["tcpOpened"] + 1, 0)
    assert ctl(running, "add-egress", "deny", GATEWAY) == "3\n"
    assert hits(running) == {"192.0.2.0/24": 0, GATEWAY: 0}, "a new rule begins at 0"


def test_a_change_that_fails_has_changed_nothing(rk, server):
    """Also where the relay does not answer and wakes up later."""
    running = start(rk, f"--egress-deny={GATEWAY}")
    pid = running.api.ask("GET", "/v1/stats").json()["relay"]["pid"]
    subprocess.run(["kill", "-STOP", str(pid)], check=True)
    try:
        assert "did not answer" in ctl(running, "remove-egress", "1", code=1)
    finally:
        subprocess.run(["kill", "-CONT", str(pid)], check=False, stderr=subprocess.DEVNULL)
    assert list(hits(running)) == [GATEWAY]
    assert attempt(running, "tcp", GATEWAY, server.port) == "ECONNREFUSED"


# --- what the network tells of itself ---


@pytest.mark.release_only  # sanitizer builds have no filter of system calls
def test_info_stats_and_metrics(rk, server):
    running = start(rk)
    extra = running.api.ask("GET", "/v1/info").json()["networkDriver"]["extra"]
    assert extra["mode"] in ("nft-queue", "xt-nfqueue", "accept-first")
    pid = running.api.ask("GET", "/v1/stats").json()["relay"]["pid"]
    status = dict(line.split(":\t", 1) for line in
                  open(f"/proc/{pid}/status", encoding="ascii").read().splitlines() if ":\t" in line)
    assert status["Seccomp"] == "2" and extra["seccomp"] == "filter"
    assert status["NoNewPrivs"] == "1" and extra["noNewPrivileges"] == "true"
    effective = int(status["CapEff"], 16)
    names = {10: "net_bind_service", 12: "net_admin", 13: "net_raw", 21: "sys_admin"}
    expected = [names.get(bit, str(bit)) for bit in range(64) if effective >> bit & 1]
    assert extra["capabilities"].split() == (expected or ["none"])
    assert attempt(running, "tcp", GATEWAY, server.port) == "hello"
    assert attempt(running, "tcp", GATEWAY, free_port()) == "ECONNREFUSED"
    assert attempt(running, "udp", GATEWAY, server.port) == "hello"
    network = running.api.ask("GET", "/v1/stats").json()["network"]
    assert network["udpOpened"] == 1 and network["heldSYNs"] == 0
    if extra["mode"] != "accept-first":
        assert (network["tcpOpened"], network["tcpRefused"]) == (1, 1)
    counts = check_metrics(running.api.ask("GET", "/metrics").body)
    assert counts["rootlesskit_network_udp_opened_total"] == 1
    shown = ctl(running, "info")
    assert f"  - mode: {extra['mode']}\n" in shown and "  - seccomp: filter\n" in shown
    assert "  UDP: " in ctl(running, "stats")
