# SPDX-License-Identifier: Apache-2.0
"""rootlessctl and rootlesskit-docker-proxy (spec cli.md 2 and 3)."""
import json
import signal
import socket

import pytest

from harness import gone, wait_until
from netkit import (BUILTIN, CTL, PROXY, api_of, ask, connect, ended, free_port, listeners_on,
                    listens, own_loopback, serve)


def ctl(rk, running, *args):
    return rk.other(CTL, f"--socket={running.state}/api.sock", *args)


def table(*rows):
    """Columns as wide as the longest cell and four blanks, the last one, too."""
    rows = [("ID", "PROTO", "PARENTIP", "PARENTPORT", "CHILDIP", "CHILDPORT"), *rows]
    widths = [max(len(row[i]) for row in rows) + 4 for i in range(6)]
    return "".join("".join(cell.ljust(width) for cell, width in zip(row, widths)) + "\n"
                   for row in rows)


# --- ports ---


@pytest.mark.also_as_root
def test_add_list_and_remove(rk):
    host = own_loopback()
    running = serve(rk)
    assert ctl(rk, running, "list-ports").ok().out == table()
    assert ctl(rk, running, "list-ports", "--json").ok().out == ""
    assert ctl(rk, running, "add-ports", f"{host}:8080:127.0.0.1:80/tcp",
               f"{host}:8081:80/udp").ok().out == "1\n2\n"
    assert ask(host, 8080) == b"hello"
    assert ctl(rk, running, "list-ports").ok().out == table(
        ("1", "tcp", host, "8080", "127.0.0.1", "80"), ("2", "udp", host, "8081", "", "80"))
    assert ctl(rk, running, "list-ports", "--json").ok().out == (
        f'{{"id":1,"spec":{{"proto":"tcp","parentIP":"{host}","parentPort":8080,"childPort":80,'
        '"childIP":"127.0.0.1"}}\n'
        f'{{"id":2,"spec":{{"proto":"udp","parentIP":"{host}","parentPort":8081,"childPort":80}}}}'
        "\n")
    assert ctl(rk, running, "remove-ports", "1", "2").ok().out == "1\n2\n"
    assert not listens(host, 8080)
    assert api_of(running).ask("GET", "/v1/ports").body == "null"


def test_removal_ends_live_connections(rk):
    host = own_loopback()
    running = serve(rk, f"-p={host}:8080:127.0.0.1:80/tcp")
    with connect(host, 8080) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        assert ctl(rk, running, "remove-ports", "1").ok().out == "1\n"
        assert ended(sock)


def test_add_as_json_and_port_0(rk):
    host = own_loopback()
    running = serve(rk)
    out = ctl(rk, running, "add-ports", "--json", f"{host}:0:127.0.0.1:80/tcp").ok().out
    status = json.loads(out)
    assert out == json.dumps(status, separators=(",", ":")) + "\n"
    assert listeners_on(host) == {status["spec"]["parentPort"]}
    assert ask(host, status["spec"]["parentPort"]) == b"hello"


def test_range(rk):
    host = own_loopback()
    running = serve(rk)
    assert ctl(rk, running, "add-ports", f"{host}:8000-8004:8000-8004/tcp").ok().out == "1\n"
    assert listeners_on(host) == set(range(8000, 8005))
    rows = ctl(rk, running, "list-ports").ok().lines()
    assert len(rows) == 2 and "8000-8004" in rows[1]
    assert ctl(rk, running, "remove-ports", "1").ok().out == "1\n"
    assert listeners_on(host) == set()


def failed(outcome, text, out=""):
    assert (outcome.code, outcome.out) == (1, out), outcome
    assert outcome.err.rstrip("\n").endswith(f"error: {text}"), outcome
    return outcome


def test_nothing_is_sent_when_one_spec_is_bad(rk):
    running = serve(rk)
    failed(ctl(rk, running, "add-ports", f"{own_loopback()}:8080:80/tcp", "8080:80/tcp"),
           'unexpected ParentIP in PortSpec string: "8080:80/tcp"')
    assert api_of(running).ask("GET", "/v1/ports").body == "null"


