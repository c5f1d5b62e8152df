# SPDX-License-Identifier: BSD-3-Clause
# Two agents of one kind record their traffic for our server: started and stopped by the account's
# setting, packets counted, both ends of a connection told by name. Sourced after scenario.sh.

set_traffic() { # JSON: members of "extra" to set
    nodes_api GET /api/accounts | jq -c ".[0] | {settings: (.settings | .extra += $1)}" >"$NODES_DIR/settings"
    nodes_api PUT "/api/accounts/$(nodes_api GET /api/accounts | jq -r '.[0].id')" \
        "$(cat "$NODES_DIR/settings")" >/dev/null || fail "the settings were not taken"
}

flows() {
    nodes_api GET /api/events/network-traffic
}

told() { # JQ_CONDITION on the list of flows: whether one fulfils it
    flows | jq -e "[.data[] | select($1)] | length > 0"
}

answered() { # ADDRESS: an HTTP server of the other side answers
    topo_in la curl -sf "http://$1:8123/" >/dev/null
}

scenario_traffic() { # KIND
    local kind=$1 key b before
    key=$(nodes_setup_key)
    nodes_agent_start "$kind" la a "$key" || fail "a does not come up"
    nodes_agent_start "$kind" lb b "$key" || fail "b does not come up"
    b=$(nodes_ip "$kind" lb b)
    nodes_wait 30 nodes_ping la "$b" || fail "no ping"
    [ "$(flows | jq .total_records)" = 0 ] || fail "something was recorded unasked"
    set_traffic '{network_traffic_logs_enabled: true, network_traffic_packet_counter_enabled: true}'
    sleep 3 # until both have begun
    nodes_ping la "$b" || fail "no ping"
    nodes_wait 60 told '.protocol == 1 and .direction == "EGRESS" and .source.type == "PEER"' ||
        fail "the sender tells nothing: $(flows)"
    nodes_wait 60 told '.protocol == 1 and .direction == "INGRESS" and .destination.type == "PEER"' ||
        fail "the receiver tells nothing: $(flows)"
    (exec ip netns exec "$TOPO-lb" python3 -m http.server 8123 --bind "$b" >/dev/null 2>&1) &
    nodes_wait 20 answered "$b" || fail "no connection"
    nodes_wait 90 told '.protocol == 6 and (.destination.address | endswith(":8123")) and .num_of_starts > 0' ||
        fail "the connection is not told: $(flows)"
    nodes_wait 200 told '.protocol == 6 and .num_of_ends > 0 and .rx_bytes > 0 and .tx_bytes > 0' ||
        fail "its end is not told with bytes: $(flows)"
    nodes_log "told from both ends"
}

scenario_traffic_ends() { # after scenario_traffic: what happens when it is switched off
    local b before
    b=$(nodes_ip "$1" lb b)
    set_traffic '{network_traffic_logs_enabled: false}'
    sleep 3
    before=$(flows | jq .total_records)
    nodes_ping la "$b" || fail "no ping"
    sleep 5
    [ "$(flows | jq .total_records)" = "$before" ] || fail "it goes on after it was switched off"
    nodes_log "and nothing any more"
}
