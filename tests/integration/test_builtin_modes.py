# SPDX-License-Identifier: Apache-2.0
"""--net=builtin: the ways of holding connections that other kernels are left with, made to be taken here."""
# pylint: disable=redefined-outer-name,unused-import
import errno
import socket
import time

import pytest

import harness
from netlab import (AT_ONCE, DNS, GATEWAY, GATEWAY6, REMOTE, REMOTE6, SECOND, connect_error, family_of,
                    info, start_net, world)  # noqa: F401
from test_builtin_icmp import UNREACHABLE, UNREACHABLE6, ping, replied

RESET = (ConnectionResetError, ConnectionRefusedError)  # refused: the reset came within connect()

PROHIBITED = (errno.EHOSTUNREACH, errno.EACCES)  # of IPv4, of IPv6


def mode_of(net):
    return info(net)["networkDriver"]["extra"]["mode"]


def env_of(rk, mode):
    return rk.with_env(ROOTLESSKIT_BUILTIN_QUEUE=mode)


def is_reset(agent, address, port):
    """Accepted or not: a connection that nobody serves ends at once, and by an error."""
    began = time.monotonic()
    with pytest.raises(RESET):
        with agent.tcp(address, port) as sock:
            sock.recv(1)
            raise AssertionError("an orderly end")
    assert time.monotonic() - began < AT_ONCE * harness.SLOW


def talk(client, conn):
    """Both directions, more than what fits into the buffers, and the end."""
    for one, other in ((client, conn), (conn, client)):
        one.sendall(b"hello")
        assert other.recv(10) == b"hello"
    client.shutdown(socket.SHUT_WR)
    assert conn.recv(1) == b""
    conn.sendall(b"late")
    assert client.recv(10) == b"late"


@pytest.fixture
def accepting(rk, world):
    net = world.start("--ipv6", env=env_of(rk, "accept-first"))
    assert mode_of(net) == "accept-first"
    return net


def test_accept_first_says_so(rk):
    net = start_net(rk, env=env_of(rk, "accept-first"))
    assert mode_of(net) == "accept-first"
    assert "accepted before it is known whether their destination answers" in net.err


@pytest.mark.parametrize("remote", [REMOTE, REMOTE6, SECOND])
def test_accept_first_carries_connections(world, accepting, remote):
    with world.remote.listen(remote) as server:
        with accepting.inside.tcp(remote, server.getsockname()[1]) as client:
            conn, _ = server.accept()
            with conn:
                conn.settimeout(10 * harness.SLOW)
                talk(client, conn)


def test_accept_first_resets_what_nobody_serves(world, accepting):
    with world.remote.listen(REMOTE) as server:
        closed = server.getsockname()[1]
    for address in (REMOTE, REMOTE6, GATEWAY, DNS):
        is_reset(accepting.inside, address, closed)
    with accepting.inside.tcp("192.0.2.77", 9, timeout=AT_ONCE) as pending:  # nobody answers at all
        pending.settimeout(0.2)
        with pytest.raises(TimeoutError):
            pending.recv(1)


def test_accept_first_keeps_the_rules(rk):
    """What is forbidden is not called: neither the host's loopback nor what a rule denies."""
    net = start_net(rk, "--ipv6", "--disable-host-loopback", "--egress-deny=192.0.2.0/24",
                    env=env_of(rk, "accept-first"))
    with socket.create_server(("127.0.0.1", 0)) as server, \
            socket.create_server(("::1", 0), family=socket.AF_INET6) as server6:
        for listener, address in ((server, GATEWAY), (server6, GATEWAY6)):
            is_reset(net.inside, address, listener.getsockname()[1])
            listener.settimeout(0.2)
            with pytest.raises(TimeoutError):
                listener.accept()
    is_reset(net.inside, "192.0.2.1", 80)


def test_accept_first_sends_datagrams(world, accepting):
    with world.remote.udp(REMOTE) as server:
        client = accepting.inside.udp()
        client.sendto(b"question", server.getsockname())
        data, peer = server.recvfrom(100)
        assert data == b"question"
        server.sendto(b"answer", peer)
        assert client.recvfrom(100) == (b"answer", server.getsockname())


def test_accept_first_answers_no_echo_for_others(accepting):
    """The gateway's kernel would answer for every address."""
    replied(accepting.inside, GATEWAY)
    replied(accepting.inside, GATEWAY6)
    assert ping(accepting.inside, REMOTE)[0] == UNREACHABLE
    assert ping(accepting.inside, REMOTE6)[0] == UNREACHABLE6


def test_the_queue_of_nf_tables(rk):
    """Where the kernel lacks it the next way is taken; either way connections work."""
    net = start_net(rk, env=env_of(rk, "nft-queue"))
    assert mode_of(net) in ("nft-queue", "accept-first")
    with socket.create_server(("127.0.0.1", 0)) as server:
        with net.inside.tcp(GATEWAY, server.getsockname()[1]) as client:
            conn, _ = server.accept()
            with conn:
                talk(client, conn)


def test_no_such_way(rk):
    done = rk.run("--net=builtin", "true", env=env_of(rk, "hold"))
    assert done.code == 1
    assert 'ROOTLESSKIT_BUILTIN_QUEUE: no such way to hold connections: "hold"' in done.err


@pytest.mark.release_only  # it tells refusals that took the kernel's retransmission from others
@pytest.mark.parametrize("address", [GATEWAY, GATEWAY6])
def test_many_refusals_in_a_row_come_at_once(rk, address):
    """By default a kernel sends a burst of six ICMP errors to one address, and then one a second. (One that
    meets a socket still busy with connect() is not taken at once, so a few may be slow.)"""
    net = start_net(rk, "--ipv6", "--disable-host-loopback")
    slow = 0
    for _ in range(30):
        began = time.monotonic()
        assert connect_error(net.inside, address, 9) in PROHIBITED
        slow += time.monotonic() - began > 0.9  # TCP's first retransmission comes after a second
    assert slow < 10
