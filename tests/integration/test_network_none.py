# SPDX-License-Identifier: Apache-2.0
"""--net=host and --net=none (spec network.md 2 and 3, lifecycle.md 8)."""
import os

import pytest

from harness import PYTHON, which

LOOPBACK = """
import socket
a = socket.socket(); a.bind(("127.0.0.1", 0)); a.listen()
b = socket.create_connection(a.getsockname(), timeout=3)
b.send(b"hello"); print(a.accept()[0].recv(5).decode())
s = socket.socket(socket.AF_INET6); s.bind(("::1", 0)); print("v6")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    u.connect(("198.51.100.1", 9)); print("routed")
except OSError as e:
    print("unreachable")
print(sorted(n for _, n in socket.if_nameindex()))
"""


@pytest.mark.also_as_root
@pytest.mark.parametrize("flags", [[], ["--pidns"], ["--ipcns", "--utsns", "--cgroupns"]],
                         ids=" ".join)
def test_loopback_works_and_nothing_else_is_there(rk, flags):
    out = rk.run("--net=none", *flags, *PYTHON, "-c", LOOPBACK).ok().lines()
    assert out[:2] == ["hello", "v6"]
    assert out[2] == "unreachable"
    assert "'lo'" in out[3] and "eth0" not in out[3] and "tap0" not in out[3]


def test_loopback_has_its_address_and_is_up(rk):
    out = rk.run("--net=none", which("ip"), "-o", "addr", "show", "lo").ok().out
    assert "inet 127.0.0.1/8" in out and "inet6 ::1/128" in out
    link = rk.run("--net=none", which("ip"), "-o", "link", "show", "lo").ok().out
    assert "LOOPBACK,UP" in link


def test_loopback_is_up_before_the_command_starts(rk):
    for _ in range(10):
        assert "UP" in rk.run("--net=none", which("ip"), "link", "show", "lo").ok().out


def test_the_user_is_root_of_the_network_namespace(rk):
    ip = which("ip")
    rk.sh("--net=none", f"{ip} addr add 10.9.8.7/24 dev lo && "
          f"{ip} link set lo mtu 1400 && echo 1 >/proc/sys/net/ipv4/ip_forward").ok()


def test_no_program_is_needed_but_newuidmap_and_newgidmap(rk, needs_sub_ids):
    """No ip, nsenter, mount, getsubids or shell (design.md, speed of start)."""
    only = rk.base / "only"
    only.mkdir()
    for name in ("newuidmap", "newgidmap"):
        (only / name).symlink_to(which(name))
    env = rk.with_env(PATH=only)
    for flags in (["--net=none"], ["--net=none", "--detach-netns"], ["--copy-up=/etc", "--pidns"]):
        assert rk.run(*flags, "/usr/bin/id", "-u", env=env).ok().out == "0\n"


def test_host_network_is_the_hosts(rk):
    assert rk.run("--net=host", "readlink", "/proc/self/ns/net").ok().out.strip() == \
        os.readlink("/proc/self/ns/net")
    assert rk.run("readlink",
                  "/proc/self/ns/net").ok().out.strip() == os.readlink("/proc/self/ns/net")


@pytest.mark.parametrize("net", ["host", "none"])
def test_etc_files_are_left_alone(rk, net):
    rk.sh(f"--net={net}", "! grep -q ' /etc/' /proc/self/mountinfo").ok()


def test_mtu_is_ignored_with_a_warning(rk):
    assert "unsupported mtu for --net=none: 1500" in rk.run("--net=none", "--mtu=1500",
                                                            "true").ok().err
