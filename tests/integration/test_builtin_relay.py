# SPDX-License-Identifier: Apache-2.0
"""--net=builtin: the relay process. What it is locked in, and what happens when it dies."""
# pylint: disable=redefined-outer-name,unused-import
import os
import re
import resource
import signal
import socket
import subprocess
from pathlib import Path

import pytest

import harness
from harness import gone, wait_until, which
from netlab import (GATEWAY, black_hole, connect_error, info, ours, relay, start_net, status_of)

DRIVER = ["--port-driver=builtin"]
# Of the user namespace only: bind sockets to foreign addresses, and what the sandbox set-up needs no
# longer. docs/SECURITY says which these are.
CAP_NET_ADMIN, CAP_NET_RAW, CAP_NET_BIND_SERVICE = 1 << 12, 1 << 13, 1 << 10
ALLOWED = CAP_NET_ADMIN | CAP_NET_RAW | CAP_NET_BIND_SERVICE


def reaches_host(net):
    with socket.create_server(("127.0.0.1", 0)) as server:
        try:
            net.inside.tcp(GATEWAY, server.getsockname()[1], timeout=1).close()
            return True
        except OSError:
            return False


def kill_relay(net):
    """Kills it and waits until another one has taken its place."""
    old = relay(net)
    before = set(ours(net)) | {old}
    os.kill(old, signal.SIGKILL)

    def replaced():
        others = [pid for pid in ours(net) if pid not in before]
        return others and others[0]
    return wait_until(replaced, 10, "another relay")


# --- locked in ---


def tasks(pid):
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]


@pytest.mark.also_as_root
@pytest.mark.release_only  # sanitizer builds have no filter of system calls
def test_every_thread_is_filtered_and_without_rights(rk):
    net = start_net(rk, *DRIVER)
    pid = relay(net)
    for task in tasks(pid):
        status = status_of(f"{pid}/task/{task}")
        assert status["Seccomp"] == "2", (task, status)
        assert status["NoNewPrivs"] == "1"
        for kind in ("CapEff", "CapPrm"):
            assert int(status[kind], 16) & ~ALLOWED == 0, (kind, status)
        for kind in ("CapInh", "CapAmb"):
            assert int(status[kind], 16) == 0, (kind, status)


# Only root may look at the descriptors and namespaces of a process that is not dumpable.
@pytest.mark.only_as_root
def test_the_relay_has_no_files(rk):
    """Its root is empty; on it nothing can be written; no descriptor is a file or a directory."""
    pid = relay(start_net(rk, *DRIVER))
    root = Path(f"/proc/{pid}/root")
    if os.access(root, os.R_OK):
        assert list(root.iterdir()) == []
    mounts = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    assert len(mounts) <= 1, mounts
    for fd in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{fd}")
        assert re.match(r"(socket|pipe|anon_inode):|/dev/null", target) or int(fd) == 2, (fd, target)


@pytest.mark.only_as_root
def test_it_is_in_the_hosts_network_and_the_childs_user_namespace(rk):
    net = start_net(rk)
    pid = relay(net)
    spaces = harness.namespaces_of(pid)
    assert spaces["net"] == os.readlink("/proc/self/ns/net")
    assert spaces["user"] == harness.namespaces_of(net.child)["user"]
    assert spaces["mnt"] not in (os.readlink("/proc/self/ns/mnt"), harness.namespaces_of(net.child)["mnt"])


@pytest.mark.release_only  # sanitizer builds have no filter of system calls
def test_info_tells_the_sandbox_as_the_kernel_does(rk):
    """What info shows is what /proc shows."""
    net = start_net(rk, *DRIVER)
    shown = info(net)
    found = [value for key, value in walk(shown) if key == "seccomp"]
    assert found, shown
    status = status_of(relay(net))
    capabilities = [value for key, value in walk(shown) if key in ("capabilities", "capEff")]
    assert capabilities, shown
    assert int(status["Seccomp"]) == 2


