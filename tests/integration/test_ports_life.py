# SPDX-License-Identifier: Apache-2.0
"""Published ports: failing to start, coming and going at run time, and sudden deaths."""
import os
import signal
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import harness
from harness import AS_ROOT, gone, namespaces_of, wait_until
from netkit import (BUILTIN, api_of, ask, connect, ended, free_port, listeners_on, listens,
                    own_loopback, refused, relay_of, serve, spec, udp_client)


# --- errors at the start ---


@pytest.mark.also_as_root
def test_a_busy_port_ends_the_start(rk):
    with socket.socket() as taken:
        taken.bind((own_loopback(), 0))
        taken.listen()
        host, port = taken.getsockname()
        err = refused(rk, f"-p={host}:{port}:80/tcp4")
        assert f"failed to expose port {{tcp4 {host} {port} 80 }}: listen tcp4 {host}:{port}: " \
            "bind: address already in use" in err


def test_nothing_listens_after_a_failed_start(rk):
    host = own_loopback()
    with socket.socket() as taken:
        taken.bind((host, 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(rk, f"-p={host}:1234:80/tcp", f"-p={host}:{port}:80/tcp")
        assert listeners_on(host) == {port}


def test_the_same_port_twice_is_a_conflict(rk):
    host, port = own_loopback(), 8080
    err = refused(rk, f"-p={host}:{port}:80/tcp", f"-p={host}:{port}:81/tcp")
    assert f"failed to expose port {{tcp {host} {port} 81 }}: conflict with ID 1" in err


def test_the_kernel_finds_the_other_conflicts(rk):
    host, port = own_loopback(), 8080
    err = refused(rk, f"-p={host}:{port}:80/tcp", f"-p={host}:{port}:81/tcp4")
    assert "bind: address already in use" in err


@pytest.mark.parametrize("text,cause", [
    ("127.0.0.1:8080:80/tcp6", "address 127.0.0.1: no suitable address found"),
    ("[::1]:8080:80/tcp4", "address ::1: no suitable address found"),
    ("127.0.0.1:8080:80/sctp", "unsupported port protocol sctp"),
])
def test_what_cannot_be_listened_on(rk, text, cause):
    assert cause in refused(rk, f"-p={text}")


@pytest.mark.skipif(AS_ROOT, reason="root may bind every port")
def test_privileged_port_of_an_ordinary_user(rk):
    start = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if start <= 81:
        pytest.skip(f"ip_unprivileged_port_start is {start}: port 81 is not privileged here")
    err = refused(rk, "-p=0.0.0.0:81:80/tcp4")
    assert ("cannot expose privileged port 81, you can add "
            "'net.ipv4.ip_unprivileged_port_start=81' to /etc/sysctl.conf "
            f"(currently {start}), or set CAP_NET_BIND_SERVICE on rootlesskit binary, or choose a "
            f"larger port number (>= {start}): listen tcp4 0.0.0.0:81: bind: permission denied"
            ) in err


# --- while running ---


def test_removal_ends_connections_and_frees_the_port(rk):
    host = own_loopback()
    running = serve(rk, f"-p={host}:8080:127.0.0.1:80/tcp", f"-p={host}:8081:127.0.0.1:80/tcp")
    api = api_of(running)
    with connect(host, 8080) as removed, connect(host, 8081) as stays:
        for sock in (removed, stays):
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
        assert api.ask("DELETE", "/v1/ports/1").status == 200
        assert ended(removed)
        assert not listens(host, 8080)
        stays.sendall(b"y")
        assert stays.recv(1) == b"y"
    with socket.socket() as mine:
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        mine.bind((host, 8080))
        mine.listen()
    assert api.ask("POST", "/v1/ports", spec(parent_ip=host, parent_port=8080,
                                             childIP="127.0.0.1")).json()["id"] == 3
    assert ask(host, 8080) == b"hello"


def test_removal_right_after_the_first_adds_frees_the_port(rk):
    """The relay may just be starting then; it must not hold the socket any longer."""
    for _ in range(40):
        host = own_loopback()
        running = rk.start_ready(*BUILTIN)
        api = api_of(running)
        for port in (8001, 8002, 8003):
            assert api.ask("POST", "/v1/ports", spec("tcp", host, port)).status == 201
        assert api.ask("DELETE", "/v1/ports/2").status == 200
        answer = api.ask("POST", "/v1/ports", spec("tcp4", host, 8002))
        assert answer.status == 201, answer
        running.signal(signal.SIGTERM)
        running.wait()


def test_removal_of_udp_frees_the_port(rk):
    host = own_loopback()
    running = serve(rk, f"-p={host}:53000:127.0.0.1:53/udp", inside=["udp,127.0.0.1,53"])
    with udp_client() as sock:
        sock.connect((host, 53000))
        sock.send(b"x")
        assert sock.recv(10) == b"1:x"
        assert api_of(running).ask("DELETE", "/v1/ports/1").status == 200
        with udp_client() as mine:
            mine.bind((host, 53000))


def test_200_parallel_adds_of_100_ports(rk):
    host = own_loopback()
    running = serve(rk)
    wanted = [20000 + i % 100 for i in range(200)]

    def add(port):
        api = api_of(running)
        answer = api.ask("POST", "/v1/ports", spec(parent_ip=host, parent_port=port))
        api.close()
        return answer
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(add, wanted))
    good = [answer.json() for answer in answers if answer.status == 201]
    assert len(good) == 100
    for answer in answers:
        assert answer.status == 201 or "conflict with ID" in answer.body, answer
    listed = api_of(running).ask("GET", "/v1/ports").json()
    assert listed == sorted(good, key=lambda status: status["id"])
    assert {entry["spec"]["parentPort"] for entry in listed} == listeners_on(host) == set(wanted)

    def remove(status):
        return api_of(running).ask("DELETE", f"/v1/ports/{status['id']}").status
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(remove, good)) == {200}
    assert api_of(running).ask("GET", "/v1/ports").body == "null"
    assert listeners_on(host) == set()


