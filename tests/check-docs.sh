#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every configuration key of the server that does something stands in docs/admin.md. Run by make
# check.
cd "${srcdir:-$(dirname "$0")/..}" || exit 1

missing() { # conf_keys.c admin.md: keys that the second lacks, as it writes them
    sed -n 's/^    \([A-Z]*\)("\([^"]*\)", .*/\2 \1/p' "$1" | while read -r key type; do
        case $type in IDLE | REFUSED) continue ;; esac
        grep -qF "\`${key%"[]"}\`" "$2" || echo "$key"
    done
}

# The check must be able to fail.
tmp=$(mktemp) || exit 1
trap 'rm -f "$tmp"' EXIT
grep -v listenAddress docs/admin.md >"$tmp"
[ "$(missing server/conf_keys.c "$tmp")" = listenAddress ] || {
    echo "check-docs: does not notice a missing key"
    exit 1
}
lacking=$(missing server/conf_keys.c docs/admin.md)
[ -z "$lacking" ] || {
    echo "docs/admin.md lacks: $lacking"
    exit 1
}
