#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# coverage.sh    `make coverage`: line coverage of the unit and integration tests, in build/coverage/report/.
#
# Run it as an ordinary user: the counters are written into the build directory by the programs under test.
. "$(dirname "$0")/lib.sh"
cd "$tree"

if caller_is_root; then
    die "make coverage must be run by an ordinary user"
fi
scripts/deps.sh build run test coverage
scripts/build.sh coverage
trap remove_run_dir EXIT
prepare_runner
find build/coverage -name '*.gcda' -delete
status=0
ctest --test-dir build/coverage --output-on-failure -j "$(nproc)" || status=1
if [ -d tests/integration ]; then
    "${as_runner[@]}" RK_BIN_DIR="$tree/build/coverage/bin" PYTHONDONTWRITEBYTECODE=1 \
        /usr/bin/python3 -m pytest -q -p no:cacheprovider --basetemp="$run_dir/runtime/t" tests/integration || status=1
fi
mkdir -p build/coverage/report
gcovr --root . --filter src/ --object-directory build/coverage --exclude-throw-branches \
    --html-details build/coverage/report/index.html --txt build/coverage/report/summary.txt
tail -n 3 build/coverage/report/summary.txt
exit $status
