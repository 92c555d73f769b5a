# SPDX-License-Identifier: Apache-2.0
"""The contestants of bench/ports: what forwards, and the services behind it."""

import os
import shutil
import signal
import socket
import subprocess
import time

import contest

HTTP, IPERF, UDP = 8080, 5201, 9000  # inside
HOST_BASE = 21000                    # services of the host for the yardsticks
PATIENCE = 20


def build_load(scratch):
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "load", "udp_load.cc")
    program = os.path.join(scratch, "udp_load")
    subprocess.run([os.environ.get("CXX", "g++"), "-std=gnu++20", "-O2", source, "-o", program],
                   check=True)
    os.chmod(scratch, 0o755)
    return program


def service_script(scratch, name, load, address, ports):
    """A shell script that runs nginx, iperf3 and the UDP sink until it is killed."""
    http, iperf, udp = ports
    base = os.path.join(scratch, name)
    os.makedirs(base)
    temp = "".join(f" {kind}_temp_path {base}/{kind};" for kind in (
        "client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(f"{base}/nginx.conf", "w", encoding="utf-8") as conf:
        conf.write(f"user root root; daemon off; master_process off; pid {base}/pid; error_log {base}/log;\n"
                   "events { worker_connections 4096; }\n"
                   f"http {{ access_log off;{temp} keepalive_requests 100000000;\n"
                   f"server {{ listen {address}:{http} backlog=4096;"
                   " location / { return 200 \"hello\\n\"; } } }\n")
    script = f"{base}/services"
    with open(script, "w", encoding="utf-8") as text:
        text.write("#!/bin/sh\ntrap 'kill $(jobs -p); exit' TERM INT\n"
                   f"nginx -e {base}/log -c {base}/nginx.conf &\n"
                   f"iperf3 -s -p {iperf} -B {address} >{base}/iperf.log 2>&1 &\n"
                   f"{load} sink {address} {udp} &\nwait\n")
    os.chmod(script, 0o755)
    return script


def descendants(root):
    parent_of = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as stat:
                parent_of[int(entry)] = int(stat.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            pass
    found = [root]
    for pid in found:
        found += [child for child, parent in parent_of.items() if parent == pid]
    return found


class Peer:
    """A process (tree) that forwards ports to services; `counted` programs make up its CPU time."""

    def __init__(self, name, argv, ports, counted):
        self.name, self.argv, self.counted = name, argv, counted
        self.http, self.iperf, self.udp = ports
        self.processes = []
        self.watched = []

    def start(self):
        for argv in self.argv:
            self.processes.append(subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL, start_new_session=True))

    def wait_until_up(self):
        for port in (self.http, self.iperf):
            deadline = time.monotonic() + PATIENCE
            while not self.answers(port):
                if time.monotonic() > deadline:
                    raise SystemExit(f"{self.name}: port {port} does not answer: {self.argv}")
                time.sleep(0.05)

    def answers(self, port):
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as probe:
                if port == self.http:
                    probe.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    return probe.recv(16).startswith(b"HTTP/1.1 200")
                # iperf3 serves one client at a time: only see that nobody resets.
                probe.settimeout(0.3)
                return probe.recv(1) != b""
        except TimeoutError:
            return port == self.iperf
        except OSError:
            return False

    def counted_processes(self):
        """The forwarding processes, by name; they live as long as the contest."""
        if not self.watched:
            for process in self.processes:
                for pid in descendants(process.pid):
                    with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                        if comm.read().strip() in self.counted:
                            self.watched.append(pid)
        return self.watched

    def cpu_seconds(self):
        """User and system time, that of reaped children (socat's) included."""
        ticks = 0
        for pid in self.counted_processes():
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                ticks += sum(map(int, stat.read().rsplit(")", 1)[1].split()[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self):
        for process in self.processes:
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


def rootless(name, program, scratch, load, base, network, driver):
    ports = (base, base + 1, base + 2)
    script = service_script(scratch, name.replace(" ", "-"), load, "0.0.0.0", (HTTP, IPERF, UDP))
    publish = [f"--publish=127.0.0.1:{ports[0]}:{HTTP}/tcp",
               f"--publish=127.0.0.1:{ports[1]}:{IPERF}/tcp",
               f"--publish=127.0.0.1:{ports[2]}:{UDP}/udp"]
    argv = [program, f"--net={network}", f"--port-driver={driver}", "--disable-host-loopback",
            f"--state-dir={scratch}/state-{base}", "--copy-up=/run", *publish, script]
    return Peer(name, [argv], ports, {"rootlesskit", "exe", "slirp4netns"})


def haproxy_config(scratch, ports):
    path = f"{scratch}/haproxy.cfg"
    with open(path, "w", encoding="utf-8") as text:
        text.write("global\n  nbthread 2\n  maxconn 4096\ndefaults\n  mode tcp\n"
                   "  option splice-auto\n  timeout connect 5s\n  timeout client 60s\n"
                   "  timeout server 60s\n")
        for front, back in ports:
            text.write(f"listen l{front}\n  bind 127.0.0.1:{front}\n  server s 127.0.0.1:{back}\n")
    return path


def contestants(scratch, load):
    yield rootless("ours", contest.ours(), scratch, load, 21100,
                   os.environ.get("OURS_NET", "none"), "builtin")
    if contest.original():
        yield rootless("original", contest.original(), scratch, load, 21200,
                       "slirp4netns", "builtin")  # 1.1.0 has no --net=none
        if shutil.which("slirp4netns"):
            yield rootless("original slirp4netns", contest.original(), scratch, load, 21500,
                           "slirp4netns", "slirp4netns")
    services = service_script(scratch, "host", load, "127.0.0.1",
                              (HOST_BASE, HOST_BASE + 1, HOST_BASE + 2))
    yield Peer("direct", [[services]], (HOST_BASE, HOST_BASE + 1, HOST_BASE + 2), {"-"})
    if shutil.which("haproxy"):
        config = haproxy_config(scratch, [(21300, HOST_BASE), (21301, HOST_BASE + 1)])
        yield Peer("haproxy", [["haproxy", "-f", config]], (21300, 21301, 0), {"haproxy"})
    if shutil.which("socat"):
        argv = [["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=4096",
                 f"TCP:127.0.0.1:{back},nodelay"]
                for port, back in ((21400, HOST_BASE), (21401, HOST_BASE + 1))]
        yield Peer("socat", argv, (21400, 21401, 0), {"socat"})
