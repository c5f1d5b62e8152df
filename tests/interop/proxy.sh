#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The official proxy program on our server: HTTP services with and without secrets, TCP and TLS
# passed through to a machine of ours; a target that goes, a service that goes, the server restarted,
# wrong and revoked tokens. Signing in through an identity provider is not part of it.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program ROOKERY
need_program NETBIRD_PROXY_BIN

proxy_start() { # NAME TOKEN PORT: a proxy in the middle network
    local d=$NODES_DIR/$1
    mkdir -p "$d/certs"
    cp "$NODES_DIR/tls.crt" "$NODES_DIR/tls.key" "$d/certs/"
    (exec ip netns exec "$TOPO-mid" env NB_PROXY_TOKEN="$2" NB_PROXY_ALLOW_INSECURE=true \
        NB_PROXY_MANAGEMENT_ADDRESS="$NODES_URL" "$NETBIRD_PROXY_BIN" --addr ":$3" --domain p.example \
        --cert-dir "$d/certs" --geo-data-dir "$d/geo" --health-addr "127.0.0.1:1$3" --log-level info) >"$d/log" 2>&1 &
    echo $! >"$d/pid"
}

visit() { # HOST [CURL_ARGUMENT…]: prints the status and the body
    local host=$1
    shift
    topo_in mid curl -sk --max-time 20 --resolve "$host:8443:127.0.0.1" -w '\n%{http_code}' "$@" "https://$host:8443/"
}
answers() { # STATUS HOST [CURL_ARGUMENT…]
    local status=$1
    shift
    [ "$(visit "$@" | tail -1)" = "$status" ]
}
service() { # JSON: makes it, prints its id
    nodes_api POST /api/reverse-proxies/services "$1" | jq -r .id
}
status_is() { # ID STATUS
    [ "$(nodes_api GET "/api/reverse-proxies/services/$1" | jq -r .meta.status)" = "$2" ]
}
says() { # PORT: a stream service brings what the target says
    topo_in mid bash -c "exec 3<>/dev/tcp/127.0.0.1/$1; head -1 <&3" | has '^hello from behind'
}

