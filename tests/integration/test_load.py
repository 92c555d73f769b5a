# SPDX-License-Identifier: Apache-2.0
"""Published ports under many: connections, peers, changes. What is bounded stays bounded, what was
taken is given back."""
import os
import re
import resource
import socket
import subprocess
from pathlib import Path

import pytest

from harness import wait_until, which
from netkit import BUILTIN, api_of, ask, own_loopback, relay_of, serve

pytestmark = pytest.mark.release_only

CONNECTIONS = 10_000
PEERS = 20_000
CHANGES = 10_000
# Bytes of the relay's memory for each idle connection or flow, beyond the kernel's own.
MEMORY_EACH = 4096
# Descriptors of pytest and of the relay that are no connection of these tests.
SPARE_DESCRIPTORS = 200


def memory(pid):
    """Bytes: the proportional set size. The relay's is for root to see, others see what it has of
    its own, which is about the same."""
    try:
        text, name = Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss"
    except PermissionError:
        text, name = Path(f"/proc/{pid}/status").read_text(), "RssAnon"
    return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE).group(1)) * 1024


def open_files(pid):
    """How many descriptors a process has; None where one may not look."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        return None


def stats_of(api):
    return api.ask("GET", "/v1/stats").json()


def active(api):
    return sum(port["active"] for port in stats_of(api)["ports"])


def listening(address):
    """TCP and UDP ports bound to an address, by ss(8)."""
    out = subprocess.run([which("ss"), "-Htuln", "src", address], text=True, capture_output=True,
                         check=True).stdout
    return sorted((line.split()[0], int(line.split()[4].rpartition(":")[2]))
                  for line in out.splitlines())


def listed(api):
    return sorted((entry["spec"]["proto"], entry["spec"]["parentPort"])
                  for entry in api.ask("GET", "/v1/ports").json() or [])


@pytest.mark.also_as_root
def test_10000_idle_connections(rk):
    """Fewer where the descriptors of one process, two for each connection, do not suffice."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = min(CONNECTIONS, (limit - SPARE_DESCRIPTORS) // 2)
    assert count >= 1000, f"only {limit} descriptors"
    host = own_loopback()
    running = serve(rk, f"-p={host}:8080:127.0.0.1:80/tcp", inside=["crowd,127.0.0.1,80"])
    api, relay = api_of(running), relay_of(running)
    assert ask(host, 8080) == b"hello"
    wait_until(lambda: active(api) == 0, what="the first connection to end")
    descriptors, files = stats_of(api)["relay"]["openFDs"], open_files(relay)
    before = memory(relay)

    socks = [socket.create_connection((host, 8080), 10) for _ in range(count)]
    wait_until(lambda: active(api) == count, 10, "all connections to be there")
    assert (memory(relay) - before) / count <= MEMORY_EACH
    for sock in socks:
        sock.sendall(b"hello")
    assert all(sock.recv(5) == b"hello" for sock in socks)
    assert (memory(relay) - before) / count <= MEMORY_EACH  # idle again
    assert active(api) == count

    for sock in socks:
        sock.close()
    wait_until(lambda: active(api) == 0, 10, "all connections to end")
    health = stats_of(api)["relay"]
    assert health["openFDs"] <= descriptors and health["restarts"] == 0
    assert open_files(relay) == files
    assert ask(host, 8080) == b"hello"


def udp_round(peers, target):
    """One datagram there and back for each peer, all at work at once."""
    socks = []
    for peer in peers:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(10)
        sock.bind(peer)
        sock.connect(target)
        sock.send(b"x")
        socks.append(sock)
    for sock in socks:
        assert sock.recv(10) == b"1:x"
        sock.close()


