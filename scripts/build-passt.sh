#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build-passt.sh             builds a current passt (pasta, pesto) for the tests, unless it is there
# build-passt.sh --where     only prints the directory it goes to
#
# Theory of operation
#   Debian 12 has the passt of March 2023; --net=pasta is tested with a current one. It is built from
#   the source package of a newer Debian, as an ordinary user, and goes to a directory of its own:
#   nothing is installed over the distribution's. The mirror is the one this machine uses already, the
#   package lists go to a temporary directory, and apt checks all of it by Debian's keys: the signed
#   list of the suite names the hash of every file.
#   A mirror that is being updated, or a cache, may lack files of the newest version. Then the next
#   suite is tried. The upstream tarball alone is enough too (Debian changes no source of it).
. "$(dirname "$0")/lib.sh"

suites=(trixie-backports sid trixie) # the first has small lists, and what pesto needs
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

if caller_is_root; then
    target=/usr/local/lib/rootlesskit-test/passt
    unprivileged=(setpriv --reuid nobody --regid nogroup --clear-groups env -i
        PATH="$PATH" LC_ALL=C HOME=/nonexistent)
else
    target=${XDG_CACHE_HOME:-$HOME/.cache}/rootlesskit-test/passt
    unprivileged=(env LC_ALL=C)
fi

case ${1:-} in
--where)
    printf '%s\n' "$target"
    exit
    ;;
'') ;;
*) die "usage: build-passt.sh [--where]" ;;
esac

if [ -x "$target/pesto" ] && "$target/pasta" --help 2>&1 | grep -q -e --conf-path; then
    say "a current passt is in $target already"
    exit 0
fi

# The mirror of this machine's own sources, without the security one.
mirror() {
    # shellcheck disable=SC2016  # apt expands them
    apt-get indextargets --format '$(ORIGIN) $(LABEL) $(SITE)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }'
}

# The next two run as the ordinary user, in the directory $work.

fetch() { # SUITE: the newest source package there; its files end up in $work/files
    local apt=(-q -o Dir::Etc::SourceList="$work/sources" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache")
    rm -rf lists files sources
    mkdir -p lists/partial cache/archives/partial files
    printf 'deb-src [signed-by=%s] %s %s main\n' "$keyring" "$site" "$1" >sources
    apt-get "${apt[@]}" update &&
        cd files && { apt-get "${apt[@]}" source --download-only passt ||
        apt-get "${apt[@]}" source --download-only --tar-only passt; }
}

build() {
    local version jobs
    cd "$work" || exit
    if [ -n "$(find files -name '*.dsc')" ]; then
        dpkg-source -x files/*.dsc source
    else
        mkdir source
        tar -C source --strip-components=1 -xf files/passt_*.orig.tar.*
    fi
    # passt_0.0~git20260728.f8df3f1.orig.tar.xz is upstream's 2026_07_28.f8df3f1.
    version=$(find files -name '*.orig.tar.*' -printf '%f\n' |
        sed -E 's/.*git(....)(..)(..)\.(.*)\.orig.*/\1_\2_\3.\4/')
    jobs=$(nproc)
    make -C source -j"$jobs" VERSION="$version" passt
    if grep -q '^pesto:' source/Makefile; then
        make -C source -j"$jobs" VERSION="$version" pesto
    fi
}


command -v apt-get >/dev/null || die "a current passt is only built on Debian and its like"
site=$(mirror)
if [ -z "$site" ] || [ ! -e "$keyring" ]; then
    die "no mirror of Debian among the sources of apt"
fi
work=$(mktemp -d /tmp/rk-passt.XXXXXX)
trap 'rm -rf "$work"' EXIT
if caller_is_root; then chown nobody:nogroup "$work"; fi

as_nobody() {
    "${unprivileged[@]}" bash -euo pipefail -c "
        $(declare -f fetch build)
        work=$(printf %q "$work") site=$(printf %q "$site") keyring=$(printf %q "$keyring")
        cd \"\$work\" && \"\$@\"" as-nobody "$@"
}

found=
for suite in "${suites[@]}"; do
    say "fetching the source of passt from Debian's $suite"
    if as_nobody fetch "$suite" >"$work.log" 2>&1; then
        found=$suite
        break
    fi
    grep '^E:' "$work.log" >&2 || true
done
[ -n "$found" ] || die "no source of passt could be fetched: $work.log"
say "building passt"
as_nobody build >"$work.log" 2>&1 || {
    tail -n 20 "$work.log" >&2
    die "passt could not be built"
}
rm -f "$work.log"
mkdir -p "$target"
for program in passt pesto; do
    [ ! -e "$work/source/$program" ] || install -m 755 "$work/source/$program" "$target/$program"
done
ln -sf passt "$target/pasta" # it tells by its name which of the two it is
say "$("$target/pasta" --version 2>/dev/null | head -n 1) is in $target"
