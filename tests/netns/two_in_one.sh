#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two agents in one network namespace share rules and table: the end of one, orderly or not, takes
# nothing from the other, and the last one removes what they shared.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY

rules_are() { [ "$(topo_in la ip rule | grep -c -e '^105:' -e '^110:')" = "$1" ]; }
start_c() {
    (nodes_exec la c "$ROOK" service run --interface-name wt1 --nftables-table rook2 --wireguard-port 51821) \
        >>"$NODES_DIR/c/log" 2>&1 &
    echo $! >"$NODES_DIR/c/pid"
}
lan_by() { topo_in la ip route get 10.99.0.1 2>&1 | has "dev $1"; }

topo_up
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
mkdir -p "$NODES_DIR/c"
start_c
nodes_wait 20 test -S "$NODES_DIR/c/run/rook/rook.sock" || fail "no second daemon"
nodes_in la c "$ROOK" up --management-url "$NODES_URL" --setup-key "$key" --hostname c >"$NODES_DIR/c/up.log" 2>&1 ||
    fail "agent c: $(cat "$NODES_DIR/c/up.log")"
peer=$(nodes_api GET /api/peers | jq -r '.[] | select(.name == "b") | .id')
all=$(nodes_api GET /api/groups | jq -r '.[] | select(.name == "All") | .id')
nodes_api POST /api/routes "{\"description\":\"lan\",\"network_id\":\"lan\",\"enabled\":true,
    \"peer\":\"$peer\",\"network\":\"10.99.0.0/16\",\"metric\":9999,\"masquerade\":true,
    \"groups\":[\"$all\"],\"keep_route\":true}" >/dev/null || fail "no route"
nodes_wait 20 sh -c "ip netns exec $TOPO-la ip route show table 7120 | grep -q 10.99" || fail "no network"
rules_are 2 || fail "rules of two agents: $(topo_in la ip rule)"
[ "$(topo_in la nft list tables | grep -c -e ' netbird$' -e ' rook2$')" -ge 2 ] || fail "each has its own firewall table"

nodes_in la a "$ROOK" down >/dev/null || fail "down"
rules_are 2 || fail "the end of one took the rules of the other: $(topo_in la ip rule)"
nodes_wait 10 lan_by wt1 || fail "the other's network is lost: $(topo_in la ip route show table 7120)"
nodes_log "one down: the other goes on"

nodes_in la a "$ROOK" up >/dev/null || fail "up"
nodes_agent_stop c KILL
nodes_wait 10 lan_by wt0 || fail "the network is lost with the killed agent: $(topo_in la ip route show table 7120)"
start_c
nodes_wait 20 sh -c "ip netns exec $TOPO-la ip link show wt1" || fail "c is not back"
nodes_wait 10 lan_by wt || fail "no network"
rules_are 2 || fail "rules: $(topo_in la ip rule)"
nodes_agent_stop c
rules_are 2 || fail "the second end took the rules of the first: $(topo_in la ip rule)"
nodes_wait 10 lan_by wt0 || fail "the first one's network is lost: $(topo_in la ip route show table 7120)"
nodes_agent_stop a
rules_are 0 || fail "rules left: $(topo_in la ip rule)"
[ -z "$(topo_in la ip route show table 7120 2>/dev/null)" ] || fail "routes left: $(topo_in la ip route show table 7120)"
echo "two in one: all held"
