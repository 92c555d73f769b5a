# SPDX-License-Identifier: Apache-2.0
"""--net=slirp4netns with the real slirp4netns (spec network.md 1, 5 and 9, mount.md 3)."""
# pylint: disable=redefined-outer-name,unused-import
import os
import re
import signal
import socket
import stat
from pathlib import Path

import pytest

from harness import PYTHON, which
from netkit import api_of, host_address
from slirp import (COPY_UP, DETACH, NET, QUIET, Host, arguments_of, ask, helper_of,  # noqa: F401
                   host, host6, inside, look_up_at_the_hosts_loopback, need_slirp4netns)


@pytest.fixture(autouse=True)
def needs_slirp4netns():
    need_slirp4netns()


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


PING = """
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(3)
packet = struct.pack("!BBHHH", 8, 0, 0xffff - 0x0800 - 7 - 1, 7, 1)
s.sendto(packet, ("10.0.2.2", 0))
print(s.recv(100)[20])
"""


def test_the_gateway_answers_to_ping(rk):
    assert rk.run(*QUIET, *PYTHON, "-c", PING).ok().out == "0\n"  # echo reply


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_host_loopback_is_reached_by_the_gateway(rk, host, detached):
    assert ask(rk, NET, detached, "10.0.2.2", host) == ["pong", "pong"]
    assert ask(rk, [*NET, "--cidr=10.77.0.0/16"], detached, "10.77.0.2", host) == ["pong", "pong"]


@pytest.mark.parametrize("address", ["10.0.2.2", "10.0.2.3", "127.0.0.1"])
@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_host_loopback_is_out_of_reach_when_disabled(rk, host, detached, address):
    answers = ask(rk, QUIET, detached, address, host, seconds=1)
    assert all(line.startswith("failed:") for line in answers), answers
    assert not host.asked


def test_the_hosts_own_interfaces_are_reached(rk, host):
    """Another address of the host: what slirp4netns carries at all."""
    address = host_address()
    other = Host(address)
    try:
        assert ask(rk, QUIET, False, address, other) == ["pong", "pong"]
    finally:
        other.close()
    assert not host.asked


# ---- names

@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
@pytest.mark.parametrize("flags", [[], ["--cidr=10.7.0.0/16"]], ids=["", "cidr"])
def test_names_are_looked_up_at_the_hosts_loopback(rk, flags, detached):
    """Where systemd-resolved has its server; --disable-host-loopback does not mean that one."""
    server = "10.7.0.3" if flags else "10.0.2.3"
    assert look_up_at_the_hosts_loopback(rk, [*QUIET, *flags], detached, server) == ["192 0 2 77"]


# What /etc/resolv.conf is on a host with systemd-resolved, and what it may be for a while.
LINKED = """set -e
rm /etc/resolv.conf; mkdir /run/resolver; ln -s ../run/resolver/stub /etc/resolv.conf
printf '# mine\noptions edns0 trust-ad\nnameserver 127.0.0.53\nsearch a.example b.example\n' \
    >/run/resolver/stub
"$@" sh -c 'cat /etc/resolv.conf; test -L /etc/resolv.conf && echo link; cat /run/resolver/stub >&2'
grep 127.0.0.53 /etc/resolv.conf
"""


@pytest.mark.parametrize("flags", [[], ["--ipv6"], COPY_UP, DETACH], ids=" ".join)
def test_a_resolv_conf_that_is_a_link(rk, flags):
    """Not copied up, the mount lands on what the link leads to; the host's file is not touched."""
    out = rk.run("--copy-up=/etc", "--copy-up=/run", "sh", "-c", LINKED, "sh", rk.exe,
                 "--subid-source=none", *QUIET, *flags).ok().lines()
    servers = ["nameserver 10.0.2.3", *(["nameserver fd00::3"] if "--ipv6" in flags else [])]
    ours = [*servers, "search a.example b.example", "options edns0 trust-ad"]
    theirs = ["# mine", "options edns0 trust-ad", "nameserver 127.0.0.53",
              "search a.example b.example"]
    inside_it = theirs if flags == DETACH else ours
    assert out == [*inside_it, *([] if flags == COPY_UP else ["link"]), "nameserver 127.0.0.53"]


def test_a_resolv_conf_that_is_missing(rk):
    """With --copy-up=/etc it is made; else it is an error that says so."""
    script = 'rm /etc/resolv.conf; ln -s /nowhere/at/all /etc/resolv.conf; exec "$@"'
    outer = ["--copy-up=/etc", "sh", "-c", script, "sh", rk.exe, "--subid-source=none", *QUIET]
    assert rk.run(*outer, *COPY_UP, "cat", "/etc/resolv.conf").ok().out == "nameserver 10.0.2.3\n"
    outcome = rk.run(*outer, "echo", "started")
    assert outcome.code == 1 and outcome.out == ""
    assert "there is no /etc/resolv.conf to mount " in outcome.err
    assert "with --copy-up=/etc it is made" in outcome.err


