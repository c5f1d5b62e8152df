#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two profiles of one machine on a real server: each is a peer of its own, one is connected at a time,
# the active one comes back after the daemon was killed, and one can be removed while the other runs.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK

a() { nodes_in la a "$ROOK" "$@"; }
daemon() {
    (nodes_exec la a "$ROOK" service run) >>"$NODES_DIR/a/log" 2>&1 &
    echo $! >"$NODES_DIR/a/pid"
    nodes_wait 10 a status >/dev/null 2>&1 || fail "the daemon does not start"
}
is() { # PROFILE STATE
    a status --json | jq -e --arg p "$1" --arg s "$2" '.profileName == $p and .daemonStatus == $s' >/dev/null
}
names() { nodes_api GET /api/peers | jq -r '[.[].name] | sort | join(" ")'; }

topo_up
nodes_own_server || fail "server"
key=$(nodes_setup_key)
mkdir -p "$NODES_DIR/a"
daemon
a up --management-url "$NODES_URL" --setup-key "$key" --hostname first >/dev/null || fail "up"
first=$(nodes_ip rook la a)

a profile add work >/dev/null || fail "profile add"
out=$(a up --profile work 2>&1) && fail "a new profile connects without a server"
grep -q "management-url" <<<"$out" || fail "what is missing is not said: $out"
a up --profile work --management-url "$NODES_URL" --setup-key "$key" --hostname second --mtu 1300 >/dev/null ||
    fail "up with another profile"
is work Connected || fail "not the other profile: $(a status)"
second=$(nodes_ip rook la a)
[ "$first" != "$second" ] && [ "$(names)" = "first second" ] || fail "one peer for two profiles: $(names)"
nodes_log "two profiles, two peers"

nodes_agent_stop a KILL
daemon
nodes_wait 20 is work Connected || fail "the active profile does not come back: $(a status)"
[ "$(nodes_ip rook la a)" = "$second" ] || fail "another address"
nodes_log "back after kill -9"

a up --profile default >/dev/null || fail "up with the first profile"
is default Connected && [ "$(nodes_ip rook la a)" = "$first" ] || fail "not the first one: $(a status)"
topo_in la ip link show wt0 | has "mtu 1280" || fail "settings of the other profile"
a profile remove default 2>/dev/null && fail "the default profile is removed"
a logout --profile work >/dev/null || fail "logout of the other profile"
is default Connected && [ "$(names)" = first ] || fail "the wrong one was removed: $(names)"
a profile remove work >/dev/null || fail "profile remove"
nodes_log "switched back, the other one removed"

a profile add empty >/dev/null && a profile select empty >/dev/null || fail "select"
is empty NeedsLogin || fail "still connected: $(a status)"
topo_in la ip link show wt0 >/dev/null 2>&1 && fail "the interface is still there"
echo "profiles: all held"
