# SPDX-License-Identifier: Apache-2.0
"""--port-driver=slirp4netns with the real slirp4netns (spec port.md 4.1)."""
# pylint: disable=redefined-outer-name
import os
import signal
import socket

import pytest

from harness import AS_ROOT, HERE, PYTHON, gone, wait_until, which
from netkit import (CTL, api_of, ask, ask_udp, connect, free_port, host_address, listens,
                    own_loopback, read_all, read_exactly, spec)
from openapi import Document
from slirp import DETACH, QUIET, arguments_of, helper_of, need_slirp4netns

PORTS = [*QUIET, "--port-driver=slirp4netns"]
SERVERS = ("echo,0.0.0.0,80", "udp,0.0.0.0,80")
REFUSED = "reply.Error: map[desc:bad request: add_hostfwd: slirp_add_hostfwd failed]"
DOCUMENT = Document()


@pytest.fixture(autouse=True)
def needs_slirp4netns():
    need_slirp4netns()


def serve(rk, *options, inside=SERVERS, detached=False, **kwargs):
    servers = " ".join([*PYTHON, str(HERE / "backend.py"), *inside])
    if detached:
        options = [*DETACH, *options]
        servers = f"{which('nsenter')} --net=$ROOTLESSKIT_STATE_DIR/netns {servers}"
    return rk.start_ready(*PORTS, *options, script=f"exec {servers}", **kwargs)


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


def ids(api):
    return [port["id"] for port in api.ask("GET", "/v1/ports").json() or []]


def udp_answer(port, text=b"hi"):
    """From an address that is not loopback: those get no reply with --disable-host-loopback, since
    slirp4netns then drops every datagram to its gateway, which stands for them inside."""
    return ask_udp(host_address(), port, text)


@pytest.mark.also_as_root
@pytest.mark.parametrize("flags", [[], ["--cidr=10.88.0.0/16"],
                                   ["--slirp4netns-sandbox=true", "--slirp4netns-seccomp=true"]],
                         ids=" ".join)
@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_ports_of_the_command_line(rk, flags, detached):
    if detached and "--slirp4netns-sandbox=true" in flags:
        flags = ["--slirp4netns-seccomp=true"]
    host, port = own_loopback(), free_port()
    running = serve(rk, *flags, f"-p={host}:{port}:80/tcp", f"-p=:{port}:80/udp4",
                    detached=detached)
    assert ask(host, port, b"question") == b"question"
    assert udp_answer(port) == b"2:hi"
    assert ids(api_of(running)) == [1, 2]
    words = arguments_of(helper_of(running))
    assert words[words.index("--api-socket") + 1] == str(running.state / ".s4nn.sock")


def test_info_and_stats(api):
    info = api.ask("GET", "/v1/info").json()
    assert info["portDriver"] == {"driver": "slirp4netns", "protos": ["tcp", "tcp4", "udp", "udp4"],
                                  "disallowLoopbackChildIP": True}
    assert info["networkDriver"]["childIP"] == "10.0.2.100"
    add(api, parentPort=free_port())
    stats = api.ask("GET", "/v1/stats").json()
    assert stats["ports"] == []  # nobody counts
    assert stats["relay"]["running"] and stats["relay"]["pid"] == helper_of(api.running)


def test_add_list_remove(api):
    host, port = own_loopback(), free_port()
    assert api.ask("GET", "/v1/ports").body == "null"
    sent = spec("tcp4", host, port, 80, childIP="10.0.2.100")
    answer = api.ask("POST", "/v1/ports", sent)
    assert (answer.status, answer.json()) == (201, {"id": 1, "spec": sent})
    assert api.ask("GET", "/v1/ports").json() == [{"id": 1, "spec": sent}]
    assert ask(host, port) == b"hello"
    assert api.ask("DELETE", "/v1/ports/1", known_as="/v1/ports/{id}").status == 200
    assert not listens(host, port)
    assert api.ask("GET", "/v1/ports").body == "null"
    assert add(api, parent_ip=host, parent_port=port) == 2
    assert ask(host, port) == b"hello"


