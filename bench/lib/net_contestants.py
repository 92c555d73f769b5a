# SPDX-License-Identifier: Apache-2.0
"""The contestants of bench/net, and the world they compete in: a host of its own (user, network and
mount namespace) where an ordinary user may serve names on port 53 and resolv.conf says so."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import contest
from port_services import descendants

HOST = "127.0.0.1"
GATEWAY, DNS = "10.0.2.2", "10.0.2.3"  # as seen inside
TCP, IPERF, UDP = 7001, 7002, 7003     # services on the host's loopback
PATIENCE = 20
CALM_ROOM = 1048576                    # bytes: less than what any sender here may buffer
LOADS = ("tcp_load", "udp_load", "dns_load")
MARK = "RK_BENCH_NET_WORLD"


def build_loads(scratch):
    here = os.path.dirname(os.path.abspath(__file__))
    for name in LOADS:
        subprocess.run([os.environ.get("CXX", "g++"), "-std=gnu++20", "-O2",
                        os.path.join(here, "..", "load", f"{name}.cc"), "-o",
                        os.path.join(scratch, name)], check=True)


def enter_world(scratch):
    """Runs this program again as root of the world, and ends with its status."""
    for name, text in (("resolv.conf", f"nameserver {HOST}\n"), ("subids", "root:1:60000\n")):
        with open(os.path.join(scratch, name), "w", encoding="ascii") as file:
            file.write(text)
    script = ('cd "$1" && mount --bind resolv.conf /etc/resolv.conf && '
              "mount --bind subids /etc/subuid && mount --bind subids /etc/subgid && "
              'cd "$2" && shift 2 && exec "$@"')
    argv = ["unshare", "--map-root-user", "--map-auto", "--mount", "--net", "sh", "-c", script, "sh",
            scratch, os.getcwd(), sys.executable, *sys.argv]
    return subprocess.run(argv, env={**os.environ, MARK: scratch}, check=False).returncode


def raise_descriptor_limit():
    """Nobody shall be slow for want of descriptors. (Not where memory is compared: slirp4netns takes
    150 KB for each connection of the last minute, 3 GB in such a run.)"""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


def sysctl(name, value):
    with open(f"/proc/sys/net/{name}", "w", encoding="ascii") as file:
        file.write(value)


def calms():
    """Sysctls of the world and of every namespace, unless CALM=no leaves the host's. BBR, where a host
    has it, and a receiver that offers more than its sender has room for make pasta lose segments, and
    wait 200 ms for each (docs/performance.md)."""
    if os.environ.get("CALM") == "no":
        return {}
    return {"ipv4/tcp_congestion_control": "reno", "ipv4/tcp_rmem": f"4096 131072 {CALM_ROOM}"}


def set_up_world(scratch):
    """An uplink (nothing is behind it) and the services; returns the processes to end."""
    for name, value in calms().items():
        sysctl(name, value)
    for line in ("link set lo up", "link add up0 type veth peer name up1", "link set up1 up",
                 "addr add 198.51.100.2/24 dev up0", "link set up0 up", "route add default via 198.51.100.1"):
        subprocess.run(["ip", *line.split()], check=True)
    sysctl("ipv4/ip_local_port_range", "10000 65000")
    load = [os.path.join(scratch, name) for name in LOADS]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return [subprocess.Popen(argv, **quiet) for argv in (
        [load[0], "serve", HOST, str(TCP)], [load[1], "sink", HOST, str(UDP)],
        [load[2], "serve", HOST, "53"], ["iperf3", "-s", "-B", HOST, "-p", str(IPERF)])]


class Peer:
    """A namespace whose network somebody carries. `target` is the PID to enter, `root` the process
    whose tree does the carrying."""

    gateway, dns = GATEWAY, DNS

    def __init__(self, name, mtu):
        self.name, self.mtu = name, mtu
        self.processes = []
        self.target = self.root = None

    def spawn(self, argv):
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, start_new_session=True)
        self.processes.append(process)
        return process

    def inside(self, *argv):
        return ["nsenter", "-t", str(self.target), "-U", "-n", "--preserve-credentials",
                *map(str, argv)]

    def run(self, *argv, timeout=90):  # the longest load lasts a minute
        return subprocess.run(self.inside(*argv), capture_output=True, text=True, timeout=timeout,
                              check=False)

    def wait_until_up(self, scratch):
        probe = [f"{scratch}/tcp_load", "run", self.gateway, TCP, "close", 1, 1, 1]
        deadline = time.monotonic() + PATIENCE
        while True:
            out = self.run(*probe).stdout
            if '"done": 1' in out:
                break
            if time.monotonic() > deadline or any(p.poll() for p in self.processes):
                for process in self.processes:
                    process.kill()
                told = b"".join(p.stderr.read() for p in self.processes)
                raise SystemExit(f"{self.name} does not work: {told.decode(errors='replace')}")
            time.sleep(0.05)
        for name, value in {"ipv4/ip_local_port_range": "10000 65000", **calms()}.items():
            self.run("sh", "-c", f"echo {value} >/proc/sys/net/{name}")

    def counted(self):
        return descendants(self.root)

    def cpu_seconds(self):
        ticks = 0
        for pid in self.counted():
            try:
                with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                    ticks += sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:13]))
            except OSError:
                pass
        return ticks / os.sysconf("SC_CLK_TCK")

    def pss_kib(self):
        total = 0
        for pid in self.counted():
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
                total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        return total

    def stop(self):
        for process in reversed(self.processes):
            for pid in reversed(descendants(process.pid)):
                try:
                    os.kill(pid, signal.SIGTERM)
                except OSError:
                    pass
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Helper(Peer):
    """slirp4netns or pasta, attached to a namespace of its own without anything of ours."""

    def __init__(self, name, mtu, argv):
        super().__init__(name, mtu)
        self.argv = argv

    def start(self, _scratch):
        holder = self.spawn(["unshare", "--map-root-user", "--net", "sleep", "infinity"])
        before = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{holder.pid}/ns/net") == before:
            time.sleep(0.01)
        self.target = holder.pid
        self.root = self.spawn([*self.argv, *self.after()]).pid

    def after(self):
        pid = str(self.target)
        return [pid] if self.name.startswith("pasta") else [pid, "tap0"]


class Direct(Peer):
    """No namespace at all: the host's loopback."""

    gateway = dns = HOST

    def start(self, _scratch):
        self.target = self.root = os.getpid()

    def inside(self, *argv):
        return list(map(str, argv))

    def wait_until_up(self, scratch):
        pass

    def cpu_seconds(self):
        return 0


