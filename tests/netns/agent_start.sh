#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Starts that go wrong are told at once and as asked for: time limits hold, a refused certificate and
# a wrong key end the command; a daemon with a key waits for its server.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY

la() { nodes_in la a "$@"; }
took() { # COMMAND…: milliseconds into TOOK, its status as ours
    local t=$(nodes_now_ms) rc
    "$@"
    rc=$?
    TOOK=$(($(nodes_now_ms) - t))
    return $rc
}
wait_connected() { la "$ROOK" status --json | jq -e '.daemonStatus == "Connected"' >/dev/null; }

topo_up
mkdir -p "$NODES_DIR/a" "$NODES_DIR/b"
(nodes_exec la a "$ROOK" service run) >"$NODES_DIR/a/log" 2>&1 &
echo $! >"$NODES_DIR/a/pid"
nodes_wait 20 test -S "$NODES_DIR/a/run/rook/rook.sock" || fail "no daemon"

# nothing listens there: the limit counts from the beginning
took la "$ROOK" up --timeout 2s --management-url "http://$TOPO_SERVER:9" --setup-key K 2>"$NODES_DIR/a/up.log" &&
    fail "up without a server succeeds"
[ $TOOK -ge 1900 ] && [ $TOOK -lt 60000 ] || fail "up --timeout 2s took $TOOK ms"
grep -q "not connected yet.*refused" "$NODES_DIR/a/up.log" || fail "up says $(cat "$NODES_DIR/a/up.log")"
nodes_log "up --timeout 2s: $TOOK ms"

# a certificate of nobody
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=nobody \
    -addext "subjectAltName=IP:$TOPO_SERVER" -keyout "$NODES_DIR/key.pem" -out "$NODES_DIR/cert.pem" 2>/dev/null
(exec ip netns exec "$TOPO-mid" openssl s_server -quiet -accept 8443 -alpn h2 -cert "$NODES_DIR/cert.pem" \
    -key "$NODES_DIR/key.pem") >/dev/null 2>&1 &
nodes_wait 20 topo_in mid sh -c "ss -ltn | grep -q :8443" || fail "no TLS server"
took la "$ROOK" up --management-url "https://$TOPO_SERVER:8443" --setup-key K 2>"$NODES_DIR/a/up.log" &&
    fail "up with a refused certificate succeeds"
[ $TOOK -lt 60000 ] || fail "a refused certificate is reported after $TOOK ms"
grep -q "certificate refused" "$NODES_DIR/a/up.log" || fail "up says $(cat "$NODES_DIR/a/up.log")"
nodes_log "refused certificate: $TOOK ms"

# a daemon with a key, and its server comes later
(nodes_exec lb b env ROOK_SETUP_KEY_FILE= ROOK_MANAGEMENT_URL="http://$TOPO_SERVER:8080" \
    sh -c 'while [ ! -s /run/key ]; do sleep 0.1; done; ROOK_SETUP_KEY=$(cat /run/key) exec "$1" service run' \
    x "$ROOK") >"$NODES_DIR/b/log" 2>&1 &
nodes_own_server || fail "server"
key=$(nodes_setup_key)
kill -STOP "$NODES_SERVER_PID"
echo "$key" >"$NODES_DIR/b/run/key"
nodes_wait 20 grep -q 'event="daemon started"' "$NODES_DIR/b/log" || fail "b does not start"
kill -CONT "$NODES_SERVER_PID"
nodes_wait 40 sh -c "grep -q 'now=Connected' $NODES_DIR/b/log" || fail "b does not connect"
nodes_log "a daemon with a key connects when its server is there"

# in the foreground what is final ends the program
took la "$ROOK" up --management-url "$NODES_URL" --setup-key 00000000-0000-0000-0000-000000000000 2>"$NODES_DIR/a/up.log" &&
    fail "a wrong key is taken"
nodes_agent_stop a
took la timeout 60 "$ROOK" up -F --management-url "$NODES_URL" \
    --setup-key 00000000-0000-0000-0000-000000000000 >"$NODES_DIR/a/up.log" 2>&1
rc=$?
[ $rc = 1 ] || fail "up -F with a wrong key ends with $rc: $(cat "$NODES_DIR/a/up.log")"
grep -q "^Error: register" "$NODES_DIR/a/up.log" || fail "up -F says $(tail -3 "$NODES_DIR/a/up.log")"
la timeout 60 "$ROOK" up -F --management-url "$NODES_URL" >"$NODES_DIR/a/up.log" 2>&1
rc=$?
[ $rc = 1 ] || fail "up -F without a key ends with $rc: $(cat "$NODES_DIR/a/up.log")"
nodes_log "up -F ends with the reason"
(nodes_exec la a "$ROOK" up -F --management-url "$NODES_URL" --setup-key "$key") >"$NODES_DIR/a/log" 2>&1 &
echo $! >"$NODES_DIR/a/pid"
nodes_wait 20 wait_connected || fail "up -F with a good key: $(tail -3 "$NODES_DIR/a/log")"
nodes_agent_stop a
topo_in la ip link show wt0 >/dev/null 2>&1 && fail "up -F left its interface"
echo "agent start: all held"
