#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A routing peer whose firewall is iptables', in both forms: rules of peers and of routed networks,
# masquerading, domains, packets counted; nothing is left after down, nor after a crash. The older
# form is what the agent comes to by itself on a kernel without nftables.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/routing.sh"
need_root
need_program ROOK
need_program ROOKERY
for p in iptables iptables-legacy ip6tables-legacy socat python3 dig; do
    PATH=$PATH:/usr/sbin:/sbin command -v $p >/dev/null || skip "$p is not installed"
done
trap routing_end EXIT

lb() { nodes_in lb b "$@"; }
way= asked_for= kernel=
start_b() {
    # shellcheck disable=SC2086
    (nodes_exec lb b env ROOK_FIREWALL=$asked_for $kernel "$ROOK" service run) >>"$NODES_DIR/b/log" 2>&1 &
    echo $! >"$NODES_DIR/b/pid"
    nodes_wait 10 test -S "$NODES_DIR/b/run/rook/rook.sock" || fail "no daemon"
}
rules() { topo_in lb "$way-save" 2>/dev/null; }
left() { { topo_in lb "$way-save"; topo_in lb "ip6${way#ip}-save"; } 2>/dev/null | grep netbird-; }
clean() { [ -z "$(left)" ]; }
counted() { # PATTERN: some packets met the rule
    topo_in lb "$way-save" -c 2>/dev/null | grep -e "$1" | grep -q '^\[[1-9]'
}
serve() { [ "$(topo_in la timeout 2 bash -c "exec 3<>/dev/tcp/$1 && cat <&3" 2>/dev/null)" = hello ]; }
asked() { [ "$(nodes_in la a dig +short +time=2 +tries=1 "@$(nodes_ip rook la a)" "$1")" = "$2" ]; }

one_way() {
    local key all b net group res dom domain
    topo_up
    routing_up
    rm -rf "$NODES_DIR/a" "$NODES_DIR/b" "$NODES_DIR/server"
    mkdir -p "$NODES_DIR/b/etc"
    topo_in lan python3 "$SRC_DIR/tests/lib/dnsd.py" $ROUTING_HOST "intra.lan.test=$ROUTING_HOST" >"$NODES_DIR/lan" 2>&1 &
    nodes_wait 10 grep -q ready "$NODES_DIR/lan" || fail "name server"
    echo "nameserver $ROUTING_HOST" >"$NODES_DIR/b/etc/resolv.conf"
    nodes_own_server || fail "server"
    key=$(nodes_setup_key)
    start_b
    lb "$ROOK" up --management-url "$NODES_URL" --setup-key "$key" --hostname b >"$NODES_DIR/b/up.log" 2>&1 || fail "b: $(cat "$NODES_DIR/b/up.log")"
    nodes_agent_start rook la a "$key" || fail "agent a"
    [ -z "$(topo_in lb nft list tables | grep ' netbird$')" ] || fail "nftables is used"
    all=$(routing_all)
    b=$(routing_peer_id b)
    nodes_wait 20 nodes_ping la "$(nodes_ip rook lb b)" || fail "no ping: $(rules)"
    net=$(routing_network office 10.99.0.0/24 "$all")
    routing_router "$net" "$b" 100 true >/dev/null
    nodes_wait 20 routing_from 10.99.0.1 || fail "masqueraded: '$(routing_seen)' $(rules)"
    counted '-A netbird-nat.*MASQUERADE' || fail "masquerading was not counted: $(topo_in lb "$way-save" -c)"
    nodes_log "$way: peers and a masqueraded network"

    (topo_in lan socat TCP-LISTEN:8080,fork,reuseaddr SYSTEM:"echo hello" 2>/dev/null) &
    (topo_in lb socat TCP-LISTEN:8082,fork,reuseaddr SYSTEM:"echo hello" 2>/dev/null) &
    nodes_wait 10 serve $ROUTING_HOST/8080 || fail "no answer of the host"
    nodes_wait 10 serve "$(nodes_ip rook lb b)/8082" || fail "no answer of the router"
    group=$(nodes_api POST /api/groups '{"name":"web"}' | jq -r .id)
    res=$(nodes_api GET "/api/networks/$net/resources" | jq -r '.[0].id')
    nodes_api PUT "/api/networks/$net/resources/$res" "{\"name\":\"office\",\"description\":\"\",\"address\":\"10.99.0.0/24\",
        \"enabled\":true,\"groups\":[\"$group\"]}" >/dev/null || fail "resource"
    nodes_api POST /api/policies "{\"name\":\"web\",\"enabled\":true,\"rules\":[{\"name\":\"web\",\"enabled\":true,
        \"action\":\"accept\",\"bidirectional\":false,\"protocol\":\"tcp\",\"port_ranges\":[{\"start\":8080,\"end\":8081}],
        \"sources\":[\"$all\"],\"destinations\":[\"$group\"]}]}" >/dev/null || fail "policy"
    nodes_wait 20 routing_not || fail "echoes pass in spite of the rules: $(rules)"
    nodes_wait 10 serve $ROUTING_HOST/8080 || fail "the allowed port is closed: $(rules)"
    counted '-A netbird-a.*dport 8080:8081.*ACCEPT' || fail "the rule was not counted: $(topo_in lb "$way-save" -c)"
    nodes_log "$way: ports of the network"

    domain=$(routing_network names '*.lan.test' "$all")
    routing_router "$domain" "$b" 100 true >/dev/null
    nodes_wait 20 asked intra.lan.test $ROUTING_HOST || fail "name behind b"
    nodes_wait 10 nodes_ping la $ROUTING_HOST || fail "what the name resolved to is not reached: $(rules)"
    topo_in lan ip addr replace 10.99.0.9/24 dev br0
    topo_in la ip route replace 10.99.0.9/32 dev wt0 table 7120
    routing_not 10.99.0.9 || fail "$way: an address that no name has is let through: $(rules)"
    rules | has -e "-A netbird-n[0-9]*a -d $ROUTING_HOST/32" || fail "the address was not added: $(rules)"
    nodes_log "$way: names"

    policy=$(nodes_api GET /api/policies | jq -r '.[] | select(.name == "Default") | .id')
    nodes_api DELETE "/api/policies/$policy" >/dev/null || fail "policy"
    nodes_wait 20 sh -c "! ip netns exec $TOPO-la ping -c1 -W1 $(nodes_ip rook lb b)" || fail "b is reached without a policy: $(rules)"
    lb "$ROOK" down >/dev/null || fail "down"
    clean || fail "left: $(left)"
    lb "$ROOK" up >/dev/null || fail "up"
    [ -n "$(left)" ] || fail "no rules after up"
    nodes_agent_stop b KILL
    [ -n "$(left)" ] || fail "this test needs something left behind"
    (nodes_exec lb b "$ROOK" service run --disable-auto-connect) >>"$NODES_DIR/b/log" 2>&1 &
    echo $! >"$NODES_DIR/b/pid"
    nodes_wait 20 clean || fail "left after a crash: $(left)"
    nodes_log "$way: nothing is left"
    routing_down
}

asked_for=auto way=iptables-legacy kernel="python3 $SRC_DIR/tests/lib/no_nftables.py"
one_way
grep -q 'trying another.*next=iptables ' "$NODES_DIR/b/log" || fail "not told: $(cat "$NODES_DIR/b/log")"
asked_for=iptables way=iptables kernel=
one_way
echo "iptables: all held"
