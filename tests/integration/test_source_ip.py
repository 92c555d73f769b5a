# SPDX-License-Identifier: Apache-2.0
"""Clients on another host: services see their addresses, answers come from the address that was
asked, and every address of this host leads to the loopback inside."""
import os
import socket

import pytest

from harness import wait_until
from netkit import BUILTIN, api_of, free_port, read_all, serve

EFFECTIVE = "sourceIPTransparentBackend"


def shown_state(running):
    return api_of(running).ask("GET", "/v1/info").json()["portDriver"]["extra"][EFFECTIVE]


def seen_by_peer(sock):
    """What the server `peer` inside says about its client, and what the client says of itself."""
    with sock:
        sock.shutdown(socket.SHUT_WR)
        host, port = sock.getsockname()[:2]
        return read_all(sock).decode(), f"{host} {port}"


def hosts_and_clients(remote, family):
    if family == 6:
        remote.need_ipv6()
        return remote.host6, remote.client6
    return remote.host4, remote.client4


@pytest.mark.also_as_root
def test_the_effective_state_is_shown_from_the_start(rk):
    """Before there is any port; and without the programs it is what it is with them."""
    bare = rk.with_env(PATH=str(rk.base / "nothing"))
    seen = {}
    for number, flag in enumerate(("true", "false")):
        for env in (rk.env, bare):
            state = rk.state(f"s{number}{len(seen)}{env is bare}")
            running = rk.start_ready(*BUILTIN, f"--source-ip-transparent={flag}", state=state,
                                     script="echo ready; exec /bin/sleep 1000")
            seen[flag, env is bare] = shown_state(running)
    assert seen["true", False] == seen["true", True]
    assert seen["true", False] == "nft" or seen["true", False].startswith("marks (")
    assert seen["false", False] == "none (--source-ip-transparent=false)"


@pytest.mark.also_as_root
@pytest.mark.parametrize("detached", [False, True], ids=["", "detach-netns"])
@pytest.mark.parametrize("backend", ["auto", "nft", "iptables"])
def test_services_see_clients_of_another_host(rk, remote, backend, detached):
    port = free_port()
    running = serve(rk, f"--source-ip-transparent-backend={backend}", f"-p=:{port}:80/tcp4",
                    f"-p=[::]:{port}:80/tcp6", inside=["peer,127.0.0.1,80", "peer,::1,80"],
                    detached=detached)
    if backend != "auto":
        assert shown_state(running) == backend
    for family in (4, 6) if remote.client6 else (4,):
        hosts, client = hosts_and_clients(remote, family)
        for host in hosts:
            seen, own = seen_by_peer(remote.connect(host, port))
            assert seen == own and own.split()[0] == client


def test_a_backend_that_fails_is_told_and_ports_work(rk, remote):
    port = free_port()
    env = rk.path_first(rk.script("iptables", "echo no such table >&2; exit 3"))
    running = serve(rk, "--source-ip-transparent-backend=iptables", f"-p=0.0.0.0:{port}:80/tcp",
                    inside=["peer,127.0.0.1,80"], env=env)
    assert shown_state(running) == "none (iptables: no such table: exit status 3)"
    seen, _ = seen_by_peer(remote.connect(remote.host4[0], port))
    assert seen.split()[0] == "127.0.0.1"


@pytest.mark.parametrize("family", [4, 6])
def test_off_means_off(rk, remote, family):
    hosts, _ = hosts_and_clients(remote, family)
    port = free_port()
    host = f"[{hosts[0]}]" if family == 6 else hosts[0]
    serve(rk, "--source-ip-transparent=false", f"-p={host}:{port}:80/tcp",
          inside=["peer,127.0.0.1,80", "peer,::1,80"])
    seen, _ = seen_by_peer(remote.connect(hosts[0], port))
    assert seen.split()[0] == ("::1" if family == 6 else "127.0.0.1")


def test_refusals_and_resets_reach_clients_of_another_host(rk, remote):
    """Also with the client's address on the connection inside; nobody waits for a timeout."""
    port, refused = free_port(), free_port()
    serve(rk, f"-p=0.0.0.0:{port}:80/tcp", f"-p=0.0.0.0:{refused}:81/tcp",
          inside=["reset,127.0.0.1,80"])
    for number in (port, refused):
        with pytest.raises(ConnectionError):
            with remote.connect(remote.host4[0], number) as sock:
                sock.sendall(b"x")
                while sock.recv(1):
                    pass
                sock.sendall(b"x")


@pytest.mark.parametrize("family", [4, 6])
def test_every_host_address_leads_to_the_loopback_inside(rk, remote, family):
    """The original dials all but the first interface's literally, in the namespace, where nobody
    has them (its defect with several addresses and with IPv6)."""
    hosts, _ = hosts_and_clients(remote, family)
    options = []
    ports = [free_port() for _ in hosts]
    for host, port in zip(hosts, ports):
        host = f"[{host}]" if family == 6 else host
        options += [f"-p={host}:{port}:80/tcp", f"-p={host}:{port}:80/udp"]
    inside = "::1" if family == 6 else "127.0.0.1"
    serve(rk, *options, inside=[f"echo,{inside},80", f"udp,{inside},80"])
    for host, port in zip(hosts, ports):
        with remote.connect(host, port) as sock:
            sock.sendall(b"hello")
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b"hello"
        with remote.udp("::" if family == 6 else "0.0.0.0") as sock:
            sock.sendto(b"hello", (host, port))
            assert sock.recv(100) == b"5:hello"


@pytest.mark.also_as_root
@pytest.mark.parametrize("proto, family", [("udp", 4), ("udp", 6), ("udp4", 4), ("udp6", 6)])
def test_udp_answers_come_from_the_address_that_was_asked(rk, remote, proto, family):
    hosts, client = hosts_and_clients(remote, family)
    port = free_port()
    every = "[::]" if proto == "udp6" else ""
    serve(rk, f"-p={every}:{port}:80/{proto}", inside=["udp,127.0.0.1,80", "udp,::1,80"])
    with remote.udp(client) as sock:
        for host in (*hosts, *reversed(hosts)):
            sock.sendto(b"ping", (host, port))
            answer, sender = sock.recvfrom(100)
            assert (answer, sender[0], sender[1]) == (b"4:ping", host, port)


def test_the_other_host_is_another_host(remote):
    """What these tests stand on: it is not this machine, but reachable from it and back."""
    here = os.readlink("/proc/self/ns/net")
    outcome = remote.run("readlink", "/proc/self/ns/net").ok()
    assert outcome.out.strip() != here
    assert remote.run("id", "-u").out.strip() == str(os.getuid())
    with remote.listen(remote.client4) as server:
        with socket.create_connection((remote.client4, server.getsockname()[1]), 5) as sock:
            conn, peer = server.accept()
            assert peer[0] in remote.host4
            conn.close()
            assert sock.recv(1) == b""
    sleeper = remote.start("sleep", "1000")
    assert wait_until(lambda: os.path.exists(f"/proc/{sleeper.pid}"))
    sleeper.kill()
    wait_until(lambda: not os.path.exists(f"/proc/{sleeper.pid}"), what="the program to be killed")
