#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two agents with different devices, the first one's by DEVICE_A (own), the second one's by DEVICE_B
# (daemon; kernel in the VM): direct, relayed and direct again, data both ways, and b's rook asleep
# while direct data goes by.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK
DEVICE_A=${DEVICE_A:-own} DEVICE_B=${DEVICE_B:-daemon} MEGABYTES=${MEGABYTES:-16}
[ "$DEVICE_B" != daemon ] || command -v wireguard-go >/dev/null || skip "needs wireguard-go"
command -v iperf3 >/dev/null || skip "needs iperf3"

eval "start_agent() $(declare -f nodes_agent_start | tail -n +2)"
nodes_agent_start() { # as in nodes.sh, with a device for each
    local ROOK_DEVICE=$DEVICE_A
    [ "$3" = a ] || ROOK_DEVICE=$DEVICE_B
    export ROOK_DEVICE
    start_agent "$@"
}
wakeups() { # of agent b's rook, all threads
    awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$(cat "$NODES_DIR/b/pid")/task/"*/status
}
cpu_ticks() { # of agent b's rook, hundredths of a second
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$(cat "$NODES_DIR/b/pid")/stat"
}
lo_bytes() {
    topo_in lb ip -s -j link show lo | jq '.[0].stats64.tx.bytes'
}
move() { # [-R]: MEGABYTES from a to b; print how many bytes arrived
    topo_in la iperf3 -c "$b" -n "${MEGABYTES}M" -J "$@" | jq '.end.sum_received.bytes // 0'
}

topo_up
nodes_own_server || fail "server"
scenario_two_agents rook rook
b=$(nodes_ip rook lb b)
(exec ip netns exec "$TOPO-lb" iperf3 -s) >/dev/null 2>&1 &
nodes_wait 10 topo_in la bash -c "echo >/dev/tcp/$b/5201" || fail "iperf3 does not listen"
w0=$(wakeups) l0=$(lo_bytes) c0=$(cpu_ticks) t0=$(nodes_now_ms)
for how in "" -R; do
    # shellcheck disable=SC2086
    bytes=$(move $how)
    [ "$bytes" -ge $((MEGABYTES * 500000)) ] || fail "iperf3 $how moved $bytes bytes"
done
w1=$(wakeups) l1=$(lo_bytes) c1=$(cpu_ticks) t1=$(nodes_now_ms)
cpu=$(((c1 - c0) * 1000 / (t1 - t0))) # of a core, in per cent: 100 ticks a second
[ "$DEVICE_B" = own ] || [ $((w1 - w0)) -lt 600 ] || fail "b's rook was woken $((w1 - w0)) times"
[ $((l1 - l0)) -lt 200000 ] || fail "$((l1 - l0)) bytes went over loopback"
nodes_log "data both ways, $((w1 - w0)) wakeups and $cpu % of a core in b's rook, $((l1 - l0)) bytes over loopback"
echo "$DEVICE_A and $DEVICE_B: all held"
