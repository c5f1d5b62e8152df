#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The host's own network changes under a running agent: a new address replaces the old one, the
# default route moves, the link goes down and up. Connections are made anew at once, and once; what
# still works stays.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY

la() { nodes_in la a "$@"; }
changes() { grep -c "network of this host has changed" "$NODES_DIR/a/log"; }
both_direct() { nodes_path_is P2P rook la a && nodes_path_is P2P rook lb b; }
more_changes() { [ "$(changes)" -gt "$1" ]; }
sockets() { topo_in la ss -Htn state established dst $TOPO_SERVER | awk '{print $3}' | sort; }
from_new() { [ -n "$(sockets)" ] && ! sockets | has -v '10.81.1.77:' && [ "$(sockets | wc -l)" -ge 3 ]; }

topo_up
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
b=$(nodes_ip rook lb b)
nodes_wait 30 nodes_ping la "$b" || fail "no ping"
nodes_wait 30 nodes_path_is P2P rook la a || fail "no direct path"
before=$(sockets)
[ "$(wc -l <<<"$before")" -ge 3 ] || fail "not management, signal and relay: $before"

# another default route, same addresses: nothing has to be made anew
topo_in la ip route del default
topo_in la ip route add default via 10.81.1.1 metric 50
nodes_ping la "$b" >/dev/null || fail "the tunnel does not hold"
[ "$(sockets)" = "$before" ] || fail "connections were given up without need"
nodes_log "default route replaced: connections and tunnel hold"

now=$(changes)
start=$(nodes_now_ms)
topo_in la ip addr del "$TOPO_LAN_A/24" dev eth0
topo_in la ip addr add 10.81.1.77/24 dev eth0
topo_in la ip route replace default via 10.81.1.1
nodes_wait 20 from_new || fail "not connected from the new address after 20 s: $(sockets)"
nodes_log "connected from the new address $(($(nodes_now_ms) - start)) ms after the change"
nodes_wait 10 nodes_ping la "$b" || fail "the tunnel is not back"
# A session that knows only the old address fails after 12 s: the first one must do.
nodes_wait 10 both_direct || fail "no direct path from the new address"
nodes_log "direct again $(($(nodes_now_ms) - start)) ms after the change"
[ "$(changes)" = $((now + 1)) ] || fail "one change was noticed $(($(changes) - now)) times"
! has -F "no direct path found" <"$NODES_DIR/a/log" || fail "a session failed before"

# the link goes down and comes up again, with its address
now=$(changes)
topo_in la ip link set eth0 down
nodes_wait 10 more_changes "$now" || fail "the link went down and nobody noticed"
topo_in la ip link set eth0 up
topo_in la ip route add default via 10.81.1.1
start=$(nodes_now_ms)
nodes_wait 20 nodes_ping la "$b" || fail "no tunnel after the link came up"
nodes_wait 20 both_direct || fail "no direct path after the link came up"
nodes_log "link down and up: direct again after $(($(nodes_now_ms) - start)) ms"

la "$ROOK" up --network-monitor=false >/dev/null || fail "up"
nodes_wait 30 nodes_ping la "$b" || fail "no ping after up"
now=$(changes)
topo_in la ip addr add 10.81.1.78/24 dev eth0
topo_in la ip addr del 10.81.1.78/24 dev eth0
topo_in la ip addr add 10.81.1.79/24 dev eth0
nodes_ping la "$b" >/dev/null
la "$ROOK" status >/dev/null
[ "$(changes)" = "$now" ] || fail "--network-monitor=false has no effect"
echo "network change: all held"
