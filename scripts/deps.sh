#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# deps.sh GROUP...   Installs what a group needs and this machine lacks, with apt-get; where nothing is
#                    missing it runs no other program. The groups
#                    are the keys of the table below.
#
# An entry is PACKAGE:PROBE. The probe, a program in PATH or an absolute file name, decides: what was
# installed by other means than the package counts as there.
. "$(dirname "$0")/lib.sh"

declare -A packages=(
    [build]="make:make g++:g++ cmake:cmake ninja-build:ninja ccache:ccache
        libfmt-dev:/usr/include/fmt/format.h libexpected-dev:/usr/include/tl/expected.hpp
        libseccomp-dev:/usr/include/seccomp.h libboost-dev:/usr/include/boost/beast/http.hpp
        nlohmann-json3-dev:/usr/include/nlohmann/json.hpp"
    [run]="uidmap:newuidmap util-linux:setpriv passwd:usermod"
    [test]="libgtest-dev:/usr/include/gtest/gtest.h libgmock-dev:/usr/include/gmock/gmock.h
        python3:/usr/bin/python3 python3-pytest:/usr/lib/python3/dist-packages/pytest/__init__.py
        python3-yaml:/usr/lib/python3/dist-packages/yaml/__init__.py
        python3-pytest-xdist:/usr/lib/python3/dist-packages/xdist/__init__.py
        procps:pgrep iproute2:ip slirp4netns:slirp4netns libcap2-bin:setcap gcc:cc xz-utils:xz dpkg-dev:dpkg-source systemd:systemd-socket-activate
        lxc:lxc-usernsexec dnsmasq-base:dnsmasq iptables:iptables containerd:containerd runc:runc
        docker.io:/usr/share/docker.io/contrib/dockerd-rootless.sh busybox-static:/usr/share/doc/busybox-static"
    [lint]="clang-format-14:clang-format-14 shellcheck:shellcheck codespell:codespell mandoc:mandoc"
    [tidy]="clang-tidy-14:clang-tidy-14 git:git"
    [fuzz]="clang-14:clang++-14"
    [coverage]="gcovr:gcovr"
    [bench]="rootlesskit:rootlesskit slirp4netns:slirp4netns haproxy:haproxy socat:socat wrk:wrk
        iperf3:iperf3 nginx-light:nginx curl:curl"
)

is_there() {
    case $1 in
    /*) [ -e "$1" ] ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

missing=()
for group in "$@"; do
    [ -n "${packages[$group]:-}" ] || die "unknown group of packages: $group"
    for entry in ${packages[$group]}; do
        is_there "${entry#*:}" || missing+=("${entry%%:*}")
    done
done
# The tests run daemons themselves, as ordinary users: root's are not to start with the next boot either.
disable_services() {
    if [ -d /run/systemd/system ]; then
        as_root systemctl disable docker.service docker.socket containerd.service >&2 || true
    fi
}

if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get >/dev/null ||
        die "please install (names of Debian's packages): ${missing[*]}"
    say "installing ${missing[*]}"
    install=(env DEBIAN_FRONTEND=noninteractive
        apt-get install -y -q --no-install-recommends "${missing[@]}")
    # What invoke-rc.d(8) asks before it starts a package's service. One that is there is somebody's.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap 'as_root rm -f $policy' EXIT
        # shellcheck disable=SC2016 # $1 is for root's shell
        as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >"$1" && chmod 755 "$1"' sh $policy
    fi
    # A fresh machine has no package lists, an old one may have stale ones.
    as_root "${install[@]}" || { as_root apt-get update -q && as_root "${install[@]}"; }
    case " ${missing[*]} " in
    *" docker.io "* | *" containerd "*) disable_services ;;
    esac
fi

# Debian 12 has no pasta that is new enough.
case " $* " in
*" test "*) "$tree/scripts/build-passt.sh" || say "the tests of --net=pasta will miss their pasta" ;;
esac
