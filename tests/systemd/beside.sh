#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# An agent on a machine where others manage the network, all of them real: systemd-networkd, firewalld
# and NetworkManager under a systemd of their own. The tunnel lives through restarts and reloads of each,
# names go on, and what networkd would remove stays because the agent's installation says so.
#
# BESIDE_ROOT: a folder with the files of network-manager, firewalld and what they need.
set -u
# shellcheck source=tests/lib/systemd.sh
. "$SRC_DIR/tests/lib/systemd.sh"
[ -x "${BESIDE_ROOT-}/usr/sbin/firewalld" ] || { echo "skip: BESIDE_ROOT is not set"; exit 77; }
command -v ip jq dig >/dev/null || { echo "skip: needs ip, jq, dig"; exit 77; }

fail() {
    echo "FAILED: $*"
    sd journalctl -q --no-pager -n 60 -o short 2>/dev/null | tail -60
    exit 1
}
within() { # SECONDS COMMAND…
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}

export SD_LOWER=$BESIDE_ROOT SD_UNITS="dbus systemd-networkd"
work=$(mktemp -d /tmp/rookery-beside.XXXXXX)
mkdir "$work/bin"
cp "$ROOK" "$ROOKERY" "$work/bin/"
sd_boot "$work/bin" || exit 77
trap 'sd_halt; rm -rf "$work"' EXIT

rook=/usr/local/bin/rook
sd cp "$work/bin/rook" "$work/bin/rookery" /usr/local/bin/
other() { sd ip netns exec far "$@"; } # the rest of the world: the server, and agent b
# All of /etc is b's own: of a single file the mount would go when NetworkManager replaces that file for a,
# and b would go on to take care of a's.
in_b() { # COMMAND…: with b's own state, files and socket
    other unshare -m sh -c 'mkdir -p /tmp/b/run /tmp/b/lib /var/lib/rook /var/lib/netbird
        mount --bind /tmp/b/run /run/rook && mount --bind /tmp/b/lib /var/lib/rook && mount --bind /tmp/b/lib /var/lib/netbird
        mount --bind /tmp/b/etc /etc && exec "$@"' b "$@"
}
api() { # METHOD PATH [JSON]
    other curl -sS --fail-with-body -m 20 -X "$1" -H "Authorization: Token $token" -H 'Content-Type: application/json' \
        ${3:+--data "$3"} "http://198.18.0.1:8080$2"
}
sd mkdir -p /tmp/s/data /tmp/b /run/rook
sd sh -c 'cp -a /etc /tmp/b/etc && rm -f /tmp/b/etc/resolv.conf && echo "nameserver 198.18.0.1" >/tmp/b/etc/resolv.conf
    ip netns add far
    ip link add eth0 type veth peer name eth0 netns far
    ip -n far addr add 198.18.0.1/24 dev eth0
    ip -n far link set eth0 up
    ip -n far link set lo up
    printf "[Match]\nName=eth0\n[Network]\nAddress=198.18.0.2/24\nGateway=198.18.0.1\nDNS=198.18.0.1\n" >/etc/systemd/network/10-eth0.network
    printf "server:\n  listenAddress: \":8080\"\n  exposedAddress: http://198.18.0.1:8080\n  stunPorts: [3478]\n  dataDir: /tmp/s/data\n" >/tmp/s/config.yaml'
