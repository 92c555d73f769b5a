# SPDX-License-Identifier: Apache-2.0
"""--net=builtin: what the namespace looks like, and that what its user does there counts."""
# pylint: disable=redefined-outer-name,unused-import
import errno
import os
import re
import socket

import pytest

import harness
from harness import which
from netkit import host_address
from netlab import (DNS, GATEWAY, INSIDE, REMOTE, Container, World, connect_error, info, start_net,
                    world)  # noqa: F401

DROPPED = (errno.EAGAIN, errno.ETIMEDOUT)
SHORT = 0.7  # seconds: how long a drop is waited for


def link(agent, name="tap0"):
    return agent.ok("ip", "-o", "link", "show", name)


def has_global6():
    out = os.popen(f"{which('ip')} -6 -o addr show scope global").read()
    return "inet6" in out


@pytest.mark.also_as_root
@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
@pytest.mark.parametrize("flags", [[], ["--pidns", "--copy-up=/etc", "--copy-up=/run"]],
                         ids=["bare", "copied"])
def test_interface_address_route_and_mtu(rk, flags, detached):
    inside = start_net(rk, *flags, detached=detached).inside
    assert re.search(r"inet 10\.0\.2\.100/24 .*scope global tap0",
                     inside.ok("ip", "-o", "-4", "addr", "show", "tap0"))
    routes = inside.ok("ip", "route")
    assert "default via 10.0.2.2 dev tap0" in routes
    assert re.search(r"10\.0\.2\.0/24 dev tap0 .*src 10\.0\.2\.100", routes)
    assert re.search(r"tap0\S*: <[^>]*\bUP\b[^>]*LOWER_UP[^>]*>.* mtu 65520 ", link(inside))
    assert "LOOPBACK,UP" in link(inside, "lo")


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_cidr_ifname_and_mtu(rk, detached):
    net = start_net(rk, "--cidr=10.9.128.0/17", "--ifname=up7", "--mtu=1400", detached=detached)
    assert "inet 10.9.128.100/17" in net.inside.ok("ip", "-o", "-4", "addr", "show", "up7")
    assert "default via 10.9.128.2 dev up7" in net.inside.ok("ip", "route")
    assert " mtu 1400 " in link(net.inside, "up7")
    assert "nameserver 10.9.128.3\n" in (net.state / "resolv.conf").read_text()
    assert info(net)["networkDriver"]["childIP"] == "10.9.128.100"
    with socket.create_server(("127.0.0.1", 0)) as server:
        net.inside.tcp("10.9.128.2", server.getsockname()[1]).close()


@pytest.mark.parametrize("mtu", [1280, 1500, 9000, 65520, 65521])
def test_mtu(rk, mtu):
    assert f" mtu {mtu} " in link(start_net(rk, f"--mtu={mtu}").inside)


@pytest.mark.parametrize("flags", [["--cidr=10.0.2.0/33"], ["--cidr=fd00::/64"], ["--cidr=10.0.2.0/31"],
                                   ["--mtu=65536"], ["--ifname=much-too-long-name"], ["--ifname=lo"]],
                         ids=" ".join)
def test_what_cannot_be_is_refused_and_leaves_nothing(rk, flags):
    state = rk.state()
    outcome = rk.run(f"--state-dir={state}", "--net=builtin", *flags, "true")
    assert outcome.code == 1, outcome
    option, _, value = flags[0].partition("=")
    assert option.strip("-") in outcome.err.lower() or f"interface {value}" in outcome.err, outcome
    assert not state.exists()


def test_ipv6_is_there_when_asked_for(rk):
    net = start_net(rk, "--ipv6")
    assert re.search(r"inet6 fd00::\S+/64 scope global(?! tentative)",
                     net.inside.ok("ip", "-6", "-o", "addr", "show", "tap0"))
    assert re.search(r"default via \S+ dev tap0", net.inside.ok("ip", "-6", "route"))


def test_ipv6_is_off_when_switched_off(rk):
    net = start_net(rk, "--ipv6=false")
    assert "scope global" not in net.inside.ok("ip", "-6", "addr", "show", "tap0")
    assert "default" not in net.inside.ok("ip", "-6", "route")


def test_ipv6_follows_the_host_by_default(rk, needs_sub_ids):
    with_it = World(rk)
    assert "scope global" in with_it.start(state="a").inside.ok("ip", "-6", "addr", "show", "tap0")
    without = World(rk, uplink=False)
    inside = without.start(state="b").inside
    assert "scope global" not in inside.ok("ip", "-6", "addr", "show", "tap0")


def test_info(rk):
    net = start_net(rk)
    driver = info(net)["networkDriver"]
    assert driver["driver"] == "builtin"
    assert driver["childIP"] == INSIDE
    assert DNS in driver["dns"]
    assert driver.get("dynamicChildIP") in (None, False)


