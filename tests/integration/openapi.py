# SPDX-License-Identifier: Apache-2.0
"""Holds answers against api/openapi.yaml. Only the part of OpenAPI 3.0 that the file uses is known;
anything else in it is an error, so that nothing goes unchecked."""
import http.client
import json
import re
import socket
from pathlib import Path

import yaml

FILE = Path(__file__).resolve().parent.parent.parent / "api" / "openapi.yaml"
METHODS = {"get", "post", "put", "delete", "head", "patch", "options"}
SCHEMA_KEYS = {"type", "properties", "required", "additionalProperties", "items", "enum", "nullable",
               "minimum", "maximum", "description", "example", "$ref"}
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


class Document:
    """The parsed file, with its references resolved on the way."""

    def __init__(self, path=FILE):
        self.root = yaml.safe_load(path.read_text())

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            where = self.root
            assert node["$ref"].startswith("#/"), node
            for part in node["$ref"][2:].split("/"):
                where = where[part]
            node = where
        return node

    def operations(self):
        for path, methods in self.root["paths"].items():
            for method, operation in methods.items():
                yield path, method, operation

    def check_structure(self):
        """Everything refers to something, and nothing is there that we would not check."""
        assert re.fullmatch(r"3\.0\.\d", self.root["openapi"])
        assert {"title", "version"} <= self.root["info"].keys()
        names = set()
        for path, method, operation in self.operations():
            assert path.startswith("/") and method in METHODS, (path, method)
            assert operation["operationId"] not in names, operation["operationId"]
            names.add(operation["operationId"])
            in_path = set(re.findall(r"{(\w+)}", path))
            declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert in_path == declared, path
            for content in self._contents(operation):
                for media in content.values():
                    self.check_schema(media["schema"])
        for content in self._contents_of(self.root["x-no-operation"]):
            for media in content.values():
                self.check_schema(media["schema"])
        for schema in self.root["components"]["schemas"].values():
            self.check_schema(schema)

    def statuses(self):
        """Every status the document knows, of any operation or none."""
        known = set(self.root["x-no-operation"])
        for _, _, operation in self.operations():
            known |= operation["responses"].keys()
        return {int(status) for status in known}

    def _contents(self, operation):
        if "requestBody" in operation:
            yield operation["requestBody"]["content"]
        assert operation["responses"]
        yield from self._contents_of(operation["responses"])

    def _contents_of(self, responses):
        for status, response in responses.items():
            assert re.fullmatch(r"[1-5]\d\d", status), "statuses are quoted strings"
            response = self.resolve(response)
            assert response["description"]
            yield response.get("content", {})

    def check_schema(self, schema):
        unknown = schema.keys() - SCHEMA_KEYS
        assert not unknown, f"{unknown} in a schema"
        schema = self.resolve(schema)
        assert schema["type"] in TYPES, schema
        assert set(schema.get("required", [])) <= schema.get("properties", {}).keys(), schema
        for inner in schema.get("properties", {}).values():
            self.check_schema(inner)
        for key in ("items", "additionalProperties"):
            if isinstance(schema.get(key), dict):
                self.check_schema(schema[key])

    def check_value(self, value, schema, where="body"):
        schema = self.resolve(schema)
        if value is None:
            assert schema.get("nullable"), f"{where} is null"
            return
        kind = schema["type"]
        assert isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool)), \
            f"{where}: {value!r} is no {kind}"
        assert value in schema.get("enum", [value]), f"{where}: {value!r}"
        if kind == "integer":
            assert schema.get("minimum", value) <= value <= schema.get("maximum", value), where
        elif kind == "array":
            for i, item in enumerate(value):
                self.check_value(item, schema["items"], f"{where}[{i}]")
        elif kind == "object":
            self._check_object(value, schema, where)

    def _check_object(self, value, schema, where):
        missing = set(schema.get("required", [])) - value.keys()
        assert not missing, f"{where} lacks {missing}"
        rest = schema.get("additionalProperties", True)
        for key, item in value.items():
            known = schema.get("properties", {}).get(key)
            if known is not None:
                self.check_value(item, known, f"{where}.{key}")
            else:
                assert rest, f"{where}: unexpected {key}"
                if isinstance(rest, dict):
                    self.check_value(item, rest, f"{where}.{key}")

    def check_answer(self, path, method, answer):
        """The answer to METHOD of a path of the document (with its {braces}); None: of no path."""
        responses = self.root["x-no-operation"] if path is None else \
            self.root["paths"][path][method.lower()]["responses"]
        assert str(answer.status) in responses, f"{method} {path}: {answer!r}"
        content = self.resolve(responses[str(answer.status)]).get("content")
        if not content:
            assert not answer.body and not answer.type, answer
            return
        assert answer.type in content, answer
        schema = content[answer.type]["schema"]
        if self.resolve(schema)["type"] != "string":
            self.check_value(json.loads(answer.body), schema)


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.type = response.headers.get("Content-Type")
        self.body = response.read().decode()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.type}: {self.body!r}"


class Api(http.client.HTTPConnection):
    """A client of an api.sock that checks every answer it gets."""

    def __init__(self, path, document=None):
        super().__init__("rootlesskit", timeout=20)
        self.path, self.document = str(path), document

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def ask(self, method, target, body=None, known_as=None):
        text = json.dumps(body) if isinstance(body, dict) else body
        self.request(method, target, text)
        answer = Answer(self.getresponse())
        if self.document:
            path = None if known_as == "" else known_as or target
            self.document.check_answer(path, method, answer)
        return answer


def check_metrics(text):
    """Prometheus' text format: HELP and TYPE once before the samples of each name, counters named
    _total. Returns {name: number of samples}."""
    sample = re.compile(r'^(\w+)(?:{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*})? (\d+)$')
    counts, current, kind = {}, None, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            current = line.split(" ", 3)[2]
            assert current not in counts, f"{current} twice"
            counts[current] = 0
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current and (kind == "counter") == name.endswith("_total"), line
        else:
            match = sample.match(line)
            assert match and match.group(1) == current and kind, line
            counts[current] += 1
    assert text.endswith("\n")
    return counts
