# SPDX-License-Identifier: Apache-2.0
"""--net=builtin: TCP from the namespace is what the destination says, at once."""
# pylint: disable=redefined-outer-name,unused-import
import errno
import hashlib
import os
import select
import socket
import struct
import threading
import time

import pytest

import harness
from netlab import (AT_ONCE, GATEWAY, HOST, REMOTE, REMOTE6, SECOND, SECOND6, World,
                    black_hole, connect_error, family_of, start_net, world)  # noqa: F401
from netkit import host_address, read_all, serving

BLOCK = bytes(range(256)) * 256
UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH)


@pytest.fixture
def net(rk):
    return start_net(rk)


@pytest.fixture
def pair(net):
    """A connection from inside to a server on the host's loopback, both ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = net.inside.tcp(GATEWAY, server.getsockname()[1])
        conn, _ = server.accept()
    conn.settimeout(10 * harness.SLOW)
    with client, conn:
        yield client, conn


def at_once(agent, address, port):
    began = time.monotonic()
    error = connect_error(agent, address, port)
    assert time.monotonic() - began < AT_ONCE * harness.SLOW
    return error


# --- connecting ---


@pytest.mark.also_as_root
@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_a_server_on_an_address_of_the_host(rk, detached):
    net = start_net(rk, "--disable-host-loopback", detached=detached)
    with socket.create_server((host_address(), 0)) as server:
        with net.inside.tcp(*server.getsockname()) as client:
            conn, peer = server.accept()
            assert peer[0] == host_address()
            with conn:
                client.sendall(b"there")
                assert conn.recv(10) == b"there"
                conn.sendall(b"back")
                assert client.recv(10) == b"back"
                assert client.getpeername() == server.getsockname()


@pytest.mark.parametrize("address", [REMOTE, SECOND, REMOTE6, SECOND6])
def test_servers_on_another_host(rk, world, address):
    net = world.start("--ipv6")
    with world.remote.listen(address) as server, \
            net.inside.tcp(address, server.getsockname()[1]) as client:
        conn, peer = server.accept()
        assert peer[0] in (HOST, "2001:db8:1::2")
        with conn:
            conn.sendall(b"hello")
            assert client.recv(10) == b"hello"


def test_refused_is_refused_at_once(net):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for _ in range(3):
        assert at_once(net.inside, GATEWAY, port) == errno.ECONNREFUSED
    assert at_once(net.inside, host_address(), port) == errno.ECONNREFUSED


def test_refused_by_another_host(world):
    net = world.start("--ipv6")
    for address in (REMOTE, SECOND, REMOTE6):
        assert at_once(net.inside, address, 81) == errno.ECONNREFUSED


def test_without_a_way_there_it_is_unreachable_at_once(rk, needs_sub_ids):
    net = World(rk, uplink=False).start("--ipv6")
    for address in ("192.0.2.1", "203.0.113.7", "2001:db8:9::1"):
        assert at_once(net.inside, address, 80) in UNREACHABLE


def test_what_the_hosts_routes_say_is_what_connect_says(world):
    world.host.ok("ip", "route", "add", "unreachable", "203.0.113.64/32")
    world.host.ok("ip", "route", "add", "prohibit", "203.0.113.65/32")
    world.remote.ok("ip", "route", "add", "unreachable", "203.0.113.66/32")
    world.remote.python("open('/proc/sys/net/ipv4/ip_forward', 'w').write('1')")
    net = world.start()
    assert at_once(net.inside, "203.0.113.64", 80) in UNREACHABLE
    assert at_once(net.inside, "203.0.113.65", 80) in (*UNREACHABLE, errno.EACCES)
    assert at_once(net.inside, "203.0.113.66", 80) in UNREACHABLE


def test_rules_of_the_host_that_reject(world):
    nft = ("add table inet t; add chain inet t o { type filter hook input priority 0; }; "
           "add rule inet t o tcp dport 81 reject with tcp reset; "
           "add rule inet t o tcp dport 82 reject with icmpx type admin-prohibited; "
           "add rule inet t o tcp dport 83 reject with icmpx type host-unreachable")
    world.remote.ok("nft", nft)
    net = world.start()
    assert at_once(net.inside, REMOTE, 81) == errno.ECONNREFUSED
    assert at_once(net.inside, REMOTE, 82) in (*UNREACHABLE, errno.EACCES)
    assert at_once(net.inside, REMOTE, 83) in UNREACHABLE


def test_a_black_hole_stays_silent_and_disturbs_nobody(net):
    hole, fillers = black_hole()
    waiting = [net.inside.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
               for _ in range(50)]
    for sock in waiting:
        sock.setblocking(False)
        assert sock.connect_ex((GATEWAY, hole.getsockname()[1])) == errno.EINPROGRESS
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(20):
            began = time.monotonic()
            net.inside.tcp(GATEWAY, server.getsockname()[1]).close()
            assert time.monotonic() - began < AT_ONCE * harness.SLOW
    # A second later (a retransmission has passed) nothing was answered.
    assert select.select([], waiting, waiting, 1.2) == ([], [], [])
    assert fillers


def test_a_black_hole_that_wakes_up_is_connected(net):
    """What connect() waits for arrives: the queue is emptied, the retransmitted SYN goes through."""
    hole, fillers = black_hole()
    hole.settimeout(10)
    client = net.inside.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.setblocking(False)
    assert client.connect_ex((GATEWAY, hole.getsockname()[1])) == errno.EINPROGRESS
    assert not select.select([], [client], [], 0.3)[1]
    hole.listen(64)
    ours = {filler.getsockname() for filler in fillers}
    while True:
        conn, peer = hole.accept()
        if peer not in ours:
            break
        conn.close()
    assert select.select([], [client], [], 10 * harness.SLOW)[1]
    assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    client.settimeout(5)
    conn.sendall(b"awake")
    assert client.recv(10) == b"awake"


def test_connect_times_out_as_the_kernel_inside_says(net):
    """One SYN and one retransmission: ETIMEDOUT after about three seconds, by the kernel inside."""
    hole, fillers = black_hole()
    client = net.inside.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
    with pytest.raises(OSError) as failure:
        client.connect((GATEWAY, hole.getsockname()[1]))
    assert failure.value.errno in (errno.ETIMEDOUT, *UNREACHABLE)
    assert fillers


def test_an_abandoned_connect_is_given_up_outside(world):
    """The client inside goes away while its connection is being made; nothing stays behind."""
    net = world.start()
    with world.remote.listen(REMOTE, 80) as server:
        for _ in range(20):
            client = net.inside.socket(socket.AF_INET, socket.SOCK_STREAM)
            client.setblocking(False)
            client.connect_ex((REMOTE, 80))
            client.close()
        with net.inside.tcp(REMOTE, 80) as last:
            last.sendall(b"last")
            seen = []
            while b"last" not in seen:
                conn, _ = server.accept()
                conn.settimeout(10 * harness.SLOW)
                try:
                    seen.append(conn.recv(10))
                except ConnectionResetError:
                    seen.append(b"")
    harness.wait_until(lambda: world.host.ok("ss", "-Htn", "state", "established") == "",
                       what="the host's connections to end")


# --- ends ---


@pytest.mark.parametrize("first", ["inside", "outside"])
def test_half_close_both_ways(pair, first):
    one, other = pair if first == "inside" else reversed(pair)
    one.sendall(b"question")
    one.shutdown(socket.SHUT_WR)
    assert read_all(other) == b"question"
    for _ in range(20):
        other.sendall(BLOCK)
        received = 0
        while received < len(BLOCK):
            received += len(one.recv(1 << 16))
    other.shutdown(socket.SHUT_WR)
    assert one.recv(10) == b""


@pytest.mark.parametrize("first", ["inside", "outside"])
def test_a_reset_is_passed_on(pair, first):
    one, other = pair if first == "inside" else reversed(pair)
    one.sendall(b"x")
    assert other.recv(10) == b"x"
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()
    with pytest.raises(ConnectionResetError):
        other.recv(10)


def test_the_server_that_only_talks_and_ends(net):
    """Data and FIN at once, before the client reads anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for length in (0, 1, 100_000):
            client = net.inside.tcp(GATEWAY, server.getsockname()[1])
            conn, _ = server.accept()
            sender = threading.Thread(target=lambda c=conn, n=length: (c.sendall(b"z" * n), c.close()))
            sender.start()
            assert len(read_all(client)) == length
            sender.join()


