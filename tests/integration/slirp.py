# SPDX-License-Identifier: Apache-2.0
"""What the tests of --net=slirp4netns share."""
import os
import socket
import threading
from pathlib import Path

import pytest

from harness import PYTHON, descendants, wait_until, which

NET = ["--net=slirp4netns"]
QUIET = [*NET, "--disable-host-loopback"]
COPY_UP = ["--copy-up=/etc", "--copy-up=/run"]
DETACH = ["--detach-netns"]


def need_slirp4netns():
    which("slirp4netns")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("/dev/net/tun cannot be opened")


def inside(detached):
    """A shell prefix that enters the network namespace of the run."""
    return f"{which('nsenter')} -n$ROOTLESSKIT_STATE_DIR/netns " if detached else ""


def helper_of(running):
    """The PID of its slirp4netns."""
    def found():
        for pid in descendants(running.pid):
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"-r" in line and Path(os.fsdecode(line[0])).name.startswith("slirp4netns"):
                return pid
        return None
    return wait_until(found, what="slirp4netns to appear")


def arguments_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []  # it has just ended


class Host:
    """A TCP and a UDP server on an address of the host that answer `pong`; at any free ports, or
    both at `port`."""

    def __init__(self, address, port=0):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.tcp = socket.create_server((address, port), family=family)
        self.udp = socket.socket(family, socket.SOCK_DGRAM)
        self.udp.bind((address, port))
        self.ports = (self.tcp.getsockname()[1], self.udp.getsockname()[1])
        self.asked = []
        for serve in (self._serve_tcp, self._serve_udp):
            threading.Thread(target=serve, daemon=True).start()

    def _serve_tcp(self):
        try:
            while True:
                connection, peer = self.tcp.accept()
                self.asked.append(("tcp", peer))
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()
        except OSError:
            pass

    @staticmethod
    def _answer(connection):
        """Reads first: closed with data unread, a connection is reset, and the answer lost."""
        with connection:
            try:
                connection.settimeout(5)
                connection.recv(100)
                connection.sendall(b"pong")
            except OSError:
                pass

    def _serve_udp(self):
        try:
            while True:
                _, peer = self.udp.recvfrom(100)
                if peer is None:  # shut down
                    return
                self.asked.append(("udp", peer))
                self.udp.sendto(b"pong", peer)
        except OSError:
            pass

    def close(self):
        self.tcp.shutdown(socket.SHUT_RDWR)
        self.tcp.close()
        self.udp.close()


@pytest.fixture
def host():
    server = Host("127.0.0.1")
    yield server
    server.close()


@pytest.fixture
def host6():
    server = Host("::1")
    yield server
    server.close()


ASK = """
import socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                  socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
s.settimeout(float(sys.argv[4]))
try:
    s.connect((address, port)); s.send(b"ping"); print(s.recv(10).decode() or "empty")
except OSError as e:
    print("failed:", e)
"""


def ask(rk, flags, detached, address, host, seconds=5, before=""):
    """What comes back from the host's two servers, by TCP and UDP."""
    (rk.base / "ask.py").write_text(ASK)
    python = " ".join(PYTHON)
    script = before + "; ".join(
        f"{inside(detached)}{python} {rk.base}/ask.py {kind} {address} {port} {seconds}"
        for kind, port in zip(("tcp", "udp"), host.ports))
    return rk.sh(*flags, *(DETACH if detached else []), script, timeout=30).ok().lines()


# A name server on 127.0.0.1 of a host that is a namespace of its own, as systemd-resolved is one.
NAME_SERVER = """
import socket, subprocess, sys, threading
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 53))
tcp = socket.create_server(("127.0.0.1", 53))
def answer(query):
    return query[:2] + b"\\x81\\x80" + query[4:6] + b"\\0\\1\\0\\0\\0\\0" + query[12:] + \\
        b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4" + bytes([192, 0, 2, 77])
def serve_udp():
    while True:
        query, peer = udp.recvfrom(2000)
        udp.sendto(answer(query), peer)
def serve_tcp():
    while True:
        connection, _ = tcp.accept()
        reply = answer(connection.recv(2000)[2:])
        connection.sendall(len(reply).to_bytes(2, "big") + reply)
for serve in serve_udp, serve_tcp:
    threading.Thread(target=serve, daemon=True).start()
sys.exit(subprocess.call(sys.argv[1:]))
"""
LOOK_UP = """
import socket, sys
query = b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\7example\\3com\\0\\0\\1\\0\\1"
for name in sys.argv[2:]:
    kind = socket.SOCK_DGRAM if name == "udp" else socket.SOCK_STREAM
    for _ in range(3):
        s = socket.socket(socket.AF_INET, kind); s.settimeout(5)
        try:
            s.connect((sys.argv[1], 53))
            s.sendall(query if name == "udp" else len(query).to_bytes(2, "big") + query)
            print(*s.recv(500)[-4:])
            break
        except OSError as error: print(name, error, file=sys.stderr)
"""


def look_up_at_the_hosts_loopback(rk, flags, detached, server, kinds=("udp",)):
    """What the name server on 127.0.0.1 of a host answers through `server` of the namespace."""
    (rk.base / "server.py").write_text(NAME_SERVER)
    (rk.base / "look_up.py").write_text(LOOK_UP)
    (rk.base / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    prefix = ["unshare", "--map-root-user", "--map-auto", "--mount", "--net", "sh", "-c",
              f"ip link set lo up && mount --bind {rk.base}/resolv.conf /etc/resolv.conf && "
              f'exec {" ".join(PYTHON)} {rk.base}/server.py "$@"', "sh"]
    script = (f"{inside(detached)}{' '.join(PYTHON)} {rk.base}/look_up.py {server} "
              f"{' '.join(kinds)}")
    return rk.sh("--subid-source=none", *flags, *(DETACH if detached else []), script,
                 prefix=prefix, timeout=30).ok().lines()
