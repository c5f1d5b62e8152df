#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Networks behind peers on the official server: agent b routes its LAN for agent a, with and without
# the user's selection, then is an exit node; a firewall rule of the route counts.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program NETBIRD_SERVER_BIN

la() { nodes_in la a "$@"; }
gone() { ! nodes_ping la "$1"; }
via_wt0() { topo_in la ip route get "$1" | grep -q 'dev wt0'; }

topo_up
nodes_official_server || fail "official server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a"
nodes_agent_start rook lb b "$key" || fail "agent b"
b=$(nodes_ip rook lb b)
nodes_wait 15 nodes_ping la "$b" || fail "no ping"
all=$(nodes_api GET /api/groups | jq -r '.[] | select(.name == "All") | .id')
peer=$(nodes_api GET /api/peers | jq -r '.[] | select(.name == "b") | .id')

nodes_ping la 10.81.2.1 && fail "LAN b is reachable without any route"
route=$(nodes_api POST /api/routes "{\"description\":\"lan\",\"network_id\":\"lan-b\",\"enabled\":true,
    \"peer\":\"$peer\",\"network\":\"10.81.2.0/24\",\"metric\":9999,\"masquerade\":true,
    \"groups\":[\"$all\"],\"keep_route\":true}" | jq -r .id)
[ -n "$route" ] && [ "$route" != null ] || fail "no route made"
nodes_wait 15 nodes_ping la 10.81.2.1 || fail "LAN b is not reached: $(topo_in la ip route show table 7120)"
via_wt0 10.81.2.1 || fail "not through the tunnel"
la "$ROOK" networks list | grep -q 'ID: lan-b' || fail "networks list: $(la "$ROOK" networks list)"
la "$ROOK" status --json | jq -e '.peers.details[0].networks == ["10.81.2.0/24"]' >/dev/null ||
    fail "status does not show the network"
nodes_log "LAN behind b is reached"

la "$ROOK" networks deselect lan-b >/dev/null || fail "deselect"
nodes_wait 5 gone 10.81.2.1 || fail "reached although deselected"
nodes_agent_stop a
NODES_EXEC=1 nodes_in la a "$ROOK" service run >>"$NODES_DIR/a/log" 2>&1 &
echo $! >"$NODES_DIR/a/pid"
nodes_wait 15 nodes_ping la "$b" || fail "no ping after a restart"
gone 10.81.2.1 || fail "the choice was forgotten"
la "$ROOK" networks select lan-b >/dev/null || fail "select"
nodes_wait 5 nodes_ping la 10.81.2.1 || fail "not reached although selected"
la "$ROOK" networks select no-such >/dev/null 2>&1 && fail "a network that is not offered was selected"
nodes_log "selection holds, also over a restart"

nodes_api DELETE "/api/routes/$route" >/dev/null || fail "delete"
nodes_wait 10 gone 10.81.2.1 || fail "reached although the route is deleted"

nodes_api POST /api/routes "{\"description\":\"exit\",\"network_id\":\"exit-b\",\"enabled\":true,
    \"peer\":\"$peer\",\"network\":\"0.0.0.0/0\",\"metric\":9999,\"masquerade\":true,
    \"groups\":[\"$all\"],\"keep_route\":true}" >/dev/null || fail "exit node"
nodes_wait 15 via_wt0 203.0.113.9 || fail "no default through the tunnel"
nodes_wait 10 nodes_ping la 10.81.2.1 || fail "the exit node does not forward"
nodes_wait 5 nodes_ping la "$b" || fail "no overlay ping beside an exit node"
sleep 8 # a loop of the tunnel through itself would have ended it by now
nodes_wait 5 nodes_ping la 10.81.2.1 || fail "the exit node has stopped"
nodes_path_is P2P rook la a || fail "the path is not direct any more"
la "$ROOK" status --json | jq -e '.management.connected and .signal.connected' >/dev/null ||
    fail "management or signal lost beside an exit node"
nodes_log "exit node"
la "$ROOK" down >/dev/null || fail "down"
via_wt0 203.0.113.9 && fail "default route left behind"
echo "networks: all held"
