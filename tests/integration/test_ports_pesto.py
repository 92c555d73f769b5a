# SPDX-License-Identifier: Apache-2.0
"""--port-driver=pesto with the real pasta and pesto (spec port.md 2 and 3, since-3.0.1.md)."""
# pylint: disable=redefined-outer-name
import os
import signal
import socket
from pathlib import Path

import pytest

from harness import HERE, PYTHON, copy_of, wait_until, which
from netkit import (CTL, api_of, ask, ask_udp, free_port, host_address, listens, own_loopback,
                    read_all, spec)
from openapi import Document
from pasta import PASTA, PASTA_DIR, QUIET, helper_of, need_pasta, words_of
from slirp import DETACH

PORTS = [*QUIET, "--port-driver=pesto"]
SERVERS = ("echo,0.0.0.0,80", "udp,0.0.0.0,80", "peer,0.0.0.0,81")
SERVERS6 = (*SERVERS, "echo,fd00::100,80", "udp,fd00::100,80")
DOCUMENT = Document()


@pytest.fixture(autouse=True)
def needs_pesto():
    need_pasta()
    if not os.access(PASTA_DIR / "pesto", os.X_OK):
        pytest.skip(f"there is no {PASTA_DIR}/pesto: passt before 2026_05_07")


def serve(rk, *options, inside=SERVERS, detached=False):
    servers = " ".join([*PYTHON, str(HERE / "backend.py"), *inside])
    if detached:
        options = [*DETACH, *options]
        servers = f"{which('nsenter')} --net=$ROOTLESSKIT_STATE_DIR/netns {servers}"
    return rk.start_ready(*PORTS, *options, script=f"exec {servers}")


@pytest.fixture
def api(rk):
    running = serve(rk)
    client = api_of(running)
    client.document = DOCUMENT
    client.running = running
    yield client
    client.close()


def add(api, **fields):
    answer = api.ask("POST", "/v1/ports", spec(**fields))
    assert answer.status == 201, answer
    return answer.json()["id"]


def error_of(api, **fields):
    answer = api.ask("POST", "/v1/ports", spec(**fields))
    assert answer.status == 400, answer
    return answer.json()["message"]


def remove(api, number):
    assert api.ask("DELETE", f"/v1/ports/{number}", known_as="/v1/ports/{id}").status == 200


def ids(api):
    return [port["id"] for port in api.ask("GET", "/v1/ports").json() or []]


@pytest.mark.also_as_root
@pytest.mark.parametrize("flags", [[], ["--cidr=10.88.0.0/16"], ["--pidns", "--copy-up=/etc"]],
                         ids=" ".join)
@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_ports_of_the_command_line(rk, flags, detached):
    host, port = own_loopback(), free_port()
    running = serve(rk, *flags, f"-p={host}:{port}:80/tcp", f"-p=:{port}:80/udp4",
                    detached=detached)
    assert ask(host, port, b"question") == b"question"
    assert ask_udp("127.0.0.1", port) == b"2:hi"
    assert ask_udp(host_address(), port) == b"2:hi"
    assert ids(api_of(running)) == [1, 2]
    words = words_of(helper_of(running))
    assert f"--conf-path={running.state}/.pa.sock" in words
    assert "--host-lo-to-ns-lo" not in words and "--tcp-ports=none" in words


def test_info_and_stats(api):
    info = api.ask("GET", "/v1/info").json()
    assert info["portDriver"] == {"driver": "pesto", "protos": ["tcp", "tcp4", "udp", "udp4"],
                                  "disallowLoopbackChildIP": True}
    assert info["networkDriver"]["childIP"] == "10.0.2.100"
    add(api, parentPort=free_port())
    stats = api.ask("GET", "/v1/stats").json()
    assert stats["ports"] == []  # nobody counts
    assert stats["relay"]["running"] and stats["relay"]["pid"] == helper_of(api.running)


def test_add_list_remove(api):
    host, port = own_loopback(), free_port()
    assert api.ask("GET", "/v1/ports").body == "null"
    sent = spec("tcp4", host, port, 80, childIP="::ffff:10.0.2.100")
    answer = api.ask("POST", "/v1/ports", sent)
    assert (answer.status, answer.json()) == (201, {"id": 1, "spec": sent})
    assert api.ask("GET", "/v1/ports").json() == [{"id": 1, "spec": sent}]
    assert ask(host, port) == b"hello"
    remove(api, 1)
    assert not listens(host, port)
    assert api.ask("GET", "/v1/ports").body == "null"
    assert add(api, parent_ip=host, parent_port=port) == 2
    assert ask(host, port) == b"hello"


