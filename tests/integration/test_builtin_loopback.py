# SPDX-License-Identifier: Apache-2.0
"""--net=builtin: the host's loopback is reached by the gateway's address, and with
--disable-host-loopback by no address at all."""
# pylint: disable=redefined-outer-name,unused-import
import select
import socket
import struct

import pytest

import harness
from netlab import (DNS, GATEWAY, GATEWAY6, INSIDE, INSIDE6, SECOND, family_of, info, start_net,
                    world)  # noqa: F401

WAIT = 0.4  # seconds: how long nothing must come
LOOPBACKS = ["127.0.0.1", "127.0.0.53", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1"]
GATEWAYS = [GATEWAY, DNS, GATEWAY6, "fd00::3", "::ffff:10.0.2.2", "10.0.2.1", "10.0.2.4", "10.0.2.255",
            "10.0.2.0"]
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86dd


class Ear:
    """TCP and UDP servers on every loopback address of the host, IPv4 and IPv6, the same port."""

    def __init__(self):
        while True:
            self.sockets = []
            try:
                port = 0
                for address in ("127.0.0.1", "::1", "127.0.0.53"):
                    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                        sock = socket.socket(family_of(address), kind)
                        self.sockets.append(sock)
                        sock.bind((address, port))
                        port = sock.getsockname()[1]
                        if kind == socket.SOCK_STREAM:
                            sock.listen(100)
                break
            except OSError:
                self.close()
        self.port = port

    def heard(self, wait=0.0):
        return select.select(self.sockets, [], [], wait)[0] != []

    def take(self):
        """Empties the servers; returns the datagrams."""
        got = []
        while ready := select.select(self.sockets, [], [], 0.05)[0]:
            for sock in ready:
                if sock.type == socket.SOCK_STREAM:
                    sock.accept()[0].close()
                else:
                    got.append(sock.recv(100))
        return got

    def close(self):
        for sock in self.sockets:
            sock.close()


@pytest.fixture
def ear():
    kit = Ear()
    yield kit
    kit.close()


def try_all(net, ear, addresses):
    """TCP and UDP to each address; answers by TCP."""
    reached = []
    for address in addresses:
        try:
            net.inside.tcp(address, ear.port, timeout=WAIT).close()
            reached.append(address)
        except OSError:
            pass
        try:
            net.inside.udp("::" if ":" in address else "0.0.0.0").sendto(b"x", (address, ear.port))
        except OSError:
            pass
    return reached


@pytest.mark.also_as_root
@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
@pytest.mark.parametrize("cidr", [None, "10.77.0.0/16"])
def test_the_gateway_is_the_hosts_loopback(rk, ear, detached, cidr):
    net = start_net(rk, "--ipv6", *([f"--cidr={cidr}"] if cidr else []), detached=detached)
    for address in ("10.77.0.2" if cidr else GATEWAY, GATEWAY6):
        net.inside.tcp(address, ear.port).close()
        assert ear.heard(5)
        ear.take()
        net.inside.udp("::" if ":" in address else "0.0.0.0").sendto(b"hello", (address, ear.port))
        assert ear.heard(5)
        assert ear.take() == [b"hello"]


def test_only_the_gateways_addresses_are(rk, ear):
    """Loopback addresses mean the namespace itself, here too."""
    net = start_net(rk, "--ipv6")
    assert try_all(net, ear, LOOPBACKS) == []
    assert try_all(net, ear, ["10.0.2.1", "10.0.2.4", "fd00::4"]) == []
    assert not ear.heard(WAIT)


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
@pytest.mark.parametrize("flags", [[], ["--cidr=10.0.2.0/23"], ["--port-driver=builtin"]], ids=str)
def test_disabled_it_is_reached_by_no_address(rk, ear, detached, flags):
    net = start_net(rk, "--ipv6", "--disable-host-loopback", *flags, detached=detached)
    reached = try_all(net, ear, LOOPBACKS + GATEWAYS)
    assert reached == [], f"connected; heard outside: {ear.heard(WAIT)}; {info(net)['networkDriver']}"
    assert not ear.heard(WAIT), ear.take()


def route_loopback_out(agent):
    """As root of the namespace: loopback destinations go out of tap0."""
    agent.ok("sh", "-ec", """
ip route del local 127.0.0.0/8 dev lo table local; ip addr del 127.0.0.1/8 dev lo
ip route del local 127.0.0.1 dev lo table local || :
ip -6 route del local ::1 dev lo table local || :
ip route add 127.0.0.0/8 via 10.0.2.2 dev tap0 src 10.0.2.100
echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet; echo 1 >/proc/sys/net/ipv4/conf/tap0/route_localnet
""")


@pytest.mark.parametrize("flags", [[], ["--disable-host-loopback"]], ids=["open", "closed"])
def test_loopback_routed_out_of_the_namespace(rk, ear, flags):
    """The user may do what they like with their routes: the host's 127.0.0.1 is not to be had."""
    net = start_net(rk, *flags)
    route_loopback_out(net.inside)
    assert try_all(net, ear, ["127.0.0.1", "127.0.0.53"]) == []
    assert not ear.heard(WAIT)


def sum16(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip_packet(source, target, proto, payload):
    """An IPv4 or IPv6 packet with correct checksums."""
    family = family_of(target)
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, target)
    pseudo = ends + struct.pack("!IHBB", len(payload), 0, 0, proto) if family == socket.AF_INET6 \
        else ends + struct.pack("!BBH", 0, proto, len(payload))
    at = 16 if proto == socket.IPPROTO_TCP else 6
    total = sum16(pseudo + payload)
    payload = payload[:at] + struct.pack("!H", total) + payload[at + 2:]
    if family == socket.AF_INET6:
        return struct.pack("!IHBB", 6 << 28, len(payload), proto, 64) + ends + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0, 64, proto, 0) + ends
    return head[:10] + struct.pack("!H", sum16(head)) + head[12:] + payload


