# SPDX-License-Identifier: Apache-2.0
"""What Docker, containerd, BuildKit, usernetes and others do around RootlessKit, with their own
command lines (spec clients.md, cli.md 4)."""
import os
import re
import signal

import pytest

from harness import gone, kill_all, marked_processes, namespaces_of, wait_until, which

IDENTITY = 'id -u; for n in user mnt net pid uts ipc cgroup; do readlink /proc/self/ns/$n; done'
KINDS = ("user", "mnt", "net", "pid", "uts", "ipc", "cgroup")

# clients.md 1.4: who, nsenter's options, the namespaces they end up in.
RECIPES = {
    "dockerd-rootless-setuptool.sh": ("--no-fork --wd={wd} --preserve-credentials -m -n -U "
                                      "-t {pid} --",
                                      {"user", "mnt", "net"}),
    "dockerd detached": ("--no-fork --wd={wd} --preserve-credentials -m -U -t {pid} --", {"user",
                                                                                          "mnt"}),
    "nerdctl": ("-w{wd} --preserve-credentials -m -U -t {pid} -F -n", {"user", "mnt", "net"}),
    "usernetes": ("--user --preserve-credential --mount --net --cgroup --pid --ipc --uts -t {pid} "
                  "--wd={wd} --", set(KINDS)),
    "BuildKit": ("-U --preserve-credentials -m -t {pid}", {"user", "mnt"}),
}


@pytest.mark.also_as_root
@pytest.mark.parametrize("client", RECIPES)
def test_clients_enter_through_child_pid(rk, client):
    options, entered = RECIPES[client]
    # Without -p the new /proc would show nothing of the one who entered.
    pidns = ["--pidns"] if "pid" in entered else []
    running = rk.start_ready(*pidns, "--utsns", "--ipcns", "--cgroupns", "--net=none")
    options = options.format(wd=rk.base, pid=running.child).split()
    uid, *links = rk.other(which("nsenter"), *options, "sh", "-c", IDENTITY).ok().lines()
    assert uid == "0"
    inside, host = namespaces_of(running.child), namespaces_of("self")
    for kind, link in zip(KINDS, links):
        assert link == (inside if kind in entered else host)[kind], kind


def test_entering_as_soon_as_child_pid_exists(rk):
    """usernetes keeps a workaround for a child_pid that is written too early (issue 37)."""
    for flags in ([], ["--pidns", "--net=none", "--copy-up=/etc"]):
        running = rk.start(f"--state-dir={rk.state()}", *flags, "sleep", "1000")
        path = rk.state() / "child_pid"
        while not path.exists():
            assert running.running()
        out = rk.other(which("nsenter"), "-U", "--preserve-credentials", "-m", "-t",
                       path.read_text(),
                       "sh", "-c", "id -u; stat -f -c %T /etc").ok().lines()
        assert out[0] == "0"
        if flags:
            assert out[1] == "tmpfs"
        running.signal(signal.SIGTERM)
        running.wait()


def test_containerd_setuptool_reads_environ(rk):
    running = rk.start_ready("--net=none")
    for name, value in (("STATE_DIR", str(running.state)), ("PARENT_EUID", str(os.geteuid()))):
        out = rk.other("sh", "-c", f"sed -e 's/\\x0/\\n/g' /proc/{running.child}/environ | "
                       f"sed -n 's/^ROOTLESSKIT_{name}=//p'").ok().out
        assert out.strip() == value


def test_files_are_reached_through_proc_root(rk):
    # nerdctl cp: /proc/PID/root/run/containerd/containerd.sock
    running = rk.start_ready("--copy-up=/run",
                             script="echo x >/run/only-inside; echo ready; exec sleep 1000")
    with open(f"/proc/{running.child}/root/run/only-inside", encoding="ascii") as f:
        assert f.read() == "x\n"


def test_functional_tests_of_the_setup_tools(rk):
    rk.run("true").ok()
    rk.run("--disable-host-loopback", "--copy-up=/etc", "--copy-up=/run", "--copy-up=/var/lib",
           "true").ok()
    out = rk.other("sh", "-c", f"{rk.exe} --help | grep -qw -- --detach-netns").ok()
    assert out.code == 0


