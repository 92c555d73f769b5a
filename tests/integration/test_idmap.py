# SPDX-License-Identifier: Apache-2.0
"""Who the command is: ID maps, sub-ID sources, newuidmap and newgidmap (spec subid.md,
lifecycle.md 4)."""
import os
import re

import pytest

from harness import PROBE, id_lines, kill_all, marked_processes, nested, wait_until

UID, GID = os.geteuid(), os.getegid()


def maps_of(rk, *options, **kwargs):
    report = rk.run(*options, *PROBE, **kwargs).json()
    return id_lines(report["uid_map"]), id_lines(report["gid_map"])


def expected_map(own, ranges):
    lines, inside = [(0, own, 1)], 1
    for start, length in ranges:
        lines.append((inside, start, length))
        inside += length
    return lines


@pytest.mark.also_as_root
def test_id_shows_root(rk):
    assert re.fullmatch(r"uid=0\(root\) gid=0\(root\) groups=0\(root\)(,65534\(nogroup\))?\n",
                        rk.run("id").ok().out)


@pytest.mark.also_as_root
def test_maps_are_own_id_then_the_ranges_of_the_files(rk, needs_sub_ids):
    uids, gids = maps_of(rk)
    assert uids == expected_map(UID, needs_sub_ids["uid"])
    assert gids == expected_map(GID, needs_sub_ids["gid"])


def test_the_user_namespace_is_like_that_of_unshare(rk, needs_sub_ids):
    ours = rk.run(*PROBE).json()
    theirs = rk.other("unshare", "--map-root-user", "--map-auto", "--mount", *PROBE).json()
    for key in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb", "NoNewPrivs", "Uid", "Gid"):
        assert ours["status"][key] == theirs["status"][key], key
    assert ours["setgroups"] == theirs["setgroups"] == "allow"
    # util-linux 2.38 maps one ID less of each range.
    starts = [[line[:2] for line in id_lines(report["uid_map"])] for report in (ours, theirs)]
    assert starts[0] == starts[1]


@pytest.mark.also_as_root
def test_every_mapped_id_can_own_files_and_no_other(rk, needs_sub_ids):
    last = sum(length for _, length in needs_sub_ids["uid"])
    owned = rk.base / "owned"
    owned.touch()
    rk.sh(f"chown 1:1 {owned} && chown {last}:{last} {owned}").ok()
    start, length = needs_sub_ids["uid"][-1]
    assert owned.stat().st_uid == start + length - 1
    assert rk.sh(f"chown {last + 1} {owned}").code != 0
    rk.run("rm", owned).ok()


def test_rm_removes_files_of_sub_ids(rk, needs_sub_ids):
    directory = rk.base / "data"
    rk.sh(f"mkdir {directory} && touch {directory}/f && chown -R 1000:1000 {directory} && "
          f"chmod 700 {directory}").ok()
    assert rk.other("rm", "-rf", directory).code != 0
    rk.run("rm", "-rf", directory).ok()
    assert not directory.exists()


