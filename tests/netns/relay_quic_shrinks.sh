#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Peers at a relay over QUIC: a limit of bandwidth holds; a path that carries less than it did is
# noticed, and all goes on over WebSocket.
. "$(dirname "$0")/../lib/scenario.sh"
. "$SRC_DIR/tests/lib/relay_tls.sh"
need_root
need_program ROOK
need_program ROOKERY
RELAY=${RELAY:-$(dirname "$ROOKERY")/rookery-relay}
need_program RELAY

RATE=100000 # bytes per second, of each peer
metric() { relay_tls_metrics | sed -n "s/^$1 //p"; }

relay_quic_pair true --max-peer-bandwidth 800kbit
nodes_wait 30 relay_full || fail "no full packets over QUIC"

received() { metric relay_transfer_received_bytes_total; }
before=$(received) sent=$(metric relay_transfer_sent_bytes_total) began=$(date +%s%N)
topo_in la ping -q -c 400 -i 0.005 -W 1 -s 1000 "$b" >"$NODES_DIR/flood" # 200 kB/s each way
received=$(($(received) - before)) sent=$(($(metric relay_transfer_sent_bytes_total) - sent))
may=$((2 * RATE * ($(date +%s%N) - began + 400000000) / 1000000000)) # two peers, and what may pass at once
dropped=$(metric 'relay_dropped_messages_total{reason="bandwidth"}')
[ "$sent" -gt 10000 ] || fail "only $sent bytes passed"
[ "$sent" -le "$may" ] || fail "$sent bytes passed where $may may have"
[ "$sent" = "$received" ] || [ "$dropped" -gt 0 ] || fail "more came than passed, and nothing is counted"
relay_tls_has quic 2 || fail "the limit ended connections: $(relay_tls_peers)"
nodes_wait 30 relay_full || fail "no full packets after the flood"
nodes_log "a limit of bandwidth holds over QUIC: $sent bytes of $received passed, $may might have"

relay_tls_stop
relay_tls_start # without the limit
nodes_wait 60 relay_tls_has quic 2 || fail "not both over QUIC again: $(relay_tls_peers)"
nodes_wait 30 relay_full || fail "no full packets over QUIC again"
relay_narrow
(exec ip netns exec "$TOPO-la" ping -i 0.1 -M do -s 1252 "$b") >/dev/null 2>&1 &
nodes_wait 60 has 'event="relay connected".*transport=ws' "$NODES_DIR/a/log" || fail "a stays at QUIC: $(relay_tls_peers)"
nodes_wait 60 relay_full || fail "no full packets on the path that has shrunk: $(relay_tls_peers)"
nodes_log "a path that shrinks under a connection: full packets over WebSocket"
echo "limits and changes of a path under QUIC: all held"
