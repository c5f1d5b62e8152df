#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every packet that the agent itself sends carries the mark that keeps it out of the overlay, counted
# where it leaves: look-ups, management, signal, relay, STUN, WireGuard. Nothing else runs there.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK
command -v python3 >/dev/null || skip "python3 is not installed"
NODES_NAME=server.test
FAR=203.0.113.9

la() { nodes_in la a "$@"; }
count() { # NAME: packets of a counter
    topo_in la nft -j list counter ip marks "$1" | jq '[.. | .packets? // empty] | add'
}
some() { [ "$(count "$1")" -gt 0 ]; }
mgmt_up() { la "$ROOK" status --json | jq -e '.management.connected and .signal.connected and
    (.relays.details | length > 1 and all(.available))'; }
carried() { topo_in la ip route show table 7120 | has '^default dev wt0' && nodes_ping la $FAR; }
none_bare() { [ "$(count bare)" = 0 ] || fail "$1: $(count bare) packets without a mark:
    $(topo_in la nft list set ip marks which) $(topo_in la nft list table ip marks)"; }

topo_up
topo_in mid ip addr add $FAR/32 dev lo
for n in na nb; do ip -n "$TOPO-$n" route add $FAR via "$TOPO_SERVER"; done
topo_in mid python3 "$SRC_DIR/tests/lib/dnsd.py" "$TOPO_SERVER" "server.test=$TOPO_SERVER" >"$NODES_DIR/dns" 2>&1 &
nodes_wait 10 grep -q ready "$NODES_DIR/dns" || fail "name server"
for n in a b; do
    mkdir -p "$NODES_DIR/$n/etc"
    echo "nameserver $TOPO_SERVER" >"$NODES_DIR/$n/etc/resolv.conf"
done
topo_in la nft -f - <<NFT
table ip marks {
    counter bare { }
    counter names { }
    counter servers { }
    counter stun { }
    counter tunnel { }
    set which { type ipv4_addr . inet_proto . inet_service; size 256; flags dynamic; }
    chain out {
        type filter hook output priority 300
        oifname != "eth0" accept
        tcp flags & rst == rst accept comment "of nobody's socket"
        ip daddr { 10.81.1.1, 239.255.255.250 } accept comment "ports are asked of the router next door, by its interface"
        meta l4proto { tcp, udp } meta mark != 0x1bd00 counter name bare add @which { ip daddr . meta l4proto . th dport }
        meta mark != 0x1bd00 accept
        udp dport 53 counter name names
        tcp dport 8080 counter name servers
        udp dport 3478 counter name stun
        udp dport != { 53, 3478 } counter name tunnel
    }
}
NFT
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
nodes_wait 20 nodes_ping la "$(nodes_ip rook lb b)" || fail "no ping"
nodes_wait 30 mgmt_up || fail "not all servers: $(la "$ROOK" status -d)"
nodes_wait 30 nodes_path_is P2P rook la a || fail "no direct path"
for what in names servers stun tunnel; do
    some $what || fail "nothing of $what was counted: $(topo_in la nft list table ip marks)"
done
none_bare "connected"
nodes_log "look-ups $(count names), servers $(count servers), STUN $(count stun), tunnel $(count tunnel), unmarked 0"

# beside an exit node, while everything has to be found anew
peer=$(nodes_api GET /api/peers | jq -r '.[] | select(.name == "b") | .id')
all=$(nodes_api GET /api/groups | jq -r '.[] | select(.name == "All") | .id')
nodes_api POST /api/routes "{\"description\":\"exit\",\"network_id\":\"exit\",\"enabled\":true,
    \"peer\":\"$peer\",\"network\":\"0.0.0.0/0\",\"metric\":9999,\"masquerade\":true,
    \"groups\":[\"$all\"],\"keep_route\":true}" >/dev/null || fail "no exit node"
nodes_wait 20 carried || fail "the exit node does not carry"
topo_in la nft reset counters >/dev/null
kill -TERM "$NODES_SERVER_PID"
wait "$NODES_SERVER_PID"
(exec ip netns exec "$TOPO-mid" "$ROOKERY" run --config "$NODES_DIR/server/config.yaml") >>"$NODES_DIR/server/log" 2>&1 &
NODES_SERVER_PID=$!
nodes_wait 60 mgmt_up || fail "the servers are not found again"
for what in servers tunnel; do
    some $what || fail "nothing of $what was counted: $(topo_in la nft list table ip marks)"
done
none_bare "beside an exit node"
nodes_log "the same beside an exit node, servers found anew"
echo "socket marks: all held"