class Rootless(Peer):
    """A rootlesskit with its network; all its processes but the command count."""

    def __init__(self, name, mtu, program, net):
        super().__init__(name, mtu)
        self.program, self.net = program, net

    def start(self, scratch):
        state = f"{scratch}/state-{self.name.replace(' ', '-')}"
        self.root = self.spawn([self.program, f"--net={self.net}", f"--mtu={self.mtu}",
                                f"--state-dir={state}", "--port-driver=none", "sleep",
                                "infinity"]).pid
        deadline = time.monotonic() + PATIENCE
        while not os.path.exists(f"{state}/child_pid"):
            if time.monotonic() > deadline or self.processes[0].poll() is not None:
                self.processes[0].kill()
                raise SystemExit(f"{self.name} does not start: "
                                 f"{self.processes[0].stderr.read().decode(errors='replace')}")
            time.sleep(0.01)
        with open(f"{state}/child_pid", encoding="ascii") as file:
            self.target = int(file.read())

    def counted(self):
        found = []
        for pid in super().counted():
            with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                if comm.read().strip() != "sleep":
                    found.append(pid)
        return found


def pasta_argv(program, mtu):
    return [program, "--foreground", "--quiet", "--config-net", "--ns-ifname=tap0", f"--mtu={mtu}",
            "--address=10.0.2.100", "--netmask=24", f"--gateway={GATEWAY}", f"--dns-forward={DNS}",
            "--ipv4-only", "--tcp-ports=none", "--udp-ports=none", "--tcp-ns=none", "--udp-ns=none"]


def contestants(mtus):
    """Who takes part; whoever cannot is named on standard error."""
    for mtu in mtus:
        yield Rootless(f"builtin {mtu}", mtu, contest.ours(), "builtin")
        if shutil.which("slirp4netns"):
            yield Helper(f"slirp4netns {mtu}", mtu, ["slirp4netns", "--configure", f"--mtu={mtu}"])
        else:
            print("bench/net: NO CONTESTANT slirp4netns: not installed", file=sys.stderr)
        pasta = os.environ.get("PASTA", "")
        if os.access(pasta, os.X_OK):
            yield Helper(f"pasta {mtu}", mtu, pasta_argv(pasta, mtu))
        else:
            print("bench/net: NO CONTESTANT pasta: PASTA does not name a program (a current one: "
                  "scripts/build-passt.sh)", file=sys.stderr)
    yield Direct("loopback", 65536)
