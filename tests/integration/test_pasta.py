# SPDX-License-Identifier: Apache-2.0
"""--net=pasta with the real pasta (spec network.md 1, 4 and 9, mount.md 3, since-3.0.1.md)."""
# pylint: disable=redefined-outer-name,unused-import
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from harness import PYTHON, wait_until, which
from netkit import ask as ask_server, free_port, host_address
from pasta import NET, PASTA, QUIET, helper_of, info_of, need_pasta, words_of
from slirp import (COPY_UP, DETACH, Host, ask, host, inside,  # noqa: F401
                   look_up_at_the_hosts_loopback)

IMPLICIT = ["--port-driver=implicit"]


@pytest.fixture(autouse=True)
def needs_pasta():
    need_pasta()


@pytest.mark.also_as_root
@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
@pytest.mark.parametrize("flags", [[], ["--pidns"], COPY_UP], ids=" ".join)
def test_interface_address_route_and_mtu(rk, flags, detached):
    ip, enter = which("ip"), inside(detached)
    out = rk.sh(*QUIET, *flags, *(DETACH if detached else []),
                f"{enter}{ip} -o -4 addr show tap0; {enter}{ip} route; "
                f"{enter}{ip} -o link show tap0; {enter}{ip} -o link show lo").ok().out
    assert re.search(r"inet 10\.0\.2\.100/24 .*scope global", out)
    assert "default via 10.0.2.2 dev tap0" in out
    assert "10.0.2.0/24 dev tap0 proto kernel scope link src 10.0.2.100" in out
    assert re.search(r"tap0: <[^>]*\bUP\b[^>]*LOWER_UP[^>]*>.* mtu 65520 ", out)
    assert re.search(r"lo: <LOOPBACK,UP", out)


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_cidr_ifname_and_mtu(rk, detached):
    ip, enter = which("ip"), inside(detached)
    out = rk.sh(*QUIET, "--cidr=10.9.128.0/17", "--ifname=up7", "--mtu=1400",
                *(DETACH if detached else []),
                f"{enter}{ip} -o -4 addr show up7; {enter}{ip} route; "
                f"{enter}{ip} -o link show up7; cat $ROOTLESSKIT_STATE_DIR/resolv.conf").ok().out
    assert "inet 10.9.128.100/17" in out
    assert "default via 10.9.128.2 dev up7" in out
    assert " mtu 1400 " in out
    assert "nameserver 10.9.128.3\n" in out


def test_the_hosts_own_interfaces_are_reached(rk, host):
    """Another address of the host: what pasta carries at all, also with the loopback closed."""
    address = host_address()
    other = Host(address)
    try:
        assert ask(rk, QUIET, False, address, other) == ["pong", "pong"]
    finally:
        other.close()
    assert not host.asked


# ---- names

def test_resolv_conf_names_the_driver_and_keeps_search_and_options(rk):
    out = rk.run(*QUIET, *COPY_UP, "cat", "/etc/resolv.conf").ok().lines()
    assert out[0] == "nameserver 10.0.2.3"
    assert len([line for line in out if line.startswith("nameserver")]) == 1
    hosts_search = [line.split()[1:] for line in Path("/etc/resolv.conf").read_text().splitlines()
                    if line.split()[:1] in (["search"], ["domain"])]
    assert [line.split()[1:] for line in out if line.startswith("search")] == hosts_search[-1:]


def test_hosts_has_the_own_name(rk):
    out = rk.run(*QUIET, *COPY_UP, "cat", "/etc/hosts").ok().lines()
    for address in ("127.0.0.1", "::1"):
        assert any(line.split()[:1] == [address] and socket.gethostname() in line.split()[1:]
                   for line in out)


def test_detached_leaves_etc_alone_and_writes_the_files(rk):
    outcome = rk.sh(*QUIET, *DETACH, "cat $ROOTLESSKIT_STATE_DIR/resolv.conf; "
                    "test -s $ROOTLESSKIT_STATE_DIR/hosts; ! grep -q ' /etc/' /proc/self/mountinfo")
    assert "nameserver 10.0.2.3" in outcome.ok().out


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
@pytest.mark.parametrize("flags", [[], ["--cidr=10.7.0.0/16"]], ids=["", "cidr"])
def test_names_are_looked_up_at_the_hosts_loopback(rk, flags, detached):
    server = "10.7.0.3" if flags else "10.0.2.3"
    out = look_up_at_the_hosts_loopback(rk, [*QUIET, *flags], detached, server, ["udp", "tcp"])
    assert out == ["192 0 2 77"] * 2


