# SPDX-License-Identifier: Apache-2.0
"""Published ports of the builtin driver: TCP, with real sockets (spec port.md)."""
import os
import re
import socket
import struct
import threading
import time

import pytest

import harness
from harness import close_others, wait_until, which
from netkit import (api_of, ask, connect, ended, free_port, host_address, listeners_on, listens,
                    own_loopback, read_all, read_exactly, refused, serve, spec, udp_client)
from slirp import QUIET, need_slirp4netns

BOTH = ["echo,127.0.0.1,80", "echo,::1,80"]


# --- TCP ---


@pytest.mark.also_as_root
@pytest.mark.parametrize("detached", [False, True], ids=["plain", "detached"])
@pytest.mark.parametrize("flags", [[], ["--pidns"]], ids=" ".join)
def test_request_and_reply(rk, detached, flags):
    host, port = own_loopback(), free_port()
    serve(rk, *flags, f"-p={host}:{port}:127.0.0.1:80/tcp", detached=detached)
    with connect(host, port) as sock:
        for text in (b"one", b"two"):
            sock.sendall(text)
            assert read_exactly(sock, 3) == text
    assert ask(host, port, b"three") == b"three"


@pytest.mark.parametrize("detached", [False, True], ids=["plain", "detached"])
def test_with_slirp4netns(rk, detached):
    """Loopback inside by default, and the address of the interface where that is asked for."""
    need_slirp4netns()
    host = own_loopback()
    serve(rk, *QUIET, f"-p={host}:8080:127.0.0.1:80/tcp", f"-p={host}:8081:10.0.2.100:81/tcp",
          f"-p={host}:5300:127.0.0.1:53/udp", detached=detached,
          inside=["echo,127.0.0.1,80", "echo,10.0.2.100,81", "udp,127.0.0.1,53"])
    assert ask(host, 8080) == ask(host, 8081) == b"hello"
    with udp_client() as sock:
        sock.connect((host, 5300))
        sock.send(b"x")
        assert sock.recv(10) == b"1:x"


def test_several_ports_and_comma_list(rk):
    a, b, c = (free_port() for _ in range(3))
    serve(rk, f"-p=127.0.0.1:{a}:80/tcp,127.0.0.1:{b}:81/tcp", f"-p=127.0.0.1:{c}:82/tcp",
          inside=[f"name,127.0.0.1,{n}" for n in (80, 81, 82)])
    assert [ask("127.0.0.1", port) for port in (a, b, c)] == [b"80", b"81", b"82"]


def test_the_end_of_one_half_is_passed_on(rk):
    port = free_port()
    serve(rk, f"-p=127.0.0.1:{port}:80/tcp", inside=["late,127.0.0.1,80"])
    with connect("127.0.0.1", port) as sock:
        sock.sendall(b"the request")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"all of the request"


def test_the_server_may_end_first(rk):
    port = free_port()
    serve(rk, f"-p=127.0.0.1:{port}:80/tcp", inside=["name,127.0.0.1,80"])
    with connect("127.0.0.1", port) as sock:
        assert read_all(sock) == b"80"


def test_a_reset_arrives_as_a_reset(rk):
    port = free_port()
    serve(rk, f"-p=127.0.0.1:{port}:80/tcp", inside=["reset,127.0.0.1,80"])
    with connect("127.0.0.1", port) as sock:
        sock.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


@pytest.mark.parametrize("reset", [False, True], ids=["end", "reset"])
def test_the_server_sees_how_the_client_ended(rk, reset):
    port = free_port()
    serve(rk, f"-p=127.0.0.1:{port}:80/tcp", inside=["patient,127.0.0.1,80"])
    with connect("127.0.0.1", port) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def told():
        with connect("127.0.0.1", port) as sock:
            sock.sendall(b"?")
            return sock.recv(100).replace(b"?", b"")
    assert wait_until(told, what="the server to see the end") == (b"reset" if reset else b"end")


