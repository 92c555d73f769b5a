# SPDX-License-Identifier: Apache-2.0
"""Published ports: source addresses and UDP (spec port.md 4.3)."""
import os
import time

import pytest

import harness
from netkit import (ask, connect, ended, free_port, host_address, read_all, serve, udp_client)


# --- source addresses ---


@pytest.mark.also_as_root
@pytest.mark.parametrize("detached", [False, True], ids=["plain", "detached"])
@pytest.mark.parametrize("listen", ["127.0.0.1", "0.0.0.0"])
def test_the_server_sees_the_client(rk, listen, detached):
    host, port = host_address(), free_port()
    serve(rk, f"-p=0.0.0.0:{port}:80/tcp", inside=[f"peer,{listen},80"], detached=detached)
    for _ in range(3):
        with connect(host, port) as sock:
            mine = sock.getsockname()
            assert read_all(sock).decode() == f"{mine[0]} {mine[1]}"
    assert ask("127.0.0.1", port).startswith(b"127.0.0.1 ")


def test_transparent_connections_carry_data_both_ways(rk):
    host, port, data = host_address(), free_port(), os.urandom(100_000)
    serve(rk, f"-p=0.0.0.0:{port}:80/tcp", inside=["late,127.0.0.1,80"])
    assert ask(host, port, data) == b"all of " + data


def test_transparency_can_be_switched_off(rk):
    host, port = host_address(), free_port()
    serve(rk, "--source-ip-transparent=false", f"-p=0.0.0.0:{port}:80/tcp",
          inside=["peer,0.0.0.0,80"])
    assert ask(host, port).startswith(b"127.0.0.1 ")


def test_transparent_refusal_is_told_at_once(rk):
    host, port = host_address(), free_port()
    serve(rk, f"-p=0.0.0.0:{port}:81/tcp")
    began = time.monotonic()
    try:
        with connect(host, port) as sock:
            assert ended(sock)
    except ConnectionError:
        pass
    assert time.monotonic() - began < 0.5 * harness.SLOW


# --- UDP ---


@pytest.mark.also_as_root
@pytest.mark.parametrize("detached", [False, True], ids=["plain", "detached"])
def test_udp_echo(rk, detached):
    port = free_port()
    serve(rk, f"-p=127.0.0.1:{port}:53/udp", inside=["udp,127.0.0.1,53"], detached=detached)
    with udp_client() as one, udp_client() as two:
        for text in (b"a", b"b" * 1400, b"c" * 60000):
            for sock in (one, two):
                sock.sendto(text, ("127.0.0.1", port))
                assert sock.recvfrom(65536) == (b"%d:" % len(text) + text, ("127.0.0.1", port))


@pytest.mark.parametrize("proto,address", [("udp", ""), ("udp", "0.0.0.0"), ("udp4", "0.0.0.0"),
                                           ("udp", "[::]")], ids=lambda x: x or "any")
def test_the_answer_comes_from_the_address_that_was_asked(rk, proto, address):
    port = free_port()
    serve(rk, f"-p={address}:{port}:53/{proto}", inside=["udp,127.0.0.1,53", "udp,::1,53"])
    with udp_client() as sock:
        for asked in ("127.0.0.2", "127.0.0.1", "127.0.0.2"):
            sock.sendto(b"x", (asked, port))
            assert sock.recvfrom(100) == (b"1:x", (asked, port))


@pytest.mark.parametrize("proto", ["udp", "udp6"])
def test_udp_over_ipv6(rk, proto):
    port = free_port()
    serve(rk, f"-p=[::]:{port}:53/{proto}", inside=["udp,::1,53", "udp,127.0.0.1,53"])
    with udp_client("::1") as sock:
        sock.sendto(b"x", ("::1", port))
        data, sender = sock.recvfrom(100)
        assert (data, sender[:2]) == (b"1:x", ("::1", port))


def test_empty_datagrams_pass_both_ways(rk):
    port = free_port()
    serve(rk, f"-p=127.0.0.1:{port}:53/udp", inside=["udp,127.0.0.1,53"])
    with udp_client() as sock:
        sock.connect(("127.0.0.1", port))
        sock.send(b"")
        assert sock.recv(100) == b"0:"
        sock.send(b"empty")
        assert sock.recv(100) == b""


def test_one_client_is_one_peer_inside(rk):
    """Replies follow the flow: two clients never get each other's."""
    port = free_port()
    serve(rk, f"-p=127.0.0.1:{port}:53/udp", inside=["udp,127.0.0.1,53"])
    socks = [udp_client() for _ in range(50)]
    for i, sock in enumerate(socks):
        sock.sendto(b"%02d" % i, ("127.0.0.1", port))
    assert [sock.recv(100) for sock in socks] == [b"2:%02d" % i for i in range(50)]
    for sock in socks:
        sock.close()


def test_udp_without_a_server_comes_back(rk):
    """A refused datagram must not spoil the flow for the server that starts later."""
    port = free_port()
    running = serve(rk, f"-p=127.0.0.1:{port}:53/udp")
    with udp_client() as sock:
        sock.sendto(b"lost", ("127.0.0.1", port))
        rk.start(harness.which("nsenter"), "--preserve-credentials", "-U", "-n", "-t",
                 running.child, *harness.PYTHON, harness.HERE / "backend.py", "udp,127.0.0.1,53",
                 exe=(), prefix=()).wait_line("ready")
        sock.sendto(b"first", ("127.0.0.1", port))
        got = sock.recv(100)
        assert got in (b"5:first", b"4:lost")
