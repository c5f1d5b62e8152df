#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What an operator reads at info: one line for one event of start, sign-up, enrolment, connecting, leaving, an
# outage of the store and its end, reload, restart; and no line while nothing happens.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK

log=$NODES_DIR/server/log
seen=0
said() { # EVENT…: the log has these lines since the last time, before long, and no others
    local want got
    want=$(printf '%s\n' "$@" | sort)
    for _ in $(seq 1200); do
        got=$(tail -n "+$((seen + 1))" "$log" | sed -nE 's/.* event="([^"]*)".*/\1/p; s/.* event=([^" ]+) .*/\1/p' | sort)
        [ "$got" != "$want" ] || break
        sleep 0.1
    done
    [ "$got" = "$want" ] || { echo "wanted: $want"; echo "got: $got"; tail -n "+$((seen + 1))" "$log"; fail "the log"; }
    seen=$(wc -l <"$log")
}
start_server() {
    (exec ip netns exec "$TOPO-mid" "$ROOKERY" run --config "$NODES_DIR/server/config.yaml") >>"$log" 2>&1 &
    NODES_SERVER_PID=$!
    nodes_wait 60 topo_in mid curl -sf "$NODES_URL/api/instance" || fail "the server does not start"
}

topo_up
nodes_own_server || fail "server"
said serving "set up" "new signing key"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "a does not come up"
said "peer registered" "relay peer connected"
nodes_agent_start rook lb b "$key" || fail "b does not come up"
said "peer registered" "relay peer connected"
nodes_wait 60 nodes_ping la "$(nodes_ip rook lb b)" || fail "no ping"
nodes_agent_stop b
said "relay peer gone"

# Who only looks leaves no line, who changes something leaves one.
admin() { ip netns exec "$TOPO-mid" "$ROOKERY" admin "$@" --config "$NODES_DIR/server/config.yaml" >"$NODES_DIR/answer"; }
admin status && admin user list && admin peer list || fail "admin"
admin setup-key create --name more || fail "admin"
said "admin command"

mv "$NODES_DIR/server/data/rookery.db" "$NODES_DIR/away"
said "store unavailable"
topo_in mid curl -s "$NODES_URL/api/peers" -H "Authorization: Token $NODES_TOKEN" >"$NODES_DIR/answer"
nodes_setup_key >"$NODES_DIR/answer"
mv "$NODES_DIR/away" "$NODES_DIR/server/data/rookery.db"
said "store available again"

kill -HUP "$NODES_SERVER_PID"
said reloaded
kill -TERM "$NODES_SERVER_PID"
wait "$NODES_SERVER_PID"
said stopping stopped
start_server
said serving "relay peer connected"
kill -TERM "$NODES_SERVER_PID"
wait "$NODES_SERVER_PID"
echo "log lines: all held"
