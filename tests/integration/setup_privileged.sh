#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prepares, as root, what the integration tests need but an ordinary user cannot make. Run once
# before pytest; may be run again (it starts afresh). teardown_privileged.sh takes all of it back.
#
#   RK_TEST_USER  the user who runs the tests (default: rk)
#   RK_FIXTURES   where the fixtures go (default: /run/rootlesskit-test-fixtures)
#
# The fixtures:
#   nosuid/      setuid-root newuidmap and newgidmap on a nosuid mount
#   wrongowner/  setuid copies that belong to "nobody"
#   filecaps/    copies without setuid, with file capabilities instead
#   cgroup       the path of a cgroup2 directory that belongs to the user, with the groups
#                "harness" (for pytest itself, see run.sh) and "unit" (for rootlesskit), and
#                with "foreign", which can be entered but not changed
#   lxc/         bridges with and without DHCP servers, and the right to use them by
#                lxc-user-nic (lxc_fixture.py)
set -eu
user=${RK_TEST_USER:-rk}
fixtures=${RK_FIXTURES:-/run/rootlesskit-test-fixtures}
here=$(cd "$(dirname "$0")" && pwd)

if [ "$(id -u)" != 0 ]; then
    echo "setup_privileged.sh: needs root" >&2
    exit 1
fi
"$here/teardown_privileged.sh"
mkdir -p "$fixtures"
chmod 755 "$fixtures"

helpers() { # DIRECTORY: plain copies of the helpers
    for name in newuidmap newgidmap; do
        install -m 755 "$(command -v "$name")" "$1/$name"
    done
}

mkdir "$fixtures/nosuid"
mount -t tmpfs -o nosuid,nodev,mode=755,size=4m tmpfs "$fixtures/nosuid"
helpers "$fixtures/nosuid"
chmod u+s "$fixtures/nosuid/newuidmap" "$fixtures/nosuid/newgidmap"

mkdir "$fixtures/wrongowner"
helpers "$fixtures/wrongowner"
chown nobody "$fixtures/wrongowner/newuidmap" "$fixtures/wrongowner/newgidmap"
chmod u+s "$fixtures/wrongowner/newuidmap" "$fixtures/wrongowner/newgidmap"

if command -v setcap >/dev/null; then
    mkdir "$fixtures/filecaps"
    helpers "$fixtures/filecaps"
    if ! { setcap cap_setuid=ep "$fixtures/filecaps/newuidmap" &&
        setcap cap_setgid=ep "$fixtures/filecaps/newgidmap"; }; then
        rm -r "$fixtures/filecaps" # a file system without extended attributes
    fi
fi

root=$(awk '$0 ~ / - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
if [ -n "$root" ]; then
    top=$root/$(basename "$fixtures")
    if mkdir "$top" "$top/harness" "$top/unit" "$top/foreign"; then
        : >"$fixtures/cgroup-controllers"
        tr ' ' '\n' <"$root/cgroup.controllers" | while read -r controller; do
            if ! grep -qw "$controller" "$root/cgroup.subtree_control" &&
                echo "+$controller" 2>/dev/null >"$root/cgroup.subtree_control"; then
                echo "$controller" >>"$fixtures/cgroup-controllers"
            fi
            echo "+$controller" 2>/dev/null >"$top/cgroup.subtree_control" || :
        done
        for group in "$top" "$top/harness" "$top/unit"; do
            chown "$user" "$group" "$group/cgroup.procs" "$group/cgroup.subtree_control" \
                "$group/cgroup.threads"
        done
        chown "$user" "$top/foreign/cgroup.procs" # to enter it, not to divide it
        echo "$top" >"$fixtures/cgroup"
    fi
fi

python3 -I "$here/lxc_fixture.py" up "$fixtures" "$user"
