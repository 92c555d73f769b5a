# SPDX-License-Identifier: Apache-2.0
"""The REST API on api.sock (spec api.md). That answers fit api/openapi.yaml: test_openapi.py."""
import json
import signal
import socket

import pytest

from harness import PYTHON, wait_until
from netkit import (BUILTIN, api, api_of, ask, free_port, host_address, listeners_on, own_loopback,
                    serve, spec)

PROTOS = ["tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"]


# --- the socket ---


@pytest.mark.also_as_root
@pytest.mark.parametrize("flags", [[], ["--net=none"], BUILTIN, [*BUILTIN, "--detach-netns"],
                                   [*BUILTIN, "--pidns"]], ids=" ".join)
def test_socket_and_child_pid_exist_before_the_command(rk, flags):
    script = "test -S $ROOTLESSKIT_STATE_DIR/api.sock && test -s $ROOTLESSKIT_STATE_DIR/child_pid"
    for _ in range(5):
        rk.sh(*flags, script).ok()


@pytest.mark.also_as_root
def test_it_answers_as_soon_as_the_command_runs(rk):
    code = ("import socket, os; s = socket.socket(socket.AF_UNIX); "
            "s.connect(os.environ['ROOTLESSKIT_STATE_DIR'] + '/api.sock'); "
            "s.sendall(b'GET /v1/info HTTP/1.0\\r\\n\\r\\n'); print(s.recv(100)[:15].decode())")
    for flags in ([], BUILTIN, [*BUILTIN, "--pidns", "--detach-netns"]):
        assert rk.run(*flags, *PYTHON, "-c", code).ok().out.endswith(" 200 OK\n")


def test_permissions_follow_the_umask(rk):
    for number, (umask, mode) in enumerate(((0o022, 0o755), (0o077, 0o700))):
        running = rk.start_ready(state=rk.state(f"s{number}"), umask=umask)
        assert (running.state / "api.sock").stat().st_mode & 0o777 == mode


def test_the_socket_goes_with_the_command(rk):
    running = rk.start_ready(*BUILTIN)
    running.signal(signal.SIGTERM)
    running.wait()
    assert not (running.state / "api.sock").exists()


def test_a_stale_socket_is_replaced(rk):
    rk.state().mkdir()
    (rk.state() / "lock").touch()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(rk.state() / "api.sock"))
    running = rk.start_ready()
    assert api_of(running).ask("GET", "/v1/info").status == 200


# --- info ---


@pytest.mark.also_as_root
@pytest.mark.parametrize("flags", [["--net=host"], ["--net=none"], BUILTIN], ids=" ".join)
def test_info(rk, flags):
    running = rk.start_ready(*flags)
    answer = api_of(running).ask("GET", "/v1/info")
    info = answer.json()
    version = rk.run("--version").ok().out.split()[-1]
    assert (answer.status, answer.type) == (200, "application/json")
    assert info["apiVersion"] == "1.1.2" and info["version"] == version
    assert info["stateDir"] == str(running.state) and info["childPID"] == running.child
    assert ("networkDriver" in info) == ("--net=host" not in flags)
    assert ("portDriver" in info) == (flags == BUILTIN)
    if "networkDriver" in info:
        assert info["networkDriver"] == {"driver": "none"}
    if flags == BUILTIN:
        driver = info["portDriver"]
        assert (driver["driver"], driver["protos"]) == ("builtin", PROTOS)
        assert not driver.get("disallowLoopbackChildIP", False)
    assert answer.body == json.dumps(info, separators=(",", ":"))


def test_the_effective_source_ip_state_is_shown(rk):
    """Known at the latest when a client came that is not on the loopback."""
    host, port, seen = host_address(), free_port(), []
    for number, flag in enumerate(("true", "false")):
        running = serve(rk, f"--source-ip-transparent={flag}", f"-p=0.0.0.0:{port}:80/tcp",
                        inside=["peer,127.0.0.1,80"], state=rk.state(f"s{number}"))
        shown = ask(host, port).decode().split()[0]
        assert shown == (host if flag == "true" else "127.0.0.1")
        seen.append(api_of(running).ask("GET", "/v1/info").json()["portDriver"].get("extra"))
        running.signal(signal.SIGTERM)
        running.wait()
    assert all(seen) and seen[0] != seen[1], seen


# --- ports ---


