# SPDX-License-Identifier: Apache-2.0
"""systemd socket activation and NOTIFY_SOCKET (spec lifecycle.md 13, known-defects D20)."""
import os
import socket

import pytest

from harness import PROBE, close_others, wait_until, which

MODES = [[], ["--pidns"], ["--reaper=true"], ["--net=none"], ["--net=none", "--detach-netns"],
         ["--copy-up=/etc", "--pidns", "--net=none"]]


def activated(rk, count, *args, pid="self", **variables):
    """Starts like systemd: sockets from descriptor 3 on, LISTEN_PID is the started process."""
    listeners = [socket.socket() for _ in range(count)]
    for listener in listeners:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
    env = rk.with_env(LISTEN_FDS=count, **variables)
    if pid is not None:
        env["LISTEN_PID"] = "TO-BE-SET" if pid == "self" else str(pid)

    def give():
        high = [os.dup2(l.fileno(), 100 + i) for i, l in enumerate(listeners)]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i)
        close_others(set(range(3, 3 + count)))
    # The PID is known only after the fork: a shell sets it, then becomes the program.
    shell = ["sh", "-c", 'test "$LISTEN_PID" = TO-BE-SET && LISTEN_PID=$$; exec "$@"', "sh"]
    outcome = rk.run(*args, prefix=shell, env=env, preexec_fn=give, close_fds=False)
    names = [l.getsockname() for l in listeners]
    for listener in listeners:
        listener.close()
    return outcome, names


def environment(report):
    return dict(item.split("=", 1) for item in report["env"])


@pytest.mark.also_as_root
@pytest.mark.parametrize("flags", MODES, ids=" ".join)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_sockets_and_variables_reach_the_command(rk, flags, count):
    names = ":".join(f"name{i}" for i in range(count))
    outcome, _ = activated(rk, count, *flags, *PROBE, LISTEN_FDNAMES=names)
    report = outcome.json()
    env = environment(report)
    assert env["LISTEN_FDS"] == str(count)
    assert env["LISTEN_PID"] == str(report["pid"])
    assert env["LISTEN_FDNAMES"] == names
    assert sorted(report["sockets"]) == list(range(3, 3 + count))
    assert {int(n) for n in report["fds"]} == {0, 1, 2, *range(3, 3 + count)}
    assert not [name for name in env if name.startswith("_ROOTLESSKIT")]


def test_the_sockets_are_the_ones_given(rk):
    code = ("import socket,os\nfor fd in (3,4):\n    s=socket.socket(fileno=fd)\n"
            "    print(s.getsockname()[1], s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))")
    outcome, names = activated(rk, 2, "python3", "-I", "-S", "-c", code)
    assert outcome.ok().out == "".join(f"{name[1]} 1\n" for name in names)


PUBLISHED = {  # which of three sockets are ports: what is left for the command
    "a": ["b", "c"], "b": ["a", "c"], "c": ["a", "b"], "ac": ["b"], "abc": [],
}


@pytest.mark.parametrize("flags", [[], ["--pidns"], ["--detach-netns"]], ids=" ".join)
@pytest.mark.parametrize("published", PUBLISHED)
def test_published_sockets_are_not_for_the_command(rk, flags, published):
    """It would accept connections that are meant for services inside: dockerd -H fd:// serves its
    API on whatever it gets."""
    options = ["--net=none", "--port-driver=builtin", *flags]
    options += [f"-p=fd:{name}:80/tcp" for name in published]
    code = ("import json, os, socket\nfds = sorted(int(fd) for fd in os.listdir('/proc/self/fd') "
            "if int(fd) > 2 and os.path.exists('/proc/self/fd/' + fd))\nprint(json.dumps([fds, "
            "[socket.socket(fileno=fd).getsockname()[1] for fd in fds], os.getpid(), "
            "{k: v for k, v in os.environ.items() if k.startswith('LISTEN_')}]))")
    outcome, names = activated(rk, 3, *options, "python3", "-I", "-S", "-c", code,
                               LISTEN_FDNAMES="a:b:c")
    left = PUBLISHED[published]
    fds, ports, pid, variables = outcome.json()
    assert fds == list(range(3, 3 + len(left)))
    assert ports == [names["abc".index(name)][1] for name in left]
    assert variables == ({"LISTEN_FDS": str(len(left)), "LISTEN_FDNAMES": ":".join(left),
                          "LISTEN_PID": str(pid)} if left else {})