topo_up
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=p.example \
    -addext "subjectAltName=DNS:*.p.example" -keyout "$NODES_DIR/tls.key" -out "$NODES_DIR/tls.crt" 2>/dev/null
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "the target does not come up"
nodes_wait 60 nodes_ip rook la a || fail "no address"
peer=$(nodes_api GET /api/peers | jq -r '.[0].id')
mkdir -p "$NODES_DIR/www"
echo "hello from behind" >"$NODES_DIR/www/index.html"
(cd "$NODES_DIR/www" && exec ip netns exec "$TOPO-la" python3 -m http.server 8123 >"$NODES_DIR/a/www.log" 2>&1) &
(exec ip netns exec "$TOPO-la" python3 -c '
import socketserver
class Hello(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"hello from behind\n")
socketserver.ThreadingTCPServer(("", 8124), Hello).serve_forever()') &
(exec ip netns exec "$TOPO-la" openssl s_server -quiet -www -accept 8125 -cert "$NODES_DIR/tls.crt" \
    -key "$NODES_DIR/tls.key" >"$NODES_DIR/a/tls.log" 2>&1) &

# tokens
nodes_log "a wrong token"
proxy_start wrong nbx_000000000000000000000000000000000000 8444
nodes_wait 60 has -i unauthenticated "$NODES_DIR/wrong/log" || fail "a wrong token is not refused as such"
kill "$(cat "$NODES_DIR/wrong/pid")"
made=$(nodes_api POST /api/reverse-proxies/proxy-tokens '{"name":"test"}')
token=$(jq -r .plain_token <<<"$made")
[ -n "$token" ] && [ "$token" != null ] || fail "no token: $made"
proxy_start proxy "$token" 8443
nodes_wait 90 sh -c "ip netns exec $TOPO-mid curl -sf http://127.0.0.1:18443/healthz/ready" || fail "the proxy does not connect"
cluster_online() { nodes_api GET /api/reverse-proxies/clusters | jq -e '.[] | select(.address == "p.example" and .connected_proxies == 1)'; }
nodes_wait 60 cluster_online || fail "no cluster: $(nodes_api GET /api/reverse-proxies/clusters)"
nodes_log "connected"

# HTTP
target="{\"target_id\":\"$peer\",\"target_type\":\"peer\",\"protocol\":\"http\",\"port\":8123,\"enabled\":true}"
limited="${target%\}},\"options\":{\"request_timeout\":\"10s\"}}" # else it dials for more than a minute
open=$(service "{\"name\":\"open\",\"domain\":\"open.p.example\",\"enabled\":true,\"targets\":[$limited]}")
locked=$(service "{\"name\":\"locked\",\"domain\":\"locked.p.example\",\"enabled\":true,\"targets\":[$target],
    \"auth\":{\"password_auth\":{\"enabled\":true,\"password\":\"s3cret\"},\"pin_auth\":{\"enabled\":true,\"pin\":\"123456\"}}}")
[ -n "$open" ] && [ -n "$locked" ] || fail "services"
nodes_wait 120 answers 200 open.p.example || fail "the open service does not answer: $(visit open.p.example)"
visit open.p.example | has 'hello from behind' || fail "not what the target says"
nodes_wait 60 status_is "$open" active || fail "the status of the service is not told"
nodes_wait 60 answers 401 locked.p.example || fail "no login page"
answers 401 locked.p.example --data password=wrong || fail "a wrong password lets in"
answers 401 locked.p.example --data pin=000000 || fail "a wrong PIN lets in"
for secret in password=s3cret pin=123456; do
    rm -f "$NODES_DIR/cookies"
    answers 303 locked.p.example --data "$secret" -c "$NODES_DIR/cookies" || fail "$secret does not let in"
    answers 200 locked.p.example -b "$NODES_DIR/cookies" || fail "the session of $secret is not taken"
done
nodes_log "HTTP: open, password, PIN"

logged() { nodes_api GET "/api/events/proxy?$1" | jq -e "$2"; }
nodes_wait 60 logged 'host=open.p.example&status=success' '.total_records > 0 and .data[0].service_id == "'"$open"'" and
    .data[0].method == "GET" and .data[0].bytes_download > 0' || fail "visits are not told: $(nodes_api GET /api/events/proxy)"
nodes_wait 60 logged 'search=LOCKED&status_code=401&sort_by=duration' '.data[0].reason == "Authentication failed"' ||
    fail "a refused visit is not told"
logged 'host=nobody.p.example' '.total_records == 0' >/dev/null || fail "the filter takes all"
logged 'page=2&page_size=1&sort_order=asc' '(.data | length) == 1 and .page == 2 and .total_pages > 1' >/dev/null ||
    fail "no pages"

# streams
service "{\"name\":\"tcp\",\"domain\":\"tcp.p.example\",\"mode\":\"tcp\",\"listen_port\":20124,\"enabled\":true,
    \"targets\":[{\"target_id\":\"$peer\",\"target_type\":\"peer\",\"protocol\":\"tcp\",\"port\":8124,\"enabled\":true}]}" >/dev/null
nodes_wait 90 says 20124 || fail "TCP does not pass"
service "{\"name\":\"tls\",\"domain\":\"tls.p.example\",\"mode\":\"tls\",\"listen_port\":8443,\"enabled\":true,
    \"targets\":[{\"target_id\":\"$peer\",\"target_type\":\"peer\",\"protocol\":\"tcp\",\"port\":8125,\"enabled\":true}]}" >/dev/null
passes() { visit tls.p.example | has -i 's_server'; }
nodes_wait 90 passes || fail "TLS does not pass"
nodes_log "TCP and TLS"

# the server restarted: what is served goes on, what is new comes
kill "$NODES_SERVER_PID"
wait "$NODES_SERVER_PID" 2>/dev/null
answers 200 open.p.example || fail "without the server the open service is gone"
(exec ip netns exec "$TOPO-mid" "$ROOKERY" run --config "$NODES_DIR/server/config.yaml") >>"$NODES_DIR/server/log" 2>&1 &
NODES_SERVER_PID=$!
nodes_wait 60 topo_in mid curl -sf "$NODES_URL/api/instance" || fail "the server does not come back"
nodes_wait 90 cluster_online || fail "the proxy does not come back"
service "{\"name\":\"late\",\"domain\":\"late.p.example\",\"enabled\":true,\"targets\":[$target]}" >/dev/null
nodes_wait 120 answers 200 late.p.example || fail "after a restart nothing new is told"
nodes_log "restarted"

# what goes
# (Official proxies of 0.77 keep the port of a deleted TCP service open, whoever tells them.)
nodes_api DELETE "/api/reverse-proxies/services/$locked" >/dev/null
nodes_wait 60 answers 404 locked.p.example || fail "a service that was deleted goes on"
nodes_agent_stop a
unreached() { visit open.p.example --max-time 60 | tail -1 | has '^50[0-9]'; }
nodes_wait 120 unreached || fail "a target that is gone: $(visit open.p.example | tail -1)"

# the token is revoked: no new connection
nodes_api DELETE "/api/reverse-proxies/proxy-tokens/$(jq -r .id <<<"$made")" >/dev/null
kill "$(cat "$NODES_DIR/proxy/pid")"
proxy_start revoked "$token" 8446
nodes_wait 60 has -i unauthenticated "$NODES_DIR/revoked/log" || fail "a revoked token is taken"
echo "official proxy on our server: all held"
