#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Takes back what setup_privileged.sh made. Harmless when there is nothing.
#
#   teardown_privileged.sh [remote]    all of it, or the other host alone
set -eu
fixtures=${RK_FIXTURES:-/run/rootlesskit-test-fixtures}
here=$(cd "$(dirname "$0")" && pwd)

# With the agent its network namespace ends, and with that the link.
if [ -f "$fixtures/remote/pid" ]; then
    agent=$(cat "$fixtures/remote/pid")
    if tr '\0' ' ' 2>/dev/null <"/proc/$agent/cmdline" | grep -qF "$fixtures/remote/agent.sock"; then
        kill -KILL "$agent"
    fi
fi
if [ -d "$fixtures/remote" ]; then
    rm -f "$fixtures/remote/pid" "$fixtures/remote/agent.sock" "$fixtures/remote/plan.json" "$fixtures/remote/log"
    rmdir "$fixtures/remote"
fi
if [ "${1:-}" = remote ]; then
    exit 0
fi

if [ -d "$fixtures/lxc" ]; then
    python3 -I "$here/lxc_fixture.py" down "$fixtures" -
fi

if [ -f "$fixtures/cgroup" ]; then
    top=$(cat "$fixtures/cgroup")
    if [ -d "$top" ]; then
        # Whoever still runs in there (the shell of run.sh) goes back to the root group.
        find "$top" -name cgroup.procs | while read -r procs; do
            while read -r pid; do
                echo "$pid" 2>/dev/null >"$(dirname "$top")/cgroup.procs" || :
            done <"$procs"
        done
        find "$top" -depth -type d -exec rmdir {} +
        while read -r controller; do
            echo "-$controller" >"$(dirname "$top")/cgroup.subtree_control"
        done <"$fixtures/cgroup-controllers"
    fi
fi
if grep -q " $fixtures/nosuid " /proc/self/mountinfo; then
    umount "$fixtures/nosuid"
fi
for name in nosuid wrongowner filecaps; do
    if [ -d "$fixtures/$name" ]; then
        rm -f "$fixtures/$name/newuidmap" "$fixtures/$name/newgidmap"
        rmdir "$fixtures/$name"
    fi
done
rm -f "$fixtures/cgroup" "$fixtures/cgroup-controllers"
if [ -d "$fixtures" ]; then
    rmdir "$fixtures"
fi
