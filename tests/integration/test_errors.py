# SPDX-License-Identifier: Apache-2.0
"""Errors that teach: for each failure of the set-up one cause and one remedy, exit 1 within 5 s,
and nothing left (issue: "Errors that teach"). The exact texts are golden unit tests; here the
failures are real."""
import re

import pytest

from harness import PYTHON, HERE, copy_of, nested, wait_until, which

WRAP = [*PYTHON, str(HERE / "seccomp_wrap.py")]


def taught(rk, *words, args=("true",), **kwargs):
    """Runs what must fail; every word (a regular expression) has to be in what the user sees."""
    state = rk.state("taught")
    running = rk.start(f"--state-dir={state}", *args, **kwargs)
    outcome = running.wait(5)
    assert outcome.code == 1, outcome
    assert outcome.err.count("[rootlesskit:parent] error: ") == 1, outcome
    for word in words:
        assert re.search(word, outcome.err, re.I), f"{word!r} is not in {outcome}"
    assert not state.exists(), outcome
    return outcome


def test_newuidmap_is_nowhere(rk, needs_sub_ids):
    """Really not installed: removed from an overlay on /usr/bin."""
    layers = rk.base / "layers"
    layers.mkdir()
    script = (f'cd {layers} && mount -t tmpfs tmpfs . && cd {layers} && mkdir u w && '
              'mount -t overlay -o lowerdir=/usr/bin,upperdir=u,workdir=w overlay /usr/bin && '
              'rm /usr/bin/newuidmap /usr/bin/newgidmap && exec "$@"')
    taught(rk, 'exec: "newuidmap": executable file not found in \\$PATH', r"\buidmap\b",
           prefix=[*nested(rk), "sh", "-c", script, "sh"])


def test_newuidmap_is_not_in_path(rk, needs_sub_ids):
    empty = rk.base / "empty"
    empty.mkdir()
    taught(rk, 'exec: "newuidmap": executable file not found in \\$PATH', "PATH",
           args=("/bin/true",), env=rk.with_env(PATH=empty))


def test_newgidmap_is_not_installed(rk, needs_sub_ids):
    only = rk.base / "only"
    only.mkdir()
    (only / "newuidmap").symlink_to(which("newuidmap"))
    taught(rk, "newgidmap", args=("/bin/true",), env=rk.with_env(PATH=only))


@pytest.mark.parametrize("name", ["newuidmap", "newgidmap"])
def test_a_helper_without_setuid_and_without_file_capability(rk, needs_sub_ids, name):
    directory = copy_of(which(name), rk.base / "plain" / name)
    taught(rk, str(directory / name), "setuid|setcap|chmod", env=rk.path_first(directory))


@pytest.mark.parametrize("name", ["newuidmap", "newgidmap"])
def test_a_helper_that_is_not_executable(rk, needs_sub_ids, name):
    only = rk.base / "only"
    copy_of(which(name), only / name, 0o644)
    other = {"newuidmap": "newgidmap", "newgidmap": "newuidmap"}[name]
    (only / other).symlink_to(which(other))
    taught(rk, name, args=("/bin/true",), env=rk.with_env(PATH=only))


def test_a_helper_on_a_nosuid_mount(rk, needs_sub_ids, fixture_dir):
    directory = fixture_dir("nosuid")
    taught(rk, "newuidmap", "nosuid", env=rk.path_first(directory))


def test_a_setuid_helper_that_belongs_to_somebody_else(rk, needs_sub_ids, fixture_dir):
    taught(rk, "newuidmap", "root|owner|own", env=rk.path_first(fixture_dir("wrongowner")))


def test_a_helper_that_hangs(rk, needs_sub_ids):
    taught(rk, "newuidmap", "time|within|second",
           env=rk.path_first(rk.script("newuidmap", "exec sleep 1000\n")))


def test_no_new_privs(rk, needs_sub_ids):
    taught(rk, "no_new_privs|NoNewPriv|no new priv", prefix=["setpriv", "--no-new-privs"])


def test_no_new_privs_is_no_obstacle_without_sub_ids(rk):
    outcome = rk.run("--subid-source=none", "--pidns", "--net=none", "--copy-up=/etc", "id", "-u",
                     prefix=["setpriv", "--no-new-privs"])
    assert outcome.ok().out == "0\n"


def test_no_sub_ids(rk, needs_sub_ids):
    taught(rk, r'No subuid ranges found for user 0 \("root"\)',
           "/etc/subuid|usermod|--subid-source=none",
           prefix=nested(rk, "daemon:1:1000\n"))


def test_too_many_user_namespaces(rk):
    prefix = ["unshare", "-r", "sh", "-c",
              'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"', "sh"]
    outcome = taught(rk, "max_user_namespaces", "fork/exec /proc/self/exe: no space left on device",
                     args=("--subid-source=none", "true"), prefix=prefix)
    assert "/proc/sys/user/max_user_namespaces needs to be set to non-zero." in outcome.err