def test_without_parent_address_every_ipv4_address_is_meant(api):
    port = free_port()
    answer = api.ask("POST", "/v1/ports", {"proto": "tcp", "parentPort": port, "childPort": 80})
    assert answer.json()["spec"] == {"proto": "tcp", "parentPort": port, "childPort": 80}
    assert ask("127.0.0.1", port) == ask(host_address(), port) == b"hello"
    assert not listens("::1", port)


def test_the_clients_address_is_kept(rk):
    """But for the host's loopback addresses, which mean something else inside."""
    port = free_port()
    serve(rk, f"-p=0.0.0.0:{port}:80/tcp", inside=["peer,0.0.0.0,80"])
    with connect(host_address(), port) as sock:
        own, source = sock.getsockname()
        assert read_all(sock).split() == [own.encode(), str(source).encode()]
    with connect("127.0.0.1", port) as sock:
        assert read_all(sock).split()[0] == b"10.0.2.2"


def test_rootlessctl(rk):
    running, port = serve(rk), free_port()
    ctl = [CTL, f"--socket={running.state}/api.sock"]
    assert rk.other(*ctl, "add-ports", f"127.0.0.1:{port}:80/tcp").ok().out == "1\n"
    assert f"127.0.0.1    {port}" in rk.other(*ctl, "list-ports").ok().out
    assert "- Port Driver: slirp4netns\n  - Supported protocols: [tcp tcp4 udp udp4]\n" \
        in rk.other(*ctl, "info").ok().out
    assert rk.other(*ctl, "stats").ok().lines()[0] == (
        f"Helper: process {helper_of(running)}, 0 restarts; it counts nothing")
    assert rk.other(*ctl, "remove-ports", "1").ok().out == "1\n"
    assert not listens("127.0.0.1", port)


# ---- what is refused

@pytest.mark.parametrize("fields,text", [
    ({"proto": "tcp6"}, 'unsupported protocol "tcp6"'),
    ({"proto": "udp6"}, 'unsupported protocol "udp6"'),
    ({"childIP": "::1"}, "unsupported IP (v6?): ::1"),
    ({"proto": "sctp"}, "reply.Error: map[desc:bad request: add_hostfwd: bad arguments.proto]"),
    ({"proto": "sctp4"}, "reply.Error: map[desc:bad request: add_hostfwd: bad arguments.proto]"),
    ({"parent_ip": "::1"},
     "reply.Error: map[desc:bad request: add_hostfwd: bad arguments.host_addr]"),
    ({"parent_ip": "192.0.2.77"}, REFUSED + ": listen tcp4 192.0.2.77:8080: bind: cannot assign "
     "requested address"),
    ({"proto": "TCP"}, 'unknown proto: "TCP"'),
    ({"parent_ip": "x"}, 'invalid ParentIP: "x"'),
    ({"childIP": "x"}, 'invalid ChildIP: "x"'),
    ({"parent_port": 0}, "invalid ParentPort: 0"),
    ({"parent_port": 65536}, "invalid ParentPort: 65536"),
    ({"child_port": 0}, "invalid ChildPort: 0"),
])
def test_error_texts(api, fields, text):
    fields = {"parent_ip": own_loopback(), "parent_port": 8080, **fields}
    assert error_of(api, **fields) == text
    assert not ids(api)


def test_a_range_is_refused(api):
    assert "is no single port" in error_of(api, parent_port=8000, parentPortEnd=8001, child_port=80,
                                           childPortEnd=81)


def test_conflict_and_busy_port(api):
    host, port = own_loopback(), free_port()
    first = add(api, parent_ip=host, parent_port=port)
    assert error_of(api, parent_ip=host, parent_port=port) == f"conflict with ID {first}"
    busy = f"{REFUSED}: listen tcp4 {host}:{port}: bind: address already in use"
    assert error_of(api, proto="tcp4", parent_ip=host, parent_port=port) == busy
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((host, port))
        assert error_of(api, proto="udp", parent_ip=host, parent_port=port) == \
            busy.replace("tcp4", "udp4")
    assert add(api, proto="udp", parent_ip=host, parent_port=port) == first + 1  # no ID was used up


@pytest.mark.skipif(AS_ROOT, reason="root may listen on any port")
def test_a_privileged_port_has_a_remedy(api):
    error = error_of(api, parent_port=81)
    assert error.startswith(REFUSED + ": cannot expose privileged port 81, you can add "
                            "'net.ipv4.ip_unprivileged_port_start=81' to /etc/sysctl.conf")
    assert error.endswith("bind: permission denied") and "CAP_NET_BIND_SERVICE" not in error


