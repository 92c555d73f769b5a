# SPDX-License-Identifier: Apache-2.0
"""Debian's rootless Docker, its dockerd-rootless.sh unmodified, on the programs under test: 20.10, or,
with RK_DOCKER_ROOT=DIR, what was unpacked there (`dpkg-deb -x`; docs/TESTING.md)."""
import contextlib
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

from harness import BIN_DIR, HERE, environ_of, kill_all, marked_processes, wait_until, which

ROOT = os.environ.get("RK_DOCKER_ROOT", "")
PROGRAMS = f"{ROOT}/usr/sbin:{ROOT}/usr/bin:" if ROOT else ""  # in front of PATH
SCRIPT = Path(f"{ROOT}/usr/share/docker.io/contrib/dockerd-rootless.sh")
DOCKER = f"{ROOT}/usr/bin/docker"
BUSYBOX = Path("/bin/busybox")
APPLETS = ("sh", "httpd", "nc", "sleep", "echo", "cat", "ip", "id")


def need_docker():
    """Skips where something of Debian's is missing; slirp4netns and iptables are looked for by the
    script and the daemon."""
    for path in (SCRIPT, Path(DOCKER), Path(f"{ROOT}/usr/sbin/dockerd"), BUSYBOX):
        if not path.exists():
            pytest.skip(f"{path} is missing: scripts/deps.sh test")
    for name in ("slirp4netns", "iptables", "runc", "containerd", "cc"):
        which(name)
    if not os.access("/dev/net/tun", os.W_OK):
        pytest.skip("/dev/net/tun cannot be opened")


def make_image(directory):
    """A tar file of a root with a static busybox, a web page and a UDP echo server."""
    root = directory / "image"
    (root / "bin").mkdir(parents=True)
    (root / "www").mkdir()
    (root / "www" / "index.html").write_text("hello from a container")
    busybox = root / "bin" / "busybox"
    busybox.write_bytes(BUSYBOX.read_bytes())
    busybox.chmod(0o755)
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    subprocess.run([which("cc"), "-O1", "-static", "-o", root / "bin" / "udp_echo",
                    HERE / "udp_echo.c"], check=True)
    archive = directory / "image.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(root, arcname=".")
    return archive


@contextlib.contextmanager
def runtime_directory():
    """For XDG_RUNTIME_DIR: containerd's sockets in it allow for 40 characters, no more."""
    with tempfile.TemporaryDirectory(prefix="dkr", dir="/tmp") as directory:
        yield Path(directory)


class RootlessDocker:
    """A running daemon, and the docker command that talks to it."""

    def __init__(self, rk, runtime, *options, **variables):
        """`runtime`: see runtime_directory()."""
        self.rk = rk
        self.runtime, self.data = runtime, rk.base / "docker-data"
        self.env = rk.with_env(
            XDG_RUNTIME_DIR=self.runtime, DOCKER_HOST=f"unix://{self.runtime}/docker.sock",
            **{"PATH": f"{BIN_DIR}:{PROGRAMS}{rk.env['PATH']}", **variables})
        self.daemon = rk.start(SCRIPT, "--data-root", self.data, *options, exe=["sh"], prefix=(),
                               env=self.env)
        wait_until(self._answers, 30, f"the daemon to answer\n{self.daemon!r}")

    def _answers(self):
        assert self.daemon.running(), self.daemon
        return self.command("version", "--format", "{{.Server.Version}}").code == 0

    def command(self, *args, timeout=30.0):
        return self.rk.run(DOCKER, *args, exe=(), prefix=(), env=self.env, timeout=timeout)

    def ok(self, *args):
        return self.command(*args).ok().out.strip()

    def speaks_api(self):
        """From 28 on the daemon publishes ports itself, without rootlesskit-docker-proxy."""
        return int(self.ok("version", "--format", "{{.Server.Version}}").partition(".")[0]) >= 28

    def state_dir(self):
        """As the daemon sees it."""
        pid = next(pid for pid, line in marked_processes(self.rk.mark)
                   if line.startswith("dockerd "))
        return Path(environ_of(pid)["ROOTLESSKIT_STATE_DIR"])

    def proxies(self, name):
        """Running programs of that name; rootlesskit-docker-proxy starts a docker-proxy each."""
        return [line for _, line in marked_processes(self.rk.mark)
                if line.split()[0].rpartition("/")[2] == name]

    def published(self):
        """(proto, address, port) of `rootlessctl list-ports`."""
        out = self.rk.run(BIN_DIR / "rootlessctl", f"--socket={self.state_dir()}/api.sock",
                          "list-ports", exe=(), prefix=()).ok().out
        return sorted(tuple(line.split()[1:4]) for line in out.splitlines()[1:])

    def stop(self):
        """SIGTERM, as an init system sends it; returns when everything has ended."""
        newer = self.speaks_api()
        self.daemon.process.terminate()
        outcome = self.daemon.wait(40)
        if newer:  # containerd 2's shims may outlive it; without --pidns nobody ends them
            kill_all(pid for pid, line in marked_processes(self.rk.mark)
                     if line.split()[0].endswith("/containerd-shim-runc-v2"))
        wait_until(lambda: not marked_processes(self.rk.mark), 20, "the daemon's processes to end")
        return outcome

    def remove_data(self):
        """What the docker documentation says: files of subordinate IDs go this way."""
        self.rk.run("rm", "-rf", self.data).ok()
        assert not self.data.exists()
