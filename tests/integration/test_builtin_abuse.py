# SPDX-License-Identifier: Apache-2.0
"""--net=builtin against a namespace whose root is hostile or merely busy."""
# pylint: disable=redefined-outer-name,unused-import
import json
import os
import random
import socket
import subprocess
import threading

import pytest

import harness
from harness import wait_until
from netkit import serving
from netlab import (GATEWAY, REMOTE, black_hole, ours, relay, start_net, status_of,
                    world)  # noqa: F401

FLOOD = 100_000
FLOWS = 50_000
CHURN = int(os.environ.get("RK_TEST_CHURN", "20000"))
GARBAGE = 20_000
RECOVERY = 2.0            # seconds until other traffic works, during and after a flood
MEMORY_KIB = 96 * 1024    # what all our processes may grow by; reasons: docs of the gateway's limits
FD_SLACK = 16


def memory_kib(net):
    return sum(int(status_of(pid)["VmRSS"].split()[0]) for pid in ours(net))


def descriptors(net):
    """As the kernel lists them to root; the relay, which is not dumpable, only tells others itself."""
    try:
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in ours(net))
    except PermissionError:
        out = subprocess.run([harness.BIN_DIR / "rootlessctl", f"--socket={net.state}/api.sock",
                              "stats", "--json"], check=True, capture_output=True, text=True).stdout
        return json.loads(out)["relay"]["openFDs"]


class Witness:
    """Connects (TCP) and asks (UDP) again and again; the longest wait is what a flood costs others."""

    def __init__(self, net):
        self.net = net
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.udp.settimeout(0.2)

    def works(self):
        try:
            with self.net.inside.tcp(GATEWAY, self.tcp.getsockname()[1], timeout=0.5):
                self.tcp.accept()[0].close()
            with self.net.inside.udp(timeout=0.3) as client:
                client.sendto(b"x", (GATEWAY, self.udp.getsockname()[1]))
                _, peer = self.udp.recvfrom(10)
                self.udp.sendto(b"y", peer)
                return client.recv(10) == b"y"
        except OSError:
            return False

    def soon(self):
        """Works within the promised time."""
        wait_until(self.works, RECOVERY + 0.8, "other traffic to work")

    def close(self):
        self.tcp.close()
        self.udp.close()


@pytest.fixture
def net(rk):
    return start_net(rk, "--port-driver=builtin")


@pytest.fixture
def witness(net):
    kit = Witness(net)
    assert kit.works()
    yield kit
    kit.close()


# Sends `count` packets of one protocol with changing sources, by a raw socket of the namespace.
FLOOD_CODE = """
import socket, struct
proto, host, port, count, spread = args
def sum16(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
target = socket.inet_aton(host)
result = 0
for number in range(count):
    source = bytes((10, 0, 2, 100 if not spread else 101 + number // 60000))
    sport = 2000 + number % 60000
    if proto == 6:
        segment = struct.pack("!HHIIBBHHH", sport, port, number, 0, 0x50, 2, 64000, 0, 0)
        pseudo = source + target + struct.pack("!BBH", 0, 6, len(segment))
        segment = segment[:16] + struct.pack("!H", sum16(pseudo + segment)) + segment[18:]
    else:
        segment = struct.pack("!HHHH", sport, port, 10, 0) + b"xx"
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 0, 0, 64, proto, 0, source, target)
    try:
        s.sendto(head + segment, (host, 0))
        result += 1
    except OSError:
        pass
"""


def flood(net, proto, host, port, count, spread=True):
    sent = net.inside.python(FLOOD_CODE, proto, host, port, count, spread, timeout=120)
    assert sent > count * 0.9


def test_a_flood_of_syns_into_a_black_hole(net, witness):
    before = memory_kib(net)
    hole, fillers = black_hole()
    flood(net, socket.IPPROTO_TCP, GATEWAY, hole.getsockname()[1], FLOOD)
    witness.soon()
    assert memory_kib(net) - before < MEMORY_KIB
    assert len(fillers) and net.running()