def test_resolv_conf_names_the_driver_and_keeps_search_and_options(rk):
    out = rk.run(*QUIET, *COPY_UP, "cat", "/etc/resolv.conf").ok().lines()
    assert out[0] == "nameserver 10.0.2.3"
    assert len([line for line in out if line.startswith("nameserver")]) == 1
    hosts_search = [line.split()[1:] for line in Path("/etc/resolv.conf").read_text().splitlines()
                    if line.split()[:1] in (["search"], ["domain"])]
    ours = [line.split()[1:] for line in out if line.startswith("search")]
    assert ours == hosts_search[-1:]


def test_hosts_has_the_own_name_once(rk):
    name = socket.gethostname()
    out = rk.run(*QUIET, *COPY_UP, "cat", "/etc/hosts").ok().lines()
    for address in ("127.0.0.1", "::1"):
        assert len([line for line in out if line.split()[:1] == [address]
                    and name in line.split()[1:]]) == 1
    assert set(Path("/etc/hosts").read_text().splitlines()) <= set(out)
    # A run inside a run adds nothing.
    again = rk.run(*QUIET, *COPY_UP, rk.exe, "--subid-source=none", *QUIET, *COPY_UP, "cat",
                   "/etc/hosts").ok().lines()
    assert again == out


def test_with_etc_copied_up_the_files_are_ours(rk):
    out = rk.sh(*QUIET, *COPY_UP, "stat -c '%F %a' /etc/resolv.conf /etc/hosts; "
                "test -L /etc/passwd && grep -c ' /etc/resolv.conf ' /proc/self/mountinfo; "
                "cmp /etc/resolv.conf $ROOTLESSKIT_STATE_DIR/resolv.conf; "
                "cmp /etc/hosts $ROOTLESSKIT_STATE_DIR/hosts")
    assert out.ok().lines() == ["regular file 644", "regular file 644", "1"]
    assert "copying-up" not in out.err


def test_without_copied_up_etc_there_is_a_warning(rk):
    outcome = rk.run(*QUIET, "cat", "/etc/resolv.conf").ok()
    assert "nameserver 10.0.2.3" in outcome.out
    assert "Mounting /etc/resolv.conf without copying-up /etc." in outcome.err


def test_files_are_readable_for_everybody_whatever_the_umask(rk):
    running = rk.start_ready(*QUIET, *COPY_UP, preexec_fn=lambda: os.umask(0o077))
    for name in ("resolv.conf", "hosts"):
        assert stat.S_IMODE((running.state / name).stat().st_mode) == 0o644


def test_detached_leaves_etc_alone_and_writes_the_files(rk):
    outcome = rk.sh(*QUIET, *DETACH, "cat $ROOTLESSKIT_STATE_DIR/resolv.conf; "
                    "test -s $ROOTLESSKIT_STATE_DIR/hosts; cmp /etc/resolv.conf /dev/fd/3; "
                    "! grep -q ' /etc/' /proc/self/mountinfo",
                    prefix=["sh", "-c", 'exec 3</etc/resolv.conf; exec "$@"', "sh"])
    assert "nameserver 10.0.2.3" in outcome.ok().out
    assert "copying-up" not in outcome.err


# ---- namespaces

def test_sysfs_shows_the_namespaces_devices(rk):
    out = rk.run(*QUIET, "ls", "/sys/class/net").ok().out.split()
    assert "tap0" in out and "lo" in out and "eth0" not in out


def test_detached_the_command_stays_in_the_hosts_network(rk):
    out = rk.sh(*QUIET, *DETACH, "readlink /proc/self/ns/net; ls -A /sys/class/net | tr '\\n' ' '")
    assert out.ok().lines()[0] == os.readlink("/proc/self/ns/net")
    assert "tap0" not in out.lines()[1].split()


def test_more_interfaces_can_be_made_inside(rk):
    ip = which("ip")
    rk.sh(*QUIET, f"{ip} link add br0 type bridge && {ip} link set br0 up && "
          f"{ip} link add v0 type veth peer name v1 && {ip} addr add 172.31.0.1/24 dev br0").ok()