def test_the_first_failure_ends_adding_without_rollback(rk):
    host = own_loopback()
    running = serve(rk)
    failed(ctl(rk, running, "add-ports", f"{host}:1:80/sctp"), "unsupported port protocol sctp")
    same = f"{host}:8080:80/tcp"
    failed(ctl(rk, running, "add-ports", same, same, f"{host}:8081:80/tcp"), "conflict with ID 1",
           out="1\n")
    assert listeners_on(host) == {8080}


def test_removal_errors(rk):
    host = own_loopback()
    running = serve(rk, f"-p={host}:8080:80/tcp", f"-p={host}:8081:80/tcp")
    outcome = ctl(rk, running, "remove-ports", "1", "abc")
    assert (outcome.code, outcome.out) == (1, "") and "abc" in outcome.err
    assert listeners_on(host) == {8080, 8081}
    failed(ctl(rk, running, "remove-ports", "1", "99", "2"), "unknown id: 99", out="1\n")
    assert listeners_on(host) == {8081}


@pytest.mark.parametrize("command,text", [("add-ports", "no port specified"),
                                          ("remove-ports", "no ID specified")])
def test_arguments_are_needed(rk, command, text):
    running = rk.start_ready(*BUILTIN)
    failed(ctl(rk, running, command), text)


def test_flags_come_before_the_specs(rk):
    running = rk.start_ready(*BUILTIN)
    assert ctl(rk, running, "add-ports", f"{own_loopback()}:1234:80/tcp", "--json").code == 1
    assert api_of(running).ask("GET", "/v1/ports").body == "null"


def test_no_port_driver(rk):
    running = rk.start_ready("--net=none")
    failed(ctl(rk, running, "list-ports"), "no PortDriver is available")


# --- info ---


@pytest.mark.also_as_root
@pytest.mark.parametrize("flags", [[], ["--net=none"], BUILTIN], ids=" ".join)
def test_info(rk, flags):
    running = rk.start_ready(*flags)
    info = api_of(running).ask("GET", "/v1/info").json()
    lines = ctl(rk, running, "info").ok().lines()
    expected = ["- REST API version: 1.1.2", f"- Implementation version: {info['version']}",
                f"- State Directory: {running.state}", f"- Child PID: {running.child}"]
    expected += ["- Network Driver: none", "  - DNS: []"] if flags else []
    if flags == BUILTIN:
        expected += ["- Port Driver: builtin",
                     "  - Supported protocols: [tcp tcp4 tcp6 udp udp4 udp6]"]
    assert lines[:len(expected)] == expected
    if flags != BUILTIN:  # more may be said about the driver
        assert lines == expected


@pytest.mark.parametrize("flags", [[], BUILTIN], ids=" ".join)
def test_info_as_json(rk, flags):
    running = rk.start_ready(*flags)
    info = api_of(running).ask("GET", "/v1/info").json()
    assert ctl(rk, running, "info", "--json").ok().out == json.dumps(info, indent=4) + "\n"


def test_socket_of_the_environment(rk):
    running = rk.start_ready()
    env = rk.with_env(ROOTLESSKIT_STATE_DIR=running.state)
    assert f"Child PID: {running.child}" in rk.other(CTL, "info", env=env).ok().out
    other = rk.with_env(ROOTLESSKIT_STATE_DIR=rk.base)
    outcome = rk.other(CTL, "--socket", running.state / "api.sock", "info", env=other)
    assert f"Child PID: {running.child}" in outcome.ok().out
    inside = rk.run(CTL, "info").ok().out
    assert "- Child PID: " in inside


# --- words and errors ---


def test_socket_errors(rk):
    failed(rk.other(CTL, "info"), "please specify --socket or set $ROOTLESSKIT_STATE_DIR")
    missing = rk.base / "missing.sock"
    failed(rk.other(CTL, f"--socket={missing}", "info"),
           f"stat {missing}: no such file or directory")
    env = rk.with_env(ROOTLESSKIT_STATE_DIR=rk.base)
    failed(rk.other(CTL, "info", env=env), f"stat {rk.base}/api.sock: no such file or directory")


