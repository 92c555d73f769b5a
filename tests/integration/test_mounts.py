# SPDX-License-Identifier: Apache-2.0
"""Copy-up, propagation, procfs and sysfs (spec mount.md, lifecycle.md 8)."""
import os
import re
import signal

import pytest

from harness import wait_until

# What dockerd-rootless.sh checks before it goes on.
DOCKER_CHECK = 'test "$(stat -c %T -f /etc)" = tmpfs && test -L /etc/ssl'


# --- copy-up --------------------------------------------------------------------------------------

@pytest.mark.also_as_root
def test_dockers_own_check_of_etc(rk):
    rk.sh("--copy-up=/etc", "--copy-up=/run", "--propagation=rslave", DOCKER_CHECK).ok()


@pytest.mark.also_as_root
@pytest.mark.parametrize("directory", ["/etc", "/run", "/var/lib", "/opt", "/usr/local"])
def test_a_system_directory_becomes_writable(rk, directory):
    before = set(os.listdir(directory))
    mode = oct(os.stat(directory).st_mode & 0o7777)[2:]
    outcome = rk.sh(f"--copy-up={directory}",
                    f"stat -c %T -f {directory}; stat -c '%a %u %g' {directory}; "
                    f"touch {directory}/new && rm -f {directory}/new && ls -A {directory}").ok()
    kind, attributes, *inside = outcome.lines()
    assert kind == "tmpfs"
    assert attributes == f"{mode} 0 0"  # D36: the mode of the original
    # .roN is the original; .roN.root is what its relative links need (rootlesskit issue 225).
    ours = {n for n in inside if re.fullmatch(r"\.ro\d+(\.root)?", n)}
    after = set(os.listdir(directory))  # others may work in there meanwhile
    assert before & after <= set(inside) - ours <= before | after
    assert len([n for n in ours if not n.endswith(".root")]) == 1
    assert not after & (ours | {"new"})


def test_entries_are_links_into_the_original(rk):
    out = rk.sh("--copy-up=/etc", "readlink /etc/passwd; cat /etc/passwd | wc -c; "
                "test ! -r /etc/shadow && echo unreadable").ok().out.split()
    assert re.fullmatch(r"\.ro\d+/passwd", out[0])
    assert int(out[1]) == os.path.getsize("/etc/passwd")
    assert out[2] == "unreadable"


@pytest.fixture
def tree(rk):
    """base/D with one entry of every kind, and base/outside that its links point to."""
    directory = rk.base / "D"
    (directory / "sub" / "deep").mkdir(parents=True)
    (directory / "file").write_text("file\n")
    (directory / ".hidden").write_text("hidden\n")
    (directory / "sub" / "inner").write_text("inner\n")
    (rk.base / "outside").mkdir()
    (rk.base / "outside" / "file").write_text("outside\n")
    (directory / "link").symlink_to("../outside/file")
    (directory / "abs").symlink_to("/etc/passwd")
    (directory / "dangling").symlink_to("no/where")
    (directory / "sub" / "link").symlink_to("../../outside/file")
    (directory / "sub" / "sibling").symlink_to("../file")
    (directory / "sub" / "deep" / "link").symlink_to("../../../outside/file")
    (directory / "dirlink").symlink_to("../outside")
    os.mkfifo(directory / "fifo")
    directory.chmod(0o2750)
    return directory


def test_every_kind_of_entry(rk, tree):
    out = rk.sh(f"--copy-up={tree}",
                f"cd {tree}; for n in file .hidden sub fifo link abs dangling; do "
                "readlink $n; done; cat file .hidden sub/inner link; stat -c %a .").ok().lines()
    scratch = out[0].split("/")[0]
    assert re.fullmatch(r"\.ro\d+", scratch)
    assert out[:7] == [f"{scratch}/file", f"{scratch}/.hidden", f"{scratch}/sub", f"{scratch}/fifo",
                       "../outside/file", "/etc/passwd", "no/where"]
    assert out[7:11] == ["file", "hidden", "inner", "outside"]
    assert out[11] == "2750"


