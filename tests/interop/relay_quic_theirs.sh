#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# rook with a relay of the original, over QUIC and over WebSocket. NETBIRD_RELAY_BIN: their relay alone
# (their combined server has no QUIC).
. "$(dirname "$0")/../lib/scenario.sh"
. "$SRC_DIR/tests/lib/relay_tls.sh"
need_root
need_program ROOKERY
need_program ROOK
need_program NETBIRD_RELAY_BIN

transport_is() { # NS NODE TRANSPORT
    [ "$(nodes_status rook "$1" "$2" |
        jq -r '.relays.details[] | select(.uri | startswith("rels:")) | .transport')" = "$3" ]
}

topo_up
relay_tls_cert || fail "no certificate"
mkdir -p "$NODES_DIR/relay"
(exec ip netns exec "$TOPO-mid" env SSL_CERT_FILE="$RELAY_CA" "$NETBIRD_RELAY_BIN" --listen-address "$RELAY_TLS_ADDRESS" \
    --exposed-address "rels://$RELAY_TLS_ADDRESS" --auth-secret shared-secret --tls-cert-file "$RELAY_CERT" \
    --tls-key-file "$RELAY_KEY" --metrics-port 33092 --health-listen-address "$TOPO_SERVER:33091") >"$NODES_DIR/relay/log" 2>&1 &
nodes_wait 20 has "QUIC" "$NODES_DIR/relay/log" || fail "their relay does not start"
NODES_CONFIG_MORE=$(relay_tls_config)
nodes_own_server || fail "server"
key=$(nodes_setup_key)
topo_udp_block
export SSL_CERT_FILE=$RELAY_CA
NB_RELAY_TRANSPORT=quic nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
NB_RELAY_TRANSPORT=ws nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
nodes_wait 30 transport_is la a quic || fail "a is not over QUIC: $(nodes_status rook la a | jq -c .relays)"
nodes_wait 30 transport_is lb b ws || fail "b is not over WebSocket: $(nodes_status rook lb b | jq -c .relays)"
b=$(nodes_ip rook lb b)
nodes_wait 60 nodes_ping la "$b" || fail "no ping over their relay"
nodes_wait 30 nodes_path_is Relayed rook la a || fail "a: not relayed"
nodes_wait 20 topo_in la ping -c3 -i0.2 -W2 -M do -s 1252 "$b" || fail "no full packets over their relay"
nodes_log "QUIC and WebSocket through their relay, full packets"
sleep "${RELAY_QUIET_S:-80}" # two of their health windows
topo_in la ping -c3 -i0.2 -W"$((2 * ${NODES_PATIENCE:-1}))" "$b" >/dev/null || fail "no ping after a while"
! has 'event="relay lost"' "$NODES_DIR"/{a,b}/log || fail "a relay connection was lost"
nodes_log "both connections last"
nodes_agent_stop a
unset NB_RELAY_TRANSPORT
nodes_in la a true
nodes_agent_start rook la a "$key" || fail "agent a again: $(cat "$NODES_DIR/a/up.log")"
nodes_wait 30 nodes_ping la "$b" || fail "no ping in the race of both transports"
nodes_log "a race: over $(nodes_status rook la a | jq -r '.relays.details[] | select(.uri | startswith("rels:")) | .transport')"
echo "rook over QUIC and WebSocket with their relay: all held"
