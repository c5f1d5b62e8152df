#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Includes must follow the tree: a lower layer never includes a higher one, services do not include
# each other, and <uv.h> stays in a few files. Run by make check; "--self-test" tests the script.
#
# The rules are in may_include and may_use_uv below. A file that is not in any layer may include
# anything (tests, main programs of tools).

srcdir=${srcdir:-$(dirname "$0")/..}

rules='
# Prints the layer of a path, "" outside the tree.
function layer(path) {
    if (path ~ /^lib\/(base|crypto|net|http|grpc)\//) { split(path, p, "/"); return "lib/" p[2] }
    if (path ~ /^management\/(domain|store|snapshot|netmap|push)\//) { split(path, p, "/"); return "management/" p[2] }
    if (path ~ /^(schema|management|signal|relay|agent|server)\//) { split(path, p, "/"); return p[1] }
    return ""
}
BEGIN {
    # What a layer may include besides itself; each word also stands for what is below it.
    may["lib/base"] = ""
    may["lib/crypto"] = "lib/base"
    may["lib/net"] = "lib/base lib/crypto"
    may["lib/http"] = "lib/base lib/crypto lib/net"
    may["lib/grpc"] = "lib/base lib/crypto lib/net lib/http"
    lib = "lib/base lib/crypto lib/net lib/http lib/grpc"
    may["schema"] = "lib/base"
    may["management/domain"] = "lib/base lib/crypto lib/net"                    # no SQL, no I/O
    may["management/store"] = "lib/base lib/crypto lib/net schema management/domain"
    may["management/snapshot"] = "lib/base lib/crypto lib/net schema management/domain management/netmap"   # pure
    may["management/netmap"] = "lib/base lib/crypto lib/net schema management/domain management/snapshot"   # pure function
    may["management/push"] = lib " schema management management/domain management/store management/snapshot management/netmap"   # engine
    may["management"] = lib " schema management/domain management/store management/snapshot management/netmap management/push"
    may["signal"] = lib " schema"
    may["relay"] = lib
    may["agent"] = lib " schema"
    may["server"] = lib " schema management management/domain management/store management/snapshot management/netmap management/push signal relay"
    # libuv is behind these; everything else takes bytes and a time.
    uv = "^(lib/base/(loop|pool)|lib/net/(tcp|udp)|lib/http/(edge|conn)|[a-z]+/listen[a-z_]*|tests/.*)[.][ch]$"
}
/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    target = $0
    sub(/^[^<"]*[<"]/, "", target); sub(/[>"].*/, "", target)
    quoted = $0 ~ /include[ \t]*"/
    path = FILENAME
    sub(/^\.\//, "", path)
    from = layer(path); to = layer(target)
    if (target == "uv.h" && path !~ uv)
        bad(path " includes <uv.h>, which only loop, pool, tcp, udp, edge and listeners may")
    if (target == "libpq-fe.h" && path !~ /^management\/store\/(db_pg[.]c|pq_dl[.]h)$/ && path !~ /^tests\//)
        bad(path " includes <" target ">: SQL is behind management/store/db")
    if (target == "sqlite3.h" && path != "management/store/db_sqlite.c" && path !~ /^tests\//)
        bad(path " includes <" target ">: SQL is behind management/store/db")
    if (quoted && target != "config.h" && to == "" && target !~ /^tests\// && path !~ /^tests\//)
        bad(path " includes \"" target "\": write the path from the root")
    if (from != "" && target ~ /^tests\//)
        bad(path " includes \"" target "\": the product does not need its tests")
    if (from == "" || to == "" || from == to)
        next
    if (index(" " may[from] " ", " " to " ") == 0)
        bad(path " (" from ") includes \"" target "\": " from " may not use " to)
}
function bad(text) { print FILENAME ":" FNR ": " text; failed = 1 }
END { exit failed }
'

check() { # check DIRECTORY: print every violation below it
    (cd "$1" && {
        set --
        for d in lib schema management signal relay agent server tests; do
            [ -d "$d" ] && set -- "$@" "$d"
        done
        [ $# -gt 0 ] || { echo "check-layers: no sources in $PWD"; exit 1; }
        find "$@" -path schema/gen -prune -o -name '*.[ch]' -print >"$list" || exit 1
        [ -s "$list" ] || { echo "check-layers: no sources in $PWD"; exit 1; }
        xargs awk "$rules" <"$list"
    })
}

expect() { # expect PATH LINE: one file with one line must be refused (or pass, with "ok" in front)
    want=1
    [ "$1" = ok ] && { want=0; shift; }
    rm -rf "$tmp/tree" && mkdir -p "$tmp/tree/$(dirname "$1")" && echo "$2" >"$tmp/tree/$1"
    if check "$tmp/tree" >"$tmp/out"; then got=0; else got=1; fi
    [ "$got" = "$want" ] || { echo "self-test: $1 with $2: expected $want, got $got"; fail=1; }
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
list=$tmp/list
fail=0
expect ok lib/net/a.c '#include "lib/base/str.h"'
expect ok lib/base/loop.c '#include <uv.h>'
expect ok management/rest/a.c '#include "management/store/db.h"'
expect ok server/run.c '#include "relay/app.h"'
expect lib/base/a.c '#include "lib/net/addr.h"'
expect lib/crypto/a.c '#  include "schema/pb_arena.h"'
expect lib/net/ws.c '#include <uv.h>'
expect lib/net/a.c '#include "addr.h"'
expect signal/a.c '#include "management/app.h"'
expect management/domain/a.c '#include "management/store/db.h"'
expect management/rest/a.c '#include <sqlite3.h>'
expect agent/a.c '#include "tests/unit/vec.h"'
[ "$fail" = 0 ] || exit 1
[ "${1-}" = --self-test ] && exit 0

if ! check "$srcdir"; then
    echo "check-layers: see the table in tests/check-layers.sh" >&2
    exit 1
fi
