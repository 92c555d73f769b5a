# SPDX-License-Identifier: Apache-2.0
"""Published ports over --net=builtin: the server sees the real client, by TCP and by UDP."""
# pylint: disable=redefined-outer-name,unused-import
import os
import signal
import socket

import pytest

from harness import wait_until
from netkit import (api_of, ended, free_port, host_address, read_all, spec, udp_client)
from netlab import (AT_ONCE, GATEWAY, GATEWAY6, HOST, HOST6, INSIDE, INSIDE6, REMOTE, REMOTE6,
                    SECOND, SECOND6, Container, connect_error, family_of, info, relay, start_net, world)  # noqa: F401

DRIVER = ["--port-driver=builtin"]


def bracketed(address):
    return f"[{address}]" if ":" in address else address


def publish(address, port, proto="tcp", child_port=80):
    return f"-p={bracketed(address)}:{port}:{child_port}/{proto}"


# --- from other hosts: never anything but the client's own address ---


CLIENTS = [(REMOTE, HOST), (SECOND, HOST), (REMOTE6, HOST6), (SECOND6, HOST6)]


@pytest.mark.parametrize("client,host", CLIENTS, ids=["near", "far", "near6", "far6"])
@pytest.mark.parametrize("listen", ["wildcard", "own"])
@pytest.mark.parametrize("parent", ["any", "specific"])
def test_tcp_shows_the_client(world, client, host, listen, parent):
    six = ":" in client
    net = world.start(*DRIVER, "--ipv6", publish(("::" if six else "0.0.0.0") if parent == "any" else host,
                                                 8080))
    own = INSIDE6 if six else INSIDE
    if six:
        own = global6(net.inside)
    address = ("::" if six else "0.0.0.0") if listen == "wildcard" else own
    with net.inside.listen(address, 80) as server:
        for number in range(3):
            sock = world.remote.tcp(host, 8080, bind=[client, 41000 + number])
            conn, peer = server.accept()
            assert peer[:2] == (client, 41000 + number)
            sock.sendall(b"question")
            assert conn.recv(20) == b"question"
            conn.sendall(b"z" * 200_000)
            conn.shutdown(socket.SHUT_WR)
            assert len(read_all(sock)) == 200_000
            sock.close()
            assert conn.recv(1) == b""
            conn.close()


@pytest.mark.parametrize("listen,seen", [("::", [REMOTE6, REMOTE]), ("0.0.0.0", [GATEWAY, REMOTE]),
                                         ("127.0.0.1", ["127.0.0.1", None])], ids=["both", "ipv4", "loopback"])
def test_a_listener_of_both_families_shows_clients_of_both(world, listen, seen):
    """An IPv6 client that only an IPv4 service can serve is seen as the gateway."""
    net = world.start(*DRIVER, "--ipv6", "-p=:8080:80/tcp")
    options = [(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)] if ":" in listen else []
    with net.inside.socket(family_of(listen), socket.SOCK_STREAM, 0, options=options) as server:
        server.bind((listen, 80))
        server.listen(5)
        for client, host, expected in zip((REMOTE6, REMOTE), (HOST6, HOST), seen):
            with world.remote.tcp(host, 8080, bind=[client, 0]) as sock:
                conn, peer = server.accept()
                with conn:
                    if expected:
                        assert peer[0].removeprefix("::ffff:") == expected
                    sock.sendall(b"question")
                    assert conn.recv(20) == b"question"
                    conn.sendall(b"answer")
                    assert sock.recv(20) == b"answer"


def global6(agent):
    """The namespace's own IPv6 address."""
    out = agent.ok("ip", "-6", "-o", "addr", "show", "dev", "tap0", "scope", "global")
    return out.split("inet6 ")[1].split("/")[0]


@pytest.mark.parametrize("client,host", CLIENTS, ids=["near", "far", "near6", "far6"])
def test_udp_shows_the_client(world, client, host):
    six = ":" in client
    net = world.start(*DRIVER, "--ipv6", publish("::" if six else "0.0.0.0", 8080, "udp"))
    server = net.inside.udp("::" if six else "0.0.0.0", 80)
    for number in range(3):
        sock = world.remote.udp(client, 42000 + number)
        for data in (b"", b"a", b"b" * 1400, b"c" * 50_000):
            sock.sendto(data, (host, 8080))
            got, peer = server.recvfrom(1 << 16)
            assert (got, peer[:2]) == (data, (client, 42000 + number))
            server.sendto(b"re " + data, peer)
            got, peer = sock.recvfrom(1 << 16)
            assert (got, peer[:2]) == (b"re " + data, (host, 8080))


