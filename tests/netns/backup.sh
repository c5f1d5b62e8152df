#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The disk of the server dies: a backup that was made while changes went on is restored in another
# folder, then on PostgreSQL, under the same name. Connected agents go on without being enrolled
# again, under the same addresses, and the journal is whole.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY
agent=rook
[ -z "${NETBIRD_BIN-}" ] || agent=netbird

connected() { [ "$(nodes_api GET /api/peers | jq '[.[] | select(.connected)] | length')" = 2 ]; }

server_in() { # FOLDER VARIABLE=VALUE…: start ours there, under the same name
    local d=$1
    shift
    (exec ip netns exec "$TOPO-mid" env ROOKERY_DATA_DIR="$d" ROOKERY_LISTEN_ADDRESS=:8080 \
        ROOKERY_EXPOSED_ADDRESS="$NODES_URL" "$@" "$ROOKERY" run) >"$NODES_DIR/server/log" 2>&1 &
    NODES_SERVER_PID=$!
    nodes_wait 20 topo_in mid curl -sf "$NODES_URL/api/instance"
}

stop_server() { # SIGNAL
    kill "-$1" "$NODES_SERVER_PID" 2>/dev/null
    wait "$NODES_SERVER_PID" 2>/dev/null
}

all_as_before() { # WHERE: agents back, same addresses, what was acknowledged is there
    local n
    nodes_wait 60 connected || fail "$1: the agents do not come back"
    [ "$(nodes_ip rook la a)" = "$a" ] && [ "$(nodes_ip "$agent" lb b)" = "$b" ] || fail "$1: addresses have changed"
    nodes_wait 30 nodes_ping la "$b" || fail "$1: no ping"
    n=$(nodes_api GET /api/groups | jq '[.[] | select(.name | startswith("load-"))] | length')
    [ "$n" -ge "$acknowledged" ] || fail "$1: $n groups of $acknowledged are there"
    nodes_log "$1: agents are back, $n groups of at least $acknowledged"
}

topo_up
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "a"
nodes_agent_start "$agent" lb b "$key" || fail "b"
nodes_wait 20 nodes_ip rook la a || fail "a has no address"
a=$(nodes_ip rook la a) b=$(nodes_ip "$agent" lb b)
nodes_wait 30 nodes_ping la "$b" || fail "no ping"

old=$NODES_DIR/server/data
echo "a passphrase of this test" >"$NODES_DIR/phrase"
(i=0; while nodes_api POST /api/groups "{\"name\":\"load-$i\"}" >/dev/null 2>&1; do
    i=$((i + 1)); echo "$i" >"$NODES_DIR/count"; done) &
writer=$!
nodes_wait 30 test -s "$NODES_DIR/count" || fail "nothing is written"
sleep 1
acknowledged=$(cat "$NODES_DIR/count")
ROOKERY_DATA_DIR=$old "$ROOKERY" admin backup "$NODES_DIR/x.backup" --with-secrets --passphrase-file "$NODES_DIR/phrase" ||
    fail "backup under load"
"$ROOKERY" admin backup "$NODES_DIR/x.backup" --verify --passphrase-file "$NODES_DIR/phrase" || fail "verify"
stop_server KILL
wait "$writer" 2>/dev/null
rm -rf "$old"
nodes_log "backed up while $acknowledged groups were written; the disk is gone"

ROOKERY_DATA_DIR=$NODES_DIR/new "$ROOKERY" admin restore "$NODES_DIR/x.backup" --passphrase-file "$NODES_DIR/phrase" ||
    fail "restore"
server_in "$NODES_DIR/new" || fail "the restored server does not start"
all_as_before "restored"
stop_server TERM
ROOKERY_DATA_DIR=$NODES_DIR/new "$ROOKERY" admin journal verify || fail "the journal is not whole"

on_postgres() {
    local pg=(ROOKERY_STORE_ENGINE=postgres "ROOKERY_STORE_DSN=$RK_TEST_PG")
    env ROOKERY_DATA_DIR="$NODES_DIR/pg" "${pg[@]}" "$ROOKERY" admin restore "$NODES_DIR/x.backup" \
        --passphrase-file "$NODES_DIR/phrase" || fail "restore on PostgreSQL"
    server_in "$NODES_DIR/pg" "${pg[@]}" || fail "the server does not start on PostgreSQL"
    all_as_before "restored on PostgreSQL"
    # and a backup of that one, while it runs
    env ROOKERY_DATA_DIR="$NODES_DIR/pg" "${pg[@]}" "$ROOKERY" admin backup "$NODES_DIR/y.backup" || fail "backup of PostgreSQL"
    "$ROOKERY" admin backup "$NODES_DIR/y.backup" --verify || fail "verify"
    stop_server TERM
    env ROOKERY_DATA_DIR="$NODES_DIR/pg" "${pg[@]}" "$ROOKERY" admin journal verify || fail "the journal on PostgreSQL"
}
export NODES_DIR NODES_URL NODES_TOKEN TOPO ROOKERY ROOK SRC_DIR NODES_T0 a b agent acknowledged
# shellcheck disable=SC2016
bash "$SRC_DIR/tests/lib/pg.sh" bash -c '
    set -uo pipefail
    . "$SRC_DIR/deploy/demo/topology.sh"; . "$SRC_DIR/deploy/demo/nodes.sh"
    fail() { echo "FAILED: $*"; tail -20 "$NODES_DIR/server/log"; exit 1; }
    '"$(declare -f connected server_in stop_server all_as_before on_postgres)"'
    on_postgres'
case $? in
0) ;;
77) echo "note: PostgreSQL is not installed: NOT tried" ;;
*) exit 1 ;;
esac
echo "backup and restore: all held"
