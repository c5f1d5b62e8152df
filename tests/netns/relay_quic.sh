#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Peers that meet at a relay over QUIC: full packets, a new certificate under a live connection, another
# address on the way, a relay that forgot everything, UDP blocked half-way (WebSocket takes over), and
# the modes that hold an agent to one transport.
. "$(dirname "$0")/../lib/scenario.sh"
. "$SRC_DIR/tests/lib/relay_tls.sh"
need_root
need_program ROOK
need_program ROOKERY
RELAY=${RELAY:-$(dirname "$ROOKERY")/rookery-relay}
need_program RELAY

transport_of() { # NS NODE
    nodes_status rook "$1" "$2" | jq -r '.relays.details[] | select(.uri | startswith("rels:")) | .transport'
}
transport_is() { [ "$(transport_of "$1" "$2")" = "$3" ]; }
metric() { relay_tls_metrics | sed -n "s/^$1 //p"; }
at_least() { [ "$(metric "$1")" -ge "$2" ]; }
udp_lost() { # to the relay, and from it: what a firewall that dislikes QUIC does
    topo_in mid nft -f - <<EOF
table ip udplost {
    chain in { type filter hook input priority filter; udp dport ${RELAY_TLS_ADDRESS#*:} drop; }
    chain out { type filter hook output priority filter; udp sport ${RELAY_TLS_ADDRESS#*:} drop; }
}
EOF
}

relay_quic_pair true
nodes_wait 20 relay_tls_has quic 2 || fail "not both over QUIC: $(relay_tls_peers)"
nodes_wait 20 relay_full || fail "no full packets"
transport_is la a quic || fail "status tells \"$(transport_of la a)\""
nodes_in la a "$ROOK" status -d | has "is Available via quic" || fail "status -d does not tell the transport"
nodes_log "over QUIC, full packets"

relay_tls_cert || fail "no new certificate"
kill -HUP "$(cat "$NODES_DIR/relay/pid")"
nodes_wait 20 has 'event="reloaded"' "$NODES_DIR/relay/log" || fail "not reloaded"
nodes_ping la "$b" || fail "no ping after the reload"
relay_tls_has quic 2 || fail "the reload ended connections: $(relay_tls_peers)"
[ "$(metric relay_quic_connections_total)" = 2 ] || fail "somebody came anew"
nodes_log "a new certificate: connections go on"

topo_in na sysctl -qw net.ipv4.conf.wan.promote_secondaries=1
topo_in na ip addr add 198.18.0.21/24 dev wan
topo_in na ip addr del "$TOPO_NAT_A/24" dev wan # and the translations to it
nodes_wait 30 nodes_ping la "$b" || fail "no ping from another address"
nodes_wait 30 at_least relay_quic_migrations_total 1 || fail "the connection did not move: $(relay_tls_metrics | grep quic)"
[ "$(metric relay_quic_connections_total)" = 2 ] || fail "somebody came anew after the move"
has 'event="relay peer moved"' "$NODES_DIR/relay/log" || fail "the log does not tell of the move"
nodes_log "another address: the same connection"

kill -KILL "$(cat "$NODES_DIR/relay/pid")"
relay_tls_start
start=$(nodes_now_ms)
(exec ip netns exec "$TOPO-la" ping -i 0.2 "$b") >/dev/null 2>&1 &
nodes_wait 40 relay_tls_has quic 2 || fail "not back at the relay: $(relay_tls_peers)"
nodes_wait 20 nodes_ping la "$b" || fail "no ping after the restart"
nodes_log "the relay was killed and came back: over QUIC again after $(($(nodes_now_ms) - start)) ms"

start=$(nodes_now_ms)
udp_lost
nodes_wait 60 relay_tls_has ws 2 || fail "not over WebSocket: $(relay_tls_peers)"
nodes_wait 20 nodes_ping la "$b" || fail "no ping over WebSocket"
transport_is la a ws || fail "status tells \"$(transport_of la a)\""
nodes_log "UDP lost on the way: over WebSocket after $(($(nodes_now_ms) - start)) ms"
echo "relay over QUIC: all held"
