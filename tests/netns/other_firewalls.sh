#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A routing peer beside firewalls of others that drop what they do not know, as Docker's FORWARD and
# ufw's INPUT do: iptables in both forms, there before the agent and made while it runs, also again
# after a reload. The overlay works, iptables' programs go on working, and down leaves theirs as it was.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/routing.sh"
need_root
need_program ROOK
need_program ROOKERY
for p in iptables-nft iptables-legacy; do
    PATH=$PATH:/usr/sbin:/sbin command -v $p >/dev/null || skip "$p is not installed"
done
trap routing_end EXIT

lb() { nodes_in lb b "$@"; }
theirs() { # PROGRAM: a firewall that knows eth0 and inner only
    topo_in lb "$1-restore" <<RULES
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER-USER - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -i eth0 -j ACCEPT
-A INPUT -i inner -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -i docker0 -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
RULES
}
saved() { topo_in lb "$1-save" -t filter 2>/dev/null | grep -v -e '^#' -e '^:'; }
gone() { topo_in lb "$1" -F; topo_in lb "$1" -X; topo_in lb "$1" -P INPUT ACCEPT; topo_in lb "$1" -P FORWARD ACCEPT; }
works() { routing_from 10.99.0.1 && nodes_ping la "$b"; }

topo_up
routing_up
theirs iptables-nft
before=$(saved iptables-nft)
[ -n "$before" ] || fail "no foreign firewall"
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
b=$(nodes_ip rook lb b)
all=$(routing_all)
net=$(routing_network office 10.99.0.0/24 "$all")
routing_router "$net" "$(routing_peer_id b)" 100 true >/dev/null
nodes_wait 20 works || fail "beside iptables-nft: '$(routing_seen)' $(saved iptables-nft)"
topo_in lb iptables-nft -S FORWARD | has rook-wt0-out || fail "not by iptables' program: $(topo_in lb iptables-nft -S)"
nodes_log "beside iptables, there before"

theirs iptables-nft # a reload, which throws our rules away
nodes_wait 20 works || fail "after a reload: $(saved iptables-nft)"
[ "$(saved iptables-nft | grep -c rook-wt0)" = 3 ] || fail "rules stand more than once: $(saved iptables-nft)"
nodes_log "after a reload"

nodes_agent_stop b KILL
topo_in lb ip link del wt0 2>/dev/null
(nodes_exec lb b "$ROOK" service run) >>"$NODES_DIR/b/log" 2>&1 &
echo $! >"$NODES_DIR/b/pid"
nodes_wait 30 works || fail "after a crash: $(saved iptables-nft)"
[ "$(saved iptables-nft | grep -c rook-wt0)" = 3 ] || fail "a crash leaves rules: $(saved iptables-nft)"
lb "$ROOK" down >/dev/null || fail "down"
[ "$(saved iptables-nft)" = "$before" ] || fail "not as it was: $(saved iptables-nft)"
nodes_log "as it was after a crash and down"

gone iptables-nft
topo_in lb nft flush ruleset
theirs iptables-legacy
before=$(saved iptables-legacy)
lb "$ROOK" up >/dev/null || fail "up"
nodes_wait 30 works || fail "beside iptables-legacy: '$(routing_seen)' $(saved iptables-legacy)"
lb "$ROOK" down >/dev/null || fail "down"
[ "$(saved iptables-legacy)" = "$before" ] || fail "not as it was: $(saved iptables-legacy)"
nodes_log "beside iptables-legacy, and as it was"
echo "other firewalls: all held"
