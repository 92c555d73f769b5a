#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh PRESET [TARGET...]    Configures and builds a preset of CMakePresets.json, as the owner of the tree.
. "$(dirname "$0")/lib.sh"

preset=$1
shift
for program in cmake ninja g++; do
    command -v $program >/dev/null || die "$program is not installed; \`make deps\` installs what is missing"
done
cd "$tree"
configure() { as_owner cmake --preset "$preset" >/dev/null; }
# A build directory that was made at another place (a moved or copied clone) must be made anew.
directory=build/$preset
[ "$preset" != release ] || directory=build
if ! grep -qsx "CMAKE_HOME_DIRECTORY:INTERNAL=$tree" "$directory/CMakeCache.txt"; then
    as_owner rm -rf "$directory/CMakeCache.txt" "$directory/CMakeFiles"
fi
configure
as_owner cmake --build "$directory" ${1:+--target "$@"}
