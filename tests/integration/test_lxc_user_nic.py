# SPDX-License-Identifier: Apache-2.0
"""--net=lxc-user-nic with the real lxc-user-nic, a real dnsmasq and a DHCP server that fails on
demand (spec network.md 1, 7 and 9). The bridges are made by lxc_fixture.py."""
# pylint: disable=redefined-outer-name
import json
import os
import re
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from harness import PYTHON, SLOW, descendants, gone, kill_all, wait_until, which
from netkit import free_port
from openapi import Api
from slirp import COPY_UP, DETACH, Host, ask, inside

BINARY = "/usr/libexec/lxc/lxc-user-nic"
# The limit for the first lease (seconds), and what it may take to tell that it was reached.
DHCP_TIME, TOLD = 30, 8
LEASE = 4  # seconds, in the tests that wait for its end


@pytest.fixture
def bridges(fixture_dir):
    which("dnsmasq")
    directory = fixture_dir("lxc")
    known = json.loads((directory / "about.json").read_text())
    known["directory"] = directory
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

    def answers(self, count, said, answer, timeout=15):
        return self.wait_for(count, said, timeout, answer=answer)


@pytest.fixture
def server(bridges):
    scripted = Scripted(bridges)
    scripted.order()
    yield scripted
    scripted.order()


def address_inside(running, detached=False):
    """The IPv4 addresses of eth0 and its default routes, as seen by the namespace."""
    enter = [which("nsenter"), f"--target={running.child}", "--user", "--preserve-credentials"]
    enter += [f"--net={running.netns}"] if detached else ["--net"]
    out = subprocess.run([*enter, which("ip"), "-4", "-o", "addr", "show", "eth0"], text=True,
                         capture_output=True, check=False).stdout
    routes = subprocess.run([*enter, which("ip"), "route", "show", "default"], text=True,
                            capture_output=True, check=False).stdout
    return re.findall(r"inet ([0-9./]+)", out), re.findall(r"via ([0-9.]+)", routes)


def told(outcome, *texts, within=5.5):
    assert outcome.code == 1, outcome
    assert outcome.seconds < within * SLOW, outcome
    assert outcome.out == ""
    for text in texts:
        assert text in outcome.err, (text, outcome)


# ---- what takes the full time limit runs in the background meanwhile

