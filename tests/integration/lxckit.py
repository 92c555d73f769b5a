# SPDX-License-Identifier: Apache-2.0
"""What the tests of --net=lxc-user-nic share. The bridges are made by lxc_fixture.py."""
# pylint: disable=redefined-outer-name
import json
import re
import subprocess
import uuid

import pytest

from harness import SLOW, wait_until, which


@pytest.fixture
def bridges(fixture_dir):
    about = fixture_dir("lxc/about.json")
    known = json.loads(about.read_text())
    known["directory"] = about.parent
    return known


def on(bridge, *options):
    return ["--net=lxc-user-nic", f"--lxc-user-nic-bridge={bridge['name']}", *options]


@pytest.fixture
def net(bridges):
    """Options that lead to the bridge with dnsmasq."""
    return on(bridges["dnsmasq"])


class Scripted:
    """The DHCP server that does as it is told (dhcp_server.py)."""

    def __init__(self, bridges):
        self.bridge = bridges["scripted"]
        self.orders_file = bridges["directory"] / "control" / "orders"
        self.messages_file = bridges["directory"] / "scripted.messages"
        self.network = self.bridge["address"].rpartition(".")[0]
        self.skipped = len(self.all_messages())

    def order(self, **orders):
        fresh = self.orders_file.with_name(f"orders.{uuid.uuid4().hex}")
        fresh.write_text(json.dumps(orders))
        fresh.rename(self.orders_file)

    def all_messages(self):
        if not self.messages_file.exists():
            return []
        text = self.messages_file.read_text()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def messages(self):
        """Since this test began."""
        return self.all_messages()[self.skipped:]

    def said(self):
        return [message["said"] for message in self.messages()]

    def wait_for(self, count, said, timeout=15, **fields):
        def found():
            hits = [m for m in self.messages() if m["said"] == said
                    and all(m[key] == value for key, value in fields.items())]
            return hits if len(hits) >= count else None
        return wait_until(found, timeout, f"{count} {said} {fields}; got {self.messages()}")


@pytest.fixture
def server(bridges):
    scripted = Scripted(bridges)
    scripted.order()
    yield scripted
    scripted.order()


def address_inside(running):
    """The IPv4 addresses of eth0 and its default routes, as seen by the namespace."""
    enter = [which("nsenter"), f"--target={running.child}", "--user", "--preserve-credentials"]
    enter += [f"--net={running.netns}"] if running.detached else ["--net"]
    out = subprocess.run([*enter, which("ip"), "-4", "-o", "addr", "show", "eth0"], text=True,
                         capture_output=True, check=False).stdout
    routes = subprocess.run([*enter, which("ip"), "route", "show", "default"], text=True,
                            capture_output=True, check=False).stdout
    return re.findall(r"inet ([0-9./]+)", out), re.findall(r"via ([0-9.]+)", routes)


def told(outcome, *texts, within=8):
    assert outcome.code == 1, outcome
    assert outcome.seconds < within * SLOW, outcome
    assert outcome.out == ""
    for text in texts:
        assert text in outcome.err, (text, outcome)
