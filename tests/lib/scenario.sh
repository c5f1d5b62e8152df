# SPDX-License-Identifier: BSD-3-Clause
# The scenario that every pairing of agents must pass: meet directly, survive the loss of UDP
# through the relay, return to a direct path. Sourced by tests in netns/ and interop/.

set -uo pipefail
TOPO=${TOPO:-rkt$$}
SRC_DIR=${SRC_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
# shellcheck source=deploy/demo/topology.sh
. "$SRC_DIR/deploy/demo/topology.sh"
# shellcheck source=deploy/demo/nodes.sh
. "$SRC_DIR/deploy/demo/nodes.sh"

NODES_DIR=$(mktemp -d /tmp/rookery-test-XXXXXX)
NODES_T0=$(nodes_now_ms)

scenario_end() {
    local status=$?
    topo_down
    rm -rf "$NODES_DIR"
    exit $status
}
trap scenario_end EXIT
trap 'exit 130' INT TERM

skip() { # REASON
    echo "SKIP: $*"
    exit 77
}

fail() { # REASON: with the last lines of every log
    echo "FAILED: $*"
    local f
    for f in "$NODES_DIR"/*/log "$NODES_DIR"/*/up.log; do
        [ ! -s "$f" ] || { echo "--- ${f#"$NODES_DIR"/}"; tail -25 "$f"; }
    done
    exit 1
}

has() { # GREP_ARGUMENT…: grep -q that reads to the end; else the writer's end fails the pipeline
    grep "$@" >/dev/null
}

need_root() {
    [ "$(id -u)" = 0 ] || skip "needs root for network namespaces"
    [ -c /dev/net/tun ] || skip "needs /dev/net/tun"
}

need_program() { # VARIABLE: a path that must be set and executable
    [ -n "${!1-}" ] || skip "$1 is not set to a program"
    [ -x "${!1}" ] || fail "$1=${!1} is not a program"
}

scenario_two_agents() { # KIND_A KIND_B: on the server that runs already
    local ka=$1 kb=$2 key a b
    key=$(nodes_setup_key)
    [ -n "$key" ] && [ "$key" != null ] || fail "no setup key"
    nodes_agent_start "$ka" la a "$key" || fail "$ka a does not come up"
    nodes_agent_start "$kb" lb b "$key" || fail "$kb b does not come up"
    nodes_log "both up"
    nodes_wait 15 nodes_ip "$ka" la a || fail "a has no address"
    a=$(nodes_ip "$ka" la a)
    b=$(nodes_ip "$kb" lb b)
    nodes_wait 30 nodes_ping la "$b" || fail "no ping from $ka to $kb"
    nodes_wait 10 nodes_ping lb "$a" || fail "no ping from $kb to $ka"
    nodes_log "ping both ways"
    nodes_wait 30 nodes_path_is P2P "$ka" la a || fail "$ka finds no direct path"
    nodes_wait 30 nodes_path_is P2P "$kb" lb b || fail "$kb finds no direct path"
    nodes_log "direct"
    topo_udp_block
    nodes_wait 60 nodes_path_is Relayed "$ka" la a || fail "$ka does not go to the relay"
    nodes_wait 60 nodes_path_is Relayed "$kb" lb b || fail "$kb does not go to the relay"
    nodes_wait 15 nodes_ping la "$b" || fail "no ping over the relay from $ka to $kb"
    nodes_wait 15 nodes_ping lb "$a" || fail "no ping over the relay from $kb to $ka"
    nodes_log "relayed"
    topo_udp_unblock
    nodes_wait 90 nodes_path_is P2P "$ka" la a || fail "$ka does not return to a direct path"
    nodes_wait 90 nodes_path_is P2P "$kb" lb b || fail "$kb does not return to a direct path"
    nodes_wait 15 nodes_ping la "$b" || fail "no ping after the return"
    nodes_log "direct again"
}

scenario_policy() { # KIND_A KIND_B: after scenario_two_agents; changes must reach agents at once
    local ka=$1 kb=$2 policy body b
    b=$(nodes_ip "$kb" lb b)
    policy=$(nodes_api GET /api/policies | jq -r '.[0].id')
    body=$(nodes_api GET "/api/policies/$policy" |
        jq -c '{name, description, enabled: false, source_posture_checks,
            rules: [.rules[] | {id, name, description, enabled: false, action, bidirectional, protocol,
                sources: [.sources[].id], destinations: [.destinations[].id]}]}')
    nodes_api PUT "/api/policies/$policy" "$body" >/dev/null || fail "policy was not updated"
    nodes_wait 10 sh -c "! ip netns exec $TOPO-la ping -c1 -W1 $b" ||
        fail "traffic goes on although the policy is off"
    nodes_log "policy off: no traffic"
    nodes_api PUT "/api/policies/$policy" "$(jq -c '.enabled = true | .rules[].enabled = true' <<<"$body")" >/dev/null ||
        fail "policy was not updated"
    nodes_wait 30 nodes_ping la "$b" || fail "no traffic after the policy is on again"
    nodes_log "policy on: traffic"
}