@pytest.mark.parametrize("listen", ["127.0.0.1", "::1"])
def test_services_on_loopback_only_are_reached(world, listen):
    """Nothing listens on the namespace's address: once more on its loopback."""
    six = ":" in listen
    host = HOST6 if six else HOST
    net = world.start(*DRIVER, "--ipv6", publish("::" if six else "0.0.0.0", 8080),
                      publish("::" if six else "0.0.0.0", 8080, "udp"))
    with net.inside.listen(listen, 80) as server:
        sock = world.remote.tcp(host, 8080)
        conn, _ = server.accept()
        sock.sendall(b"hello")
        assert conn.recv(10) == b"hello"
        conn.sendall(b"you")
        assert sock.recv(10) == b"you"
    echo, client = net.inside.udp(listen, 80), world.remote.udp("::" if six else "0.0.0.0")

    def answered():  # the first datagram may be spent on finding out
        client.sendto(b"hello", (host, 8080))
        echo.settimeout(0.3)
        try:
            data, peer = echo.recvfrom(100)
        except TimeoutError:
            return False
        echo.sendto(data, peer)
        return client.recvfrom(100)[1][:2] == (host, 8080)
    wait_until(answered, 10, "an answer of the service on loopback")


def test_both_kinds_of_services_at_the_same_time(world):
    """One port listens on the address, another on 127.0.0.1; a third one starts later."""
    net = world.start(*DRIVER, *(publish("0.0.0.0", port, child_port=port) for port in (8001, 8002, 8003)))
    own, local = net.inside.listen(INSIDE, 8001), net.inside.listen("127.0.0.1", 8002)
    for _ in range(3):
        for server, port in ((own, 8001), (local, 8002)):
            world.remote.tcp(HOST, port).close()
            peer = server.accept()[1]
            assert server is local or peer[0] == REMOTE
    try:
        with world.remote.tcp(HOST, 8003) as sock:
            assert ended(sock)
    except ConnectionResetError:
        pass  # the reset may come before connect() has returned
    late = net.inside.listen(INSIDE, 8003)
    with world.remote.tcp(HOST, 8003):
        assert late.accept()[1][0] == REMOTE


# --- from the host itself ---


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
@pytest.mark.also_as_root
def test_loopback_clients_are_shown_as_the_gateway(rk, detached):
    port = free_port()
    net = start_net(rk, *DRIVER, "--ipv6", publish("127.0.0.1", port), publish("127.0.0.1", port, "udp"),
                    publish("::1", port), publish("::1", port, "udp"), detached=detached)
    for parent, wildcard, gateway in (("127.0.0.1", "0.0.0.0", GATEWAY), ("::1", "::", GATEWAY6)):
        with net.inside.listen(wildcard, 80) as server, socket.create_connection((parent, port), 5):
            assert server.accept()[1][0] == gateway
        with net.inside.udp(wildcard, 80) as server, udp_client(parent) as client:
            client.sendto(b"x", (parent, port))
            _, peer = server.recvfrom(10)
            assert peer[0] == gateway
            server.sendto(b"y", peer)
            assert client.recvfrom(10)[1][:2] == (parent, port)


def test_the_hosts_own_address_as_client(rk):
    """A client on the host that uses the host's public address is shown with it."""
    port = free_port()
    net = start_net(rk, *DRIVER, publish("0.0.0.0", port))
    with net.inside.listen("0.0.0.0", 80) as server:
        with socket.create_connection((host_address(), port), 5) as client:
            assert server.accept()[1] == client.getsockname()


def test_a_remote_client_is_never_shown_as_loopback(world):
    """Whatever the port says and whoever listens, a server on the namespace's address sees no
    loopback address."""
    net = world.start(*DRIVER, publish("0.0.0.0", 8080), publish(HOST, 8081),
                      f"-p=0.0.0.0:8082:{INSIDE}:80/tcp", "-p=0.0.0.0:8083:80/tcp4")
    with net.inside.listen("0.0.0.0", 80) as server:
        for port in range(8080, 8084):
            with world.remote.tcp(HOST, port):
                assert server.accept()[1][0] == REMOTE, port


def test_transparency_switched_off(world):
    net = world.start(*DRIVER, "--source-ip-transparent=false", publish("0.0.0.0", 8080))
    with net.inside.listen("0.0.0.0", 80) as server:
        with world.remote.tcp(HOST, 8080):
            assert server.accept()[1][0] != REMOTE


