#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Official clients record their traffic for our server: started and stopped by the account's
# setting, packets counted, both ends of a connection told by name.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program NETBIRD_BIN

set_traffic() { # JSON: members of "extra" to set
    nodes_api GET /api/accounts | jq -c ".[0] | {settings: (.settings | .extra += $1)}" >"$NODES_DIR/settings"
    nodes_api PUT "/api/accounts/$(nodes_api GET /api/accounts | jq -r '.[0].id')" \
        "$(cat "$NODES_DIR/settings")" >/dev/null || fail "the settings were not taken"
}

told() { # JQ_CONDITION on the list of flows: whether one fulfils it
    nodes_api GET "/api/events/network-traffic" | jq -e "[.data[] | select($1)] | length > 0"
}

# What our rules would do in the kernel they do in their filter, which is what counts packets.
export NB_FORCE_USERSPACE_FIREWALL=true
topo_up
NODES_CONFIG_MORE='  x: {flow: true, flowInterval: 2s}'
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start netbird la a "$key" || fail "a does not come up"
nodes_agent_start netbird lb b "$key" || fail "b does not come up"
b=$(nodes_ip netbird lb b)
nodes_wait 30 nodes_ping la "$b" || fail "no ping"
[ "$(nodes_api GET /api/events/network-traffic | jq .total_records)" = 0 ] ||
    fail "something was recorded unasked"
set_traffic '{network_traffic_logs_enabled: true, network_traffic_packet_counter_enabled: true}'
sleep 3 # until both have begun
nodes_ping la "$b" || fail "no ping"
nodes_wait 60 told '.protocol == 1 and .direction == "EGRESS" and .source.type == "PEER"' ||
    fail "the sender tells nothing: $(nodes_api GET /api/events/network-traffic)"
nodes_wait 60 told '.protocol == 1 and .direction == "INGRESS" and .destination.type == "PEER"' ||
    fail "the receiver tells nothing"
(exec ip netns exec "$TOPO-lb" python3 -m http.server 8123 --bind "$b" >/dev/null 2>&1) &
nodes_wait 20 topo_in la curl -sf "http://$b:8123/" || fail "no connection"
nodes_wait 90 told ".protocol == 6 and (.destination.address | endswith(\":8123\")) and .num_of_starts > 0" ||
    fail "the connection is not told: $(nodes_api GET /api/events/network-traffic)"
nodes_wait 150 told ".protocol == 6 and .num_of_ends > 0 and .rx_bytes > 0 and .tx_bytes > 0" ||
    fail "its end is not told with bytes: $(nodes_api GET /api/events/network-traffic)"
set_traffic '{network_traffic_logs_enabled: false}'
sleep 3
before=$(nodes_api GET /api/events/network-traffic | jq .total_records)
nodes_ping la "$b" || fail "no ping"
sleep 5
[ "$(nodes_api GET /api/events/network-traffic | jq .total_records)" = "$before" ] ||
    fail "it goes on after it was switched off"
echo "official client $("$NETBIRD_BIN" version) records for our server: all held"
