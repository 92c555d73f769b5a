# SPDX-License-Identifier: Apache-2.0
"""--net=builtin: ICMP echo."""
# pylint: disable=redefined-outer-name,unused-import
import select
import socket
import struct
import time

import pytest

import harness
from netkit import host_address
from netlab import (AT_ONCE, DNS, GATEWAY, GATEWAY6, REMOTE, REMOTE6, SECOND, SECOND6, Container,
                    family_of, start_net, world)  # noqa: F401

ECHO, ECHO6 = 8, 128
REPLY, UNREACHABLE, REPLY6, UNREACHABLE6 = 0, 3, 129, 1


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def raw(agent, address):
    six = family_of(address) == socket.AF_INET6
    return agent.socket(family_of(address), socket.SOCK_RAW,
                        socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP, timeout=3)


def echo_request(six, ident, number, payload):
    packet = struct.pack("!BBHHH", ECHO6 if six else ECHO, 0, 0, ident, number) + payload
    if not six:  # the kernel computes ICMPv6's
        packet = packet[:2] + struct.pack("!H", checksum(packet)) + packet[4:]
    return packet


def ping(agent, address, payload=b"abcdefgh", ident=0x1234, number=1):
    """The type of what comes back, and its content."""
    six = family_of(address) == socket.AF_INET6
    with raw(agent, address) as sock:
        sock.sendto(echo_request(six, ident, number, payload), (address, 0))
        end = time.monotonic() + 3 * harness.SLOW
        while time.monotonic() < end:
            data, _ = sock.recvfrom(65536)
            if not six:
                data = data[20:]
            kind = data[0]
            if kind in ((REPLY6, UNREACHABLE6) if six else (REPLY, UNREACHABLE)):
                return kind, data
    raise TimeoutError


def replied(agent, address, payload=b"abcdefgh", ident=0x1234, number=1):
    kind, data = ping(agent, address, payload, ident, number)
    assert kind in (REPLY, REPLY6), (kind, data[1])
    assert struct.unpack("!HH", data[4:8]) == (ident, number)
    assert data[8:] == payload
    return True


def allow_ping_sockets(agent):
    agent.python("open('/proc/sys/net/ipv4/ping_group_range', 'w').write('0 65535')")


@pytest.mark.also_as_root
@pytest.mark.parametrize("flags", [[], ["--disable-host-loopback"]], ids=["open", "closed"])
@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_the_gateway_answers(rk, flags, detached):
    inside = start_net(rk, "--ipv6", *flags, detached=detached).inside
    for address in (GATEWAY, DNS, GATEWAY6):
        assert replied(inside, address)


def test_outside_where_ping_sockets_are_allowed(world):
    allow_ping_sockets(world.host)
    inside = world.start("--ipv6").inside
    for address in (REMOTE, SECOND, REMOTE6, SECOND6):
        assert replied(inside, address)
        assert replied(inside, address, bytes(range(256)) * 4, 0xbeef, 0xffff)


def test_a_series_from_two_programs_at_the_same_time(world):
    allow_ping_sockets(world.host)
    inside = world.start().inside
    with raw(inside, REMOTE) as sock:
        for number in range(20):
            for ident in (1, 2):
                sock.sendto(echo_request(False, ident, number, b"%d-%d" % (ident, number)), (REMOTE, 0))
        got = set()
        while len(got) < 40:
            data = sock.recv(1000)[20:]
            if data[0] == REPLY:
                ident, number = struct.unpack("!HH", data[4:8])
                assert data[8:] == b"%d-%d" % (ident, number)
                got.add((ident, number))


def test_outside_without_ping_sockets_it_is_unreachable_at_once(world):
    world.host.python("open('/proc/sys/net/ipv4/ping_group_range', 'w').write('1 0')")
    inside = world.start("--ipv6").inside
    for address in (REMOTE, REMOTE6):
        began = time.monotonic()
        assert ping(inside, address)[0] in (UNREACHABLE, UNREACHABLE6)
        assert time.monotonic() - began < AT_ONCE * harness.SLOW


def test_on_this_machine_it_is_one_or_the_other(rk):
    """Whatever ping_group_range says here, there is an answer."""
    assert ping(start_net(rk).inside, host_address())[0] in (REPLY, UNREACHABLE)


def test_nobody_there_disturbs_nobody(world):
    """A host that does not answer: silence, and others are answered meanwhile."""
    allow_ping_sockets(world.host)
    inside = world.start().inside
    with raw(inside, REMOTE) as sock:
        for number in range(200):
            sock.sendto(echo_request(False, 9, number, b"x"), ("192.88.99.1", 0))
        assert replied(inside, REMOTE)
        with world.remote.listen(REMOTE, 80):
            inside.tcp(REMOTE, 80).close()
        while select.select([sock], [], [], 0.2)[0]:
            data = sock.recv(1000)[20:]
            assert data[0] != REPLY or struct.unpack("!H", data[4:6])[0] != 9


def test_host_loopback_is_no_address_to_ping(rk):
    """127.0.0.1 inside is the namespace's own."""
    assert replied(start_net(rk).inside, "127.0.0.1")


def test_from_a_container(world, rk):
    allow_ping_sockets(world.host)
    net = world.start()
    container = Container(rk, net, "br0", "172.20.0")
    net.inside.ok("sh", "-ec", """echo 1 >/proc/sys/net/ipv4/ip_forward
nft 'add table ip nat; add chain ip nat p { type nat hook postrouting priority 100; };
     add rule ip nat p oifname tap0 masquerade'""")
    assert replied(container.agent, REMOTE)
    assert replied(container.agent, GATEWAY)


def test_requests_that_lie_about_themselves(world):
    """Wrong checksum, no header, fragments, 60 KB: nothing breaks, the next one is answered."""
    allow_ping_sockets(world.host)
    inside = world.start().inside
    with raw(inside, REMOTE) as sock:
        good = echo_request(False, 5, 1, b"x")
        for bad in (good[:2] + b"\0\0" + good[4:], good[:1], good[:7], b"\x08", bytes(60000),
                    b"\xff" * 100):
            try:
                sock.sendto(bad, (REMOTE, 0))
            except OSError:
                pass  # the kernel inside does not send all of them
    assert replied(inside, REMOTE)
