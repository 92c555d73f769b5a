#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test.sh    `make test`: everything, as one list of stages.
#
# Theory of operation
#   Everything is built and run by the runner (lib.sh), never by root. Where the caller is root, that is
#   another user, who may not be able to read this tree: the sources are then copied to that user's home,
#   and built there. The copy is kept, so that a second run builds only what changed.
#   A stage is a command; its output goes to build/test-logs/STAGE.log and is shown when it fails. A stage
#   that ran a test program adds its tests to the sum (from the JUnit file it wrote), any other stage
#   counts as one test. A failed stage does not stop the later ones, it only skips those that need it.
#   In CI (CI=true) a test that cannot run counts as failed.
. "$(dirname "$0")/lib.sh"

stage_limit=900 # seconds; a hang must end in a message, not in the CI's own time limit
processes=2     # of pytest, whatever the number of cores: most tests wait (tests/integration/spread.py)
logs=$tree/build/test-logs
passed=0 failed=0 skipped=0
failed_stages=()
started=$SECONDS

if [ "${CI:-}" = true ]; then
    export ROOTLESSKIT_TESTS_MUST_RUN=1
fi
must_run=${ROOTLESSKIT_TESTS_MUST_RUN:-}

# ---- where to work --------------------------------------------------------------------------------

# Makes the copy of the tree in the runner's home like the tree, keeping times (ninja goes by them).
copy_tree() {
    local list='find . -name build -prune -o -name .git -prune -o -name __pycache__ -prune -o ! -type d -print'
    "${as_runner[@]}" mkdir -p "$work"
    # Status 1: a file changed while it was read, which an editor may do.
    { tar -C "$tree" --exclude=./build --exclude=./.git --exclude=__pycache__ -cf - . || [ $? -eq 1 ]; } |
        "${as_runner[@]}" tar -C "$work" --no-same-permissions --no-overwrite-dir -xf -
    # What is no longer in the tree must not be built either.
    comm -13 <(cd "$tree" && $list | sort) <(cd "$work" && $list | sort) |
        (cd "$work" && "${as_runner[@]}" xargs -r -d '\n' rm -f --)
}

prepare() {
    "$tree/scripts/deps.sh" build run test lint
    as_owner mkdir -p "$logs"
    rm -f "$logs"/*
    prepare_runner
    work=$tree
    if caller_is_root; then
        work=$(home_of "$runner")/rootlesskit-work
        exec {lock}<"$(home_of "$runner")"
        flock -n "$lock" || die "another \`make test\` of root's is running"
        copy_tree
    fi
    results=$run_dir/results # where the runner writes JUnit files
    base=$run_dir/t # where tests put their directories
    mkdir "$results"
    mkdir -m 0700 "$base"
    if caller_is_root; then chown "$runner:" "$results" "$base"; fi
    enter=("${as_runner[@]}")
    if can_be_root; then
        prepare_as_root
    else
        say "no root and no sudo: some tests will miss what they need"
    fi
}

# What tests need and only root can make; undone by finish().
prepare_as_root() {
    # Helpers of network drivers need it; in containers it often belongs to root alone.
    if [ -c /dev/net/tun ] && ! "${as_runner[@]}" test -w /dev/net/tun; then
        as_root chmod 0666 /dev/net/tun || say "/dev/net/tun stays closed to $runner"
    fi
    allow_user_namespaces "$work/build/**"
    fixtures=$run_dir/fixtures
    as_root env RK_TEST_USER="$runner" RK_FIXTURES="$fixtures" \
        "$tree/tests/integration/setup_privileged.sh" >"$logs/fixtures.log" 2>&1 ||
        say "the tests' fixtures could not be made: build/test-logs/fixtures.log"
}

remove_fixtures() {
    [ -n "${fixtures:-}" ] || return 0
    as_root env RK_FIXTURES="$fixtures" "$tree/tests/integration/teardown_privileged.sh" || true
    fixtures=
}

# Moves a process into the cgroup that setup_privileged.sh has given to the runner.
join_cgroup() {
    local group
    if [ -n "${fixtures:-}" ] && group=$(cat "$fixtures/cgroup" 2>/dev/null); then
        as_root sh -c "echo $1 >$group/harness/cgroup.procs" || true
    fi
}

# ---- stages ---------------------------------------------------------------------------------------

# Adds the tests of a JUnit file to the sums; without one the stage itself is the test.
count() {
    local stage=$1 status=$2 tests=1 bad=0 unrun=0
    if [ -s "$results/$stage.xml" ]; then
        read -r tests bad unrun < <(/usr/bin/python3 "$tree/scripts/junit_sums.py" "$results/$stage.xml")
        if [ -n "$must_run" ]; then
            bad=$((bad + unrun))
            unrun=0
        fi
    fi
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1 # it failed outside of its tests; never counted as a success
        [ "$tests" -gt 0 ] || tests=1
    fi
    passed=$((passed + tests - bad - unrun))
    failed=$((failed + bad))
    skipped=$((skipped + unrun))
    [ "$bad" -eq 0 ]
}

# Tests look at what they inherit: nothing but the standard descriptors.
close_descriptors() {
    local descriptor
    for descriptor in /proc/self/fd/*; do
        descriptor=${descriptor##*/}
        if [ "$descriptor" -gt 2 ]; then
            eval "exec $descriptor>&-"
        fi
    done
}

