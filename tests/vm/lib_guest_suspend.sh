#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Inside the virtual machine: all of it sleeps for real, agents and server, and the monotonic clock
# stands still meanwhile. Awake, agents notice, connections and tunnel are there again at once.
. /src/programs
export ROOK ROOKERY NODES_PATIENCE=10 SRC_DIR=/src
. /src/tests/lib/scenario.sh

SLEEP_S=45
slept() { grep -c 'event="this host has slept' "$NODES_DIR/$1/log"; }
noticed() { [ "$(slept a)" = 1 ] && [ "$(slept b)" = 1 ]; }
up() { nodes_status rook la a | jq -e '.management.connected and .signal.connected' >/dev/null; }

modprobe wireguard
grep -q deep /sys/power/mem_sleep || fail "this machine cannot sleep: $(cat /sys/power/state /sys/power/mem_sleep)"
topo_up
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a"
nodes_agent_start rook lb b "$key" || fail "agent b"
b=$(nodes_ip rook lb b)
nodes_wait 30 nodes_ping la "$b" || fail "no ping"
nodes_wait 30 nodes_path_is P2P rook la a || fail "no direct path"
before=$(date +%s)
echo 0 >/sys/class/rtc/rtc0/wakealarm
echo +$SLEEP_S >/sys/class/rtc/rtc0/wakealarm || fail "no alarm clock"
nodes_log "sleeps"
echo deep >/sys/power/mem_sleep
echo mem >/sys/power/state || fail "does not fall asleep"
nodes_log "awake after $(($(date +%s) - before)) s"
nodes_wait 30 noticed || fail "a $(slept a), b $(slept b)"
nodes_wait 30 up || fail "not connected again"
nodes_wait 30 nodes_ping la "$b" || fail "no ping after sleep"
nodes_wait 30 nodes_path_is P2P rook la a || fail "no direct path after sleep"
nodes_log "all there again"
echo "VM-PASSED suspend"