# ---- namespaces

def test_sysfs_shows_the_namespaces_devices(rk):
    out = rk.run(*QUIET, "ls", "/sys/class/net").ok().out.split()
    assert sorted(out) == ["lo", "tap0"]


def test_detached_the_command_stays_in_the_hosts_network(rk):
    out = rk.sh(*QUIET, *DETACH, "readlink /proc/self/ns/net; ls -A /sys/class/net | tr '\\n' ' '")
    assert out.ok().lines()[0] == os.readlink("/proc/self/ns/net")
    assert "tap0" not in out.lines()[1].split()


def test_more_interfaces_can_be_made_inside(rk):
    ip = which("ip")
    rk.sh(*QUIET, f"{ip} link add br0 type bridge && {ip} link set br0 up && "
          f"{ip} link add v0 type veth peer name v1 && {ip} addr add 172.31.0.1/24 dev br0").ok()


def test_command_line_of_pasta(rk):
    running = rk.start_ready(*QUIET, *IMPLICIT, *COPY_UP, "--mtu=65520", "--propagation=rslave")
    words = words_of(helper_of(running))
    assert words == [
        PASTA, "--ns-ifname=tap0", "--mtu=65520", "--config-net", "--address=10.0.2.100",
        "--netmask=24", "--gateway=10.0.2.2", "--dns-forward=10.0.2.3", "--no-map-gw",
        "--ipv4-only", "--tcp-ports=auto", "--udp-ports=auto", "--tcp-ns=none", "--udp-ns=none",
        "--host-lo-to-ns-lo", "--foreground", f"--pid={running.state}/.pasta-ready",
        str(running.child)]
    running.signal(signal.SIGTERM)
    running.wait()
    running = rk.start_ready(*NET, *DETACH, "--ipv6")
    words = words_of(helper_of(running))
    assert words[-2:] == [f"--userns=/proc/{running.child}/ns/user",
                          f"--netns=/proc/{running.child}/root{running.state}/netns"]
    assert "--tcp-ports=none" in words and "--udp-ports=none" in words
    assert not {"--no-map-gw", "--ipv4-only", "--tcp-ns=none"} & set(words)


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_ipv6_has_fixed_addresses(rk, detached):
    ip, enter = which("ip"), inside(detached)
    running = rk.start_ready(*QUIET, "--ipv6", *COPY_UP, *(DETACH if detached else []), script=(
        f"{enter}{ip} -6 -o addr show dev tap0 scope global; {enter}{ip} -6 route show default; "
        f"cat $ROOTLESSKIT_STATE_DIR/resolv.conf; echo ready; exec sleep 100"))
    out = running.out
    assert "inet6 fd00::100/64" in out and "default via fd00::2 dev tap0" in out
    assert "tentative" not in out.partition("default")[0]
    assert "nameserver 10.0.2.3\nnameserver fd00::3\n" in out
    assert info_of(running)["networkDriver"] == {
        "driver": "pasta", "dns": ["10.0.2.3", "fd00::3"], "childIP": "10.0.2.100", "ipv6": True,
        "helper": {"running": True, "pid": helper_of(running), "restarts": 0}}


# ---- the implicit port driver

@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_implicit_publishes_what_listens_inside(rk, detached):
    port, other = free_port(), free_port()
    servers = (f"{' '.join(PYTHON)} {Path(__file__).parent}/backend.py "
               f"echo,127.0.0.1,{port} echo,0.0.0.0,{other}")
    running = rk.start_ready(*QUIET, *IMPLICIT, *(DETACH if detached else []),
                             script=f"exec {inside(detached)}{servers}")
    for address, number in (("127.0.0.1", port), ("127.0.0.1", other), (host_address(), other)):
        def answers(where=(address, number)):
            try:
                return ask_server(*where) == b"hello"
            except OSError:
                return False
        wait_until(answers, timeout=8, what=f"{address}:{number} to answer")
    assert "portDriver" not in info_of(running)
    running.signal(signal.SIGTERM)
    running.wait()


def test_implicit_does_not_take_publish(rk):
    outcome = rk.run(*QUIET, *IMPLICIT, "-p", "127.0.0.1:8080:80/tcp", "echo", "started")
    assert outcome.code == 1 and outcome.out == ""
    assert 'port driver "implicit" does not support publishing ports' in outcome.err