def walk(value, key=None):
    yield key, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from walk(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def test_few_processes_and_little_memory(rk):
    net = start_net(rk, *DRIVER)
    reaches_host(net)
    assert len(ours(net)) <= 4, ours(net)


# --- death ---


@pytest.mark.also_as_root
@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_killed_it_is_restarted_and_new_connections_work(rk, detached):
    net = start_net(rk, *DRIVER, detached=detached)
    assert reaches_host(net)
    for _ in range(3):
        assert kill_relay(net)
        wait_until(lambda: reaches_host(net), 10, "the host to be reached again")
    assert "relay" in net.err, net.err
    assert net.running()


@pytest.mark.parametrize("more", [False, True], ids=["fewer", "more"])
def test_another_relay_on_other_cpus_serves_every_queue(rk, more):
    """Whoever moves us to other CPUs (taskset, a cpuset) does not change the gateway, which has a queue
    and sockets for each of the relay's threads."""
    cpus = os.sched_getaffinity(0)
    one = {min(cpus)}
    net = start_net(rk, preexec_fn=lambda: os.sched_setaffinity(0, one if more else cpus))
    os.sched_setaffinity(net.pid, cpus if more else one)
    kill_relay(net)
    wait_until(lambda: reaches_host(net), 10, "the host to be reached again")
    assert all(reaches_host(net) for _ in range(12)), "some queue has no reader"


def held_packets(net):
    """How many packets the kernel holds in the gateway's queues."""
    others = {os.readlink("/proc/self/ns/net"), harness.namespaces_of(net.child)["net"]}
    gateway = next(fd for fd in Path(f"/proc/{net.pid}/fd").iterdir()
                   if os.readlink(fd).startswith("net:") and os.readlink(fd) not in others)
    enter = [which("nsenter"), "-t", str(net.child), "-U", "--preserve-credentials", f"--net={gateway}"]
    done = subprocess.run([*enter, "cat", "/proc/self/net/netfilter/nfnetlink_queue"], check=True,
                          capture_output=True, text=True, timeout=10)
    return sum(int(line.split()[2]) for line in done.stdout.splitlines())


def test_what_a_killed_relay_held_is_held_no_more(rk):
    """The queue is as long as the kernel lets it be; what nobody will ever decide must not fill it."""
    net = start_net(rk)
    if info(net)["networkDriver"]["extra"]["mode"] == "accept-first":
        return
    hole, fillers = black_hole()
    clients = []
    for _ in range(40):
        clients.append(net.inside.socket(socket.AF_INET, socket.SOCK_STREAM))
        clients[-1].setblocking(False)
        clients[-1].connect_ex((GATEWAY, hole.getsockname()[1]))
    wait_until(lambda: held_packets(net) >= 40, 10, "the connections to be held")
    kill_relay(net)
    for client in clients:
        client.close()  # nor does it come again

    def nothing_is_held():
        return reaches_host(net) and held_packets(net) == 0
    wait_until(nothing_is_held, 10, "the queues to be empty")
    assert len(fillers) > 0


def test_connections_of_a_killed_relay_end_and_do_not_hang(rk):
    net = start_net(rk)
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = net.inside.tcp(GATEWAY, server.getsockname()[1], timeout=10)
        conn, _ = server.accept()
        conn.settimeout(10 * harness.SLOW)
        kill_relay(net)
        for sock in (client, conn):
            try:
                assert sock.recv(10) == b""
            except ConnectionError:
                pass


def test_udp_and_names_work_after_a_restart(rk):
    net = start_net(rk)
    kill_relay(net)
    wait_until(lambda: reaches_host(net), 10, "the host to be reached again")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        client = net.inside.udp()
        client.sendto(b"x", (GATEWAY, server.getsockname()[1]))
        _, peer = server.recvfrom(10)
        server.sendto(b"y", peer)
        assert client.recv(10) == b"y"


def test_a_stopped_relay_does_not_stop_the_end(rk):
    """SIGSTOP on it: SIGTERM on the parent still ends everything."""
    net = start_net(rk)
    pid = relay(net)
    os.kill(pid, signal.SIGSTOP)
    net.signal(signal.SIGTERM)
    net.wait(20)
    assert gone(pid)


@pytest.mark.leaves_files
def test_it_dies_with_the_parent(rk):
    net = start_net(rk)
    pid = relay(net)
    os.kill(net.pid, signal.SIGKILL)
    net.process.wait()
    wait_until(lambda: gone(pid) and gone(net.child), 10, "the relay and the child to end")


def test_killed_during_traffic_again_and_again(rk):
    """Ten kills while a client connects all the time: afterwards everything works."""
    net = start_net(rk)
    for _ in range(10):
        with socket.create_server(("127.0.0.1", 0)) as server:
            for _ in range(3):
                connect_error(net.inside, GATEWAY, server.getsockname()[1], 0.05)
            kill_relay(net)
    wait_until(lambda: reaches_host(net), 20, "the host to be reached again")


# --- limits ---


def limited(number):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (number, number))


def test_with_256_descriptors_it_behaves(rk):
    """More connections than descriptors: some wait or fail, none hangs for ever, and when they are
    gone everything works as before."""
    net = start_net(rk, *DRIVER, preexec_fn=limited(256))
    with socket.create_server(("127.0.0.1", 0), backlog=1000) as server:
        port = server.getsockname()[1]
        socks = []
        for _ in range(200):
            sock = net.inside.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.setblocking(False)
            sock.connect_ex((GATEWAY, port))
            socks.append(sock)
        for sock in socks:
            sock.close()
        wait_until(lambda: reaches_host(net), 15, "new connections to work")
    assert net.running()
    assert not gone(relay(net))


def test_with_256_descriptors_udp_flows_go_round(rk):
    net = start_net(rk, preexec_fn=limited(256))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(2)
        lost = 0
        for number in range(400):
            with net.inside.udp(timeout=2) as client:
                client.sendto(b"%d" % number, (GATEWAY, server.getsockname()[1]))
                try:
                    data, peer = server.recvfrom(10)
                    server.sendto(data, peer)
                    assert client.recv(10) == b"%d" % number
                except TimeoutError:
                    lost += 1
        assert lost < 20, "least recently used flows do not make room"
