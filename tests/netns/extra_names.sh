#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# More names for a peer (--extra-dns-labels): a key that allows them, names that others resolve, two
# peers under one name, names changed and taken back with `rook up`; and a key that allows none.
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/routing.sh"
need_root
need_program ROOK
need_program ROOKERY
PATH=$PATH:/usr/sbin:/sbin command -v dig >/dev/null || skip "dig is not installed"
trap routing_end EXIT

la() { nodes_in la a "$@"; }
asked() { # NAME: sorted addresses that b's own server gives, once there is an answer
    nodes_in lb b dig +short +time=2 +tries=1 "@$b" "$1.netbird.selfhosted" | sort | tr '\n' ' '
}
answers() { [ "$(asked "$1")" = "$2" ]; }
daemon() { # NODE NAMESPACE
    mkdir -p "$NODES_DIR/$1"
    (nodes_exec "$2" "$1" "$ROOK" service run) >"$NODES_DIR/$1/log" 2>&1 &
    echo $! >"$NODES_DIR/$1/pid"
    nodes_wait 10 test -S "$NODES_DIR/$1/run/rook/rook.sock" || fail "no daemon $1"
}
up() { la "$ROOK" up "$@" >"$NODES_DIR/a/up.log" 2>&1; }
said() { nodes_api GET /api/peers | jq -r '.[] | select(.name == "a") | .extra_dns_labels | sort | join(" ")'; }

topo_up
routing_up
nodes_own_server || fail "server"
plain=$(nodes_setup_key)
allows=$(nodes_api POST /api/setup-keys '{"name":"names","type":"reusable","expires_in":86400,
    "auto_groups":[],"usage_limit":0,"allow_extra_dns_labels":true}' | jq -r .key)
nodes_agent_start rook lb b "$plain" || fail "agent b"
b=$(nodes_ip rook lb b)

daemon a la
up --management-url "$NODES_URL" --setup-key "$plain" --hostname a --extra-dns-labels web &&
    fail "a key that allows no names was taken"
has -i 'label' <"$NODES_DIR/a/up.log" || fail "not told why: $(cat "$NODES_DIR/a/up.log")"
nodes_log "refused: $(cat "$NODES_DIR/a/up.log")"
up --management-url "$NODES_URL" --setup-key "$allows" --hostname a --extra-dns-labels web,api.eu ||
    fail "up: $(cat "$NODES_DIR/a/up.log")"
a=$(nodes_ip rook la a)
nodes_wait 20 answers web "$a " || fail "web: '$(asked web)'"
nodes_log "web: $(asked web)"
nodes_wait 20 answers api.eu "$a " || fail "api.eu: '$(asked api.eu)'"
[ "$(said)" = "api.eu.netbird.selfhosted web.netbird.selfhosted" ] || fail "the API says: $(said)"
nodes_log "two names, one of two words"


up --extra-dns-labels shop,'*.apps' || fail "up again: $(cat "$NODES_DIR/a/up.log")"
nodes_wait 20 answers shop "$a " || fail "changed: '$(asked shop)', the API says $(said)"
nodes_wait 20 answers any.apps "$a " || fail "wildcard: '$(asked any.apps)'"
[ -z "$(asked web)" ] || fail "the old name is still there: $(asked web)"
nodes_log "changed with rook up"

up --extra-dns-labels 'no name' && fail "what is no name was taken"
has '"no name" is no name' <"$NODES_DIR/a/up.log" || fail "not told: $(cat "$NODES_DIR/a/up.log")"
answers shop "$a " || fail "a refused name took the others away"
la "$ROOK" down >/dev/null && up || fail "down and up"
nodes_wait 20 answers shop "$a " || fail "gone with down and up"
nodes_log "kept"

daemon c lc && nodes_in lc c "$ROOK" up --management-url "$NODES_URL" --setup-key "$allows" --hostname c \
    --extra-dns-labels shop >"$NODES_DIR/c/up.log" 2>&1 || fail "c"
c=$(nodes_ip rook lc c)
both=$(printf '%s\n' "$a" "$c" | sort | tr '\n' ' ')
nodes_wait 20 answers shop "$both" || fail "two of one name: '$(asked shop)', not '$both'"
nodes_log "two peers of one name"
la "$ROOK" logout >/dev/null || fail "logout"
nodes_wait 20 answers shop "$c " || fail "a name of a peer that is gone: '$(asked shop)'"
echo "extra names: all held"
