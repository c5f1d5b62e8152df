#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two NAT routers that give every destination another port, so that no hole can be punched: peers
# meet over the relay. Then one of the routers gives ports away (miniupnpd), by PCP and, in other
# runs, by NAT-PMP and by UPnP alone: the agent behind it asks for one, and the path is direct. The
# port is given back when the agent ends.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY
command -v miniupnpd >/dev/null || skip "no miniupnpd"
ldconfig -p | has libnatpmp.so.1 || skip "no libnatpmp"
ldconfig -p | has libminiupnpc.so.17 || skip "no libminiupnpc"

outside=44.1.2.3 # a router with a private address gives nothing; nothing leaves these namespaces

hard_nat() { # LETTER: as dear to its ports as routers get
    topo_in "n$1" nft -f - <<EOF
flush chain ip nat post
add rule ip nat post oifname "wan" masquerade random,fully-random
EOF
}
giver_start() { # yes|no: with PCP and NAT-PMP?
    local d=$NODES_DIR/giver
    mkdir -p "$d"
    topo_in na nft -f - <<EOF
table inet given {
    chain through { }
    chain inward { }
    chain outward { }
    chain prerouting { type nat hook prerouting priority dstnat; jump inward; }
}
EOF
    topo_in na nft insert rule ip filter forward ct status dnat accept
    cat >"$d/conf" <<EOF
ext_ifname=wan
ext_ip=$outside
listening_ip=lan
enable_natpmp=$1
enable_upnp=yes
secure_mode=yes
upnp_table_name=given
upnp_nat_table_name=given
upnp_forward_chain=through
upnp_nat_chain=inward
upnp_nat_postrouting_chain=outward
uuid=98848143-38f6-4e15-8e01-18f122319df4
system_uptime=yes
allow 1024-65535 0.0.0.0/0 1024-65535
EOF
    (exec ip netns exec "$TOPO-na" miniupnpd -d -f "$d/conf" -P "$d/pidfile") >"$d/log" 2>&1 &
    echo $! >"$d/pid"
}
giver_stop() {
    kill "$(cat "$NODES_DIR/giver/pid")" 2>/dev/null
    wait "$(cat "$NODES_DIR/giver/pid")" 2>/dev/null
}
given() { topo_in na nft list ruleset | grep -c "dnat.* to $TOPO_LAN_A"; }
nothing_given() { [ "$(given)" = 0 ]; }
both() { nodes_path_is "$1" rook la a && nodes_path_is "$1" rook lb b; }

topo_up
hard_nat a
hard_nat b
topo_in na nft insert rule ip filter input iifname lan accept
ip -n "$TOPO-na" addr add "$outside/32" dev wan
ip -n "$TOPO-nb" route add "$outside" via "$TOPO_NAT_A"
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
b=$(nodes_ip rook lb b)
nodes_wait 30 nodes_ping la "$b" || fail "no ping"
nodes_wait 30 has "no direct path found" "$NODES_DIR/a/log" || fail "these routers let a hole through: $(nodes_status rook la a)"
both Relayed || fail "not relayed"
nodes_log "no router gives a port: relayed"

for by in PCP NAT-PMP UPnP; do
    pmp=yes
    [ $by != UPnP ] || pmp=no
    giver_start $pmp
    # one that knows nothing of PCP's version
    [ $by != NAT-PMP ] || topo_in na nft insert rule ip filter input udp dport 5351 @th,64,8 2 drop
    nodes_in la a "$ROOK" down >/dev/null 2>&1
    nodes_in la a "$ROOK" up >/dev/null || fail "up"
    nodes_wait 20 sh -c "ip netns exec $TOPO-na nft list ruleset | grep -q 'dnat.* to $TOPO_LAN_A'" ||
        fail "no port was given by $by: $(tail -5 "$NODES_DIR/giver/log")"
    nodes_wait 60 both P2P || fail "not direct with the port of $by: $(topo_in na nft list ruleset)"
    nodes_ping la "$b" >/dev/null || nodes_wait 5 nodes_ping la "$b" || fail "no ping over the port"
    has "the router has given us a port.*by=\"*$by" "$NODES_DIR/a/log" || fail "not by $by"
    nodes_log "a port by $by: direct"
    nodes_in la a "$ROOK" down >/dev/null || fail "down"
    nodes_wait 15 nothing_given || fail "the port was not given back: $(topo_in na nft list ruleset)"
    nodes_log "given back"
    giver_stop
    topo_in na nft delete table inet given
done
echo "router port: all held"
