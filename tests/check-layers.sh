#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Includes must follow the tree: each folder has one row that names every folder it may include;
# services do not include each other, and <uv.h> stays in a few files. Run by make check;
# "--self-test" only tests the script: every row, for every folder it allows and every other one.

srcdir=${srcdir:-$(dirname "$0")/..}

rules='
# Prints the folder of a path that has a row below, "" for paths outside the tree.
function layer(path,    p, n) {
    n = split(path, p, "/")
    if (n == 2 && p[1] ~ /^(schema|management|signal|relay|agent|server)$/) return p[1]
    if (path ~ /^schema\/(gen|proto|sql|openapi)\//) return "schema"
    if (n > 2 && p[1] ~ /^(lib|management|agent|server)$/) return p[1] "/" p[2]
    return ""
}
BEGIN {
    # One row per folder: what it may include besides itself. Nothing is implied.
    base = " lib/base lib/json lib/crypto lib/net "
    may["lib/base"] = ""
    may["lib/json"] = "lib/base"
    may["lib/crypto"] = "lib/base lib/json"
    may["lib/net"] = "lib/base lib/crypto"
    may["lib/quic"] = "lib/base lib/crypto lib/net"
    may["lib/http"] = "lib/base lib/json lib/crypto lib/net"
    may["lib/grpc"] = "lib/base lib/crypto lib/net lib/http"
    may["lib/serve"] = "lib/base lib/json lib/crypto lib/net lib/http lib/grpc"
    may["schema"] = "lib/base"
    lib = base "lib/http lib/grpc lib/serve "

    may["management/domain"] = base                                     # plain data, no SQL, no I/O
    may["management/store"] = base "schema management/domain"
    may["management/snapshot"] = base "management/domain"               # pure
    may["management/netmap"] = base "management/domain management/snapshot"   # pure
    may["management/reach"] = base "management/domain management/snapshot management/netmap"  # pure
    may["management/review"] = base "management/domain management/snapshot management/push management/reach"  # pure
    below = "management/domain management/store management/snapshot"
    may["management/engine"] = base "schema " below
    may["management/push"] = base "lib/grpc schema management/domain management/snapshot management/netmap management/engine"
    may["management/oidc"] = base "lib/http"                            # fetches key sets
    may["management/identity"] = base "lib/http management/domain management/store"
    # Operations: called by REST and gRPC alike, know neither, nor who asks, nor the provider.
    may["management/ops"] = base "schema " below " management/netmap management/engine management/oidc management/identity"
    ops = below " management/netmap management/engine management/oidc management/identity management/ops"
    # What a file says a network shall be: a function of snapshots, no SQL, no I/O.
    may["management/wanted"] = base "schema management/domain management/snapshot management/netmap management/reach management/ops"
    # Who asks: knows neither REST nor gRPC nor the provider.
    may["management/auth"] = base ops
    may["management/rpc"] = lib "schema management/domain management/snapshot management/netmap management/engine management/push management/ops management/auth"
    may["management/proxy"] = base "lib/grpc lib/http schema " ops
    may["management/export"] = base "lib/http " below " management/engine management/traffic"
    may["management/traffic"] = base "lib/http lib/grpc schema " below " management/engine management/push"
    may["management/rest"] = lib "schema management/domain management/snapshot management/netmap management/reach management/review management/engine management/identity management/ops management/wanted management/auth management/traffic"
    may["management/idp"] = lib "schema " ops " management/auth"
    may["management/console"] = base "lib/http"                         # a client like any other
    may["management"] = lib "schema " ops " management/push management/auth management/rpc management/rest management/idp management/traffic management/export management/proxy management/console"

    may["signal"] = lib "schema"
    may["relay"] = lib "lib/quic "
    may["server"] = lib "schema management management/domain management/store management/snapshot management/engine management/identity management/ops management/rest signal relay server/command"
    may["server/command"] = lib " management/domain management/store management/snapshot management/engine management/reach management/review management/identity management/ops management/rest"

    may["agent/os"] = base                                              # the kernel, nothing of ours
    may["agent/wg"] = base "agent/os"
    may["agent/ice"] = base "agent/os agent/wg"                                    # the port that both share
    may["agent/config"] = base "agent/os"
    may["agent/control"] = base "agent/os"
    may["agent/dns"] = base "schema agent/os agent/config"
    may["agent/client"] = base "lib/quic lib/http lib/grpc schema agent/os agent/config agent/dns"
    may["agent/ssh"] = base "schema agent/os agent/config"                  # what ssh of the host is told
    may["agent/traffic"] = base "lib/grpc schema agent/client"
    may["agent/peer"] = base "agent/os agent/wg agent/ice agent/client"
    below = "agent/os agent/wg agent/ice agent/config agent/dns agent/client agent/ssh agent/traffic agent/peer"
    may["agent/engine"] = base "lib/grpc schema " below
    may["agent/daemon"] = base "lib/grpc schema agent/control agent/engine " below
    may["agent/cli"] = base "agent/os agent/config agent/control agent/client agent/daemon"
    may["agent"] = base "agent/cli"

    # Files of one folder that stand on floors: each includes only those named before it. (provider.h
    # is the face that the folder shows to others.)
    n = split("base reply request identity limits session pages page_forms external_token external_refresh authorize device token userinfo logout login_done external second login", names, " ")
    for (i = 1; i <= n; i++) floor["management/idp/" names[i]] = i

    # libuv is behind lib/base/loop_uv.h, and that is for who opens handles of its own; everything
    # else takes bytes and a time.
    uv = "^(lib/base/loop|lib/base/loop_uv|lib/net/(tcp|udp)|agent/(control/server|daemon/(app|app_priv|bundle_job)|wg/(device|raw_port))|[a-z]+/listen[a-z_]*|tests/.*)[.][ch]$"
}
/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    target = $0
    sub(/^[^<"]*[<"]/, "", target); sub(/[>"].*/, "", target)
    quoted = $0 ~ /include[ \t]*"/
    path = FILENAME
    sub(/^\.\//, "", path)
    from = layer(path); to = layer(target)
    if (target == "uv.h" && path != "lib/base/loop_uv.h")
        bad(path " includes <uv.h>: that is behind lib/base/loop_uv.h")
    if (target == "lib/base/loop_uv.h" && path !~ uv)
        bad(path " includes \"" target "\", which is for the files that open handles")
    if (target == "libpq-fe.h" && path !~ /^management\/store\/(db_pg[.]c|pq_dl[.]h)$/ && path !~ /^tests\//)
        bad(path " includes <" target ">: SQL is behind management/store/db")
    if (target == "sqlite3.h" && path !~ /^management\/store\/db_sqlite[a-z_]*[.]c$/ && path !~ /^tests\//)
        bad(path " includes <" target ">: SQL is behind management/store/db")
    if (target == "management/store/db.h" && path ~ /^management\/(rest|rpc)\//)
        bad(path " includes \"" target "\": REST and gRPC ask operations, not SQL")
    if (quoted && target != "config.h" && to == "" && target !~ /^tests\// && path !~ /^tests\//)
        bad(path " includes \"" target "\": write the path from the root")
    if (from != "" && target ~ /^tests\//)
        bad(path " includes \"" target "\": the product does not need its tests")
    if (from != "" && path !~ /^tests\// && !(from in may))
        bad(path ": " from " has no row in the table")
    if (floor[stem(path)] && floor[stem(target)] > floor[stem(path)])
        bad(path " includes \"" target "\", which stands above it")
    if (from == "" || to == "" || from == to)
        next
    if (index(" " may[from] " ", " " to " ") == 0)
        bad(path " (" from ") includes \"" target "\": " from " may not use " to)
}
function stem(path) { sub(/[.][ch]$/, "", path); return path }
function bad(text) { print FILENAME ":" FNR ": " text; failed = 1 }
END {
    if (list_rows) { for (f in may) { line = f; n = split(may[f], p, " "); for (i = 1; i <= n; i++) line = line " " p[i]; print line } exit 0 }
    exit failed
}
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
# Every row lets through what it lists and refuses every folder that it does not.
awk -v list_rows=1 "$rules" /dev/null | sort >"$tmp/rows"
awk '{ rows[NR] = $1; allowed[$1] = " " $0 " " }
END {
    for (i = 1; i <= NR; i++)
        for (k = 1; k <= NR; k++) {
            dir = (index(allowed[rows[i]], " " rows[k] " ") ? "ok/" : "no/") rows[i]
            if (!(dir in made)) { system("mkdir -p " tree dir); made[dir] = 1 }
            file = tree dir "/t" k ".c"
            print "#include \"" rows[k] "/b.h\"" >file
            close(file)
            if (dir ~ /^no/) forbidden++
        }
    print forbidden
}' tree="$tmp/tree/" "$tmp/rows" >"$tmp/forbidden"
check "$tmp/tree/ok" >"$tmp/out" || { echo "self-test: allowed and refused:"; head -3 "$tmp/out"; fail=1; }
check "$tmp/tree/no" >"$tmp/out"
refused=$(grep -c 'may not use' "$tmp/out")
expected=$(cat "$tmp/forbidden")
[ "$refused" = "$expected" ] || { echo "self-test: $refused of $expected forbidden arrows were refused"; fail=1; }
expect ok lib/base/loop_uv.h '#include <uv.h>'
expect ok lib/net/udp.c '#include "lib/base/loop_uv.h"'
expect lib/net/udp.c '#include <uv.h>'
expect lib/net/ws.c '#include "lib/base/loop_uv.h"'
expect lib/net/ws.c '#include <uv.h>'
expect lib/net/a.c '#include "addr.h"'
expect management/rest/a.c '#include <sqlite3.h>'
expect management/rpc/a.c '#include "management/store/db.h"'
expect management/idp/session.c '#include "management/idp/login.h"'
expect ok management/idp/login.c '#include "management/idp/session.h"'
expect management/newroom/a.c '#include "lib/base/str.h"'
expect agent/a.c '#include "tests/unit/vec.h"'
[ "$fail" = 0 ] || exit 1
[ "${1-}" = --self-test ] && exit 0

if ! check "$srcdir"; then
    echo "check-layers: see the table in tests/check-layers.sh" >&2
    exit 1
fi