sd systemctl start systemd-networkd || fail "networkd does not start"
within 120 sd sh -c 'ip route | grep -q "^default via 198.18.0.1 dev eth0"' || fail "networkd sets nothing up"
other rookery run --config /tmp/s/config.yaml >"$work/server.log" 2>&1 &
within 120 other curl -sf http://198.18.0.1:8080/api/instance || fail "no server: $(cat "$work/server.log")"
other python3 "$SRC_DIR/tests/lib/dnsd.py" 198.18.0.1 www.example=198.18.0.80 >"$work/dns.log" 2>&1 &
within 120 grep -q ready "$work/dns.log" || fail "no name server: $(cat "$work/dns.log")"
token=$(other curl -sS -m 20 -X POST -H "X-Setup-Token: $(sd cat /tmp/s/data/setup-token)" -H 'Content-Type: application/json' \
    --data '{"email":"a@example.com","password":"demo-Passw0rd!","name":"A","create_pat":true}' \
    http://198.18.0.1:8080/api/setup | jq -r .personal_access_token)
key=$(api POST /api/setup-keys '{"name":"k","type":"reusable","expires_in":86400,"auto_groups":[],"usage_limit":0}' | jq -r .key)

# the agent as people install it
sd "$rook" service install || fail "service install"
sd "$rook" service start || fail "service start"
within 120 sd "$rook" up --management-url http://198.18.0.1:8080 --setup-key "$key" --hostname a || fail "a: up"
in_b "$rook" service run >"$work/b.log" 2>&1 &
within 120 in_b "$rook" up --management-url http://198.18.0.1:8080 --setup-key "$key" --hostname b || fail "b: up: $(cat "$work/b.log")"
address() { "$@" "$rook" status --json | jq -r '.netbirdIp | split("/")[0]'; }
a=$(address sd) b=$(address in_b)
there() { sd ping -c1 -W2 "$b" && other ping -c1 -W2 "$a"; } # b has nothing of its own in the far namespace but rook
within 120 there || fail "no ping between a and b"
echo "ok   agents meet on a machine that systemd-networkd manages"

pings() { # WHILE COMMAND…: an unbroken row of echoes from b to a meanwhile; how many of them are lost
    other ping -i 0.2 "$a" >"$work/pings" 2>&1 &
    local pid=$!
    sleep 1
    "$@"
    local status=$?
    sleep 2
    kill -INT $pid 2>/dev/null
    pkill -INT -P $pid 2>/dev/null
    wait $pid 2>/dev/null
    return $status
}
lost() { awk '/icmp_seq=/ {split($0, f, "icmp_seq="); seq = f[2] + 0; n += /bytes from/} END {print seq - n " of " seq}' "$work/pings"; }
rules() { sd ip rule | grep -c -e '^105:' -e '^110:'; }

# ---- systemd-networkd removes what it does not know, but for us
foreign() { sd ip rule | grep -q "^$1:"; }
[ "$(rules)" = 2 ] || fail "our rules: $(sd ip rule)"
sd systemctl restart systemd-networkd # from now on it knows the drop-in
within 120 sd networkctl status eth0
sd ip rule add priority 998 table 100
sd networkctl reconfigure eth0 || fail "networkctl"
sleep 2
foreign 998 || fail "the drop-in has no effect: $(sd ip rule)"
[ "$(rules)" = 2 ] || fail "networkd removes our rules: $(sd ip rule)"
within 120 there || fail "no ping beside networkd"
sd mv /etc/systemd/networkd.conf.d/99-rook.conf /tmp/
sd systemctl restart systemd-networkd
within 120 sd networkctl status eth0
sd networkctl reconfigure eth0
within 120 sd sh -c '! ip rule | grep -q ^998:' || fail "this networkd leaves rules alone by itself: the test shows nothing"
ours() { [ "$(rules)" = 2 ]; }
within 120 ours || fail "what networkd removed is not put back: $(sd ip rule)"
within 120 there || fail "no ping after networkd took everything away"
sd mv /tmp/99-rook.conf /etc/systemd/networkd.conf.d/
sd systemctl restart systemd-networkd
echo "ok   systemd-networkd leaves our rules alone, and what it takes without the drop-in is put back"

# ---- firewalld: its zone lets in nothing but ssh
listen() { sd python3 -c 'import socket
s = socket.create_server(("", 8080)); s.settimeout(600)
while True:
    c, _ = s.accept(); c.sendall(b"hello"); c.close()'; }
reached() { [ "$(other timeout 3 bash -c "exec 3<>/dev/tcp/$1/8080 && cat <&3" 2>/dev/null)" = hello ]; }
listen >/dev/null 2>&1 &
within 120 reached "$a" || fail "the service is not reached by the overlay"
within 120 reached 198.18.0.2 || fail "the service is not reached by the LAN"
sd sh -c 'cd /usr/share/polkit-1/actions && cp org.fedoraproject.FirewallD1.server.policy.choice org.fedoraproject.FirewallD1.policy'
sd systemctl start firewalld || fail "firewalld does not start"
within 120 sd firewall-cmd --state || fail "firewalld: $(sd firewall-cmd --state)"
reached 198.18.0.2 && fail "firewalld lets the LAN in: the test shows nothing"
within 120 reached "$a" || fail "firewalld keeps the overlay out: $(sd nft list ruleset)"
for what in --reload --complete-reload; do
    pings sd firewall-cmd -q $what || fail "firewall-cmd $what"
    within 120 reached "$a" || fail "after $what: $(sd nft list table inet firewalld)"
    reached 198.18.0.2 && fail "after $what firewalld lets the LAN in"
    echo "ok   firewall-cmd $what: $(lost) echoes lost"
done
pings sd systemctl restart firewalld || fail "restart"
within 120 reached "$a" || fail "after firewalld's restart: $(sd nft list table inet firewalld)"
echo "ok   firewalld's restart: $(lost) echoes lost"
sd firewall-cmd --panic-on >/dev/null
sleep 1
there >/dev/null && fail "panic mode lets packets through: the test shows nothing"
sd firewall-cmd --panic-off >/dev/null
within 120 there || fail "after panic mode"
echo "ok   and its panic mode"
sd systemctl stop firewalld
within 120 reached "$a" || fail "after firewalld's end"
[ -z "$(sd nft list tables | grep firewalld)" ] || fail "firewalld left a table"
echo "ok   firewalld's end leaves the overlay open"

# ---- NetworkManager, which writes resolv.conf itself
sd "$rook" down >/dev/null || fail "down"
sd systemctl disable -q --now systemd-networkd systemd-networkd.socket
sd sh -c 'rm -f /etc/systemd/network/10-eth0.network; ip addr flush dev eth0; : >/etc/resolv.conf'
sd systemctl start NetworkManager || fail "NetworkManager does not start"
sd nmcli -w 90 connection add type ethernet ifname eth0 con-name lan ipv4.method manual ipv4.addresses 198.18.0.2/24 \
    ipv4.gateway 198.18.0.1 ipv4.dns 198.18.0.1 ipv6.method disabled >/dev/null || fail "nmcli: $(sd nmcli device)"
within 120 sd nmcli -w 90 connection up lan || fail "nmcli: $(sd nmcli device)"
within 120 sd grep -q "^nameserver 198.18.0.1" /etc/resolv.conf || fail "NetworkManager sets no names: $(sd cat /etc/resolv.conf)"
sd grep -q "^# Generated by NetworkManager" /etc/resolv.conf || fail "resolv.conf: $(sd cat /etc/resolv.conf)"
sd "$rook" up >/dev/null || fail "up"
resolves() { # both sorts, as every program of the machine sees them
    [ "$(sd getent ahostsv4 b.netbird.selfhosted | awk 'NR == 1 {print $1}')" = "$b" ] &&
        [ "$(sd getent ahostsv4 www.example | awk 'NR == 1 {print $1}')" = 198.18.0.80 ]
}
within 120 resolves || fail "names beside NetworkManager: $(sd cat /etc/resolv.conf)"
echo "ok   names of the overlay and of the world: $(sd journalctl -qu rook -o cat | grep 'managed by' | tail -1)"
for what in "connection up lan" "general reload" "connection modify lan ipv4.dns-search corp.test"; do
    # shellcheck disable=SC2086
    sd nmcli -w 90 $what >/dev/null || fail "nmcli $what"
done
sd nmcli -w 90 connection up lan >/dev/null || fail "nmcli"
within 120 resolves || fail "names after NetworkManager wrote its own: $(sd cat /etc/resolv.conf)"
within 120 there || fail "no ping after NetworkManager set eth0 up again"
sd systemctl restart NetworkManager
within 120 sd nmcli -w 90 device show eth0
within 120 resolves || fail "names after NetworkManager's restart: $(sd cat /etc/resolv.conf)"
within 120 there || fail "no ping after NetworkManager's restart: $(sd ip addr; sd nmcli device)"
echo "ok   its changes and its restart cost neither names nor tunnel"
sd "$rook" down >/dev/null || fail "down"
world() { [ "$(sd getent ahostsv4 www.example | awk 'NR == 1 {print $1}')" = 198.18.0.80 ] && ! sd grep -q "$a" /etc/resolv.conf; }
within 120 world || fail "names after down: $(sd cat /etc/resolv.conf)"
echo "ok   and down leaves names to NetworkManager"