def test_rootlessctl(api, rk):
    port = free_port()
    ctl = [CTL, "--socket", api.running.state / "api.sock"]
    added = rk.other(*ctl, "add-ports", f"127.0.0.1:{port}:80/tcp", f"127.0.0.1:{port}:80/udp")
    assert added.ok().lines() == ["1", "2"]
    assert ask("127.0.0.1", port) == b"hello"
    assert ask_udp("127.0.0.1", port) == b"2:hi"
    assert rk.other(*ctl, "remove-ports", "1", "2").ok().lines() == ["1", "2"]
    assert not listens("127.0.0.1", port)
    gone = rk.other(*ctl, "remove-ports", "7")
    assert gone.code == 1 and "unknown id: 7" in gone.err


def test_services_see_the_address_of_a_client(api):
    port = free_port()
    add(api, parent_ip="", parent_port=port, child_port=81)
    with socket.create_connection((host_address(), port), 10) as client:
        assert read_all(client).split()[0].decode() == host_address()


def test_what_cannot_be(api):
    port = free_port()
    add(api, parent_ip="127.0.0.1", parent_port=port)
    assert error_of(api, parent_ip="127.0.0.1", parent_port=port) == "conflict with ID 1"
    assert "sctp" in error_of(api, proto="sctp", parent_port=port)
    assert "--ipv6 was not given" in error_of(api, proto="tcp6", parent_ip="", parent_port=port)
    assert "unsupported ChildIP" in error_of(api, parent_port=free_port(), childIP="127.0.0.1")
    assert "invalid ParentPort" in error_of(api, parent_port=0)
    with socket.create_server(("127.0.0.1", 0)) as busy:
        assert "address already in use" in error_of(api, parent_port=busy.getsockname()[1])
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) > 80:
        told = error_of(api, parent_port=80)
        assert "cannot expose privileged port 80" in told and "permission denied" in told
    assert ids(api) == [1]
    assert ask("127.0.0.1", port) == b"hello"  # nothing of this did any harm
    assert add(api, parent_ip="127.0.0.1", parent_port=free_port()) == 2


def test_a_busy_port_of_the_command_line_ends_the_start(rk):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        outcome = rk.run(*PORTS, "-p", f"127.0.0.1:{port}:80/tcp", "echo", "started")
    assert outcome.code == 1 and outcome.out == ""
    assert f"failed to expose port {{tcp 127.0.0.1 {port} 80 }}" in outcome.err
    assert "address already in use" in outcome.err


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_ipv6(rk, detached):
    running = serve(rk, "--ipv6", inside=SERVERS6, detached=detached)
    api = api_of(running)
    assert "tcp6" in api.ask("GET", "/v1/info").json()["portDriver"]["protos"]
    port, both = free_port(), free_port()
    add(api, parent_ip="::1", parent_port=port, proto="tcp6")
    add(api, parent_ip="::1", parent_port=port, proto="udp", childIP="fd00::100")
    add(api, parent_ip="", parent_port=both)
    assert ask("::1", port) == ask("::1", both) == ask("127.0.0.1", both) == b"hello"
    assert ask_udp("::1", port) == b"2:hi"
    remove(api, 3)
    assert not listens("::1", both) and not listens("127.0.0.1", both)
    api.close()


def test_a_killed_pasta_gets_its_ports_again(api):
    host, ports = own_loopback(), [free_port() for _ in range(4)]
    for port in ports:
        add(api, parent_ip=host, parent_port=port)
    for number in range(1, 3):
        os.kill(helper_of(api.running), signal.SIGKILL)
        wait_until(lambda n=number: api.running.err.count("pasta runs again") == n, timeout=10,
                   what="the next pasta")
        wait_until(lambda: all(listens(host, port) for port in ports), what="all ports")
        for port in ports:
            assert ask(host, port) == b"hello"
    assert ids(api) == [1, 2, 3, 4]
    remove(api, 2)
    assert not listens(host, ports[1])
    assert add(api, parent_ip=host, parent_port=ports[1]) == 5
    assert ask(host, ports[1]) == b"hello"