def test_20000_udp_peers_stay_within_the_bound(rk):
    host = own_loopback()
    running = serve(rk, f"-p={host}:5300:127.0.0.1:53/udp", inside=["udp,127.0.0.1,53"])
    api, relay = api_of(running), relay_of(running)
    prefix = host.rpartition(".")[0]
    peers = [(f"{prefix}.{1 + i // 1000}", 20000 + i % 1000) for i in range(PEERS)]
    udp_round(peers[:1], (host, 5300))
    before = memory(relay)
    limit = stats_of(api)["relay"]["fdLimit"]
    bound = min(16384, limit // 2)
    most = 0
    for i in range(0, PEERS, 50):
        udp_round(peers[i:i + 50], (host, 5300))
        if i % 1000 == 0:
            most = max(most, stats_of(api)["relay"]["udpFlows"])
    health = stats_of(api)
    most = max(most, health["relay"]["udpFlows"])
    assert bound // 2 <= most <= bound, "the bound is used, and kept"
    assert health["relay"]["openFDs"] <= limit
    assert health["ports"][0]["accepted"] == PEERS
    assert (memory(relay) - before) / most <= MEMORY_EACH
    # Those that had to go are served again, those that came last are still the same flows.
    udp_round(peers[-50:], (host, 5300))
    assert stats_of(api)["ports"][0]["accepted"] == PEERS
    udp_round(peers[:50], (host, 5300))
    assert stats_of(api)["ports"][0]["accepted"] == PEERS + 50


class Pipeline:
    """Adds a port and removes it again, by two requests that are sent together."""

    def __init__(self, running, host):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(running.socket))
        self.host = host
        self.data = b""

    def answer(self):
        while b"\r\n\r\n" not in self.data:
            self._more()
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        length = int(re.search(rb"Content-Length: (\d+)", head).group(1))
        while len(self.data) < length:
            self._more()
        self.data = self.data[length:]
        return int(head.split()[1])

    def _more(self):
        part = self.sock.recv(1 << 16)
        assert part, "the server hung up"
        self.data += part

    def change(self, number):
        proto = ("tcp", "udp")[number % 2]
        body = (b'{"proto":"%s","parentIP":"%s","parentPort":%d,"childPort":80}' %
                (proto.encode(), self.host.encode(), 10000 + number % 500))
        self.sock.sendall(
            b"POST /v1/ports HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
            b"DELETE /v1/ports/%d HTTP/1.1\r\nHost: x\r\n\r\n" % (len(body), body, number))
        return self.answer(), self.answer()


@pytest.mark.also_as_root
def test_10000_ports_come_and_go(rk):
    """In between and afterwards the list is what the kernel says, and no descriptor is left."""
    host = own_loopback()
    running = serve(rk, f"-p={host}:9999:127.0.0.1:80/tcp")
    api, relay = api_of(running), relay_of(running)
    pipeline = Pipeline(running, host)

    def descriptors():
        counted = stats_of(api)["relay"]["openFDs"]  # first: it makes this test's own connection
        return counted, open_files(running.pid), open_files(relay)
    for number in range(2, 12):
        assert pipeline.change(number) == (201, 200)
    before = descriptors()
    for number in range(12, 12 + CHANGES):
        assert pipeline.change(number) == (201, 200)
        if number % 1000 == 0:
            assert listed(api) == listening(host) == [("tcp", 9999)]
    assert descriptors() == before
    assert ask(host, 9999) == b"hello"


def test_overlapping_sets_of_ports_leave_what_the_kernel_says(rk):
    """Ranges that share ports, added by several clients at once: each is there as a whole or not at
    all."""
    host = own_loopback()
    running = rk.start_ready(*BUILTIN)
    clients = []
    for number in range(200):
        api = api_of(running) if number < 20 else clients[number % 20]
        first = 20000 + (number * 7) % 300
        body = (f'{{"proto":"{("tcp", "udp")[number % 2]}","parentIP":"{host}","parentPort":{first},'
                f'"childPort":80,"parentPortEnd":{first + 9},"childPortEnd":89}}')
        if number >= 20:
            clients[number % 20].getresponse().read()
        api.request("POST", "/v1/ports", body)
        if number < 20:
            clients.append(api)
    for api in clients:
        api.getresponse().read()
        api.close()
    api = api_of(running)
    entries = api.ask("GET", "/v1/ports").json()
    expected = sorted((entry["spec"]["proto"], port) for entry in entries
                      for port in range(entry["spec"]["parentPort"],
                                        entry["spec"]["parentPortEnd"] + 1))
    assert len(expected) == 10 * len(entries) >= 300
    assert listening(host) == expected
    for entry in entries:
        assert api.ask("DELETE", f"/v1/ports/{entry['id']}").status == 200
    assert listening(host) == []
