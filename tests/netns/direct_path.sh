#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Beside a WireGuard that is not ours (a daemon here; the kernel's in the VM), direct packets never
# pass through rook: while tens of megabytes go by, it is hardly woken, and nothing goes over
# loopback. Then the relay and the way back, as in two_agents.sh.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK
command -v wireguard-go >/dev/null || skip "needs wireguard-go"
command -v iperf3 >/dev/null || skip "needs iperf3"
export ROOK_DEVICE=daemon

wakeups() { # of agent a, all threads
    awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$(cat "$NODES_DIR/a/pid")/task/"*/status
}

lo_bytes() {
    topo_in la sh -c 'cat /sys/class/net/lo/statistics/tx_bytes' 2>/dev/null ||
        topo_in la ip -s -j link show lo | jq '.[0].stats64.tx.bytes'
}

topo_up
nodes_own_server || fail "server"
scenario_two_agents rook rook
b=$(nodes_ip rook lb b)
(exec ip netns exec "$TOPO-lb" iperf3 -s) >/dev/null 2>&1 &
nodes_wait 5 topo_in la bash -c "echo >/dev/tcp/$b/5201" || fail "iperf3 does not listen"
w0=$(wakeups) l0=$(lo_bytes)
bytes=$(topo_in la iperf3 -c "$b" -n 16M -J | jq '.end.sum_received.bytes // 0')
w1=$(wakeups) l1=$(lo_bytes)
[ "$bytes" -ge 8000000 ] || fail "iperf3 moved $bytes bytes"
[ $((w1 - w0)) -lt 300 ] || fail "rook was woken $((w1 - w0)) times for $bytes bytes"
[ $((l1 - l0)) -lt 200000 ] || fail "$((l1 - l0)) bytes went over loopback"
nodes_log "$bytes bytes, $((w1 - w0)) wakeups, $((l1 - l0)) bytes over loopback"
echo "direct path: all held"