def test_a_port_that_somebody_took_meanwhile_stops_no_other(rk):
    running, down = serve(rk, *held_down(rk)), rk.base / "down"
    api, host, (taken, other) = api_of(running), own_loopback(), (free_port(), free_port())
    add(api, parent_ip=host, parent_port=taken)
    add(api, parent_ip=host, parent_port=other)
    down.touch()
    os.kill(helper_of(running), signal.SIGKILL)
    thief = wait_until(lambda: grab(host, taken), what="the port to be free")
    with thief:
        down.unlink()
        wait_until(lambda: "pasta runs again" in running.err, timeout=10, what="the next pasta")
        wait_until(lambda: listens(host, other), what="the other port")
        assert "port 1 cannot be served now" in running.err
        assert ids(api) == [1, 2]
    add(api, parent_ip=host, parent_port=free_port())  # a change tries it again
    assert ask(host, taken) == b"hello"
    api.close()


def held_down(rk):
    """Options for a pasta that does not start while rk.base/down is there."""
    fake = rk.script("pasta", f'test -e {rk.base}/down && exit 1; exec {PASTA} "$@"')
    (fake / "pesto").symlink_to(PASTA_DIR / "pesto")
    return [f"--pasta-binary={fake}/pasta"]


def grab(host, port):
    try:
        return socket.create_server((host, port))
    except OSError:
        return None


def test_connections_of_other_ports_survive_changes(api):
    host, port = own_loopback(), free_port()
    add(api, parent_ip=host, parent_port=port)
    with socket.create_connection((host, port), 10) as client:
        client.sendall(b"one")
        assert client.recv(10) == b"one"
        remove(api, add(api, parent_ip=host, parent_port=free_port()))
        client.sendall(b"two")
        assert client.recv(10) == b"two"


def test_a_stopped_pasta_does_not_hold_the_api_for_long(api):
    pasta = helper_of(api.running)
    os.kill(pasta, signal.SIGSTOP)
    lost, port = free_port(), free_port()
    told = error_of(api, parent_ip="127.0.0.1", parent_port=lost)
    os.kill(pasta, signal.SIGCONT)
    assert "pesto failed: timed out" in told or "does not listen" in told
    assert ids(api) == []
    wait_until(lambda: not listens("127.0.0.1", lost), timeout=8, what="the port to be gone")
    add(api, parent_ip="127.0.0.1", parent_port=port)
    assert ask("127.0.0.1", port) == b"hello"


# ---- pesto itself

def test_pesto_missing(rk):
    copy_of(PASTA, rk.base / "alone" / "pasta")
    outcome = rk.run("--net=pasta", f"--pasta-binary={rk.base}/alone/pasta",
                     "--port-driver=pesto", "echo", "started")
    assert outcome.code == 1 and outcome.out == ""
    assert 'port driver "pesto" needs pesto of passt 2026_05_07 or newer' in outcome.err
    assert 'exec: "pesto": executable file not found in $PATH' in outcome.err


def test_pasta_without_control_socket(rk):
    both = rk.script("pasta", "echo '--config-net --foreground --pid FILE'")
    copy_of(PASTA_DIR / "pesto", both / "pesto")
    outcome = rk.run("--net=pasta", f"--pasta-binary={both}/pasta", "--port-driver=pesto", "true")
    assert outcome.code == 1
    assert 'port driver "pesto" needs passt 2026_05_07 or newer' in outcome.err


@pytest.mark.parametrize("text, error", [
    ("echo no luck >&2; exit 3", 'pesto failed: exit status 3, having printed "no luck"'),
    ("exec sleep 100", "pesto failed: timed out"),
    ("head -c 1000000 /dev/zero; exit 1", "pesto failed: exit status 1"),
    ("exit 0", "pasta does not listen"),
], ids=["fails", "hangs", "junk", "lies"])
def test_a_pesto_that_does_not_work(rk, text, error):
    fake = rk.script("pesto", text)
    for name in ("passt", "pasta"):
        copy_of(PASTA, fake / name)
    outcome = rk.run("--net=pasta", "--disable-host-loopback", f"--pasta-binary={fake}/pasta",
                     "--port-driver=pesto", "-p", f"127.0.0.1:{free_port()}:80/tcp", "echo",
                     "started")
    assert outcome.code == 1 and outcome.out == ""
    assert "failed to expose port" in outcome.err and error in outcome.err
