# SPDX-License-Identifier: Apache-2.0
"""api/openapi.yaml describes the API, and the API is what it describes."""
import http.client
import re
import socket

import pytest

from harness import wait_until
from netkit import BUILTIN, api  # noqa: F401
from openapi import FILE, Answer, Api, Document, check_metrics

SPEC = {"proto": "tcp", "parentIP": "127.0.0.1", "parentPort": 0, "childPort": 80}


def walk(api, with_ports):
    """Every operation of the document, well and badly used."""
    info = api.ask("GET", "/v1/info").json()
    assert info["apiVersion"] == api.document.root["info"]["version"]
    assert ("portDriver" in info) == with_ports
    added = api.ask("POST", "/v1/ports", SPEC)
    assert added.status == (201 if with_ports else 400)
    listed = api.ask("GET", "/v1/ports")
    stats = api.ask("GET", "/v1/stats")
    if with_ports:
        assert listed.json() == [added.json()]
        assert [port["id"] for port in stats.json()["ports"]] == [added.json()["id"]]
        counts = check_metrics(api.ask("GET", "/metrics").body)
        assert counts["rootlesskit_port_accepted_total"] == 1
        removal = f"/v1/ports/{added.json()['id']}"
        assert api.ask("DELETE", removal, known_as="/v1/ports/{id}").status == 200
        assert api.ask("GET", "/v1/ports").body == "null"
    else:
        assert listed.status == stats.status == 400
        assert check_metrics(api.ask("GET", "/metrics").body) == {"rootlesskit_info": 1}
    for bad in ("", "{", "[]", '{"proto":"x"}', '{"parentPort":"80"}'):
        assert api.ask("POST", "/v1/ports", bad).status == 400
    # Only the builtin network has a policy; its tests are in test_egress.py.
    assert api.ask("GET", "/v1/egress").status == 400
    assert api.ask("POST", "/v1/egress", {"action": "deny", "rule": "::/0"}).status == 400
    assert api.ask("DELETE", "/v1/egress/1", known_as="/v1/egress/{id}").status == 400
    for bad in ("abc", "99", "-1"):
        assert api.ask("DELETE", f"/v1/ports/{bad}", known_as="/v1/ports/{id}").status == 400


def test_document_is_sound():
    Document().check_structure()


def test_the_document_knows_every_status_of_the_code():
    """What the server's sources can answer, and nothing else."""
    answers = re.compile(r"(?:error_response\(|json_response\(|status = |return )([1-5]\d\d)\b|"
                         r"\? (\d{3}) : (\d{3})\b")
    found = set()
    for name in ("routes.cc", "connection.cc", "server.cc", "http.cc", "http.h"):
        text = (FILE.parent.parent / "src" / "api" / name).read_text()
        found |= {int(number) for groups in answers.findall(text) for number in groups if number}
    assert {200, 201, 301, 403, 413, 503} <= found, "the pattern no longer finds them"
    assert Document().statuses() == found


def test_answers_to_what_is_no_operation(api):
    api.document = Document()
    for method, target, status in (("GET", "//v1/info", 301), ("GET", "/v1/info/", 404),
                                   ("GET", "/v2/info", 404), ("DELETE", "/v1/info", 405),
                                   ("PUT", "/v1/ports", 405), ("GET", "/v1/ports/1", 405)):
        assert api.ask(method, target, known_as="").status == status


def test_answers_over_the_limits(api):
    api.document = Document()
    for target in ("/v1/info", "/metrics"):
        api.putrequest("GET", target)
        api.putheader("X-Long", "x" * 20_000)
        api.endheaders()
        answer = Answer(api.getresponse())
        assert answer.status == 431
        api.document.check_answer(target, "GET", answer)
        api.close()
    assert api.ask("POST", "/v1/ports", "x" * 70_000).status == 413
    api.close()
    assert api.ask("GET", "/v1/info").status == 200


def test_a_client_too_many_is_told_so(rk):
    """64 clients in the middle of a request: the next one gets the documented answer at once."""
    running = rk.start_ready(*BUILTIN)
    path = str(running.state / "api.sock")
    busy = []
    for _ in range(64):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(path)
        sock.sendall(b"GET /v1/inf")
        busy.append(sock)

    def refused():
        """The busy ones are only known as such once the server has read of them. The refusal comes
        before the request, which may then find nobody to take it."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
            try:
                sock.sendall(b"GET /v1/info HTTP/1.1\r\nHost: x\r\n\r\n")
            except BrokenPipeError:
                pass
            response = http.client.HTTPResponse(sock)
            response.begin()
            answer = Answer(response)
        Document().check_answer("/v1/info", "GET", answer)
        return answer.status == 503
    wait_until(refused, what="a refusal")
    for sock in busy:
        sock.sendall(b"o HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(15) == b"HTTP/1.1 200 OK"
        sock.close()


@pytest.mark.also_as_root
@pytest.mark.parametrize("driver", ["none", "builtin"])
def test_answers_are_as_described(rk, driver):
    running = rk.start_ready("--net=none", f"--port-driver={driver}")
    api = Api(running.state / "api.sock", Document())
    walk(api, driver != "none")
    api.close()