def test_other_descriptors_stay_where_they_are(rk):
    path = rk.base / "extra"
    path.write_text("x")
    listener = socket.socket()
    listener.listen()

    def give():
        os.dup2(listener.fileno(), 100)
        fd = os.open(path, os.O_RDONLY)
        os.dup2(fd, 101)
        os.dup2(100, 3)
        os.dup2(101, 7)
        close_others({3, 7})
    shell = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"]
    report = rk.run(*PROBE, prefix=shell, env=rk.with_env(LISTEN_FDS=1), preexec_fn=give,
                    close_fds=False).json()
    assert report["fds"]["7"] == str(path)


@pytest.mark.parametrize("pid", ["1", "0", "999999999", "-5", "garbage", ""])
def test_a_foreign_listen_pid_claims_nothing(rk, pid):
    outcome, _ = activated(rk, 1, *PROBE, pid=pid)
    report = outcome.json()
    assert environment(report)["LISTEN_PID"] == pid
    assert environment(report)["LISTEN_FDS"] == "1"
    assert report["sockets"] == [3]  # passed like any descriptor of the caller


def test_listen_fds_without_listen_pid_claims_nothing(rk):
    outcome, _ = activated(rk, 1, *PROBE, pid=None)
    report = outcome.json()
    assert "LISTEN_PID" not in environment(report)
    assert environment(report)["LISTEN_FDS"] == "1"
    assert set(report["fds"]) == {"0", "1", "2", "3"}


@pytest.mark.parametrize("value", ["garbage", "", "-1", "0", "99999999999999999999", "5x"])
@pytest.mark.parametrize("flags", [[], ["--pidns"]], ids=" ".join)
def test_garbage_in_listen_fds(rk, flags, value):
    outcome = rk.run(*flags, *PROBE, prefix=["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"],
                     env=rk.with_env(LISTEN_FDS=value), timeout=5)
    report = outcome.json()
    assert set(report["fds"]) == {"0", "1", "2"}
    assert environment(report)["LISTEN_FDS"] == value


def test_more_listen_fds_than_there_are_never_hands_out_ours(rk):
    outcome = rk.run(*PROBE, prefix=["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh"],
                     env=rk.with_env(LISTEN_FDS="20"), timeout=5)
    assert outcome.code in (0, 1), outcome
    if outcome.code == 0:
        assert set(outcome.json()["fds"]) == {"0", "1", "2"}


def test_no_listen_variables_appear_without_activation(rk):
    assert not [n for n in environment(rk.run(*PROBE).json()) if n.startswith("LISTEN_")]


def test_with_systemd_socket_activate(rk):
    activate = which("systemd-socket-activate")
    path = rk.base / "listen.sock"
    running = rk.start("-l", path, rk.exe, *PROBE, exe=[activate])
    wait_until(path.exists, what="the socket")
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(path))
    report = running.wait().json()
    client.close()
    assert environment(report)["LISTEN_PID"] == str(report["pid"])
    assert report["sockets"] == [3]


# --- NOTIFY_SOCKET --------------------------------------------------------------------------------

NOTIFY = """
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
a = os.environ["NOTIFY_SOCKET"]
s.connect("\\0" + a[1:] if a[0] == "@" else a)
s.send(b"READY=1\\nSTATUS=up")
"""


@pytest.mark.parametrize("flags", MODES, ids=" ".join)
@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_notifications_arrive(rk, flags, abstract):
    if abstract and "--net=none" in flags and "--detach-netns" not in flags:
        return  # abstract sockets belong to the network namespace, on purpose
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    name = f"@rk-{rk.mark}" if abstract else str(rk.base / "notify")
    server.bind("\0" + name[1:] if abstract else name)
    server.setblocking(False)
    running = rk.start(*flags, "python3", "-I", "-S", "-c", NOTIFY,
                       env=rk.with_env(NOTIFY_SOCKET=name))
    parent = running.pid
    running.wait().ok()
    messages = []
    try:
        while True:
            messages.append(server.recv(4096).decode())
    except BlockingIOError:
        pass
    server.close()
    assert "READY=1\nSTATUS=up" in messages
    for message in messages:  # anything said about the main process must name the parent
        for line in message.split("\n"):
            if line.startswith("MAINPID="):
                assert line == f"MAINPID={parent}"
