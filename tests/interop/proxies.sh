#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Reverse proxies of Debian in front of our server, configured by what `rookery config proxy` prints:
# TLS at the proxy, behind it an official client and rook. They meet, go over the relay and back,
# and find each other again after the proxy was restarted. PROXIES names those to try; Traefik, of
# which Debian has no package, is the program that TRAEFIK_BIN names.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY
need_program NETBIRD_BIN

find_proxy() { # NAME: sets proxy_bin; from its package, unpacked and not installed, when it is not there
    [ "$1" != traefik ] || { proxy_bin=${TRAEFIK_BIN-}; [ -x "$proxy_bin" ]; return; }
    proxy_bin=$(command -v "$1" || true)
    [ -z "$proxy_bin" ] || return 0
    mkdir -p "$NODES_DIR/packages/$1"
    (cd "$NODES_DIR/packages" && apt-get download "$1" >/dev/null 2>&1 && dpkg -x "$1"_*.deb "$1") || return 1
    proxy_bin=$(find "$NODES_DIR/packages/$1" -path "*bin/$1" -type f | head -1)
    [ -n "$proxy_bin" ]
}

make_certificate() {
    local d=$NODES_DIR/tls
    mkdir -p "$d"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=proxy \
        -addext "subjectAltName=IP:$TOPO_SERVER" -keyout "$d/key.pem" -out "$d/cert.pem" 2>/dev/null
    cat "$d/cert.pem" "$d/key.pem" >"$d/both.pem"
    cat /etc/ssl/certs/ca-certificates.crt "$d/cert.pem" >"$d/trusted.pem"
    export SSL_CERT_FILE=$d/trusted.pem # Go's and OpenSSL's word for what is trusted
}

snippet() { # NAME: what is printed, and the rest that such a program needs around it
    local d=$NODES_DIR/proxy cert=$NODES_DIR/tls/cert.pem x
    [ "$1" != haproxy ] || cert=$NODES_DIR/tls/both.pem
    mkdir -p "$d"
    "$ROOKERY" config proxy "$1" --config "$NODES_DIR/server/config.yaml" --cert "$cert" \
        --key "$NODES_DIR/tls/key.pem" >"$d/snippet" 2>>"$d/log" || return 1
    case $1 in
    nginx)
        {
            printf 'daemon off; worker_processes 2; user root; pid %s/pid; error_log stderr info;\n' "$d"
            printf 'events {}\nhttp {\naccess_log off;\n'
            for x in client_body proxy fastcgi uwsgi scgi; do printf '%s_temp_path %s/%s;\n' "$x" "$d" "$x"; done
            cat "$d/snippet"
            echo '}'
        } >"$d/conf"
        ;;
    caddy)
        {
            printf '{\n admin off\n grace_period 2s\n storage file_system %s/caddy\n auto_https disable_redirects\n}\n' "$d"
            cat "$d/snippet"
        } >"$d/conf"
        ;;
    traefik)
        cp "$d/snippet" "$d/rookery.yaml"
        {
            sed -n 's/^#   entryPoints/entryPoints/p; s/^#     {readTimeout/  {readTimeout/p' "$d/snippet"
            printf 'log: {level: INFO}\nproviders: {file: {filename: "%s/rookery.yaml"}}\n' "$d"
        } >"$d/conf.yaml"
        ;;
    haproxy)
        {
            printf 'global\n    maxconn 1000\n'
            cat "$d/snippet"
        } >"$d/conf"
        ;;
    esac
}

start_proxy() { # NAME
    local d=$NODES_DIR/proxy args
    case $1 in
    nginx) args=(-e stderr -p "$d" -c "$d/conf") ;;
    caddy) args=(run --config "$d/conf" --adapter caddyfile) ;;
    traefik) args=(--configFile="$d/conf.yaml") ;;
    haproxy) args=(-f "$d/conf" -db) ;;
    esac
    (HOME=$d exec ip netns exec "$TOPO-mid" "$proxy_bin" "${args[@]}") >>"$d/log" 2>&1 &
    proxy_pid=$!
    nodes_wait 20 topo_in mid curl -sf --cacert "$SSL_CERT_FILE" "$NODES_AGENT_URL/api/instance"
}

stop_proxy() {
    kill "$proxy_pid" 2>/dev/null
    wait "$proxy_pid" 2>/dev/null
}

signal_is() { # true|false KIND NS NODE
    local want=$1
    shift
    nodes_status "$@" | jq -e --argjson w "$want" '.signal.connected == $w' >/dev/null
}

seen_addresses() { # from where the server thinks that machines come
    nodes_api GET /api/peers | jq -e --arg a "$TOPO_NAT_A" --arg b "$TOPO_NAT_B" \
        '[.[].connection_ip] | sort == ([$a, $b] | sort)' >/dev/null
}

come_back() { # NAME: the proxy ends and begins again; a new daemon finds the other one by signal
    local b
    stop_proxy
    nodes_wait 60 signal_is false rook lb b || fail "$1: rook does not notice that signal is gone"
    start_proxy "$1" || fail "$1: does not start again"
    nodes_wait 60 signal_is true rook lb b || fail "$1: rook does not come back to signal"
    nodes_wait 60 signal_is true netbird la a || fail "$1: the client does not come back to signal"
    nodes_agent_stop b
    (nodes_exec lb b "$ROOK" service run) >>"$NODES_DIR/b/log" 2>&1 &
    echo $! >"$NODES_DIR/b/pid"
    nodes_wait 60 nodes_ip rook lb b || fail "$1: rook does not come up again"
    b=$(nodes_ip rook lb b)
    nodes_wait 60 nodes_ping la "$b" || fail "$1: no ping after the restart"
    nodes_wait 60 nodes_path_is P2P rook lb b || fail "$1: no direct path after the restart"
    nodes_log "$1: back after the proxy was restarted"
}

one_proxy() { # NAME
    topo_up
    export NODES_AGENT_URL=https://$TOPO_SERVER:443
    NODES_CONFIG_MORE='  reverseProxy: {trustedHTTPProxies: ["127.0.0.1"]}'
    [ "$1" != nginx ] || NODES_CONFIG_MORE+=$'\n  x: {signalGreeting: true}'
    nodes_own_server || fail "server"
    snippet "$1" || fail "$1: no snippet"
    start_proxy "$1" || fail "$1: no answer through the proxy"
    nodes_log "$1"
    scenario_two_agents netbird rook
    seen_addresses || fail "$1: the server does not see where machines come from"
    come_back "$1"
    nodes_agent_stop a
    nodes_agent_stop b
    stop_proxy
    kill "$NODES_SERVER_PID" 2>/dev/null
    wait "$NODES_SERVER_PID" 2>/dev/null
    topo_down
    rm -rf "$NODES_DIR/server" "$NODES_DIR/proxy" "$NODES_DIR/a" "$NODES_DIR/b"
}

make_certificate
tried=0
for name in ${PROXIES:-nginx caddy haproxy traefik}; do
    if find_proxy "$name"; then
        one_proxy "$name"
        tried=$((tried + 1))
    else
        [ "$name" != traefik ] || echo "note: TRAEFIK_BIN is not set to a program"
        echo "note: $name is neither installed nor to be had: NOT tried"
    fi
done
[ "$tried" -gt 0 ] || skip "no proxy is to be had"
echo "$tried proxies: all held"
