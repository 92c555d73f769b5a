# SPDX-License-Identifier: Apache-2.0
"""Another host for the tests: a network namespace at the end of a veth pair, with addresses of its
own and those of this machine on that link. setup_privileged.sh makes it; remote_agent.py, which
lives in there, does for an ordinary user what only root may do.

    def test_x(rk, remote):
        sock = remote.connect(remote.host4[0], port)     # a client elsewhere, of this machine
        server = remote.listen(remote.client6)           # a server elsewhere
        remote.run("ping", "-c1", remote.host4[0])       # any program, from there

Sockets are ordinary ones of the socket module, made in that namespace; they stay in there."""
import json
import os
import socket
import tempfile

import pytest

from harness import SLOW, Outcome

SEQPACKET = socket.SOCK_SEQPACKET


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class RemoteProcess:
    """A program that runs over there. Killed with its group by kill(), or with the last test."""

    def __init__(self, conn, pid, argv, files):
        self._conn, self.pid, self._argv, self._files = conn, pid, argv, files

    def wait(self, timeout=10.0):
        self._conn.settimeout(timeout * SLOW)
        try:
            answer = json.loads(self._conn.recv(4096))
        except TimeoutError:
            self.kill()
            pytest.fail(f"still running after {timeout * SLOW:g} s: {self._argv}: {self.output()}")
        return Outcome(self._argv, answer["code"], *self.output(), 0)

    def output(self):
        """What it has printed so far, to stdout and to stderr."""
        return [os.pread(file.fileno(), 1 << 20, 0).decode(errors="replace") for file in self._files]

    def kill(self):
        self._conn.close()


class RemoteHost:
    """client4, client6: its addresses; host4, host6: this machine's on the link, two of each.
    Without IPv6 on this machine client6 is None: need_ipv6() skips."""

    def __init__(self, directory):
        self._path = str(directory / "agent.sock")
        plan = json.loads((directory / "plan.json").read_text())
        self.client4, self.host4 = plan["client4"], plan["host4"]
        self.client6, self.host6 = plan["client6"], plan["host6"]
        self._processes = []

    def need_ipv6(self):
        if not self.client6:
            pytest.skip("this machine has no IPv6")

    def _ask(self, request, fds=()):
        conn = socket.socket(socket.AF_UNIX, SEQPACKET)
        conn.settimeout(10 * SLOW)
        conn.connect(self._path)
        text = json.dumps(request).encode()
        if fds:
            socket.send_fds(conn, [text], fds)
        else:
            conn.send(text)
        answer, got, _, _ = socket.recv_fds(conn, 4096, 1)
        assert answer, "the agent hung up"
        answer = json.loads(answer)
        assert "error" not in answer, f"{request}: {answer['error']}"
        return conn, answer, got

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, timeout=10.0):
        conn, _, got = self._ask({"do": "socket", "family": int(family), "type": int(kind)})
        conn.close()
        sock = socket.socket(fileno=got[0])
        sock.settimeout(timeout * SLOW)
        return sock

    def connect(self, address, port, source=None):
        """A TCP connection from there to here."""
        sock = self.socket(family_of(address))
        if source:
            sock.bind((source, 0))
        sock.connect((address, port))
        return sock

    def listen(self, address, port=0):
        """A TCP server over there."""
        sock = self.socket(family_of(address))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(128)
        return sock

    def udp(self, address, port=0):
        """A UDP socket over there that is bound to one of its addresses."""
        sock = self.socket(family_of(address), socket.SOCK_DGRAM)
        sock.bind((address, port))
        return sock

    def start(self, *argv):
        """Starts a program over there, as this user."""
        files = [tempfile.TemporaryFile() for _ in range(2)]
        with open(os.devnull, "rb") as nothing:
            fds = [nothing.fileno(), *(file.fileno() for file in files)]
            environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
            conn, answer, _ = self._ask(
                {"do": "run", "argv": [str(a) for a in argv], "env": environment}, fds)
        self._processes.append(RemoteProcess(conn, answer["pid"], argv, files))
        return self._processes[-1]

    def run(self, *argv, timeout=10.0):
        return self.start(*argv).wait(timeout)

    def close(self):
        for process in self._processes:
            process.kill()


@pytest.fixture
def remote(fixture_dir):
    """The other host."""
    host = RemoteHost(fixture_dir("remote"))
    yield host
    host.close()

