#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# setup-test-user.sh             as root: makes the user rootlesskit-test unless there is one, with sub-IDs
# setup-test-user.sh NAME        gives sub-IDs to an existing user who has none
# setup-test-user.sh --remove    removes rootlesskit-test, their home and their sub-IDs
. "$(dirname "$0")/lib.sh"

ids_per_user=65536 # what Docker, Podman and systemd expect at least

# has_ranges FILE NAME: whether /etc/subuid or /etc/subgid names the user, by name or by uid.
has_ranges() {
    [ -e "$1" ] && grep -Eq "^($2|$(id -u "$2")):[0-9]+:[0-9]+" "$1"
}

# The first ID past all ranges of a file and past ordinary users.
first_free() {
    awk -F: 'BEGIN { free = 100000 } NF == 3 && $2 + $3 > free { free = $2 + $3 } END { printf "%d\n", free }' \
        "$1" 2>/dev/null || echo 100000
}

give_ranges() {
    local name=$1 kind file start
    for kind in uid gid; do
        file=/etc/sub$kind
        if has_ranges "$file" "$name"; then
            continue
        fi
        # Another source (LDAP, SSSD) may know the user; getsubids asks it.
        if [ $kind = uid ] && getsubids "$name" >/dev/null 2>&1; then
            continue
        elif [ $kind = gid ] && getsubids -g "$name" >/dev/null 2>&1; then
            continue
        fi
        start=$(first_free "$file")
        say "giving $name the sub-${kind^^}s $start to $((start + ids_per_user - 1)) ($file)"
        as_root touch "$file"
        as_root usermod "--add-sub${kind}s" "$start-$((start + ids_per_user - 1))" "$name"
    done
}

case ${1:-} in
--remove)
    if id "$test_user" >/dev/null 2>&1; then
        as_root userdel --remove "$test_user"
    fi
    ;;
"")
    if ! id "$test_user" >/dev/null 2>&1; then
        say "making the user $test_user (remove it with: make remove-test-user)"
        as_root useradd --create-home --user-group --shell /bin/bash \
            --comment "runs the tests of rootlesskit" "$test_user"
    fi
    give_ranges "$test_user"
    ;;
*)
    give_ranges "$1"
    ;;
esac
