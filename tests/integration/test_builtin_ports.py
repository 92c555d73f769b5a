# SPDX-License-Identifier: Apache-2.0
"""Ports published into --net=builtin: who services see, what is reached, and what a dead relay costs."""
# pylint: disable=redefined-outer-name,unused-import
import json
import os
import signal
import socket

import pytest

import harness
from harness import wait_until
from netlab import (GATEWAY, HOST, HOST6, INSIDE, INSIDE6, REMOTE, REMOTE6, info, ours,
                    relay, start_net, world)  # noqa: F401

PORT = 8080


def seen_by(service, client, to):
    """The peer a service sees, after a word in each direction; and the client's own address."""
    if service.type == socket.SOCK_STREAM:
        client.connect(to)
        client.sendall(b"question")
        inside, peer = service.accept()
        with inside:
            inside.settimeout(10)
            assert inside.recv(64) == b"question"
            inside.sendall(b"answer")
            assert client.recv(64) == b"answer"
    else:
        client.connect(to)
        client.send(b"question")
        data, peer = service.recvfrom(64)
        assert data == b"question"
        service.sendto(b"answer", peer)
        assert client.recv(64) == b"answer"
    return peer[:2], client.getsockname()[:2]


def kill_relay(net):
    """Kills the relay and waits for another one."""
    old = relay(net)
    os.kill(old, signal.SIGKILL)
    below_child = {net.child, *harness.descendants(net.child), net.pid, old}
    wait_until(lambda: set(ours(net)) - below_child, what="another relay")


def service_at(agent, kind, address):
    return agent.listen(address, PORT) if kind == "tcp" else agent.udp(address, PORT)


def client_on(agent, kind, address, port=0):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    type_ = socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM
    return agent.socket(family, type_, 0, bind=[address, port])


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_services_see_remote_clients_as_who_they_are(world, kind):
    net = world.start("--ipv6", "--port-driver=builtin", f"--publish={HOST}:{PORT}:{PORT}/{kind}",
                      f"--publish=[{HOST6}]:{PORT}:{PORT}/{kind}")
    for host, remote, inside in ((HOST, REMOTE, INSIDE), (HOST6, REMOTE6, INSIDE6)):
        with service_at(net.inside, kind, inside) as service:
            for own in (0, 700):
                with client_on(world.remote, kind, remote, own) as client:
                    peer, own_name = seen_by(service, client, (host, PORT))
                    assert peer == own_name
                    assert peer[0] == remote


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_what_listens_on_loopback_alone_is_reached(world, kind):
    net = world.start("--port-driver=builtin", f"--publish=0.0.0.0:{PORT}:{PORT}/{kind}")
    with service_at(net.inside, kind, "127.0.0.1") as service:
        for _ in range(12):  # a kernel refuses a client's datagrams six times, then once a second
            with client_on(world.remote, kind, REMOTE) as client:
                peer, own = seen_by(service, client, (HOST, PORT))
                # UDP from inside cannot carry the client's address.
                assert peer == own if kind == "tcp" else peer[0] == "127.0.0.1"


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_clients_of_the_hosts_loopback_are_the_gateway(rk, kind):
    net = start_net(rk, "--port-driver=builtin", f"--publish=127.0.0.1:18080:{PORT}/{kind}")
    with service_at(net.inside, kind, "0.0.0.0") as service, \
            socket.socket(socket.AF_INET, service.type) as client:
        client.settimeout(10)
        assert seen_by(service, client, ("127.0.0.1", 18080))[0][0] == GATEWAY


def test_an_explicit_loopback_child_ip_is_called_from_inside_only(rk):
    net = start_net(rk, "--port-driver=builtin", f"--publish=127.0.0.1:18080:127.0.0.1:{PORT}/tcp")
    with net.inside.listen(INSIDE, PORT), socket.create_connection(("127.0.0.1", 18080)) as client:
        client.settimeout(10)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    with service_at(net.inside, "tcp", "127.0.0.1") as service, socket.socket() as client:
        client.settimeout(10)
        assert seen_by(service, client, ("127.0.0.1", 18080))[0][0] == "127.0.0.1"


@pytest.mark.parametrize("child_ip", [INSIDE, f"::ffff:{INSIDE}"])
def test_the_childs_address_may_be_given(rk, child_ip):
    net = start_net(rk, "--port-driver=builtin")
    spec = {"proto": "tcp", "parentIP": "127.0.0.1", "parentPort": 18080, "childPort": PORT,
            "childIP": child_ip}
    done = rk.other("curl", "-sS", "--unix-socket", net.state / "api.sock", "-H",
                    "Content-Type: application/json", "-d", json.dumps(spec), "http://rk/v1/ports")
    assert '"id":1' in done.out, done
    with service_at(net.inside, "tcp", "0.0.0.0") as service, socket.socket() as client:
        client.settimeout(10)
        assert seen_by(service, client, ("127.0.0.1", 18080))[0][0] == GATEWAY


def test_nobody_inside_is_a_reset_at_once(rk):
    start_net(rk, "--port-driver=builtin", f"--publish=127.0.0.1:18080:{PORT}/tcp")
    with socket.create_connection(("127.0.0.1", 18080)) as client:
        client.settimeout(10)
        with pytest.raises(ConnectionResetError):
            client.recv(1)


def test_source_ip_may_be_off(world):
    net = world.start("--port-driver=builtin", "--source-ip-transparent=false",
                      f"--publish=0.0.0.0:{PORT}:{PORT}/tcp")
    with service_at(net.inside, "tcp", "0.0.0.0") as service, \
            client_on(world.remote, "tcp", REMOTE) as client:
        assert seen_by(service, client, (HOST, PORT))[0][0] == GATEWAY


def test_info_tells_clients_which_child_ip_to_ask_for(rk):
    told = info(start_net(rk, "--port-driver=builtin"))
    assert told["portDriver"]["disallowLoopbackChildIP"] is True
    assert told["portDriver"]["extra"]["sourceIPTransparentBackend"] == "gateway"
    assert told["networkDriver"]["childIP"] == INSIDE


def test_a_dead_relay_costs_its_connections_and_nothing_else(rk):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        net = start_net(rk, "--port-driver=builtin", f"--publish=127.0.0.1:18080:{PORT}/tcp")
        with service_at(net.inside, "tcp", "0.0.0.0") as service:
            for _ in range(3):
                kill_relay(net)
                net.inside.tcp(GATEWAY, port).close()
                with socket.socket() as client:
                    client.settimeout(10)
                    assert seen_by(service, client, ("127.0.0.1", 18080))[0][0] == GATEWAY
    assert "ended: signal: killed; starting it again" in net.err


def test_a_dead_relay_is_replaced_without_a_port_driver(rk):
    with socket.create_server(("127.0.0.1", 0)) as server:
        net = start_net(rk)
        kill_relay(net)
        net.inside.tcp(GATEWAY, server.getsockname()[1]).close()
