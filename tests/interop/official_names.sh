#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Names between rook and official clients on the official server: each as the client of a domain
# that the other one routes, each with the other's name, a group of name servers, a custom zone.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program NETBIRD_BIN
need_program NETBIRD_SERVER_BIN
command -v dig >/dev/null || skip "dig is not installed (bind9-dnsutils)"
NODES_NETBIRD_FLAGS= # with names

la() { nodes_in la a "$@"; }
ask() { la dig +short +time=3 +tries=1 "@$a" "$@"; }
ask_is() { # WANTED QUESTION…
    local want=$1
    shift
    [ "$(ask "$@")" = "$want" ]
}
wait_names() { # SECONDS WANTED NAME: dig waits by itself
    nodes_wait "$1" ask_is "$2" "$3"
}

names_between() { # KIND_A KIND_B
    local ka=$1 kb=$2 key all peer net zone domain n
    topo_up
    rm -rf "$NODES_DIR/a" "$NODES_DIR/b" "$NODES_DIR/server"
    topo_in nb python3 "$SRC_DIR/tests/lib/dnsd.py" 10.81.2.1 intra.lan.test=10.81.2.1 www.lan.test=10.81.2.1 \
        >"$NODES_DIR/lan" 2>&1 &
    topo_in mid python3 "$SRC_DIR/tests/lib/dnsd.py" "$TOPO_SERVER" "*.corp.test=10.9.8.7" >"$NODES_DIR/corp" 2>&1 &
    nodes_wait 10 grep -q ready "$NODES_DIR/lan" "$NODES_DIR/corp" || fail "name servers"
    for n in a b; do
        mkdir -p "$NODES_DIR/$n/etc"
    done
    echo "nameserver $TOPO_SERVER" >"$NODES_DIR/a/etc/resolv.conf"
    echo "nameserver 10.81.2.1" >"$NODES_DIR/b/etc/resolv.conf"
    nodes_official_server || fail "official server"
    key=$(nodes_setup_key)
    nodes_agent_start "$ka" la a "$key" || fail "$ka a"
    nodes_agent_start "$kb" lb b "$key" || fail "$kb b"
    nodes_wait 15 nodes_ip "$ka" la a || fail "a has no address"
    # official userspace clients answer on another address than their own
    nodes_wait 15 grep -q '^# Generated' "$NODES_DIR/a/etc/resolv.conf" || fail "$ka does not set the host's resolver"
    a=$(sed -n 's/^nameserver //p' "$NODES_DIR/a/etc/resolv.conf")
    b=$(nodes_ip "$kb" lb b)
    nodes_wait 30 nodes_ping la "$b" || fail "no ping"
    domain=$(nodes_api GET /api/peers | jq -r '.[] | select(.name == "b") | .dns_label')
    wait_names 15 "$b" "$domain" || fail "$ka does not know $domain: $(ask "$domain")"
    all=$(nodes_api GET /api/groups | jq -r '.[] | select(.name == "All") | .id')
    nodes_api POST /api/dns/nameservers "{\"name\":\"corp\",\"description\":\"\",\"enabled\":true,\"primary\":false,
        \"nameservers\":[{\"ip\":\"$TOPO_SERVER\",\"ns_type\":\"udp\",\"port\":53}],
        \"groups\":[\"$all\"],\"domains\":[\"corp.test\"],\"search_domains_enabled\":false}" >/dev/null || fail "group"
    wait_names 20 10.9.8.7 x.corp.test || fail "$ka: domain of a group: $(ask x.corp.test)"
    zone=$(nodes_api POST /api/dns/zones "{\"name\":\"app\",\"domain\":\"app.test\",\"enabled\":true,
        \"enable_search_domain\":false,\"distribution_groups\":[\"$all\"]}" | jq -r .id)
    nodes_api POST "/api/dns/zones/$zone/records" '{"name":"*.app.test","type":"A","content":"10.5.5.5","ttl":60}' >/dev/null ||
        fail "record"
    wait_names 20 10.5.5.5 any.app.test || fail "$ka: custom zone: $(ask any.app.test)"
    nodes_log "$ka: names of peers, groups and zones"
    peer=$(nodes_api GET /api/peers | jq -r '.[] | select(.name == "b") | .id')
    net=$(nodes_api POST /api/networks '{"name":"lan","description":""}' | jq -r .id)
    nodes_api POST "/api/networks/$net/routers" "{\"peer\":\"$peer\",\"metric\":100,\"masquerade\":true,\"enabled\":true}" \
        >/dev/null || fail "router"
    nodes_api POST "/api/networks/$net/resources" "{\"name\":\"intra\",\"description\":\"\",\"address\":\"*.lan.test\",
        \"enabled\":true,\"groups\":[\"$all\"]}" >/dev/null || fail "resource"
    wait_names 30 10.81.2.1 intra.lan.test || fail "$ka asks $kb: $(ask intra.lan.test)"
    topo_in la ip route get 10.81.2.1 | grep -q 'dev wt0' || fail "$ka: the address is not routed"
    nodes_ping la 10.81.2.1 >/dev/null || fail "$ka to $kb: the address is not reached"
    nodes_log "$ka asks $kb for a domain behind it and reaches it"
    nodes_agent_stop a
    nodes_agent_stop b
    rm -f /etc/resolv.conf.original.netbird # the official client's backup is outside its folder
}

names_between rook netbird
names_between netbird rook
echo "names with official clients: all held"
