#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Builds the image, starts the composed services behind the proxy, and the all-in-one variant, and
# enrols agents against both. Needs docker.io, docker-compose and debootstrap; suite "container".
. "$(dirname "$0")/../lib/scenario.sh"
. "$SRC_DIR/tests/lib/containers.sh"
need_root
need_program ROOK
for p in dockerd docker-compose debootstrap; do
    command -v $p >/dev/null || skip "$p is not installed"
done

work=$(mktemp -d /tmp/rookery-container-XXXXXX)
host=10.82.0.1
compose_end() {
    local status=$?
    (cd "$work/compose" 2>/dev/null && docker-compose -f docker-compose.yml down -v >/dev/null 2>&1
     docker-compose -f docker-compose.all-in-one.yml down -v >/dev/null 2>&1)
    containers_stop "$work/docker"
        topo_down
    ip link del rkcbr 2>/dev/null
    rm -rf "$NODES_DIR" "$work"
    exit $status
}
trap compose_end EXIT

machines() { # two machines that reach this host as $host; no NAT between them
    local x
    ip netns add "$TOPO-mid" # nodes_api runs here
    for x in a b; do
        ip netns add "$TOPO-l$x"
    done
    ip link add rkcbr type bridge 2>/dev/null || true
    ip addr replace $host/24 dev rkcbr
    ip link set rkcbr up
    local n=2
    for x in mid la lb; do
        ip link add "rkc$n" type veth peer name eth0 netns "$TOPO-$x"
        ip link set "rkc$n" master rkcbr up
        ip -n "$TOPO-$x" link set lo up
        ip -n "$TOPO-$x" addr add "10.82.0.$n/24" dev eth0
        ip -n "$TOPO-$x" link set eth0 up
        ip -n "$TOPO-$x" route add default via $host
        n=$((n + 1))
    done
}

certificate() { # a CA of this test and a certificate for $host
    mkdir -p "$work/compose/certs"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=Test CA" \
        -keyout "$work/ca.key" -out "$work/ca.crt" 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$host" \
        -keyout "$work/compose/certs/tls.key" -out "$work/tls.csr" 2>/dev/null
    openssl x509 -req -in "$work/tls.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days 2 \
        -extfile <(echo "subjectAltName=IP:$host,DNS:localhost") -out "$work/compose/certs/tls.crt" 2>/dev/null
    chmod 644 "$work/compose/certs/tls.key"
    export SSL_CERT_FILE=$work/ca.crt CURL_CA_BUNDLE=$work/ca.crt
}

proxy_image() {
    docker build -q -t rookery-test-proxy - >/dev/null <<'EOF'
FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends caddy >/dev/null
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]
EOF
}

owner() { # CONTAINER: the first owner by the setup token in its data folder
    local token answer
    nodes_wait 60 topo_in mid curl -sf "$NODES_URL/api/instance" || return 1
    token=$(docker run --rm --volumes-from "$1" --entrypoint cat rookery:local /var/lib/rookery/setup-token) || return 1
    answer=$(topo_in mid curl -sS --fail-with-body -X POST -H "X-Setup-Token: $token" -H 'Content-Type: application/json' \
        --data '{"email":"a@example.com","password":"demo-Passw0rd!","name":"A","create_pat":true}' "$NODES_URL/api/setup") ||
        { echo "$answer"; return 1; }
    NODES_TOKEN=$(jq -r .personal_access_token <<<"$answer")
}

peer_connected() { # KIND: does agent a have a peer that is connected?
    nodes_status "$1" la a | jq -e 'any(.peers.details[]; .status == "Connected")'
}

two_agents() { # KIND: enrol two and ping; the engine's firewall rules may leave them only the relay
    local key b
    key=$(nodes_setup_key)
    nodes_agent_start "$1" la a "$key" && nodes_agent_start "$1" lb b "$key" || return 1
    b=$(nodes_ip "$1" lb b)
    nodes_wait 30 nodes_ping la "$b" && nodes_wait 10 peer_connected "$1"
}

containers_start "$work/docker" || skip "the container engine does not start here"
containers_base "${ROOKERY_BASE_IMAGE_CACHE:-$work/base.tar}" || fail "no base image"
nodes_log "base image"
if [ -n "${ROOKERY_PREBUILT-}" ]; then # the programs of BUILD_DIR: minutes less
    containers_image "$work" rookery:local || fail "the image does not build"
else
    docker build -q -f "$SRC_DIR/deploy/container/Dockerfile" -t rookery:local "$SRC_DIR" >"$work/build.log" 2>&1 ||
        { tail -30 "$work/build.log"; fail "the image does not build"; }
fi
proxy_image || fail "proxy image"
nodes_log "images built; rookery:local is $(($(docker image inspect -f '{{.Size}}' rookery:local) / 1000000)) MB unpacked"

mkdir -p "$work/compose/secrets"
cp "$SRC_DIR"/deploy/compose/* "$work/compose/"
openssl rand -hex 32 >"$work/compose/secrets/relay_secret"
chmod 644 "$work/compose/secrets/relay_secret"
certificate
machines
cat >"$work/compose/.env" <<EOF
ROOKERY_DOMAIN=$host
ROOKERY_PROXY_IMAGE=rookery-test-proxy
ROOKERY_HTTPS_PORT=443
EOF
cd "$work/compose" || exit 1
NODES_URL=https://$host NODES_AGENT_URL=https://$host
sed -i '/^    build:/,/dockerfile:/d' docker-compose.yml docker-compose.all-in-one.yml

for variant in docker-compose.yml docker-compose.all-in-one.yml; do
    docker-compose -f $variant up -d >"$work/up.log" 2>&1 || { cat "$work/up.log"; fail "$variant does not start"; }
    case $variant in docker-compose.yml) c=management ;; *) c=rookery ;; esac
    owner "$(docker-compose -f $variant ps -q $c)" || { docker-compose -f $variant logs --tail=20; fail "$variant: no owner"; }
    nodes_log "$variant: up and set up"
    two_agents rook || { docker-compose -f $variant logs --tail=30; fail "$variant: rook does not connect"; }
    nodes_log "$variant: two rook agents connected"
    if [ -n "${NETBIRD_BIN-}" ]; then
        nodes_agent_stop a; nodes_agent_stop b
        rm -rf "$NODES_DIR/a" "$NODES_DIR/b"
        two_agents netbird || { nodes_status netbird la a | jq -c '{peers, relays, management, signal}'; docker-compose -f $variant logs --tail=30; fail "$variant: official clients do not connect"; }
        nodes_log "$variant: two official clients connected"
    fi
    nodes_agent_stop a; nodes_agent_stop b
    rm -rf "$NODES_DIR/a" "$NODES_DIR/b"
    docker-compose -f $variant down -v >/dev/null 2>&1
done
echo "containers: all held"
