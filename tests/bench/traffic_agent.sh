#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What recording costs an agent: CPU of both agents while RATE new UDP flows a second go from a to b,
# each to another port (nothing can be summed up), recorded and not, in turns. One JSON line each.
#
#   traffic_agent.sh [RATE [SECONDS]]      1000 and 30 if not given; ROOK, ROOKERY: our programs
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/traffic.sh"
need_root
need_program ROOKERY
need_program ROOK
rate=${1:-1000} seconds=${2:-30}

ticks() { # NODE
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$(cat "$NODES_DIR/$1/pid")/stat"
}

send_flows() { # ADDRESS
    topo_in la python3 -c '
import socket, sys, time
to, rate, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
t0 = time.monotonic()
for i in range(rate * seconds):
    s.sendto(b"x", (to, 1024 + i % 64000))
    late = t0 + (i + 1) / rate - time.monotonic()
    if late > 0.005:
        time.sleep(late)
' "$1" "$rate" "$seconds"
}


round() { # NAME
    local a b t0 t1
    a=$(ticks a) b=$(ticks b) t0=$(nodes_now_ms)
    send_flows "$to"
    t1=$(nodes_now_ms)
    a=$(($(ticks a) - a)) b=$(($(ticks b) - b))
    awk -v n="$1" -v a=$a -v b=$b -v ms=$((t1 - t0)) -v hz="$(getconf CLK_TCK)" -v r="$rate" -v s="$seconds" 'BEGIN {
        printf("{\"traffic\":\"%s\",\"flows_per_s\":%d,\"a_percent\":%.2f,\"b_percent\":%.2f}\n", n,
               r * s * 1000 / ms, a / hz / ms * 1e5, b / hz / ms * 1e5) }'
}

topo_up
NODES_CONFIG_MORE='  x: {flow: true}'
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" && nodes_agent_start rook lb b "$key" || fail "agents do not come up"
nodes_wait 60 nodes_ip rook lb b || fail "b has no address"
to=$(nodes_ip rook lb b)
nodes_wait 60 nodes_ping la "$to" && nodes_wait 60 nodes_path_is P2P rook la a || fail "no direct path"
for ns in la lb; do # the flows of one round are over before the next begins
    topo_in $ns sh -c 'echo 5 >/proc/sys/net/netfilter/nf_conntrack_udp_timeout'
done
for turn in 1 2; do
    set_traffic '{network_traffic_logs_enabled: false}'
    sleep 8
    round "not recorded, $turn"
    set_traffic '{network_traffic_logs_enabled: true, network_traffic_packet_counter_enabled: true}'
    sleep 8
    round "recorded, $turn"
done
nodes_status rook la a | jq -c '.trafficEvents'
nodes_status rook lb b | jq -c '.trafficEvents'
