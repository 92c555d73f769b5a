# SPDX-License-Identifier: Apache-2.0
"""--net=builtin: names. The host is a world of the test's own, with a resolver of the test's."""
# pylint: disable=redefined-outer-name,unused-import
import socket
import struct

import pytest

import harness
from dnskit import A, AAAA, LONG, Resolver, answer, question
from harness import wait_until
from netlab import AT_ONCE, DNS, REMOTE, REMOTE6, World

COPY_UP = ["--copy-up=/etc"]
LOOPBACK = "127.0.0.1"


class Names:
    """A world whose resolv.conf belongs to the test."""

    def __init__(self, rk):
        self.file = rk.base / "hosts-resolv.conf"
        self.say("nameserver 127.0.0.1")
        self.world = World(rk, resolv=self.file)
        self.servers = []

    def say(self, *lines):
        self.file.write_text("".join(f"{line}\n" for line in lines))

    def resolver(self, address=LOOPBACK, where=None):
        agent = where or self.world.host
        server = Resolver(agent.udp(address, 53, timeout=30), agent.listen(address, 53, timeout=30))
        self.servers.append(server)
        return server


@pytest.fixture
def names(rk, needs_sub_ids):
    kit = Names(rk)
    yield kit
    for server in kit.servers:
        server.close()


LOOK_UP = """
import socket, time
began = time.monotonic()
try:
    found = sorted({entry[4][0] for entry in socket.getaddrinfo(args[0], None)})
except socket.gaierror as error:
    found = [str(error)]
result = [found, time.monotonic() - began]
"""


def look_up(agent, name):
    """What the C library finds, at once."""
    found, seconds = agent.python(LOOK_UP, name)
    assert seconds < AT_ONCE * harness.SLOW, f"{seconds:.1f} s for {name}"
    return found


def ask_udp(agent, name, kind=A, server=DNS):
    with agent.udp() as sock:
        sock.connect((server, 53))
        sock.send(question(name, kind))
        return sock.recv(4096)


@pytest.mark.parametrize("flags", [[], ["--disable-host-loopback"]], ids=["open", "closed"])
def test_the_c_library_finds_names(names, flags):
    resolver = names.resolver()
    inside = names.world.start(*COPY_UP, *flags).inside
    assert look_up(inside, "abcde.test") == ["192.0.2.5"]
    assert set(resolver.kinds) == {A, AAAA}
    assert "known" in look_up(inside, "nobody.test")[0]


def test_both_questions_on_one_socket_are_answered(names):
    """As glibc asks: A and AAAA from the same port, before any answer."""
    names.resolver()
    inside = names.world.start().inside
    for _ in range(50):
        with inside.udp() as sock:
            sock.connect((DNS, 53))
            sock.send(question("abc.test", A, 1))
            sock.send(question("abc.test", AAAA, 2))
            numbers = {struct.unpack("!H", sock.recv(4096)[:2])[0] for _ in range(2)}
            assert numbers == {1, 2}


def test_by_tcp(names):
    resolver = names.resolver()
    inside = names.world.start().inside
    with inside.tcp(DNS, 53) as sock:
        for name in ("ab.test", "abc.test"):
            query = question(name)
            sock.sendall(struct.pack("!H", len(query)) + query)
            length = struct.unpack("!H", sock.recv(2))[0]
            assert sock.recv(length) == answer(query, by_tcp=True)
    assert resolver.asked == ["ab.test", "abc.test"]


def test_long_answers_are_fetched_by_tcp(names):
    names.resolver()
    found = look_up(names.world.start(*COPY_UP).inside, "long.test")
    assert len(found) == LONG


def test_queries_and_answers_pass_unchanged(names):
    """No byte is touched: an unknown type, EDNS options, a long answer, even no DNS at all."""
    names.resolver()
    agent = names.world.start().inside
    query = question("abc.test", 65)
    assert ask_udp(agent, "abc.test", 65) == answer(query)


def test_a_stub_on_another_loopback_address(names):
    """systemd-resolved listens on 127.0.0.53."""
    names.say("nameserver 127.0.0.53", "options edns0 trust-ad", "search .")
    resolver = names.resolver("127.0.0.53")
    assert look_up(names.world.start(*COPY_UP, "--disable-host-loopback").inside, "abc.test") == \
        ["192.0.2.3"]
    assert resolver.asked


@pytest.mark.parametrize("address", [REMOTE, REMOTE6])
def test_a_resolver_on_another_host(names, address):
    names.say(f"nameserver {address}")
    resolver = names.resolver(address, names.world.remote)
    assert look_up(names.world.start(*COPY_UP).inside, "abcd.test") == ["192.0.2.4"]
    assert resolver.asked


