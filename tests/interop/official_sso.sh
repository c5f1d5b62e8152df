#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# People log official clients in at our identity provider, with a real Chromium: by the device flow
# (no desktop) and by PKCE (desktop), without a setup key. The first is the owner, who is there
# already; a second person waits for approval first.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program NETBIRD_BIN
command -v chromedriver >/dev/null || skip "chromedriver is not installed (packages chromium chromium-driver)"

browse() { # NS URL EMAIL PASSWORD; pictures go to $SHOTS/NS when that is set
    [ -z "${SHOTS-}" ] || mkdir -p "$SHOTS/$1"
    topo_in "$1" timeout 90 python3 "$SRC_DIR/tests/lib/browser.py" "$2" "$3" "$4" ${SHOTS:+"$SHOTS/$1"}
}

daemon() { # NS NODE
    local d=$NODES_DIR/$2
    mkdir -p "$d"
    (nodes_exec "$1" "$2" env NB_STATE_DIR=/var/lib/netbird HOME="$d" "$NETBIRD_BIN" service run \
        --log-file console --daemon-addr unix:///run/netbird.sock) >"$d/log" 2>&1 &
    echo $! >"$d/pid"
    nodes_wait 15 test -S "$d/run/netbird.sock" || fail "the daemon of $2 does not start"
}

up() { # NS NODE [VARIABLE=VALUE…]: without a setup key, in the background; sets UP and URL
    local ns=$1 node=$2 log=$NODES_DIR/$2/up.log
    shift 2
    : >"$log"
    nodes_in "$ns" "$node" env -u DISPLAY -u WAYLAND_DISPLAY -u XDG_SESSION_TYPE HOME="$NODES_DIR/$node" "$@" \
        timeout 120 "$NETBIRD_BIN" up --daemon-addr unix:///run/netbird.sock --no-browser \
        --management-url "$NODES_URL" --hostname "$node" --disable-dns >"$log" 2>&1 &
    UP=$!
    nodes_wait 30 grep -q "$NODES_URL/oauth2/" "$log" || fail "no address to sign in at"
    URL=$(grep -o "$NODES_URL/oauth2/[^ ]*" "$log" | head -1)
}

person() { # EMAIL NAME ROLE: a local user; prints id and password
    nodes_api POST /api/users "{\"email\":\"$1\",\"name\":\"$2\",\"role\":\"$3\",\"auto_groups\":[],\"is_service\":false}" |
        jq -r '.id + " " + .password'
}

topo_up
nodes_own_server || fail "server"

daemon la a
up la a
case $URL in */device*) ;; *) fail "not the device flow: $URL" ;; esac
nodes_log "device flow: $URL"
page=$(browse la "$URL" admin@example.com demo-Passw0rd!) || fail "browser: $page"
case $page in "Device connected"*) ;; *) fail "the browser ends at: $page" ;; esac
wait "$UP" || fail "up does not succeed after the device was allowed"
nodes_wait 15 nodes_ip netbird la a || fail "a has no address"
nodes_log "a is up"

read -r id password < <(person bob@example.com Bob user)
daemon lb b
up lb b DISPLAY=:0 WAYLAND_DISPLAY=wayland-0 XDG_SESSION_TYPE=wayland
case $URL in */auth\?*) ;; *) fail "not the PKCE flow: $URL" ;; esac
nodes_log "PKCE"
page=$(browse lb "$URL" bob@example.com "$password") || fail "browser: $page"
case $page in *localhost:5[34]000*) ;; *) fail "the browser ends at: $page" ;; esac
wait "$UP" || fail "up does not succeed after the login"
nodes_wait 15 nodes_ip netbird lb b || fail "b has no address"
nodes_log "b is up"

nodes_wait 30 nodes_ping la "$(nodes_ip netbird lb b)" || fail "no ping"
nodes_api GET /api/peers | jq -e --arg id "$id" \
    'length == 2 and any(.user_id == $id) and all(.login_expiration_enabled)' >/dev/null ||
    fail "peers do not belong to who logged them in: $(nodes_api GET /api/peers)"
nodes_api GET /api/events/audit | jq -e 'map(.activity_code) | map(select(. == "peer.user.add")) | length == 2' >/dev/null ||
    fail "not two events: $(nodes_api GET /api/events/audit)"
echo "official client $("$NETBIRD_BIN" version) logged in by Chromium, device flow and PKCE: all held"