def test_nobody_listens(rk):
    path = rk.base / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    for words, done in ((["info"], 'Get "http://rootlesskit/v1/info"'),
                        (["add-ports", "127.0.0.1:8080:80/tcp"], 'Post "http://rootlesskit/v1/ports"'),
                        (["remove-ports", "1"], 'Delete "http://rootlesskit/v1/ports/1"')):
        failed(rk.other(CTL, f"--socket={path}", *words),
               f"{done}: dial unix {path}: connect: connection refused")


@pytest.mark.parametrize("args", [["foo"], ["--socket=/nowhere", "foo", "x"]], ids=" ".join)
def test_unknown_command(rk, args):
    outcome = rk.other(CTL, *args)
    assert outcome.code == 3 and outcome.err.strip() == "No help topic for 'foo'", outcome


@pytest.mark.parametrize("args", [[], ["help"], ["h"], ["--help"], ["-h"]], ids=" ".join)
def test_help(rk, args):
    out = rk.other(CTL, *args).ok().out
    for word in ("USAGE:", "COMMANDS:", "list-ports", "add-ports", "remove-ports", "info",
                 "--socket"):
        assert word in out, word


def test_version(rk):
    for flag in ("--version", "-v"):
        version = rk.run("--version").ok().out.split()[-1]
        assert rk.other(CTL, flag).ok().out == f"rootlessctl version {version}\n"


# --- rootlesskit-docker-proxy ---

FAKE = 'echo "$@" >{base}/arguments; printf "0\\n" >&3; exec sleep 1000\n'


class Proxy:
    """rootlesskit-docker-proxy with a fake docker-proxy, whose descriptor 3 is a file."""

    def __init__(self, rk, state, *args, fake=FAKE, redirections=""):
        self.base = rk.base
        path = rk.script("docker-proxy", fake.format(base=rk.base))
        env = dict(rk.path_first(path), ROOTLESSKIT_STATE_DIR=str(state))
        self.running = rk.start("sh", "-c", f'exec "$@" 3>{rk.base}/fd3 {redirections}', "sh",
                                PROXY, *args, exe=(), prefix=(), env=env)

    def fd3(self):
        path = self.base / "fd3"
        return path.read_text() if path.exists() else ""

    def wait_fd3(self):
        wait_until(lambda: self.fd3().endswith("\n") or not self.running.running(),
                   what=f"descriptor 3; {self.running!r}")
        return self.fd3()

    def arguments(self):
        path = self.base / "arguments"
        return path.read_text() if path.exists() else None


def options(host, port, proto="tcp"):
    return ["-proto", proto, "-host-ip", host, "-host-port", port, "-container-ip", "172.17.0.2",
            "-container-port", "80"]


@pytest.mark.also_as_root
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_proxy_adds_and_removes_the_port(rk, number):
    host, port = own_loopback(), free_port()
    running = serve(rk, inside=[f"echo,127.0.0.1,{port}"])
    proxy = Proxy(rk, running.state, *options(host, port))
    assert proxy.wait_fd3() == "0\n"
    assert proxy.arguments() == ("-container-ip 172.17.0.2 -container-port 80 -host-ip 127.0.0.1 "
                                 f"-host-port {port} -proto tcp\n")
    assert api_of(running).ask("GET", "/v1/ports").json() == [
        {"id": 1, "spec": {"proto": "tcp4", "parentIP": host, "parentPort": port,
                           "childPort": port, "childIP": "127.0.0.1"}}]
    assert ask(host, port) == b"hello"
    proxy.running.signal(number)
    assert proxy.running.wait().code == 0
    assert api_of(running).ask("GET", "/v1/ports").body == "null"
    assert not listens(host, port)


def test_proxy_for_ipv6(rk):
    port = free_port()
    running = serve(rk, inside=[f"echo,::1,{port}"])
    proxy = Proxy(rk, running.state, *options("::1", port))
    assert proxy.wait_fd3() == "0\n"
    added = api_of(running).ask("GET", "/v1/ports").json()[0]["spec"]
    assert (added["proto"], added["parentIP"], added["childIP"]) == ("tcp6", "::1", "::1")
    assert "-host-ip ::1 " in proxy.arguments()
    assert ask("::1", port) == b"hello"


