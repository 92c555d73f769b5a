# SPDX-License-Identifier: Apache-2.0
"""Debian 12's rootless Docker, unmodified, with slirp4netns: start, run, publish, conflicts, stop,
restart, end. Docker 20.10 publishes by our rootlesskit-docker-proxy, 28 speaks to the API itself."""
import socket

import pytest

from docker import PROGRAMS, RootlessDocker, make_image, need_docker, runtime_directory
from harness import BIN_DIR, wait_until
from netkit import free_port, listens, udp_client, web_page
from pasta import PASTA_DIR, need_pasta

pytestmark = pytest.mark.release_only


@pytest.fixture
def docker(rk):
    need_docker()
    with runtime_directory() as runtime:
        docker = RootlessDocker(rk, runtime)
        docker.ok("import", "-c", 'CMD ["/bin/sh"]', str(make_image(rk.base)), "bb")
        yield docker
        if docker.daemon.running():
            docker.stop()
        docker.remove_data()


def udp_answer(port, host="127.0.0.1"):
    with udp_client(host) as sock:
        sock.settimeout(0.5)
        sock.sendto(b"ping", (host, port))
        try:
            return sock.recv(100)
        except TimeoutError:
            return None


def start_web(docker, *publish, name="web"):
    options = [word for one in publish for word in ("-p", one)]
    return docker.command("run", "-d", "--stop-signal", "KILL", "--name", name, *options, "bb",
                          "httpd", "-f", "-h", "/www")


def test_rootless_docker(docker):
    tcp, udp = free_port(), free_port()
    assert docker.ok("run", "--rm", "bb", "id", "-u") == "0"

    # publish TCP and UDP, by our docker-proxy and the API
    start_web(docker, f"127.0.0.1:{tcp}:80").ok()
    docker.ok("run", "-d", "--stop-signal", "KILL", "--name", "udp", "-p",
              f"127.0.0.1:{udp}:9000/udp", "bb", "udp_echo", "9000")
    assert wait_until(lambda: web_page(tcp)) == "hello from a container"
    assert wait_until(lambda: udp_answer(udp)) == b"ping"
    assert docker.published() == [("tcp4", "127.0.0.1", str(tcp)), ("udp4", "127.0.0.1", str(udp))]
    ours, real = docker.proxies("rootlesskit-docker-proxy"), docker.proxies("docker-proxy")
    assert (len(ours), len(real)) == (0 if docker.speaks_api() else 2, 2), (ours, real)

    # a port that Docker knows to be taken, and one that only the host knows of
    conflict = start_web(docker, f"127.0.0.1:{tcp}:80", name="second")
    assert conflict.code != 0 and "port is already allocated" in conflict.err
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        conflict = start_web(docker, f"127.0.0.1:{number}:80", name="third")
        assert conflict.code != 0 and "address already in use" in conflict.err, conflict
    assert len(docker.published()) == 2

    # stopping frees the port, for others, too; starting again takes it
    docker.ok("stop", "-t", "1", "web")
    wait_until(lambda: not listens("127.0.0.1", tcp), what="the port to be free")
    assert docker.published() == [("udp4", "127.0.0.1", str(udp))]
    wait_until(lambda: len(docker.proxies("docker-proxy")) == 1, what="the proxy to end")
    with socket.create_server(("127.0.0.1", tcp)):
        pass
    docker.ok("start", "web")
    assert wait_until(lambda: web_page(tcp)) == "hello from a container"
    docker.ok("restart", "-t", "1", "web")
    assert wait_until(lambda: web_page(tcp)) == "hello from a container"

    # SIGTERM: containers, proxies, helper and daemon end, and nothing listens
    pid_file = docker.runtime / "docker.pid"
    assert pid_file.exists()
    docker.stop()
    assert not pid_file.exists()
    assert not listens("127.0.0.1", tcp) and not docker.rk.leftover_files()


def test_ports_on_all_addresses_and_a_second_start(docker):
    """Without an address Docker asks for IPv4 and IPv6; the next daemon takes up where the last one
    was stopped."""
    port = free_port()
    start_web(docker, f"{port}:80").ok()
    for host in ("127.0.0.1", "::1"):
        assert wait_until(lambda h=host: web_page(port, h)) == "hello from a container"
    assert [entry[0] for entry in docker.published()] == ["tcp4", "tcp6"]
    docker.stop()
    again = RootlessDocker(docker.rk, docker.runtime)
    assert again.ok("images", "-q", "bb")
    again.ok("start", "web")
    assert wait_until(lambda: web_page(port)) == "hello from a container"
    again.stop()


@pytest.mark.parametrize("network, driver, protocols", [
    ("pasta", "implicit", "tcp udp"), ("pasta", "pesto", "tcp udp"),
    ("slirp4netns", "slirp4netns", "tcp"),  # libslirp drops UDP answers to the host's loopback
    ("gvisor-tap-vsock", "gvisor-tap-vsock", "tcp udp")])
def test_other_drivers(rk, network, driver, protocols):
    """By the variables of Docker's script. Pasta leaves ephemeral ports alone."""
    need_docker()
    need_pasta()
    tcp, udp = free_port(), free_port()
    with runtime_directory() as runtime:
        docker = RootlessDocker(rk, runtime, PATH=f"{BIN_DIR}:{PASTA_DIR}:{PROGRAMS}{rk.env['PATH']}",
                                DOCKERD_ROOTLESS_ROOTLESSKIT_NET=network,
                                DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER=driver)
        docker.ok("import", "-c", 'CMD ["/bin/sh"]', str(make_image(rk.base)), "bb")
        start_web(docker, f"127.0.0.1:{tcp}:80", f"127.0.0.1:{udp}:9000/udp").ok()
        assert wait_until(lambda: web_page(tcp)) == "hello from a container"
        if "udp" in protocols:
            docker.ok("exec", "-d", "web", "udp_echo", "9000")
            assert wait_until(lambda: udp_answer(udp)) == b"ping"
        docker.stop()
        docker.remove_data()
