# SPDX-License-Identifier: Apache-2.0
"""What the tests of --net=lxc-user-nic need of root. Called by setup_privileged.sh and
teardown_privileged.sh.

  lxc_fixture.py up|down DIRECTORY USER

Does nothing where lxc-user-nic or dnsmasq is missing. Makes bridges of the host's, all with names and networks that follow from DIRECTORY, so that
several test runs do not meet: one with a real dnsmasq, one with dhcp_server.py, one where nobody
answers, and one that lxc-usernet(5) does not grant to USER. It also grants one that does not exist.
The second has a smaller MTU than usual.
DIRECTORY/lxc/about.json tells the tests what there is; DIRECTORY/lxc/control/ belongs to USER.
"""
import fcntl
import hashlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import time
from pathlib import Path

USERNET = Path("/etc/lxc/lxc-usernet")
PROGRAMS = ("/usr/libexec/lxc/lxc-user-nic",
            f"/usr/lib/{os.uname().machine}-linux-gnu/lxc/lxc-user-nic", "/usr/lib/lxc/lxc-user-nic")
DNSMASQ = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin")
HERE = Path(__file__).resolve().parent
BRIDGES = ("dnsmasq", "scripted", "quiet", "ungranted")  # "missing" is granted, but not made
NETWORKS = 60  # times four /24 of 198.18.0.0/16, which is reserved for tests of networks
LEASE = "2m"  # dnsmasq's shortest
SMALL_MTU = 1400
COUNTS = {"quiet": 1}  # of interfaces that are allowed


def run(*command):
    subprocess.run(command, check=True)


def plan(directory):
    number = int.from_bytes(hashlib.sha256(str(directory).encode()).digest()[:4], "big")
    name = f"rk{number % 0x1000000:06x}"
    first = number % NETWORKS * len(BRIDGES)
    bridges = {kind: {"name": f"{name}{kind[0]}", "address": f"198.18.{first + i}.1",
                      "mtu": SMALL_MTU if kind == "scripted" else 1500}
               for i, kind in enumerate(BRIDGES)}
    bridges["missing"] = {"name": f"{name}m"}
    return bridges


def usernet_lines():
    return USERNET.read_text(encoding="utf-8").splitlines() if USERNET.exists() else []


def write_usernet(lines):
    """Keeps what others have in the file; it goes when nothing is left."""
    if not lines:
        USERNET.unlink(missing_ok=True)
        return
    fresh = USERNET.with_name(".lxc-usernet.rk")
    fresh.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    fresh.chmod(0o644)
    fresh.rename(USERNET)


def is_ours(line, bridges):
    words = line.split()
    return len(words) > 2 and words[2] in {bridge["name"] for bridge in bridges.values()}


def daemon(directory, name, *command):
    with open(directory / f"{name}.log", "wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True, cwd="/")
    (directory / f"{name}.pid").write_text(str(process.pid))


def make_bridge(bridge):
    run("ip", "link", "add", bridge["name"], "type", "bridge")
    run("ip", "addr", "add", f"{bridge['address']}/24", "dev", bridge["name"])
    run("ip", "link", "set", bridge["name"], "mtu", str(bridge["mtu"]), "up")


def start_dnsmasq(directory, bridge):
    network = bridge["address"].rpartition(".")[0]
    daemon(directory, "dnsmasq", DNSMASQ,
           "--conf-file=/dev/null", "--keep-in-foreground", "--log-facility=-", "--log-dhcp",
           "--bind-interfaces", f"--interface={bridge['name']}", "--except-interface=lo",
           "--no-ping", "--dhcp-authoritative", "--no-resolv", "--no-hosts", "--user=root",
           f"--dhcp-range={network}.10,{network}.240,255.255.255.0,{LEASE}",
           f"--address=/host.rk.test/{bridge['address']}", f"--pid-file={directory}/dnsmasq.own",
           f"--dhcp-leasefile={directory}/dnsmasq.leases")


def up(top, user):
    found = [path for path in PROGRAMS if os.path.exists(path)]
    if not found or not DNSMASQ:
        print("lxc-user-nic or dnsmasq is missing", file=sys.stderr)
        return
    directory = top / "lxc"
    directory.mkdir()
    directory.chmod(0o755)
    control = directory / "control"
    control.mkdir()
    (control / "orders").write_text("{}")
    bridges = plan(top)
    write_usernet([*usernet_lines(), *(f"{user} veth {bridge['name']} {COUNTS.get(kind, 50)}"
                                       for kind, bridge in bridges.items()
                                       if kind != "ungranted")])
    for kind in BRIDGES:
        make_bridge(bridges[kind])
    start_dnsmasq(directory, bridges["dnsmasq"])
    daemon(directory, "scripted", sys.executable, "-I", "-S", str(HERE / "dhcp_server.py"),
           bridges["scripted"]["name"], bridges["scripted"]["address"], str(control / "orders"),
           str(directory / "scripted.messages"))
    owner = pwd.getpwnam(user)
    os.chown(control, owner.pw_uid, owner.pw_gid)
    (directory / "about.json").write_text(json.dumps({**bridges, "program": found[0]}))


def stop_daemon(directory, name):
    """By its recorded PID, if that still is the process it was."""
    path = directory / f"{name}.pid"
    if not path.exists():
        return
    pid = int(path.read_text())
    try:
        if str(directory).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, 9)
            for _ in range(500):
                if not Path(f"/proc/{pid}").exists():
                    break
                time.sleep(0.01)
    except (FileNotFoundError, ProcessLookupError):
        pass


def down(top):
    directory, bridges = top / "lxc", plan(top)
    for name in ("dnsmasq", "scripted"):
        stop_daemon(directory, name)
    for kind in BRIDGES:
        if Path(f"/sys/class/net/{bridges[kind]['name']}/bridge").exists():
            run("ip", "link", "del", bridges[kind]["name"])
    lines = usernet_lines()
    if any(is_ours(line, bridges) for line in lines):
        write_usernet([line for line in lines if not is_ours(line, bridges)])
    shutil.rmtree(directory, ignore_errors=True)


def main(action, directory, user):
    if not USERNET.parent.is_dir():
        print("lxc is not installed", file=sys.stderr)
        return
    lock = os.open(USERNET.parent, os.O_RDONLY)  # others may change the file as well
    fcntl.flock(lock, fcntl.LOCK_EX)
    if action == "up":
        up(Path(directory), user)
    else:
        down(Path(directory))


if __name__ == "__main__":
    main(*sys.argv[1:4])