def test_proxy_tells_of_a_busy_port(rk):
    host, port = own_loopback(), 8080
    running = serve(rk, f"-p={host}:{port}:80/tcp4")
    proxy = Proxy(rk, running.state, *options(host, port))
    outcome = proxy.running.wait()
    assert outcome.code == 1
    assert proxy.fd3().startswith("1\n") and "conflict with ID 1" in proxy.fd3()
    assert "conflict with ID 1" in outcome.err
    assert proxy.arguments() is None


def test_proxy_discards_sctp(rk):
    running = serve(rk)
    proxy = Proxy(rk, running.state, *options("127.0.0.1", 8080, "sctp"))
    outcome = proxy.running.wait()
    assert (outcome.code, proxy.fd3()) == (0, "0\n"), outcome
    assert ('protocol "sctp4" is not supported by the RootlessKit port driver "builtin", '
            'discarding request for "127.0.0.1:8080"') in outcome.err.replace('\\"', '"')
    assert api_of(running).ask("GET", "/v1/ports").body == "null"


def test_proxy_becomes_the_real_one_without_port_driver(rk):
    running = rk.start_ready("--net=none")
    proxy = Proxy(rk, running.state, *options("127.0.0.1", 8080, "udp"))
    assert proxy.wait_fd3() == "0\n"
    assert proxy.arguments() == " ".join(map(str, options("127.0.0.1", 8080, "udp"))) + "\n"
    proxy.running.signal(signal.SIGTERM)
    proxy.running.wait()


def test_proxy_does_not_wait_for_a_dead_real_one(rk):
    """The original hangs, and the port stays (known defect D35)."""
    host = own_loopback()
    running = serve(rk)
    proxy = Proxy(rk, running.state, *options(host, 8080),
                  fake='printf "1\\nno such thing" >&3; exit 1\n')
    proxy.running.wait()
    assert proxy.fd3() == "1\nno such thing"
    assert listeners_on(host) == set()
    assert api_of(running).ask("GET", "/v1/ports").body == "null"


def test_proxy_takes_the_real_one_along(rk):
    running = serve(rk)
    proxy = Proxy(rk, running.state, *options(own_loopback(), 8080),
                  fake='echo $$ >{base}/arguments; printf "0\\n" >&3; exec sleep 1000\n')
    assert proxy.wait_fd3() == "0\n"
    real = int(proxy.arguments())
    proxy.running.signal(signal.SIGKILL)
    proxy.running.process.wait()
    wait_until(lambda: gone(real), what="the real proxy to die with its parent")


def test_proxy_passes_the_listening_socket_on(rk):
    """What newer Docker does; the original's does not know the flag (known defect D35)."""
    host = own_loopback()
    running = serve(rk)
    (rk.base / "socket").touch()
    proxy = Proxy(rk, running.state, *options(host, 8080), "-use-listen-fd",
                  fake='echo "$@ $(readlink /proc/self/fd/4)" >{base}/arguments; '
                       'printf "0\\n" >&3; exec sleep 1000\n',
                  redirections=f"4<{rk.base}/socket")
    assert proxy.wait_fd3() == "0\n"
    assert proxy.arguments().endswith(f" -proto tcp -use-listen-fd {rk.base}/socket\n")
    assert listeners_on(host) == {8080}


def test_proxy_needs_the_state_directory(rk):
    outcome = rk.other(PROXY, *options("127.0.0.1", 8080))
    assert outcome.code == 1 and "$ROOTLESSKIT_STATE_DIR needs to be set" in outcome.err


def test_proxy_refuses_unknown_flags(rk):
    proxy = Proxy(rk, rk.base, "-such-a-flag")
    outcome = proxy.running.wait()
    assert outcome.code == 2 and "-host-port" in outcome.err and proxy.fd3() == ""