@pytest.mark.parametrize("size", [1, 65536, 20_000_000])
def test_every_byte_arrives(rk, size):
    port, data = free_port(), os.urandom(min(size, 1 << 20)) * (size // min(size, 1 << 20))
    serve(rk, f"-p=127.0.0.1:{port}:80/tcp")
    with connect("127.0.0.1", port, 30) as sock:
        def send():
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        sender = threading.Thread(target=send)
        sender.start()
        back = read_all(sock)
        sender.join()
    assert len(back) == len(data) and back == data


def test_many_connections_at_once(rk):
    port = free_port()
    serve(rk, f"-p=127.0.0.1:{port}:80/tcp")
    socks = [connect("127.0.0.1", port) for _ in range(200)]
    for i, sock in enumerate(socks):
        sock.sendall(b"%03d" % i)
    assert [read_exactly(sock, 3) for sock in socks] == [b"%03d" % i for i in range(200)]
    for sock in socks:
        sock.close()


@pytest.mark.also_as_root
def test_a_refused_backend_is_told_at_once(rk):
    """In less than 20 ms; the best of several tries, as the machine may be busy."""
    port = free_port()
    serve(rk, f"-p=127.0.0.1:{port}:81/tcp")
    took = []
    for _ in range(20):
        began = time.monotonic()
        try:
            with connect("127.0.0.1", port) as sock:
                assert ended(sock)
        except ConnectionError:
            pass
        took.append(time.monotonic() - began)
    assert min(took) < 0.02 * harness.SLOW


def test_an_unreachable_child_address_is_told_at_once(rk):
    port = free_port()
    serve(rk, f"-p=127.0.0.1:{port}:198.51.100.1:80/tcp")
    try:
        with connect("127.0.0.1", port) as sock:
            assert ended(sock)
    except ConnectionError:
        pass


def test_clients_that_leave_at_once(rk):
    port = free_port()
    running = serve(rk, f"-p=127.0.0.1:{port}:80/tcp")
    for i in range(500):
        with connect("127.0.0.1", port) as sock:
            if i % 2:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert ask("127.0.0.1", port) == b"hello"

    def counts():
        return api_of(running).ask("GET", "/v1/stats").json()
    wait_until(lambda: counts()["relay"]["openConnections"] == 0, what="connections to end")
    assert counts()["ports"][0]["active"] == 0


def test_running_out_of_descriptors_is_survived(rk):
    port = free_port()
    prefix = [harness.which("prlimit"), "--nofile=64:64"]
    serve(rk, f"-p=127.0.0.1:{port}:80/tcp", prefix=prefix)
    socks = [connect("127.0.0.1", port) for _ in range(80)]
    for sock in socks:
        sock.sendall(b"x")
    for sock in socks:
        sock.close()

    def works():
        try:
            return ask("127.0.0.1", port, b"again") == b"again"
        except OSError:
            return False
    wait_until(works, 1, "the port to work again")


def test_range_is_one_entry(rk):
    host = own_loopback()
    running = serve(rk, f"-p={host}:8000-8002:127.0.0.1:9000-9002/tcp",
                    inside=[f"name,127.0.0.1,{port}" for port in (9000, 9001, 9002)])
    assert [ask(host, port) for port in (8000, 8001, 8002)] == [b"9000", b"9001", b"9002"]
    entries = api_of(running).ask("GET", "/v1/ports").json()
    assert len(entries) == 1
    assert (entries[0]["spec"]["parentPort"], entries[0]["spec"]["parentPortEnd"]) == (8000, 8002)
    assert listeners_on(host) == {8000, 8001, 8002}
    assert api_of(running).ask("DELETE", "/v1/ports/1").status == 200
    assert listeners_on(host) == set()


def test_range_that_is_partly_busy(rk):
    host = own_loopback()
    running = serve(rk)
    api = api_of(running)
    wide = spec(parent_ip=host, parent_port=8000, child_port=8000, parentPortEnd=8010,
                childPortEnd=8010)
    with socket.socket() as taken:
        taken.bind((host, 8005))
        taken.listen()
        answer = api.ask("POST", "/v1/ports", wide)
        assert answer.status == 400 and "address already in use" in answer.body
        assert listeners_on(host) == {8005}
    assert api.ask("POST", "/v1/ports", wide).json() == {"id": 1, "spec": answer_spec(wide)}
    for port in (8000, 8007, 8010):
        answer = api.ask("POST", "/v1/ports", spec(parent_ip=host, parent_port=port))
        assert answer.status == 400 and "conflict with ID 1" in answer.body, answer
    overlapping = dict(wide, parentPort=8010, parentPortEnd=8020)
    assert api.ask("POST", "/v1/ports", overlapping).status == 400
    assert listeners_on(host) == set(range(8000, 8011))


def answer_spec(asked):
    return {key: asked[key] for key in ("proto", "parentIP", "parentPort", "childPort",
                                        "parentPortEnd", "childPortEnd")}


@pytest.mark.parametrize("text", ["8000-8010:8000-8005", "8010-8000:8010-8000", "8000-8010:80",
                                  "65530-65536:65530-65536", "8000-:80-", "0-5:0-5"])
def test_bad_ranges(rk, text):
    refused(rk, f"-p={own_loopback()}:{text}/tcp")


def test_parent_port_0_on_the_command_line(rk):
    host = own_loopback()
    running = serve(rk, f"-p={host}:0:127.0.0.1:80/tcp")
    chosen = api_of(running).ask("GET", "/v1/ports").json()[0]["spec"]["parentPort"]
    assert listeners_on(host) == {chosen}
    assert ask(host, chosen) == b"hello"


# --- families ---

REACHED = {  # proto, parent IP: over 127.0.0.1, over ::1
    ("tcp", ""): (True, True),
    ("tcp", "0.0.0.0"): (True, True),
    ("tcp", "[::]"): (True, True),
    ("tcp", "127.0.0.1"): (True, False),
    ("tcp", "[::1]"): (False, True),
    ("tcp4", ""): (True, False),
    ("tcp4", "0.0.0.0"): (True, False),
    ("tcp6", ""): (False, True),
    ("tcp6", "[::]"): (False, True),
    ("tcp6", "[::1]"): (False, True),
}


@pytest.mark.parametrize("proto,address", REACHED, ids=lambda x: x or "any")
def test_families(rk, proto, address):
    port = free_port()
    serve(rk, f"-p={address}:{port}:80/{proto}", inside=BOTH)
    for host, reached in zip(("127.0.0.1", "::1"), REACHED[(proto, address)]):
        assert listens(host, port) == reached, host
        if reached:
            assert ask(host, port) == b"hello", host


def test_both_families_of_one_port_are_two_entries(rk):
    port = free_port()
    serve(rk, f"-p=0.0.0.0:{port}:80/tcp4", f"-p=[::]:{port}:80/tcp6",
          inside=["peer,127.0.0.1,80", "peer,::1,80"])
    assert ask("127.0.0.1", port).startswith(b"127.0.0.1 ")
    assert ask("::1", port).startswith(b"::1 ")


@pytest.mark.parametrize("outside,inside", [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
def test_from_one_family_to_the_other(rk, outside, inside):
    port = free_port()
    brackets = "[{}]".format
    serve(rk, f"-p={brackets(outside)}:{port}:{brackets(inside)}:80/tcp",
          inside=[f"echo,{inside},80"])
    assert ask(outside, port) == b"hello"


def test_a_loopback_address_is_dialled_as_it_is(rk):
    port = free_port()
    serve(rk, f"-p=127.0.0.2:{port}:80/tcp", inside=["echo,127.0.0.2,80"])
    assert ask("127.0.0.2", port) == b"hello"


def test_a_host_address_is_loopback_inside(rk):
    host, port = host_address(), free_port()
    serve(rk, f"-p={host}:{port}:80/tcp", f"-p={host}:{port}:80/udp",
          inside=["echo,127.0.0.1,80", "udp,127.0.0.1,80"])
    assert ask(host, port) == b"hello"
    with udp_client() as sock:
        sock.sendto(b"x", (host, port))
        assert sock.recvfrom(100) == (b"1:x", (host, port))
    assert not listens("127.0.0.1", port)


# --- sockets of the service manager ---


@pytest.mark.also_as_root
@pytest.mark.parametrize("by_name", [True, False], ids=["name", "address"])
def test_a_socket_of_the_service_manager_is_published(rk, by_name):
    host = own_loopback()
    with socket.socket() as listener:
        listener.bind((host, 8080))
        listener.listen()
        publish = "fd:web:80/tcp" if by_name else f"{host}:8080:127.0.0.1:80/tcp"
        shell = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"]
        running = serve(rk, f"-p={publish}", prefix=shell, close_fds=False,
                        inside=["echo,0.0.0.0,80"],
                        env=rk.with_env(LISTEN_FDS=1, LISTEN_FDNAMES="web"),
                        preexec_fn=lambda: give_as_3(listener))
    assert ask(host, 8080) == b"hello"
    assert len(api_of(running).ask("GET", "/v1/ports").json()) == 1
    assert listeners_on(host) == {8080}


def give_as_3(listener):
    os.dup2(os.dup2(listener.fileno(), 100), 3)
    close_others({3})


def test_a_name_that_no_socket_has(rk):
    assert "web" in refused(rk, "-p=fd:web:80/tcp")


def test_what_stays_on_the_machine_is_not_paced(rk):
    """Whatever the host's congestion control is (BBR paces): towards the service and, on a loopback
    address, towards the client."""
    host = own_loopback()
    running = serve(rk, f"-p={host}:8080:127.0.0.1:80/tcp")
    with connect(host, 8080) as client:
        client.sendall(b"hello")
        assert read_exactly(client, 5) == b"hello"
        ss = [which("ss"), "-tinH", "state", "established"]
        towards_client = rk.other(*ss, "src", f"{host}:8080").ok().out
        inside = rk.other(which("nsenter"), "-t", running.child, "-U", "-n", "--preserve-credentials",
                          *ss, "dst", "127.0.0.1:80").ok().out
        for connection in (towards_client, inside):
            assert re.search(r"^\t.*\breno\b", connection, re.MULTILINE), connection
