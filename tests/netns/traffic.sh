#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# rook records its traffic (tests/lib/traffic.sh): by which policy, without the server for a while,
# and what it changed on the host is as before when it ends.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/traffic.sh"
need_root
need_program ROOKERY
need_program ROOK

counted() { # whether the kernel of node a counts bytes
    topo_in la cat /proc/sys/net/netfilter/nf_conntrack_acct
}

topo_up
NODES_CONFIG_MORE='  x: {flow: true, flowInterval: 2s}'
nodes_own_server || fail "server"
before=$(counted)
scenario_traffic rook
nodes_wait 30 told '.policy.name == "Default" and .direction == "INGRESS"' ||
    fail "no policy is named: $(flows)"
nodes_in la a "$ROOK" status -d | has -i traffic || fail "status does not tell"

# The server is gone for a while: what happened meanwhile is told afterwards.
kill -9 "$NODES_SERVER_PID"
b=$(nodes_ip rook lb b)
nodes_ping la "$b" || fail "no ping without the server"
(exec ip netns exec "$TOPO-lb" python3 -m http.server 8124 --bind "$b" >/dev/null 2>&1) &
nodes_wait 20 topo_in la curl -sf "http://$b:8124/" || fail "no connection without the server"
sleep 5
(exec ip netns exec "$TOPO-mid" "$ROOKERY" run --config "$NODES_DIR/server/config.yaml") >>"$NODES_DIR/server/log" 2>&1 &
nodes_wait 60 told '.protocol == 6 and (.destination.address | endswith(":8124"))' ||
    fail "what happened without the server is lost: $(flows)"
nodes_log "nothing lost over an outage"
scenario_traffic_ends rook
[ "$(counted)" = "$before" ] || fail "counting of bytes is left as $(counted), was $before"
echo "rook records for our server: all held"