@pytest.mark.parametrize("path,text", [("link", "outside"), ("dirlink/file", "outside"),
                                       ("sub/link", "outside"), ("sub/deep/link", "outside"),
                                       ("sub/sibling", "file")])
def test_relative_symlinks_keep_resolving(rk, tree, path, text):  # rootlesskit issue 225
    assert rk.run(f"--copy-up={tree}", "cat", tree / path).ok().out == text + "\n"


def test_writing_through_a_directory_link_reaches_the_host(rk, tree):
    rk.sh(f"--copy-up={tree}", f"echo new >{tree}/sub/new; echo top >{tree}/top").ok()
    assert (tree / "sub" / "new").read_text() == "new\n"
    assert not (tree / "top").exists()


def test_removing_links_leaves_the_host_alone(rk, tree):
    # Docker's and containerd's scripts start with rm -f /run/docker ...
    rk.sh(f"--copy-up={tree}",
          f"cd {tree} && rm -f file sub .hidden && mkdir sub && touch sub/mine").ok()
    assert (tree / "file").exists() and not (tree / "sub" / "mine").exists()


def test_files_made_later_on_the_host_show_in_directories_only(rk, tree):
    running = rk.start_ready(f"--copy-up={tree}",
                             script=f"echo ready; while ! test -e {tree}/sub/later; "
                             f"do sleep 0.01; done; ls {tree}/later; echo code $?")
    (tree / "later").touch()
    (tree / "sub" / "later").touch()
    assert "code 2" in running.wait().ok().out


def test_run_user_stays_shared_with_the_host(rk, tree):
    """As /run/user/UID: sockets made inside are reached from outside, child_pid keeps its path."""
    running = rk.start_ready(f"--copy-up={tree}", state=tree / "sub" / "state",
                             script=f"echo inside >{tree}/sub/made; "
                             "cat $ROOTLESSKIT_STATE_DIR/child_pid; echo; "
                             "echo ready; exec sleep 1000")
    assert (tree / "sub" / "made").read_text() == "inside\n"
    assert str(running.child) == running.out.split()[0]


def test_state_dir_directly_in_a_copied_up_directory(rk, tree):
    out = rk.sh(f"--copy-up={tree}", f"--state-dir={tree}/state", "--net=none", "--detach-netns",
                "cat $ROOTLESSKIT_STATE_DIR/child_pid; stat -f -c %T $ROOTLESSKIT_STATE_DIR/netns")
    assert re.fullmatch(r"\d+nsfs\n", out.ok().out)
    assert not (tree / "state").exists()


def test_mounts_below_the_directory_come_along(rk, tree):
    (tree / "mnt").mkdir()
    script = f"mount -t tmpfs tmpfs {tree}/mnt && echo deep >{tree}/mnt/f && exec \"$@\""
    prefix = ["unshare", "-r", "--mount", "sh", "-c", script, "sh"]
    outcome = rk.run("--subid-source=none", f"--copy-up={tree}", "cat", tree / "mnt" / "f",
                     prefix=prefix)
    assert outcome.ok().out == "deep\n"


def test_several_directories_with_commas_and_blanks(rk, tree):
    outcome = rk.sh(f"--copy-up={tree}, /opt ,/etc", "--copy-up=/run",
                    f"for d in {tree} /opt /etc /run; do stat -f -c %T $d; done")
    assert outcome.ok().out == "tmpfs\n" * 4


def test_the_same_directory_twice_and_one_below_another(rk, tree):
    outcome = rk.sh(f"--copy-up={tree}", f"--copy-up={tree}", f"--copy-up={tree}/sub",
                    f"cat {tree}/file {tree}/sub/inner; touch {tree}/sub/x {tree}/y")
    assert outcome.ok().out == "file\ninner\n"
    assert not (tree / "sub" / "x").exists()


