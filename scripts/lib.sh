# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the scripts share. Sourced, never run.
#
# Three users can be involved, and mixing them up leaves files behind that their owner cannot remove:
#   the caller   who typed `make`: root, or a person with or without sudo
#   the owner    of the source tree: builds and logs in build/ are always theirs
#   the runner   under whose ordinary uid rootlesskit runs: the caller, or, where that is root, the
#                user rootlesskit-test, who may not even be able to read the tree
set -euo pipefail

# An ordinary user's PATH often lacks these, and useradd, ip and newuidmap may live there.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
test_user=rootlesskit-test

say() { printf '==> %s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

caller_is_root() { [ "$(id -u)" -eq 0 ]; }

# Runs a command as root, asking sudo where the caller is not.
as_root() {
    if caller_is_root; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root and there is no sudo: $*"
    fi
}

# Whether as_root works; asks for a password only where somebody can answer.
can_be_root() {
    caller_is_root || sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null && sudo -v; }
}

# Runs a command as the owner of the tree: `sudo make` in a person's clone leaves no file of root's.
as_owner() {
    local uid gid home
    uid=$(stat -c %u "$tree")
    if ! caller_is_root || [ "$uid" -eq 0 ]; then
        "$@"
        return
    fi
    gid=$(stat -c %g "$tree")
    home=$(home_of "$uid")
    setpriv --reuid "$uid" --regid "$gid" --clear-groups env HOME="${home:-/nonexistent}" "$@"
}

# The home of a user, from the same database as their name.
home_of() { getent passwd "$1" | cut -d: -f6; }

# prepare_runner: makes a temporary directory for this run, world-readable, with a private runtime
# directory in it, and sets
#   run_dir     the directory; remove_run_dir removes it
#   runner      the name of the ordinary user
#   as_runner   a command prefix (array): runs the rest as that user in an environment of theirs
# shellcheck disable=SC2034  # as_runner is for the scripts that source this
prepare_runner() {
    run_dir=$(mktemp -d /tmp/rk.XXXXXX) # short: paths of sockets below it end at 107 bytes
    chmod 0755 "$run_dir"
    mkdir -m 0700 "$run_dir/runtime"
    if caller_is_root; then
        runner=$test_user
        "$tree/scripts/setup-test-user.sh"
        chown "$runner:" "$run_dir/runtime"
        as_runner=(setpriv --reuid "$runner" --regid "$runner" --init-groups
            env -i HOME="$(home_of "$runner")" USER="$runner" LOGNAME="$runner" SHELL=/bin/bash
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
            LANG=C.UTF-8 TERM="${TERM:-dumb}" XDG_RUNTIME_DIR="$run_dir/runtime")
    else
        runner=$(id -un)
        "$tree/scripts/setup-test-user.sh" "$runner"
        as_runner=(env)
        # A login by su may leave another user's directory in the variable, or one that is gone.
        [ -O "${XDG_RUNTIME_DIR:-}" ] || as_runner+=(XDG_RUNTIME_DIR="$run_dir/runtime")
    fi
}

# Removes what prepare_runner made. Files of sub-IDs can be in there, which the caller may not be
# allowed to remove; a rootlesskit that works can.
remove_run_dir() {
    [ -n "${run_dir:-}" ] || return 0
    rm -rf "$run_dir" 2>/dev/null || "$tree/build/bin/rootlesskit" rm -rf "$run_dir" 2>/dev/null ||
        say "could not remove $run_dir"
}

# allow_user_namespaces PATH: since 23.10 Ubuntu's AppArmor takes the capabilities from user namespaces
# of programs it has no profile for. Loads one, until the next reboot, for the programs below PATH (an
# AppArmor glob). Without root the program itself explains what to do.
allow_user_namespaces() {
    local switch=/proc/sys/kernel/apparmor_restrict_unprivileged_userns
    if [ "$(cat "$switch" 2>/dev/null || echo 0)" != 1 ] || ! command -v apparmor_parser >/dev/null; then
        return 0
    fi
    say "allowing user namespaces to $1 (an AppArmor profile, loaded until the next reboot)"
    printf 'abi <abi/4.0>,\nprofile "rootlesskit-cxx %s" "%s" flags=(unconfined) {\n  userns,\n}\n' \
        "$1" "$1" | as_root apparmor_parser --replace || true
}
