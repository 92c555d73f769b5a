# SPDX-License-Identifier: Apache-2.0
"""--detach-netns with the host network and with none (spec network.md 9, lifecycle.md 7)."""
import os
import re
import stat

import pytest

from harness import gone, namespaces_of, wait_until, which

NETS = ["host", "none"]


@pytest.mark.also_as_root
@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("flags", [[], ["--pidns"]], ids=" ".join)
def test_the_command_stays_in_the_hosts_network(rk, net, flags):
    out = rk.run(f"--net={net}", "--detach-netns", *flags, "readlink", "/proc/self/ns/net").ok().out
    assert out.strip() == os.readlink("/proc/self/ns/net")


@pytest.mark.parametrize("net", NETS)
def test_netns_is_a_plain_file_outside_and_a_namespace_inside(rk, net):
    running = rk.start_ready(f"--net={net}", "--detach-netns",
                             script="stat -f -c %T $ROOTLESSKIT_STATE_DIR/netns; "
                             "echo ready; exec sleep 1000")
    assert running.out.split()[0] == "nsfs"
    outside = (running.state / "netns").stat()
    assert stat.S_ISREG(outside.st_mode) and outside.st_size == 0
    assert stat.S_IMODE(outside.st_mode) == 0o400


def test_netns_does_not_exist_without_the_flag(rk):
    for flags in ([], ["--net=none"]):
        rk.sh(*flags, "! test -e $ROOTLESSKIT_STATE_DIR/netns").ok()


def test_netns_exists_before_child_pid(rk):
    for _ in range(10):
        running = rk.start(f"--state-dir={rk.state()}", "--net=none", "--detach-netns", "sleep",
                           "0.02")
        while running.running() and not (rk.state() / "child_pid").exists():
            pass
        seen = (rk.state() / "netns").exists()
        assert seen or not running.running() or running.process.poll() is not None
        assert running.wait().code == 0


@pytest.mark.also_as_root
def test_the_detached_namespace_has_loopback_before_the_command_runs(rk):
    ip, nsenter = which("ip"), which("nsenter")
    out = rk.sh("--net=none", "--detach-netns",
                f"{nsenter} --net=$ROOTLESSKIT_STATE_DIR/netns {ip} -o addr show lo; "
                f"{nsenter} --net=$ROOTLESSKIT_STATE_DIR/netns {ip} -o link show lo; "
                f"{nsenter} --net=$ROOTLESSKIT_STATE_DIR/netns readlink /proc/self/ns/net").ok().out
    assert "inet 127.0.0.1/8" in out
    assert "LOOPBACK,UP" in out
    assert re.search(r"net:\[\d+\]", out).group() != os.readlink("/proc/self/ns/net")


def test_the_user_is_root_of_the_detached_namespace(rk):
    # dockerd: nsenter -n$ROOTLESSKIT_STATE_DIR/netns sysctl -w net.ipv4.ip_forward=1
    rk.sh("--net=none", "--detach-netns",
          f"{which('nsenter')} -n$ROOTLESSKIT_STATE_DIR/netns sh -c "
          "'echo 1 >/proc/sys/net/ipv4/ip_forward && "
          f"{which('ip')} addr add 10.9.8.7/24 dev lo'").ok()


def test_entering_without_n_leaves_the_caller_in_the_hosts_network(rk):
    running = rk.start_ready("--net=none", "--detach-netns")
    out = rk.other(which("nsenter"), "--preserve-credentials", "-m", "-U", "-t", running.child,
                   "readlink", "/proc/self/ns/net").ok().out
    assert out.strip() == os.readlink("/proc/self/ns/net")


def test_entering_the_namespace_by_its_path_from_inside(rk):
    """nerdctl's hook: nsenter -nSTATE/netns -F as root of the user namespace."""
    running = rk.start_ready("--net=none", "--detach-netns")
    out = rk.other(which("nsenter"), "--preserve-credentials", "-m", "-U", "-t", running.child,
                   "--",
                   which("nsenter"), f"-n{running.state}/netns", "-F", "--", which("ip"), "-o",
                   "addr").ok().out
    assert "127.0.0.1/8" in out


def test_with_copied_up_run_and_a_relative_state_dir(rk):
    rk.sh("--net=none", "--detach-netns", "--copy-up=/etc", "--copy-up=/run", "--state-dir=rel",
          "test $(stat -f -c %T $ROOTLESSKIT_STATE_DIR/netns) = nsfs").ok()


def test_nothing_keeps_the_namespace_alive_afterwards(rk):
    running = rk.start_ready("--net=none", "--detach-netns", script="echo ready; exec sleep 1000")
    child = running.child
    namespaces_of(child)
    running.signal(15)
    running.wait()
    wait_until(lambda: gone(child))
    assert not running.state.exists()


def test_sys_and_etc_are_left_alone(rk):
    ours = rk.run("--net=none", "--detach-netns", "ls", "-A", "/sys/class/net").ok().out
    assert ours == rk.other("ls", "-A", "/sys/class/net").ok().out
