#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A burst of changes of the network map ends in the last one, on the host too: routes and firewall
# are those of the last map, nothing of the ones between is left. Once more while the agent is told
# to stop in the middle: nothing comes back after it has ended.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY
CHANGES=${CHANGES:-16}

route_body() { # NETWORK
    printf '{"description":"lan","network_id":"lan","enabled":true,"peer":"%s","network":"%s","metric":9999,
        "masquerade":true,"groups":["%s"],"keep_route":true}' "$peer" "$1" "$all"
}
policy_body() { # PORT
    jq -c --arg p "$1" '{name, description, enabled: true, source_posture_checks,
        rules: [.rules[] | {id, name, description, enabled: true, action, bidirectional, protocol: "tcp", ports: [$p],
            sources: [.sources[].id], destinations: [.destinations[].id]}]}' <<<"$policy"
}
routes() { topo_in la ip route show table 7120 2>/dev/null | awk '$2 == "dev" {print $1}' | grep '^10\.99\.' | sort | tr '\n' ' '; }
ports() { topo_in la nft list ruleset 2>/dev/null | grep -oE 'dport (\{ )?20[0-9]{2}' | grep -oE '20[0-9]{2}' | sort -u | tr '\n' ' '; }
is_last() { [ "$(routes)" = "10.99.$1.0/24 " ] && [ "$(ports)" = "$((2000 + $1)) " ]; }
burst() { # LAST: as fast as the server takes them
    local i
    for i in $(seq 1 "$1"); do
        nodes_api PUT "/api/routes/$route" "$(route_body "10.99.$i.0/24")" >/dev/null || return 1
        nodes_api PUT "/api/policies/$policy_id" "$(policy_body $((2000 + i)))" >/dev/null || return 1
    done
}

topo_up
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
b=$(nodes_ip rook lb b)
nodes_wait 30 nodes_ping la "$b" || fail "no ping"
peer=$(nodes_api GET /api/peers | jq -r '.[] | select(.name == "b") | .id')
all=$(nodes_api GET /api/groups | jq -r '.[] | select(.name == "All") | .id')
policy=$(nodes_api GET /api/policies | jq -c '.[0]')
policy_id=$(jq -r .id <<<"$policy")
route=$(nodes_api POST /api/routes "$(route_body 10.99.0.0/24)" | jq -r .id)
[ -n "$route" ] && [ "$route" != null ] || fail "no route"

burst "$CHANGES" || fail "a change was refused"
nodes_wait 20 is_last "$CHANGES" || fail "not the last: $(routes), ports $(ports)"
sleep 1
is_last "$CHANGES" || fail "something older came late: $(routes), ports $(ports)"
nodes_log "$((2 * CHANGES)) changes: the host is at the last"

# the same while the agent's process hardly gets to run
pid=$(pgrep -P "$(cat "$NODES_DIR/a/pid")" 2>/dev/null | head -1)
pid=${pid:-$(cat "$NODES_DIR/a/pid")}
(while kill -STOP "$pid" 2>/dev/null; do sleep 0.2; kill -CONT "$pid"; sleep 0.05; done) &
slow=$!
burst $((CHANGES / 2)) || fail "a change was refused"
kill $slow
wait $slow 2>/dev/null
kill -CONT "$pid"
nodes_wait 30 is_last $((CHANGES / 2)) || fail "slow, and not the last: $(routes), ports $(ports)"
nodes_log "an agent that is stopped four fifths of the time: at the last"

burst "$CHANGES" &
changing=$!
sleep 0.5
nodes_in la a "$ROOK" down >/dev/null || fail "down"
[ -z "$(routes)$(ports)" ] || fail "left after down: $(routes), ports $(ports)"
wait $changing || fail "a change was refused"
[ -z "$(topo_in la ip route show table 7120 2>/dev/null)" ] || fail "routes came back: $(topo_in la ip route show table 7120)"
topo_in la ip rule | has -e '^105:' -e '^110:' && fail "rules came back: $(topo_in la ip rule)"
topo_in la nft list tables | has ' netbird$' && fail "a firewall table came back"
nodes_in la a "$ROOK" up >/dev/null || fail "up"
nodes_wait 20 is_last "$CHANGES" || fail "not the last after up: $(routes), ports $(ports)"
nodes_log "stopped in the middle of a burst: nothing came back, and up is at the last"
echo "burst: all held"