def test_trailing_slashes_and_dots(rk, tree):
    rk.sh(f"--copy-up={tree}/../D/./", f"test $(stat -f -c %T {tree}) = tmpfs").ok()


def test_a_directory_below_tmp_is_allowed(rk, tree):
    assert str(tree).startswith("/tmp/") or pytest.skip("pytest's directory is not below /tmp")
    rk.sh(f"--copy-up={tree}", "true").ok()


def test_a_symlink_to_a_directory_is_followed(rk, tree):
    (rk.base / "to-D").symlink_to("D")
    rk.sh(f"--copy-up={rk.base}/to-D",
          f"test $(stat -f -c %T {tree}) = tmpfs && cat {tree}/file").ok()


def test_an_empty_directory(rk):
    (rk.base / "void").mkdir()
    rk.sh(f"--copy-up={rk.base}/void", f"touch {rk.base}/void/x").ok()
    assert os.listdir(rk.base / "void") == []


def test_a_directory_with_very_many_entries(rk):
    many = rk.base / "many"
    many.mkdir()
    for i in range(3000):
        (many / f"{i:0100d}").touch()
    out = rk.sh(f"--copy-up={many}", f"ls {many} | wc -l").ok().out
    assert int(out) == 3000


def test_odd_names_are_copied_up(rk):
    odd = rk.base / "odd"
    odd.mkdir()
    names = [b"a b", b"n\nl", b"\xff\xfe", b"-rf", b"...", b"x" * 255, b".ro1"]
    for name in names:
        (odd / os.fsdecode(name)).write_bytes(name)
    out = rk.sh(f"--copy-up={odd}",
                f"cd {odd} && for f in * .ro1 ...; do cat <./\"$f\" >/dev/null || exit 9;"
                " done; ls -A | wc -l")
    assert out.ok().code == 0


def test_a_missing_directory_is_an_error(rk):
    outcome = rk.run("--copy-up=/no/such/dir", "true", timeout=5)
    assert outcome.code == 1
    assert ("failed to create bind mount on /no/such/dir: no such file or directory"
            in outcome.err), outcome


def test_an_error_after_the_first_directory_deletes_nothing(rk, tree):  # D4
    before = sorted(str(p) for p in tree.rglob("*"))
    outcome = rk.run(f"--copy-up={tree}", "--copy-up=/no/such", "true", timeout=5)
    assert outcome.code == 1
    assert sorted(str(p) for p in tree.rglob("*")) == before


def test_nothing_of_the_scratch_directory_stays_in_tmp(rk, tree):
    before = {n for n in os.listdir("/tmp") if n.startswith(("rootlesskit-b", "rksys"))}
    rk.sh(f"--copy-up={tree}", "--copy-up=/etc", "true").ok()
    new = {n for n in os.listdir("/tmp") if n.startswith(("rootlesskit-b", "rksys"))} - before
    wait_until(lambda: not any(os.path.exists(f"/tmp/{n}") for n in new), 2, f"{new} to go")


# --- propagation ----------------------------------------------------------------------------------

VISIBLE = {"private": False, "rprivate": False, "slave": True, "rslave": True, "shared": True,
           "rshared": True}


def _late_mount(rk, *flags):
    """Mounts a tmpfs outside after the start, where / is shared, and asks whether it is inside."""
    target = rk.base / "late"
    target.mkdir()
    state = rk.state()
    script = (f'mount --make-rshared / && "$0" --subid-source=none --state-dir={state} "$@" '
              "sh -c 'echo up; exec sleep 1000' & pid=$!; "
              f"while ! test -s {state}/child_pid; do kill -0 $pid || exit 8; sleep 0.005; done; "
              f"mount -t tmpfs late {target}; "
              f"grep -c ' {target} ' /proc/$(cat {state}/child_pid)/mountinfo; "
              "kill $pid; wait $pid; exit 0")
    outcome = rk.other("unshare", "-r", "--mount", "sh", "-c", script, rk.exe, *flags)
    return outcome.ok().out.replace("up", "").strip() == "1"


