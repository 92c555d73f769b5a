# SPDX-License-Identifier: Apache-2.0
"""api/openapi.yaml describes the API, and the API is what it describes."""
import pytest

from openapi import Api, Document, check_metrics

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
    for bad in ("abc", "99", "-1"):
        assert api.ask("DELETE", f"/v1/ports/{bad}", known_as="/v1/ports/{id}").status == 400


def test_document_is_sound():
    Document().check_structure()


@pytest.mark.also_as_root
@pytest.mark.parametrize("driver", ["none", "builtin"])
def test_answers_are_as_described(rk, driver):
    running = rk.start_ready("--net=none", f"--port-driver={driver}")
    api = Api(running.state / "api.sock", Document())
    walk(api, driver != "none")
    api.close()
