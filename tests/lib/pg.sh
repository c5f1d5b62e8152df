#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# pg.sh COMMAND [ARG…]: run a command with RK_TEST_PG set to a private, empty PostgreSQL cluster that
# lives in a temporary directory, listens on a unix socket only, and is gone afterwards.
# RK_PG_LISTEN is an address to listen on besides, for everybody on its network.
# Without fsync: what a crash of the machine would cost is not what these tests are about.
# As root the server runs as user postgres (it refuses root). Exit status: the command's; 77 when
# PostgreSQL is not installed.
set -eu
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -n "$bin" ] || bin=$(dirname "$(command -v pg_ctl 2>/dev/null || echo /nonexistent/pg_ctl)")
[ -x "$bin/pg_ctl" ] || {
    echo "pg.sh: PostgreSQL is not installed (apt install postgresql)" >&2
    exit 77
}
dir=$(mktemp -d "${TMPDIR:-/tmp}/rookery-pg.XXXXXX")
as() { "$@"; }
if [ "$(id -u)" = 0 ]; then
    chown postgres "$dir"
    as() { (cd / && exec setpriv --reuid postgres --regid postgres --init-groups "$@"); }
fi
stop() {
    as "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$dir"
}
trap stop EXIT
trap 'exit 129' HUP INT TERM
as "$bin/initdb" -D "$dir/data" -A trust -U rookery -E UTF8 --locale=C.UTF-8 >"$dir/init.log" 2>&1 || {
    cat "$dir/init.log" >&2
    exit 1
}
[ -z "${RK_PG_LISTEN-}" ] || echo "host all all samenet trust" >>"$dir/data/pg_hba.conf"
as "$bin/pg_ctl" -D "$dir/data" -w -l "$dir/data/log" \
    -o "-c listen_addresses=${RK_PG_LISTEN-} -c unix_socket_directories=$dir -c max_connections=200 -c fsync=off -c full_page_writes=off" start \
    >/dev/null || {
    cat "$dir/data/log" >&2
    exit 1
}
as chmod 755 "$dir"
RK_TEST_PG="host=$dir user=rookery dbname=postgres" \
RK_TEST_PG_DATA="$dir/data" "$@"
