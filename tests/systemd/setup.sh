#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# `rookery setup` on a machine with systemd: from the installed programs to the first machine, with a
# certificate of a real pebble. Needs BUILD_DIR and SRC_DIR, pebble and uacme.
set -u
# shellcheck source=tests/lib/systemd.sh
. "$SRC_DIR/tests/lib/systemd.sh"
for p in pebble pebble-challtestsrv uacme; do
    command -v "$p" >/dev/null || { echo "skip: $p is not installed"; exit 77; }
done
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
work=$(mktemp -d /tmp/rookery-setup.XXXXXX)
trap 'rm -rf "$work"; sd_halt' EXIT
make -C "$BUILD_DIR" -s DESTDIR="$work/image" install >/dev/null 2>&1 || exit 1
tar -C "$work/image" -c . | sd tar --no-same-owner -C / -x
for unit in rookery rookery-backup; do
    sed -e 's|@prefix@|/usr/local|g; s|@config@|/etc/rookery/config.yaml|g; s|@data@|/var/lib/rookery|g' \
        "$SRC_DIR/deploy/systemd/$unit.service.in" | sd tee /etc/systemd/system/$unit.service >/dev/null
done
sd tee /etc/systemd/system/rookery-backup.timer <"$SRC_DIR/deploy/systemd/rookery-backup.timer" >/dev/null
sd bash -c 'getent passwd rookery >/dev/null || useradd --system --shell /usr/sbin/nologin rookery
    echo "127.0.0.1 vpn.test" >>/etc/hosts; mkdir -p /opt/ca; cd /opt/ca
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null
    cat cert.pem >>/etc/ssl/certs/ca-certificates.crt
    echo "{\"pebble\":{\"listenAddress\":\"127.0.0.1:14000\",\"managementListenAddress\":\"127.0.0.1:15000\",
        \"certificate\":\"/opt/ca/cert.pem\",\"privateKey\":\"/opt/ca/key.pem\",\"httpPort\":80,\"tlsPort\":443,
        \"ocspResponderURL\":\"\"}}" >pebble.json
    systemctl daemon-reload
    systemd-run --quiet --unit=pebble-dns pebble-challtestsrv -defaultIPv4 127.0.0.1 -defaultIPv6 "" \
        -dns01 127.0.0.1:8053 -http01 "" -https01 "" -tlsalpn01 "" -management 127.0.0.1:8055
    systemd-run --quiet --unit=pebble -E PEBBLE_VA_NOSLEEP=1 pebble -config /opt/ca/pebble.json -dnsserver 127.0.0.1:8053
    for i in $(seq 100); do curl -s https://localhost:14000/dir >/dev/null && break; sleep 0.1; done'

setup() { sd rookery setup --domain vpn.test --owner me@example.com --acme-directory https://localhost:14000/dir "$@"; }
state() { sd bash -c 'cd /etc && find rookery systemd/system -type f | sort | xargs sha256sum; stat -c "%n %y" rookery/config.yaml; systemctl show -P MainPID rookery'; }

sd bash -c 'install -d -m 700 -o rookery /var/lib/rookery; touch /var/lib/rookery/store.key'
setup >"$work/owners" 2>&1
check "what root left in the data folder is seen before anything is written" bash -c \
    'grep "store.key is there and does not belong" "$0"' "$work/owners"
check "and nothing was" sd test ! -e /etc/rookery/config.yaml
sd rm -rf /var/lib/rookery

from=$(date +%s%N)
setup --json >"$work/setup.json" 2>"$work/setup.log"
check "from nothing to a server with a certificate" [ "$?" = 0 ] || cat "$work/setup.log"
key=$(jq -r .setup_key "$work/setup.json")
check "its certificate is of the authority" sd bash -c 'openssl s_client -connect vpn.test:443 -servername vpn.test </dev/null 2>/dev/null | openssl x509 -noout -issuer | grep Pebble'
sd bash -c 'f=/etc/ssl/certs/pebble.pem; curl -sk https://localhost:15000/roots/0 >$f; cat $f >>/etc/ssl/certs/ca-certificates.crt
    ln -s $f /etc/ssl/certs/$(openssl x509 -noout -hash -in $f).0'
if [ -c /dev/net/tun ]; then
    sd systemd-run --quiet --unit=rook rook service run
    for _ in $(seq 100); do sd rook status >/dev/null 2>&1 && break; sleep 0.1; done
    check "the line for rook enrols a machine" sd rook up --management-url https://vpn.test --setup-key "$key"
    echo "from setup to the first machine: $((($(date +%s%N) - from) / 1000000)) ms"
    check "it is there" sd bash -c 'rookery admin peer list --json | jq -e "length == 1"'
else
    echo "note: no /dev/net/tun, no machine was enrolled"
fi
check "it runs as its user" sd bash -c '[ "$(systemctl show -P User rookery)" = rookery ] && systemctl is-active rookery && systemctl is-enabled rookery'
check "the nightly backup is planned" sd systemctl is-active rookery-backup.timer
check "nobody else reads the configuration" sd bash -c '[ "$(stat -c "%U:%G %a" /etc/rookery/config.yaml)" = "root:rookery 640" ]'
state >"$work/before"
check "again" bash -c '[ -n "$0" ]' "$(setup)"
state >"$work/after"
check "changes nothing" diff "$work/before" "$work/after"
sd systemctl stop rookery
check "with the server stopped it is started" bash -c '[[ "$0" = *"set up before"* ]]' "$(setup)"

sd bash -c 'systemctl disable --now rookery 2>/dev/null; rm -rf /etc/rookery /var/lib/rookery
    mkdir -p /etc/letsencrypt/live/x; cd /etc/letsencrypt/live/x
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=vpn.test \
        -addext subjectAltName=DNS:vpn.test -keyout privkey.pem -out fullchain.pem 2>/dev/null; chmod 600 *; chmod 700 ..'
check "a certificate that root alone may read" sd rookery setup --domain vpn.test --owner me@example.com \
    --cert /etc/letsencrypt/live/x/fullchain.pem --key /etc/letsencrypt/live/x/privkey.pem --data /srv/rookery
check "with the data elsewhere" sd test -e /srv/rookery/rookery.db
check "reload works" sd systemctl reload rookery

sd bash -c 'systemctl disable --now rookery 2>/dev/null; rm -rf /etc/rookery /srv/rookery /etc/systemd/system/rookery.service.d
    mkdir -p -m 0700 /var/lib/rookery; echo x >/var/lib/rookery/store.key; chmod 600 /var/lib/rookery/store.key; chown -R rookery: /var/lib/rookery'
setup >"$work/said" 2>&1
check "a key that opens nothing" [ "$?" = 1 ]
check "is found before anything is written" grep -q encryptionKey "$work/said"
check "and nothing is" sd test ! -e /etc/rookery
sd bash -c 'rm -rf /var/lib/rookery/*; mkdir -p /etc/systemd/system/rookery.service.d
    printf "[Service]\nExecStartPre=/bin/sh -c \"echo broken on purpose; exit 1\"\n" >/etc/systemd/system/rookery.service.d/x.conf'
setup >"$work/said" 2>&1
check "a unit that does not start" [ "$?" = 1 ]
check "is told with the end of its log" grep -q "broken on purpose" "$work/said"
sd rm /etc/systemd/system/rookery.service.d/x.conf
check "and when it is mended setup goes on" setup
[ "$failed" = 0 ]
