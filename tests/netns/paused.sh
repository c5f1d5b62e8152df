#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# An agent that is stopped for longer than every server waits for it (SIGSTOP: a debugger, a frozen
# container): the others go on, and when it goes on itself, all is there again without a hand.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY

la() { nodes_in la a "$@"; }
linked() { # NS NODE
    nodes_status rook "$1" "$2" | jq -e '.management.connected and .signal.connected and .relays.available == .relays.total' >/dev/null
}
seen() { nodes_api GET /api/peers | jq -e --argjson c "$1" '.[] | select(.name == "b") | .connected == $c' >/dev/null; }
rules() { topo_in lb ip rule | grep -c -e '^105:' -e '^110:'; }

topo_up
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
a=$(nodes_ip rook la a) b=$(nodes_ip rook lb b)
nodes_wait 30 nodes_ping la "$b" || fail "no ping"
nodes_wait 30 nodes_path_is P2P rook la a || fail "no direct path"

kill -STOP "$(cat "$NODES_DIR/b/pid")"
nodes_wait 180 seen false || fail "the server still takes b for connected"
sleep 5
linked la a || fail "a has lost its servers: $(la "$ROOK" status -d)"
nodes_log "b stands still, and the server knows"
kill -CONT "$(cat "$NODES_DIR/b/pid")"
nodes_wait 60 linked lb b || fail "b is not connected again: $(nodes_in lb b "$ROOK" status -d)"
nodes_wait 60 seen true || fail "the server does not see b again"
nodes_wait 60 nodes_ping la "$b" || fail "a does not reach b again"
nodes_wait 60 nodes_ping lb "$a" || fail "b does not reach a again"
nodes_wait 60 nodes_path_is P2P rook la a || fail "not direct again"
[ "$(rules)" = 2 ] || fail "rules of b: $(topo_in lb ip rule)"
nodes_log "b goes on, all is there again"
echo "paused: all held"
