#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The guides follow the source: configuration keys of the server stand in docs/admin.md, admin commands
# that a guide names exist, decisions are in the tarball, folders in ARCHITECTURE.md, and the OpenAPI
# document is the one that its contract makes. Run by make check.
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
missing server/conf_keys.c "$tmp" | grep -qx listenAddress || {
    echo "check-docs: does not notice a missing key"
    exit 1
}
lacking=$(missing server/conf_keys.c docs/admin.md)
[ -z "$lacking" ] || {
    echo "docs/admin.md lacks: $lacking"
    exit 1
}

unknown() { # FILE…: admin commands in it that server/admin.c has not
    grep -hoE 'rookery admin [a-z][a-z-]*( [a-z][a-z-]*)?' "$@" | sort -u | while read -r _ _ one two; do
        grep -qE "^    \{\"$one( $two)?\"," server/admin.c || echo "$one $two"
    done
}
echo 'rookery admin user list, rookery admin reset-mfa --email A' >"$tmp"
[ "$(unknown "$tmp")" = 'reset-mfa ' ] || {
    echo "check-docs: does not notice a command that is none"
    exit 1
}
lacking=$(unknown README.md docs/*.md)
[ -z "$lacking" ] || {
    echo "a guide names admin commands that are none: $lacking"
    exit 1
}

# Who sends one service of agents somewhere sends all of them there.
grpc_routes() { sed -n 's,^    {ROUTE_GRPC\, "/\([^"]*\)/".*,\1,p' server/routes.c; }
[ "$(grpc_routes | wc -l)" -ge 3 ] || { echo "check-docs: finds no routes in server/routes.c"; exit 1; }
for f in $(grep -rl 'management\.ManagementService/' deploy/compose docs/*.md README.md); do
    for route in $(grpc_routes); do
        grep -qF "/$route/" "$f" || { echo "$f has no route for /$route/"; exit 1; }
    done
done

find . -name '*.am' ! -path './_*' -exec cat {} + >"$tmp"
for f in docs/decisions/*.md; do
    [ "$(grep -cF "$f" "$tmp")" = 1 ] || {
        echo "$f must stand once in Makefile.am"
        exit 1
    }
done
# Every folder with a row in check-layers.sh is told in the plan of the house.
sed -n 's/^ *may\["\([^"]*\)"\].*/\1/p' tests/check-layers.sh | while read -r folder; do
    grep -qE "\`($folder|${folder##*/})/?\`" ARCHITECTURE.md || echo "$folder"
done >"$tmp"
[ ! -s "$tmp" ] || {
    echo "ARCHITECTURE.md lacks:" && cat "$tmp"
    exit 1
}

command -v python3 >/dev/null || exit 0
python3 schema/openapi/make.py tests/data/rest-contract.json "$tmp" || exit 1
cmp -s "$tmp" schema/openapi/openapi.json || {
    echo "schema/openapi/openapi.json is stale: schema/openapi/make.py tests/data/rest-contract.json"
    exit 1
}
