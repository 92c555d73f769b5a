#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# uninstall.sh PREFIX [DESTDIR]    Removes what `make install` with the same arguments puts there.
#
# It installs into a temporary directory to learn the list: no record of the installation is needed, and a
# file that others put beside ours stays.
. "$(dirname "$0")/lib.sh"

prefix=$1 destdir=${2:-}
list=$(mktemp -d)
trap 'rm -rf "$list"' EXIT
DESTDIR=$list cmake --install "$tree/build" --prefix "$prefix" >/dev/null
rm -f "$tree/build/install_manifest.txt"
(cd "$list" && find . ! -type d -printf '%P\n') | while IFS= read -r file; do
    rm -fv "$destdir/$file"
done
rmdir --ignore-fail-on-non-empty "$destdir$prefix/share/doc/rootlesskit" 2>/dev/null || true
