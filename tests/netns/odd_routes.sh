#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Networks that no sensible person would route, through a real agent and a real server: the one in
# which the server and the peers' own addresses are, the agent's own LAN, one inside another, and one
# twice. The management connection and the direct path stay, the longest prefix counts, and people
# are told what is left out.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/routing.sh"
need_root
need_program ROOK
need_program ROOKERY
trap routing_end EXIT

la() { nodes_in la a "$@"; }
selected() { la "$ROOK" networks list | grep -c 'Status: Selected'; }
stands() { # the connection that there was
    nodes_status rook la a | jq -e '.management.connected and .signal.connected' >/dev/null &&
        path_to_b P2P && nodes_ping la "$b" && [ "$(logins)" = "$before" ]
}
path_to_b() { # P2P or Relayed
    nodes_status rook la a | jq -e --arg w "$1" \
        '.peers.details[] | select(.fqdn | startswith("b.")) | .connectionType == $w' >/dev/null
}
logins() { grep -c 'event="status" now=Connected' "$NODES_DIR/a/log"; }

topo_up
routing_up
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
nodes_agent_start rook lc c "$key" || fail "agent c: $(cat "$NODES_DIR/c/up.log")"
b=$(nodes_ip rook lb b)
nodes_wait 30 nodes_ping la "$b" || fail "no ping"
nodes_wait 30 path_to_b P2P || fail "no direct path: $(la "$ROOK" status -d)"
all=$(routing_all)
before=$(logins)

router_of() { routing_router "$1" "$(routing_peer_id "$2")" 100 true >/dev/null; }
underlay=$(routing_network underlay 198.18.0.0/24 "$all")
router_of "$underlay" b
own=$(routing_network own-lan 10.81.1.0/24 "$all")
router_of "$own" b
wide=$(routing_network wide 10.99.0.0/16 "$all")
router_of "$wide" c
narrow=$(routing_network narrow 10.99.0.0/24 "$all")
router_of "$narrow" b
nodes_wait 20 sh -c "[ \$(ip -n $TOPO-la route show table 7120 | grep -c wt0) -ge 4 ]" ||
    fail "routes: $(topo_in la ip route show table 7120)"
nodes_log "the underlay, the own LAN and networks inside each other are routed"

nodes_wait 30 routing_from 10.99.0.1 || fail "the longest prefix does not count: '$(routing_seen)'"
again=$(routing_network narrow-again 10.99.0.0/24 "$all") # from here on either router may be the quicker one
router_of "$again" c
topo_in la ping -c1 -W2 10.81.1.1 >/dev/null || fail "the own LAN is not reached"
topo_in la ip route get 10.81.1.1 | has wt0 && fail "the own LAN goes into the overlay"
for i in 1 2 3 4 5 6; do # as long as a path that went into the tunnel would need to be given up
    sleep 2
    stands || fail "after $((i * 2)) s: $(la "$ROOK" status -d)"
done
topo_udp_block
nodes_wait 60 path_to_b Relayed || fail "not on the relay"
nodes_wait 15 nodes_ping la "$b" || fail "no ping over the relay"
topo_udp_unblock
nodes_wait 90 path_to_b P2P || fail "not direct again"
nodes_wait 10 stands || fail "after the relay: $(la "$ROOK" status -d)"
nodes_log "the connection stands, directly and relayed"

nodes_api DELETE "/api/networks/$narrow" >/dev/null || fail "delete"
nodes_wait 20 routing_from 10.99.0.3 || fail "the other of the same prefix does not take over: '$(routing_seen)'"
nodes_api DELETE "/api/networks/$again" >/dev/null || fail "delete"
nodes_wait 20 routing_from 10.99.0.3 || fail "the wide one does not take over: '$(routing_seen)'"
nodes_log "what is left of them takes over"
la "$ROOK" down >/dev/null || fail "down"
[ -z "$(topo_in la ip route show table 7120 2>/dev/null)" ] || fail "routes are left"
echo "odd routes: all held"
