#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# TURN over TLS (coturn): a certificate that nobody vouches for is refused and told, one that the agents
# trust carries the tunnel; and agents that are told to (NB_ICE_FORCE_RELAY_CONN) use TURN although they
# could meet directly.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY
MGMT=${MGMT:-$(dirname "$ROOKERY")/rookery-management}
SIGNAL=${SIGNAL:-$(dirname "$ROOKERY")/rookery-signal}
need_program MGMT
need_program SIGNAL
TURNSERVER=$(command -v turnserver) || skip "no coturn"
need_program TURNSERVER
command -v openssl >/dev/null || skip "no openssl"
. "$SRC_DIR/tests/lib/turn.sh"
. "$SRC_DIR/tests/lib/relay_tls.sh"

types_of() { # NS NODE: local and remote candidate of the pair
    nodes_status rook "$1" "$2" | jq -r '.peers.details[0].iceCandidateType | .local + " " + .remote'
}
by_turn() { [ "$(types_of la a)" = "relay relay" ] && [ "$(types_of lb b)" = "relay relay" ]; }
agents_stop() {
    local n
    for n in a b; do kill "$(cat "$NODES_DIR/$n/pid")" && wait "$(cat "$NODES_DIR/$n/pid")" 2>/dev/null; done
}

topo_up
turn_up
relay_tls_cert || fail "no certificate"
TURN_TLS="--tls-listening-port 5349 --cert $RELAY_CERT --pkey $RELAY_KEY"
turn_start --lt-cred-mech --user rook:right-password
servers_start --signal "http://$TOPO_SERVER:10000" --stun "stun:$TOPO_SERVER:3478" \
    --turn "turns:$TOPO_SERVER:5349?transport=tcp" --turn-user rook --turn-password right-password
key=$(nodes_setup_key)
export NB_ICE_FORCE_RELAY_CONN=true
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
b=$(nodes_ip rook lb b)
topo_in la ping -c 2 -W 1 "$b" >/dev/null # which wakes them
nodes_wait 30 grep -q 'level=warn.*certificate' "$NODES_DIR/a/log" ||
    fail "nothing is said of an unknown certificate"
[ "$(types_of la a)" != "relay relay" ] || fail "a certificate that nobody vouches for was taken"
topo_in la ping -c 1 -W 1 "$b" >/dev/null && fail "a way that is not TURN is taken: $(types_of la a)"
nodes_log "a certificate of nobody: refused, and no other way taken"

agents_stop
export ROOK_CA_FILE=$RELAY_CA
topo_in la nft -f - <<NFT
table ip marks {
    counter turns { }
    chain out {
        type filter hook output priority 300
        tcp dport 5349 counter name turns
    }
}
NFT
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
nodes_wait 60 nodes_ping la "$b" || fail "no ping over TURN by TLS: $(types_of la a)"
nodes_wait 20 by_turn || fail "not by TURN at both ends: $(types_of la a), $(types_of lb b)"
nodes_wait 20 nodes_path_is Relayed rook la a || fail "not told as relayed"
topo_in la ping -c 20 -i 0.05 -s 1200 -q -W 5 "$b" | has ' 0% packet loss' || fail "large packets are lost"
n=$(topo_in la nft -j list counter ip marks turns | jq '[.. | .packets? // empty] | add')
[ "$n" -gt 20 ] || fail "$n packets to the TLS port"
nodes_log "TURN over TLS, though they could meet: $(types_of la a), $n packets to its port"

agents_stop
unset NB_ICE_FORCE_RELAY_CONN
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
nodes_wait 60 nodes_ping la "$b" || fail "no ping without being told to use TURN"
nodes_wait 60 nodes_path_is P2P rook la a || fail "no direct path: $(types_of la a)"
nodes_log "not told to: direct"
turn_down
echo "TURN over TLS: all held"
