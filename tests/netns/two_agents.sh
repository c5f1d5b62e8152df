#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two rook agents behind two NAT routers on `rookery run`: direct, relayed, direct; policy changes;
# deleting a peer; a clean stop.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK

topo_up
nodes_own_server || fail "server"
scenario_two_agents rook rook
scenario_policy rook rook

# nobody spoke QUIC: its libraries are large
for n in a b; do
    ! grep -E 'libgnutls|libngtcp2' "/proc/$(cat "$NODES_DIR/$n/pid")/maps" >"$NODES_DIR/maps" ||
        fail "agent $n carries $(sed 's|.*/||' "$NODES_DIR/maps" | sort -u | xargs)"
done

peer=$(nodes_api GET /api/peers | jq -r '.[] | select(.name == "b") | .id')
b=$(nodes_ip rook lb b)
nodes_api DELETE "/api/peers/$peer" >/dev/null || fail "peer was not deleted"
nodes_wait 10 sh -c "! ip netns exec $TOPO-la ping -c1 -W1 $b" || fail "a deleted peer still answers"
nodes_log "peer deleted: no traffic"

for n in a b; do
    nodes_agent_stop $n
    topo_in "l$n" ip link show wt0 >/dev/null 2>&1 && fail "agent $n left its interface behind"
done
for n in a b; do
    nodes_wait 5 sh -c "[ -z \"\$(ip netns pids $TOPO-l$n)\" ]" ||
        fail "agent $n left a process behind: $(ip netns pids "$TOPO-l$n" | xargs ps -o args= -p)"
done
kill -TERM "$NODES_SERVER_PID"
wait "$NODES_SERVER_PID"
[ $? = 0 ] || fail "the server's exit status is not 0"
echo "two agents: all held"