def test_gvisor_tap_vsock_by_name(rk):
    """The same engine with that driver's addresses, for scripts that fall back to it."""
    net = start_net(rk, "--net=gvisor-tap-vsock")
    assert "inet 10.0.2.100/24" in net.inside.ok("ip", "-o", "-4", "addr", "show", "tap0")
    assert "default via 10.0.2.1 dev tap0" in net.inside.ok("ip", "route")
    assert "nameserver 10.0.2.1\n" in (net.state / "resolv.conf").read_text()
    shown = info(net)
    assert shown["networkDriver"]["driver"] == "gvisor-tap-vsock"
    assert shown["networkDriver"]["dns"] == ["10.0.2.1"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        net.inside.tcp("10.0.2.1", server.getsockname()[1]).close()


def test_no_helper_program_is_needed(rk):
    """No slirp4netns, pasta, ip, nft or iptables in PATH: only what maps IDs."""
    programs = rk.base / "few"
    programs.mkdir()
    for name in ("newuidmap", "newgidmap", "sh"):
        (programs / name).symlink_to(which(name))
    net = start_net(rk, env=rk.with_env(PATH=programs))
    with socket.create_server(("127.0.0.1", 0)) as server:
        net.inside.tcp(GATEWAY, server.getsockname()[1]).close()


def test_it_starts_without_any_uplink_and_follows_when_one_comes(rk, needs_sub_ids):
    lab = World(rk, uplink=False)
    net = lab.start()
    assert connect_error(net.inside, REMOTE, 80) in (errno.ENETUNREACH, errno.EHOSTUNREACH)
    lab.plug_in()
    with lab.remote.listen(REMOTE, 80):
        net.inside.tcp(REMOTE, 80).close()


def test_nothing_of_ours_is_visible_inside(rk):
    net = start_net(rk)
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = net.inside.tcp(GATEWAY, server.getsockname()[1])
        sockets = net.inside.ok("ss", "-Hanut").splitlines()
        assert len(sockets) == 1 and f"{GATEWAY}:{server.getsockname()[1]}" in sockets[0]
        client.close()
    assert sorted(re.findall(r"^\d+: (\w+)", net.inside.ok("ip", "-o", "link"), re.MULTILINE)) \
        == ["lo", "tap0"]
    assert net.inside.ok("nft", "list", "ruleset") == ""
    assert net.inside.ok("ip", "netns") == ""
    rules = net.inside.ok("ip", "rule").splitlines()
    assert len(rules) == 3, rules


def test_nothing_of_ours_is_visible_on_the_host(world):
    """No interface, address, route, rule or nf_tables rule in the host's namespace."""
    look = ("ip -o link; ip -o addr; ip route show table all; ip rule; ip -6 rule; "
            "nft list ruleset")
    before = world.host.ok("sh", "-c", look)
    world.start("--port-driver=builtin")
    assert re.sub(r"\d+sec", "", world.host.ok("sh", "-c", look)) == re.sub(r"\d+sec", "", before)


# --- the user's own rules ---


@pytest.mark.parametrize("tool", ["nft", "iptables"])
def test_the_users_output_rules_are_honoured(rk, tool):
    net = start_net(rk)
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        allowed, dropped = one.getsockname()[1], two.getsockname()[1]
        if tool == "nft":
            net.inside.ok("nft", "add table ip t; add chain ip t o { type filter hook output "
                          f"priority 0; }}; add rule ip t o tcp dport {dropped} drop")
        else:
            net.inside.ok("iptables", "-w", "-A", "OUTPUT", "-p", "tcp", "--dport", dropped, "-j", "DROP")
        assert connect_error(net.inside, GATEWAY, allowed) is None
        assert connect_error(net.inside, GATEWAY, dropped, SHORT) in DROPPED


@pytest.fixture
def containers(rk):
    """The namespace, a container behind its bridge and one on an internal network."""
    net = start_net(rk)
    outer = Container(rk, net, "br0", "172.20.0")
    inner = Container(rk, net, "br1", "172.21.0")
    net.inside.ok("sh", "-ec", """
echo 1 >/proc/sys/net/ipv4/ip_forward
nft 'add table ip nat; add chain ip nat p { type nat hook postrouting priority 100; };
     add rule ip nat p ip saddr 172.16.0.0/12 oifname tap0 masquerade;
     add table ip f; add chain ip f users { type filter hook forward priority 0; };
     add rule ip f users iifname br1 oifname != br1 drop'
# As Docker has it; where the kernel cannot, bridged packets are not shown to nf_tables anyway.
for f in iptables ip6tables; do
    f=/proc/sys/net/bridge/bridge-nf-call-$f; [ ! -e $f ] || echo 1 >$f; done""")
    return net, outer, inner


def test_a_container_reaches_the_host_and_the_internal_one_does_not(containers):
    net, outer, inner = containers
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server((host_address(), 0)) \
            as public:
        for host, listener in ((GATEWAY, server), (host_address(), public)):
            port = listener.getsockname()[1]
            with outer.agent.tcp(host, port) as client:
                conn, _ = listener.accept()
                with conn:
                    conn.sendall(b"z" * 300_000)
                    conn.shutdown(socket.SHUT_WR)
                    total = 0
                    while part := client.recv(1 << 16):
                        total += len(part)
                    assert total == 300_000
            assert connect_error(inner.agent, host, port, SHORT) in DROPPED
    assert connect_error(outer.agent, GATEWAY, 1) == errno.ECONNREFUSED
    assert net.running()


def test_a_container_speaks_udp(containers):
    _, outer, inner = containers
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5 * harness.SLOW)
        with outer.agent.udp() as client, inner.agent.udp() as cut_off:
            cut_off.sendto(b"never", (GATEWAY, server.getsockname()[1]))
            client.sendto(b"asked", (GATEWAY, server.getsockname()[1]))
            text, peer = server.recvfrom(100)
            assert text == b"asked"
            server.sendto(b"answered", peer)
            assert client.recvfrom(100) == (b"answered", (GATEWAY, server.getsockname()[1]))


