# SPDX-License-Identifier: Apache-2.0
"""Debian 12's rootless Docker, unmodified, on --net=builtin: real clients, the way out, internal
networks, a build."""
import pytest

from docker import RootlessDocker, make_image, need_docker, runtime_directory
from harness import wait_until
from netkit import free_port
from remote_host import remote  # noqa: F401  pylint: disable=unused-import

pytestmark = pytest.mark.release_only
NETWORK = {"DOCKERD_ROOTLESS_ROOTLESSKIT_NET": "builtin"}


@pytest.fixture
def docker(rk):
    need_docker()
    with runtime_directory() as runtime:
        docker = RootlessDocker(rk, runtime, **NETWORK)
        docker.ok("import", "-c", 'CMD ["/bin/sh"]', str(make_image(rk.base)), "bb")
        yield docker
        if docker.daemon.running():
            docker.stop()
        docker.remove_data()


def run_in_background(docker, name, *args):
    docker.ok("run", "-d", "--stop-signal", "KILL", "--name", name, *args)


def test_containers_see_real_clients(docker, remote):
    """TCP and UDP from another host, through Docker's own rules, the userland proxy left on."""
    tcp, udp = free_port(), free_port()
    run_in_background(docker, "web", "-p", f"{tcp}:80", "bb", "httpd", "-f", "-vv", "-h", "/www")
    run_in_background(docker, "udp", "-p", f"{udp}:9000/udp", "bb", "udp_echo", "9000")

    def page():
        try:
            with remote.connect(remote.host4[0], tcp) as client:
                client.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
                return b"hello from a container" in b"".join(iter(lambda: client.recv(4096), b""))
        except OSError:
            return False
    wait_until(page, 10, "the page")
    wait_until(lambda: remote.client4 in docker.command("logs", "web").err, 10, "the client's address")

    with remote.udp(remote.client4) as client:
        client.settimeout(0.5)

        def seen():
            client.sendto(b"who", (remote.host4[0], udp))
            try:
                return client.recv(100).decode()
            except TimeoutError:
                return None
        assert wait_until(seen, 10, "an answer") == remote.client4


def test_containers_reach_other_hosts_but_for_internal_networks(docker, remote):
    with remote.listen(remote.client4) as server:
        port = str(server.getsockname()[1])
        send = ("bb", "sh", "-c", f"echo from a container | nc -w 3 {remote.client4} {port}")
        run_in_background(docker, "out", *send)
        conn, _ = server.accept()
        with conn:
            assert conn.recv(100) == b"from a container\n"
        docker.ok("network", "create", "--internal", "inner")
        stays = docker.command("run", "--rm", "--network", "inner", *send)
        assert stays.code != 0, stays
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


def test_an_image_is_built(docker, rk):
    (rk.base / "Dockerfile").write_text("FROM bb\nRUN echo built >/www/index.html\n")
    built = rk.run("/usr/bin/docker", "build", "-q", "-t", "made", rk.base, exe=(), prefix=(),
                   env={**docker.env, "DOCKER_BUILDKIT": "0"}, timeout=60)
    assert built.code == 0, built
    assert docker.ok("run", "--rm", "made", "cat", "/www/index.html") == "built"
