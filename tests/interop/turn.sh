#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# An official client and rook that can meet only at a TURN server (coturn), with time-limited
# credentials from our management: both sides get the other's relayed candidate, and packets pass.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK
need_program NETBIRD_BIN
MGMT=${MGMT:-$(dirname "$ROOKERY")/rookery-management}
SIGNAL=${SIGNAL:-$(dirname "$ROOKERY")/rookery-signal}
need_program MGMT
need_program SIGNAL
TURNSERVER=$(command -v turnserver) || skip "no coturn"
need_program TURNSERVER
. "$SRC_DIR/tests/lib/turn.sh"

NODES_LOG_LEVEL=debug
for pair in "rook netbird" "netbird rook"; do
    # shellcheck disable=SC2086
    set -- $pair
    echo "$1 in LAN a, $2 in LAN b"
    topo_up
    rm -rf "${NODES_DIR:?}"/*
    unset NODES_TOKEN
    turn_up
    turn_start --use-auth-secret --static-auth-secret secret-of-both
    servers_start --signal "http://$TOPO_SERVER:10000" --stun "stun:$TOPO_SERVER:3478" \
        --turn "turn:$TOPO_SERVER:3478?transport=udp" --turn-secret secret-of-both
    key=$(nodes_setup_key)
    topo_udp_block
    nodes_agent_start "$1" la a "$key" || fail "$1 a: $(cat "$NODES_DIR/a/up.log")"
    nodes_agent_start "$2" lb b "$key" || fail "$2 b: $(cat "$NODES_DIR/b/up.log")"
    nodes_wait 30 nodes_ip "$1" la a || fail "no address"
    a=$(nodes_ip "$1" la a)
    b=$(nodes_ip "$2" lb b)
    nodes_wait 90 nodes_ping la "$b" || fail "no ping from $1 to $2"
    nodes_wait 30 nodes_ping lb "$a" || fail "no ping from $2 to $1"
    for n in a b; do
        [ "$n" = a ] && kind=$1 ns=la || kind=$2 ns=lb
        [ "$kind" = netbird ] || continue
        has 'OnRemoteCandidate.* relay ' "$NODES_DIR/$n/log" ||
            fail "the official client got no relayed candidate of ours"
    done
    candidates=$(nodes_status "$1" la a | jq -r '.peers.details[0].iceCandidateType | .local + " " + .remote')
    [[ $candidates == *relay* ]] || fail "not by the TURN server: $candidates"
    nodes_log "by the TURN server: $candidates"
    topo_udp_unblock
    turn_down
    topo_down
done
echo "official client $("$NETBIRD_BIN" version) and rook by a TURN server: all held"