def test_adding_and_removing_leaks_no_descriptors(rk):
    host = own_loopback()
    running = serve(rk, f"-p={host}:8080:80/tcp")
    api, relay = api_of(running), relay_of(running)

    def descriptors():
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in (running.pid, relay)
                   if os.access(f"/proc/{pid}/fd", os.R_OK))

    def cycle():
        added = api.ask("POST", "/v1/ports", spec(parent_ip=host, childIP="127.0.0.1"))
        assert ask(host, added.json()["spec"]["parentPort"]) == b"hello"
        assert api.ask("DELETE", f"/v1/ports/{added.json()['id']}").status == 200
    for _ in range(20):
        cycle()
    before = descriptors()
    for _ in range(100):
        cycle()
    wait_until(lambda: descriptors() <= before + 3, what="descriptors to be given back")


# --- sudden deaths ---


@pytest.mark.leaves_files
@pytest.mark.parametrize("detached", [False, True], ids=["plain", "detached"])
def test_restart_after_the_parent_was_killed(rk, detached):
    host = own_loopback()
    publish = f"-p={host}:8080:127.0.0.1:80/tcp"
    first = serve(rk, publish, detached=detached)
    relay = relay_of(first)
    assert ask(host, 8080) == b"hello"
    first.signal(signal.SIGKILL)
    first.process.wait()
    wait_until(lambda: gone(relay) and gone(first.child) and not listeners_on(host), 3,
               "the relay and the child to follow")
    second = serve(rk, publish, detached=detached)
    assert second.state == first.state
    assert ask(host, 8080) == b"hello"
    assert len(api_of(second).ask("GET", "/v1/ports").json()) == 1