def test_command_line_of_slirp4netns(rk):
    running = rk.start_ready(*QUIET, *COPY_UP, "--mtu=65520", "--slirp4netns-sandbox=auto",
                             "--slirp4netns-seccomp=auto", "--propagation=rslave")
    words = arguments_of(helper_of(running))
    assert words == ["slirp4netns", "--mtu", "65520", "-r", "3", "--disable-host-loopback",
                     "--enable-sandbox", "--enable-seccomp", str(running.child), "tap0"]
    running.signal(signal.SIGTERM)
    running.wait()
    running = rk.start_ready(*NET, *DETACH, "--ipv6", "--slirp4netns-sandbox=auto")
    words = arguments_of(helper_of(running))
    assert words == ["slirp4netns", "--mtu", "65520", "-r", "3", "--enable-ipv6",
                     f"--userns-path=/proc/{running.child}/ns/user", "--netns-type=path",
                     f"/proc/{running.child}/root{running.state}/netns", "tap0"]


@pytest.mark.parametrize("flags", [["--slirp4netns-sandbox=true", "--slirp4netns-seccomp=true"],
                                   ["--slirp4netns-sandbox=auto", "--slirp4netns-seccomp=auto"]],
                         ids=["true", "auto"])
def test_sandboxed_it_works_too(rk, host, flags):
    assert ask(rk, [*NET, *flags, *COPY_UP], False, "10.0.2.2", host) == ["pong", "pong"]


def test_the_helper_has_nothing_of_ours(rk):
    """No descriptor but its own, no signal mask, a session of its own."""
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    running = rk.start_ready(*QUIET, pass_fds=(write_end,))
    pid = helper_of(running)
    os.close(write_end)
    held = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert f"pipe:[{os.fstat(read_end).st_ino}]" not in held
    os.close(read_end)
    status = Path(f"/proc/{pid}/status").read_text()
    assert re.search(r"SigBlk:\s+0+$", status, re.MULTILINE)
    assert os.getsid(pid) == pid


def test_ipv6(rk):
    ip = which("ip")
    script = (f"for i in $(seq 60); do "
              f"{ip} -6 -o addr show dev tap0 scope global | grep -v tentative && "
              f"{ip} -6 route show default | grep . && break; sleep 0.25; done; "
              "cat /etc/resolv.conf /proc/sys/net/ipv6/conf/tap0/accept_ra")
    out = rk.sh(*QUIET, "--ipv6", *COPY_UP, script).ok().out
    assert "inet6 fd00::" in out and "default via fe80::2 dev tap0" in out
    assert "nameserver 10.0.2.3\nnameserver fd00::3\n" in out
    assert out.endswith("\n2\n")


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_host_loopback_by_ipv6(rk, host6, detached):
    """fd00::2 is ::1 of the host, and only without --disable-host-loopback."""
    ip = f"{inside(detached)}{which('ip')}"
    settled = (f"for i in $(seq 100); do {ip} -6 -o addr show dev tap0 scope global | "
               "grep fd00: | grep -qv tentative && break; sleep 0.1; done; ")
    assert ask(rk, [*NET, "--ipv6"], detached, "fd00::2", host6, before=settled) == ["pong"] * 2
    host6.asked.clear()
    answers = ask(rk, [*QUIET, "--ipv6"], detached, "fd00::2", host6, 1, settled)
    assert all(line.startswith("failed:") for line in answers), answers
    assert not host6.asked


@pytest.mark.parametrize("flags,dns", [([], ["10.0.2.3"]), (["--ipv6"], ["10.0.2.3", "fd00::3"])],
                         ids=["ipv4", "ipv6"])
def test_info(rk, flags, dns):
    running = rk.start_ready(*QUIET, *flags)
    info = api_of(running).ask("GET", "/v1/info").json()["networkDriver"]
    assert info.pop("helper") == {"running": True, "pid": helper_of(running), "restarts": 0}
    assert info.pop("ipv6", False) == bool(flags)
    assert info == {"driver": "slirp4netns", "dns": dns, "childIP": "10.0.2.100"}


def test_a_run_inside_a_run(rk):
    out = rk.run(*QUIET, *COPY_UP, rk.exe, "--subid-source=none", *QUIET, *COPY_UP, which("ip"),
                 "-o", "-4", "addr", "show", "tap0").ok().out
    assert "10.0.2.100/24" in out


def test_docker_20_10_command_line(rk):
    out = rk.sh("--net=slirp4netns", "--mtu=65520", "--slirp4netns-sandbox=auto",
                "--slirp4netns-seccomp=auto", "--disable-host-loopback", "--port-driver=builtin",
                "--copy-up=/etc", "--copy-up=/run", "--propagation=rslave",
                "stat -c %T -f /etc; test -L /etc/ssl && cat /etc/resolv.conf").ok().lines()
    assert out[:2] == ["tmpfs", "nameserver 10.0.2.3"]