def test_removal_errors(api):
    for number in (0, 1, -1):
        answer = api.ask("DELETE", f"/v1/ports/{number}", known_as="/v1/ports/{id}")
        assert answer.status == 400
        assert answer.json()["message"].startswith("reply.Error: map[desc:bad request: remove_host")


@pytest.mark.parametrize("text,cause", [
    ("127.0.0.1:{busy}:80/tcp", "bind: address already in use"),
    ("127.0.0.1:8080:80/tcp6", 'unsupported protocol "tcp6"'),
    ("127.0.0.1:8080:80/sctp", "bad arguments.proto"),
])
def test_a_failing_port_ends_the_start(rk, text, cause):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        text = text.format(busy=taken.getsockname()[1])
        outcome = rk.run(f"--state-dir={rk.state()}", *PORTS, f"-p={text}", "sleep", "1000")
    assert outcome.code == 1
    assert "failed to expose port {" in outcome.err and cause in outcome.err
    assert not rk.state().exists()


@pytest.mark.parametrize("flags,error", [
    (["--net=none"], 'network "none" requires either port driver "none" or "builtin"'),
    (["--net=host"], "port driver requires slirp4netns network"),
    ([*QUIET, "-p=127.0.0.1:0:80/tcp"], "invalid ParentPort: 0"),
    ([*QUIET, "-p=:80:80/tcp,:80:81/tcp"],
     "failed to expose port {tcp  80 81 }: conflict with ID 1"),
])
def test_refused_before_anything_is_made(rk, flags, error):
    outcome = rk.run("--port-driver=slirp4netns", *flags, "true")
    assert outcome.code == 1 and error in outcome.err


def test_a_slirp4netns_without_api_socket(rk):
    env = rk.path_first(rk.script("slirp4netns", "echo --netns-type --disable-host-loopback"))
    outcome = rk.run(*PORTS, "true", env=env)
    assert outcome.code == 1
    assert "this version of slirp4netns does not support --api-socket" in outcome.err


# ---- slirp4netns dies

def held_down(rk):
    """An environment with a slirp4netns that does not start while rk.base/down is there."""
    real = which("slirp4netns")
    return rk.path_first(
        rk.script("slirp4netns", f'test -e {rk.base}/down && exit 1; exec {real} "$@"'))


def kill_helper(running, times=1):
    """Returns the PID of the next one, once it serves."""
    old = helper_of(running)
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: running.err.count("slirp4netns runs again") == times,
               timeout=10, what="the next slirp4netns")
    return helper_of(running)


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_ports_come_back_under_their_ids(rk, detached):
    running = serve(rk, detached=detached)
    api, host = api_of(running), own_loopback()
    ports = [free_port() for _ in range(3)]
    for port in ports:
        add(api, parent_ip=host, parent_port=port)
    api.ask("DELETE", "/v1/ports/1")
    add(api, proto="udp", parent_ip="0.0.0.0", parent_port=ports[0])
    for times in (1, 2):
        pid = kill_helper(running, times)
        assert ids(api) == [2, 3, 4]
        assert ask(host, ports[1]) == ask(host, ports[2]) == b"hello"
        assert udp_answer(ports[0]) == b"2:hi"
        assert not listens(host, ports[0])
    relay = api.ask("GET", "/v1/stats").json()["relay"]
    assert (relay["running"], relay["pid"], relay["restarts"]) == (True, pid, 2)
    # slirp4netns counts from 1 again; an ID of ours still means the port it was given for.
    assert api.ask("DELETE", "/v1/ports/2").status == 200
    assert not listens(host, ports[1])
    assert ask(host, ports[2]) == b"hello"
    assert add(api, parent_ip=host, parent_port=ports[1]) == 5
    assert ask(host, ports[1]) == b"hello"