# stage NAME COMMAND...    Runs a command in the work tree, as the runner or whom `enter` leads to.
stage() {
    local name=$1 status=0 since=$SECONDS verdict=ok
    shift
    printf '%-22s ' "$name"
    # A job of its own: a signal to this script is acted on at once, and the tests find SIGINT as usual.
    set -m
    (cd "$work" && ${in_cgroup:+join_cgroup "$BASHPID"} && close_descriptors && exec timeout --kill-after=10 $stage_limit "${enter[@]}" \
        ${must_run:+ROOTLESSKIT_TESTS_MUST_RUN=1} ${CI:+CI="$CI"} "$@") \
        >"$logs/$name.log" 2>&1 </dev/null &
    running=$!
    set +m
    wait $running || status=$?
    running=
    count "$name" "$status" || verdict=FAILED
    printf '%s (%d s)\n' "$verdict" $((SECONDS - since))
    grep '^passed only when run again' "$logs/$name.log" || true
    if [ $verdict = FAILED ]; then
        failed_stages+=("$name")
        printf -- '--- exit status %d; the end of %s:\n' "$status" "build/test-logs/$name.log"
        tail -n 150 "$logs/$name.log"
        printf -- '---\n'
        return 1
    fi
}

# needs STAGE NAME COMMAND...    The same, unless the stage it needs has failed.
needs() {
    local needed=$1
    shift
    case " ${failed_stages[*]} " in
    *" $needed "*)
        printf '%-22s not run: %s failed\n' "$1" "$needed"
        failed=$((failed + 1))
        failed_stages+=("$1")
        ;;
    *) stage "$@" || true ;;
    esac
}

ctests() { # ctests PRESET STAGE
    needs "build-$1" "$2" ctest --test-dir "build/$1" --output-on-failure --timeout 120 \
        -j "$(nproc)" --output-junit "$results/$2.xml"
}

integration() { # integration STAGE PRESET BIN-DIR [VARIABLE=VALUE...]
    local name=$1 preset=$2 bin=$3 in_cgroup=yes
    local short=${preset:0:1} # paths of sockets end at 107 bytes
    shift 3
    needs "build-$preset" "$name" env RK_BIN_DIR="$work/$bin" RK_FIXTURES="${fixtures:-/nonexistent}" \
        RK_TEST_USER="$runner" RK_PASTA_DIR="$("$tree/scripts/build-passt.sh" --where)" PYTHONDONTWRITEBYTECODE=1 "$@" \
        /usr/bin/python3 tests/integration/second_try.py "$results/$name.xml" -q -ra -n $processes \
        -p no:cacheprovider --basetemp="$base/$short" tests/integration
}

# What the tests leave behind is a defect of the program, whatever the tests say.
no_left_overs() {
    local left
    left=$({
        if caller_is_root; then
            pgrep -u "$runner" -a
        fi
        find /tmp "$run_dir/runtime" -maxdepth 1 -user "$runner" -newer "$run_dir/started" \
            \( -name 'rootlesskit?*' -o -name 'rksys*' \)
        grep -F "$run_dir" /proc/self/mountinfo
    } 2>/dev/null || true)
    printf '%s\n' "$left"
    [ -z "$left" ]
}

# ---- the list -------------------------------------------------------------------------------------

finish() {
    local status=$?
    if [ -n "${running:-}" ]; then
        kill -- "-$running" || true
        wait "$running" || true
    fi
    remove_fixtures
    remove_run_dir
    if caller_is_root; then chown -R --reference="$tree" "$logs"; fi
    exit $status
}

trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
prepare
touch "$run_dir/started"
say "testing as $runner in $work"

for check in format shell spelling manual; do
    stage "lint-$check" scripts/lint.sh $check || true
done
stage build-dev scripts/build.sh dev || true
ctests dev unit
stage build-asan scripts/build.sh asan || true
ctests asan unit-asan
stage build-release scripts/build.sh release || true
needs build-release docs scripts/check_docs.py build/bin/rootlesskit
needs build-release install scripts/test-install.sh
if [ -d "$tree/tests/integration" ]; then
    # LeakSanitizer needs ptrace, which does not reach into other user namespaces.
    integration integration release build/bin
    integration integration-asan asan build/asan/bin RK_TEST_SLOW=3 \
        RK_KILL_STRIDE=10 ASAN_OPTIONS=detect_leaks=0
    if caller_is_root; then
        base=$run_dir # root of a user namespace has no rights in a directory of an unmapped user
        enter=(env -i HOME=/root USER=root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin)
        integration integration-root release build/bin
    fi
fi

remove_fixtures
printf '%-22s ' left-overs
if no_left_overs >"$logs/left-overs.log"; then
    echo ok
    passed=$((passed + 1))
else
    echo FAILED
    cat "$logs/left-overs.log"
    failed=$((failed + 1))
    failed_stages+=(left-overs)
fi

echo
echo "time: $(((SECONDS - started) / 60)) min $(((SECONDS - started) % 60)) s; logs: build/test-logs/"
[ "$skipped" -eq 0 ] || echo "not run on this machine: $skipped (the reasons are in the logs; in CI they fail)"
[ ${#failed_stages[@]} -eq 0 ] || echo "failed stages: ${failed_stages[*]}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
