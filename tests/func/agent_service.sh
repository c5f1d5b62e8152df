#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# `rook service install` into an image, and against a systemctl that notes what it is asked.
set -u
ROOK=${ROOK:-${builddir:-.}/rook}
[ -x "$ROOK" ] || { echo "skip: no rook"; exit 77; }
ROOK=$(readlink -f "$ROOK")
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
unit=$tmp/img/etc/systemd/system/rook.service

mkdir -p "$tmp/img/etc/systemd"
"$ROOK" service install --root "$tmp/img" --state-dir "/srv/a b" --mtu 1300 --log-level debug \
    --service-env 'NB_X=1, Y=a%b"c' >"$tmp/out" || fail "install: $(cat "$tmp/out")"
grep -qF 'service run "--state-dir=/srv/a b" "--log-level=debug" "--mtu=1300"' "$unit" || fail "unit: $(cat "$unit")"
grep -q "^ExecStart=\"$ROOK\" service run" "$unit" || fail "program: $(grep Exec "$unit")"
grep -qxF 'Environment="NB_X=1"' "$unit" || fail "environment: $(grep Env "$unit")"
grep -qxF 'Environment="Y=a%%b\"c"' "$unit" || fail "environment is not quoted: $(grep Env "$unit")"
grep -qx 'Restart=always' "$unit" || fail "it would not come back"
[ "$(readlink "$tmp/img/etc/systemd/system/multi-user.target.wants/rook.service")" = /etc/systemd/system/rook.service ] ||
    fail "not enabled"
[ ! -e "$tmp/img/etc/systemd/networkd.conf.d" ] || fail "a drop-in for a networkd that is not there"
if command -v systemd-analyze >/dev/null; then
    systemd-analyze verify "$unit" 2>"$tmp/out" || fail "systemd does not take it: $(cat "$tmp/out")"
fi

: >"$tmp/img/etc/systemd/networkd.conf"
"$ROOK" service install --root "$tmp/img" -s mesh >/dev/null || fail "install under another name"
conf=$tmp/img/etc/systemd/networkd.conf.d/99-mesh.conf
grep -qx 'ManageForeignRoutes=no' "$conf" && grep -qx 'ManageForeignRoutingPolicyRules=no' "$conf" ||
    fail "networkd would remove rules and routes"
"$ROOK" service uninstall --root "$tmp/img" -s mesh >/dev/null || fail "uninstall"
"$ROOK" service uninstall --root "$tmp/img" >/dev/null || fail "uninstall"
left=$(find "$tmp/img" -type f -o -type l)
[ "$left" = "$tmp/img/etc/systemd/networkd.conf" ] || fail "left: $left"
"$ROOK" service uninstall --root "$tmp/img" 2>/dev/null && fail "uninstalled twice"

refused() { # TEXT ARGUMENT…
    local text=$1
    shift
    "$ROOK" service "$@" >"$tmp/out" 2>&1 && fail "$* is taken"
    grep -q "$text" "$tmp/out" || fail "$*: $(cat "$tmp/out")"
}
refused "cannot be the name" install --root "$tmp/img" -s 'a/../b'
refused "everybody may read" install --root "$tmp/img" --setup-key X
refused "NAME=VALUE" install --root "$tmp/img" --service-env nonsense
refused "usage" fly
[ -z "$(find "$tmp/img" -name '*.service')" ] || fail "a refused install wrote something"
[ -d /run/systemd/system ] || refused "systemd does not run here" start

# what the official client has and this one has not is refused with the reason, never taken in silence
other() { # STATUS TEXT ARGUMENT…
    local want=$1 text=$2
    shift 2
    "$ROOK" "$@" --daemon-addr unix:///nowhere >"$tmp/out" 2>&1
    grep -q -- "$text" "$tmp/out" || fail "$*: $(cat "$tmp/out")"
    [ "$want" = no ] && { grep -q "no daemon at" "$tmp/out" && fail "$* is taken"; }
    [ "$want" = yes ] && { grep -q "no daemon at" "$tmp/out" || fail "$* is refused: $(cat "$tmp/out")"; }
    return 0
}
other no "no SSH server" up --allow-server-ssh
other yes "no daemon at" up --allow-server-ssh=false
other no "no Rosenpass" up --enable-rosenpass=true
other yes "has no effect" up --enable-lazy-connection
other no "use --json" status --yaml
other no "either --setup-key or" up --setup-key a --setup-key-file "$tmp/key"
other no "open $tmp/none" up --setup-key-file "$tmp/none"
: >"$tmp/key"
other no "is empty" up --setup-key-file "$tmp/key"
other no "no SSH server" ssh host
other no "one daemon has one profile" profile list
other no "unknown command" fly
echo "service and options: all held"
