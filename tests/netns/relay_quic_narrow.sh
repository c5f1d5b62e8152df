#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A relay behind a path that full packets fit through over TCP but not in QUIC datagrams: who sends
# them takes WebSocket, and whoever could only not receive them is sent there by the relay.
. "$(dirname "$0")/../lib/scenario.sh"
. "$SRC_DIR/tests/lib/relay_tls.sh"
need_root
need_program ROOK
need_program ROOKERY
RELAY=${RELAY:-$(dirname "$ROOKERY")/rookery-relay}
need_program RELAY

topo_up
relay_tls_start
NODES_CONFIG_MORE=$(relay_tls_config)
nodes_own_server || fail "server"
key=$(nodes_setup_key)
topo_udp_block
export SSL_CERT_FILE=$RELAY_CA
topo_in na ip link set wan mtu 1380 # both ways for a; with it the bridge, so only towards b
topo_in mid ip link set upa mtu 1380
NB_RELAY_TRANSPORT=prefer-quic nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
NB_RELAY_TRANSPORT=prefer-quic nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
nodes_wait 30 has 'event="relay connected".*transport=quic' "$NODES_DIR/a/log" || fail "a was never over QUIC"
nodes_wait 30 has 'event="relay connected".*transport=quic' "$NODES_DIR/b/log" || fail "b was never over QUIC"
b=$(nodes_ip rook lb b)
nodes_wait 30 nodes_ping la "$b" || fail "no ping over the relay"
nodes_wait 30 has 'event="relay connected".*transport=ws' "$NODES_DIR/a/log" || fail "a stays at QUIC"
has 'event="relay without QUIC from now on"' "$NODES_DIR/a/log" || fail "a does not say why"
nodes_log "who sends what does not fit takes WebSocket"
(exec ip netns exec "$TOPO-la" ping -i 0.1 -M do -s 1252 "$b") >/dev/null 2>&1 &
nodes_wait 40 relay_tls_has ws 2 || fail "b stays at QUIC: $(relay_tls_peers)"
has 'its path is too narrow for QUIC' "$NODES_DIR/relay/log" || fail "the relay does not say why"
nodes_wait 30 topo_in la ping -c3 -i0.2 -W2 -M do -s 1252 "$b" || fail "no full packets over WebSocket"
nodes_log "and who would only receive it as well: full packets"
echo "a path too narrow for QUIC: all held"