def test_a_change_of_the_hosts_resolv_conf_is_followed(names):
    first, second = names.resolver(), names.resolver("127.0.0.2")
    inside = names.world.start(*COPY_UP).inside
    assert look_up(inside, "abc.test") == ["192.0.2.3"]
    assert first.asked and not second.asked
    names.say("nameserver 127.0.0.2")

    def moved():
        look_up(inside, "abcd.test")
        return second.asked
    wait_until(moved, 10, "questions to the new resolver")
    assert look_up(inside, "abcde.test") == ["192.0.2.5"]
    del first.asked[:]
    ask_udp(inside, "abcdef.test")
    with inside.tcp(DNS, 53) as sock:
        query = question("ab.test")
        sock.sendall(struct.pack("!H", len(query)) + query)
        assert sock.recv(2)
    assert not first.asked


def test_without_any_nameserver_then_with_one(names):
    names.say("# nothing here")
    inside = names.world.start(*COPY_UP).inside
    names.resolver()
    names.say("nameserver 127.0.0.1")

    def found():
        try:
            return ask_udp(inside, "abc.test")
        except OSError:
            return None
    wait_until(found, 15, "an answer")
    assert look_up(inside, "abc.test") == ["192.0.2.3"]


def test_search_and_options_are_kept(names):
    names.say("nameserver 127.0.0.1", "search corp.test other.test", "options ndots:3 timeout:2")
    names.resolver()
    inside = names.world.start(*COPY_UP).inside
    lines = inside.ok("cat", "/etc/resolv.conf").splitlines()
    assert lines[0] == f"nameserver {DNS}"
    assert [line for line in lines if line.startswith("nameserver")] in (
        [f"nameserver {DNS}"], [f"nameserver {DNS}", "nameserver fd00::3"])
    assert "search corp.test other.test" in lines
    assert "options ndots:3 timeout:2" in lines
    assert look_up(inside, "abc") == ["192.0.2.3"]


def test_the_search_list_is_used(names):
    names.say("nameserver 127.0.0.1", "search corp.test")
    resolver = names.resolver()
    assert look_up(names.world.start(*COPY_UP).inside, "abcd") == ["192.0.2.4"]
    assert "abcd.corp.test" in resolver.asked


def test_a_dead_resolver_is_refused_not_waited_for(names):
    """Nobody serves port 53: the C library hears it at once and gives up."""
    inside = names.world.start(*COPY_UP).inside
    assert "192" not in look_up(inside, "abc.test")[0]


def test_a_silent_first_resolver_costs_what_it_costs_on_the_host(names):
    """Two nameservers, the first refuses: the second is asked."""
    names.say("nameserver 127.0.0.9", "nameserver 127.0.0.1")
    names.resolver()
    inside = names.world.start(*COPY_UP).inside

    def found():
        return look_up(inside, "abc.test") == ["192.0.2.3"]
    wait_until(found, 15, "the second resolver to be asked")


def test_many_questions_at_once(names):
    resolver = names.resolver()
    inside = names.world.start().inside
    with inside.udp() as sock:
        sock.connect((DNS, 53))
        for number in range(150):
            sock.send(question(f"a{number}.test", A, number))
        got = set()
        while len(got) < 150:
            got.add(struct.unpack("!H", sock.recv(4096)[:2])[0])
    assert len(resolver.asked) >= 150


def test_a_thousand_sockets_with_one_question_each(names):
    """Flows to port 53 are short-lived: nothing of them is left a moment later."""
    names.resolver()
    inside = names.world.start().inside
    left = inside.python(THOUSAND, DNS, question("abc.test").hex(), 1000)
    assert left == 0


THOUSAND = """
import socket
host, query, count = args
result = 0
for _ in range(count):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.connect((host, 53))
        s.send(bytes.fromhex(query))
        try:
            s.recv(4096)
        except OSError:
            result += 1
"""


def test_the_resolvers_port_is_all_that_is_reached(names):
    """The DNS address is no way to other ports of the host, or to port 53 by another address."""
    names.resolver()
    net = names.world.start("--disable-host-loopback")
    with names.world.host.listen(LOOPBACK, 80):
        with pytest.raises(OSError):
            net.inside.tcp(DNS, 80, timeout=2)
    with pytest.raises(OSError):
        net.inside.tcp("10.0.2.2", 53, timeout=2)
    assert ask_udp(net.inside, "abc.test")


def test_detached(names):
    names.resolver()
    net = names.world.start(detached=True)
    assert ask_udp(net.inside, "abc.test") == answer(question("abc.test"))
    assert f"nameserver {DNS}\n" in (net.state / "resolv.conf").read_text()
