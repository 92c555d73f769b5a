# SPDX-License-Identifier: Apache-2.0
"""--net=builtin: UDP from the namespace."""
# pylint: disable=redefined-outer-name,unused-import
import errno
import os
import select
import socket
import struct

import pytest

import harness
from netkit import host_address
from netlab import (GATEWAY, GATEWAY6, REMOTE, REMOTE6, SECOND, SECOND6, World, family_of,
                    start_net, world)  # noqa: F401


IP_RECVERR = 11  # without it the kernel keeps an ICMP error "unreachable" from a UDP socket


@pytest.fixture
def net(rk):
    return start_net(rk)


class Echo:
    """A server of the host whose answers are sent by the test, one by one."""

    def __init__(self, address="127.0.0.1", port=0):
        self.sock = socket.socket(family_of(address), socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.sock.bind((address, port))
        self.sock.settimeout(5 * harness.SLOW)
        self.port = self.sock.getsockname()[1]

    def answer(self, prefix=b""):
        """Takes one datagram and sends it back; returns it and who sent it."""
        data, peer = self.sock.recvfrom(1 << 16)
        self.sock.sendto(prefix + data, peer)
        return data, peer

    def close(self):
        self.sock.close()


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.close()


def exchange(client, server, data, to):
    client.sendto(data, to)
    got, peer = server.answer()
    assert got == data
    assert client.recvfrom(1 << 16) == (data, to)
    return peer


@pytest.mark.also_as_root
@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_there_and_back(rk, echo, detached):
    client = start_net(rk, detached=detached).inside.udp()
    for data in (b"a", b"b" * 1400, b"c" * 9000):
        exchange(client, echo, data, (GATEWAY, echo.port))


@pytest.mark.parametrize("mtu", [65520, 1500, 1280])
def test_large_datagrams(rk, echo, mtu):
    """60,000 bytes, whole or in fragments, both ways."""
    client = start_net(rk, f"--mtu={mtu}").inside.udp()
    for length in (1472, 1473, 8000, 60_000, 65_507):
        exchange(client, echo, os.urandom(length), (GATEWAY, echo.port))


def test_empty_datagrams(net, echo):
    exchange(net.inside.udp(), echo, b"", (GATEWAY, echo.port))


def test_boundaries_of_many_datagrams(net, echo):
    """Each arrives once and whole, both ways. (The order is not promised: the first ones of a flow
    take another way.)"""
    client = net.inside.udp()
    sent = [b"%d:" % number + b"x" * number for number in range(200)]
    for data in sent:
        client.sendto(data, (GATEWAY, echo.port))
    assert sorted(echo.answer()[0] for _ in sent) == sorted(sent)
    assert sorted(client.recv(1 << 16) for _ in sent) == sorted(sent)


@pytest.mark.parametrize("addresses", [(REMOTE, SECOND), (REMOTE6, SECOND6)], ids=["ipv4", "ipv6"])
def test_all_servers_see_the_same_client(world, addresses):
    """Endpoint-independent mapping: one socket inside is one address and port outside."""
    net = world.start("--ipv6")
    client = net.inside.udp("::" if ":" in addresses[0] else "0.0.0.0")
    seen = []
    for address, port in [(address, port) for address in addresses for port in (5001, 5002)]:
        server = world.remote.udp(address, port)
        client.sendto(b"x", (address, port))
        seen.append(server.recvfrom(10)[1][:2])
        server.sendto(b"y", seen[-1])
        assert client.recvfrom(10)[1][:2] == (address, port)
        server.close()
    assert len(set(seen)) == 1, seen


def test_two_clients_are_two_addresses(world):
    net = world.start()
    server = world.remote.udp(REMOTE, 5001)
    one, two = net.inside.udp(), net.inside.udp()
    for client in (one, two):
        client.sendto(b"x", (REMOTE, 5001))
    peers = [server.recvfrom(10)[1] for _ in range(2)]
    assert peers[0] != peers[1]
    for number, peer in enumerate(peers):
        server.sendto(b"%d" % number, peer)
    assert sorted((one.recv(10), two.recv(10))) == [b"0", b"1"]


def test_only_who_was_asked_may_answer(world):
    net = world.start()
    server, port_beside = world.remote.udp(REMOTE, 5001), world.remote.udp(REMOTE, 5002)
    stranger = world.remote.udp(SECOND, 5001)
    client = net.inside.udp()
    client.sendto(b"x", (REMOTE, 5001))
    peer = server.recvfrom(10)[1]
    for other in (stranger, port_beside):
        other.sendto(b"never asked", peer)
    server.sendto(b"asked", peer)
    assert client.recvfrom(20) == (b"asked", (REMOTE, 5001))
    assert not select.select([client], [], [], 0.2)[0]


def test_refused_is_told_to_a_connected_socket(net):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    client = net.inside.udp(timeout=3)
    client.connect((GATEWAY, port))
    with pytest.raises(ConnectionRefusedError):
        for _ in range(3):
            client.send(b"anybody?")
            client.recv(10)


def test_refused_by_another_host_then_served(world):
    net = world.start()
    client = net.inside.udp(timeout=3)
    client.connect((REMOTE, 5001))
    client.send(b"x")
    with pytest.raises(ConnectionRefusedError):
        client.recv(10)
    server = world.remote.udp(REMOTE, 5001)
    client.send(b"now")
    assert server.recvfrom(10)[0] == b"now"


def test_without_a_way_there_it_is_unreachable(rk, needs_sub_ids):
    net = World(rk, uplink=False).start()
    client = net.inside.udp(timeout=3, options=[[socket.IPPROTO_IP, IP_RECVERR, 1]])
    client.connect(("203.0.113.7", 5001))
    with pytest.raises(OSError) as failure:
        client.send(b"x")
        client.recv(10)
    assert failure.value.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH)