def test_clients_whose_address_the_namespace_has_too(world):
    """A client with an address of the namespace's own network, or its own address: still served."""
    world.remote.ok("ip", "addr", "add", "10.0.2.77/32", "dev", "lo")
    world.remote.ok("ip", "addr", "add", "10.0.2.100/32", "dev", "lo")
    world.host.ok("ip", "route", "add", "10.0.2.0/24", "via", REMOTE)
    net = world.start(*DRIVER, publish("0.0.0.0", 8080))
    with net.inside.listen("0.0.0.0", 80) as server:
        for address in ("10.0.2.77", "10.0.2.100"):
            with world.remote.tcp(HOST, 8080, bind=[address, 0]) as sock:
                conn, _ = server.accept()
                conn.sendall(b"served")
                assert sock.recv(10) == b"served"
                conn.close()


def test_the_same_client_port_to_two_published_ports(world):
    net = world.start(*DRIVER, publish("0.0.0.0", 8080), publish("0.0.0.0", 8081))
    with net.inside.listen("0.0.0.0", 80) as server:
        for port in (8080, 8081):
            sock = world.remote.tcp(HOST, port, bind=[REMOTE, 43000])
            conn, peer = server.accept()
            conn.sendall(b"%d" % port)
            assert sock.recv(10) == b"%d" % port
            assert peer[0] in (REMOTE, GATEWAY)
            sock.close()
            conn.close()


# --- what containers see: the rules that Docker and nerdctl make ---


def test_a_container_behind_the_users_dnat_sees_the_client(rk, world):
    """info asks for the namespace's address as target; the user's own DNAT hands the packet on."""
    net = world.start(*DRIVER, f"-p=0.0.0.0:8080:{INSIDE}:8080/tcp", f"-p=0.0.0.0:8080:{INSIDE}:8080/udp")
    box = Container(rk, net, "br0", "172.20.0")
    net.inside.ok("sh", "-ec", """
echo 1 >/proc/sys/net/ipv4/ip_forward
for f in iptables ip6tables; do
    f=/proc/sys/net/bridge/bridge-nf-call-$f; [ ! -e $f ] || echo 1 >$f; done
nft 'add table ip nat; add chain ip nat pre { type nat hook prerouting priority -100; };
     add chain ip nat post { type nat hook postrouting priority 100; };
     add rule ip nat pre tcp dport 8080 fib daddr type local dnat to 172.20.0.2:80;
     add rule ip nat pre udp dport 8080 fib daddr type local dnat to 172.20.0.2:80;
     add rule ip nat post ip saddr 172.20.0.0/24 oifname != br0 masquerade'""")
    with box.agent.listen("0.0.0.0", 80) as server:
        sock = world.remote.tcp(HOST, 8080)
        conn, peer = server.accept()
        assert peer[0] == REMOTE
        conn.sendall(b"z" * 500_000)
        conn.close()
        assert len(read_all(sock)) == 500_000
    server, client = box.agent.udp("0.0.0.0", 80), world.remote.udp(REMOTE)
    client.sendto(b"x", (HOST, 8080))
    _, peer = server.recvfrom(10)
    assert peer[0] == REMOTE
    server.sendto(b"y", peer)
    assert client.recvfrom(10) == (b"y", (HOST, 8080))


# --- life ---


def test_add_and_remove_at_run_time(world):
    net = world.start(*DRIVER)
    api = api_of(net)
    with net.inside.listen("0.0.0.0", 80) as server:
        assert connect_error(world.remote, HOST, 8080) is not None
        for proto in ("tcp", "tcp4"):
            added = api.ask("POST", "/v1/ports", spec(proto, "0.0.0.0", 8080)).json()
            sock = world.remote.tcp(HOST, 8080)
            conn, peer = server.accept()
            assert peer[0] == REMOTE
            conn.sendall(b"x")
            assert sock.recv(1) == b"x"
            api.ask("DELETE", f"/v1/ports/{added['id']}")
            assert ended(sock)  # as the original does: live connections end
            assert connect_error(world.remote, HOST, 8080) is not None
    api.close()


def test_refused_inside_is_told_to_the_client_at_once(world):
    net = world.start(*DRIVER, publish("0.0.0.0", 8080))
    for _ in range(5):
        try:
            with world.remote.tcp(HOST, 8080, timeout=AT_ONCE) as sock:
                assert ended(sock)
        except ConnectionError:
            pass
    assert net.running()


