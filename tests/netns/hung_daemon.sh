#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A WireGuard daemon that hangs (--device daemon) does not make the agent hang: commands are answered,
# and after a while another daemon takes its place.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY
command -v wireguard-go >/dev/null || skip "no wireguard-go"

la() { nodes_in la a "$@"; }
daemon() { ip netns pids "$TOPO-la" | xargs -r ps -o pid=,comm= -p | awk '$2 == "wireguard-go" {print $1}'; }
another() { [ -n "$(daemon)" ] && [ "$(daemon)" != "$hung" ]; }
connected() { la "$ROOK" status --json | jq -e '.daemonStatus == "Connected"' >/dev/null; }

topo_up
export ROOK_DEVICE=daemon
nodes_own_server || fail "server"
nodes_agent_start rook la a "$(nodes_setup_key)" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
hung=$(daemon)
[ -n "$hung" ] || fail "no wireguard-go runs"
kill -STOP "$hung"
slowest=0
until another; do
    t=$(nodes_now_ms)
    la "$ROOK" status >/dev/null || fail "no status while the WireGuard daemon hangs"
    t=$(($(nodes_now_ms) - t))
    [ $t -le $slowest ] || slowest=$t
    [ "$(nodes_now_ms)" -lt $((NODES_T0 + 600000)) ] || fail "a hung WireGuard daemon is kept"
    sleep 1
done
[ $slowest -lt 40000 ] || fail "status took $slowest ms while the daemon hung"
has "wireguard-go hangs" "$NODES_DIR/a/log" || fail "the log does not say why: $(tail -3 "$NODES_DIR/a/log")"
nodes_wait 30 connected || fail "not connected with the new daemon"
kill -0 "$hung" 2>/dev/null && fail "the hung daemon was left behind"
nodes_log "another daemon; the slowest status took $slowest ms"
echo "hung daemon: all held"
