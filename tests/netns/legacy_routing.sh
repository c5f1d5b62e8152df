#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Legacy routing (sockets cannot be marked): an exit node by two halves of the address space in the
# main table, host routes for what our own packets go to. Nothing leaks whatever the metric of the
# host's default, nothing loops, servers stay connected, and kill -9 leaves nothing for long.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY

FAR=203.0.113.9
la() { nodes_in la a "$@"; }
leaked() { topo_in na nft -j list chain ip leak forward | jq '[.. | .counter? | .packets? // empty] | add'; }
halves() { topo_in la ip route show table main | grep -c -e '^0.0.0.0/1 dev wt0' -e '^128.0.0.0/1 dev wt0'; }
carried() { [ "$(halves)" = 2 ] && nodes_ping la $FAR; }
mgmt_up() { la "$ROOK" status --json | jq -e '.management.connected and .signal.connected'; }
start_daemon() {
    (nodes_exec la a env NB_USE_LEGACY_ROUTING=true "$ROOK" service run) >>"$NODES_DIR/a/log" 2>&1 &
    echo $! >"$NODES_DIR/a/pid"
    nodes_wait 10 test -S "$NODES_DIR/a/run/rook/rook.sock" || fail "no daemon"
}

topo_up
topo_in mid ip addr add $FAR/32 dev lo
for n in na nb; do ip -n "$TOPO-$n" route add $FAR via "$TOPO_SERVER"; done
topo_in na nft -f - <<EOT
table ip leak {
    chain forward {
        type filter hook forward priority -20
        ip daddr $FAR counter
    }
}
EOT
before4=$(topo_in la ip route show table main | sort)
before6=$(topo_in la ip -6 route show table main | grep -v '^fe80' | sort)
nodes_own_server || fail "server"
key=$(nodes_setup_key)
mkdir -p "$NODES_DIR/a"
start_daemon
la "$ROOK" up --management-url "$NODES_URL" --setup-key "$key" --hostname a >"$NODES_DIR/a/up.log" 2>&1 || fail "a"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
nodes_wait 20 nodes_ping la "$(nodes_ip rook lb b)" || fail "no ping"
[ -z "$(topo_in la ip rule | grep -e ^105 -e ^110)" ] || fail "rules in spite of legacy routing"
peer=$(nodes_api GET /api/peers | jq -r '.[] | select(.name == "b") | .id')
all=$(nodes_api GET /api/groups | jq -r '.[] | select(.name == "All") | .id')
nodes_api POST /api/routes "{\"description\":\"exit\",\"network_id\":\"exit\",\"enabled\":true,
    \"peer\":\"$peer\",\"network\":\"0.0.0.0/0\",\"metric\":9999,\"masquerade\":true,
    \"groups\":[\"$all\"],\"keep_route\":true}" >/dev/null || fail "no exit node"
nodes_wait 30 carried || fail "the exit node does not carry: $(topo_in la ip route)"
topo_in la ip route show table main | has "^$TOPO_SERVER via 10.81.1.1 dev eth0" ||
    fail "the server has no route of its own: $(topo_in la ip route)"
topo_in la ip -6 route show table main | has -E "^(unreachable )?::/1( dev wt0)?" || fail "IPv6 leaves beside the exit node"
nodes_log "exit node carries, servers have their own way"

topo_in na nft flush chain ip leak forward
topo_in na nft add rule ip leak forward ip daddr $FAR counter
for metric in 0 50 4000; do
    topo_in la ip route del default
    topo_in la ip route add default via 10.81.1.1 metric $metric
    nodes_wait 30 carried || fail "metric $metric: not carried: $(topo_in la ip route)"
    topo_in la ping -q -c 5 -i 0.1 $FAR >/dev/null || fail "metric $metric: replies are lost"
done
[ "$(leaked)" = 0 ] || fail "$(leaked) packets left in the clear"
nodes_wait 30 nodes_path_is P2P rook la a || fail "no direct path beside the exit node"
nodes_wait 30 mgmt_up || fail "the servers are lost: $(la "$ROOK" status)"
nodes_log "default routes of three metrics: nothing leaked, direct path, servers connected"

# a network that our own servers are in, more specific than the way to them
nodes_api POST /api/routes "{\"description\":\"own\",\"network_id\":\"own\",\"enabled\":true,
    \"peer\":\"$peer\",\"network\":\"198.18.0.0/24\",\"metric\":9999,\"masquerade\":true,
    \"groups\":[\"$all\"],\"keep_route\":true}" >/dev/null || fail "no network"
nodes_wait 30 sh -c "ip netns exec $TOPO-la ip route get 198.18.0.99 | grep -q wt0" || fail "no network: $(topo_in la ip route)"
topo_in la ip route get "$TOPO_SERVER" | has 'via 10.81.1.1 dev eth0' || fail "the server is behind the tunnel: $(topo_in la ip route)"
nodes_wait 30 mgmt_up || fail "the servers are lost in a network: $(la "$ROOK" status)"
nodes_log "a network that the servers are in"

# the server's connections end: new ones find their way
kill -TERM "$NODES_SERVER_PID"; wait "$NODES_SERVER_PID"
(exec ip netns exec "$TOPO-mid" "$ROOKERY" run --config "$NODES_DIR/server/config.yaml") >>"$NODES_DIR/server/log" 2>&1 &
NODES_SERVER_PID=$!
nodes_wait 60 mgmt_up || fail "the servers are not found again"
carried >/dev/null || fail "the exit node was lost with the server"
nodes_log "servers found again"

nodes_agent_stop a KILL
start_daemon
nodes_wait 30 carried || fail "not carried after kill -9: $(topo_in la ip route)"
la "$ROOK" down >/dev/null || fail "down"
la "$ROOK" up --disable-auto-connect >/dev/null || fail "up"
nodes_wait 30 carried || fail "not carried after up"
nodes_agent_stop a KILL
start_daemon
topo_in la ip route del default
topo_in la ip route add default via 10.81.1.1
nodes_wait 10 sh -c "[ \"\$(ip netns exec $TOPO-la ip route show table main | sort)\" = '$before4' ]" ||
    fail "left in the main table: $(topo_in la ip route) instead of $before4"
[ "$(topo_in la ip -6 route show table main | grep -v '^fe80' | sort)" = "$before6" ] ||
    fail "left in IPv6's main table: $(topo_in la ip -6 route)"
nodes_log "killed, and an idle start removed everything"
echo "legacy routing: all held"
