# SPDX-License-Identifier: Apache-2.0
"""What the tests of published ports share: servers inside, clients outside."""
import contextlib
import http.client
import itertools
import random
import re
import socket
import subprocess
import threading
from pathlib import Path

import pytest

import harness
from harness import BIN_DIR, HERE, PYTHON, children_of, wait_until, which
from openapi import Api
from spread import share

BUILTIN = ["--net=none", "--port-driver=builtin"]
CTL = str(BIN_DIR / "rootlessctl")
PROXY = str(BIN_DIR / "rootlesskit-docker-proxy")


def own_loopback():
    """An address nobody else uses: every port of it is free."""
    return f"127.{random.randint(10, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"


def _candidates():
    """Numbers of ports, none twice for a long time. No ephemeral ones: the kernel gives these to any
    connection that is made between the choice of a port and its use. Only those of this process's
    share; it starts somewhere in there, for others may run tests here, too."""
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ours = share()
    count = (low - low // 2) // ours.of
    first, start = low // 2 + count * ours.number, random.randrange(count)
    for step in itertools.count(start):
        yield first + step % count


_CANDIDATES = _candidates()


def free_port():
    """A port that is free on every address, IPv4 and IPv6, TCP and UDP, and not an ephemeral one."""
    for port in _CANDIDATES:
        with socket.socket(socket.AF_INET6) as tcp, \
                socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("::", port))
                udp.bind(("::", port))
                return port
            except OSError:
                continue


def host_address():
    """An IPv4 address of this machine that is not loopback."""
    out = subprocess.run([which("ip"), "-4", "-o", "addr", "show", "scope", "global"], text=True,
                         capture_output=True, check=True).stdout
    found = re.search(r"inet ([0-9.]+)", out)
    if not found:
        pytest.skip("this machine has no IPv4 address but loopback ones")
    return found.group(1)


def serve(rk, *options, inside=("echo,127.0.0.1,80",), detached=False, **kwargs):
    """Starts with the builtin driver and the servers of backend.py inside."""
    servers = " ".join([*PYTHON, str(HERE / "backend.py"), *inside])
    if detached:
        options = ["--detach-netns", *options]
        servers = f"{which('nsenter')} --net=$ROOTLESSKIT_STATE_DIR/netns {servers}"
    running = rk.start_ready(*BUILTIN, *options, script=f"exec {servers}", **kwargs)
    running.socket = running.state / "api.sock"
    return running


def api_of(running):
    return Api(running.state / "api.sock")


def connect(host, port, timeout=10.0):
    sock = socket.create_connection((host, port), timeout * harness.SLOW)
    sock.settimeout(timeout * harness.SLOW)
    return sock


@contextlib.contextmanager
def serving(handle, backlog):
    """A server on 127.0.0.1, in a thread: `handle` gets its connections one after the other, and they
    are closed behind it. Gives its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as server:
        def serve():
            while True:
                try:
                    conn, _ = server.accept()
                except OSError:  # shut down
                    return
                with conn:
                    handle(conn)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def web_page(port, host="127.0.0.1", timeout=10):
    """What a web server says, or None."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", "/index.html")
        return connection.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def read_all(sock):
    data = b""
    while part := sock.recv(1 << 16):
        data += part
    return data


def read_exactly(sock, length):
    data = b""
    while len(data) < length and (part := sock.recv(length - len(data))):
        data += part
    return data


def ask(host, port, text=b"hello"):
    """What a server answers to `text` and the end of the stream."""
    with connect(host, port) as sock:
        sock.sendall(text)
        sock.shutdown(socket.SHUT_WR)
        return read_all(sock)


def listens(host, port):
    """Whether something accepts there."""
    try:
        with connect(host, port):
            return True
    except OSError:
        return False


def udp_client(host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.settimeout(5 * harness.SLOW)
    return sock


def ask_udp(host, port, text=b"hi"):
    """What a server answers by UDP. Asks again each second: on the way through another program a
    datagram may be lost, and that is no fault."""
    with udp_client(host) as client:
        client.settimeout(1)
        for _ in range(int(10 * harness.SLOW)):
            try:
                client.sendto(text, (host, port))
                return client.recv(100)
            except OSError:
                continue
    return pytest.fail(f"no answer from {host}:{port}/udp")


def ended(sock):
    """Reads what comes; True for the end of the stream or a reset, fails on data."""
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


def listeners_on(address):
    """TCP ports that listen on an IPv4 address, by /proc/net/tcp."""
    wanted = socket.inet_aton(address)[::-1].hex().upper()
    ports = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        if local.startswith(wanted + ":") and state == "0A":
            ports.add(int(local.partition(":")[2], 16))
    return ports


def relay_of(running):
    """The process that moves the bytes: a child of the parent that is not the namespace's. At
    first there is another one, which sets up source addresses."""
    def others():
        return [pid for pid in children_of(running.pid) if pid != running.child]
    wait_until(lambda: len(others()) == 1, what="one process besides the child")
    return others()[0]


def spec(proto="tcp", parent_ip="127.0.0.1", parent_port=0, child_port=80, **more):
    return {"proto": proto, "parentIP": parent_ip, "parentPort": parent_port,
            "childPort": child_port, **more}


def refused(rk, *options):
    """Expects that rootlesskit does not start with the builtin driver and these options, and
    leaves nothing; returns what it says."""
    state = rk.state("refused")
    outcome = rk.run(f"--state-dir={state}", *BUILTIN, *options, "sleep", "1000")
    assert outcome.code == 1, outcome
    assert not state.exists()
    return outcome.err


@pytest.fixture
def api(rk):
    """A client of a running rootlesskit with the builtin driver and no port."""
    running = rk.start_ready(*BUILTIN)
    client = api_of(running)
    client.running = running
    yield client
    client.close()