def test_no_ports_are_null(api):
    answer = api.ask("GET", "/v1/ports")
    assert (answer.status, answer.type, answer.body) == (200, "application/json", "null")


def test_add_list_remove(api):
    host = own_loopback()
    for number in (1, 2, 3):
        answer = api.ask("POST", "/v1/ports", spec("tcp", host, 8000 + number, 80))
        assert (answer.status, answer.type) == (201, "application/json")
        assert answer.body == ('{"id":%d,"spec":{"proto":"tcp","parentIP":"%s","parentPort":%d,'
                               '"childPort":80}}' % (number, host, 8000 + number))
    assert [entry["id"] for entry in api.ask("GET", "/v1/ports").json()] == [1, 2, 3]
    answer = api.ask("DELETE", "/v1/ports/2")
    assert (answer.status, answer.body) == (200, "")
    assert [entry["id"] for entry in api.ask("GET", "/v1/ports").json()] == [1, 3]
    assert listeners_on(host) == {8001, 8003}
    assert api.ask("POST", "/v1/ports", spec("tcp", host, 8002, 80)).json()["id"] == 4


def test_failed_adds_use_up_no_id(api):
    host = own_loopback()
    assert api.ask("POST", "/v1/ports", spec("tcp", host, 8001, 80)).json()["id"] == 1
    assert api.ask("POST", "/v1/ports", spec("tcp", host, 8001, 80)).status == 400
    assert api.ask("POST", "/v1/ports", spec("tcp", host, 8002, 80)).json()["id"] == 2


@pytest.mark.parametrize("text", [
    '{"proto":"tcp","parentIP":"%s","parentPort":8080,"childPort":80,"childIP":"127.0.0.1"}',
    '{"proto":"udp4","parentIP":"%s","parentPort":8080,"childPort":80}',
    '{"proto":"tcp","parentIP":"::ffff:%s","parentPort":8080,"childPort":80}',
])
def test_the_spec_is_echoed_as_it_was_sent(api, text):
    text = text % own_loopback()
    assert api.ask("POST", "/v1/ports", text).body == '{"id":1,"spec":%s}' % text
    assert api.ask("GET", "/v1/ports").body == '[{"id":1,"spec":%s}]' % text


@pytest.mark.parametrize("text", [
    '{"PROTO":"tcp","parentip":"%s","ParentPort":8080,"CHILDPORT":80}',
    '{"proto":"tcp","more":[{"x":null}],"parentIP":"%s","parentPort":8080,"childPort":80}',
    ' {"proto":"tcp","parentIP":"%s","parentPort":8080,"childPort":80} and {more',
])
def test_lenient_reading(api, text):
    host = own_loopback()
    assert api.ask("POST", "/v1/ports", text % host).status == 201
    assert listeners_on(host) == {8080}


def test_chunked_bodies(api):
    host = own_loopback()
    body = json.dumps(spec("tcp", host, 8080, 80)).encode()
    api.request("POST", "/v1/ports", iter([body[:10], body[10:]]), encode_chunked=True,
                headers={"Transfer-Encoding": "chunked"})
    response = api.getresponse()
    assert response.status == 201, response.read()
    response.read()
    assert listeners_on(host) == {8080}


def test_port_0_names_the_chosen_port(api):
    host = own_loopback()
    for proto in ("tcp", "tcp4"):
        added = api.ask("POST", "/v1/ports", spec(proto, host, 0, 80)).json()
        assert added["spec"]["parentPort"] in listeners_on(host)
        assert added in api.ask("GET", "/v1/ports").json()
    assert len(listeners_on(host)) == 2


def test_ports_of_the_command_line_come_first(rk):
    host = own_loopback()
    running = rk.start_ready(*BUILTIN, f"-p={host}:8002:80/tcp", f"-p={host}:8001::80/tcp")
    expected = [{"id": i + 1, "spec": {"proto": "tcp", "parentIP": host, "parentPort": port,
                                       "childPort": 80}} for i, port in enumerate((8002, 8001))]
    assert api_of(running).ask("GET", "/v1/ports").json() == expected


