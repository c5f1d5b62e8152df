#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two relays, and peers that can meet nowhere else: the one in use vanishes without a word, the
# tunnel goes on over the other. Then the direct path is there and everything else is not: server
# and relays stand still, and nobody notices who only uses the tunnel. RELAY_OUTAGE_S: how long.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY
RELAY=${RELAY:-$(dirname "$ROOKERY")/rookery-relay}
need_program RELAY
outage=${RELAY_OUTAGE_S:-10}

relay_start() { # NAME ADDRESS
    ip -n "$TOPO-mid" addr add "$2/24" dev br0
    mkdir -p "$NODES_DIR/$1"
    (exec ip netns exec "$TOPO-mid" "$RELAY" --listen-address "$2:33080" --exposed-address "rel://$2:33080" \
        --auth-secret shared-by-both --health-listen-address "") >"$NODES_DIR/$1/log" 2>&1 &
    echo $! >"$NODES_DIR/$1/pid"
}
relay_of() { # NS NODE: address of the relay that carries its peer
    nodes_status rook "$1" "$2" | jq -r '.peers.details[0].relayAddress | sub("rel://"; "") | split(":")[0]'
}
vanish() { # ADDRESS: not a word from there any more
    topo_in mid nft -f - <<EOF
table ip gone {
    chain in { type filter hook input priority filter; ip daddr $1 drop; }
    chain out { type filter hook output priority filter; ip saddr $1 drop; }
}
EOF
}
moved() { [ "$(relay_of la a)" = "$1" ] && [ "$(relay_of lb b)" = "$1" ]; }
both() { nodes_path_is "$1" rook la a && nodes_path_is "$1" rook lb b; }

topo_up
relay_start r1 198.18.0.2
relay_start r2 198.18.0.3
NODES_CONFIG_MORE='  relays:
    addresses: ["rel://198.18.0.2:33080", "rel://198.18.0.3:33080"]
    secret: shared-by-both'
nodes_own_server || fail "server"
key=$(nodes_setup_key)
topo_udp_block
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
b=$(nodes_ip rook lb b)
nodes_wait 30 nodes_ping la "$b" || fail "no ping over the relay"
nodes_wait 30 both Relayed || fail "not relayed"
used=$(relay_of la a)
case $used in
198.18.0.2) other=198.18.0.3 ;;
198.18.0.3) other=198.18.0.2 ;;
*) fail "no relay address: $used" ;;
esac

(exec ip netns exec "$TOPO-la" ping -i 0.2 "$b") >/dev/null 2>&1 & # who sends notices earlier
start=$(nodes_now_ms)
vanish "$used"
nodes_wait 30 moved "$other" || fail "not at the other relay: $(relay_of la a) $(relay_of lb b)"
nodes_wait 10 nodes_ping la "$b" || fail "no ping over the other relay"
nodes_log "the relay vanished: over the other one after $(($(nodes_now_ms) - start)) ms"

topo_udp_unblock
nodes_wait 60 both P2P || fail "no direct path"
sent=$(nodes_now_ms)
kill -STOP "$NODES_SERVER_PID" "$(cat "$NODES_DIR/r1/pid")" "$(cat "$NODES_DIR/r2/pid")"
lost=$(topo_in la ping -i 0.2 -c $((outage * 5)) -W $((5 * ${NODES_PATIENCE:-1})) "$b" | sed -n 's/.* \([0-9.]*\)% packet loss.*/\1/p')
both P2P || fail "the direct path was given up: $(nodes_status rook la a)"
kill -CONT "$NODES_SERVER_PID" "$(cat "$NODES_DIR/r1/pid")" "$(cat "$NODES_DIR/r2/pid")"
[ "$lost" = 0 ] || fail "$lost % of the echoes were lost while servers stood still"
! tail -n +1 "$NODES_DIR/a/log" | awk -v t="$(date -u -d "@$((sent / 1000))" +%FT%T)" '$1 >= t' | has "direct path lost" ||
    fail "the direct path was lost in between"
nodes_log "servers stood still for $outage s: no echo of the direct tunnel lost"
nodes_wait 40 nodes_ping la "$b" || fail "no ping afterwards"
echo "relay moves: all held"
