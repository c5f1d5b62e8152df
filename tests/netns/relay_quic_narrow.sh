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

relay_quic_pair relay_narrow
nodes_wait 30 has 'event="relay connected".*transport=ws' "$NODES_DIR/a/log" || fail "a stays at QUIC"
has 'event="relay without QUIC from now on"' "$NODES_DIR/a/log" || fail "a does not say why"
nodes_log "who sends what does not fit takes WebSocket"
(exec ip netns exec "$TOPO-la" ping -i 0.1 -M do -s 1252 "$b") >/dev/null 2>&1 &
nodes_wait 40 relay_tls_has ws 2 || fail "b stays at QUIC: $(relay_tls_peers)"
has 'its path is too narrow for QUIC' "$NODES_DIR/relay/log" || fail "the relay does not say why"
nodes_wait 30 relay_full || fail "no full packets over WebSocket"
nodes_log "and who would only receive it as well: full packets"
echo "a path too narrow for QUIC: all held"
