# SPDX-License-Identifier: Apache-2.0
"""What the tests of --net=builtin share: sockets inside the namespace (agent.py), and a small world of
network namespaces in which an ordinary user is the administrator of "the host"."""
import array
import errno
import json
import os
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

import harness
from harness import HERE, PYTHON, nested, wait_until, which

# RK_TEST_NET=--net=slirp4netns holds the tests themselves against another network.
NET = os.environ.get("RK_TEST_NET", "--net=builtin")
INSIDE, GATEWAY, DNS = "10.0.2.100", "10.0.2.2", "10.0.2.3"
INSIDE6, GATEWAY6 = "fd00::100", "fd00::2"
HOST, REMOTE, SECOND = "198.51.100.2", "198.51.100.1", "203.0.113.9"
HOST6, REMOTE6, SECOND6 = "2001:db8:1::2", "2001:db8:1::1", "2001:db8:9::9"
AT_ONCE = 2.0  # seconds: far below any retransmission that would be waited for, far above a slow machine


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Agent:
    """The test's end of an agent.py that runs somewhere."""

    def __init__(self, channel, pid):
        self.channel, self.pid = channel, pid

    def _ask(self, request, timeout=60):
        self.channel.settimeout(timeout * harness.SLOW)
        self.channel.sendall(json.dumps(request).encode() + b"\n")
        length, rights, _, _ = self.channel.recvmsg(4, socket.CMSG_SPACE(4))
        assert len(length) == 4, "the agent is gone"
        data = b""
        while len(data) < int.from_bytes(length, "big"):
            data += self.channel.recv(int.from_bytes(length, "big") - len(data))
        reply = json.loads(data)
        assert "failed" not in reply, reply["failed"]
        if "errno" in reply:
            raise OSError(reply["errno"], reply["text"])
        return reply, array.array("i", rights[0][2])[0] if rights else None

    def socket(self, *args, timeout=10, **more):
        _, fd = self._ask({"op": "socket", "args": args, **more})
        sock = socket.socket(fileno=fd)
        sock.settimeout(timeout * harness.SLOW)
        return sock

    def tcp(self, address, port, timeout=10, **more):
        """A TCP socket of that namespace, connected."""
        sock = self.socket(family_of(address), socket.SOCK_STREAM, 0, timeout=timeout, **more)
        try:
            sock.connect((address, port))
        except BaseException:
            sock.close()
            raise
        return sock

    def udp(self, address="0.0.0.0", port=0, timeout=5, **more):
        """A UDP socket of that namespace, bound."""
        return self.socket(family_of(address), socket.SOCK_DGRAM, 0, timeout=timeout,
                           bind=[address, port], **more)

    def listen(self, address, port=0, backlog=1024, timeout=10):
        return self.socket(family_of(address), socket.SOCK_STREAM, 0, timeout=timeout,
                           bind=[address, port], listen=backlog)

    def run(self, *argv, stdin="", timeout=30):
        """Runs a program there; returns code, out and err."""
        reply, _ = self._ask({"op": "run", "argv": list(map(str, argv)), "stdin": stdin,
                              "timeout": timeout * harness.SLOW}, timeout + 5)
        return SimpleNamespace(**reply)

    def ok(self, *argv, **kwargs):
        """Runs a program there that must succeed; returns its output."""
        done = self.run(*argv, **kwargs)
        assert done.code == 0, (argv, done)
        return done.out

    def python(self, code, *args, timeout=60):
        """Runs Python there; returns what it leaves in `result`."""
        return self._ask({"op": "python", "code": code, "args": args}, timeout)[0]["result"]

    def close(self):
        self.channel.close()


class Meeting:
    """Where an agent that is about to be started reports."""

    def __init__(self, rk):
        self.name = f"agent{len(list(rk.base.glob('agent*')))}"
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Names of UNIX sockets are short, those of test directories are not.
        directory = os.open(rk.base, os.O_PATH | os.O_DIRECTORY)
        self.listener.bind(f"/proc/self/fd/{directory}/{self.name}")
        os.close(directory)
        self.listener.listen(1)
        self.argv = [*PYTHON, str(HERE / "agent.py"), self.name]

    def wait(self, running):
        self.listener.settimeout(0.05)

        def arrived():
            assert running.running(), running.wait()
            try:
                return self.listener.accept()[0]
            except TimeoutError:
                return None
        channel = wait_until(arrived, 15, f"the agent of {running!r}")
        self.listener.close()
        channel.setblocking(True)
        pid = b""
        while not pid.endswith(b"\n"):
            pid += channel.recv(1)
        return Agent(channel, int(pid))


def start_with_agent(rk, *options, detached=False, state="state", **kwargs):
    """Starts rootlesskit with an agent as its command. Returns the Running, with `inside` for the
    agent, `state` and `child`."""
    meeting = Meeting(rk)
    detach = []
    if detached:
        detach = ["sh", "-c", 'exec nsenter --net="$ROOTLESSKIT_STATE_DIR/netns" "$@"', "sh"]
        options = ["--detach-netns", *options]
    state = rk.state(state)
    running = rk.start(f"--state-dir={state}", *options, *detach, *meeting.argv, **kwargs)
    running.inside = meeting.wait(running)
    running.state = state
    running.child = int((state / "child_pid").read_bytes())
    return running


