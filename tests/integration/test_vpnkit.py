# SPDX-License-Identifier: Apache-2.0
"""--net=vpnkit (spec network.md 6) against a peer that speaks vpnkit's protocol, vpnkit_peer.py."""
# pylint: disable=redefined-outer-name
import json
import os
import re
import signal
from pathlib import Path

import pytest

from harness import HERE, PYTHON, SLOW, children_of, gone, wait_until, which
from netkit import api_of, ask, free_port, own_loopback
from slirp import COPY_UP, DETACH, arguments_of, inside

NET = ["--net=vpnkit"]


@pytest.fixture(autouse=True)
def needs_tun():
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("/dev/net/tun cannot be opened")


class Peer:
    def __init__(self, rk, mode="normal"):
        self.log_path = rk.base / "peer.log"
        line = " ".join([*PYTHON, str(HERE / "vpnkit_peer.py"), str(self.log_path), mode])
        self.binary = rk.script("vpnkit", f'exec {line} "$@"\n') / "vpnkit"
        # The socket's path has to be short.
        self.flags = [*NET, f"--vpnkit-binary={self.binary}", f"--state-dir={rk.state()}"]
        self.quiet = [*self.flags, "--disable-host-loopback"]

    def log(self, key):
        lines = self.log_path.read_text().splitlines() if self.log_path.exists() else []
        return [entry[key] for entry in map(json.loads, lines) if key in entry]


@pytest.fixture
def peer(rk):
    return Peer(rk)


def processes(running):
    """(vpnkit, relay)"""
    def found():
        vpnkit = relay = None
        for pid in children_of(running.pid):
            if pid == running.child:
                continue
            words = arguments_of(pid)
            if "--ethernet" in words:
                vpnkit = pid
            elif words and "rootlesskit" in words[0]:
                relay = pid
        return (vpnkit, relay) if vpnkit and relay else None
    return wait_until(found, what="vpnkit and the relay")


CLIENT = r"""
import socket, struct, sys, time
what, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if what == "ping":
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    s.settimeout(5)
    s.sendto(struct.pack("!BBHHH", 8, 0, 0xffff - 0x0800 - 7 - 1, 7, 1), ("192.168.65.1", 0))
    print(s.recv(100)[20])
else:
    first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    first.settimeout(0.2)
    for _ in range(50):  # what is sent while a relay is being replaced is lost
        try: first.sendto(b"?", ("192.168.65.1", 7)) ; first.recv(10) ; break
        except OSError: time.sleep(0.05)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(10)
    s.connect(("192.168.65.1", 7))
    waited_for, back = set(), 0
    def answer():  # in any order: the kernel's queues keep it only while nobody changes processors
        data = s.recv(2000)
        number, rest = data.split(b"x", 1)
        assert set(rest) <= set(b"x"), data
        waited_for.remove(int(number))
        return data
    for i in range(count):  # some are on the way at any time
        s.send(b"%d" % i + b"x" * (size - len(str(i))))
        waited_for.add(i)
        if len(waited_for) >= 16:
            data = answer() ; back += 1
    while waited_for:
        data = answer() ; back += 1
    s.connect(("192.168.65.1", 9))
    s.send(b"?")
    print(back, len(data), int(s.recv(100)) > count)
"""


def client(rk, *arguments):
    (rk.base / "client.py").write_text(CLIENT)
    return " ".join([*PYTHON, str(rk.base / "client.py"), *map(str, arguments)])


@pytest.mark.also_as_root
@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
@pytest.mark.parametrize("flags", [[], ["--pidns"], COPY_UP], ids=" ".join)
def test_interface(rk, peer, flags, detached):
    ip, enter = which("ip"), inside(detached)
    out = rk.sh(*peer.quiet, *flags, *(DETACH if detached else []),
                f"{enter}{ip} -o -4 addr show tap0; {enter}{ip} route; "
                f"{enter}{ip} -o link show tap0; cat $ROOTLESSKIT_STATE_DIR/resolv.conf; "
                f"{enter}{client(rk, 'ping', 0, 0)}").ok().out
    assert re.search(r"inet 192\.168\.65\.3/24 .*scope global", out)
    assert "default via 192.168.65.1 dev tap0" in out
    assert re.search(r"tap0: <[^>]*\bUP\b[^>]*LOWER_UP[^>]*>.* mtu 1500 ", out)
    assert "link/ether 02:50:00:00:00:03 " in out
    assert "nameserver 192.168.65.1\n" in out
    assert out.endswith("\n0\n")  # an echo reply


