#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two official clients, one held to QUIC and one to WebSocket, over our relay with TLS of its own.
. "$(dirname "$0")/../lib/scenario.sh"
. "$SRC_DIR/tests/lib/relay_tls.sh"
need_root
need_program ROOKERY
need_program NETBIRD_BIN
RELAY=${RELAY:-$(dirname "$ROOKERY")/rookery-relay}
need_program RELAY

topo_up
relay_tls_start
NODES_CONFIG_MORE=$(relay_tls_config)
nodes_own_server || fail "server"
key=$(nodes_setup_key)
topo_udp_block
export SSL_CERT_FILE=$RELAY_CA
NB_RELAY_TRANSPORT=quic nodes_agent_start netbird la a "$key" || fail "client a: $(cat "$NODES_DIR/a/up.log")"
nodes_wait 20 relay_tls_has quic 1 || fail "no client over QUIC: $(relay_tls_peers)"
NB_RELAY_TRANSPORT=ws nodes_agent_start netbird lb b "$key" || fail "client b: $(cat "$NODES_DIR/b/up.log")"
nodes_wait 20 relay_tls_has ws 1 || fail "no client over WebSocket: $(relay_tls_peers)"
b=$(nodes_ip netbird lb b)
nodes_wait 60 nodes_ping la "$b" || fail "no ping over the relay"
nodes_wait 30 nodes_path_is Relayed netbird la a || fail "a: not relayed"
nodes_wait 10 topo_in la ping -c3 -i0.2 -W2 -M do -s 1252 "$b" || fail "no full packets over the relay"
nodes_log "QUIC and WebSocket in one tunnel, full packets"
echo "official clients over QUIC and WebSocket with our relay: all held"
