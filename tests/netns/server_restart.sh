#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The server is away for five seconds while two agents talk over its relay: the relayed way is there again
# soon after the server is. Says how soon.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK

topo_up
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "a does not come up"
nodes_agent_start rook lb b "$key" || fail "b does not come up"
nodes_wait 15 nodes_ip rook lb b || fail "b has no address"
b=$(nodes_ip rook lb b)
nodes_wait 30 nodes_ping la "$b" || fail "no ping"
topo_udp_block
nodes_wait 60 nodes_path_is Relayed rook la a || fail "a does not go to the relay"
nodes_wait 60 nodes_path_is Relayed rook lb b || fail "b does not go to the relay"
nodes_wait 30 nodes_ping la "$b" || fail "no ping over the relay"
nodes_log "relayed"

kill -TERM "$NODES_SERVER_PID"
wait "$NODES_SERVER_PID"
nodes_wait 30 sh -c "! ip netns exec $TOPO-la ping -c1 -W1 $b" || fail "it is not the relay that carries"
sleep 5
(exec ip netns exec "$TOPO-mid" "$ROOKERY" run --config "$NODES_DIR/server/config.yaml") >>"$NODES_DIR/server/log" 2>&1 &
NODES_SERVER_PID=$!
nodes_wait 30 topo_in mid curl -sf "$NODES_URL/api/instance" || fail "the server does not come back"
from=$(nodes_now_ms)
# How soon is printed; that it does not wait for signal is asserted by the unit tests of peer connections.
# Echoes every 0.1 s: one that is lost must not hold up the next.
(exec ip netns exec "$TOPO-la" ping -n -i 0.1 "$b") >"$NODES_DIR/echoes" 2>&1 &
echoes=$!
nodes_wait 60 has 'bytes from' "$NODES_DIR/echoes" || fail "silent after the server was back"
nodes_log "over the relay again $(($(nodes_now_ms) - from)) ms after the server was back"
kill "$echoes"
nodes_path_is Relayed rook la a || fail "that was not the relay"
kill -TERM "$NODES_SERVER_PID"
wait "$NODES_SERVER_PID"
echo "server restart: all held"