@pytest.mark.parametrize("size", [1, 1472])
def test_datagrams_both_ways(rk, peer, size):
    out = rk.sh(*peer.quiet, client(rk, "udp", 3000, max(size, 5))).ok().out
    assert out == f"3000 {max(size, 5)} True\n"


def test_frames_in_pieces(rk):
    assert rk.sh(*Peer(rk, "trickle").quiet, client(rk, "udp", 30, 100)).ok().out == "30 100 True\n"


def test_what_is_said_to_vpnkit(rk, peer):
    outcome = rk.run(*peer.flags, "true").ok()
    assert peer.log("argv") == [["--ethernet", f"{rk.state()}/vpnkit-ethernet.sock", "--mtu", "1500"]]
    assert peer.log("hello") == [["VMN3T", 22]]
    assert peer.log("kind") == [1] and peer.log("ip") == ["00000000"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", peer.log("uuid")[0])
    assert "--disable-host-loopback is highly recommended" in outcome.err
    rk.run(*peer.quiet, "--mtu=1400", "true").ok()
    assert peer.log("argv")[1][2:] == ["--mtu", "1400", "--host-ip", "0.0.0.0"]
    assert len(set(peer.log("uuid"))) == 2


def test_ifname_mtu_and_ipv6(rk, peer):
    outcome = rk.run(*peer.quiet, "--ifname=vp1", "--mtu=1400", "--ipv6", which("ip"), "link",
                     "show", "vp1").ok()
    assert " mtu 1400 " in outcome.out
    assert "other than 1500" in outcome.err and "--ipv6 is discarded for --net=vpnkit" in outcome.err


def test_sysfs_shows_the_namespaces_devices(rk, peer):
    assert sorted(rk.run(*peer.quiet, "ls", "/sys/class/net").ok().out.split()) == ["lo", "tap0"]


def test_a_late_offer(rk):
    out = rk.run(*Peer(rk, "late").quiet, which("ip"), "-4", "-o", "addr", "show", "tap0").ok().out
    assert "192.168.65.3/24" in out


def test_info_and_a_published_port(rk, peer):
    host, port = own_loopback(), free_port()
    servers = " ".join([*PYTHON, str(HERE / "backend.py"), "echo,127.0.0.1,80"])
    running = rk.start_ready(*peer.quiet, "--port-driver=builtin", f"-p={host}:{port}:127.0.0.1:80/tcp",
                             script=f"exec {servers}")
    info = api_of(running).ask("GET", "/v1/info").json()
    vpnkit, _ = processes(running)
    assert info["networkDriver"] == {"driver": "vpnkit", "dns": ["192.168.65.1"],
                                     "childIP": "192.168.65.3",
                                     "helper": {"running": True, "pid": vpnkit, "restarts": 0}}
    assert ask(host, port) == b"hello"


def test_the_relay_is_shut_in(rk, peer):
    running = rk.start_ready(*peer.quiet)
    _, relay = processes(running)
    status = Path(f"/proc/{relay}/status").read_text()
    # A sanitizer needs far more system calls than the filter allows: such builds run without it.
    filtered = "0" if "ASAN_OPTIONS" in os.environ else "2"
    for line in (r"CapEff:\s+0+$", r"CapPrm:\s+0+$", r"NoNewPrivs:\s+1$",
                 rf"Seccomp:\s+{filtered}$"):
        assert re.search(line, status, re.MULTILINE), status


# ---- failures

def assert_told(outcome, *texts, seconds=8.0):
    assert outcome.code == 1 and outcome.out == "", outcome
    assert outcome.seconds < seconds * SLOW, outcome
    for text in ("failed to setup network", *texts):
        assert text in outcome.err, outcome


@pytest.mark.parametrize("binary,error", [
    ("no-such-program-x", 'exec: "no-such-program-x": executable file not found in $PATH'),
    ("/nonexistent/vpnkit", "no such file or directory"),
    ("/bin/false", "vpnkit ended: exit status 1"),
])
def test_a_vpnkit_that_is_none(rk, binary, error):
    assert_told(rk.run(*NET, f"--state-dir={rk.state()}", f"--vpnkit-binary={binary}", "echo",
                       "started"), error, "cause: ", "remedy: ", "--net=builtin")


@pytest.mark.parametrize("mode,error", [
    ("refuse", 'vpnkit refused: \\"no places\\"'),
    ("junk", "what answers there is not vpnkit"),
])
def test_a_vpnkit_that_says_no(rk, mode, error):
    assert_told(rk.run(*Peer(rk, mode).quiet, "echo", "started"), error)


def test_a_vpnkit_that_hangs(rk):
    assert_told(rk.run(*Peer(rk, "silent").quiet, "echo", "started"),
                "vpnkit did not answer in time", seconds=16)


def test_a_signal_ends_a_start_that_hangs(rk):
    peer = Peer(rk, "nodhcp")
    running = rk.start(*peer.quiet, "sleep", "100")
    wait_until(lambda: peer.log("uuid"), what="the relay's request")
    running.signal(signal.SIGTERM)
    assert running.wait(3).code == -signal.SIGTERM


def test_cidr_is_refused(rk):
    outcome = rk.run(*NET, "--cidr=10.0.0.0/24", "true")
    assert outcome.code == 1 and "custom cidr is not supported for --net=vpnkit" in outcome.err


# ---- lives and deaths

@pytest.mark.parametrize("victim", ["vpnkit", "relay"])
@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_a_killed_one_is_started_again(rk, peer, victim, detached):
    script = (f"echo ready; while read line; do {inside(detached)}{client(rk, 'udp', 3, 50)}; done")
    read_end, write_end = os.pipe()
    running = rk.start_ready(*peer.quiet, *COPY_UP, *(DETACH if detached else []), script=script,
                             stdin=read_end)
    os.close(read_end)
    for number in (1, 2):
        vpnkit, relay = processes(running)
        os.kill(vpnkit if victim == "vpnkit" else relay, signal.SIGKILL)
        name = "vpnkit ended" if victim == "vpnkit" else "vpnkit-relay ended"
        wait_until(lambda n=number, t=name: running.err.count(t) == n, timeout=1,
                   what="a line about its death")
        wait_until(lambda n=number: running.err.count("vpnkit-relay runs again") == n,
                   timeout=10, what="the next relay")
        assert vpnkit in processes(running) or victim == "vpnkit"
        helper = api_of(running).ask("GET", "/v1/info").json()["networkDriver"]["helper"]
        assert helper == {"running": True, "pid": processes(running)[0], "restarts": number}
        os.write(write_end, b"go\n")
        wait_until(lambda n=number: running.out.count("3 50 True") == n, timeout=20,
                   what="the network")
    assert len(set(peer.log("uuid"))) == 1
    os.close(write_end)
    running.wait()


@pytest.mark.parametrize("detached", [False, True], ids=["own", "detached"])
def test_another_address_after_a_restart_is_set_up(rk, peer, detached):
    ip, enter = which("ip"), inside(detached)
    script = (f"echo ready; read line; {enter}{ip} -4 -o addr show tap0; {enter}{ip} route; "
              f"{enter}{client(rk, 'udp', 3, 50)}")
    read_end, write_end = os.pipe()
    running = rk.start_ready(*peer.quiet, *(DETACH if detached else []), script=script,
                             stdin=read_end)
    os.close(read_end)
    Path(f"{peer.log_path}.moved").touch()
    os.kill(processes(running)[0], signal.SIGKILL)
    wait_until(lambda: "vpnkit gives the address 192.168.65.9 now; tap0 had 192.168.65.3 before"
               in running.err, timeout=10, what="the line about it")
    info = api_of(running).ask("GET", "/v1/info").json()["networkDriver"]
    assert info["childIP"] == "192.168.65.9"
    os.write(write_end, b"go\n")
    os.close(write_end)
    out = running.wait(30).ok().out
    assert "192.168.65.9/24" in out and "192.168.65.3" not in out
    assert "default via 192.168.65.1 dev tap0" in out and out.endswith("3 50 True\n")


def test_nothing_is_left(rk, peer):
    running = rk.start_ready(*peer.quiet)
    pids = processes(running)
    running.signal(signal.SIGTERM)
    running.wait()
    assert all(map(gone, pids)) and not running.state.exists()


@pytest.mark.leaves_files
def test_they_die_with_a_killed_parent(rk, peer):
    running = rk.start_ready(*peer.quiet)
    pids = processes(running)
    running.signal(signal.SIGKILL)
    running.wait()
    wait_until(lambda: all(map(gone, pids)), timeout=2, what="everything to die")
