#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The demo: a server and two agents behind two NAT routers, all in namespaces of this machine.
# Called by quickstart.sh --demo with ROOKERY and ROOK set. Exit status 0 only if all of it held.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
TOPO=${TOPO:-rkdemo}
# shellcheck source=deploy/demo/topology.sh
. "$here/topology.sh"
# shellcheck source=deploy/demo/nodes.sh
. "$here/nodes.sh"

NODES_DIR=$(mktemp -d /tmp/rookery-demo-XXXXXX)
rows=()

row() { # WHAT VALUE
    rows+=("$1|$2")
    nodes_log "$1: $2"
}

table() {
    printf '\n+%s+%s+\n' "$(printf -- '-%.0s' {1..56})" "$(printf -- '-%.0s' {1..18})"
    local r
    for r in "${rows[@]}"; do
        printf '| %-54s | %-16s |\n' "${r%%|*}" "${r#*|}"
    done
    printf '+%s+%s+\n' "$(printf -- '-%.0s' {1..56})" "$(printf -- '-%.0s' {1..18})"
}

fail() {
    echo "demo: FAILED: $*" >&2
    for f in server/log a/log b/log; do
        [ ! -s "$NODES_DIR/$f" ] || { echo "--- last lines of $f" >&2; tail -15 "$NODES_DIR/$f" >&2; }
    done
    exit 1
}

cleanup() {
    local status=$?
    if [ "${DEMO_KEEP:-0}" = 1 ] && [ $status = 0 ]; then
        echo "left running in namespaces $TOPO-*; logs in $NODES_DIR"
        echo "stop: sudo TOPO=$TOPO bash -c '. $here/topology.sh; topo_down; rm -rf $NODES_DIR'"
        return
    fi
    topo_down
    rm -rf "$NODES_DIR"
    exit $status
}
trap cleanup EXIT
trap 'exit 130' INT TERM

throughput() { # ADDRESS: Mbit/s from a to b over the tunnel
    (exec ip netns exec "$TOPO-lb" timeout 60 iperf3 -s -1 -B "$1") >/dev/null 2>&1 &
    local server=$!
    nodes_wait 5 topo_in lb sh -c "ss -tln | grep -q :5201" || return 1
    topo_in la timeout 60 iperf3 -c "$1" -t "${DEMO_IPERF_SECONDS:-3}" -J >"$NODES_DIR/iperf.json" || return 1
    wait $server || true
    jq -r '.end.sum_received.bits_per_second / 1000000 | floor' "$NODES_DIR/iperf.json"
}

rss_kb() { # PID
    awk '/^VmRSS/ {print $2}' "/proc/$1/status"
}

steady() { # FILE: longest gap in ms between answers in a ping -D log, the time until now included
    awk -v now="$(nodes_now_ms)" '
        /bytes from/ {t = substr($1, 2) * 1000; if (last && t - last > max) max = t - last; last = t}
        END {if (now - last > max) max = now - last; printf "%d", max}' "$1"
}

echo "two LANs, each behind its own NAT router, and a server between them"
NODES_T0=$(nodes_now_ms)
topo_up
t=$(nodes_now_ms)
nodes_own_server || fail "server"
row "server started and set up" "$(($(nodes_now_ms) - t)) ms"
row "server memory without peers" "$(rss_kb "$NODES_SERVER_PID") kB"
setup_key=$(nodes_setup_key)
[ -n "$setup_key" ] && [ "$setup_key" != null ] || fail "setup key"

t=$(nodes_now_ms)
nodes_agent_start rook la a "$setup_key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$setup_key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
t_up=$(nodes_now_ms)
a=$(nodes_ip rook la a)
b=$(nodes_ip rook lb b)
nodes_wait 20 nodes_ping la "$b" || fail "no ping from a to b"
row "both agents up" "$((t_up - t)) ms"
row "first ping after the second \`rook up\`" "$(($(nodes_now_ms) - t_up)) ms"
nodes_wait 20 nodes_ping lb "$a" || fail "no ping from b to a"
nodes_wait 30 nodes_path_is P2P rook la a || fail "agent a did not find a direct path"
nodes_wait 30 nodes_path_is P2P rook lb b || fail "agent b did not find a direct path"
row "path" "direct"
mbit=$(throughput "$b") || fail "iperf3 over the direct path"
row "throughput, direct" "$mbit Mbit/s"

(exec ip netns exec "$TOPO-la" stdbuf -oL ping -D -i 0.2 "$b") >"$NODES_DIR/ping.log" 2>&1 &
ping_pid=$!
nodes_wait 5 sh -c "[ \$(grep -c 'bytes from' '$NODES_DIR/ping.log') -ge 5 ]" || fail "no steady ping"
topo_udp_block
t=$(nodes_now_ms)
nodes_wait 40 nodes_path_is Relayed rook la a || fail "agent a did not go to the relay"
nodes_wait 40 nodes_path_is Relayed rook lb b || fail "agent b did not go to the relay"
row "UDP between the routers dropped: on the relay after" "$(($(nodes_now_ms) - t)) ms"
nodes_wait 10 nodes_ping la "$b" || fail "no traffic over the relay"
mbit=$(throughput "$b") || fail "iperf3 over the relay"
row "throughput, relayed" "$mbit Mbit/s"

topo_udp_unblock
t=$(nodes_now_ms)
nodes_wait 60 nodes_path_is P2P rook la a || fail "agent a did not return to a direct path"
nodes_wait 60 nodes_path_is P2P rook lb b || fail "agent b did not return to a direct path"
row "UDP restored: direct again after" "$(($(nodes_now_ms) - t)) ms"
nodes_wait 10 nodes_ping la "$b" || fail "no traffic after the return"
kill -TERM $ping_pid 2>/dev/null || true
wait $ping_pid || true
gap=$(steady "$NODES_DIR/ping.log")
row "echoes lost of a steady ping, 5 a second" "$(awk '/bytes from/ {
    n++; split($0, f, "icmp_seq="); seq = f[2] + 0} END {print seq - n " of " seq}' "$NODES_DIR/ping.log")"
row "longest silence of a steady ping through all of it" "$gap ms"
[ "$gap" -lt 10000 ] || fail "the tunnel was silent for $gap ms"
row "server memory with two peers" "$(rss_kb "$NODES_SERVER_PID") kB"
table
echo "all of it held"