def syn(port, source=40000):
    return struct.pack("!HHIIBBHHH", source, port, 1000, 0, 5 << 4, 2, 64000, 0, 0)


def datagram(port, source=40001):
    return struct.pack("!HHHH", source, port, 9, 0) + b"x"


def gateway_mac(inside):
    inside.udp().sendto(b"", (GATEWAY, 9))
    harness.wait_until(lambda: "lladdr" in inside.ok("ip", "neigh", "show", GATEWAY), what="the gateway")
    words = inside.ok("ip", "neigh", "show", GATEWAY).split()
    return bytes.fromhex(words[words.index("lladdr") + 1].replace(":", ""))


def throw(inside, packets):
    """Puts IP packets on tap0 as Ethernet frames, with any addresses."""
    hardware = gateway_mac(inside)
    with inside.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0) as sock:
        for packet in packets:
            kind = ETH_P_IPV6 if packet[0] >> 4 == 6 else ETH_P_IP
            sock.sendto(packet, ("tap0", kind, 0, 0, hardware))


FORGED = [(INSIDE, "127.0.0.1"), (INSIDE, "127.0.0.53"), ("127.0.0.1", "127.0.0.1"), (INSIDE, "0.0.0.0"),
          ("127.0.0.1", GATEWAY), ("0.0.0.0", GATEWAY), ("10.0.2.2", "127.0.0.1"),
          ("10.0.2.2", "10.0.2.2"), (SECOND, "127.0.0.1"), (INSIDE6, "::1"), ("::1", "::1"),
          (INSIDE6, "::ffff:127.0.0.1"), ("::1", GATEWAY6), (INSIDE6, "::"), (INSIDE6, "::127.0.0.1")]


@pytest.mark.parametrize("flags", [[], ["--disable-host-loopback"]], ids=["open", "closed"])
def test_raw_packets_with_forged_addresses(rk, ear, flags):
    """Frames straight to the gateway, with loopback as destination (or source): with the loopback
    disabled nothing arrives at all, otherwise nothing that was not sent to the gateway."""
    net = start_net(rk, "--ipv6", *flags)
    forged = [pair for pair in FORGED if flags or pair[1] not in (GATEWAY, GATEWAY6)]
    packets = []
    for source, target in forged:
        packets += [ip_packet(source, target, socket.IPPROTO_TCP, syn(ear.port)),
                    ip_packet(source, target, socket.IPPROTO_UDP, datagram(ear.port))]
    throw(net.inside, packets)
    assert not ear.heard(WAIT), ear.take()
    if not flags:
        throw(net.inside, [ip_packet(INSIDE, GATEWAY, socket.IPPROTO_UDP, datagram(ear.port))])
        assert ear.heard(5), "the frames of this test do not arrive at all"


def test_the_hosts_own_address_is_not_its_loopback(world):
    """Disabled: the host's interfaces are reached (as before), what listens on loopback is not."""
    net = world.start("--disable-host-loopback")
    with world.host.listen("127.0.0.1", 80), world.host.listen("198.51.100.2", 81):
        net.inside.tcp("198.51.100.2", 81).close()
        with pytest.raises(ConnectionRefusedError):
            net.inside.tcp("198.51.100.2", 80)


@pytest.mark.parametrize("name", ["builtin", "gvisor-tap-vsock"])
def test_other_names_for_the_gateway_with_a_resolver_on_loopback(world, name):
    """The resolver may be reached by the DNS address alone."""
    net = world.start(f"--net={name}", "--disable-host-loopback", "--ipv6=false")
    gateway = "10.0.2.1" if name.startswith("gvisor") else GATEWAY
    with world.host.listen("127.0.0.1", 80):
        for address in (gateway, DNS, "10.0.2.1", "10.0.2.254"):
            with pytest.raises(OSError):
                net.inside.tcp(address, 80, timeout=WAIT)