@pytest.mark.also_as_root
def test_a_dead_relay_is_replaced(rk):
    host = own_loopback()
    running = serve(rk, f"-p={host}:8080:127.0.0.1:80/tcp", f"-p={host}:8080:127.0.0.1:53/udp",
                    inside=["echo,127.0.0.1,80", "udp,127.0.0.1,53"])
    assert ask(host, 8080) == b"hello"
    relay = relay_of(running)
    os.kill(relay, signal.SIGKILL)
    wait_until(lambda: gone(relay), what="the relay to die")

    def works():
        try:
            return ask(host, 8080) == b"hello"
        except OSError:
            return False
    wait_until(works, 2, "the port to work again")
    with udp_client() as sock:
        sock.settimeout(0.2 * harness.SLOW)
        sock.connect((host, 8080))

        def answered():
            try:
                sock.send(b"x")
                return sock.recv(10) == b"1:x"
            except OSError:
                return False
        wait_until(answered, 2, "UDP to work again")
    api = api_of(running)
    assert [entry["id"] for entry in api.ask("GET", "/v1/ports").json()] == [1, 2]
    health = api.ask("GET", "/v1/stats").json()["relay"]
    assert health["running"] and health["restarts"] == 1 and health["pid"] != relay
    added = api.ask("POST", "/v1/ports", spec(parent_ip=host, childIP="127.0.0.1"))
    assert ask(host, added.json()["spec"]["parentPort"]) == b"hello"
    assert api.ask("DELETE", "/v1/ports/1").status == 200
    assert not listens(host, 8080)


def test_the_relay_may_die_again_and_again(rk):
    host = own_loopback()
    running = serve(rk, f"-p={host}:8080:127.0.0.1:80/tcp")

    def works():
        try:
            return ask(host, 8080) == b"hello"
        except OSError:
            return False
    for _ in range(4):
        with connect(host, 8080) as live:
            live.sendall(b"x")
            assert live.recv(1) == b"x"
            relay = relay_of(running)
            os.kill(relay, signal.SIGKILL)
            assert ended(live)
        wait_until(works, 2, "the port to work again")
    assert running.running()


@pytest.mark.also_as_root
def test_the_relay_is_confined(rk):
    running = serve(rk, f"-p={own_loopback()}:8080:80/tcp")
    status = dict(line.split(":\t", 1) for line in
                  Path(f"/proc/{relay_of(running)}/status").read_text().splitlines())
    # A sanitizer needs far more system calls than the filter allows: such builds run without it.
    filtered = "0" if "ASAN_OPTIONS" in os.environ else "2"
    assert (status["Seccomp"], status["NoNewPrivs"]) == (filtered, "1")
    # For transparent sockets, and only in the namespace: CAP_NET_ADMIN and CAP_NET_RAW.
    assert (int(status["CapEff"], 16) | int(status["CapPrm"], 16)) & ~(1 << 12 | 1 << 13) == 0


@pytest.mark.only_as_root
def test_the_relay_has_no_power_over_the_host(rk):
    running = serve(rk, f"-p={own_loopback()}:8080:80/tcp")
    assert namespaces_of(relay_of(running), ["user"]) == namespaces_of(running.child, ["user"])


def test_ports_end_with_the_command(rk):
    host = own_loopback()
    running = serve(rk, f"-p={host}:8080:127.0.0.1:80/tcp")
    relay = relay_of(running)
    with connect(host, 8080) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        running.signal(signal.SIGTERM)
        running.wait()
        assert ended(sock)
    assert gone(relay) and listeners_on(host) == set()
    assert not running.state.exists()


@pytest.mark.parametrize("flags", [[], ["--detach-netns"], ["--pidns"]], ids=" ".join)
def test_short_commands_never_fail(rk, flags):
    """The original fails in some runs of `true` (known defect D11)."""
    for _ in range(15):
        rk.run(*BUILTIN, *flags, f"-p={own_loopback()}:8080:80/tcp", "true").ok()
    assert rk.run(*BUILTIN, *flags, "sh", "-c", "exit 7").code == 7


def test_slow_reader_does_not_hold_up_others(rk):
    port = free_port()
    serve(rk, f"-p=127.0.0.1:{port}:80/tcp")
    with connect("127.0.0.1", port) as lazy:
        lazy.setblocking(False)
        stuck = 0
        while stuck < 20:  # until nothing more is taken, although nobody reads the echo
            try:
                lazy.send(bytes(1 << 16))
                stuck = 0
            except BlockingIOError:
                stuck += 1
                assert ask("127.0.0.1", port, b"busy") == b"busy"
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert ask("127.0.0.1", port, b"after") == b"after"
