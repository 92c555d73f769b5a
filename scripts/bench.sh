#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# bench.sh    `make bench`: runs every program in bench/ as an ordinary user, with RK_BIN_DIR naming the
#             directory of the release programs. Each writes its figures to standard output as JSON lines;
#             RUNS sets the number of rounds.
. "$(dirname "$0")/lib.sh"

"$tree/scripts/deps.sh" build run bench
"$tree/scripts/build.sh" release >&2
trap remove_run_dir EXIT
prepare_runner
# The runner may not be able to read the tree.
cp -r "$tree/build/bin" "$tree/bench" "$run_dir/"
cd "$run_dir"
found=
for program in bench/*; do
    if [ -f "$program" ] && [ -x "$program" ]; then
        found=yes
        say "$program"
        "${as_runner[@]}" RK_BIN_DIR="$run_dir/bin" ${RUNS:+RUNS="$RUNS"} "./$program"
    fi
done
[ -n "$found" ] || die "there are no benchmarks in bench/ yet"