def test_commands_may_drop_to_a_mapped_user(rk, needs_sub_ids):
    outcome = rk.run("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "id", "-u").ok()
    assert outcome.out == "1000\n"


@pytest.mark.parametrize("source", ["auto", "static", "dynamic", ""])
def test_sources_agree_on_an_ordinary_machine(rk, needs_sub_ids, source):
    uids, gids = maps_of(rk, f"--subid-source={source}")
    assert uids == expected_map(UID, needs_sub_ids["uid"])
    assert gids == expected_map(GID, needs_sub_ids["gid"])


@pytest.mark.also_as_root
def test_source_none_maps_only_the_caller_and_says_so_in_one_line(rk):
    outcome = rk.run("--subid-source=none", *PROBE)
    report = outcome.json()
    assert id_lines(report["uid_map"]) == [(0, UID, 1)]
    assert id_lines(report["gid_map"]) == [(0, GID, 1)]
    assert len(outcome.told().splitlines()) == 1, outcome.err
    assert "level=warning" in outcome.told()


def test_source_none_needs_no_helper(rk):
    empty = rk.base / "empty"
    empty.mkdir()
    outcome = rk.run("--subid-source=none", "/bin/true", env=rk.with_env(PATH=empty))
    assert outcome.ok().code == 0


# --- contents of /etc/subuid, tried as uid 0 of an outer namespace --------------------------------

def nested_maps(rk, text, *options, **kwargs):
    outcome = rk.run(*options, *PROBE, prefix=nested(rk, text), **kwargs)
    report = outcome.json()
    uids, gids = id_lines(report["uid_map"]), id_lines(report["gid_map"])
    return uids, gids, outcome.err


CONTENTS = {
    "one range": ("root:1:60000\n", [(1, 60000)]),
    "two ranges": ("root:1:1000\nroot:5000:1000\n", [(1, 1000), (5000, 1000)]),
    "ranges in file order": ("root:5000:1000\nroot:1:1000\n", [(5000, 1000), (1, 1000)]),
    "by uid": ("0:1:1000\n", [(1, 1000)]),
    "by uid and by name": ("0:1:1000\nroot:2000:10\n", [(1, 1000), (2000, 10)]),
    "duplicate lines": ("root:1:1000\nroot:1:1000\n", [(1, 1000)]),
    "same range by name and uid": ("root:1:1000\n0:1:1000\n", [(1, 1000)]),
    "comments and blanks": ("# x\n\n   \nroot:1:1000\n#root:5:5\n  # y\n", [(1, 1000)]),
    "other users": ("daemon:30000:10\nroot:1:1000\nwww:40000:5\nrooty:9:9\n", [(1, 1000)]),
    "no newline at the end": ("root:1:1000", [(1, 1000)]),
    "malformed lines of others": ("garbage\nx:y\nx:1:2:3\nbob:a:b\n:::\nroot:1:1000\n",
                                  [(1, 1000)]),
    "binary garbage": (b"\x00\xff\xfe\x01:\x00:\n\x80\x81\nroot:1:1000\n" + b"\x07" * 300 + b"\n",
                       [(1, 1000)]),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_static_source_reads(rk, needs_sub_ids, name):
    text, ranges = CONTENTS[name]
    uids, gids, _ = nested_maps(rk, text, "--subid-source=static")
    assert uids == expected_map(0, ranges)
    assert gids == expected_map(0, ranges)


def mapped_ids(lines):
    ids = []
    for _, outside, length in lines:
        ids += range(outside, outside + length)
    return ids


OVERLAPS = {
    "overlap": ("root:100:100\nroot:150:100\n", set(range(100, 250))),
    "one inside the other": ("root:100:1000\nroot:200:10\n", set(range(100, 1100))),
    "own id inside a range": ("root:0:1000\n", set(range(1, 1000))),
    "overlap by uid and name": ("0:100:100\nroot:50:100\n", set(range(50, 200))),
}


@pytest.mark.parametrize("name", OVERLAPS)
def test_overlaps_are_merged_or_clipped_with_a_warning(rk, needs_sub_ids, name):
    text, ids = OVERLAPS[name]
    uids, gids, err = nested_maps(rk, text, "--subid-source=static")
    for lines in (uids, gids):
        seen = mapped_ids(lines)
        assert len(seen) == len(set(seen)), "an ID is mapped twice"
        assert set(seen) == ids | {0}
        assert [line[0] for line in lines] == [sum(n for *_, n in lines[:i]) for i in
                                               range(len(lines))]
    assert re.search(r"level=warning.*/etc/subuid.*\b[12]\b", err), err


def test_blanks_around_a_line_are_told_when_the_helper_cannot_see_it(rk, needs_sub_ids):
    """newuidmap takes the line literally, so the spec's trimming alone would only fail later."""
    outcome = rk.run("--subid-source=static", "true", timeout=5,
                     prefix=nested(rk, " root:1:1000 \n"))
    if outcome.code:
        assert re.search(r"level=warning.*/etc/subuid:1\b", outcome.err), outcome


def test_malformed_lines_are_reported_with_file_and_line(rk, needs_sub_ids):
    _, _, err = nested_maps(rk, "daemon:30000:10\nbroken line\nroot:1:1000\n",
                            "--subid-source=static")
    assert re.search(r"/etc/subuid.*\b2\b", err), err


HOPELESS = {
    "nothing": "", "nobody of ours": "daemon:1:1000\n", "only comments": "# root:1:1000\n",
    "only garbage": b"\x00\x01\xff" * 1000,
}


@pytest.mark.parametrize("name", HOPELESS)
def test_no_ranges_is_an_error_that_names_the_user(rk, needs_sub_ids, name):
    outcome = rk.run("true", prefix=nested(rk, HOPELESS[name]), timeout=5)
    assert outcome.code == 1
    assert 'No subuid ranges found for user 0 ("root")' in outcome.err, outcome


def test_no_group_ranges_is_an_error_of_its_own(rk, needs_sub_ids):
    outcome = rk.run("true", prefix=nested(rk, "root:1:1000\n", ""), timeout=5)
    assert outcome.code == 1
    assert 'No subgid ranges found for user 0 ("root")' in outcome.err, outcome


WILD = {
    "own line not a number": "root:abc:10\n", "negative": "root:-1:10\n", "empty": "root::\n",
    "zero length": "root:1:0\n", "past 32 bits": "root:4294967290:100\n",
    "whole space": "root:0:4294967295\n", "64 bits": "root:99999999999999999999:1\n",
    "a long line": "root:1:1000\n" + "x" * 200000 + "\n", "hex": "root:0x10:10\n",
    "carriage returns": "root:1:1000\r\n", "blanks": "root : 1 : 1000\n",
    "400 ranges": "".join(f"root:{i * 2 + 1}:1\n" for i in range(400)),
    "a million lines": "daemon:1:1\n" * 50000 + "root:1:1000\n",
}


@pytest.mark.parametrize("name", WILD)
@pytest.mark.parametrize("source", ["static", "auto"])
def test_wild_files_never_crash_or_hang(rk, needs_sub_ids, name, source):
    outcome = rk.run(f"--subid-source={source}", "true", prefix=nested(rk, WILD[name]), timeout=8)
    assert outcome.code in (0, 1), outcome
    if outcome.code == 1:
        assert "[rootlesskit:parent] error: " in outcome.err, outcome


def test_missing_subuid_file(rk, needs_sub_ids):
    script = ('cp /etc/passwd /etc/group /etc/nsswitch.conf "$TMPDIR" && '
              'mount -t tmpfs tmpfs /etc && cp "$TMPDIR"/* /etc && rm "$TMPDIR"/* && exec "$@"')
    prefix = ["unshare", "--map-root-user", "--map-auto", "--mount", "sh", "-c", script, "sh"]
    outcome = rk.run("--subid-source=static", "true", prefix=prefix)
    assert outcome.code == 1
    assert "open /etc/subuid: no such file or directory" in outcome.err, outcome


# --- dynamic --------------------------------------------------------------------------------------

def getsubids(rk, body):
    return rk.with_env(GETSUBIDS=rk.script("getsubids", body) / "getsubids")


def test_dynamic_source_runs_the_program_of_the_environment(rk, needs_sub_ids):
    env = getsubids(rk, 'echo "# x"; echo; echo "0: root 100 50"; echo "1: root 300 20"\n')
    uids, gids, _ = nested_maps(rk, "root:1:60000\n", "--subid-source=dynamic", env=env)
    assert uids == gids == expected_map(0, [(100, 50), (300, 20)])


def test_dynamic_source_merges_the_answers_by_name_and_by_uid(rk, needs_sub_ids):
    env = getsubids(rk, 'test "$1" = -g && shift; case $1 in 0) echo "0: 0 300 20";; '
                    '*) echo "0: root 100 50";; esac\n')
    uids, gids, _ = nested_maps(rk, "root:1:60000\n", "--subid-source=dynamic", env=env)
    assert uids == gids == expected_map(0, [(100, 50), (300, 20)])


def test_dynamic_source_without_the_program(rk):
    outcome = rk.run("--subid-source=dynamic", "true", env=rk.with_env(GETSUBIDS="no-such-program"))
    assert outcome.code == 1
    assert ("failed to setup UID/GID map: failed to compute uid/gid map: subid-source:dynamic: "
            'exec: "no-such-program": executable file not found in $PATH') in outcome.err, outcome


def test_dynamic_source_fails_when_both_runs_fail(rk):
    env = getsubids(rk, "echo oops >&2; exit 1\n")
    outcome = rk.run("--subid-source=dynamic", "true", env=env)
    assert outcome.code == 1
    assert "failed to get subuids by the username" in outcome.err, outcome
    assert "also failed to get subuids by the UID" in outcome.err, outcome


def test_auto_falls_back_to_static(rk, needs_sub_ids):
    uids, _ = maps_of(rk, env=getsubids(rk, "exit 1\n"))
    assert uids == expected_map(UID, needs_sub_ids["uid"])


@pytest.mark.parametrize("body", ["exec sleep 1000\n", "yes | head -c 3000000\n", "echo garbage\n",
                                  "echo '0: root 99999999999 -5'\n", "kill -SEGV $$\n"],
                         ids=["hangs", "floods", "garbage", "numbers", "crashes"])
def test_a_bad_getsubids_never_hangs_or_crashes_us(rk, body):
    outcome = rk.run("--subid-source=dynamic", "true", env=getsubids(rk, body), timeout=8)
    assert outcome.code in (0, 1), outcome


# --- newuidmap and newgidmap ----------------------------------------------------------------------

def test_newuidmap_and_newgidmap_run_at_the_same_time(rk, needs_sub_ids):
    wait = ("touch {base}/{me}.here; for i in $(seq 500); do test -e {base}/{you}.here && "
            "exec /usr/bin/{me} \"$@\"; sleep 0.01; done; echo alone >&2; exit 1\n")
    first = rk.script("newuidmap", wait.format(base=rk.base, me="newuidmap", you="newgidmap"))
    second = rk.script("newgidmap", wait.format(base=rk.base, me="newgidmap", you="newuidmap"))
    outcome = rk.run("id", "-u", env=rk.path_first(first, second))
    assert outcome.ok().out == "0\n", "one waits for the other, so they must be started together"


@pytest.mark.parametrize("name", ["newuidmap", "newgidmap"])
def test_a_failing_helper_is_quoted(rk, needs_sub_ids, name):
    directory = rk.script(name, "echo some reason >&2; exit 3\n")
    outcome = rk.run("true", env=rk.path_first(directory), timeout=5)
    assert outcome.code == 1
    kind = name[3:6]
    own = UID if kind == "uid" else GID
    triples = " ".join(str(n) for line in expected_map(own, needs_sub_ids[kind]) for n in line)
    assert re.search(rf"failed to setup UID/GID map: {name} \d+ \[{triples}\] failed: "
                     r"some reason\n?: exit status 3", outcome.err), outcome


@pytest.mark.parametrize("name", ["newuidmap", "newgidmap"])
@pytest.mark.parametrize("body", [
    "exec sleep 1000\n", "exit 0\n", "kill -9 $$\n",
    "head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 1\n",
    "sleep 1000 & exit 1\n", "exec >&- 2>&-; sleep 1000\n",
], ids=["hangs", "lies", "dies", "floods", "leaves a child", "hangs silently"])
def test_a_bad_helper_is_an_error_within_five_seconds(rk, needs_sub_ids, name, body):
    running = rk.start("true", env=rk.path_first(rk.script(name, body)))
    outcome = running.wait(5)
    assert outcome.code == 1, outcome
    assert name in outcome.err, outcome
    if "sleep 1000" in body and "exec sleep" not in body:
        # The helper's own child is not ours to find; it may still be becoming sleep.
        wait_until(lambda: "sleep 1000" in [line for _, line in marked_processes(rk.mark)])
        kill_all(pid for pid, _ in marked_processes(rk.mark))


def test_helpers_with_file_capabilities_work(rk, needs_sub_ids, fixture_dir):
    outcome = rk.run("id", "-u", env=rk.path_first(fixture_dir("filecaps")))
    assert outcome.ok().out == "0\n"


def test_the_child_waits_for_its_map(rk, needs_sub_ids):
    """The command never runs as an unmapped user, however long newuidmap takes."""
    gate = rk.base / "gate"
    os.mkfifo(gate)
    directory = rk.script("newuidmap", f'read x <{gate}; exec /usr/bin/newuidmap "$@"\n')
    running = rk.start("id", "-u", env=rk.path_first(directory))
    fd = wait_until(lambda: _open_writer(gate), what="newuidmap to be started")
    assert running.out == ""
    os.write(fd, b"go\n")
    os.close(fd)
    assert running.wait().ok().out == "0\n"


def _open_writer(path):
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None
