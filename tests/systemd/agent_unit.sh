#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The agent in its unit, which takes from it all that it does not need: tunnel, names in /etc/resolv.conf,
# firewall, a routed network with what the kernel must be told for it, a look at other users' processes,
# the file modes, and the way back. Needs BUILD_DIR and SRC_DIR.
set -u
# shellcheck source=tests/lib/systemd.sh
. "$SRC_DIR/tests/lib/systemd.sh"
[ -c /dev/net/tun ] || { echo "skip: needs /dev/net/tun"; exit 77; }
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
within() { # SECONDS COMMAND…
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}

sd_boot || exit $?
work=$(mktemp -d /tmp/rookery-agent-unit.XXXXXX)
trap 'rm -rf "$work"; sd_halt' EXIT
sd mkdir -p /opt/bin /srv/data
for f in rookery rook; do sd tee /opt/bin/$f <"$BUILD_DIR/$f" >/dev/null; done
sed -e 's|@prefix@/bin|/opt/bin|' "$SRC_DIR/deploy/systemd/rook.service.in" | sd tee /etc/systemd/system/rook.service >/dev/null
# Another machine: the namespace "far", with folders of its own, on a wire to this one.
sd bash -c 'chmod 755 /opt/bin/*; rm -rf /var/lib/rook /etc/resolv.conf; echo "nameserver 192.0.2.53" >/etc/resolv.conf
    chmod 644 /etc/resolv.conf; cp /etc/resolv.conf /srv/resolv.conf
    ip link add w0 type veth peer name w1; ip addr add 10.99.0.1/24 dev w0; ip link set w0 up
    ip netns add far; ip link set w1 netns far
    ip -n far addr add 10.99.0.2/24 dev w1; ip -n far link set w1 up; ip -n far link set lo up
    ip link add lan type veth peer name lan1; ip link set lan1 up; ip addr add 10.77.0.1/24 dev lan; ip link set lan up
    echo "server:
  listenAddress: \"10.99.0.1:8080\"
  exposedAddress: \"http://10.99.0.1:8080\"
  stunPorts: [3478]
  dataDir: /srv/data" >/srv/config.yaml
    systemctl daemon-reload
    systemd-run --quiet --unit=server /opt/bin/rookery run --config /srv/config.yaml
    systemd-run --quiet --unit=far bash -c "mkdir -p /srv/far/run /srv/far/lib; cp -a /etc /srv/far/etc
        exec ip netns exec far unshare -m --propagation private sh -c \"mkdir -p /var/lib/rook
            mount --bind /srv/far/run /run; mount --bind /srv/far/lib /var/lib/rook; mount --bind /srv/far/etc /etc
            exec /opt/bin/rook service run\""'
far() { # COMMAND…: as seen there
    sd bash -c 'exec nsenter -t "$(systemctl show -P MainPID far)" -m -n -r "$@"' x "$@"
}
check "a server" within 60 sd curl -sf -o /dev/null http://10.99.0.1:8080/api/instance
sd bash -c 'curl -sf -X POST -H "X-Setup-Token: $(cat /srv/data/setup-token)" -H "Content-Type: application/json" \
    --data "{\"email\":\"a@example.com\",\"password\":\"demo-Passw0rd!\",\"name\":\"A\",\"create_pat\":true}" http://10.99.0.1:8080/api/setup' >"$work/setup"
token=$(jq -r .personal_access_token "$work/setup")
api() { # METHOD PATH [JSON]
    sd curl -sS --fail-with-body --max-time 60 -X "$1" -H "Authorization: Token $token" -H 'Content-Type: application/json' \
        ${3:+--data "$3"} "http://10.99.0.1:8080$2"
}
key=$(api POST /api/setup-keys '{"name":"k","type":"reusable","expires_in":86400,"auto_groups":[],"usage_limit":0}' | jq -r .key)
check "the unit starts" sd systemctl start rook
check "the machine enrols" sd /opt/bin/rook up --management-url http://10.99.0.1:8080 --setup-key "$key" --hostname near
check "the other one" far /opt/bin/rook up --management-url http://10.99.0.1:8080 --setup-key "$key" --hostname far
address() { "$1" /opt/bin/rook status --json | jq -r .netbirdIp | cut -d/ -f1; }
[ "$failed" = 0 ] || exit 1
there=$(address far) here=$(address sd)
check "a tunnel" within 60 sd ping -c1 -W1 "$there"
check "and from there" within 60 far ping -c1 -W1 "$here"
check "resolv.conf names the agent" within 60 sd grep -q "nameserver $here" /etc/resolv.conf
check "and everybody may read it" [ "$(sd stat -c %a /etc/resolv.conf)" = 644 ]
check "a name is found" within 60 sd getent hosts far.netbird.selfhosted
check "by any user" sd setpriv --reuid nobody --regid nogroup --clear-groups getent hosts far.netbird.selfhosted
check "any user asks for the status" sd setpriv --reuid nobody --regid nogroup --clear-groups /opt/bin/rook status
check "the firewall is there" sd bash -c 'nft list ruleset | grep -q wt0'

near=$(api GET /api/peers | jq -r '.[] | select(.name == "near") | .id')
all=$(api GET /api/groups | jq -r '.[] | select(.name == "All") | .id')
check "a route" api POST /api/routes "$(jq -nc --arg p "$near" --arg g "$all" '{network_id: "lan", description: "", enabled: true,
    peer: $p, network: "10.77.0.0/24", metric: 9999, masquerade: true, groups: [$g]}')"
check "is forwarded" within 60 sd grep -qx 1 /proc/sys/net/ipv4/ip_forward
check "and reached" within 60 far ping -c1 -W1 10.77.0.1
check "masqueraded" sd bash -c 'nft list ruleset | grep -q masquerade'

# What posture checks ask for. (The path has the folder of this test in front: systemd runs in a chroot here.)
sd systemd-run --quiet --unit=guard --uid=nobody /usr/bin/sleep 1000
check "it sees what other users run" sd bash -c 'exec nsenter -t "$(systemctl show -P MainPID rook)" -m -r -w setpriv \
    --bounding-set -all,+net_admin,+net_raw,+net_bind_service,+dac_override,+sys_ptrace \
    readlink "/proc/$(systemctl show -P MainPID guard)/exe" | grep "/usr/bin/sleep$"'

sd journalctl -u rook -o cat --no-pager >"$work/journal"
check "nothing was denied to it" bash -c '! grep -iE "not permitted|permission denied|read-only file" "$0"' "$work/journal"
check "it has what it says" sd bash -c '[ "$(awk "/^CapEff/ {print \$2}" /proc/$(systemctl show -P MainPID rook)/status)" = 0000000000083402 ]'
check "it is as closed as it can be" sd systemd-analyze security --threshold=26 rook.service
check "it goes down" sd /opt/bin/rook down
check "resolv.conf is what it was" sd cmp /etc/resolv.conf /srv/resolv.conf
check "it stops" sd systemctl stop rook
check "without a trace" sd bash -c '! ip link show wt0 2>/dev/null && ! nft list ruleset | grep -E "wt0|rook" && ! ip rule | grep -i 0x1bd'
[ "$failed" = 0 ]