def test_killed_under_load_its_ports_come_back(rk):
    """Connections of it end at once; the next ones work."""
    host, port = own_loopback(), free_port()
    running = serve(rk, f"-p={host}:{port}:80/tcp")
    loads = [connect(host, port, 20) for _ in range(4)]
    chunk = bytes(1 << 16)
    for _ in range(64):  # 4 MiB through each, there and back
        for load in loads:
            load.sendall(chunk)
        for load in loads:
            assert read_exactly(load, len(chunk)) == chunk
    for load in loads:
        load.sendall(chunk[:4096])  # on the way when it dies
    kill_helper(running)
    for load in loads:
        with load:
            try:
                read_all(load)
            except ConnectionError:
                pass
    assert ask(host, port) == b"hello"
    assert ids(api_of(running)) == [1]


def test_what_another_took_meanwhile_stays_listed(rk):
    running, down = serve(rk, env=held_down(rk)), rk.base / "down"
    api, host, ports = api_of(running), own_loopback(), [free_port() for _ in range(2)]
    for port in ports:
        add(api, parent_ip=host, parent_port=port)
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    down.touch()
    os.kill(helper_of(running), signal.SIGKILL)

    def take():
        try:
            taken.bind((host, ports[0]))
            taken.listen()
            return True
        except OSError:
            return False
    wait_until(take, what="the port to be free")
    down.unlink()
    wait_until(lambda: "slirp4netns runs again" in running.err, timeout=10,
               what="the next slirp4netns")
    wait_until(lambda: f"port 1 cannot be served any more: {REFUSED}" in running.err,
               what="a line about the port")
    assert ids(api) == [1, 2]
    assert ask(host, ports[1]) == b"hello"
    assert api.ask("DELETE", "/v1/ports/1").status == 200
    taken.close()
    assert add(api, parent_ip=host, parent_port=ports[0]) == 3


def test_while_there_is_none(rk):
    """The first runs; the next ones fail, so that there is a while without."""
    running = rk.start_ready(*PORTS, env=held_down(rk))
    api, host = api_of(running), own_loopback()
    ports = [free_port() for _ in range(3)]
    for port in ports[:2]:
        add(api, parent_ip=host, parent_port=port)
    (rk.base / "down").touch()
    os.kill(helper_of(running), signal.SIGKILL)
    wait_until(lambda: "slirp4netns ended" in running.err, what="a line about its death")
    assert "is being started again" in error_of(api, parent_ip=host, parent_port=ports[2])
    assert api.ask("DELETE", "/v1/ports/1").status == 200
    assert ids(api) == [2]
    assert not api.ask("GET", "/v1/stats").json()["relay"]["running"]
    (rk.base / "down").unlink()
    wait_until(lambda: "slirp4netns runs again" in running.err, timeout=10, what="the next")
    wait_until(lambda: listens(host, ports[1]), what="the port")
    assert not listens(host, ports[0])


def test_one_that_hangs_costs_a_bounded_time(api):
    """And what it does when it wakes up is undone."""
    pid, host = helper_of(api.running), own_loopback()
    port, lost = free_port(), free_port()
    first = add(api, parent_ip=host, parent_port=port)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert "no answer in time" in error_of(api, parent_ip=host, parent_port=lost)
        assert api.ask("GET", "/v1/info").status == 200
        assert ids(api) == [first]
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: listens(host, lost), what="the port that failed to be added")
    wait_until(lambda: not listens(host, lost), what="its end")
    assert ask(host, port) == b"hello"
    assert api.ask("DELETE", f"/v1/ports/{first}", known_as="/v1/ports/{id}").status == 200
    assert not listens(host, port)


def test_a_removal_that_got_no_answer_can_be_repeated(api):
    pid, host, port = helper_of(api.running), own_loopback(), free_port()
    first = add(api, parent_ip=host, parent_port=port)
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = api.ask("DELETE", f"/v1/ports/{first}", known_as="/v1/ports/{id}")
        assert answer.status == 400 and "no answer in time" in answer.body
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: not listens(host, port), what="the port to be closed")
    assert api.ask("DELETE", f"/v1/ports/{first}", known_as="/v1/ports/{id}").status == 200
    assert not ids(api)


def test_nothing_is_left(rk):
    host, port = own_loopback(), free_port()
    running = serve(rk, f"-p={host}:{port}:80/tcp")
    pid = helper_of(running)
    running.signal(signal.SIGTERM)
    running.wait()
    assert gone(pid) and not listens(host, port) and not running.state.exists()