@pytest.mark.parametrize("mode", VISIBLE)
def test_later_mounts_of_the_host(rk, mode):
    if mode in ("private", "slave", "shared"):
        # Without "r" only / itself changes; the mount must be on the root file system.
        assert os.stat(rk.base).st_dev == os.stat("/").st_dev or pytest.skip("TMPDIR is not on /")
    assert _late_mount(rk, f"--propagation={mode}") == VISIBLE[mode]


@pytest.mark.parametrize("mode", ["private", "rprivate", "slave", "rslave"])
def test_copy_up_of_run_with_each_propagation(rk, mode):
    rk.sh(f"--propagation={mode}", "--copy-up=/run", "test $(stat -f -c %T /run) = tmpfs").ok()


def test_mounts_of_the_command_stay_inside(rk):
    (rk.base / "m").mkdir()
    rk.sh("--propagation=rslave", f"mount -t tmpfs x {rk.base}/m && touch {rk.base}/m/f").ok()
    assert os.listdir(rk.base / "m") == []


def test_a_warning_where_the_root_is_not_shared(rk):
    script = 'mount --make-rprivate / && exec "$@"'
    outcome = rk.run("--subid-source=none", "--propagation=rslave", "true",
                     prefix=["unshare", "-r", "--mount", "sh", "-c", script, "sh"])
    assert re.search(r"level=warning.*propagation", outcome.ok().err), outcome


# --- procfs, sysfs --------------------------------------------------------------------------------

def test_proc_is_writable_where_the_namespace_allows(rk):
    rk.sh("--pidns", "--net=none", "echo 1 >/proc/sys/net/ipv4/ip_forward && "
          "grep -q ' /proc proc rw' /proc/mounts").ok()


def test_the_original_proc_is_there_without_pidns(rk):
    assert rk.run("cat", "/proc/1/comm").ok().out == open("/proc/1/comm", encoding="ascii").read()


def test_proc_that_cannot_be_mounted_is_only_a_warning(rk):
    """As with Docker's masked /proc: the kernel refuses a new procfs where the old is covered."""
    script = 'mount --bind /dev/null /proc/cpuinfo && mount -t tmpfs -o ro t /proc/tty && exec "$@"'
    outcome = rk.run("--subid-source=none", "--pidns", "echo", "went on",
                     prefix=["unshare", "-r", "--mount", "sh", "-c", script, "sh"])
    assert outcome.ok().out == "went on\n"
    assert "level=warning" in outcome.err


@pytest.mark.parametrize("net", ["host", "none"])
def test_sys_is_left_alone_on_host_and_none(rk, net):
    ours = rk.run(f"--net={net}", "ls", "-A", "/sys", "/sys/fs/cgroup").ok().out
    assert ours == rk.other("ls", "-A", "/sys", "/sys/fs/cgroup").ok().out


# --- the usual work of root in a mount namespace --------------------------------------------------

def test_overlay_tmpfs_bind_and_pivot(rk):
    # containerd-rootless-setuptool.sh tries an overlay mount with rootlesskit.
    script = (f"cd {rk.base} && mkdir l up m root && mount -t tmpfs x up && mkdir up/u up/w && "
              "mount -t overlay -o lowerdir=l,upperdir=up/u,workdir=up/w overlay m && "
              "touch m/f && test -e up/u/f && mount -t tmpfs x root && mkdir root/old && "
              "pivot_root root root/old && cd / && test -d /old/etc")
    rk.sh(script).ok()


def test_a_killed_run_leaves_no_mount_behind(rk, tree):
    running = rk.start_ready(f"--copy-up={tree}", "--copy-up=/etc")
    running.signal(signal.SIGTERM)
    running.wait()
    assert sorted(os.listdir(tree)) != []
    assert not [n for n in os.listdir(tree) if n.startswith(".ro")]
