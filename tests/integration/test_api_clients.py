# SPDX-License-Identifier: Apache-2.0
"""The REST API: connections good, slow and hostile, and who may ask."""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import PYTHON, wait_until, which
from netkit import BUILTIN, api, api_of, ask, own_loopback, serve, spec


# --- connections ---


def test_keep_alive(api):
    api.ask("GET", "/v1/info")
    first = api.sock
    for _ in range(20):
        assert api.ask("GET", "/v1/info").status == 200
        assert api.ask("GET", "/v1/nothing").status == 404
        assert api.ask("DELETE", "/v1/ports/99").status == 400
    assert api.sock is first and first is not None


def raw(api, text, shutdown=False):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(api.path)
        sock.sendall(text)
        if shutdown:
            sock.shutdown(socket.SHUT_WR)
        data = b""
        while part := sock.recv(65536):
            data += part
        return data


def test_two_requests_in_one_write(api):
    request = b"GET /v1/info HTTP/1.1\r\nHost: x\r\n"
    data = raw(api, request + b"\r\n" + request + b"Connection: close\r\n\r\n")
    assert data.count(b"HTTP/1.1 200 OK\r\n") == 2


def test_http_1_0_is_closed_after_the_answer(api):
    assert b" 200 OK\r\n" in raw(api, b"GET /v1/info HTTP/1.0\r\n\r\n")


