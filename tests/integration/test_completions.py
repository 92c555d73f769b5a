# SPDX-License-Identifier: Apache-2.0
"""The completions in the shell itself: bash, which is everywhere. (Those of zsh and fish come from
the same tables; unit tests compare them with what is in completions/.)"""
import pytest

from harness import HERE, which

DIRECTORY = HERE.parent.parent / "completions" / "bash"
# Completes the last of its arguments as readline would have it done, which takes "=" for a word.
SCRIPT = r"""
. "$1"; shift
read -ra spec <<<"$(complete -p "$1")"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
"${spec[2]}" "$1"
printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize("line,offered,not_offered", [
    (["rootlesskit", "--port-driver", "=", ""], ["none", "builtin", "slirp4netns"], ["--net"]),
    (["rootlesskit", "--net", "=", "sl"], ["slirp4netns"], ["none"]),
    (["rootlesskit", "--net", "sl"], ["slirp4netns"], ["none"]),
    (["rootlesskit", "--source"], ["--source-ip-transparent"], ["--net"]),
    (["rootlesskit", "--copy-up", "=", "/et"], ["/etc"], []),
    (["rootlesskit", "--pidns", "ba"], ["bash"], []),
    (["rootlesskit", "--pidns", "ls", "--"], [], ["--net", "--pidns"]),
    (["rootlessctl", ""], ["add-ports", "list-ports", "stats", "--socket"], ["--watch"]),
    (["rootlessctl", "--socket", "=", "/x", "stats", "--"], ["--watch", "--json"], ["--socket"]),
    (["rootlessctl", "--socket", "/x", "add-ports", "--"], ["--json"], ["--watch"]),
    (["rootlesskit-docker-proxy", "-host"], ["-host-ip", "-host-port"], ["-proto"]),
], ids=lambda value: " ".join(value))
def test_bash(rk, line, offered, not_offered):
    outcome = rk.other(which("bash"), "--norc", "-uc", SCRIPT, "bash", DIRECTORY / line[0], *line)
    got = outcome.ok().lines()
    assert outcome.err == ""
    assert set(offered) <= set(got) and not set(not_offered) & set(got), got
