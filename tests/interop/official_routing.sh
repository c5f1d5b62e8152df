#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Networks behind peers between rook and official clients, on our server: each as the router of a
# network that the other one uses, with and without masquerading, one port of it allowed.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/routing.sh"
need_root
need_program ROOK
need_program NETBIRD_BIN
need_program ROOKERY
command -v socat >/dev/null || skip "socat is not installed"
trap routing_end EXIT

serve() { # PORT of the host
    [ "$(topo_in la timeout 3 bash -c "exec 3<>/dev/tcp/$ROUTING_HOST/$1 && cat <&3" 2>/dev/null)" = hello ]
}

between() { # CLIENT ROUTER
    local ka=$1 kb=$2 key all peer net router group res policy
    topo_up
    routing_up
    rm -rf "$NODES_DIR/a" "$NODES_DIR/b" "$NODES_DIR/server"
    nodes_own_server || fail "server"
    key=$(nodes_setup_key)
    nodes_agent_start "$ka" la a "$key" || fail "$ka a"
    nodes_agent_start "$kb" lb b "$key" || fail "$kb b"
    nodes_wait 15 nodes_ip "$ka" la a || fail "a has no address"
    a=$(nodes_ip "$ka" la a)
    nodes_wait 30 nodes_ping la "$(nodes_ip "$kb" lb b)" || fail "no ping"
    all=$(routing_all)
    peer=$(routing_peer_id b)
    net=$(routing_network office 10.99.0.0/24 "$all") || fail "network"
    router=$(routing_router "$net" "$peer" 100 true)
    nodes_wait 30 routing_from 10.99.0.1 || fail "$ka by $kb, masqueraded: '$(routing_seen)'"
    ip -n "$TOPO-lan" route add 100.64.0.0/10 via 10.99.0.1
    routing_router "$net" "$peer" 100 false "$router" >/dev/null
    nodes_wait 30 routing_from "$a" || fail "$ka by $kb, not masqueraded: '$(routing_seen)' instead of $a"
    nodes_log "$ka by $kb: masqueraded and not"

    (topo_in lan socat TCP-LISTEN:8080,fork,reuseaddr SYSTEM:"echo hello" 2>/dev/null) &
    (topo_in lan socat TCP-LISTEN:8081,fork,reuseaddr SYSTEM:"echo hello" 2>/dev/null) &
    nodes_wait 10 serve 8080 || fail "no answer of the host"
    group=$(nodes_api POST /api/groups '{"name":"web"}' | jq -r .id)
    res=$(nodes_api GET "/api/networks/$net/resources" | jq -r '.[0].id')
    nodes_api PUT "/api/networks/$net/resources/$res" "{\"name\":\"office\",\"description\":\"\",\"address\":\"10.99.0.0/24\",
        \"enabled\":true,\"groups\":[\"$group\"]}" >/dev/null || fail "resource"
    nodes_api POST /api/policies "{\"name\":\"web\",\"enabled\":true,\"rules\":[{\"name\":\"web\",\"enabled\":true,
        \"action\":\"accept\",\"bidirectional\":false,\"protocol\":\"tcp\",\"ports\":[\"8080\"],
        \"sources\":[\"$all\"],\"destinations\":[\"$group\"]}]}" >/dev/null || fail "policy"
    nodes_wait 30 routing_not || fail "$ka by $kb: echoes pass in spite of the rules"
    nodes_wait 20 serve 8080 || fail "$ka by $kb: the allowed port is closed"
    serve 8081 && fail "$ka by $kb: a port that is not allowed is open"
    nodes_log "$ka by $kb: one port and nothing else"
    routing_down
}

between rook netbird
between netbird rook
echo "official routing: all held"
