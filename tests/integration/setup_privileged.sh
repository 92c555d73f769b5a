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
#   remote/      another host at the end of a veth pair, see remote_host.py
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

# The other host. Its end of the link lives and dies with the agent's network namespace.
python=/usr/bin/python3
make_link() { # AGENT: names a free link rktN, puts its far end into the agent's namespace
    n=1
    while ! ip link add "rkt$n" type veth peer name eth0 netns "$1"; do
        n=$((n + 1))
        [ "$n" -lt 250 ] || return 1
    done
    ip addr add "10.99.$n.1/24" dev "rkt$n"
    ip addr add "10.99.$n.3/24" dev "rkt$n"
    ip link set "rkt$n" up
    nsenter --net="/proc/$1/ns/net" sh -eu -c "
        ip link set lo up
        ip addr add 10.99.$n.2/24 dev eth0
        ip link set eth0 up
        ip route add default via 10.99.$n.1"
    client6=null host6=
    if ip addr add "fd42:99:$n::1/64" dev "rkt$n" nodad &&
        ip addr add "fd42:99:$n::3/64" dev "rkt$n" nodad &&
        nsenter --net="/proc/$1/ns/net" sh -eu -c "
            ip addr add fd42:99:$n::2/64 dev eth0 nodad
            ip route add default via fd42:99:$n::1"; then
        client6="\"fd42:99:$n::2\"" host6="\"fd42:99:$n::1\", \"fd42:99:$n::3\""
    fi
    printf '{"client4": "10.99.%d.2", "host4": ["10.99.%d.1", "10.99.%d.3"], "client6": %s, "host6": [%s]}\n' \
        "$n" "$n" "$n" "$client6" "$host6" >"$fixtures/remote/plan.json"
}

mkdir "$fixtures/remote"
setsid unshare --net "$python" -I "$here/remote_agent.py" "$fixtures/remote/agent.sock" \
    "$(id -u "$user")" </dev/null >"$fixtures/remote/log" 2>&1 &
agent=$!
echo "$agent" >"$fixtures/remote/pid"
tries=0
until [ -S "$fixtures/remote/agent.sock" ] || [ "$tries" -ge 100 ]; do
    tries=$((tries + 1))
    sleep 0.05
done
if ! { [ -S "$fixtures/remote/agent.sock" ] && make_link "$agent"; }; then
    "$here/teardown_privileged.sh" remote # no network namespaces or no veth here: the tests say so
fi
