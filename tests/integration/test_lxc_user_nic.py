# SPDX-License-Identifier: Apache-2.0
"""--net=lxc-user-nic with the real lxc-user-nic and a real dnsmasq (spec network.md 1, 7 and 9)."""
# pylint: disable=redefined-outer-name,unused-import
import json
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from harness import PYTHON, SLOW, children_of, descendants, gone, kill_all, wait_until, which
from lxckit import bridges, net, on, server, told  # noqa: F401
from netkit import free_port
from openapi import Api
from slirp import COPY_UP, DETACH, Host, ask, inside


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


def test_the_mtu_is_not_above_the_bridges(rk, server):
    """What is longer would be dropped on the way."""
    show = [which("ip"), "-o", "link", "show", "eth0"]
    assert server.bridge["mtu"] == 1400
    assert " mtu 1400 " in rk.run(*on(server.bridge), *show).ok().out
    assert " mtu 1450 " in rk.run(*on(server.bridge), "--mtu=1450", *show).ok().out


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


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_host_loopback_is_out_of_reach(rk, bridges, net, detached):
    host = Host("127.0.0.1")
    try:
        for address in (bridges["dnsmasq"]["address"], "127.0.0.1"):
            answers = ask(rk, net, detached, address, host, seconds=1)
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
    [command] = children_of(running.child)
    assert set(descendants(running.pid)) == {running.child, command}
    running.signal(signal.SIGTERM)
    running.wait()
    wait_until(lambda: set(os.listdir(ports)) <= before, timeout=15,
               what="the interface to go")


@pytest.mark.leaves_files
def test_killed_it_leaves_no_interface(rk, bridges, net):
    ports = Path(f"/sys/class/net/{bridges['dnsmasq']['name']}/brif")
    before = set(os.listdir(ports))
    running = rk.start_ready(*net)
    kill_all([running.pid])
    wait_until(lambda: gone(running.child), what="the child to die")
    wait_until(lambda: set(os.listdir(ports)) <= before, timeout=15,
               what="the interface to go")


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


def test_no_other_program_is_needed(rk, net, needs_sub_ids):
    only = rk.base / "only"
    only.mkdir()
    for name in ("newuidmap", "newgidmap"):
        (only / name).symlink_to(which(name))
    for flags in (COPY_UP, DETACH):
        rk.run(*net, *flags, "/bin/true", env=rk.with_env(PATH=only)).ok()


# ---- what can be wrong

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
         f"failed to setup network: {bridges['program']} failed: ", "exit status 1",
         f"cause: there is no bridge {name}", f"sudo ip link add {name} type bridge")


@pytest.mark.parametrize("options", [[], DETACH], ids=["own", "detached"])
def test_no_entry_in_lxc_usernet(rk, bridges, options):
    name = bridges["ungranted"]["name"]
    told(rk.run(*on(bridges["ungranted"]), *options, "echo", "started"),
         f"failed to setup network: {bridges['program']} failed: ", "Quota reached", "exit status 1",
         f"cause: /etc/lxc/lxc-usernet does not let {rk.env['USER']} use the bridge {name}",
         f"remedy: echo '{rk.env['USER']} veth {name} 10' | sudo tee -a /etc/lxc/lxc-usernet")


def test_the_setuid_bit_is_missing(rk, bridges, net):
    directory = rk.base / "bin"
    directory.mkdir()
    copy = directory / "lxc-user-nic"
    copy.write_bytes(Path(bridges['program']).read_bytes())
    copy.chmod(0o755)
    told(rk.run(*net, f"--lxc-user-nic-binary={copy}", "echo", "started"),
         f"cause: {copy} is not set-user-ID root",
         f"remedy: sudo chown root:root {copy} && sudo chmod u+s {copy}")


def test_cidr_is_refused(rk, net):
    told(rk.run(*net, "--cidr=10.0.3.0/24", "true"), "custom cidr is not supported")
