#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# No relay, and peers that can meet nowhere else: the tunnel runs over a TURN server (coturn), over
# UDP and over TCP, with static and with time-limited credentials; wrong credentials and a server
# that is not there harm nothing; and when the direct path comes, it is used.
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

secret=secret-of-both
. "$SRC_DIR/tests/lib/turn.sh"

both() { nodes_path_is "$1" rook la a && nodes_path_is "$1" rook lb b; }
types_of() { # NS NODE: local and remote candidate of the pair
    nodes_status rook "$1" "$2" | jq -r '.peers.details[0].iceCandidateType | .local + " " + .remote'
}
by_turn() { [[ "$(types_of la a) $(types_of lb b)" == *relay* ]]; }

topo_up
turn_up
turn_start --lt-cred-mech --user rook:right-password
servers_start --signal "http://$TOPO_SERVER:10000" --stun "stun:$TOPO_SERVER:3478" \
    --turn "turn:$TOPO_SERVER:3479,turn:$TOPO_SERVER:3478?transport=udp" \
    --turn-user rook --turn-password right-password
key=$(nodes_setup_key)
topo_udp_block
topo_in la nft -f - <<NFT
table ip marks {
    counter bare { }
    counter turn { }
    chain out {
        type filter hook output priority 300
        tcp flags & rst == rst accept comment "of nobody's socket"
        meta l4proto { tcp, udp } th dport 3478 meta mark != 0x1bd00 counter name bare
        meta l4proto { tcp, udp } th dport 3478 counter name turn
    }
}
NFT
count() { # NAME: packets of a counter
    topo_in la nft -j list counter ip marks "$1" | jq '[.. | .packets? // empty] | add'
}
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
a=$(nodes_ip rook la a)
b=$(nodes_ip rook lb b)
nodes_wait 40 nodes_ping la "$b" || fail "no ping over TURN: $(types_of la a)"
nodes_wait 20 nodes_ping lb "$a" || fail "no ping back over TURN"
nodes_wait 20 both Relayed || fail "not told as relayed: $(nodes_status rook la a)"
by_turn || fail "no relayed candidate: $(types_of la a) $(types_of lb b)"
nodes_log "static credentials, UDP, beside a server that is not there: $(types_of la a), $(types_of lb b)"
topo_in la ping -c 20 -i 0.05 -s 1200 -q -W 5 "$b" | has ' 0% packet loss' || fail "large packets are lost"
nodes_log "large packets pass"

topo_udp_unblock
turn_stop
nodes_wait 60 both P2P || fail "no direct path after TURN was lost: $(types_of la a)"
nodes_wait 15 nodes_ping la "$b" || fail "no ping over the direct path"
nodes_log "the server is gone, the direct path is there: used"

turn_start --lt-cred-mech --user rook:another-password
topo_udp_block
nodes_wait 60 sh -c "grep -q 'refuses user name or password' '$NODES_DIR/a/log'" ||
    fail "wrong credentials are not told"
topo_udp_unblock
nodes_wait 60 both P2P || fail "wrong credentials keep the direct path away"
nodes_log "wrong credentials: told, and nothing else"
turn_stop

turn_start --use-auth-secret --static-auth-secret "$secret"
topo_udp_block
cat >"$NODES_DIR/management.json" <<END
{"Stuns": [{"Proto": "udp", "URI": "stun:$TOPO_SERVER:3478"}],
 "TURNConfig": {"TimeBasedCredentials": true, "CredentialsTTL": "1m0s", "Secret": "$secret",
   "Turns": [{"Proto": "udp", "URI": "turn:$TOPO_SERVER:3478?transport=tcp", "Username": "", "Password": ""}]},
 "Signal": {"Proto": "http", "URI": "$TOPO_SERVER:10000"}}
END
management_again --config "$NODES_DIR/management.json"
nodes_wait 60 nodes_ping la "$b" || fail "no ping over TURN by TCP with time-limited credentials"
nodes_wait 30 by_turn || fail "not by TURN: $(types_of la a) $(types_of lb b)"
nodes_log "time-limited credentials of a management.json, TCP: $(types_of la a), $(types_of lb b)"
[ "$(count turn)" -gt 20 ] && [ "$(count bare)" = 0 ] || fail "$(count bare) of $(count turn) packets without a mark"
nodes_log "all packets to the server carry the mark"

# The server in one process, and a relay that everybody is told and nobody reaches.
turn_down
for n in a b; do kill "$(cat "$NODES_DIR/$n/pid")" && wait "$(cat "$NODES_DIR/$n/pid")" 2>/dev/null; done
topo_down
topo_up
turn_up
rm -rf "${NODES_DIR:?}"/*
TURN_PORT=3480 turn_start --use-auth-secret --static-auth-secret "$secret"
NODES_CONFIG_MORE="  relays: {addresses: [\"rel://$TOPO_SERVER:9\"], secret: shared}
  x: {turns: [\"turn:$TOPO_SERVER:3480?transport=udp\"], turnSecret: \"$secret\", turnCredentialsTTL: 1m}"
nodes_own_server || fail "server"
key=$(nodes_setup_key)
topo_udp_block
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
nodes_wait 60 nodes_ping la "$(nodes_ip rook lb b)" || fail "no ping over TURN beside a dead relay"
by_turn || fail "not by TURN: $(types_of la a) $(types_of lb b)"
nodes_log "rookery run, and a relay that is not there: $(types_of la a), $(types_of lb b)"
echo "TURN: all held"
