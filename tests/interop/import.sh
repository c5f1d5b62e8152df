#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Moving in: an official server, filled through its REST API and with two agents connected, is
# stopped, its data imported, and ours started under the same name. The agents come back without
# being enrolled again, under the same addresses, and every GET answers as before. Then the same
# with its stores in PostgreSQL, compared without agents.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program NETBIRD_SERVER_BIN
agent=netbird
if [ -z "${NETBIRD_BIN-}" ]; then
    need_program ROOK
    agent=rook
    echo "note: NETBIRD_BIN is not set: the agents are rook's, official ones were NOT tried"
fi
py() { # WHAT FILE
    ip netns exec "$TOPO-mid" env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$SRC_DIR/tests/interop/import.py" \
        "$1" "$NODES_URL" "$NODES_TOKEN" "$2"
}

stop_server() {
    kill -TERM "$NODES_SERVER_PID" 2>/dev/null
    wait "$NODES_SERVER_PID" 2>/dev/null
}

start_ours() { # FOLDER
    (exec ip netns exec "$TOPO-mid" env ROOKERY_DATA_DIR="$1" ROOKERY_LISTEN_ADDRESS=:8080 \
        ROOKERY_EXPOSED_ADDRESS="$NODES_URL" "$ROOKERY" run) >"$NODES_DIR/server/ours.log" 2>&1 &
    NODES_SERVER_PID=$!
    nodes_wait 20 topo_in mid curl -sf "$NODES_URL/api/instance"
}

bring_in() { # OUR_FOLDER OPTION…: the import
    local to=$1
    shift
    env ROOKERY_DATA_DIR="$to" ROOKERY_LISTEN_ADDRESS=:8080 ROOKERY_EXPOSED_ADDRESS="$NODES_URL" \
        "$ROOKERY" admin import netbird --config "$NODES_DIR/server/config.yaml" "$@"
}

connected() { # how many machines our server says are connected
    [ "$(nodes_api GET /api/peers | jq '[.[] | select(.connected)] | length')" = "$1" ]
}

management_is_back() { # NS NODE
    nodes_status "$agent" "$1" "$2" | jq -e '.management.connected' >/dev/null
}

# ---- SQLite, with agents
topo_up
nodes_official_server || fail "official server"
key=$(nodes_setup_key)
nodes_agent_start $agent la a "$key" || fail "a does not come up"
nodes_agent_start $agent lb b "$key" || fail "b does not come up"
nodes_wait 20 nodes_ip $agent la a || fail "a has no address"
a=$(nodes_ip $agent la a) b=$(nodes_ip $agent lb b)
nodes_wait 30 nodes_ping la "$b" || fail "no ping on the official server"
py fill - || fail "the official server was not filled"
nodes_wait 20 connected 2 || fail "the official server does not say that both are connected"
py ask "$NODES_DIR/was.json" || fail "the official server does not answer"
nodes_log "official server filled, two agents connected"
stop_server
for i in 5 20 40 80 150 300 600; do # killed in the middle: all or nothing
    timeout -s KILL 0.$(printf %03d "$i") bash -c "$(declare -f bring_in); bring_in \"\$@\"" x "$NODES_DIR/ours" \
        --data "$NODES_DIR/server/data" >/dev/null 2>&1 && break
    [ ! -e "$NODES_DIR/ours/rookery.db" ] || break
done
if [ -e "$NODES_DIR/ours/rookery.db" ]; then
    nodes_log "the import was through before it was killed"
else
    bring_in "$NODES_DIR/ours" --data "$NODES_DIR/server/data" || fail "import"
