#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What others do to the host while an agent uses an exit node: its rules, routes, firewall, interface
# removed or changed. All of it is mended, and not one packet of the exit node's traffic leaves in
# the clear meanwhile, not even when the agent is killed and starts again.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY

FAR=203.0.113.9
la() { nodes_in la a "$@"; }
shown=
start_daemon() {
    (nodes_exec la a "$ROOK" service run) >>"$NODES_DIR/a/log" 2>&1 &
    echo $! >"$NODES_DIR/a/pid"
}
leaked() { topo_in na nft -j list chain ip leak forward | jq '[.. | .counter? | .packets? // empty] | add'; }
count_anew() {
    topo_in na nft flush chain ip leak forward
    topo_in na nft add rule ip leak forward ip daddr $FAR counter
}
rules_of() { topo_in la ip "$1" rule | grep -c -e '^105:' -e '^110:'; }
rules_are() { [ "$(rules_of -4)" = "$1" ] && [ "$(rules_of -6)" = "$1" ]; }
exit_route() { topo_in la ip route show table 7120 | has '^default dev wt0'; }
way() { topo_in la ip route get $FAR 2>&1 || true; }
guarded() { way | has -e wt0 -e unreachable -e 'No route'; }
whole() { # everything stands and traffic flows through the exit node
    rules_are 2 && exit_route && topo_in la nft list table ip netbird | has netbird-rt-fwd &&
        topo_in la ip -br addr show wt0 | has "$a" && nodes_ping la $FAR
}
after() { # WHAT: what was done must be mended
    nodes_wait 60 whole || fail "$1 is not mended: $(topo_in la ip -br addr; topo_in la ip rule
        topo_in la ip route show table 7120; topo_in la nft list tables)"
    [ "$(leaked)" = 0 ] || fail "$1: $(leaked) packets left in the clear"
    nodes_log "$1: mended, nothing leaked"
}

topo_up
topo_in mid ip addr add $FAR/32 dev lo
for n in na nb; do ip -n "$TOPO-$n" route add $FAR via "$TOPO_SERVER"; done
topo_in na nft -f - <<EOT
table ip leak {
    chain forward {
        type filter hook forward priority -20
        ip daddr $FAR counter
    }
}
EOT
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
a=$(nodes_ip rook la a)
kernel=$(nodes_status rook la a | jq .usesKernelInterface)
peer=$(nodes_api GET /api/peers | jq -r '.[] | select(.name == "b") | .id')
all=$(nodes_api GET /api/groups | jq -r '.[] | select(.name == "All") | .id')
nodes_api POST /api/routes "{\"description\":\"exit\",\"network_id\":\"exit\",\"enabled\":true,
    \"peer\":\"$peer\",\"network\":\"0.0.0.0/0\",\"metric\":9999,\"masquerade\":true,
    \"groups\":[\"$all\"],\"keep_route\":true}" >/dev/null || fail "no exit node"
nodes_wait 20 whole || fail "the exit node does not carry: $(topo_in la ip route show table 7120)"
count_anew # the first pings of nodes_wait came before the route
(topo_in la ping -q -i "$(echo "0.02 ${NODES_PATIENCE:-1}" | awk '{print $1 * $2}')" $FAR >/dev/null 2>&1) &
nodes_log "exit node carries"

# nothing stands between this and its mending, so some packets may pass
topo_in la ip rule del priority 110
topo_in la ip -6 rule del priority 105
nodes_wait 20 whole || fail "policy rules are not put back: $(topo_in la ip rule)"
[ "$(leaked)" -lt $((25 * ${NODES_PATIENCE:-1})) ] || fail "policy rules were missing for $(leaked) packets of 20 ms each"
nodes_log "deleted policy rules: put back, $(leaked) packets passed"
count_anew

topo_in la ip route del default dev wt0 table 7120
after "a deleted route"

topo_in la nft flush ruleset
after "nft flush ruleset"

topo_in la nft flush chain ip netbird netbird-acl-input-filter
nodes_wait 20 sh -c "ip netns exec $TOPO-la nft list chain ip netbird netbird-acl-input-filter | grep -q drop" ||
    fail "an emptied chain is not filled again"
after "an emptied chain"

topo_in la ip addr flush dev wt0
after "addresses taken away"

topo_in la ip link set wt0 down
guarded || fail "with the link down the way is $(way)"
after "link down"
topo_in la ip link set wt0 down
topo_in la ip link set wt0 up
after "link down and up"

topo_in la ip link del wt0
guarded || fail "without the link the way is $(way)"
after "a deleted link"

la "$ROOK" status --json | jq -e '.events | length > 0 and all(.severity and .userMessage)' >/dev/null ||
    fail "no events: $(la "$ROOK" status --json | jq .events)"
la "$ROOK" status -d | has "Message: " || fail "status -d does not tell what happened"
nodes_agent_stop a KILL
[ "$kernel" = true ] || # the kernel's own device stays until the next start
    nodes_wait 10 sh -c "! ip netns exec $TOPO-la ip link show wt0" || fail "the tunnel outlived its agent"
guarded || fail "after kill -9 the way is $(way)"
start_daemon
after "kill -9 and a start"

# traffic comes back over the relay first
nodes_wait 30 nodes_path_is P2P rook la a || fail "no direct path after a start"
for f in "-N b" "-N b.nobody" "-I $(nodes_ip rook lb b)" "-I 100.64.0.1" "-S connected" "-S idle" "-T p2p"; do
    # shellcheck disable=SC2086
    shown="$shown $(la "$ROOK" status $f | grep -c 'Public key')"
done
[ "$shown" = " 1 0 1 0 1 0 1" ] || fail "filters show$shown peers"
la "$ROOK" status -S nonsense >/dev/null 2>&1 && fail "a filter that is none is taken"
la "$ROOK" down >/dev/null || fail "down"
rules_are 0 || fail "rules left: $(topo_in la ip rule)"
[ -z "$(topo_in la ip route show table 7120 2>/dev/null)" ] || fail "routes left in the table"
[ "$(topo_in la nft list tables | wc -l)" = 0 ] || fail "tables left: $(topo_in la nft list tables)"
nodes_wait 5 sh -c "[ \"\$(ip netns exec $TOPO-na nft list chain ip leak forward | grep -o 'packets [1-9]')\" ]" ||
    fail "after down the host's own way is not back (or this test cannot see a leak)"
nodes_log "down: the host's own way is back"
grep -q 7120 "$NODES_DIR/a/etc/rt_tables" || fail "the table has no name in rt_tables"
echo "host changes: all held"
