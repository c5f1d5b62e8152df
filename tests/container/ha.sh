#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two servers, PostgreSQL and HAProxy as composed, with agents that come through HAProxy; a server dies,
# and agents go on. PostgreSQL and HAProxy are Debian's, in images made here. Suite "container".
. "$(dirname "$0")/../lib/scenario.sh"
. "$SRC_DIR/tests/lib/containers.sh"
need_root
need_program ROOK
for p in dockerd docker-compose debootstrap; do
    command -v $p >/dev/null || skip "$p is not installed"
done

work=$(mktemp -d /tmp/rookery-container-XXXXXX)
host=10.83.0.1
compose() { docker-compose -f "$work/compose/docker-compose.ha.yml" "$@"; }
compose_end() {
    local status=$?
    [ ! -d "$work/compose" ] || compose down -v >/dev/null 2>&1
    containers_stop "$work/docker"
    topo_down
    ip link del rkhbr 2>/dev/null
    rm -rf "$NODES_DIR" "$work"
    exit $status
}
trap compose_end EXIT

machines() { # two machines that reach this host as $host; no NAT between them
    local x n=2
    ip link add rkhbr type bridge 2>/dev/null || true
    ip addr replace $host/24 dev rkhbr
    ip link set rkhbr up
    for x in mid la lb; do
        ip netns add "$TOPO-$x"
        ip link add "rkh$n" type veth peer name eth0 netns "$TOPO-$x"
        ip link set "rkh$n" master rkhbr up
        ip -n "$TOPO-$x" link set lo up
        ip -n "$TOPO-$x" addr add "10.83.0.$n/24" dev eth0
        ip -n "$TOPO-$x" link set eth0 up
        ip -n "$TOPO-$x" route add default via $host
        n=$((n + 1))
    done
}