@pytest.fixture(scope="module")
def without_server(tmp_path_factory):
    """A run on the bridge where nobody answers. Not by `rk`, which ends with its test."""
    from harness import BIN_DIR, FIXTURES
    about = FIXTURES / "lxc" / "about.json"
    if not about.exists():
        pytest.skip(f"{about} is missing: run tests/integration/setup_privileged.sh as root")
    bridge = json.loads(about.read_text())["quiet"]
    state = tmp_path_factory.mktemp("quiet") / "state"
    began = time.monotonic()
    process = subprocess.Popen(
        [BIN_DIR / "rootlesskit", f"--state-dir={state}", *on(bridge), "echo", "started"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    process.bridge, process.began, process.state = bridge["name"], began, state
    yield process
    if process.poll() is None:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def started_early(without_server):
    """Every test of this file is one that the run above can be waiting beside."""
    return without_server


# ---- the interface

@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
@pytest.mark.parametrize("flags", [[], ["--pidns"]], ids=" ".join)
def test_interface_address_route_dns_and_mtu(rk, bridges, net, flags, detached):
    ip, enter, gateway = which("ip"), inside(detached), bridges["dnsmasq"]["address"]
    network = gateway.rpartition(".")[0]
    out = rk.sh(*net, *flags, *(DETACH if detached else COPY_UP),
                f"{enter}{ip} -o -4 addr show eth0; {enter}{ip} route; "
                f"{enter}{ip} -o link show eth0; {enter}{ip} -o link show lo; "
                "cat $ROOTLESSKIT_STATE_DIR/resolv.conf").ok().out
    assert re.search(rf"inet {re.escape(network)}\.\d+/24 .*scope global", out), out
    assert f"default via {gateway} dev eth0" in out
    assert f"{network}.0/24 dev eth0 proto kernel" in out
    assert re.search(r"eth0@\S+ <[^>]*\bUP\b[^>]*LOWER_UP[^>]*>.* mtu 1500 ", out)
    assert re.search(r"lo: <LOOPBACK,UP", out)
    assert f"nameserver {gateway}\n" in out


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_ifname_and_mtu(rk, net, detached):
    ip, enter = which("ip"), inside(detached)
    out = rk.sh(*net, "--ifname=up7", "--mtu=1400", *(DETACH if detached else []),
                f"{enter}{ip} -o -4 addr show up7; {enter}{ip} -o link show up7").ok().out
    assert "inet 198.18." in out and " mtu 1400 " in out


def test_resolv_conf_names_the_server_and_keeps_search_and_options(rk, bridges, net):
    out = rk.run(*net, *COPY_UP, "cat", "/etc/resolv.conf").ok().lines()
    assert out[0] == f"nameserver {bridges['dnsmasq']['address']}"
    hosts = [line.split()[1:] for line in Path("/etc/resolv.conf").read_text().splitlines()
             if line.split()[:1] in (["search"], ["domain"])]
    assert [line.split()[1:] for line in out if line.startswith("search")] == hosts[-1:]
    assert len([line for line in out if line.startswith("nameserver")]) == 1


def test_names_are_resolved(rk, bridges, net):
    lookup = "import socket; print(socket.gethostbyname('host.rk.test.'))"
    out = rk.run(*net, *COPY_UP, *PYTHON, "-c", lookup).ok().out
    assert out == bridges["dnsmasq"]["address"] + "\n"


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_the_host_is_reached_by_the_bridge(rk, bridges, net, detached):
    host = Host(bridges["dnsmasq"]["address"])
    try:
        assert ask(rk, net, detached, bridges["dnsmasq"]["address"], host) == ["pong", "pong"]
        assert all(peer[0].startswith("198.18.") for _, peer in host.asked)
    finally:
        host.close()


def test_host_loopback_is_out_of_reach(rk, bridges, net):
    host = Host("127.0.0.1")
    try:
        for address in (bridges["dnsmasq"]["address"], "127.0.0.1"):
            answers = ask(rk, net, False, address, host, seconds=1)
            assert all(line.startswith("failed:") for line in answers), answers
        assert not host.asked
    finally:
        host.close()


def test_sysfs_shows_the_namespaces_devices(rk, net):
    assert set(rk.run(*net, "ls", "/sys/class/net").ok().out.split()) == {"eth0", "lo"}


def test_what_the_warnings_and_the_api_say(rk, net):
    running = rk.start_ready(*net)
    assert '\\"lxc-user-nic\\" is experimental' in running.err
    assert "--disable-host-loopback is implicitly set for --net=lxc-user-nic" in running.err
    api = Api(running.state / "api.sock")
    info = json.loads(api.ask("GET", "/v1/info").body)
    api.close()
    assert info["networkDriver"]["driver"] == "lxc-user-nic"
    assert info["networkDriver"]["dynamicChildIP"] is True
    assert not info["networkDriver"].get("dns") and not info["networkDriver"].get("childIP")


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_nothing_is_left(rk, bridges, net, detached):
    """No helper process while it runs; after the end the interface is gone from the bridge."""
    ports = Path(f"/sys/class/net/{bridges['dnsmasq']['name']}/brif")
    before = set(os.listdir(ports))
    running = rk.start_ready(*net, *(DETACH if detached else []))
    assert len(set(os.listdir(ports)) - before) == 1
    command = [pid for pid in descendants(running.child)]
    assert set(descendants(running.pid)) == {running.child, *command} and len(command) == 1
    running.signal(signal.SIGTERM)
    running.wait()
    wait_until(lambda: set(os.listdir(ports)) <= before, what="the interface to go")


@pytest.mark.leaves_files
def test_killed_it_leaves_no_interface(rk, bridges, net):
    ports = Path(f"/sys/class/net/{bridges['dnsmasq']['name']}/brif")
    before = set(os.listdir(ports))
    running = rk.start_ready(*net)
    kill_all([running.pid])
    wait_until(lambda: gone(running.child), what="the child to die")
    wait_until(lambda: set(os.listdir(ports)) <= before, what="the interface to go")


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_a_port_is_published_on_top(rk, net, detached):
    port = free_port()
    serve = (f"exec {inside(detached)}{' '.join(PYTHON)} -c \"import socket\n"
             "s = socket.create_server(('', 80)); print('ready', flush=True)\n"
             "while True:\n c, _ = s.accept(); c.sendall(b'pong'); c.close()\"")
    rk.start_ready(*net, *(DETACH if detached else []), "--port-driver=builtin", "-p",
                   f"127.0.0.1:{port}:80/tcp", script=serve)
    with socket.create_connection(("127.0.0.1", port), 5 * SLOW) as client:
        client.settimeout(5 * SLOW)
        assert client.recv(10) == b"pong"


# ---- the lease

def start(rk, server, *options):
    detached = "--detach-netns" in options
    state = rk.state()
    running = rk.start_ready(*on(server.bridge), "--debug", *options, state=state)
    running.netns = f"/proc/{running.child}/root{state}/netns"
    return running, detached


@pytest.mark.parametrize("options", [[], DETACH, ["--pidns"]], ids=["own", "detached", "pidns"])
def test_the_lease_is_renewed_and_given_back(rk, server, options):
    server.order(lease=2)
    running, detached = start(rk, server, *options)
    granted = server.wait_for(2, "REQUEST", client_ip=server.messages()[0]["address"],
                              answer="ACK")
    # By unicast from its own address, as RENEWING wants it.
    assert all(message["from"] == message["client_ip"] for message in granted)
    address = granted[0]["client_ip"]
    assert address_inside(running, detached) == ([f"{address}/24"], [server.bridge["address"]])
    server.order(lease=3600)
    running.signal(signal.SIGTERM)
    running.wait()
    server.wait_for(1, "RELEASE", client_ip=address)
    assert "trying again" not in running.err and "asking" not in running.err


def test_a_server_that_is_away_for_a_while(rk, server):
    """First shorter than the lease, then longer: warned, retried, never fatal."""
    server.order(lease=LEASE)
    running, _ = start(rk, server)
    address = server.messages()[0]["address"]
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
    running, _ = start(rk, server, *(DETACH if detached else COPY_UP))
    old = server.messages()[0]["address"]
    server.order(lease=3600, first=200, dns=f"{server.network}.53")
    new = server.answers(1, "REQUEST", "ACK", 15)[-1]
    new = wait_until(lambda: [m["address"] for m in server.messages()
                              if m["answer"] == "ACK" and m["address"] != old], 15, "another one")[0]
    wait_until(lambda: address_inside(running, detached) ==
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
    assert server.messages()[0]["address"] in out and f"{server.network}.250" not in out


def test_an_interface_that_was_deleted_is_not_fatal(rk, server):
    server.order(lease=2)
    running = rk.start_ready(*on(server.bridge),
                             script=f"{which('ip')} link del eth0; echo ready; exec sleep 1000")
    wait_until(lambda: "in time; asking anew" in running.err, 15, "the end of the lease")
    assert running.running()


# ---- what can be wrong

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
    assert server.said().count("DISCOVER") == 3


def test_no_program(rk, bridges):
    told(rk.run(*on(bridges["dnsmasq"]), "--lxc-user-nic-binary=/nonexistent/nic", "echo", "started"),
         "failed to setup network", "/nonexistent/nic", "no such file or directory", "remedy:",
         "install lxc")
    told(rk.run(*on(bridges["dnsmasq"]), "--lxc-user-nic-binary=", "echo", "started"),
         "failed to setup network: lxc-user-nic is not installed", "remedy:", "install lxc")


def test_bin_false(rk, net):
    outcome = rk.run(*net, "--lxc-user-nic-binary=/bin/false", "echo", "started")
    told(outcome, "failed to setup network: /bin/false failed: : exit status 1")
    assert "chmod u+s" not in outcome.err


def test_a_program_that_hangs_is_ended_by_a_signal(rk, net):
    directory = rk.script("lxc-user-nic", "echo $$ >$0.pid; exec sleep 1000")
    running = rk.start(*net, f"--lxc-user-nic-binary={directory}/lxc-user-nic", "true")
    pid = wait_until(lambda: (directory / "lxc-user-nic.pid").exists() and
                     (directory / "lxc-user-nic.pid").read_text().strip(), what="it to hang")
    running.signal(signal.SIGTERM)
    assert running.wait().code != 0
    assert gone(int(pid))


def test_the_command_line_and_its_process(rk, net, bridges):
    """What a helper is called with; the PID it gets is in the namespace, also a detached one."""
    directory = rk.script("lxc-user-nic", 'echo "$0 $*" >$0.words; readlink /proc/$4/ns/net >$0.net; '
                          'readlink /proc/self/ns/net; echo said-why >&2; exit 7')
    binary = f"{directory}/lxc-user-nic"
    for options in ([], DETACH):
        outcome = rk.run(*net, "--ifname=up7", f"--lxc-user-nic-binary={binary}", *options, "true")
        told(outcome, f"{binary} failed: ", "said-why: exit status 7")
        words = (directory / "lxc-user-nic.words").read_text().split()
        assert words[1:4] == ["create", "/dev/null", "dummy"] and words[4].isdigit()
        assert words[5:] == ["veth", bridges["dnsmasq"]["name"], "up7"]
        namespace = (directory / "lxc-user-nic.net").read_text().strip()
        assert namespace.startswith("net:[") and namespace != os.readlink("/proc/self/ns/net")


def test_the_bridge_is_missing(rk, bridges):
    name = bridges["missing"]["name"]
    told(rk.run(*on(bridges["missing"]), "echo", "started"),
         f"failed to setup network: {BINARY} failed: ", "exit status 1",
         f"cause: there is no bridge {name}", f"sudo ip link add {name} type bridge")


@pytest.mark.parametrize("options", [[], DETACH], ids=["own", "detached"])
def test_no_entry_in_lxc_usernet(rk, bridges, options):
    name = bridges["ungranted"]["name"]
    told(rk.run(*on(bridges["ungranted"]), *options, "echo", "started"),
         f"failed to setup network: {BINARY} failed: ", "Quota reached", "exit status 1",
         f"cause: /etc/lxc/lxc-usernet does not let {rk.env['USER']} use the bridge {name}",
         f"remedy: echo '{rk.env['USER']} veth {name} 10' | sudo tee -a /etc/lxc/lxc-usernet")


def test_the_setuid_bit_is_missing(rk, net):
    directory = rk.base / "bin"
    directory.mkdir()
    copy = directory / "lxc-user-nic"
    copy.write_bytes(Path(BINARY).read_bytes())
    copy.chmod(0o755)
    told(rk.run(*net, f"--lxc-user-nic-binary={copy}", "echo", "started"),
         f"cause: {copy} is not set-user-ID root",
         f"remedy: sudo chown root:root {copy} && sudo chmod u+s {copy}")


def test_cidr_is_refused(rk, net):
    told(rk.run(*net, "--cidr=10.0.3.0/24", "true"), "custom cidr is not supported")


def test_no_server_at_all(rk, without_server):
    """Bounded by 30 s; the run began with the first test of this file."""
    del rk
    left = DHCP_TIME + TOLD * SLOW - (time.monotonic() - without_server.began)
    out = without_server.communicate(timeout=max(left, 1))[0]
    assert without_server.returncode == 1, out
    assert "could not exchange DHCP with eth0: no DHCP server answered within 30 s" in out
    assert f"cause: no DHCP server gives addresses on the bridge {without_server.bridge}" in out
    assert "remedy: start one" in out and "started\n" not in out
    assert not without_server.state.exists()
