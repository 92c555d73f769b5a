# SPDX-License-Identifier: Apache-2.0
"""--net=builtin inside --net=builtin, and other networks inside it."""
# pylint: disable=redefined-outer-name,unused-import
import errno
import hashlib
import socket
import threading

import pytest

import harness
from netkit import host_address, read_all
from netlab import (GATEWAY, HOST, INSIDE, NET, REMOTE, Meeting, connect_error, start_net,
                    world)  # noqa: F401


def start_nested(rk, outer_flags=(), inner_flags=(), **kwargs):
    """A run in a run; the agent is in the inner one. `outer` of the result is an agent in between."""
    between, innermost = Meeting(rk), Meeting(rk)
    state = rk.state("outer")
    inner_state = rk.base / "inner"
    script = ('rm -f /etc/subuid /etc/subgid; echo root:1:60000 | tee /etc/subuid >/etc/subgid; '
              f'{" ".join(between.argv)} & exec "$@"')
    running = rk.start(f"--state-dir={state}", NET, "--copy-up=/etc", "--pidns", *outer_flags, "sh",
                       "-c", script, "sh", rk.exe, f"--state-dir={inner_state}", NET, "--copy-up=/etc",
                       *inner_flags, *innermost.argv, **kwargs)
    running.outer = between.wait(running)
    running.inside = innermost.wait(running)
    running.state, running.inner_state = state, inner_state
    return running


def test_builtin_inside_builtin(rk, needs_sub_ids):
    net = start_nested(rk, inner_flags=["--cidr=10.9.0.0/24"])
    assert "10.0.2.100/24" in net.outer.ok("ip", "-4", "addr", "show", "tap0")
    assert "10.9.0.100/24" in net.inside.ok("ip", "-4", "addr", "show", "tap0")
    with socket.create_server((host_address(), 0)) as server:
        with net.inside.tcp(*server.getsockname()) as client:
            conn, _ = server.accept()
            data = b"0123456789abcdef" * (1 << 18)
            sender = threading.Thread(target=lambda: (conn.sendall(data), conn.close()))
            sender.start()
            got = read_all(client)
            sender.join()
            assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
        port = server.getsockname()[1]
    assert connect_error(net.inside, host_address(), port) == errno.ECONNREFUSED


def test_the_same_addresses_in_both(rk, needs_sub_ids):
    """Without --cidr both networks are 10.0.2.0/24: the inner gateway is the outer's loopback."""
    net = start_nested(rk)
    with net.outer.listen("127.0.0.1") as server:
        net.inside.tcp(GATEWAY, server.getsockname()[1]).close()
        server.accept()
    with socket.create_server((host_address(), 0)) as server:
        net.inside.tcp(*server.getsockname()).close()


def test_names_and_udp_through_two(rk, needs_sub_ids):
    net = start_nested(rk, inner_flags=["--cidr=10.9.0.0/24"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((host_address(), 0))
        server.settimeout(5 * harness.SLOW)
        client = net.inside.udp()
        for length in (0, 1, 1400, 30_000):
            client.sendto(b"x" * length, server.getsockname())
            data, peer = server.recvfrom(1 << 16)
            server.sendto(data, peer)
            assert client.recvfrom(1 << 16) == (data, server.getsockname())
    assert "nameserver 10.9.0.3" in net.inside.ok("cat", "/etc/resolv.conf")


def test_a_port_through_two(world):
    """The innermost server sees the remote client."""
    net = start_nested(world.rk, [f"-p=0.0.0.0:8080:{INSIDE}:8081/tcp", "--port-driver=builtin"],
                       ["-p=0.0.0.0:8081:80/tcp", "--port-driver=builtin", "--cidr=10.9.0.0/24"],
                       prefix=world.enter)
    with net.inside.listen("0.0.0.0", 80) as server:
        sock = world.remote.tcp(HOST, 8080)
        conn, peer = server.accept()
        assert peer[0] == REMOTE
        conn.sendall(b"deep")
        assert sock.recv(10) == b"deep"


def test_three_deep(rk, needs_sub_ids):
    """The connection of a program in the third namespace is still the truth."""
    net = start_nested(rk, inner_flags=["--cidr=10.9.0.0/24"])
    script = f'exec {rk.exe} --subid-source=none {NET} --cidr=10.10.0.0/24 --copy-up=/etc "$@"'
    client = ('import socket, sys\n'
              'for port in map(int, sys.argv[2:]):\n'
              '    print(socket.socket().connect_ex((sys.argv[1], port)))\n')
    with socket.create_server((host_address(), 0)) as server:
        with socket.create_server((host_address(), 0)) as gone_soon:
            closed = gone_soon.getsockname()[1]
        out = net.inside.ok("sh", "-c", script, "sh", *harness.PYTHON, "-c", client, host_address(),
                            server.getsockname()[1], closed)
    assert out.split() == ["0", str(errno.ECONNREFUSED)]


def test_network_namespaces_made_inside(rk):
    """`unshare --net` and `ip netns`-like things inside: lo only, and no way out but the user's own."""
    net = start_net(rk)
    out = net.inside.ok("unshare", "--net", "sh", "-c", "ip -o link | wc -l; ip route | wc -l")
    assert out.split() == ["1", "0"]


def test_slirp4netns_inside_builtin(rk, needs_sub_ids):
    """Another network on top of ours works as on a real host."""
    harness.which("slirp4netns")
    net = start_net(rk, "--copy-up=/etc")
    client = ('import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5); '
              'print(s.recv(10).decode())')
    with socket.create_server((host_address(), 0)) as server:
        thread = threading.Thread(target=lambda: server.accept()[0].sendall(b"pong"))
        thread.start()
        out = net.inside.ok(rk.exe, "--subid-source=none", "--net=slirp4netns", "--cidr=10.9.0.0/24",
                            "--copy-up=/etc", *harness.PYTHON, "-c", client, host_address(),
                            server.getsockname()[1])
        thread.join()
    assert out == "pong\n"
