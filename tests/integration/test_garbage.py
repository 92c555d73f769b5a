# SPDX-License-Identifier: Apache-2.0
"""Garbage in /proc and /etc: a sentence and exit 1 at most, never a crash or a hang (issue: "Bad
input"). The files are covered by bind mounts in a namespace of the test's own."""
import pytest

from harness import nested

CONTENTS = {
    "empty": b"", "zeros": b"\0" * 5000, "high bytes": bytes(range(128, 256)) * 100,
    "no newline": b"x", "numbers": b"99999999999999999999999999 -1\n" * 50,
    "blanks": b" \t\r\n" * 500, "long line": b"a:b" * 100000, "percent": b"%s%n%d\n" * 10,
}
FILES = ["/proc/sys/user/max_user_namespaces", "/proc/$$/mountinfo", "/proc/$$/status",
         "/proc/$$/cgroup", "/proc/$$/uid_map", "/proc/$$/gid_map", "/proc/$$/setgroups",
         "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/subgid"]


def covered(rk, path, content):
    """A prefix that covers `path` ($$ is the PID that rootlesskit will have)."""
    garbage = rk.base / "garbage"
    garbage.write_bytes(content)
    garbage.chmod(0o644)
    return ["sh", "-c", f'mount --bind "{garbage}" "{path}" && exec "$@"', "sh"]


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("path", FILES)
def test_garbage_in_a_file_never_crashes(rk, needs_sub_ids, path, name):
    prefix = [*nested(rk), *covered(rk, path, CONTENTS[name])]
    outcome = rk.run("--net=none", "--copy-up=/opt", "true", prefix=prefix, timeout=6)
    assert outcome.code in (0, 1), outcome
    if outcome.code:
        assert "[rootlesskit:parent] error: " in outcome.err, outcome


@pytest.mark.parametrize("path", ["/proc/sys/user/max_user_namespaces", "/proc/$$/mountinfo",
                                  "/etc/nsswitch.conf"])
def test_files_that_only_advise_do_not_stop_the_start(rk, needs_sub_ids, path):
    rk.run("true", prefix=[*nested(rk), *covered(rk, path, b"\xff\x00garbage")]).ok()


@pytest.mark.parametrize("flags", [["--evacuate-cgroup2=x", "--cgroupns", "--pidns"],
                                   ["--propagation=rslave"]], ids=" ".join)
def test_garbage_in_mountinfo_with_flags_that_read_it(rk, needs_sub_ids, flags):
    line = b"1 2 3:4 / / rw shared:x - cgroup2 \\04 \\\n" * 3
    for content in (line, line[:20], b"\0" * 100):
        prefix = [*nested(rk), *covered(rk, "/proc/$$/mountinfo", content)]
        outcome = rk.run(*flags, "true", prefix=prefix, timeout=6)
        assert outcome.code in (0, 1), outcome


def test_an_unreadable_proc(rk, needs_sub_ids):
    prefix = [*nested(rk), "sh", "-c", 'mount -t tmpfs tmpfs /proc && exec "$@"', "sh"]
    outcome = rk.run("true", prefix=prefix, timeout=6)
    assert outcome.code in (0, 1), outcome
    assert outcome.code == 0 or "[rootlesskit:parent] error: " in outcome.err, outcome


def test_a_user_without_a_passwd_entry(rk, needs_sub_ids):
    prefix = [*nested(rk), *covered(rk, "/etc/passwd", b"nobody:x:65534:65534::/:/bin/sh\n")]
    outcome = rk.run("true", prefix=prefix, timeout=6)
    assert outcome.code in (0, 1), outcome
    assert outcome.code == 0 or "[rootlesskit:parent] error: " in outcome.err, outcome
    rk.run("--subid-source=none", "true", prefix=prefix).ok()
