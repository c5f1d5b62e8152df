#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two routing peers of one metric: the nearer one carries, and the other one once the first has become
# clearly farther, by nothing but the time that its packets take.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/routing.sh"
need_root
need_program ROOK
need_program ROOKERY
command -v python3 >/dev/null || skip "needs python3"
trap routing_end EXIT

slow() { # PORT_OF_THE_BRIDGE: a wire with a delay in front of it; milliseconds in $NODES_DIR/PORT
    ip -n "$TOPO-mid" link set "$1" nomaster
    ip -n "$TOPO-mid" link add "$1-far" type veth peer name "$1-near"
    ip -n "$TOPO-mid" link set "$1-near" master br0 up
    ip -n "$TOPO-mid" link set "$1-far" up
    (exec ip netns exec "$TOPO-mid" python3 "$SRC_DIR/tests/lib/delay.py" "$1" "$1-far" "$NODES_DIR/$1") &
}
latency() { # NODE as a sees it, in ms
    nodes_in la a "$ROOK" status --json |
        jq --arg n "$1" '.peers.details[] | select(.fqdn | startswith($n + ".")) | .latency / 1000000 | floor'
}
near_and_far() { # NODE NODE: by 30 ms at least
    [ "$(latency "$2")" -ge $(($(latency "$1") + 30)) ]
}
both_near() { ! near_and_far b c && ! near_and_far c b; }

topo_up
routing_up
slow upb
slow upc
echo 60 >"$NODES_DIR/upb"
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
nodes_agent_start rook lc c "$key" || fail "agent c: $(cat "$NODES_DIR/c/up.log")"
all=$(routing_all)
for n in b c; do
    nodes_wait 20 nodes_ping la "$(nodes_ip rook l$n $n)" || fail "no ping to $n"
done
nodes_wait 30 nodes_path_is P2P rook la a || fail "no direct paths: $(nodes_in la a "$ROOK" status -d)"
nodes_wait 30 near_and_far c b || fail "latencies: b $(latency b) ms, c $(latency c) ms"
net=$(routing_network office 10.99.0.0/24 "$all") || fail "network"
routing_router "$net" "$(routing_peer_id b)" 100 true >/dev/null
routing_router "$net" "$(routing_peer_id c)" 100 true >/dev/null
nodes_wait 60 routing_from 10.99.0.3 || fail "the nearer router does not carry: '$(routing_seen)', b $(latency b) ms, c $(latency c) ms"
nodes_log "b $(latency b) ms, c $(latency c) ms: c carries"

echo 0 >"$NODES_DIR/upb"
echo 60 >"$NODES_DIR/upc"
nodes_wait 90 routing_from 10.99.0.1 || fail "still '$(routing_seen)' carries, b $(latency b) ms, c $(latency c) ms"
nodes_log "b $(latency b) ms, c $(latency c) ms: b carries"

echo 0 >"$NODES_DIR/upc"
nodes_wait 60 both_near || fail "c is still far: $(latency c) ms"
routing_from 10.99.0.1 >/dev/null || fail "changed without a reason: '$(routing_seen)'"
nodes_log "both near: b goes on"
echo "fail-over by latency: all held"
