#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Lazy connections between rook and the official client: nobody connects before there is traffic,
# and traffic wakes both. With LAZY_SLEEP=rook or LAZY_SLEEP=netbird that one sleeps after a minute
# and tells the other, who sleeps too; then the official client wakes rook. Takes two minutes more.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY
need_program NETBIRD_BIN

peer_is() { # STATE KIND NS NODE
    local want=$1
    shift
    nodes_status "$@" | jq -e --arg w "$want" '.peers.details | length == 1 and .[0].status == $w' >/dev/null
}
both() { peer_is "$1" rook la a && peer_is "$1" netbird lb b; }
rook_idle() { peer_is Idle rook la a; }

topo_up
nodes_own_server || fail "server"
account=$(nodes_api GET /api/accounts)
id=$(jq -r '.[0].id' <<<"$account")
nodes_api PUT "/api/accounts/$id" "$(jq -c '.[0] | {settings: (.settings | .lazy_connection_enabled = true), onboarding}' <<<"$account")" >/dev/null ||
    fail "lazy connections cannot be switched on"
key=$(nodes_setup_key)
sleeper=${LAZY_SLEEP:-nobody}
minute() { [ "$sleeper" = "$1" ] && export NB_LAZY_CONN_INACTIVITY_THRESHOLD=1 || unset NB_LAZY_CONN_INACTIVITY_THRESHOLD; }
minute rook
nodes_agent_start rook la a "$key" || fail "rook: $(cat "$NODES_DIR/a/up.log")"
minute netbird
nodes_agent_start netbird lb b "$key" || fail "netbird: $(cat "$NODES_DIR/b/up.log")"
nodes_wait 30 both Idle || fail "not idle at first: $(nodes_status rook la a | jq -c .peers) $(nodes_status netbird lb b | jq -c .peers)"
sleep 3
both Idle || fail "somebody connected without traffic"
a=$(nodes_ip rook la a)
b=$(nodes_ip netbird lb b)
nodes_log "idle"
nodes_wait 30 nodes_ping la "$b" || fail "rook does not wake the official client"
nodes_wait 20 both Connected || fail "not connected"
nodes_log "woken by rook"
[ "$sleeper" != nobody ] || { echo "lazy: all held; sleeping is not tested without LAZY_SLEEP"; exit 0; }
nodes_wait 240 rook_idle || fail "not asleep: $(nodes_status netbird lb b | jq -c .peers)"
nodes_wait 10 both Idle || fail "only rook sleeps"
nodes_log "asleep after the minute of $sleeper"
nodes_wait 30 nodes_ping lb "$a" || fail "the official client does not wake rook"
nodes_wait 20 both Connected || fail "not connected"
nodes_log "woken by the official client"
echo "lazy: all held"