certificate() {
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

images() { # with what the usual images of the same names take: variables, paths, users
    docker build -q -t rookery-test-haproxy - >/dev/null <<'EOF' || return 1
FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends haproxy >/dev/null
USER haproxy
CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
EOF
    mkdir -p "$work/pg"
    cat >"$work/pg/entry" <<'EOF'
#!/bin/sh
set -e
bin=$(ls -d /usr/lib/postgresql/*/bin)
d=/var/lib/postgresql/data
as() { setpriv --reuid postgres --regid postgres --init-groups "$@"; }
chown postgres "$d"
if [ ! -e "$d/PG_VERSION" ]; then
    as cp "$POSTGRES_PASSWORD_FILE" /tmp/pw
    as "$bin/initdb" -D "$d" -U "$POSTGRES_USER" --pwfile=/tmp/pw -A scram-sha-256 -E UTF8 --locale=C.UTF-8
    echo "host all all all scram-sha-256" >>"$d/pg_hba.conf"
    echo "local all all trust" >"$d/pg_hba.new"; cat "$d/pg_hba.conf" >>"$d/pg_hba.new"; as cp "$d/pg_hba.new" "$d/pg_hba.conf"
    as "$bin/pg_ctl" -D "$d" -w -o "-c listen_addresses=" start
    as psql -h /var/run/postgresql -U "$POSTGRES_USER" -d postgres -c "CREATE DATABASE $POSTGRES_DB"
    as "$bin/pg_ctl" -D "$d" -w stop
fi
exec setpriv --reuid postgres --regid postgres --init-groups "$bin/postgres" -D "$d" -c "listen_addresses=*"
EOF
    cat >"$work/pg/Dockerfile" <<'EOF'
FROM debian:bookworm-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql >/dev/null
COPY entry /entry
RUN chmod 755 /entry && mkdir -p /var/lib/postgresql/data
STOPSIGNAL SIGINT
CMD ["/entry"]
EOF
    docker build -q -t rookery-test-postgres "$work/pg" >/dev/null
}

two_joined() {
    compose exec -T rookery1 rookery admin cluster --json 2>/dev/null | tee "$work/cluster" | jq -e 'length == 2'
}

containers_start "$work/docker" || skip "the container engine does not start here"
containers_base "${ROOKERY_BASE_IMAGE_CACHE:-$work/base.tar}" || fail "no base image"
nodes_log "base image"
containers_image "$work" rookery:local || fail "the image does not build"
images || fail "images"
nodes_log "images built"

mkdir -p "$work/compose/secrets"
cp "$SRC_DIR"/deploy/compose/* "$work/compose/"
cd "$work/compose" || exit 1
for f in store_key auth_secret setup_token pg_password; do
    openssl rand -base64 32 > secrets/$f
done
echo "host=postgres user=rookery dbname=rookery password='$(cat secrets/pg_password)'" > secrets/dsn
chmod 644 secrets/*
certificate
machines
cat >.env <<EOF
ROOKERY_DOMAIN=$host
ROOKERY_HAPROXY_IMAGE=rookery-test-haproxy
ROOKERY_POSTGRES_IMAGE=rookery-test-postgres
EOF
sed -i '/^  build:/,/dockerfile:/d' docker-compose.ha.yml
NODES_URL=https://$host NODES_AGENT_URL=https://$host
compose up -d >"$work/up.log" 2>&1 || { cat "$work/up.log"; compose logs --tail=20; fail "does not start"; }
nodes_wait 60 topo_in mid curl -sf "$NODES_URL/api/instance" || { compose ps; compose logs --tail=20; fail "does not answer"; }
nodes_wait 60 two_joined || { compose exec -T rookery1 rookery admin cluster; compose logs --tail=30; fail "not two nodes"; }
nodes_log "two nodes"
answer=$(topo_in mid curl -sS --fail-with-body -X POST -H "X-Setup-Token: $(cat secrets/setup_token)" -H 'Content-Type: application/json' \
    --data '{"email":"a@example.com","password":"demo-Passw0rd!","name":"A","create_pat":true}' "$NODES_URL/api/setup") ||
    { compose logs --tail=20; fail "no owner: $answer"; }
NODES_TOKEN=$(jq -r .personal_access_token <<<"$answer")
key=$(nodes_setup_key)
kind=${ROOKERY_TEST_KIND:-rook}
nodes_agent_start $kind la a "$key" && nodes_agent_start $kind lb b "$key" || { compose logs --tail=30; fail "agents"; }
b=$(nodes_ip $kind lb b)
nodes_wait 60 nodes_ping la "$b" || { compose logs --tail=30; fail "no ping"; }
nodes_log "agents meet"
# Agent $1 in $2 lists relays of the two nodes, no others, and has one. Agents list those in use, and all that they
# were told while they have none.
told() {
    nodes_status $kind "$2" "$1" | jq -e --arg h "$host" '
        ["rels://\($h):8441", "rels://\($h):8442"] as $two | [.relays.details[] | select(.uri | startswith("rel"))] |
        any(.available) and ([.[].uri] | unique | . - $two == [])'
}
nodes_wait 60 told a la || { nodes_status $kind la a | jq -c .relays; fail "relays"; }
nodes_wait 60 told b lb || { nodes_status $kind lb b | jq -c .relays; fail "relays at b"; }
for port in 8441 8442; do # the one that no official agent may have taken yet answers too
    code=$(topo_in mid curl -sS -m 10 -o /dev/null -w '%{http_code}' "https://$host:$port/relay") && [ "$code" != 000 ] ||
        fail "no relay answers at $port: $code"
done
nodes_api GET /api/peers | jq -e '[.[].connection_ip] | sort == ["10.83.0.3", "10.83.0.4"]' >/dev/null ||
    fail "the agents' addresses are not known through the balancer: $(nodes_api GET /api/peers | jq -c '[.[].connection_ip]')"
compose exec -T rookery1 rookery admin cluster --json | jq -e --arg h "$host" \
    '[.[].relay] | sort == ["rels://\($h):8441", "rels://\($h):8442"]' >/dev/null || fail "relays of the nodes"
nodes_log "each node with a relay of its own"

at_other() { # both agents have management and signal, and the relay of the node that lives
    local x
    for x in "la a" "lb b"; do
        # shellcheck disable=SC2086
        nodes_status $kind $x | jq -e --arg uri "rels://$host:844${other#rookery}" '.management.connected and
            .signal.connected and any(.relays.details[]; .uri == $uri and .available)' || return 1
    done
}
connected() {
    nodes_api GET /api/peers | jq -e '[.[] | select(.connected)] | length == 2'
}
back() {
    compose exec -T "$other" rookery admin cluster --json | jq -e 'length == 2'
}
for victim in rookery1 rookery2; do
    other=rookery$((3 - ${victim#rookery}))
    container=$(compose ps -q $victim)
    docker kill "$container" >/dev/null
    nodes_log "$victim killed"
    nodes_wait 15 nodes_api POST /api/groups "{\"name\":\"after $victim\"}" || fail "no change after $victim died"
    nodes_log "a change is taken"
    nodes_wait 120 at_other || { nodes_status $kind la a | jq -c .; fail "agents do not come back"; }
    nodes_log "agents are at the other"
    sleep 10 # longer than it takes to declare it dead
    nodes_wait 60 connected || { nodes_api GET /api/peers | jq -c .; fail "not connected"; }
    nodes_wait 30 nodes_ping la "$b" || fail "no ping after"
    # a fresh one enrols
    nodes_agent_stop b; rm -rf "$NODES_DIR/b"
    nodes_agent_start $kind lb b "$key" || fail "no enrolment at one"
    b=$(nodes_ip $kind lb b)
    nodes_wait 60 nodes_ping la "$b" || fail "no ping to the new one"
    nodes_log "another agent enrolled with one server"
    docker start "$container" >/dev/null
    nodes_wait 60 back || { compose logs --tail=30; fail "$victim does not come back"; }
    nodes_log "$victim is back"
done
echo "containers: two servers held"
