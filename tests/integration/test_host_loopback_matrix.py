# SPDX-License-Identifier: Apache-2.0
"""Whether services on the host's loopback are reached from inside: for each network driver with
each of its port drivers, attached and detached, IPv4 and IPv6, TCP and UDP, with and without
--disable-host-loopback. What must be reached without it is what must not be with it, so that no
cell is empty for another reason; addresses that lead there by no documented way are tried, too.

A driver's row says where it puts the host's loopback. All runs of a row go at once, as each needs
its seconds: pasta looks for listeners once a second, and IPv6 addresses of slirp4netns need time."""
import json
from dataclasses import dataclass, field

import pytest

from harness import PYTHON
from netkit import free_port
from pasta import NET as PASTA, need_pasta
from slirp import DETACH, NET as SLIRP4NETNS, Host, inside, need_slirp4netns

# Nothing may be reached for so long (seconds), which is more than anything documented takes.
WINDOW = 3.5


@dataclass
class Row:
    flags: list
    needs: callable
    port_drivers: list
    loopback: list          # addresses that are the host's loopback where that is allowed
    tried: list = field(default_factory=list)  # addresses that are not, ever


OWN = ["10.0.2.3", "10.0.2.100", "10.0.2.1", "10.0.2.255", "127.0.0.2", "0.0.0.0",
       "::ffff:127.0.0.1", "fd00::3", "fd00::100", "::", "169.254.1.1", "169.254.169.254"]

ROWS = {
    # pasta also listens inside, on the loopback addresses themselves.
    "pasta": Row(PASTA, need_pasta, ["none", "implicit", "pesto"],
                 ["10.0.2.2", "fd00::2", "127.0.0.1", "::1"], OWN),
    "slirp4netns": Row(SLIRP4NETNS, need_slirp4netns, ["none", "builtin", "slirp4netns"],
                       ["10.0.2.2", "fd00::2"], [*OWN, "127.0.0.1", "::1", "fe80::2%tap0"]),
}

# Tries all addresses at once, again and again; prints those that answered.
PROBE = """
import json, socket, sys, threading, time
addresses, port, seconds, enough = json.loads(sys.argv[1])
end = time.monotonic() + seconds
reached = set()
def one(kind, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        s.connect(socket.getaddrinfo(address, port, family, s.type)[0][4])
        s.send(b"ping")
        return s.recv(10) == b"pong"
def go(kind, address):
    while time.monotonic() < end and (kind, address) not in reached:
        try:
            if one(kind, address): reached.add((kind, address))
        except OSError: pass
        time.sleep(0.1)
threads = [threading.Thread(target=go, args=(kind, address), daemon=True)
           for kind in ("tcp", "udp") for address in addresses]
for thread in threads: thread.start()
while time.monotonic() < end and len(reached) < enough: time.sleep(0.05)
print(json.dumps(sorted(reached)))
"""


@pytest.fixture
def servers():
    """On 127.0.0.1 and ::1 of the host, at a port that is not ephemeral (pasta leaves those out)."""
    port = free_port()
    both = [Host("127.0.0.1", port), Host("::1", port)]
    yield both
    for server in both:
        server.close()


def start_all(rk, row, flags, servers, addresses, seconds, enough):
    """{(port driver, detached): run} of every cell."""
    (rk.base / "probe.py").write_text(PROBE)
    what = json.dumps([addresses, servers[0].ports[0], seconds, enough])
    return {(ports, detached): rk.start(
        *row.flags, *flags, "--ipv6", f"--port-driver={ports}", *(DETACH if detached else []),
        "sh", "-c", f"{inside(detached)}{' '.join(PYTHON)} {rk.base}/probe.py '{what}'")
        for ports in row.port_drivers for detached in (False, True)}


def cells(addresses):
    return sorted([kind, address] for kind in ("tcp", "udp") for address in addresses)


@pytest.mark.parametrize("driver", ROWS)
def test_reached_where_it_is_allowed(rk, servers, driver):
    row = ROWS[driver]
    row.needs()
    wanted = cells(row.loopback)
    runs = start_all(rk, row, [], servers, row.loopback, 25, len(wanted))
    answers = {cell: run.wait(60).json() for cell, run in runs.items()}
    assert answers == {cell: wanted for cell in runs}


@pytest.mark.parametrize("driver", ROWS)
def test_out_of_reach_where_it_is_forbidden(rk, servers, driver):
    row = ROWS[driver]
    row.needs()
    addresses = [*row.loopback, *row.tried]
    runs = start_all(rk, row, ["--disable-host-loopback"], servers, addresses, WINDOW, 1)
    answers = {cell: run.wait(30).json() for cell, run in runs.items()}
    assert answers == {cell: [] for cell in runs}
    assert not any(server.asked for server in servers)