def start_net(rk, *options, **kwargs):
    """The builtin network with an agent inside."""
    return start_with_agent(rk, NET, *options, **kwargs)


class World:
    """A host of our own: `host` has a veth to `remote`, which is its default gateway, drops what is
    not its own (so every other address is a black hole) and has a second address. The same sub-IDs
    as on the real host; the user is root there."""

    def __init__(self, rk, uplink=True, resolv=None):
        self.rk = rk
        prefix = nested(rk, extra=["--net"])
        if resolv is not None:
            prefix += ["sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(resolv)]
        self.host = self._agent(prefix)
        pid = self.host.pid
        self.enter = [*enter(pid, "-U", "-n", "-m"), f"--wd={rk.base}"]
        self.host.ok("ip", "link", "set", "lo", "up")
        self.remote = self._agent([*self.enter, "unshare", "--net"])
        for agent in (self.host, self.remote):
            agent.python("open('/proc/sys/net/ipv6/conf/default/accept_dad', 'w').write('0')")
        if uplink:
            self.plug_in()

    def _agent(self, prefix):
        meeting = Meeting(self.rk)
        return meeting.wait(self.rk.start(*meeting.argv, exe=(), prefix=prefix))

    def plug_in(self):
        self.host.ok("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns",
                     self.remote.pid)
        batch = "link set eth0 up\naddr add {}/24 dev eth0\naddr add {}/64 dev eth0 nodad\n"
        self.remote.ok("ip", "-batch", "-", stdin="link set lo up\n" + batch.format(REMOTE, REMOTE6) +
                       f"addr add {SECOND}/32 dev lo\naddr add {SECOND6}/128 dev lo nodad\n")
        self.host.ok("ip", "-batch", "-", stdin=batch.format(HOST, HOST6) +
                     f"route add default via {REMOTE}\nroute add default via {REMOTE6}\n")
        # Link-local addresses come late: the kernel's worker makes them once it has seen the carrier.
        for agent in (self.host, self.remote):
            harness.wait_until(lambda a=agent: a.ok("ip", "-6", "-o", "addr", "show", "dev", "eth0",
                                                    "scope", "link", "-tentative"),
                               what="addresses to be usable")

    def start(self, *options, **kwargs):
        return start_net(self.rk, *options, prefix=self.enter, **kwargs)


def enter(pid, *namespaces):
    return [which("nsenter"), "-t", str(pid), *namespaces, "--preserve-credentials"]


class Container:
    """A network namespace behind a bridge of its own in the namespace of a run: .1 is the bridge, .2
    the container, whose default route goes through it."""

    def __init__(self, rk, running, bridge, network):
        meeting = Meeting(rk)
        prefix = [*enter(running.child, "-U", "-n"), "unshare", "--net"]
        self.agent = meeting.wait(rk.start(*meeting.argv, exe=(), prefix=prefix))
        self.address = f"{network}.2"
        running.inside.ok("ip", "-batch", "-", stdin=f"""
link add {bridge} type bridge
addr add {network}.1/24 dev {bridge}
link set {bridge} up
link add v{bridge} type veth peer name eth0 netns {self.agent.pid}
link set v{bridge} master {bridge} up
""")
        self.agent.ok("ip", "-batch", "-", stdin=f"""
link set lo up
addr add {network}.2/24 dev eth0
link set eth0 up
route add default via {network}.1
""")


@pytest.fixture
def world(rk, needs_sub_ids):  # pylint: disable=unused-argument
    return World(rk)


def connect_error(agent, address, port, timeout=10):
    """The errno of a connect() that must fail; None if it succeeds."""
    try:
        agent.tcp(address, port, timeout).close()
    except TimeoutError as error:
        return error.errno or errno.EAGAIN  # our own patience ended
    except OSError as error:
        return error.errno
    return None


def black_hole(address="127.0.0.1"):
    """A listener whose queue is full: the kernel drops further SYNs. Keep what is returned."""
    listener = socket.create_server((address, 0), family=family_of(address), backlog=0)
    fillers = []
    for _ in range(8):
        filler = socket.socket(family_of(address))
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
    return listener, fillers


def info(running):
    """`rootlessctl info --json` of a run."""
    out = subprocess.run([harness.BIN_DIR / "rootlessctl", f"--socket={running.state}/api.sock",
                          "info", "--json"], check=True, capture_output=True, text=True).stdout
    return json.loads(out)


def ours(running):
    """PIDs of our processes, without the command and what it started."""
    found = []
    for pid in [running.pid, *harness.descendants(running.pid)]:
        try:
            if Path(f"/proc/{pid}/comm").read_text().strip().startswith("rootlesskit"):
                found.append(pid)
        except OSError:
            continue
    return found


def relay(running):
    """The PID of the relay: ours, and neither the parent nor in the command's PID line."""
    own = set(ours(running)) - {running.pid}
    below_child = {running.child, *harness.descendants(running.child)}
    rest = sorted(own - below_child)
    assert rest, own
    return rest[0]


def status_of(pid):
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                if ":\t" in line)
