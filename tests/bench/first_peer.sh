#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# How long from the package to the first machine: apt install rookery, rookery setup with a certificate of a
# real authority (pebble), apt install rook, rook up, connected. On a machine of its own with systemd;
# building and fetching are not counted. Needs BUILD_DIR and SRC_DIR: make bench-first-peer.
#
#   DEBS=DIR  packages that are built already
set -u
# shellcheck source=tests/lib/systemd.sh
. "$SRC_DIR/tests/lib/systemd.sh"
for p in pebble pebble-challtestsrv uacme dh jq; do
    command -v "$p" >/dev/null || { echo "skip: $p is not installed"; exit 77; }
done
[ -c /dev/net/tun ] || { echo "skip: no /dev/net/tun"; exit 77; }

sd_boot || exit $?
work=$(mktemp -d /tmp/rookery-first-peer.XXXXXX)
trap 'rm -rf "$work"; sd_halt' EXIT
if [ -z "${DEBS-}" ]; then
    DEBS=$work/debs
    "$SRC_DIR/deploy/build-deb.sh" --from-build "$BUILD_DIR" --out "$DEBS" --no-lint >"$work/build.log" 2>&1 ||
        { cat "$work/build.log"; exit 1; }
fi
sd rm -rf /var/lib/rook /var/lib/rookery /etc/rookery
for p in rookery rook; do
    sd tee /tmp/$p.deb >/dev/null <"$(find "$DEBS" -name "${p}_*.deb")"
done
sd bash -c 'echo "127.0.0.1 vpn.test" >>/etc/hosts; mkdir -p /opt/ca; cd /opt/ca
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null
    cat cert.pem >>/etc/ssl/certs/ca-certificates.crt
    echo "{\"pebble\":{\"listenAddress\":\"127.0.0.1:14000\",\"managementListenAddress\":\"127.0.0.1:15000\",
        \"certificate\":\"/opt/ca/cert.pem\",\"privateKey\":\"/opt/ca/key.pem\",\"httpPort\":80,\"tlsPort\":443,
        \"ocspResponderURL\":\"\"}}" >pebble.json
    systemd-run --quiet --unit=pebble-dns pebble-challtestsrv -defaultIPv4 127.0.0.1 -defaultIPv6 "" \
        -dns01 127.0.0.1:8053 -http01 "" -https01 "" -tlsalpn01 "" -management 127.0.0.1:8055
    systemd-run --quiet --unit=pebble pebble -config /opt/ca/pebble.json -dnsserver 127.0.0.1:8053
    for i in $(seq 600); do curl -sfk https://localhost:15000/roots/0 >root.pem && break; sleep 0.1; done
    cat root.pem >>/etc/ssl/certs/ca-certificates.crt # for programs that read this, and that:
    ln -s /opt/ca/root.pem "/etc/ssl/certs/$(openssl x509 -noout -hash -in root.pem).0"'

now() { date +%s%N; }
ms() { echo $((($2 - $1) / 1000000)); }
apt() { sd env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o Dpkg::Use-Pty=0 "$@" >"$work/apt.log" 2>&1 || { cat "$work/apt.log"; exit 1; }; }

t0=$(now)
apt install /tmp/rookery.deb
t1=$(now)
sd rookery setup --domain vpn.test --owner-email me@example.com --acme-directory https://localhost:14000/dir --json \
    >"$work/setup.json" 2>"$work/setup.log" || { cat "$work/setup.log"; exit 1; }
t2=$(now)
apt install /tmp/rook.deb
t3=$(now)
sd rook up --management-url https://vpn.test --setup-key "$(jq -r .setup_key "$work/setup.json")" || exit 1
t4=$(now)
sd rookery admin peer list --json | jq -e 'length == 1' >/dev/null || { echo "the machine is not there"; exit 1; }
echo "first_peer_install_server_ms $(ms "$t0" "$t1")"
echo "first_peer_setup_ms $(ms "$t1" "$t2")"
echo "first_peer_install_agent_ms $(ms "$t2" "$t3")"
echo "first_peer_enrol_ms $(ms "$t3" "$t4")"
echo "first_peer_total_ms $(ms "$t0" "$t4")"