DOCKERD_ROOTLESS = r"""
set -e
if [ -z "$_DOCKERD_ROOTLESS_CHILD" ]; then
    _DOCKERD_ROOTLESS_CHILD=1 exec "$ROOTLESSKIT" --state-dir="$STATE" --net=host \
        --slirp4netns-sandbox=auto --slirp4netns-seccomp=auto --disable-host-loopback \
        --port-driver=none \
        --copy-up=/etc --copy-up=/run --propagation=rslave $FLAGS "$0" "$@"
fi
[ "$_DOCKERD_ROOTLESS_CHILD" = 1 ]
test -n "$ROOTLESSKIT_STATE_DIR"
# remove the symlinks for the existing files in the parent namespace
rm -f /run/docker /run/containerd /run/xtables.lock
mkdir -p /run/docker
test "$(stat -c %T -f /etc)" = tmpfs
test -L /etc/ssl
realpath_etc_ssl=$(realpath /etc/ssl)
rm -f /etc/ssl
mkdir /etc/ssl
mount --rbind "$realpath_etc_ssl" /etc/ssl
test -e /etc/ssl/openssl.cnf
echo "daemon $*"
trap 'echo stopped; exit 0' TERM
while :; do sleep 1000 & wait $!; done
"""


def test_the_shape_of_dockerd_rootless_sh(rk):
    script = rk.base / "dockerd-rootless.sh"
    script.write_text("#!/bin/sh" + DOCKERD_ROOTLESS)
    script.chmod(0o755)
    env = rk.with_env(ROOTLESSKIT=rk.exe, STATE=rk.state(), FLAGS="--pidns")
    running = rk.start("--data-root", "/x", "-H", "unix:///y", exe=[script], env=env)
    running.wait_line("daemon --data-root /x -H unix:///y")
    assert (rk.state() / "child_pid").exists()
    running.signal(signal.SIGTERM)
    outcome = running.wait()
    assert (outcome.code, "stopped" in outcome.out) == (0, True), outcome
    assert not rk.state().exists()


def test_buildctl_daemonless(rk):
    """rootlesskit buildkitd & ... kill $!; wait"""
    daemon = "trap 'exit 0' TERM; echo up; while :; do sleep 1000 & wait \\$!; done"
    script = (f'"{rk.exe}" --state-dir={rk.state()} sh -c "{daemon}" & pid=$!; '
              f'while ! test -s {rk.state()}/child_pid; do sleep 0.005; done; '
              'while ! grep -q up "$OUT"; do sleep 0.005; done; kill $pid; '
              'wait $pid; echo "code:$?"')
    env = rk.with_env(OUT=rk.base / "out0")
    outcome = rk.run(exe=["sh", "-c", script], env=env)
    _kill_sleepers(rk)
    assert "code:0" in outcome.out, outcome


def _kill_sleepers(rk):
    kill_all(pid for pid, line in marked_processes(rk.mark) if line == "sleep 1000")


def test_isulad_guide(rk):
    running = rk.start_ready("--cgroupns", "--copy-up=/run", "--copy-up=/usr/local",
                             script="touch $ROOTLESSKIT_STATE_DIR/isulad.sock; "
                             "chmod 700 $ROOTLESSKIT_STATE_DIR; mkdir /usr/local/x; "
                             "echo ready; exec sleep 1000")
    pid = (running.state / "child_pid").read_text()
    out = rk.other("sh", "-c",
                   f"nsenter -U --preserve-credentials -m -t {pid} ls -d /usr/local/x").ok()
    assert out.out == "/usr/local/x\n"
    running.signal(signal.SIGTERM)
    running.wait()
    wait_until(lambda: gone(running.child))


def test_usernetes_command_line(rk):
    outcome = rk.run("--state-dir", rk.state(), "--net=none", "--disable-host-loopback",
                     "--slirp4netns-sandbox=true", "--slirp4netns-seccomp=true", "--copy-up=/etc",
                     "--copy-up=/run",
                     "--copy-up=/var/lib", "--copy-up=/opt", "--cgroupns", "--pidns", "--ipcns",
                     "--utsns",
                     "--propagation=rslave", "sh", "-c",
                     "echo pid:$(cat $ROOTLESSKIT_STATE_DIR/child_pid); rm -rf /run/containerd; "
                     "mkdir /opt/x; hostname x").ok()
    assert re.fullmatch(r"pid:\d+\n", outcome.out)


def test_user_and_home_and_runtime_dir_are_the_users(rk):
    out = rk.sh('echo "$USER|$HOME|$XDG_RUNTIME_DIR"; cd; pwd',
                env=rk.with_env(XDG_RUNTIME_DIR="/run/user/4711")).ok().lines()
    assert out == [f"{rk.env['USER']}|{rk.env['HOME']}|/run/user/4711", rk.env["HOME"]]


def test_a_nested_user_namespace_as_runc_makes_it(rk, needs_sub_ids):
    out = rk.run("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "unshare", "-U", "-r",
                 "cat", "/proc/self/uid_map").ok().out
    assert out.split() == ["0", "1000", "1"]
