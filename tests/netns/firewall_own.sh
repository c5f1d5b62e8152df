#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A routing peer without any firewall of its host: the filter of rook's own data path carries the
# rules out, for the host and for the network behind it.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/routing.sh"
need_root
need_program ROOK
need_program ROOKERY
for p in socat python3 dig; do
    command -v $p >/dev/null || skip "$p is not installed"
done
trap routing_end EXIT

lb() { nodes_in lb b "$@"; }
serve() { [ "$(topo_in la timeout 2 bash -c "exec 3<>/dev/tcp/$1 && cat <&3" 2>/dev/null)" = hello ]; }
asked() { [ "$(nodes_in la a dig +short +time=2 +tries=1 "@$a" "$1")" = "$2" ]; }

topo_up
routing_up
ip -n "$TOPO-lan" route add 100.64.0.0/10 via 10.99.0.1
mkdir -p "$NODES_DIR/b/etc"
topo_in lan python3 "$SRC_DIR/tests/lib/dnsd.py" $ROUTING_HOST "intra.lan.test=$ROUTING_HOST" >"$NODES_DIR/lan" 2>&1 &
nodes_wait 10 grep -q ready "$NODES_DIR/lan" || fail "name server"
echo "nameserver $ROUTING_HOST" >"$NODES_DIR/b/etc/resolv.conf"
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a"
(nodes_exec lb b env ROOK_FIREWALL=own ROOK_DEVICE=own "$ROOK" service run) >"$NODES_DIR/b/log" 2>&1 &
echo $! >"$NODES_DIR/b/pid"
nodes_wait 10 test -S "$NODES_DIR/b/run/rook/rook.sock" || fail "no daemon"
lb "$ROOK" up --management-url "$NODES_URL" --setup-key "$key" --hostname b >"$NODES_DIR/b/up.log" 2>&1 || fail "b: $(cat "$NODES_DIR/b/up.log")"
a=$(nodes_ip rook la a)
b=$(nodes_ip rook lb b)
[ -z "$(topo_in lb nft list ruleset)" ] || fail "nftables is used: $(topo_in lb nft list ruleset)"
nodes_wait 20 nodes_ping la "$b" || fail "no ping"
nodes_wait 20 nodes_ping lb "$a" || fail "no ping from b"
all=$(routing_all)
peer=$(routing_peer_id b)
net=$(routing_network office 10.99.0.0/24 "$all")
routing_router "$net" "$peer" 100 false >/dev/null
nodes_wait 20 routing_from "$a" || fail "the network is not reached: '$(routing_seen)'"
nodes_log "peers and a network"

for port in 8080 8081; do
    (topo_in lan socat TCP-LISTEN:$port,fork,reuseaddr SYSTEM:"echo hello" 2>/dev/null) &
    (topo_in lb socat TCP-LISTEN:$port,fork,reuseaddr SYSTEM:"echo hello" 2>/dev/null) &
done
nodes_wait 10 serve $ROUTING_HOST/8081 || fail "no answer of the host"
nodes_wait 10 serve "$b/8081" || fail "no answer of the router"
policy=$(nodes_api GET /api/policies | jq -r '.[] | select(.name == "Default") | .id')
nodes_api POST /api/policies "{\"name\":\"web\",\"enabled\":true,\"rules\":[{\"name\":\"web\",\"enabled\":true,
    \"action\":\"accept\",\"bidirectional\":false,\"protocol\":\"tcp\",\"ports\":[\"8080\"],
    \"sources\":[\"$all\"],\"destinations\":[\"$all\"]}]}" >/dev/null || fail "policy"
nodes_api DELETE "/api/policies/$policy" >/dev/null || fail "policy"
nodes_wait 20 sh -c "! ip netns exec $TOPO-la ping -c1 -W1 $b" || fail "echoes reach the router in spite of the rules"
nodes_wait 20 routing_not || fail "echoes reach the network in spite of the rules"
nodes_wait 10 serve "$b/8080" || fail "the router's port is closed"
nodes_wait 10 serve $ROUTING_HOST/8080 || fail "the network's port is closed"
serve "$b/8081" && fail "a port of the router is open"
serve $ROUTING_HOST/8081 && fail "a port of the network is open"
nodes_log "one port of both, and nothing else"

nodes_api POST /api/policies "{\"name\":\"echo\",\"enabled\":true,\"rules\":[{\"name\":\"echo\",\"enabled\":true,
    \"action\":\"accept\",\"bidirectional\":true,\"protocol\":\"icmp\",
    \"sources\":[\"$all\"],\"destinations\":[\"$all\"]}]}" >/dev/null || fail "policy"
nodes_api DELETE "/api/networks/$net" >/dev/null || fail "network"
domain=$(routing_network names '*.lan.test' "$all")
routing_router "$domain" "$peer" 100 true >/dev/null
nodes_wait 20 asked intra.lan.test $ROUTING_HOST || fail "name behind b"
nodes_wait 10 nodes_ping la $ROUTING_HOST || fail "what the name resolved to is not reached"
topo_in lan ip addr add 10.99.0.9/24 dev br0
topo_in la ip route add 10.99.0.9/32 dev wt0 table 7120
routing_not 10.99.0.9 || fail "an address that no name has is let through"
lb "$ROOK" status -d | has "without masquerading" || fail "nobody is told that masquerading is missing"
nodes_log "names, and what cannot be done is told"
echo "own filter: all held"
