# SPDX-License-Identifier: Apache-2.0
"""The DHCP client of --net=lxc-user-nic, with a server that fails on demand (dhcp_server.py)."""
# pylint: disable=redefined-outer-name,unused-import
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness import BIN_DIR, FIXTURES, SLOW, children_of, descendants, kill_all, wait_until, which
from lxckit import address_inside, bridges, on, server, told  # noqa: F401
from slirp import COPY_UP, DETACH

# The limit for the first lease (seconds), and what it may take to tell that it was reached.
DHCP_TIME, TOLD = 30, 8
LEASE = 4  # seconds, in the tests that wait for its end


# ---- what takes the full time limit runs in the background meanwhile

@pytest.fixture(scope="module")
def without_server(tmp_path_factory):
    """A run on the bridge where nobody answers. Not by `rk`, which ends with its test."""
    about = FIXTURES / "lxc" / "about.json"
    if not about.exists():
        pytest.skip(f"{about} is missing: run tests/integration/setup_privileged.sh as root")
    bridge = json.loads(about.read_text())["quiet"]
    state = tmp_path_factory.mktemp("quiet") / "state"
    began = time.monotonic()
    # The status is in the output: somebody else may reap the process.
    process = subprocess.Popen(
        ["sh", "-c", '"$@"; echo "status $?"', "sh", BIN_DIR / "rootlesskit",
         f"--state-dir={state}", *on(bridge), "echo", "started"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    process.bridge, process.began, process.state = bridge["name"], began, state
    yield process
    process.stdout.close()
    if process.poll() is None:
        kill_all(descendants(process.pid))
        process.wait()


@pytest.fixture(autouse=True)
def started_early(without_server):
    """Every test of this file is one that the run above can be waiting beside."""
    return without_server


def test_as_many_interfaces_as_are_allowed(rk, bridges, without_server):
    """One, on this bridge, and the run above has it."""
    quiet = bridges["quiet"]["name"]
    wait_until(lambda: os.listdir(f"/sys/class/net/{quiet}/brif"), what="its interface")
    assert without_server.poll() is None
    told(rk.run(*on(bridges["quiet"]), "echo", "started"), "Quota reached",
         f"as many interfaces as /etc/lxc/lxc-usernet allows are on the bridge {quiet} already")


# ---- the lease

def start(rk, server, *options):
    running = rk.start_ready(*on(server.bridge), *options)
    running.detached = "--detach-netns" in options
    running.netns = f"/proc/{running.child}/root{running.state}/netns"
    [network] = address_inside(running)[0]
    running.address = network.partition("/")[0]
    return running


@pytest.mark.parametrize("options", [[], DETACH, ["--pidns"]], ids=["own", "detached", "pidns"])
def test_the_lease_is_renewed_and_given_back(rk, server, options):
    server.order(lease=LEASE)
    running = start(rk, server, *options)
    address = running.address
    granted = server.wait_for(2, "REQUEST", client_ip=address, answer="ACK")
    # By unicast from its own address, as RENEWING wants it.
    assert all(message["from"] == address for message in granted)
    assert address_inside(running) == ([f"{address}/24"], [server.bridge["address"]])
    server.order(lease=3600)
    running.signal(signal.SIGTERM)
    running.wait()
    server.wait_for(1, "RELEASE", client_ip=address)
    # It may have asked twice: the server has half a second to answer, on a machine that may be busy.
    assert "asking" not in running.err


def test_a_server_that_is_away_for_a_while(rk, server):
    """First shorter than the lease, then longer: warned, retried, never fatal."""
    server.order(lease=LEASE)
    running = start(rk, server)
    address = running.address
    server.order(lease=LEASE, mode="silent")
    server.wait_for(2, "REQUEST", client_ip=address, answer=None)
    wait_until(lambda: "has renewed the address" in running.err and "trying again" in running.err,
               what="the warning")
    server.order(lease=LEASE)
    server.wait_for(1, "REQUEST", client_ip=address, answer="ACK")
    assert address_inside(running)[0] == [f"{address}/24"]

    server.order(lease=LEASE, mode="silent")
    wait_until(lambda: "in time; asking anew" in running.err, 15, "the end of the lease")
    wait_until(lambda: address_inside(running) == ([], []), what="the address to go")
    server.order(lease=3600)
    wait_until(lambda: address_inside(running) ==
               ([f"{address}/24"], [server.bridge["address"]]), 15, "the address to come back")
    assert running.running()


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_another_address_is_set_up(rk, server, detached):
    """The server refuses the old one at the renewal, and has another name server as well."""
    server.order(lease=2, first=100)
    running = start(rk, server, *(DETACH if detached else COPY_UP))
    server.order(lease=3600, first=200, dns=f"{server.network}.53")
    refused = server.wait_for(1, "REQUEST", client_ip=running.address, answer="NAK")[0]
    new = server.wait_for(1, "REQUEST", mac=refused["mac"], answer="ACK",
                          address=refused["address"])[0]["address"]
    wait_until(lambda: address_inside(running) ==
               ([f"{new}/24"], [server.bridge["address"]]), 10, "the new address")
    assert "asking for another one" in running.err
    wait_until(lambda: f"has got the address {new}/24" in running.err, what="the log line")
    root = Path(f"/proc/{running.child}/root")
    files = [running.state / "resolv.conf"]
    files += [] if detached else [root / "etc/resolv.conf"]
    for file in files:
        wait_until(lambda: f"nameserver {server.network}.53\n" in file.read_text(),  # pylint: disable=cell-var-from-loop
                   what=f"the name server in {file}")
        assert server.bridge["address"] not in file.read_text()


def test_answers_for_others_are_ignored(rk, server):
    server.order(mode="noise")
    out = rk.run(*on(server.bridge), which("ip"), "-4", "-o", "addr", "show", "eth0").ok().out
    assert f"inet {server.network}." in out and f"{server.network}.250" not in out


def test_between_renewals_it_costs_nothing(rk, server):
    """Its socket waits for an EtherType that does not occur; nothing else is left open inside."""
    running = start(rk, server)
    lines = Path(f"/proc/{running.child}/net/packet").read_text().splitlines()[1:]
    assert [line.split()[3] for line in lines] == ["0801"]
    # Of the child's descriptors none reaches the command.
    assert {os.readlink(f"/proc/{pid}/fd/{fd}").partition(":")[0]
            for pid in children_of(running.child) for fd in os.listdir(f"/proc/{pid}/fd")
            if int(fd) > 2} == set()


def test_a_signal_ends_the_wait_for_a_server(rk, server):
    server.order(mode="silent")
    running = rk.start(*on(server.bridge), "echo", "started")
    server.wait_for(2, "DISCOVER")
    running.signal(signal.SIGTERM)
    outcome = running.wait(timeout=5)
    assert outcome.code != 0 and outcome.out == ""


def test_a_request_that_gets_lost_is_repeated(rk, server):
    server.order(mode="no-ack")
    running = rk.start(*on(server.bridge), "sh", "-c", "echo started; exec sleep 1000")
    server.wait_for(2, "REQUEST")
    server.order()
    running.wait_line("started", timeout=10)
    said = server.said()
    assert "DISCOVER" not in said[said.index("REQUEST"):]


def test_an_interface_that_was_deleted_is_not_fatal(rk, server):
    server.order(lease=2)
    running = rk.start_ready(*on(server.bridge),
                             script=f"{which('ip')} link del eth0; echo ready; exec sleep 1000")
    wait_until(lambda: "in time; asking anew" in running.err, 15, "the end of the lease")
    assert running.running()


@pytest.mark.parametrize("mode, text", [("no-router", "got no Router"), ("no-dns", "got no DNS"),
                                        ("zero", "got zero YourIPAddr")])
def test_an_ack_that_is_no_use(rk, server, mode, text):
    server.order(mode=mode)
    told(rk.run(*on(server.bridge), "echo", "started"),
         f"could not exchange DHCP with eth0: {text}")


def test_a_server_that_refuses(rk, server):
    server.order(mode="nak")
    told(rk.run(*on(server.bridge), "echo", "started"),
         'could not exchange DHCP with eth0: did not get DHCPACK: the server refused: "not yours"')
    assert server.said().count("DISCOVER") >= 3  # more where an offer was late


def test_no_server_at_all(rk, without_server):
    """Bounded by 30 s; the run began with the first test of this file."""
    del rk
    left = DHCP_TIME + TOLD * SLOW - (time.monotonic() - without_server.began)
    out = without_server.communicate(timeout=max(left, 1))[0]
    assert out.endswith("status 1\n")
    assert "could not exchange DHCP with eth0: no DHCP server answered within 30 s" in out
    assert f"cause: no DHCP server gives addresses on the bridge {without_server.bridge}" in out
    assert "remedy: start one" in out and "started\n" not in out
    assert not without_server.state.exists()