fi
[ -z "$(find "$NODES_DIR/ours" -name 'import.*')" ] || fail "an import that was killed left its file"
start_ours "$NODES_DIR/ours" || fail "ours does not start"
nodes_log "ours runs"
nodes_wait 60 connected 2 || fail "the agents do not come back"
nodes_log "both agents are back"
nodes_wait 30 management_is_back la a || fail "a does not say that management is back"
[ "$(nodes_ip $agent la a)" = "$a" ] && [ "$(nodes_ip $agent lb b)" = "$b" ] || fail "addresses have changed"
nodes_wait 30 nodes_ping la "$b" || fail "no ping after the move"
py compare "$NODES_DIR/was.json" || fail "answers differ"
nodes_agent_stop a
nodes_agent_start_again() {
    (nodes_exec la a env NB_STATE_DIR=/var/lib/netbird "$NETBIRD_BIN" service run --log-file console \
        --daemon-addr unix:///run/netbird.sock) >>"$NODES_DIR/a/log" 2>&1 &
    echo $! >"$NODES_DIR/a/pid"
}
if [ $agent = netbird ]; then
    nodes_agent_start_again
    nodes_wait 60 nodes_ping la "$b" || fail "an agent that was restarted does not come back"
    nodes_log "an agent that was restarted is back"
fi
nodes_agent_stop a
nodes_agent_stop b
stop_server
nodes_log "SQLite: all held"

# ---- PostgreSQL, without agents
command -v pg_ctl >/dev/null || ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1 || {
    echo "note: PostgreSQL is not installed: NOT tried"
    exit 0
}
# shellcheck disable=SC2329
pg_part() {
    local name dsn="$RK_TEST_PG"
    for name in store events idp; do psql -q "$dsn" -c "CREATE DATABASE old_$name" || fail "database"; done
    sed -i "/^  store:/,\$d" "$NODES_DIR/server/config.yaml"
    {
        echo "  store: {engine: postgres, dsn: \"${dsn/dbname=postgres/dbname=old_store}\", encryptionKey: \"$OLD_KEY\"}"
        echo "  activityStore: {engine: postgres, dsn: \"${dsn/dbname=postgres/dbname=old_events}\"}"
        echo "  authStore: {engine: postgres, dsn: \"${dsn/dbname=postgres/dbname=old_idp} sslmode=disable\"}"
    } >>"$NODES_DIR/server/config.yaml"
    rm -rf "$NODES_DIR/server/data"
    mkdir -p "$NODES_DIR/server/data"
    (exec ip netns exec "$TOPO-mid" env NB_SETUP_PAT_ENABLED=true NB_DISABLE_GEOLOCATION=true \
        "$NETBIRD_SERVER_BIN" --config "$NODES_DIR/server/config.yaml") >"$NODES_DIR/server/log" 2>&1 &
    NODES_SERVER_PID=$!
    nodes_wait 60 topo_in mid curl -sf "$NODES_URL/api/instance" || fail "official server on PostgreSQL"
    NODES_TOKEN=$(topo_in mid curl -sS -X POST -H 'Content-Type: application/json' --data \
        '{"email":"admin@example.com","password":"demo-Passw0rd!","name":"Admin","create_pat":true}' \
        "$NODES_URL/api/setup" | jq -r .personal_access_token)
    key=$(nodes_setup_key)
    nodes_agent_start rook la c "$key" || fail "c does not come up"
    nodes_agent_start rook lb d "$key" || fail "d does not come up"
    py fill - || fail "the official server on PostgreSQL was not filled"
    nodes_agent_stop c
    nodes_agent_stop d
    py ask "$NODES_DIR/was-pg.json" || fail "the official server does not answer"
    stop_server
    bring_in "$NODES_DIR/ours-pg" || fail "import from PostgreSQL"
    start_ours "$NODES_DIR/ours-pg" || fail "ours does not start"
    py compare "$NODES_DIR/was-pg.json" || fail "answers differ after the move from PostgreSQL"
    stop_server
    nodes_log "PostgreSQL: all held"
}
need_program ROOK
OLD_KEY=$(sed -n 's/.*encryptionKey: "\(.*\)".*/\1/p' "$NODES_DIR/server/config.yaml")
export NODES_DIR NODES_URL TOPO TOPO_SERVER OLD_KEY ROOKERY ROOK NETBIRD_SERVER_BIN SRC_DIR NODES_T0
# shellcheck disable=SC2016
bash "$SRC_DIR/tests/lib/pg.sh" bash -c '
    set -uo pipefail
    . "$SRC_DIR/deploy/demo/topology.sh"; . "$SRC_DIR/deploy/demo/nodes.sh"
    fail() { echo "FAILED: $*"; tail -5 "$NODES_DIR"/server/*log "$NODES_DIR"/c/log; exit 1; }
    agent=rook
    '"$(declare -f py stop_server start_ours bring_in connected pg_part)"'
    pg_part' || exit 1
echo "moving in: all held"