def test_stats_count_every_byte(rk):
    host = own_loopback()
    running = serve(rk, f"-p={host}:8080:127.0.0.1:80/tcp", f"-p={host}:8081:127.0.0.1:81/tcp",
                    inside=["late,127.0.0.1,80"])
    for _ in range(3):
        assert ask(host, 8080, b"x" * 1000) == b"all of " + b"x" * 1000
    try:
        ask(host, 8081)
    except ConnectionError:
        pass

    def settled():
        good, bad = api_of(running).ask("GET", "/v1/stats").json()["ports"]
        return good["active"] == bad["active"] == 0 and (good, bad)
    good, bad = wait_until(settled, what="the connections to end")
    assert (good["accepted"], good["bytesIn"], good["bytesOut"]) == (3, 3000, 3021)
    assert (good["refused"], good["errors"], bad["refused"]) == (0, 0, 1)


# --- errors ---


def error(answer, status=400):
    assert (answer.status, answer.type) == (status, "text/plain; charset=utf-8"), answer
    assert answer.body.endswith("}\n"), answer
    assert list(answer.json()) == ["message"]
    return answer.json()["message"]


@pytest.mark.also_as_root
@pytest.mark.parametrize("net", ["host", "none"])
def test_without_port_driver(rk, net):
    api = api_of(rk.start_ready(f"--net={net}"))
    for method, path, body in (("GET", "/v1/ports", None), ("POST", "/v1/ports", spec()),
                               ("DELETE", "/v1/ports/1", None)):
        assert error(api.ask(method, path, body)) == "no PortDriver is available"


@pytest.mark.parametrize("body,text", [
    ("", "EOF"),
    ("{", "unexpected EOF"),
    ('{"proto":"tcp","parentPort":"80"}', "json: cannot unmarshal string into Go struct field "
                                          "Spec.parentPort of type int"),
    (spec("abc"), 'unknown proto: "abc"'),
    (spec("TCP"), 'unknown proto: "TCP"'),
    (spec(parent_ip="localhost"), 'invalid ParentIP: "localhost"'),
    (spec(childIP="x"), 'invalid ChildIP: "x"'),
    (spec("sctp", parent_port=8080), "unsupported port protocol sctp"),
])
def test_error_texts(api, body, text):
    assert error(api.ask("POST", "/v1/ports", body)) == text
    assert api.ask("GET", "/v1/ports").body == "null"


@pytest.mark.parametrize("changes,text", [
    ({"parentPort": 65536}, "invalid ParentPort: "), ({"parentPort": -1}, "invalid ParentPort: "),
    ({"childPort": 0}, "invalid ChildPort: "), ({"childPort": 65536}, "invalid ChildPort: "),
])
def test_port_numbers_are_checked(api, changes, text):
    assert error(api.ask("POST", "/v1/ports", {**spec(), **changes})).startswith(text)


def test_busy_port_and_conflict(api):
    host = own_loopback()
    with socket.socket() as taken:
        taken.bind((host, 8080))
        taken.listen()
        assert error(api.ask("POST", "/v1/ports", spec("tcp4", host, 8080))) == \
            f"listen tcp4 {host}:8080: bind: address already in use"
    assert api.ask("POST", "/v1/ports", spec("tcp", host, 8081)).status == 201
    assert error(api.ask("POST", "/v1/ports", spec("tcp", host, 8081))) == "conflict with ID 1"


def test_removal_errors(api):
    assert error(api.ask("DELETE", "/v1/ports/abc")) == \
        'bad id abc: strconv.Atoi: parsing "abc": invalid syntax'
    assert error(api.ask("DELETE", "/v1/ports/99")) == "unknown id: 99"


def test_html_is_escaped(api):
    answer = api.ask("POST", "/v1/ports", spec("<&>"))
    assert "\\u003c\\u0026\\u003e" in answer.body and "<" not in answer.body


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/info/", "/v2/info", "/v1/nothing"])
def test_unknown_paths(api, path):
    answer = api.ask("GET", path)
    assert (answer.status, answer.body) == (404, "404 page not found\n")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_paths_are_cleaned_by_a_redirect(api):
    answer = api.ask("GET", "//v1/info")
    assert (answer.status, answer.headers["Location"]) == (301, "/v1/info")


@pytest.mark.parametrize("method,path", [("POST", "/v1/info"), ("HEAD", "/v1/info"),
                                         ("PUT", "/v1/ports"), ("GET", "/v1/ports/1")])
def test_wrong_methods(api, method, path):
    answer = api.ask(method, path)
    assert (answer.status, answer.body) == (405, "")
