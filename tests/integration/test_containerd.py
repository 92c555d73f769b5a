# SPDX-License-Identifier: Apache-2.0
"""Debian's containerd (or that of RK_DOCKER_ROOT, see docker.py), started with the command line of nerdctl's containerd-rootless.sh, and a
container by ctr and runc whose port is published by the API."""
import hashlib
import json
import tarfile

import pytest

from docker import PROGRAMS, make_image, runtime_directory
from harness import wait_until, which
from netkit import Api, free_port, web_page

pytestmark = pytest.mark.release_only

FLAGS = ["--mtu=65520", "--slirp4netns-sandbox=auto", "--slirp4netns-seccomp=auto",
         "--disable-host-loopback", "--port-driver=builtin", "--copy-up=/etc", "--copy-up=/run",
         "--copy-up=/var/lib", "--propagation=rslave"]

# What the script does in the namespaces.
CHILD = r"""set -eu
rm -f /run/containerd /run/nri /run/xtables.lock /var/lib/containerd /var/lib/cni /etc/containerd
mkdir -p "$XDG_RUNTIME_DIR/containerd" "$HOME/containerd" /run/containerd /var/lib/containerd
mount --bind "$XDG_RUNTIME_DIR/containerd" /run/containerd
mount --bind "$HOME/containerd" /var/lib/containerd
exec containerd
"""


def docker_archive(directory):
    """An image in the layout of `docker save`."""
    layer = make_image(directory)
    config = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]},
              "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256(layer)}"]}}
    files = {"config.json": config,
             "manifest.json": [{"Config": "config.json", "RepoTags": ["docker.io/library/bb:latest"],
                                "Layers": ["layer.tar"]}]}
    archive = directory / "bb.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(layer, "layer.tar")
        for name, content in files.items():
            (directory / name).write_text(json.dumps(content))
            tar.add(directory / name, name)
    return archive


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Containerd:
    def __init__(self, rk, runtime, *flags):
        self.rk = rk
        (rk.base / "child.sh").write_text(CHILD)
        self.env = rk.with_env(XDG_RUNTIME_DIR=runtime, PATH=PROGRAMS + rk.env["PATH"])
        self.running = rk.start(f"--state-dir={runtime}/containerd-rootless", *FLAGS, *flags,
                                "sh", rk.base / "child.sh", env=self.env)
        self.state = runtime / "containerd-rootless"
        wait_until(lambda: self.running.running() and self.ctr("version").code == 0, 30,
                   "containerd to answer")
        self.ctr("images", "import", str(docker_archive(rk.base))).ok()

    def api(self):
        return Api(self.state / "api.sock")

    def ctr(self, *args):
        """In the namespaces, as nerdctl enters them."""
        pid = (self.state / "child_pid").read_text() if (self.state / "child_pid").exists() else "0"
        return self.rk.run(which("nsenter"), "--preserve-credentials", "-m", "-U", "-t", pid, "-F",
                           "ctr", *args, exe=(), prefix=(), timeout=30, env=self.env)

    def run(self, *args):
        """On cgroup v1 runc must be asked for no cgroup."""
        return self.ctr("run", "--cgroup", "", "--cpu-shares", "0", "--snapshotter", "overlayfs",
                        *args)


@pytest.fixture(params=[["--net=slirp4netns"], ["--net=builtin"],
                        ["--net=slirp4netns", "--detach-netns"],
                        ["--net=builtin", "--detach-netns"]], ids=" ".join)
def containerd(rk, request):
    for name in ("containerd", "ctr", "runc"):
        which(name)
    with runtime_directory() as runtime:
        containerd = Containerd(rk, runtime, *request.param)
        containerd.detached = "--detach-netns" in request.param
        yield containerd
        containerd.running.process.terminate()
        containerd.running.wait(30)
        rk.run("rm", "-rf", rk.env["HOME"] + "/containerd").ok()


def test_a_container_is_run_and_published(containerd):
    assert containerd.run("--rm", "docker.io/library/bb:latest", "one", "/bin/id", "-u").ok().out == "0\n"
    assert (containerd.state / "netns").exists() == containerd.detached

    where = (["--with-ns", f"network:{containerd.state}/netns"] if containerd.detached
             else ["--net-host"])
    containerd.run("--detach", *where, "docker.io/library/bb:latest", "web", "/bin/httpd", "-f", "-p",
                   "8080", "-h", "/www").ok()
    port = free_port()
    spec = {"proto": "tcp", "parentIP": "127.0.0.1", "parentPort": port, "childPort": 8080}
    created = containerd.api().ask("POST", "/v1/ports", spec)
    assert created.status == 201, created
    assert wait_until(lambda: web_page(port, timeout=5)) == "hello from a container"
    assert containerd.api().ask("DELETE", f"/v1/ports/{created.json()['id']}").status == 200
    containerd.ctr("tasks", "kill", "-s", "KILL", "web").ok()
    wait_until(lambda: "STOPPED" in containerd.ctr("tasks", "ls").out, what="the container to end")
    containerd.ctr("tasks", "rm", "web").ok()
