#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh [SECONDS] [NAME...]    Runs the fuzz targets (all, or those named) for SECONDS each, 60 by default.
#
# New inputs that reach new code stay in build/fuzz/found/NAME; copy the interesting ones to
# tests/fuzz/corpus/NAME. An input that crashes is written to tests/fuzz/crashes/NAME: commit it with the fix,
# and it is a test from then on.
. "$(dirname "$0")/lib.sh"
cd "$tree"

seconds=${1:-60}
[ $# -eq 0 ] || shift
scripts/deps.sh build fuzz
scripts/build.sh fuzz

if [ $# -eq 0 ]; then
    for source in tests/fuzz/*_fuzz.cc; do
        set -- "$@" "$(basename "$source" _fuzz.cc)"
    done
fi
failed=()
for name in "$@"; do
    say "fuzzing $name for $seconds s"
    as_owner mkdir -p "build/fuzz/found/$name" "tests/fuzz/corpus/$name" "tests/fuzz/crashes/$name"
    as_owner "build/fuzz/bin/${name}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
        -print_final_stats=1 -verbosity=0 -artifact_prefix="tests/fuzz/crashes/$name/" \
        "build/fuzz/found/$name" "tests/fuzz/corpus/$name" || failed+=("$name")
    rmdir --ignore-fail-on-non-empty "tests/fuzz/crashes/$name"
done
[ ${#failed[@]} -eq 0 ] || die "crashed: ${failed[*]}"