@pytest.mark.parametrize("kind,flag", [("net", "--net=none"), ("pid", "--pidns"),
                                       ("uts", "--utsns"),
                                       ("ipc", "--ipcns"), ("cgroup", "--cgroupns"), ("mnt",
                                                                                      "--pidns")])
def test_too_many_namespaces_of_another_kind(rk, kind, flag):
    prefix = ["unshare", "-r", "sh", "-c",
              f'echo 0 >/proc/sys/user/max_{kind}_namespaces && exec "$@"', "sh"]
    taught(rk, f"max_{kind}_namespaces|no space left on device", args=("--subid-source=none", flag,
                                                                       "true"),
           prefix=prefix)


def test_too_many_network_namespaces_with_detach(rk):
    prefix = ["unshare", "-r", "sh", "-c",
              'echo 0 >/proc/sys/user/max_net_namespaces && exec "$@"', "sh"]
    taught(rk, "no space left on device|max_net_namespaces",
           args=("--subid-source=none", "--net=none", "--detach-netns", "true"), prefix=prefix)


def test_low_max_user_namespaces_is_a_warning(rk):
    prefix = ["unshare", "-r", "sh", "-c",
              'echo 50 >/proc/sys/user/max_user_namespaces && exec "$@"', "sh"]
    outcome = rk.run("--subid-source=none", "true", prefix=prefix).ok()
    assert ("/proc/sys/user/max_user_namespaces=50 may be low. Consider setting to >= 1024."
            in outcome.err)


def test_nested_namespace_whose_map_lacks_the_range(rk, needs_sub_ids):
    """unshare -r: one ID only. The remedy is --subid-source=none or a start outside."""
    taught(rk, "nested|user namespace", "--subid-source=none", prefix=["unshare", "-r"])


def test_nested_namespace_whose_map_is_too_short(rk, needs_sub_ids):
    taught(rk, "nested|user namespace|map", "newuidmap|range|sub-?id",
           prefix=nested(rk, "root:100000:65536\n"))


@pytest.mark.parametrize("error,text", [("EPERM", "operation not permitted"),
                                        ("EACCES", "permission denied"),
                                        ("ENOSYS", "function not implemented"),
                                        ("EINVAL", "invalid argument")])
def test_seccomp_forbids_user_namespaces(rk, error, text):
    taught(rk, f"failed to start the child: fork/exec /proc/self/exe: {text}",
           "seccomp|user namespace",
           prefix=[*WRAP, error, "newuser"])


def test_seccomp_forbids_mounts(rk):
    """What a container engine's default profile, or stripped capabilities, look like."""
    taught(rk, "mount|propagation", prefix=["unshare", "-r", *WRAP, "EPERM",
                                            "mount,mount_setattr,open_tree,move_mount,fsopen"],
           args=("--subid-source=none", "--copy-up=/etc", "--pidns", "true"))


def test_process_limit(rk, needs_sub_ids):
    """fork fails: exit 1 and a sentence, no hang (the limit counts the user's processes)."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
    outcome = rk.run("true", preexec_fn=limit, timeout=5)
    assert outcome.code == 1
    assert "resource temporarily unavailable" in outcome.err, outcome


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 8, 10, 12, 15, 20])
def test_file_descriptor_limit(rk, count):
    """Works or says why; never hangs, crashes or leaves something."""
    import resource

    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
    outcome = rk.run("--net=none", "/bin/true", preexec_fn=limit, timeout=6)
    assert outcome.code in (0, 1, 127), outcome
    if outcome.code:
        assert "too many open files" in outcome.err.lower() or "error" in outcome.err, outcome


def test_full_disk_for_the_state_dir(rk):
    script = f'mount -t tmpfs -o nr_inodes=2 tmpfs {rk.tmp} && exec "$@"'
    outcome = rk.run("--subid-source=none", "true", prefix=["unshare", "-r", "--mount", "sh", "-c",
                                                            script, "sh"],
                     timeout=5)
    assert outcome.code == 1
    assert "no space left on device" in outcome.err, outcome


def test_errors_of_parent_and_child_are_told_once(rk):
    outcome = rk.run("--copy-up=/no/such", "true", timeout=5)
    assert outcome.err.count("failed to create bind mount on /no/such") == 1, outcome
    assert len(outcome.err.splitlines()) <= 2, outcome


def test_nothing_runs_when_the_start_fails(rk):
    mark = rk.base / "ran"
    assert rk.run("--copy-up=/no/such", "touch", mark, timeout=5).code == 1
    assert not mark.exists()
    wait_until(lambda: not rk.leftover_files())