def test_a_flood_of_syns_to_another_host_that_is_not_there(world):
    net = world.start()
    before = memory_kib(net)
    pid = relay(net)
    flood(net, socket.IPPROTO_TCP, "192.88.99.1", 80, FLOOD // 2)
    with world.remote.listen(REMOTE, 80):
        def works():
            try:
                net.inside.tcp(REMOTE, 80, timeout=0.5).close()
                return True
            except OSError:
                return False
        wait_until(works, RECOVERY + 0.5, "other traffic to work")
    assert memory_kib(net) - before < MEMORY_KIB
    assert relay(net) == pid


def test_a_flood_of_syns_that_are_refused(net, witness):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        flood(net, socket.IPPROTO_TCP, GATEWAY, unused.getsockname()[1], FLOOD // 4)
        witness.soon()


def test_a_flood_of_syns_that_are_accepted_and_never_completed(net, witness):
    """The source addresses are nobody's: the handshake inside never ends."""
    before = descriptors(net)
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
        flood(net, socket.IPPROTO_TCP, GATEWAY, server.getsockname()[1], FLOOD // 10)
        witness.soon()
    wait_until(lambda: descriptors(net) <= before + FD_SLACK, 90, "half-open connections to go")


def test_fifty_thousand_udp_flows(net, witness):
    before = memory_kib(net)
    pid = relay(net)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        flood(net, socket.IPPROTO_UDP, GATEWAY, server.getsockname()[1], FLOWS)
        witness.soon()
    assert memory_kib(net) - before < MEMORY_KIB
    assert relay(net) == pid


GARBAGE_CODE = """
import random, socket
seed, count, hardware = args
r = random.Random(seed)
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
result = 0
for number in range(count):
    kind = r.choice((0x0800, 0x0800, 0x0800, 0x86dd, 0x86dd, 0x0806, r.randrange(65536)))
    data = bytearray(r.randbytes(r.choice((0, 1, 19, 20, 33, 40, 41, 60, 100, 1400))))
    if kind == 0x0800 and len(data) >= 20 and r.random() < 0.8:
        data[0] = r.choice((0x45, 0x45, 0x46, 0x4f, 0x40))
        data[2:4] = len(data).to_bytes(2, "big") if r.random() < 0.8 else data[2:4]
        data[6:8] = b"\\0\\0" if r.random() < 0.7 else data[6:8]
        data[9] = r.choice((1, 6, 17, 6, 6, data[9]))
        data[10:12] = b"\\0\\0"
        data[12:20] = bytes((10, 0, 2, 100)) + r.choice((bytes((10, 0, 2, 2)), bytes((10, 0, 2, 3)), bytes(data[16:20])))
        n = min((data[0] & 15) * 4, len(data)) // 2 * 2
        total = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, n, 2))
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        data[10:12] = (~total & 0xffff).to_bytes(2, "big")
        if data[9] == 6 and len(data) >= 34:
            data[33] = r.choice((2, 2, 0x12, 4, 1, 0xff, 0, data[33]))
    elif kind == 0x86dd and len(data) >= 40 and r.random() < 0.8:
        data[0] = 0x60
        data[4:6] = (len(data) - 40).to_bytes(2, "big")
        data[6] = r.choice((6, 17, 58, 0, 43, 44, 60, data[6]))
        data[8:24] = bytes.fromhex("fd000000000000000000000000000100")
        data[24:40] = r.choice((bytes.fromhex("fd000000000000000000000000000002"), bytes(data[24:40])))
    try:
        s.sendto(bytes(data), ("tap0", kind, 0, 0, bytes.fromhex(hardware)))
        result += 1
    except OSError:
        pass
"""


def gateway_mac(inside):
    inside.udp().sendto(b"", (GATEWAY, 9))
    wait_until(lambda: "lladdr" in inside.ok("ip", "neigh", "show", GATEWAY), what="the gateway")
    words = inside.ok("ip", "neigh", "show", GATEWAY).split()
    return words[words.index("lladdr") + 1].replace(":", "")


def test_garbage_packets(rk):
    net = start_net(rk, "--port-driver=builtin", "--ipv6")
    witness = Witness(net)
    pid, seed = relay(net), random.randrange(1 << 30)
    sent = net.inside.python(GARBAGE_CODE, seed, GARBAGE, gateway_mac(net.inside), timeout=120)
    assert sent > GARBAGE // 2
    witness.soon()
    witness.close()
    assert relay(net) == pid, f"the relay died of seed {seed}"


# One datagram, from what is the gateway's own address.
FORGED_CODE = """
import socket, struct
port, hardware = args
own = socket.inet_pton(socket.AF_INET6, "fd00::2")
datagram = struct.pack("!HHHH", port, port, 12, 0) + b"loop"
words = own + own + struct.pack("!II", len(datagram), 17) + datagram
total = sum(struct.unpack("!%dH" % (len(words) // 2), words))
while total >> 16:
    total = (total & 0xffff) + (total >> 16)
datagram = datagram[:6] + struct.pack("!H", ~total & 0xffff) + datagram[8:]
packet = struct.pack("!IHBB", 6 << 28, len(datagram), 17, 64) + own + own + datagram
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
result = s.sendto(packet, ("tap0", 0x86dd, 0, 0, bytes.fromhex(hardware)))
"""


def test_a_forged_source_makes_no_loop(rk):
    """A datagram from the gateway's own address to itself: its answer would be asked again, and again."""
    net = start_net(rk, "--ipv6")
    heard = []
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
        server.bind(("::1", 0))

        def serve():
            while data := server.recvfrom(100):
                heard.append(data[0])
                server.sendto(*data)
                if data[0] == b"end":
                    return
        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        net.inside.python(FORGED_CODE, port, gateway_mac(net.inside))
        with net.inside.udp("::") as client:
            for message in [b"fine"] * 50 + [b"end"]:
                client.sendto(message, ("fd00::2", port))
                assert client.recv(10) == message
        thread.join()
    assert heard.count(b"loop") == 0, heard.count(b"loop")


CHURN_CODE = """
import socket, struct, threading
host, port, count, threads = args
failed = []
def work(number):
    for i in range(count // threads):
        s = socket.socket()
        s.settimeout(20)
        try:
            s.connect((host, port))
            if i % 4 == 0:
                s.sendall(b"x")
                s.recv(1)
            if i % 4 == 1:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except ConnectionResetError:
            pass
        except OSError as error:
            failed.append(str(error))
        s.close()
all = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
[t.start() for t in all]
[t.join() for t in all]
result = failed
"""


@pytest.mark.also_as_root
def test_churn_leaves_nothing(net):
    """Thousands of connections that end in every way; then as many descriptors as before, and memory
    is bounded."""
    def greet(conn):
        try:
            conn.setblocking(False)
            conn.send(b"y")
        except OSError:
            pass

    with serving(greet, backlog=1024) as port:
        assert net.inside.python(CHURN_CODE, GATEWAY, port, 200, 4) == []
        before = (descriptors(net), memory_kib(net))
        failed = net.inside.python(CHURN_CODE, GATEWAY, port, CHURN, 8, timeout=30 + CHURN / 200)
    assert failed == []
    wait_until(lambda: descriptors(net) <= before[0] + FD_SLACK, 15, "the descriptors to be closed")
    assert memory_kib(net) - before[1] < MEMORY_KIB / 4


def test_udp_churn_leaves_nothing(net, witness):
    """2,000 sockets with a question each; what is kept for them is bounded."""
    before = memory_kib(net)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        for number in range(2000):
            with net.inside.udp() as client:
                client.sendto(b"%d" % number, (GATEWAY, server.getsockname()[1]))
                assert server.recv(10) == b"%d" % number
    witness.soon()
    assert memory_kib(net) - before < MEMORY_KIB / 4
