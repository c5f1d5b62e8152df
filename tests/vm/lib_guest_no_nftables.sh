#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Inside the virtual machine, whose kernel was told to have no nf_tables: two agents and a server on
# one wire. The agents come to iptables' older form by themselves; rules hold, and nothing is left.
. /src/programs
export ROOK ROOKERY NODES_PATIENCE=10 SRC_DIR=/src
. /src/tests/lib/scenario.sh

if nft list tables 2>/dev/null; then fail "this kernel has nftables"; fi
modprobe wireguard
ip netns add "$TOPO-mid"
topo_in mid ip link set lo up
ip -n "$TOPO-mid" link add br0 type bridge
ip -n "$TOPO-mid" addr add $TOPO_SERVER/24 dev br0
ip -n "$TOPO-mid" link set br0 up
for x in a b; do
    ip netns add "$TOPO-l$x"
    topo_in l$x ip link set lo up
    ip -n "$TOPO-mid" link add up$x type veth peer name eth0 netns "$TOPO-l$x"
    ip -n "$TOPO-mid" link set up$x master br0 up
    ip -n "$TOPO-l$x" link set eth0 up
done
ip -n "$TOPO-la" addr add 198.18.0.11/24 dev eth0
ip -n "$TOPO-lb" addr add 198.18.0.12/24 dev eth0

saved() { topo_in lb iptables-legacy-save 2>/dev/null | grep netbird-; }
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a"
nodes_agent_start rook lb b "$key" || fail "agent b"
b=$(nodes_ip rook lb b)
nodes_wait 30 nodes_ping la "$b" || fail "no ping: $(saved)"
[ -n "$(saved)" ] || fail "no rules of iptables"
policy=$(nodes_api GET /api/policies | jq -r '.[] | select(.name == "Default") | .id')
nodes_api DELETE "/api/policies/$policy" >/dev/null || fail "policy"
nodes_wait 20 sh -c "! ip netns exec $TOPO-la ping -c1 -W1 $b" || fail "b is reached without a policy: $(saved)"
nodes_in lb b "$ROOK" down >/dev/null || fail "down"
[ -z "$(saved)" ] || fail "left: $(saved)"
echo "VM-PASSED no_nftables"
