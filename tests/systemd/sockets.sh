#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Listening sockets and the service manager: nobody who connects during a restart is refused, a changed
# address takes the place of the one that was kept, and a socket unit hands over low ports to a server
# without any capability. Needs BUILD_DIR and SRC_DIR.
set -u
# shellcheck source=tests/lib/systemd.sh
. "$SRC_DIR/tests/lib/systemd.sh"
failed=0
check() { # NAME COMMAND…
    local name=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        echo "ok   $name"
    else
        echo "FAIL $name"
        tail -15 "$work/out"
        failed=$((failed + 1))
    fi
}

sd_boot || exit $?
work=$(mktemp -d /tmp/rookery-sockets.XXXXXX)
trap 'rm -rf "$work"; sd_halt' EXIT
sd mkdir -p /opt/rookery/bin /etc/rookery
for f in rookery rookery-relay; do sd tee /opt/rookery/bin/$f <"$BUILD_DIR/$f" >/dev/null; done
sd tee /opt/knock.py <"$SRC_DIR/tests/systemd/knock.py" >/dev/null
for unit in rookery rookery-relay; do
    sed -e 's|@prefix@|/opt/rookery|g; s|@config@|/etc/rookery/config.yaml|g; s|@data@|/var/lib/rookery|g' \
        "$SRC_DIR/deploy/systemd/$unit.service.in" | sd tee /etc/systemd/system/$unit.service >/dev/null
done
sd tee /etc/systemd/system/rookery.socket <"$SRC_DIR/deploy/systemd/rookery.socket" >/dev/null
sd bash -c 'chmod 755 /opt/rookery/bin/*; getent passwd rookery >/dev/null || useradd --system --shell /usr/sbin/nologin rookery
    rm -rf /var/lib/rookery; install -d -m 700 -o rookery /var/lib/rookery; install -d /etc/rookery-relay
    install -m 600 /dev/stdin /etc/rookery-relay/auth-secret <<<not-a-real-secret
    echo "ROOKERY_RELAY_EXPOSED_ADDRESS=rel://127.0.0.1:8099
ROOKERY_RELAY_LISTEN_ADDRESS=127.0.0.1:8099
ROOKERY_RELAY_ENABLE_STUN=true
ROOKERY_RELAY_STUN_PORTS=8097
ROOKERY_RELAY_HEALTH_LISTEN_ADDRESS=127.0.0.1:8098" >/etc/default/rookery-relay'

config() { # LISTEN_ADDRESS
    sd tee /etc/rookery/config.yaml >/dev/null <<YAML
server:
  listenAddress: "$1"
  exposedAddress: "http://127.0.0.1:${1##*:}"
  stunPorts: [3478]
YAML
}
up() { sd curl -sf --max-time 60 -o /dev/null "http://127.0.0.1:$1/api/instance"; }
knock() { # UNIT TCP UDP: connections and STUN requests all through some restarts; with its last words
    sd python3 /opt/knock.py "$2" "$3" /tmp/stop >"$work/knock" 2>&1 &
    local job=$! i
    sleep 0.5
    for i in 1 2 3; do
        sd systemctl reset-failed "$1"
        sd systemctl restart "$1" || break
        sleep 0.3
    done
    sd touch /tmp/stop
    wait "$job"
    local rc=$?
    sd rm -f /tmp/stop
    tail -3 "$work/knock"
    return $rc
}
kept() { sd systemctl show -P NFileDescriptorStore "$1"; }
lines() { sd journalctl -u "$1" -o cat --no-pager | grep "$2"; }

config :8443
sd systemctl daemon-reload
check "the server starts" sd systemctl start rookery
check "it answers" up 8443
check "its sockets are kept" [ "$(kept rookery)" -ge 3 ]
before=$(kept rookery)
check "who comes during restarts is not refused" knock rookery 8443 3478
tail -1 "$work/knock"
check "there are no more of them after restarts" [ "$(kept rookery)" = "$before" ]
config 127.0.0.1:8443
sd systemctl reset-failed rookery
check "another address at the same port" sd systemctl restart rookery
check "is listened on" up 8443
check "and the other one not" sd bash -c "ss -ltnH 'sport = 8443' | grep -v 127.0.0.1: | grep . && exit 1 || true"
sd bash -c 'echo "  x: {loops: 1}" >>/etc/rookery/config.yaml'
sd systemctl reset-failed rookery
check "fewer threads" sd systemctl restart rookery
for _ in 1 2 3 4 5 6 7 8; do check "reach every connection" up 8443; done
check "stopped it listens no more" sd bash -c "systemctl stop rookery; ! ss -ltnH 'sport = 8443' | grep ."

check "the relay alone starts" sd systemctl start rookery-relay
check "and refuses nobody over restarts" knock rookery-relay 8098 8097
sd systemctl stop rookery-relay

config :443
sd mkdir -p /etc/systemd/system/rookery.service.d
sd tee /etc/systemd/system/rookery.service.d/ports.conf >/dev/null <<'UNIT'
[Service]
AmbientCapabilities=
CapabilityBoundingSet=
UNIT
sd systemctl daemon-reload
check "without the privilege it has no low port" sd bash -c '! systemctl start rookery'
sd systemctl stop rookery; sd systemctl reset-failed rookery
check "systemd has the ports" sd systemctl start rookery.socket
check "and who connects starts the server" up 443
[ "$failed" = 0 ] || sd journalctl -u rookery -u rookery.socket -o cat --no-pager | tail -20
check "it has no privilege" sd bash -c 'grep -q "^CapEff:\s*0*$" /proc/$(systemctl show -P MainPID rookery)/status'
check "it is closed" sd systemd-analyze security --threshold=14 rookery.service
check "a restart refuses nobody" knock rookery 443 3478
check "stop ends it as well" sd systemctl stop rookery.socket rookery
sd mkdir -p /etc/systemd/system/rookery.socket.d
sd bash -c 'printf "[Socket]\nListenStream=8444\n" >/etc/systemd/system/rookery.socket.d/x.conf; systemctl daemon-reload; systemctl start rookery.socket'
check "a port that no configuration names" up 443
check "is told" lines rookery 'not in the configuration.*8444'
[ "$failed" = 0 ]