def test_expect_100_continue(api):
    """curl sends this with larger bodies."""
    body = json.dumps(spec(parent_ip=own_loopback(), x="y" * 2000)).encode()
    head = (b"POST /v1/ports HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body))
    assert b" 201 Created\r\n" in raw(api, head + body)


@pytest.mark.parametrize("text", [
    b"\0\1\2\3\r\n\r\n", b"GET\r\n\r\n", b"GET /v1/info HTTP/9.9\r\n\r\n",
    b"GET /v1/info HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /v1/ports HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"POST /v1/ports HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
])
def test_garbage_ends_only_its_own_connection(api, text):
    try:
        data = raw(api, text, shutdown=True)
    except ConnectionError:
        data = b""
    assert not data or data.startswith(b"HTTP/1.1 4") or data.startswith(b"HTTP/1.1 505"), data
    assert api.ask("GET", "/v1/info").status == 200


def mutated(request, chance):
    """The request with some bytes changed, left out, doubled, or its end cut off."""
    data = bytearray(request)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data)) if data else 0
        kind = chance.randrange(5)
        if kind == 0:
            data[at:at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            data[at:at + chance.randint(1, 8)] = b""
        elif kind == 2:
            data[at:at] = data[at:at + chance.randint(1, 40)]
        elif kind == 3:
            data[at:at] = chance.choice((b"\r\n", b"\0", b"{", b'"', b"99999999999999999999", b"-",
                                         b"\r\n\r\n", b"chunked", b"%2f", b"\xff\xfe"))
        elif chance.randrange(8) == 0:
            del data[at:]
    return bytes(data)


def test_mutated_requests_do_no_harm(rk):
    """Every answer is one of the API, ports are served all the while, and nothing is left."""
    host = own_loopback()
    running = serve(rk, f"-p={host}:8080:127.0.0.1:80/tcp")
    api, chance = api_of(running), random.Random(3)
    body = json.dumps(spec(parent_ip="127.3.3.3")).encode()  # the same in each run
    head = b"POST /v1/ports HTTP/1.1\r\nHost: rootlesskit\r\n"
    seeds = [b"GET /v1/info HTTP/1.1\r\nHost: rootlesskit\r\n\r\n",
             b"DELETE /v1/ports/7654321 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
             head + b"Content-Length: %d\r\n\r\n%s" % (len(body), body),
             head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" %
             (len(body), body)]

    def descriptors():
        return len(os.listdir(f"/proc/{running.pid}/fd"))
    assert api.ask("GET", "/v1/stats").status == 200
    before = descriptors()
    for number in range(400):
        try:
            data = raw(api, mutated(chance.choice(seeds), chance), shutdown=True)
        except ConnectionError:
            data = b""
        assert not data or data.startswith(b"HTTP/1.1 "), data
        if number % 50 == 0:
            assert ask(host, 8080) == b"hello"
    for port in api.ask("GET", "/v1/ports").json():
        if port["id"] != 1:
            assert api.ask("DELETE", f"/v1/ports/{port['id']}").status == 200
    assert ask(host, 8080) == b"hello"
    wait_until(lambda: descriptors() <= before, what="every descriptor to be closed")
    assert running.running()


def half_requests(api, count):
    socks = []
    for _ in range(count):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(api.path)
        try:
            sock.send(b"GET /v1/in")
        except BrokenPipeError:
            pass  # too many: it was told so and hung up on
        socks.append(sock)
    return socks


def test_slow_clients_hold_up_no_other(api):
    socks = half_requests(api, 50)
    assert api_of(api.running).ask("GET", "/v1/info").status == 200
    for sock in socks:
        sock.close()


def test_too_many_slow_clients_hold_up_no_port(rk):
    host = own_loopback()
    running = serve(rk, f"-p={host}:8080:127.0.0.1:80/tcp")
    api = api_of(running)
    assert api.ask("GET", "/v1/info").status == 200
    socks = half_requests(api, 200)
    assert ask(host, 8080) == b"hello"
    for sock in socks:
        sock.close()
    wait_until(lambda: api_of(running).ask("GET", "/v1/info").status == 200,
               what="the API to answer again")


def test_idle_connections_make_room_for_new_ones(api):
    idle = [api_of(api.running) for _ in range(100)]
    for other in idle:
        assert other.ask("GET", "/v1/info").status == 200
    assert idle[-1].ask("GET", "/v1/info").status == 200
    for other in idle:
        other.close()


def test_curl_as_in_the_documentation(api):
    out = subprocess.run([which("curl"), "-s", "--unix-socket", api.path,
                          "http://rootlesskit/v1/info"], capture_output=True, text=True,
                         check=True).stdout
    assert json.loads(out)["childPID"] == api.running.child


# --- who may ask ---

STRANGER = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b" HTTP/1.0\\r\\nContent-Length: 0\\r\\n\\r\\n")
print(s.recv(4096).decode())
"""


@pytest.fixture
def open_dir():
    """A directory that every user reaches (pytest's own are private)."""
    path = Path(tempfile.mkdtemp(prefix="rk-api-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("ids", [[], ["--reuid=5", "--regid=5", "--clear-groups"]],
                         ids=["root", "other"])
def test_everybody_with_a_mapped_id_may_ask(rk, open_dir, ids):
    """From inside; with the own ID, and with a subordinate one."""
    running = serve(rk, state=open_dir / "state", umask=0)
    outcome = rk.other(which("nsenter"), "--preserve-credentials", "-U", "-m", "-t", running.child,
                       which("setpriv"), *ids, *PYTHON, "-c", STRANGER, running.socket,
                       "GET /v1/info", prefix=())
    assert " 200 OK" in outcome.ok().out.splitlines()[0]
    running.signal(signal.SIGTERM)
    running.wait()


@pytest.mark.only_as_root
@pytest.mark.parametrize("request_line", ["GET /v1/info", "GET /v1/ports", "POST /v1/ports",
                                          "DELETE /v1/ports/1", "GET /metrics", "GET /v1/stats"])
def test_strangers_are_forbidden(rk, open_dir, request_line):
    running = rk.start_ready(*BUILTIN, "--subid-source=none", state=open_dir / "state", umask=0)
    running.state.chmod(0o755)
    path = running.state / "api.sock"
    argv = [*PYTHON, "-c", STRANGER, path, request_line]
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    out = rk.other(which("setpriv"), *nobody[1:], *argv).ok().out
    assert " 403 " in out.splitlines()[0] and '{"message":' in out
    out = rk.other(*argv).ok().out
    assert " 403 " not in out.splitlines()[0]
    running.signal(signal.SIGTERM)
    running.wait()
