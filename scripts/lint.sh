#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# lint.sh [CHECK...]    Checks: format shell spelling manual (these by default, they take seconds) and tidy,
#                       which runs clang-tidy over the files changed since origin/main, or over all with ALL=1.
. "$(dirname "$0")/lib.sh"
cd "$tree"

sources() { find src tests bench \( -name '*.cc' -o -name '*.h' \) -print; }

format() { sources | xargs clang-format-14 --dry-run --Werror; }

shell() {
    # lib.sh is sourced and has no first line to know it by.
    { grep -rlE --exclude='*.pyc' '^#!.*\b(ba)?sh$' scripts bench tests .githooks .ci || true; echo scripts/lib.sh; } |
        sort -u | xargs shellcheck -x -P scripts
}

spelling() {
    codespell --skip='./build,./.git,./tests/fuzz/corpus,./tests/fuzz/crashes,*.pyc' --ignore-words=.codespell-ignore .
}

# Messages below "warning" are about style only and differ between versions of mandoc.
manual() { mandoc -Tlint -Wwarning man/*.1; }

changed_sources() {
    local base
    base=$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD)
    { git diff --name-only --diff-filter=d "$base"; git ls-files --others --exclude-standard; } |
        sort -u | grep -E '^(src|tests)/.*\.cc$' || true
}

tidy() {
    "$tree/scripts/deps.sh" build test tidy
    as_owner cmake --preset dev >/dev/null
    local files
    if [ -n "${ALL:-}" ]; then
        files=$(find src -name '*.cc')
    else
        files=$(changed_sources)
    fi
    [ -n "$files" ] || { say "no changed files; ALL=1 checks all"; return 0; }
    # The compiler is gcc: its own warning options are unknown to clang.
    echo "$files" | xargs -P "$(nproc)" -n 1 clang-tidy-14 -p build/dev --quiet \
        --extra-arg=-Wno-unknown-warning-option
}

status=0
[ $# -gt 0 ] || set -- format shell spelling manual
for check in "$@"; do
    case $check in
    format) format || status=1 ;;
    shell) shell || status=1 ;;
    spelling) spelling || status=1 ;;
    manual) manual || status=1 ;;
    tidy) tidy || status=1 ;;
    *) die "unknown check: $check" ;;
    esac
done
exit $status
