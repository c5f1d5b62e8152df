#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A person logs our agent in at our identity provider with a real Chromium: `rook up` without a
# setup key; afterwards it comes up without a login.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK
command -v chromedriver >/dev/null || skip "chromedriver is not installed (packages chromium chromium-driver)"

browse() { # URL EMAIL PASSWORD
    topo_in la timeout 90 python3 "$SRC_DIR/tests/lib/browser.py" "$@" ${SHOTS:+"$SHOTS"}
}

start() { # COMMAND…: rook in the background; sets RUN and URL
    local log=$NODES_DIR/a/up.log
    : >"$log"
    nodes_in la a timeout 120 "$ROOK" "$@" --no-browser >"$log" 2>&1 &
    RUN=$!
    nodes_wait 30 grep -q "$NODES_URL/oauth2/" "$log" || fail "no address to log in at"
    URL=$(grep -o "$NODES_URL/oauth2/[^ ]*" "$log" | head -1)
}

topo_up
nodes_own_server || fail "server"
mkdir -p "$NODES_DIR/a"
(nodes_exec la a "$ROOK" service run) >"$NODES_DIR/a/log" 2>&1 &
echo $! >"$NODES_DIR/a/pid"
nodes_wait 10 test -S "$NODES_DIR/a/run/rook/rook.sock" || fail "the daemon does not start"

start up --management-url "$NODES_URL" --hostname a
nodes_log "$URL"
page=$(browse "$URL" admin@example.com demo-Passw0rd!) || fail "browser: $page"
wait "$RUN" || fail "up does not succeed after the login"
nodes_wait 15 nodes_ip rook la a || fail "no address"
owner=$(nodes_api GET /api/users/current | jq -r .id)
nodes_api GET /api/peers | jq -e --arg id "$owner" 'length == 1 and .[0].user_id == $id' >/dev/null ||
    fail "the peer is not the owner's: $(nodes_api GET /api/peers)"
nodes_log "up"

nodes_in la a "$ROOK" down >/dev/null || fail "down"
nodes_in la a "$ROOK" status --json | jq -e '.daemonStatus == "Idle"' >/dev/null ||
    fail "down is said to need a login: $(nodes_in la a "$ROOK" status)"
nodes_in la a "$ROOK" up >/dev/null || fail "up again fails"
nodes_log "up again without a login"

# a desktop: the browser comes back to a port of this machine
nodes_in la a "$ROOK" logout >/dev/null || fail "logout"
DISPLAY=:0 start up
case $URL in */auth\?*code_challenge_method=S256*login_hint=admin*) ;; *) fail "not PKCE, or nobody suggested: $URL" ;; esac
page=$(browse "$URL" admin@example.com demo-Passw0rd!) || fail "browser: $page"
case $page in "Logged in http://localhost:5"*) ;; *) fail "the browser ends at: $page" ;; esac
wait "$RUN" || fail "up does not succeed after the PKCE login: $(cat "$NODES_DIR/a/up.log")"
nodes_log "up by PKCE"

# the session is made longer, and the tunnel stays
was=$(nodes_in la a "$ROOK" status --json | jq -r .sessionExpiresAt)
[ "$was" != null ] || fail "no end of the session is shown"
sleep 2
DISPLAY=:0 start login --extend
page=$(browse "$URL" admin@example.com demo-Passw0rd!) || fail "browser: $page"
wait "$RUN" || fail "the session is not extended: $(cat "$NODES_DIR/a/up.log")"
[[ $(nodes_in la a "$ROOK" status --json | jq -r .sessionExpiresAt) > $was ]] || fail "the session ends as before"
[ "$(nodes_in la a "$ROOK" status --json | jq -r .daemonStatus)" = Connected ] || fail "the extension disconnects"
nodes_log "session extended"
echo "rook logged in by Chromium: all held"
