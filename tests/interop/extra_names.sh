#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# More names for a peer between rook and the official client, on our server and on the official one:
# each resolves what the other was given with --extra-dns-labels.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY
need_program NETBIRD_BIN
need_program NETBIRD_SERVER_BIN
command -v dig >/dev/null || skip "dig is not installed (bind9-dnsutils)"

start() { # KIND NS NODE NAMES
    local d=$NODES_DIR/$3
    NODES_NETBIRD_FLAGS="--extra-dns-labels $4"
    case $1 in
    netbird) nodes_agent_start netbird "$2" "$3" "$key" || fail "official $3: $(cat "$d/up.log")" ;;
    rook)
        mkdir -p "$d"
        (nodes_exec "$2" "$3" "$ROOK" service run) >"$d/log" 2>&1 &
        echo $! >"$d/pid"
        nodes_wait 10 test -S "$d/run/rook/rook.sock" || fail "no daemon"
        nodes_in "$2" "$3" "$ROOK" up --management-url "$NODES_URL" --setup-key "$key" --hostname "$3" \
            --extra-dns-labels "$4" >"$d/up.log" 2>&1 || fail "rook $3: $(cat "$d/up.log")"
        ;;
    esac
}
resolver() { sed -n 's/^nameserver //p' "$NODES_DIR/$1/etc/resolv.conf" | head -1; }
knows() { # NS NODE NAME ADDRESS
    [ "$(topo_in "$1" dig +short +time=2 +tries=1 "@$(resolver "$2")" "$3.netbird.selfhosted")" = "$4" ]
}

on_server() { # own|official
    topo_up
    rm -rf "$NODES_DIR"/{a,b,server}
    "nodes_$1_server" || fail "$1 server"
    key=$(nodes_api POST /api/setup-keys '{"name":"names","type":"reusable","expires_in":86400,
        "auto_groups":[],"usage_limit":0,"allow_extra_dns_labels":true}' | jq -r .key)
    start rook la a web,api.eu
    start netbird lb b shop,mail.eu
    nodes_wait 15 nodes_ip netbird lb b || fail "b has no address"
    a=$(nodes_ip rook la a)
    b=$(nodes_ip netbird lb b)
    for n in web api.eu; do
        nodes_wait 30 knows lb b $n "$a" || fail "$1 server: the official client does not resolve $n"
    done
    for n in shop mail.eu; do
        nodes_wait 30 knows la a $n "$b" || fail "$1 server: rook does not resolve $n"
    done
    nodes_log "$1 server: names both ways"
    topo_down
}
on_server own
on_server official
echo "extra names: all held"
