#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# --external-ip-map: an agent behind a one-to-one NAT that no STUN server can see through. Its peer is
# told the address outside in the place of the one inside, by address, by interface and for all.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY

remote() { # what b knows of a: TYPE ADDRESS:PORT of the candidate in use
    nodes_status rook lb b | jq -r '.peers.details[0] | "\(.iceCandidateType.remote) \(.iceCandidateEndpoint.remote)"'
}
is_remote() { nodes_ping lb "$a" && [ "$(remote)" = "$1" ]; }

topo_up
# a's router leads everything that comes to a, with the same ports, and STUN does not get through
topo_in na nft -f - <<NFT
table ip one {
    chain pre {
        type nat hook prerouting priority dstnat
        iifname "wan" udp dport 51820 dnat to $TOPO_LAN_A
    }
    chain forward {
        type filter hook forward priority -12
        udp dport 3478 drop
    }
}
NFT
topo_in na nft insert rule ip filter forward udp dport 51820 accept
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
a=$(nodes_ip rook la a)
nodes_wait 30 nodes_ping lb "$a" || fail "no ping"
la() { nodes_in la a "$ROOK" "$@"; }
la up --external-ip-map "$TOPO_NAT_A/nonsense/x" 2>"$NODES_DIR/a/up.log" && fail "nonsense is taken"
has 'external-ip-map' <"$NODES_DIR/a/up.log" || fail "nonsense: $(cat "$NODES_DIR/a/up.log")"
for map in "$TOPO_NAT_A" "$TOPO_NAT_A/$TOPO_LAN_A" "198.18.0.99,$TOPO_NAT_A/eth0"; do
    la up --external-ip-map "$map" >/dev/null || fail "up with $map"
    nodes_wait 60 is_remote "host $TOPO_NAT_A:51820" || fail "$map: b reaches a at $(remote)"
    nodes_log "$map: b reaches a at $(remote)"
done
la up --external-ip-map "" >/dev/null || fail "up without"
not_told() { nodes_ping lb "$a" && [ "$(remote)" != "host $TOPO_NAT_A:51820" ]; }
nodes_wait 60 not_told || fail "taken back: $(remote)"
nodes_log "taken back: $(remote)"
echo "external addresses: all held"
