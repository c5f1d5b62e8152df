#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Names in the overlay, and names that must stay out of it: agents know their server by name and
# their resolver is off the link. Peers' names, a group of name servers, a domain behind a routing
# peer; then an exit node without a key while the server comes back: the agent finds it again.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK
command -v dig >/dev/null || skip "dig is not installed (bind9-dnsutils)"
command -v python3 >/dev/null || skip "python3 is not installed"
NODES_NAME=server.test

la() { nodes_in la a "$@"; }
ask() { la dig +short +time=2 +tries=1 "@$a" "$@"; }
ask_is() { # WANTED QUESTION…
    local want=$1
    shift
    [ "$(ask "$@")" = "$want" ]
}
via_wt0() { topo_in la ip route get "$1" | grep -q 'dev wt0'; }
linked() { la "$ROOK" status --json | jq -e '.management.connected and .signal.connected' >/dev/null; }
unlinked() { ! linked; }

dnsd() { # NAMESPACE ADDRESS LOG NAME=IP…
    local ns=$1 addr=$2 log=$3
    shift 3
    topo_in "$ns" python3 "$SRC_DIR/tests/lib/dnsd.py" "$addr" "$@" >"$NODES_DIR/$log" 2>&1 &
    nodes_wait 10 grep -q ready "$NODES_DIR/$log" || fail "name server in $ns"
}

topo_up
dnsd mid "$TOPO_SERVER" world "server.test=$TOPO_SERVER" "*.server.test=198.18.0.77" "www.example=198.18.0.80"
topo_in mid ip addr add 198.18.0.2/24 dev br0
dnsd mid 198.18.0.2 corp "*.corp.test=10.9.8.7"
topo_in nb ip addr add 10.81.2.99/24 dev lan
dnsd nb 10.81.2.1 lan "server.test=$TOPO_SERVER" "intra.lan.test=10.81.2.1" "deep.intra.lan.test=10.81.2.1"
for n in a b; do
    mkdir -p "$NODES_DIR/$n/etc"
done
printf 'search office.example\nnameserver %s\n' "$TOPO_SERVER" >"$NODES_DIR/a/etc/resolv.conf"
echo "nameserver 10.81.2.1" >"$NODES_DIR/b/etc/resolv.conf"
cp "$NODES_DIR/a/etc/resolv.conf" "$NODES_DIR/before"

nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a"
nodes_agent_start rook lb b "$key" || fail "agent b"
nodes_wait 15 nodes_ip rook la a || fail "a has no address"
a=$(nodes_ip rook la a)
b=$(nodes_ip rook lb b)
nodes_wait 15 nodes_ping la "$b" || fail "no ping"

# names of peers, forwards and backwards, also as programs of this host ask
nodes_wait 10 ask_is "$b" b.netbird.selfhosted || fail "name of b: $(ask b.netbird.selfhosted)"
[ "$(ask +tcp b.netbird.selfhosted)" = "$b" ] || fail "name of b over TCP"
[ "$(ask -x "$b")" = b.netbird.selfhosted. ] || fail "name of $b: $(ask -x "$b")"
la dig "@$a" nobody.netbird.selfhosted | grep -q 'status: NXDOMAIN.*' || fail "a name that is not there"
la dig "@$a" b.netbird.selfhosted TXT | grep -q 'status: NOERROR' || fail "a type that is not there"
[ "$(la getent ahostsv4 b | awk 'NR==1{print $1}')" = "$b" ] || fail "getent: $(la getent ahostsv4 b; la cat /etc/resolv.conf)"
[ "$(ask www.example)" = 198.18.0.80 ] || fail "a name of the world: $(ask www.example)"
nodes_log "names of peers and of the world"

# peers are not lent our resolver
topo_in lb dig +time=1 +tries=1 "@$a" www.example >"$NODES_DIR/lent" 2>&1
grep -q 'ANSWER: [1-9]' "$NODES_DIR/lent" && fail "a peer uses our name server"

