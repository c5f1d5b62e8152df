# SPDX-License-Identifier: BSD-3-Clause
# coturn, and our management and signal without a relay, in the middle network. Sourced after
# scenario.sh. Programs: TURNSERVER, MGMT, SIGNAL. TURN_TLS: options of coturn for TLS (else without).

turn_up() { # once the network is there
    # coturn ends a session when the kernel tells that an address of it cannot be reached
    ip -n "$TOPO-mid" route add default via 198.18.0.254
}
turn_start() { # LONG-TERM CREDENTIAL OPTIONS…
    mkdir -p "$NODES_DIR/turn"
    (exec ip netns exec "$TOPO-mid" "$TURNSERVER" -n --log-file stdout --simple-log -v --no-cli ${TURN_TLS:---no-tls} --no-dtls \
        --listening-ip "$TOPO_SERVER" --relay-ip "$TOPO_SERVER" --listening-port "${TURN_PORT:-3478}" --min-port 40000 \
        --max-port 40999 --realm example.com --pidfile "$NODES_DIR/turn/pid.own" \
        --userdb "$NODES_DIR/turn/db" "$@") >"$NODES_DIR/turn/log" 2>&1 &
    echo $! >"$NODES_DIR/turn/pid"
    nodes_wait 20 sh -c "ip netns exec $TOPO-mid ss -Hlnt 'sport = :${TURN_PORT:-3478}' | grep -q ." || fail "coturn does not start"
}
turn_stop() {
    kill "$(cat "$NODES_DIR/turn/pid")" && wait "$(cat "$NODES_DIR/turn/pid")" 2>/dev/null
}

servers_start() { # OPTIONS OF MANAGEMENT…
    local d=$NODES_DIR/server
    mkdir -p "$d" "$NODES_DIR/signal"
    NODES_URL=http://$TOPO_SERVER:8080
    (exec ip netns exec "$TOPO-mid" "$SIGNAL" --listen-address "$TOPO_SERVER:10000" --legacy-port 0 \
        --metrics-port 0 --health-listen-address '') >"$NODES_DIR/signal/log" 2>&1 &
    echo $! >"$NODES_DIR/signal/pid"
    management_start "$@"
    [ -n "${NODES_TOKEN-}" ] || nodes_own_owner "$d" || fail "owner"
}
management_start() {
    local d=$NODES_DIR/server
    (exec ip netns exec "$TOPO-mid" "$MGMT" --listen-address "$TOPO_SERVER:8080" --datadir "$d/data" --setup-pat \
        --metrics-port 0 --health-listen-address '' "$@") >>"$d/log" 2>&1 &
    NODES_SERVER_PID=$!
    nodes_wait 20 topo_in mid curl -sf "$NODES_URL/api/instance" || fail "management does not start"
}
management_again() { # OPTIONS…: agents come back by themselves
    kill "$NODES_SERVER_PID" && wait "$NODES_SERVER_PID" 2>/dev/null
    management_start "$@"
}

turn_down() { # all of it
    turn_stop
    kill "$NODES_SERVER_PID" "$(cat "$NODES_DIR/signal/pid")" && wait "$NODES_SERVER_PID" 2>/dev/null
}