def test_reset_and_half_close_through_a_port(world):
    net = world.start(*DRIVER, publish("0.0.0.0", 8080))
    with net.inside.listen("0.0.0.0", 80) as server:
        sock = world.remote.tcp(HOST, 8080)
        conn, _ = server.accept()
        sock.sendall(b"all I have to say")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(conn) == b"all I have to say"
        conn.sendall(b"answer")
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert sock.recv(10) == b"answer"
        conn.close()
        with pytest.raises(ConnectionResetError):
            sock.recv(10)


def test_after_the_relay_is_killed_ports_are_served_again(world):
    net = world.start(*DRIVER, publish("0.0.0.0", 8080), publish("0.0.0.0", 8080, "udp"))
    with net.inside.listen("0.0.0.0", 80) as server:
        world.remote.tcp(HOST, 8080).close()
        server.accept()[0].close()
        os.kill(relay(net), signal.SIGKILL)

        def served():
            try:
                return world.remote.tcp(HOST, 8080, timeout=1)
            except OSError:
                return None
        sock = wait_until(served, 10, "the port to be served again")
        conn, peer = server.accept()
        assert peer[0] == REMOTE
        conn.sendall(b"again")
        assert sock.recv(10) == b"again"
    echo, client = net.inside.udp("0.0.0.0", 80), world.remote.udp(REMOTE)
    client.sendto(b"x", (HOST, 8080))
    assert echo.recvfrom(10)[1][0] == REMOTE


def test_many_clients_at_once(world):
    net = world.start(*DRIVER, publish("0.0.0.0", 8080))
    with net.inside.listen("0.0.0.0", 80, backlog=512) as server:
        clients = [world.remote.tcp(HOST, 8080) for _ in range(150)]
        peers = [server.accept() for _ in clients]
        assert {peer for _, peer in peers} == {sock.getsockname() for sock in clients}
        for conn, peer in peers:
            conn.sendall(f"{peer[1]}".encode())
        for sock in clients:
            assert sock.recv(10) == f"{sock.getsockname()[1]}".encode()
            sock.close()


def test_hairpin_from_inside_to_a_published_port(rk):
    """A program inside reaches the port by the host's address, as anybody does."""
    port = free_port()
    net = start_net(rk, *DRIVER, publish("0.0.0.0", port))
    with net.inside.listen("0.0.0.0", 80) as server:
        with net.inside.tcp(host_address(), port) as sock:
            conn, _ = server.accept()
            conn.sendall(b"me")
            assert sock.recv(10) == b"me"
        with net.inside.tcp(GATEWAY, port):
            server.accept()[0].close()


def test_addresses_of_the_child_are_obeyed(world):
    """childIP 127.0.0.1 in a port means the namespace's loopback, ::ffff:… the address."""
    net = world.start(*DRIVER, "-p=0.0.0.0:8080:127.0.0.1:80/tcp",
                      f"-p=0.0.0.0:8081:[::ffff:{INSIDE}]:80/tcp")
    with net.inside.listen("127.0.0.1", 80) as local, net.inside.listen(INSIDE, 80) as own:
        world.remote.tcp(HOST, 8080).close()
        local.accept()
        world.remote.tcp(HOST, 8081).close()
        assert own.accept()[1][0] == REMOTE


# --- what clients are told ---


def test_info_of_the_port_driver_makes_clients_ask_for_the_namespaces_address(rk):
    driver = info(start_net(rk, "--port-driver=builtin"))["portDriver"]
    assert driver["driver"] == "builtin"
    assert driver["disallowLoopbackChildIP"] is True
    assert {"tcp", "tcp4", "udp", "udp4"} == set(driver["protos"])


def test_gvisor_tap_vsock_as_port_driver(rk):
    net = start_net(rk, "--net=gvisor-tap-vsock", "--port-driver=gvisor-tap-vsock")
    assert info(net)["portDriver"]["driver"] == "gvisor-tap-vsock"


def test_nothing_of_the_ports_is_visible_inside(rk):
    net = start_net(rk, *DRIVER, "-p=127.0.0.1:0:80/tcp", "-p=127.0.0.1:0:80/udp")
    assert net.inside.ok("ss", "-Hanut") == ""
    assert net.inside.ok("nft", "list", "ruleset") == ""
    assert len(net.inside.ok("ip", "rule").splitlines()) == 3
