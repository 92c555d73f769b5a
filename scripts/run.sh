#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh    `make run`: builds, then runs a shell or a command inside rootlesskit as an ordinary user.
#
#   RK_CMD    a command line for sh -c; without it an interactive shell with a line of greeting
#   RK_ARGS   flags of rootlesskit, split at blanks
#
# Its exit status is the command's. (make turns every failure into its own status 2 and prints ours.)
. "$(dirname "$0")/lib.sh"

"$tree/scripts/deps.sh" build run
"$tree/scripts/build.sh" release >&2
binary=$tree/build/bin/rootlesskit
[ -x "$binary" ] || die "the build made no $binary"

trap remove_run_dir EXIT
prepare_runner
if caller_is_root; then
    # The tree may be below /root: the runner gets a copy, and a home to stand in.
    install -m 0755 "$binary" "$run_dir/rootlesskit"
    binary=$run_dir/rootlesskit
    cd "$(home_of "$runner")"
fi
allow_user_namespaces "$binary"

# shellcheck disable=SC2016  # expanded by the shell inside
greeting='printf "You are root in here (uid %s); outside you are %s (uid %s). exit leaves.\n" \
    "$(id -u)" "$USER" "$ROOTLESSKIT_PARENT_EUID"; exec "${SHELL:-/bin/sh}"'
read -r -a flags <<<"${RK_ARGS:-}"
USER=${USER:-$runner}
export USER
status=0
"${as_runner[@]}" "$binary" "${flags[@]}" sh -c "${RK_CMD:-$greeting}" || status=$?
exit $status