all=$(nodes_api GET /api/groups | jq -r '.[] | select(.name == "All") | .id')
nodes_api POST /api/dns/nameservers "{\"name\":\"corp\",\"description\":\"\",\"enabled\":true,\"primary\":false,
    \"nameservers\":[{\"ip\":\"198.18.0.9\",\"ns_type\":\"udp\",\"port\":53},{\"ip\":\"198.18.0.2\",\"ns_type\":\"udp\",\"port\":53}],
    \"groups\":[\"$all\"],\"domains\":[\"corp.test\"],\"search_domains_enabled\":true}" >/dev/null || fail "name server group"
nodes_wait 15 ask_is 10.9.8.7 x.corp.test || fail "domain of a group: $(ask x.corp.test)"
la grep -q '^search .*corp.test' /etc/resolv.conf || fail "search domains: $(la cat /etc/resolv.conf)"
nodes_log "a domain with its own name servers, the first of them dead"

# a domain behind b: asked of b, routed to b, and only what was asked is let through there
peer=$(nodes_api GET /api/peers | jq -r '.[] | select(.name == "b") | .id')
net=$(nodes_api POST /api/networks '{"name":"lan","description":""}' | jq -r .id)
nodes_api POST "/api/networks/$net/routers" "{\"peer\":\"$peer\",\"metric\":100,\"masquerade\":true,\"enabled\":true}" >/dev/null ||
    fail "router"
nodes_api POST "/api/networks/$net/resources" "{\"name\":\"intra\",\"description\":\"\",\"address\":\"*.lan.test\",
    \"enabled\":true,\"groups\":[\"$all\"]}" >/dev/null || fail "resource"
nodes_wait 15 ask_is 10.81.2.1 intra.lan.test || fail "name behind b: $(ask intra.lan.test) $(la "$ROOK" networks list)"
via_wt0 10.81.2.1 || fail "the address of the name is not routed"
nodes_ping la 10.81.2.1 || fail "the address of the name is not reached"
[ -z "$(ask nobody.lan.test)" ] || fail "a name that is not there"
topo_in la ip route add 10.81.2.99/32 dev wt0 table 7120
nodes_ping la 10.81.2.99 && fail "an address that no name has is let through"
topo_in la dig +time=1 +tries=1 "@$b" -p 22054 www.example 2>&1 | grep -q REFUSED ||
    fail "b resolves what is not behind it"
grep -q "intra.lan.test" "$NODES_DIR/world" && fail "a name behind b was asked of the world"
nodes_log "a domain behind a routing peer"

# exit node by b, then b is gone: the default route leads into a tunnel without a key
nodes_api POST /api/routes "{\"description\":\"exit\",\"network_id\":\"exit-b\",\"enabled\":true,
    \"peer\":\"$peer\",\"network\":\"0.0.0.0/0\",\"metric\":9999,\"masquerade\":true,
    \"groups\":[\"$all\"],\"keep_route\":true}" >/dev/null || fail "exit node"
nodes_wait 15 via_wt0 203.0.113.9 || fail "no default through the tunnel"
linked || fail "management or signal lost beside an exit node"
nodes_agent_stop b KILL
topo_in lb ip link del wt0 2>/dev/null
ask_is 198.18.0.77 fra-7.server.test || fail "a foreign relay's name beside a dead exit node: $(ask fra-7.server.test)"
kill -TERM "$NODES_SERVER_PID"
wait "$NODES_SERVER_PID"
nodes_wait 20 unlinked || fail "the loss of the server goes unnoticed"
(exec ip netns exec "$TOPO-mid" "$ROOKERY" run --config "$NODES_DIR/server/config.yaml") >>"$NODES_DIR/server/log" 2>&1 &
NODES_SERVER_PID=$!
nodes_wait 45 linked || fail "the server is not found again beside a dead exit node"
via_wt0 203.0.113.9 || fail "the exit node was given up"
nodes_log "found its server again beside an exit node without a key"

# as it was before, also after a crash
nodes_agent_stop a KILL
la grep -q rook /etc/resolv.conf || fail "nothing to recover"
NODES_EXEC=1 nodes_in la a "$ROOK" service run --disable-auto-connect >>"$NODES_DIR/a/log" 2>&1 &
echo $! >"$NODES_DIR/a/pid"
nodes_wait 15 cmp -s "$NODES_DIR/a/etc/resolv.conf" "$NODES_DIR/before" ||
    fail "resolv.conf after a crash: $(cat "$NODES_DIR/a/etc/resolv.conf")"
nodes_agent_stop a
echo "names: all held"
