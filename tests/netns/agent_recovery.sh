#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# kill -9 of an agent: the next start finds and removes what was left, connects again by itself, and
# an orderly end leaves the host as it was. Also: settings are kept, a second daemon is refused.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK

la() { nodes_in la a "$@"; }
rules() { topo_in la ip rule | grep -c -e '^105:' -e '^110:'; }
tables() { topo_in la nft list tables | wc -l; }
start_daemon() {
    (nodes_exec la a "$ROOK" service run) >>"$NODES_DIR/a/log" 2>&1 &
    echo $! >"$NODES_DIR/a/pid"
}
same_address() { [ "$(nodes_ip rook la a)" = "$a" ]; } # the old device may answer before the new daemon
status_is() { la "$ROOK" status --json | jq -e --arg s "$1" '.daemonStatus == $s' >/dev/null; }

topo_up
if [ -n "${ROOKERY-}" ] && [ -x "${ROOKERY-}" ]; then
    nodes_own_server || fail "server"
else
    need_program NETBIRD_SERVER_BIN
    nodes_official_server || fail "official server"
fi
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
b=$(nodes_ip rook lb b)
a=$(nodes_ip rook la a)
kernel=$(nodes_status rook la a | jq .usesKernelInterface)
nodes_wait 10 nodes_ping la "$b" || fail "no ping"
[ "$(rules)" = 2 ] || fail "policy rules: $(topo_in la ip rule)"
[ "$(tables)" -ge 1 ] || fail "no firewall table"

la "$ROOK" service run >"$NODES_DIR/second.log" 2>&1 && fail "a second daemon was not refused"
grep -q "another daemon" "$NODES_DIR/second.log" || fail "second daemon: $(cat "$NODES_DIR/second.log")"
nodes_ping la "$b" >/dev/null || fail "the second daemon disturbed the first"
nodes_log "second daemon refused, the first goes on"

for round in 1 2; do
    nodes_agent_stop a KILL
    [ "$(rules)" = 2 ] || fail "this test needs something left behind"
    [ "$kernel" = true ] || # the kernel's own device stays until the next start
        nodes_wait 5 sh -c "! ip netns exec $TOPO-la ip link show wt0" || fail "the tunnel outlived its agent"
    start_daemon
    nodes_wait 20 nodes_ping la "$b" || fail "no ping after kill -9"
    [ "$(rules)" = 2 ] || fail "rules after restart: $(topo_in la ip rule)"
    nodes_wait 20 same_address || fail "another address after the restart: $(nodes_ip rook la a)"
    nodes_wait 20 nodes_ping la "$b" || fail "no ping from the new daemon"
done
grep -q 'removed what an earlier run left' "$NODES_DIR/a/log" || fail "nothing was recovered"
nodes_log "twice killed, twice back with the same address"

# killed, and the next start does not connect: it cleans up all the same
la "$ROOK" up --disable-auto-connect >/dev/null || fail "up with a changed setting"
nodes_agent_stop a KILL
start_daemon
nodes_wait 10 status_is Idle || fail "the daemon connected in spite of --disable-auto-connect"
[ "$(rules)" = 0 ] || fail "rules left: $(topo_in la ip rule)"
[ "$(tables)" = 0 ] || fail "tables left: $(topo_in la nft list tables)"
nodes_log "an idle start has removed everything"

# the same when the state file is damaged, and when its copy is too
for what in file both; do
    la "$ROOK" up >/dev/null || fail "up"
    nodes_wait 10 nodes_ping la "$b" || fail "no ping after up"
    nodes_agent_stop a KILL
    [ "$(rules)" = 2 ] || fail "this test needs something left behind"
    echo '{"policy_route_state": {"tab' >"$NODES_DIR/a/lib/state.json"
    [ $what = file ] || echo nonsense >"$NODES_DIR/a/lib/state.json.copy"
    start_daemon
    nodes_wait 10 status_is Idle || fail "the daemon does not start with a damaged state file"
    [ "$(rules)" = 0 ] || fail "damaged state ($what): rules left: $(topo_in la ip rule)"
    [ "$(tables)" = 0 ] || fail "damaged state ($what): tables left: $(topo_in la nft list tables)"
    [ -n "$(ls "$NODES_DIR/a/lib/" | grep corrupted)" ] || fail "the damaged file was not kept"
done
nodes_log "a damaged state file does not keep anything from being removed"

la "$ROOK" up --disable-auto-connect=false >/dev/null || fail "up"
nodes_wait 10 nodes_ping la "$b" || fail "no ping after up"
la "$ROOK" down >/dev/null || fail "down"
[ "$(rules)" = 0 ] && [ "$(tables)" = 0 ] || fail "down left something"
la "$ROOK" down >/dev/null 2>&1 && fail "down when down is not an error"
la "$ROOK" up >/dev/null || fail "up without a key"
nodes_wait 10 nodes_ping la "$b" || fail "no ping"
nodes_log "down and up"

la "$ROOK" logout >/dev/null || fail "logout"
nodes_wait 5 status_is NeedsLogin || fail "status after logout: $(la "$ROOK" status)"
# without a key it can only ask for somebody to sign in, which nobody does here
la timeout $((3 * ${NODES_PATIENCE:-1})) "$ROOK" up >"$NODES_DIR/up.log" 2>&1 && fail "a removed peer could connect"
grep -q "/oauth2/" "$NODES_DIR/up.log" || fail "up does not say where to sign in: $(cat "$NODES_DIR/up.log")"
la "$ROOK" up --setup-key "$key" >/dev/null || fail "up with a key again"
nodes_wait 10 nodes_ping la "$b" || fail "no ping after registering again"
nodes_log "logout, and back with the key"

nodes_agent_stop a
[ "$(rules)" = 0 ] && [ "$(tables)" = 0 ] || fail "the end of the daemon left something"
topo_in la ip link show wt0 >/dev/null 2>&1 && fail "the end of the daemon left its interface"
echo "recovery: all held"
