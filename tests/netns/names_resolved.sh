#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Names on a host with systemd-resolved, a real one on a D-Bus of its own: the overlay's domain leads
# to us, the rest of the world where it led before, also after resolved was restarted.
#
# SYSTEMD_RESOLVED and RESOLVECTL name the programs where they are not installed (installing
# Debian's package takes over this machine's own resolv.conf; unpacking it is enough).
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK
SYSTEMD_RESOLVED=${SYSTEMD_RESOLVED:-/lib/systemd/systemd-resolved}
RESOLVECTL=${RESOLVECTL:-resolvectl}
[ -x "$SYSTEMD_RESOLVED" ] || skip "systemd-resolved is not there: name it by SYSTEMD_RESOLVED"
command -v "$RESOLVECTL" dbus-daemon dig python3 >/dev/null || skip "needs resolvectl, dbus-daemon, dig, python3"
NODES_NAME=server.test

la() { nodes_in la a "$@"; }
is() { # WANTED COMMAND…
    local want=$1
    shift
    [ "$("$@" 2>/dev/null)" = "$want" ]
}
ask() { la dig +short +time=2 +tries=1 @127.0.0.53 "$@"; }

topo_up
d=$NODES_DIR/a
mkdir -p "$d/etc" "$d/run/dbus" "$d/run/systemd"
echo "nameserver 127.0.0.53" >"$d/etc/resolv.conf"
mkdir -p "$NODES_DIR/b/etc"
echo "nameserver $TOPO_SERVER" >"$NODES_DIR/b/etc/resolv.conf"
topo_in mid python3 "$SRC_DIR/tests/lib/dnsd.py" "$TOPO_SERVER" "server.test=$TOPO_SERVER" "www.example=198.18.0.80" \
    >"$NODES_DIR/world" 2>&1 &
nodes_wait 10 grep -q ready "$NODES_DIR/world" || fail "name server"

cat >"$d/bus.conf" <<EOF
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
<allow user="*"/></policy></busconfig>
EOF
(getent passwd; echo 'systemd-resolve:x:991:991::/:/usr/sbin/nologin') | sort -t: -u -k1,1 >"$d/passwd"
(getent group; echo 'systemd-resolve:x:991:') | sort -t: -u -k1,1 >"$d/group"


with_user() { # COMMAND…: in a's place, on a machine that knows resolved's user
    nodes_exec la a unshare --mount sh -c 'mount --bind "$1/passwd" /etc/passwd
        mount --bind "$1/group" /etc/group
        shift
        exec "$@"' with_user "$d" "$@"
}
(with_user dbus-daemon --config-file="$d/bus.conf" --nofork --nopidfile) >"$d/bus.log" 2>&1 &
nodes_wait 10 test -S "$d/run/dbus/system_bus_socket" || fail "D-Bus"

resolved_start() {
    (with_user "$SYSTEMD_RESOLVED") >>"$d/resolved.log" 2>&1 &
    RESOLVED_PID=$!
    nodes_wait 10 la "$RESOLVECTL" dns eth0 "$TOPO_SERVER" || fail "systemd-resolved: $(cat "$d/bus.log" "$d/resolved.log")"
    la "$RESOLVECTL" default-route eth0 true || fail "default route of eth0"
}
resolved_start
nodes_wait 10 is 198.18.0.80 ask www.example || fail "resolved does not resolve"

nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a"
nodes_agent_start rook lb b "$key" || fail "agent b"
nodes_wait 15 nodes_ip rook lb b || fail "b has no address"
a=$(nodes_ip rook la a)
b=$(nodes_ip rook lb b)
grep -q 'manager=systemd-resolved' "$d/log" || fail "resolved is not recognised: $(grep managed "$d/log")"
nodes_wait 15 is "$b" ask b.netbird.selfhosted || fail "name of b: $(la "$RESOLVECTL" status)"
is 198.18.0.80 ask www.example || fail "a name of the world: $(la "$RESOLVECTL" status)"
la "$RESOLVECTL" dns wt0 | grep -q "$a" || fail "server of the link: $(la "$RESOLVECTL" dns wt0)"
la "$RESOLVECTL" default-route wt0 | grep -q no || fail "all names lead to us: $(la "$RESOLVECTL" default-route wt0)"
is "nameserver 127.0.0.53" cat "$d/etc/resolv.conf" || fail "resolv.conf was touched"
nodes_log "names by systemd-resolved"

kill "$RESOLVED_PID"
wait "$RESOLVED_PID"
resolved_start
nodes_wait 15 is "$b" ask b.netbird.selfhosted || fail "after a restart of resolved: $(la "$RESOLVECTL" status)"
nodes_log "told again after a restart of resolved"

la "$ROOK" down >/dev/null || fail "down"
nodes_wait 10 is "" ask b.netbird.selfhosted || fail "names go on after down"
is 198.18.0.80 ask www.example || fail "the world is gone after down"
echo "names by systemd-resolved: all held"
