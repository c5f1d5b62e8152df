#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Networks behind peers, end to end: what a host there sees with and without masquerading, two routers
# and the loss of one, the user's choice, networks within networks, rules of ports; beside a foreign
# firewall that drops what it forwards, as Docker's does.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/routing.sh"
need_root
need_program ROOK
need_program ROOKERY
trap routing_end EXIT

la() { nodes_in la a "$@"; }
chosen() { la "$ROOK" networks list --json | jq -e --arg id "$1" 'any(.[]; .id == $id and .selected)' >/dev/null; }
serve() { # TEXT of the host over TCP from a
    [ "$(topo_in la timeout 2 bash -c "exec 3<>/dev/tcp/$ROUTING_HOST/$1 && cat <&3" 2>/dev/null)" = hello ]
}

topo_up
routing_up
# somebody else's firewall on the first router, there before the agent
topo_in lb nft -f - <<NFT
table inet other {
    chain forward {
        type filter hook forward priority 0; policy drop;
    }
    chain input {
        type filter hook input priority 0; policy drop;
        iifname { "lo", "eth0", "inner" } accept
    }
}
NFT
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
nodes_agent_start rook lc c "$key" || fail "agent c: $(cat "$NODES_DIR/c/up.log")"
a=$(nodes_ip rook la a)
all=$(routing_all)
b=$(routing_peer_id b)
c=$(routing_peer_id c)
nodes_wait 20 nodes_ping la "$(nodes_ip rook lb b)" || fail "a foreign firewall keeps peers out: $(topo_in lb nft list ruleset)"
net=$(routing_network office 10.99.0.0/24 "$all") || fail "network"
router_b=$(routing_router "$net" "$b" 100 true)
nodes_wait 20 routing_from 10.99.0.1 || fail "masqueraded: seen from '$(routing_seen)'; $(la "$ROOK" networks list)
    $(topo_in lb nft list ruleset)"
nodes_log "masqueraded: the host sees the router, beside a foreign firewall"

routing_router "$net" "$b" 100 false "$router_b" >/dev/null
ip -n "$TOPO-lan" route add 100.64.0.0/10 via 10.99.0.1
nodes_wait 20 routing_from "$a" || fail "not masqueraded: seen from '$(routing_seen)' instead of $a"
nodes_log "not masqueraded: the host sees the peer"
routing_router "$net" "$b" 100 true "$router_b" >/dev/null
ip -n "$TOPO-lan" route del 100.64.0.0/10
nodes_wait 20 routing_from 10.99.0.1 || fail "masqueraded again: seen from '$(routing_seen)'"

# a second router of a worse metric does not take over while the first is there
routing_router "$net" "$c" 900 true >/dev/null
nodes_wait 20 sh -c "ip netns exec $TOPO-lc nft list chain ip netbird netbird-mangle-prerouting | grep -q 10.99.0.0/24" ||
    fail "c does not serve the network"
routing_from 10.99.0.1 || fail "the worse router carries: '$(routing_seen)'"
nodes_agent_stop b KILL
topo_in lb ip link del wt0 2>/dev/null
nodes_wait 60 routing_from 10.99.0.3 || fail "no fail-over: '$(routing_seen)' $(la "$ROOK" status -d)"
nodes_log "first router lost: the second carries"
(nodes_exec lb b "$ROOK" service run) >>"$NODES_DIR/b/log" 2>&1 &
echo $! >"$NODES_DIR/b/pid"
nodes_wait 60 routing_from 10.99.0.1 || fail "the better router does not get it back: '$(routing_seen)'"
nodes_log "first router back: it carries again"

# a network within the network goes another way
host_net=$(routing_network one-host $ROUTING_HOST/32 "$all") || fail "network"
routing_router "$host_net" "$c" 100 true >/dev/null
nodes_wait 20 routing_from 10.99.0.3 || fail "the narrower network is not preferred: '$(routing_seen)'"
topo_in lan ip addr add 10.99.0.4/24 dev br0
routing_from 10.99.0.1 10.99.0.4 || fail "the wider network is lost: '$(routing_seen)'"
la "$ROOK" networks deselect one-host >/dev/null || la "$ROOK" networks list
nodes_wait 10 routing_from 10.99.0.1 || fail "deselected, and '$(routing_seen)' carries"
la "$ROOK" networks deselect all >/dev/null || fail "deselect all"
nodes_wait 10 routing_not || fail "a deselected network is reached"
nodes_agent_stop a
(nodes_exec la a "$ROOK" service run) >>"$NODES_DIR/a/log" 2>&1 &
echo $! >"$NODES_DIR/a/pid"
nodes_wait 20 nodes_ping la "$(nodes_ip rook lc c)" || fail "a is not back"
routing_not || fail "the choice was forgotten with a restart"
la "$ROOK" networks select office >/dev/null || fail "select"
nodes_wait 10 routing_from 10.99.0.1 || fail "selected, and '$(routing_seen)' carries"
nodes_log "networks within networks, and the user's choice"

# rules: one port and nothing else
(topo_in lan socat TCP-LISTEN:8080,fork,reuseaddr SYSTEM:"echo hello" 2>/dev/null) &
(topo_in lan socat TCP-LISTEN:8081,fork,reuseaddr SYSTEM:"echo hello" 2>/dev/null) &
nodes_wait 10 serve 8080 || fail "no answer of the host"
nodes_wait 10 serve 8081 || fail "no answer of the host"
group=$(nodes_api POST /api/groups '{"name":"web"}' | jq -r .id)
res=$(nodes_api GET "/api/networks/$net/resources" | jq -r '.[0].id')
nodes_api PUT "/api/networks/$net/resources/$res" "{\"name\":\"office\",\"description\":\"\",\"address\":\"10.99.0.0/24\",
    \"enabled\":true,\"groups\":[\"$group\"]}" >/dev/null || fail "resource"
nodes_api POST /api/policies "{\"name\":\"web\",\"enabled\":true,\"rules\":[{\"name\":\"web\",\"enabled\":true,
    \"action\":\"accept\",\"bidirectional\":false,\"protocol\":\"tcp\",\"ports\":[\"8080\"],
    \"sources\":[\"$all\"],\"destinations\":[\"$group\"]}]}" >/dev/null || fail "policy"
nodes_wait 20 routing_not || fail "echoes pass in spite of the rules: $(topo_in lb nft list chain ip netbird netbird-rt-fwd)"
nodes_wait 10 serve 8080 || fail "the allowed port is closed: $(topo_in lb nft list chain ip netbird netbird-rt-fwd)"
serve 8081 && fail "a port that is not allowed is open"
nodes_log "one port of the network, and nothing else"

nodes_agent_stop b
topo_in lb nft list ruleset | has rook-wt0 && fail "rules left in a foreign firewall: $(topo_in lb nft list ruleset)"
topo_in lb nft list table inet other | has 'iifname .*"inner".* accept' || fail "a foreign rule is gone"
echo "routing peer: all held"
