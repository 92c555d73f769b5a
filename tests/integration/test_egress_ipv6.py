# SPDX-License-Identifier: Apache-2.0
"""Egress rules over IPv6, against a host on the other end of a veth pair."""
# pylint: disable=redefined-outer-name,unused-import
import errno
import json
import subprocess

import pytest

from netkit import CTL
from netlab import DNS, GATEWAY6, HOST6, REMOTE6, SECOND6, connect_error, world  # noqa: F401
from test_builtin_icmp import UNREACHABLE6, allow_ping_sockets, ping, replied

PROHIBITED6 = 1  # the code of "administratively prohibited" (RFC 4443)


def ctl(net, *args):
    return subprocess.run([CTL, f"--socket={net.state}/api.sock", *args], text=True, capture_output=True,
                          check=True).stdout


def hits(net):
    rules = [json.loads(line) for line in ctl(net, "list-egress", "--json").splitlines()]
    return {rule["rule"]: rule["hits"] for rule in rules}


def served(world, address):
    """A TCP server on an address of the remote host, and its port."""
    server = world.remote.listen(address)
    return server, server.getsockname()[1]


def datagram_error(agent, address, port):
    """What a connected UDP socket of the namespace is told after its first datagram."""
    with agent.udp("::") as sock:
        sock.connect((address, port))
        sock.send(b"hello")
        try:
            sock.recv(100)
        except OSError as error:
            return error.errno
    return None


def test_the_most_specific_rule_of_ipv6_decides(world):
    net = world.start("--egress-deny=2001:db8::/32", f"--egress-allow={REMOTE6}")
    server, port = served(world, REMOTE6)
    second, second_port = served(world, SECOND6)
    with server, second:
        net.inside.tcp(REMOTE6, port).close()
        assert connect_error(net.inside, SECOND6, second_port) == errno.ECONNREFUSED
        second.settimeout(0.2)
        with pytest.raises(TimeoutError):
            second.accept()
    assert hits(net) == {"2001:db8::/32": 1, REMOTE6: 1}


def test_ports_and_protocols_of_ipv6(world):
    server, port = served(world, REMOTE6)
    other, other_port = served(world, REMOTE6)
    with server, other:
        net = world.start(f"--egress-deny=[{REMOTE6}]:{port}/tcp", f"--egress-deny={REMOTE6}/udp",
                          f"--egress-deny={REMOTE6}/icmp")
        assert connect_error(net.inside, REMOTE6, port) == errno.ECONNREFUSED
        net.inside.tcp(REMOTE6, other_port).close()
        allow_ping_sockets(world.host)
        assert datagram_error(net.inside, REMOTE6, port) == errno.EACCES
        kind, data = ping(net.inside, REMOTE6)
        assert (kind, data[1]) == (UNREACHABLE6, PROHIBITED6)
        replied(net.inside, SECOND6)
        assert hits(net) == {f"[{REMOTE6}]:{port}/tcp": 1, f"[{REMOTE6}]/udp": 1,
                             f"[{REMOTE6}]/icmp": 1}


def test_rules_of_ipv4_leave_ipv6_alone(world):
    net = world.start("--egress-deny=0.0.0.0/0")
    server, port = served(world, REMOTE6)
    with server:
        net.inside.tcp(REMOTE6, port).close()
    assert connect_error(net.inside, DNS, 53) == errno.ECONNREFUSED


def test_changes_of_ipv6_rules_while_it_runs(world):
    net = world.start()
    server, port = served(world, REMOTE6)
    with server:
        net.inside.tcp(REMOTE6, port).close()
        assert ctl(net, "add-egress", "deny", "::/0").strip() == "1"
        assert connect_error(net.inside, REMOTE6, port) == errno.ECONNREFUSED
        assert ctl(net, "add-egress", "allow", f"[{REMOTE6}]:{port}").strip() == "2"
        net.inside.tcp(REMOTE6, port).close()
        ctl(net, "remove-egress", "1", "2")
        assert hits(net) == {}


def test_the_hosts_ipv6_loopback_is_matched_by_both_names(world):
    with world.host.listen("::1") as server:
        port = server.getsockname()[1]
        for rule in ("::1", GATEWAY6):
            net = world.start(f"--egress-deny={rule}", state=f"state-{len(rule)}")
            assert connect_error(net.inside, GATEWAY6, port) == errno.ECONNREFUSED
            with world.host.listen(HOST6) as outside:
                net.inside.tcp(HOST6, outside.getsockname()[1]).close()