def test_forward_drops_of_the_user_are_honoured(containers):
    """Like a rule in DOCKER-USER: by destination port, while connections are there already."""
    net, outer, _ = containers
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        outer.agent.tcp(GATEWAY, port).close()
        net.inside.ok("nft", f"insert rule ip f users tcp dport {port} drop")
        assert connect_error(outer.agent, GATEWAY, port, SHORT) in DROPPED
        net.inside.tcp(GATEWAY, port).close()


def test_containers_reach_each_other_through_the_users_router(containers):
    """Traffic between bridges never touches ours: the drop between them holds, a port is open."""
    net, outer, inner = containers
    with inner.agent.listen("172.21.0.2", 80):
        assert connect_error(outer.agent, "172.21.0.2", 80, SHORT) in DROPPED  # no way back
        net.inside.ok("nft", "insert rule ip f users ct state established accept")
        assert connect_error(outer.agent, "172.21.0.2", 80) is None


def test_a_listener_inside_is_not_shadowed(rk):
    """Own listeners on any address and port answer themselves, whatever the gateway does."""
    net = start_net(rk)
    with net.inside.listen("0.0.0.0", 53) as listener:
        for address in ("127.0.0.1", INSIDE):
            with net.inside.tcp(address, 53):
                assert listener.accept()[1][0] == address


def test_an_interface_of_the_users_own_beside_ours(rk):
    net = start_net(rk)
    other = Container(rk, net, "br0", "10.55.0")
    with other.agent.listen("10.55.0.2", 80):
        net.inside.tcp("10.55.0.2", 80).close()
    net.inside.ok("ip", "addr", "add", "10.0.2.55/24", "dev", "tap0")
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = net.inside.socket(socket.AF_INET, socket.SOCK_STREAM, 0, bind=["10.0.2.55", 0])
        client.connect((GATEWAY, server.getsockname()[1]))
        client.close()


def test_interface_down_and_up_again(rk):
    net = start_net(rk)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        net.inside.ok("ip", "link", "set", "tap0", "down")
        assert connect_error(net.inside, GATEWAY, port) in (errno.ENETUNREACH, errno.EHOSTUNREACH)
        net.inside.ok("ip", "link", "set", "tap0", "up")
        net.inside.ok("ip", "route", "add", "default", "via", GATEWAY)
        net.inside.tcp(GATEWAY, port).close()


def test_nothing_is_left_on_the_host_after_the_end(world):
    look = "ip -o link; ls /proc/net/netfilter; cat /proc/net/netfilter/nfnetlink_queue; ss -Hant"
    before = world.host.ok("sh", "-c", look)
    net = world.start()
    with world.remote.listen(REMOTE, 80):
        net.inside.tcp(REMOTE, 80).close()
    net.signal(15)
    net.wait()
    world.host.ok("ss", "-K", "state", "time-wait")
    after = world.host.ok("sh", "-c", look)
    assert [line for line in after.splitlines() if "TIME-WAIT" not in line] == before.splitlines()


def test_twenty_at_the_same_time(rk):
    """Independent of each other: each reaches the host, the end of one is nothing to the others."""
    nets = [start_net(rk, state=f"state{number}") for number in range(20)]
    with socket.create_server(("127.0.0.1", 0)) as server:
        for net in nets:
            net.inside.tcp(GATEWAY, server.getsockname()[1]).close()
        for net in nets[::2]:
            net.signal(15)
            net.wait()
        for net in nets[1::2]:
            net.inside.tcp(GATEWAY, server.getsockname()[1]).close()


@pytest.mark.parametrize("host", [GATEWAY, None], ids=["gateway", "beyond"])
def test_the_way_to_the_gateway_is_not_paced(rk, host):
    """BBR, which a host may have for the world, halves the throughput of a way without length."""
    with socket.create_server((host_address() if host is None else "127.0.0.1", 0)) as server:
        address, port = server.getsockname()
        with start_net(rk).inside.tcp(host or address, port) as client:
            used = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
            assert used.strip(b"\0") != b"bbr"
