#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the integration tests in both worlds that need a pytest of their own: as an ordinary user
# and as root. (The third, inside `unshare -r`, is entered by the tests themselves.)
#
#   run.sh [PYTEST-ARGUMENTS...]
#
# As root: makes the fixtures, runs pytest as RK_TEST_USER (default: rk), then as root, and takes
# the fixtures back. As an ordinary user: runs pytest only; tests without their fixture are skipped
# loudly. RK_BIN_DIR names the directory of the programs (default: build/bin of this repository),
# RK_PASTA_DIR that of pasta and pesto (default: where scripts/build-passt.sh puts them),
# ROOTLESSKIT_TESTS_MUST_RUN=1 turns skipped tests into failures.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
user=${RK_TEST_USER:-rk}
export RK_BIN_DIR="${RK_BIN_DIR:-$here/../../build/bin}"
export RK_FIXTURES="${RK_FIXTURES:-/run/rootlesskit-test-fixtures}"
export RK_PASTA_DIR="${RK_PASTA_DIR:-$("$here/../../scripts/build-passt.sh" --where)}"
export PYTHONDONTWRITEBYTECODE=1
cd "$here"
pytest=$(command -v pytest-3 || command -v pytest)

run_pytest() { # PYTEST-ARGUMENTS...
    "$pytest" -q -p no:cacheprovider --rootdir="$here" "$@"
}

if [ "$(id -u)" != 0 ]; then
    run_pytest "$@"
    exit
fi

as_user() {
    home=$(getent passwd "$user" | cut -d: -f6)
    env=$(env | grep -E '^(RK_|ROOTLESSKIT_TESTS_MUST_RUN=|PYTHONDONT|ASAN_|UBSAN_|LSAN_|GCOV_)' || :)
    # Values without blanks only: they are split. The shell joins the delegated group as root,
    # then drops to the user for good.
    # shellcheck disable=SC2086
    sh -c '
        if [ -f "$RK_FIXTURES/cgroup" ]; then
            echo $$ >"$(cat "$RK_FIXTURES/cgroup")/harness/cgroup.procs"
        fi
        exec "$@"' sh \
        setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups \
        env -i HOME="$home" USER="$user" PATH=/usr/sbin:/usr/bin:/sbin:/bin $env \
        "$pytest" -q -p no:cacheprovider --rootdir="$here" "$@"
}

status=0
RK_TEST_USER=$user "$here/setup_privileged.sh"
trap '"$here/teardown_privileged.sh"' EXIT
as_user "$@" || status=$?
run_pytest "$@" || root_status=$?
if [ "${root_status:-0}" -ne 0 ] && [ "$root_status" -ne 5 ]; then # 5: none chosen by the arguments
    status=$root_status
fi
exit "$status"
