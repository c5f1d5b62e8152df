#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two agents behind two NAT routers on one machine: throughput, CPU seconds of both agents for each
# Gbit, time from losing the direct path to traffic over the relay, memory, size. All rows are of
# one run; ratios between them mean something, the numbers alone little.
#
#   agent.sh [SECONDS]     of each measurement, 5 if not given
#   ROOK, ROOKERY          our programs
#   NETBIRD_BIN            the official client, for comparison
#   AGENT_KINDS            rows: own, kernel, daemon (wireguard-go), official; default those that
#                          can run here
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK
command -v iperf3 >/dev/null || skip "needs iperf3"
seconds=${1:-5}

kinds() {
    if [ -n "${AGENT_KINDS-}" ]; then
        echo "$AGENT_KINDS"
        return
    fi
    echo own
    command -v wireguard-go >/dev/null && echo daemon
    [ -z "${NETBIRD_BIN-}" ] || echo official
}

tree() { # PID: it and its children
    echo "$1"
    local c
    for c in $(cat "/proc/$1/task/"*/children 2>/dev/null); do tree "$c"; done
}

ticks() { # of both agents, with their children
    local n p sum=0 v
    for n in a b; do
        for p in $(tree "$(cat "$NODES_DIR/$n/pid")"); do
            v=$(awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$p/stat" 2>/dev/null)
            sum=$((sum + ${v:-0}))
        done
    done
    echo $sum
}

rss_kb() { # of agent a, with its children
    local p sum=0 v
    for p in $(tree "$(cat "$NODES_DIR/a/pid")"); do
        v=$(awk '/^VmRSS/ { print $2 }' "/proc/$p/status" 2>/dev/null)
        sum=$((sum + ${v:-0}))
    done
    echo $sum
}

measure() { # OVERLAY_ADDRESS_OF_B [iperf3 arguments]: Mbit/s and CPU seconds per Gbit
    local b=$1 before after bits hz
    shift
    hz=$(getconf CLK_TCK)
    before=$(ticks)
    bits=$(topo_in la iperf3 -c "$b" -t "$seconds" -J "$@" 2>/dev/null | jq -r '.end.sum_received.bits_per_second // 0')
    after=$(ticks)
    awk -v bits="$bits" -v t=$((after - before)) -v hz="$hz" -v s="$seconds" 'BEGIN {
        mbit = bits / 1e6
        printf("%.0f %.2f", mbit, (mbit > 0 ? t / hz / (mbit * s / 1000) : 0)) }'
}

row() { # KIND
    local kind=$1 agent=rook key b direct back relayed idle after t0 lost size
    case $kind in
    own | kernel | daemon) export ROOK_DEVICE=$kind ;;
    official) agent=netbird ;;
    esac
    topo_up
    rm -rf "${NODES_DIR:?}"/*
    nodes_own_server || fail "server"
    key=$(nodes_setup_key)
    nodes_agent_start $agent la a "$key" && nodes_agent_start $agent lb b "$key" || fail "$kind: agents do not come up"
    b=$(nodes_ip $agent lb b)
    nodes_wait 40 nodes_ping la "$b" && nodes_wait 40 nodes_path_is P2P $agent la a || fail "$kind: no direct path"
    sleep 2
    idle=$(rss_kb)
    (exec ip netns exec "$TOPO-lb" iperf3 -s) >/dev/null 2>&1 &
    nodes_wait 5 topo_in la sh -c "echo >/dev/tcp/$b/5201" 2>/dev/null
    direct=$(measure "$b")
    back=$(measure "$b" -R)
    after=$(rss_kb)
    topo_udp_block
    t0=$(nodes_now_ms)
    nodes_wait 60 nodes_ping la "$b" || fail "$kind: no traffic over the relay"
    lost=$(($(nodes_now_ms) - t0))
    nodes_wait 60 nodes_path_is Relayed $agent la a || fail "$kind: no relay"
    nodes_wait 60 nodes_path_is Relayed $agent lb b || fail "$kind: no relay"
    relayed=$(measure "$b")
    size=$(agent_size $kind)
    # shellcheck disable=SC2086
    printf '%-9s %8s %8s %8s %8s %8s %8s %8s %8s %8s %9s\n' $kind $direct $back $relayed $lost $idle $after "$size"
    topo_down
}

agent_size() { # KIND: bytes of the program without symbols
    local f=$NODES_DIR/stripped p=$ROOK
    [ "$1" != official ] || p=$NETBIRD_BIN
    strip -o "$f" "$p" 2>/dev/null || cp "$p" "$f"
    stat -c %s "$f"
}

printf '%-9s %8s %8s %8s %8s %8s %8s %8s %8s %8s %9s\n' kind Mbit/s cpu/Gbit reverse cpu/Gbit relayed cpu/Gbit lost-ms rss-kB after-kB size
for kind in $(kinds); do row "$kind"; done
