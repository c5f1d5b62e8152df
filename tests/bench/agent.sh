#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two agents behind two NAT routers on one machine: throughput, CPU seconds of both agents for each
# Gbit, time from losing the direct path to traffic over the relay, from `up` to the first echo,
# memory (of a: quiet, after the data, in a network of 100), size. All rows are of one run; ratios
# between them mean something, the numbers alone little. On a machine with other work: chrt -r 5.
#
#   agent.sh [SECONDS]     of each measurement, 5 if not given
#   ROOK, ROOKERY          our programs
#   SWARM                  tests/bench/swarm/swarm, which enrols the other 98; without it "-"
#   NETBIRD_BIN            the official client, for comparison
#   AGENT_KINDS            rows: own, kernel, daemon (wireguard-go), official; default those that
#                          can run here
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK
command -v iperf3 >/dev/null || skip "needs iperf3"
seconds=${1:-5}
unset SSL_CERT_FILE SSL_CERT_DIR # a service has neither, and then reads one root certificate at a time

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

quiet_kb() { # what starts and bursts needed is given back some seconds later
    sleep 12
    rss_kb
}

first_ping() { # KIND OVERLAY_ADDRESS_OF_B: ms from `up` of a, which was down, to the first echo
    local cmd=("$ROOK" --daemon-addr "unix://$NODES_DIR/a/run/rook/rook.sock") t0 t1 p
    [ "$1" != official ] || cmd=("$NETBIRD_BIN" --daemon-addr "unix://$NODES_DIR/a/run/netbird.sock")
    topo_in la "${cmd[@]}" down >/dev/null 2>&1
    sleep 2
    (exec ip netns exec "$TOPO-la" ping -D -n -i 0.005 "$2") >"$NODES_DIR/echoes" 2>/dev/null &
    p=$!
    t0=$(topo_in la bash -c 'echo $EPOCHREALTIME; "$@" >/dev/null 2>&1' up "${cmd[@]}" up)
    nodes_wait 30 grep -q 'bytes from' "$NODES_DIR/echoes"
    kill $p
    t1=$(sed -n 's/^\[\([0-9.]*\)\].*bytes from.*/\1/p' "$NODES_DIR/echoes" | head -1)
    awk -v a="$t0" -v b="${t1:-0}" 'BEGIN { printf("%.0f", (b - a) * 1000) }'
}

longest_gap() { # ms between two echoes
    sed -n 's/^\[\([0-9.]*\)\].*bytes from.*/\1/p' "$NODES_DIR/echoes" |
        awk 'NR > 1 && $1 - last > max { max = $1 - last } { last = $1 } END { printf("%.0f", max * 1000) }'
}

in_a_crowd() { # SETUP_KEY: memory with 98 more peers in the map
    [ -n "${SWARM-}" ] && [ -x "$SWARM" ] || { echo -; return; }
    topo_in mid "$SWARM" --scenario register --shape allow-all --agents 98 --url "$NODES_URL" \
        --setup-key "$1" --api-token "$NODES_TOKEN" >/dev/null 2>&1 || { echo -; return; }
    quiet_kb
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
    local kind=$1 agent=rook key b direct back relayed idle after lost size up crowd
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
    up=$(first_ping $kind "$b")
    nodes_wait 40 nodes_path_is P2P $agent la a || fail "$kind: no direct path"
    idle=$(quiet_kb)
    (exec ip netns exec "$TOPO-lb" iperf3 -s) >/dev/null 2>&1 &
    nodes_wait 5 topo_in la sh -c "echo >/dev/tcp/$b/5201" 2>/dev/null
    direct=$(measure "$b")
    back=$(measure "$b" -R)
    after=$(quiet_kb)
    (exec ip netns exec "$TOPO-la" ping -D -n -i 0.01 "$b") >"$NODES_DIR/echoes" 2>/dev/null &
    sleep 1
    topo_udp_block
    nodes_wait 60 nodes_path_is Relayed $agent la a || fail "$kind: no relay"
    nodes_wait 60 nodes_path_is Relayed $agent lb b || fail "$kind: no relay"
    sleep 2
    kill $!
    lost=$(longest_gap)
    relayed=$(measure "$b")
    crowd=$(in_a_crowd "$key")
    size=$(agent_size $kind)
    # shellcheck disable=SC2086,SC2059
    printf "$FORMAT" $kind $direct $back $relayed $lost $up $idle $after $crowd "$size"
    topo_down
}

agent_size() { # KIND: bytes of the program without symbols
    local f=$NODES_DIR/stripped p=$ROOK
    [ "$1" != official ] || p=$NETBIRD_BIN
    strip -o "$f" "$p" 2>/dev/null || cp "$p" "$f"
    stat -c %s "$f"
}

FORMAT='%-9s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s %9s\n'
# shellcheck disable=SC2059
printf "$FORMAT" kind Mbit/s cpu/Gbit reverse cpu/Gbit relayed cpu/Gbit lost-ms up-ms rss-kB after-kB 100-kB size
for kind in $(kinds); do row "$kind"; done
