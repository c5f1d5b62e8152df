#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The image in the place of the official server's: started as root with a configuration that root alone may
# read and a volume that belongs to root, on a root file system that nobody can write. With the official
# quickstart script (NETBIRD_QUICKSTART) that runs unmodified; suite "container".
set -u
. "$SRC_DIR/tests/lib/containers.sh"
[ "$(id -u)" = 0 ] || { echo "skip: not root"; exit 77; }
for p in dockerd debootstrap dpkg-shlibdeps; do
    command -v $p >/dev/null || { echo "skip: $p is not installed"; exit 77; }
done
work=$(mktemp -d /tmp/rookery-dropin-XXXXXX)
failed=0
end() {
    local status=$?
    docker ps -aq 2>/dev/null | xargs -r docker rm -f >/dev/null 2>&1
    containers_stop "$work/docker"
    rm -rf "$work"
    exit $status
}
trap end EXIT
check() { # NAME COMMAND…
    local name=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        echo "ok   $name"
    else
        echo "FAIL $name"
        tail -15 "$work/out"
        failed=$((failed + 1))
        return 1
    fi
}
equal() { [ "$1" = "$2" ] || { echo "\"$1\" is not \"$2\""; return 1; }; }
within() { # SECONDS COMMAND…
    local i n=$(($1 * 2))
    shift
    for ((i = 0; i < n; i++)); do
        "$@" && return 0
        sleep 0.5
    done
    return 1
}
in_container() { docker exec server "$@"; }
url() { echo "http://$(docker port server 80/tcp | head -1)"; }
serves() { curl -sf -o /dev/null "$(url)/oauth2/.well-known/openid-configuration"; }
healthy() { [ "$(docker inspect -f '{{.State.Health.Status}}' server)" = healthy ]; }
owner() { # PASSWORD: as the official dashboard asks, without a token
    curl -s -o /dev/null -w '%{http_code}' -X POST "$(url)/api/setup" -H 'Content-Type: application/json' \
        -d "{\"email\":\"a@example.com\",\"password\":\"$1\",\"name\":\"A\"}"
}

containers_start "$work/docker" || { echo "skip: the container engine does not start here"; exit 77; }
containers_base "${ROOKERY_BASE_IMAGE_CACHE:-$work/base.tar}" || exit 1
containers_image "$work" rookery:local || exit 1
size() { docker image inspect -f '{{.Size}}' "$1"; }
mb=$((($(size rookery:local) - $(size debian:bookworm-slim)) / 1000000))
echo "the image adds $mb MB to its base"
check "under 60 MB on top of its base" [ $mb -lt 60 ]

# What the official quickstart writes, mode included; every key of it.
key() { openssl rand -base64 32; }
cat >"$work/config.yaml" <<YAML
server:
  listenAddress: ":80"
  exposedAddress: "http://localhost:80"
  stunPorts:
    - 3478
  metricsPort: 9090
  healthcheckAddress: ":9000"
  logLevel: "info"
  logFile: "console"
  authSecret: "$(key)"
  dataDir: "/var/lib/netbird"
  auth:
    issuer: "http://localhost/oauth2"
    signKeyRefreshEnabled: true
    sessionCookieEncryptionKey: "$(key)"
    dashboardRedirectURIs:
      - "http://localhost/nb-auth"
      - "http://localhost/nb-silent-auth"
    cliRedirectURIs:
      - "http://localhost:53000/"
  reverseProxy:
    trustedHTTPProxies:
      - "172.30.0.10/32"
  store:
    engine: "sqlite"
    encryptionKey: "$(key)"
YAML
chmod 600 "$work/config.yaml"
docker volume create data >/dev/null
docker run --rm --user 0 --entrypoint sh -v data:/data debian:bookworm-slim -c 'chown 0:0 /data; echo old >/data/of-root; chmod 600 /data/of-root' || exit 1

start() { # OPTION…
    docker run -d --name server --read-only -v data:/var/lib/netbird -v "$work/config.yaml:/etc/netbird/config.yaml" \
        -p 127.0.0.1::80 "$@" rookery:local --config /etc/netbird/config.yaml >/dev/null
}
check "it starts as root" start
check "and serves" within 120 serves || docker logs server
check "as somebody else" equal "$(in_container stat -c %u:%g /proc/1)" 65532:65532
check "with nothing but low ports" equal "$(in_container sed -n 's/^CapEff:\t0*//p; s/^CapPrm:\t0*//p; s/^NoNewPrivs:\t//p' /proc/1/status | tr '\n' ' ')" "400 400 1 "
check "the volume belongs to it" equal "$(in_container stat -c %u /var/lib/netbird/of-root)" 65532
check "the store is in the volume" in_container test -s /var/lib/netbird/rookery.db
check "the probe says healthy" within 60 healthy
address=$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' server)
check "the health page answers" curl -sf "http://$address:9000/health"
check "metrics too" curl -sf "http://$address:9000/metrics"
check "the first visitor becomes the owner" equal "$(owner demo-Passw0rd!)" 200
check "the second does not" equal "$(owner other-Passw0rd!)" 412
check "the official name is there" in_container /go/bin/netbird-server admin user list --config /etc/netbird/config.yaml
check "what is not here is refused" bash -c '! docker exec server /go/bin/netbird-server admin token create --name default-proxy --config /etc/netbird/config.yaml'
check "it stops in order" docker stop -t 40 server
check "with status 0" equal "$(docker inspect -f '{{.State.ExitCode}}' server)" 0
docker start server >/dev/null
check "and starts again" within 120 serves
check "with what it knew" equal "$(curl -s "$(url)/api/instance" | jq .setup_required)" false
docker rm -f server >/dev/null
chown 65532 "$work/config.yaml"
check "it starts as nobody" start --user 65532:65532 --cap-drop ALL --sysctl net.ipv4.ip_unprivileged_port_start=0
check "and serves, too" within 120 serves
docker rm -f server >/dev/null

if [ -n "${NETBIRD_QUICKSTART-}" ] && command -v docker-compose >/dev/null; then
    mkdir "$work/quick"
    # in the place of the dashboard, which is another project
    printf 'FROM debian:bookworm-slim\nCMD ["sleep", "infinity"]\n' | docker build -q -t stand-in - >/dev/null
    (cd "$work/quick" && timeout 300 env NETBIRD_NON_INTERACTIVE=true NETBIRD_DOMAIN=vpn.example.com NETBIRD_REVERSE_PROXY_TYPE=3 \
        NETBIRD_SERVER_IMAGE=rookery:local DASHBOARD_IMAGE=stand-in bash "$NETBIRD_QUICKSTART") >"$work/quick.log" 2>&1
    check "the official quickstart runs" [ $? = 0 ] || tail -20 "$work/quick.log"
    check "and the server is ready" curl -sf http://127.0.0.1:8081/oauth2/.well-known/openid-configuration
    docker rm -f netbird-server netbird-dashboard >/dev/null 2>&1
else
    echo "skip: the official quickstart (NETBIRD_QUICKSTART names its script; docker-compose)"
fi
[ $failed = 0 ]
