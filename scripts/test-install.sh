#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test-install.sh    `make install` puts every file where it belongs, `make uninstall` takes exactly these away.
. "$(dirname "$0")/lib.sh"
cd "$tree"

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
install=(PREFIX=/usr DESTDIR="$stage")

make --no-print-directory install "${install[@]}"
for file in bin/rootlesskit bin/rootlessctl bin/rootlesskit-docker-proxy share/man/man1/rootlesskit.1 share/doc/rootlesskit/LICENSE; do
    [ -f "$stage/usr/$file" ] || die "make install made no /usr/$file"
done
[ -x "$stage/usr/bin/rootlesskit" ] || die "the installed rootlesskit is not executable"
"$stage/usr/bin/rootlesskit" --version

echo "of somebody else" >"$stage/usr/bin/other"
make --no-print-directory uninstall "${install[@]}"
left=$(cd "$stage" && find . ! -type d ! -path ./usr/bin/other)
[ -z "$left" ] || die "make uninstall left: $left"
[ -f "$stage/usr/bin/other" ] || die "make uninstall removed a file that is not ours"
[ ! -d "$stage/usr/share/doc/rootlesskit" ] || die "make uninstall left our directory of documents"
echo "installed and uninstalled"
