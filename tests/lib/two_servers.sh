# SPDX-License-Identifier: BSD-3-Clause
# Two processes on one PostgreSQL, agent a at the first and b at the second: management, signal and
# relay are other ones for each. Sourced under tests/lib/pg.sh, after scenario.sh.

SECOND_URL=http://$TOPO_SERVER:8081

eval "$(declare -f nodes_agent_start | sed '1s/.*/agent_start_at ()/')"
nodes_agent_start() {
    if [ "$3" = b ]; then
        NODES_AGENT_URL=$SECOND_URL agent_start_at "$@"
    else
        agent_start_at "$@"
    fi
}

two_servers_start() {
    local d=$NODES_DIR/second
    NODES_CONFIG_MORE="  store:
    engine: postgres
    dsn: \"$RK_TEST_PG\"
  x:
    relayAddress: \"rel://$TOPO_SERVER:8080\""
    nodes_own_server || fail "first server"
    mkdir -p "$d/data"
    cp "$NODES_DIR/server/data/store.key" "$NODES_DIR/server/data/relay.secret" "$d/data/"
    sed -e "s|:8080|:8081|g; s|3478|3479|; s|$NODES_DIR/server/data|$d/data|" "$NODES_DIR/server/config.yaml" \
        >"$d/config.yaml"
    (exec ip netns exec "$TOPO-mid" "$ROOKERY" run --config "$d/config.yaml") >"$d/log" 2>&1 &
    nodes_wait 20 topo_in mid curl -sf "$SECOND_URL/api/instance" || fail "second server"
    # until each knows the other's relay
    nodes_wait 20 grep -q "relays changed" "$NODES_DIR/server/log" || fail "no second relay"
    nodes_wait 20 grep -q "relays changed" "$d/log" || fail "no first relay"
    nodes_log "two servers"
}
