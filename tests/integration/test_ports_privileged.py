# SPDX-License-Identifier: Apache-2.0
"""Ports below 1024 of an ordinary user: by the file capability of the program, and by sockets that
somebody with more power bound. Both need root to be prepared; who runs the program is nobody."""
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import BIN_DIR, HERE, PYTHON, close_others, copy_of, which
from netkit import BUILTIN, api_of, ask, own_loopback, relay_of, spec, udp_client

pytestmark = pytest.mark.only_as_root

NOBODY = 65534
CAP_NET_BIND_SERVICE, CAP_NET_ADMIN, CAP_NET_RAW = 1 << 10, 1 << 12, 1 << 13


@pytest.fixture
def place():
    """A directory of nobody's with copies of all that they run: the build may be out of reach."""
    restricted = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    if restricted.exists() and restricted.read_text().strip() != "0":
        pytest.skip("AppArmor keeps copies of the program from user namespaces")
    path = Path(tempfile.mkdtemp(prefix="rk-privileged-", dir="/tmp"))
    path.chmod(0o755)
    copy_of(BIN_DIR / "rootlesskit", path / "rootlesskit")
    copy_of(HERE / "backend.py", path / "backend.py")
    os.chown(path, NOBODY, NOBODY)
    yield path
    shutil.rmtree(path)


def serve_as_nobody(rk, place, *options, before=(), **kwargs):
    servers = " ".join([*PYTHON, str(place / "backend.py"), "echo,0.0.0.0,80", "udp,127.0.0.1,53"])
    nobody = [which("setpriv"), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return rk.start_ready(*BUILTIN, "--subid-source=none", *options, state=place / "state",
                          script=f"exec {servers}", exe=[place / "rootlesskit"],
                          prefix=[*nobody, *before], **kwargs)


def answered(host, port):
    with udp_client() as sock:
        sock.connect((host, port))
        sock.send(b"x")
        return sock.recv(10) == b"1:x"


def capabilities(pid):
    """Effective and permitted ones."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    return int(status["CapEff"], 16) | int(status["CapPrm"], 16)


def test_the_file_capability_of_the_program_is_enough(rk, place):
    if os.statvfs(place).f_flag & os.ST_NOSUID:
        pytest.skip(f"{place} is on a file system where file capabilities have no effect")
    program = place / "rootlesskit"
    subprocess.run([which("setcap"), "cap_net_bind_service=ep", program], check=True)
    host = own_loopback()
    running = serve_as_nobody(rk, place, f"-p={host}:80:127.0.0.1:80/tcp",
                              f"-p={host}:53:127.0.0.1:53/udp")
    assert ask(host, 80) == b"hello"
    assert answered(host, 53)
    added = api_of(running).ask("POST", "/v1/ports", spec(parent_ip=host, parent_port=81,
                                                          childIP="127.0.0.1"))
    assert added.status == 201 and ask(host, 81) == b"hello"
    assert capabilities(running.pid) == CAP_NET_BIND_SERVICE
    # It stays with who listens; what the relay has is good in the namespace alone.
    assert capabilities(relay_of(running)) & ~(CAP_NET_ADMIN | CAP_NET_RAW) == 0


@pytest.mark.parametrize("by_name", [True, False], ids=["name", "address"])
def test_sockets_of_the_service_manager_need_no_privilege(rk, place, by_name):
    host = own_loopback()
    with socket.socket() as web, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dns:
        web.bind((host, 80))
        web.listen()
        dns.bind((host, 53))

        def hand_over():
            """As descriptors 3 and 4, whatever has these numbers now."""
            spare = [os.dup2(sock.fileno(), 100 + i) for i, sock in enumerate((web, dns))]
            for i, number in enumerate(spare):
                os.dup2(number, 3 + i)
            close_others({3, 4})
        publish = (["-p=fd:web:80/tcp", "-p=fd:dns:127.0.0.1:53/udp"] if by_name else
                   [f"-p={host}:80:127.0.0.1:80/tcp", f"-p={host}:53:127.0.0.1:53/udp4"])
        running = serve_as_nobody(
            rk, place, *publish, before=["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"],
            env=rk.with_env(LISTEN_FDS=2, LISTEN_FDNAMES="web:dns"), close_fds=False,
            preexec_fn=hand_over)
    assert ask(host, 80) == b"hello"
    assert answered(host, 53)
    ports = api_of(running).ask("GET", "/v1/ports").json()
    assert [(port["spec"]["parentIP"], port["spec"]["parentPort"]) for port in ports] == [
        (host, 80), (host, 53)]
    assert capabilities(running.pid) == 0