def test_an_address_of_the_host(rk):
    net = start_net(rk, "--disable-host-loopback")
    server = Echo(host_address())
    exchange(net.inside.udp(), server, b"there", (host_address(), server.port))
    server.close()


@pytest.mark.parametrize("address", [REMOTE6, SECOND6])
def test_ipv6(world, address):
    net = world.start("--ipv6")
    server, client = world.remote.udp(address, 5001), net.inside.udp("::")
    for length in (0, 1, 1400, 20_000):
        client.sendto(b"x" * length, (address, 5001))
        data, peer = server.recvfrom(1 << 16)
        server.sendto(data, peer)
        data, peer = client.recvfrom(1 << 16)
        assert data == b"x" * length and peer[:2] == (address, 5001)


def test_ipv6_host_loopback(rk):
    server = Echo("::1")
    client = start_net(rk, "--ipv6").inside.udp("::")
    client.sendto(b"six", (GATEWAY6, server.port))
    assert server.answer()[0] == b"six"
    data, peer = client.recvfrom(100)
    assert data == b"six" and peer[:2] == (GATEWAY6, server.port)
    server.close()


def test_path_mtu_of_the_host_is_told_inside(world):
    """A path narrower than the interface: what is too large arrives in fragments."""
    world.host.ok("ip", "link", "set", "eth0", "mtu", "1280")
    world.remote.ok("ip", "link", "set", "eth0", "mtu", "1280")
    net = world.start()
    server, client = world.remote.udp(REMOTE, 5001), net.inside.udp()
    for length in (1200, 1300, 9000):
        client.sendto(b"x" * length, (REMOTE, 5001))
        data, peer = server.recvfrom(1 << 16)
        assert len(data) == length
        server.sendto(data, peer)
        assert len(client.recv(1 << 16)) == length


def test_many_flows(net, echo):
    """500 sockets inside, each with its own answer, all alive at the same time."""
    clients = [net.inside.udp() for _ in range(500)]
    for number, client in enumerate(clients):
        client.sendto(b"%d" % number, (GATEWAY, echo.port))
        echo.answer(b"re ")
    for number, client in enumerate(clients):
        assert client.recv(100) == b"re %d" % number
    for number, client in enumerate(clients):  # the flows are still there
        client.sendto(b"again %d" % number, (GATEWAY, echo.port))
        echo.answer()
        assert client.recv(100) == b"again %d" % number
        client.close()


def test_one_socket_to_many_servers(net):
    servers = [Echo() for _ in range(200)]
    client = net.inside.udp()
    for number, server in enumerate(servers):
        exchange(client, server, b"%d" % number, (GATEWAY, server.port))
        server.close()


def test_answers_come_for_as_long_as_the_server_talks(net, echo):
    """Traffic in either direction keeps a flow: one question, a stream of answers."""
    client = net.inside.udp()
    client.sendto(b"go", (GATEWAY, echo.port))
    _, peer = echo.sock.recvfrom(10)
    for number in range(300):
        echo.sock.sendto(b"%d" % number, peer)
        assert client.recv(10) == b"%d" % number


def test_a_server_inside_a_reused_port(net, echo):
    """The same inside port, closed and opened again, is served again."""
    for number in range(5):
        client = net.inside.udp("0.0.0.0", 40125)
        exchange(client, echo, b"%d" % number, (GATEWAY, echo.port))
        client.close()


def test_type_of_service_and_ttl_do_no_harm(net, echo):
    client = net.inside.udp("0.0.0.0", 0, options=[[socket.IPPROTO_IP, socket.IP_TOS, 0xb8],
                                                   [socket.IPPROTO_IP, socket.IP_TTL, 2]])
    exchange(client, echo, b"x", (GATEWAY, echo.port))


def test_broadcast_and_multicast_go_nowhere(net, echo):
    client = net.inside.udp("0.0.0.0", 0, options=[[socket.SOL_SOCKET, socket.SO_BROADCAST, 1]])
    for address in ("10.0.2.255", "255.255.255.255", "224.0.0.251", "239.1.2.3"):
        try:
            client.sendto(b"x", (address, echo.port))
        except OSError:
            pass
    exchange(client, echo, b"after", (GATEWAY, echo.port))


def test_segments_offload(net, echo):
    """UDP_SEGMENT: one call, many datagrams, as QUIC servers send."""
    client = net.inside.udp("0.0.0.0", 0, options=[[socket.IPPROTO_UDP, 103, 1000]])
    data = b"".join(struct.pack("!I", number) * 250 for number in range(20))
    client.sendto(data, (GATEWAY, echo.port))
    got = [echo.answer()[0] for _ in range(20)]
    assert b"".join(got) == data and {len(part) for part in got} == {1000}
    client.setsockopt(socket.IPPROTO_UDP, 103, 0)
    assert b"".join(client.recv(2000) for _ in range(20)) == data