def test_urgent_small_window_and_options_do_no_harm(net):
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = net.inside.socket(socket.AF_INET, socket.SOCK_STREAM, 0, options=[
            [socket.SOL_SOCKET, socket.SO_RCVBUF, 4096], [socket.SOL_SOCKET, socket.SO_SNDBUF, 4096],
            [socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536]])
        client.connect((GATEWAY, server.getsockname()[1]))
        conn, _ = server.accept()
        transfer(conn, client, 1 << 20)
        transfer(client, conn, 1 << 20)


# --- bytes ---


def transfer(sender, receiver, total):
    """Sends `total` bytes and holds the checksums against each other."""
    sums = [hashlib.sha256(), hashlib.sha256()]

    def send():
        left, seed = total, os.urandom(1 << 16)
        while left:
            part = seed[:min(left, len(seed))]
            sums[0].update(part)
            sender.sendall(part)
            seed = seed[1:] + seed[:1]
            left -= len(part)

    thread = threading.Thread(target=send)
    thread.start()
    got = 0
    while got < total:
        part = receiver.recv(1 << 20)
        assert part, f"ended after {got} of {total} bytes"
        sums[1].update(part)
        got += len(part)
    thread.join()
    assert sums[0].digest() == sums[1].digest()


@pytest.mark.parametrize("mtu", [65520, 1500, 1280])
def test_big_transfers_both_ways_at_the_same_time(rk, mtu):
    net = start_net(rk, f"--mtu={mtu}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = net.inside.tcp(GATEWAY, server.getsockname()[1])
        conn, _ = server.accept()
    conn.settimeout(10 * harness.SLOW)
    total = 64 << 20
    inward = threading.Thread(target=transfer, args=(conn, client, total))
    inward.start()
    transfer(client, conn, total)
    inward.join()


def test_a_reader_that_stops_stops_the_writer_and_nobody_else(net):
    with socket.create_server(("127.0.0.1", 0)) as server:
        slow = net.inside.tcp(GATEWAY, server.getsockname()[1])
        conn, _ = server.accept()
        slow.setblocking(False)
        sent = 0
        while select.select([], [slow], [], 0.3)[1]:
            try:
                sent += slow.send(BLOCK)
            except BlockingIOError:
                pass
            assert sent < 64 << 20, "whatever is sent is kept in memory"
        with net.inside.tcp(GATEWAY, server.getsockname()[1]) as other:
            second, _ = server.accept()
            second.settimeout(10 * harness.SLOW)
            transfer(other, second, 8 << 20)
        conn.settimeout(10 * harness.SLOW)
        got = 0
        while got < sent:
            got += len(conn.recv(1 << 20))


def test_a_thousand_connections_at_once(net):
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        port = server.getsockname()[1]
        failed = net.inside.python(THOUSAND, GATEWAY, port, 1000)
        assert failed == []


# The server and the clients are other processes: descriptors of this one are not enough for both.
THOUSAND = """
import resource, select, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)) if resource.getrlimit(7)[1] >= 4096 else 0
host, port, count = args
clients = []
for number in range(count):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex((host, port))
    clients.append(s)
poller = select.poll()
by_fd = {s.fileno(): s for s in clients}
for fd in by_fd:
    poller.register(fd, select.POLLOUT)
failed, done = [], 0
while done < count:
    events = poller.poll(20000)
    if not events:
        failed.append("no answer for %d" % (count - done))
        break
    for fd, event in events:
        error = by_fd[fd].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            failed.append(error)
        poller.unregister(fd)
        done += 1
result = failed
"""


def test_many_threads_of_short_connections(net):
    """Eight clients, 100 connections each, all answered correctly."""
    def answer(conn):
        conn.settimeout(5)
        conn.sendall(conn.recv(100).upper())

    with serving(answer, backlog=1024) as port:
        wrong = net.inside.python(SHORT, GATEWAY, port, 8, 100)
    assert wrong == []


SHORT = """
import socket, threading
host, port, threads, each = args
wrong = []
def client(number):
    for i in range(each):
        try:
            with socket.create_connection((host, port), 20) as s:
                s.sendall(b"t%d-%d" % (number, i))
                got = s.recv(100)
                if got != b"T%d-%d" % (number, i):
                    wrong.append(repr(got))
        except OSError as e:
            wrong.append(repr(e))
all = [threading.Thread(target=client, args=(n,)) for n in range(threads)]
[t.start() for t in all]
[t.join() for t in all]
result = wrong
"""


def test_the_same_port_again_at_once(net):
    """A client that binds its port, as many do: the same four-tuple twice in a row."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        for number in range(3):
            client = net.inside.socket(socket.AF_INET, socket.SOCK_STREAM, 0, bind=["0.0.0.0", 40123])
            client.connect((GATEWAY, server.getsockname()[1]))
            conn, _ = server.accept()
            conn.sendall(b"%d" % number)
            assert client.recv(10) == b"%d" % number
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            conn.settimeout(5)
            with pytest.raises(ConnectionResetError):
                conn.recv(1)


def test_one_source_port_to_two_servers(net):
    """The same inside port to two destinations at the same time is two connections."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        clients = []
        for server in (one, two):
            client = net.inside.socket(socket.AF_INET, socket.SOCK_STREAM, 0, bind=["0.0.0.0", 40124])
            client.connect((GATEWAY, server.getsockname()[1]))
            conn, _ = server.accept()
            conn.sendall(b"%d" % server.getsockname()[1])
            clients.append((client, conn))
        for (client, _), server in zip(clients, (one, two)):
            assert client.recv(10) == b"%d" % server.getsockname()[1]


def test_fast_open_and_data_before_the_answer(world):
    """Data queued on a socket that is still connecting arrives."""
    net = world.start()
    with world.remote.listen(REMOTE, 80) as server:
        client = net.inside.socket(family_of(REMOTE), socket.SOCK_STREAM, 0,
                                   options=[[socket.IPPROTO_TCP, 30, 1]])  # TCP_FASTOPEN_CONNECT
        client.connect((REMOTE, 80))
        client.sendall(b"early")
        conn, _ = server.accept()
        conn.settimeout(5)
        assert conn.recv(10) == b"early"


def test_keep_alive_connection_over_an_address_change_of_the_host(world):
    """An uplink that goes and comes back: connections survive it, new ones work."""
    net = world.start()
    with world.remote.listen(REMOTE, 80) as server:
        client = net.inside.tcp(REMOTE, 80)
        conn, _ = server.accept()
        world.host.ok("ip", "link", "set", "eth0", "down")
        assert connect_error(net.inside, SECOND, 80) in UNREACHABLE
        world.host.ok("ip", "link", "set", "eth0", "up")
        world.host.ok("ip", "route", "add", "default", "via", REMOTE)
        conn.sendall(b"still here")
        assert client.recv(20) == b"still here"
        net.inside.tcp(REMOTE, 80).close()
