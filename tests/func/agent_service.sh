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
rm -f "$tmp/img/srv/a b/service.json" "$tmp/img/var/lib/rook/service.json" # what reset-params removes
left=$(find "$tmp/img" -type f -o -type l)
[ "$left" = "$tmp/img/etc/systemd/networkd.conf" ] || fail "left: $left"
"$ROOK" service uninstall --root "$tmp/img" 2>/dev/null && fail "uninstalled twice"

# a package's unit is used, not shadowed
mkdir -p "$tmp/img/usr/lib/systemd/system"
echo "[Service]" >"$tmp/img/usr/lib/systemd/system/rook.service"
"$ROOK" service install --root "$tmp/img" >"$tmp/out" || fail "with a package's unit: $(cat "$tmp/out")"
grep -q "from a package" "$tmp/out" || fail "it does not say what it uses"
[ ! -e "$unit" ] || fail "the package's unit is shadowed"
[ "$(readlink "$tmp/img/etc/systemd/system/multi-user.target.wants/rook.service")" = /usr/lib/systemd/system/rook.service ] ||
    fail "the package's unit is not enabled"
"$ROOK" service install --root "$tmp/img" --mtu 1300 >"$tmp/out" 2>&1 && fail "options for a package's unit are taken"
grep -q "/etc/default/rook" "$tmp/out" || fail "no word of where options go: $(cat "$tmp/out")"
[ ! -e "$unit" ] || fail "a refused install wrote a unit"
"$ROOK" service install --root "$tmp/img" -s mesh --mtu 1300 >/dev/null || fail "another name beside the package's"
"$ROOK" service uninstall --root "$tmp/img" -s mesh >/dev/null || fail "uninstall of the other"
rm -rf "$tmp/img/usr" "$tmp/img/etc/systemd/system/multi-user.target.wants/rook.service" "$tmp/img"/var/lib/rook*/service.json

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

# what was said once is known at the next installation, until it is to be forgotten
"$ROOK" service install --root "$tmp/img" --mtu 1310 --service-env A=b >/dev/null || fail "install"
"$ROOK" service reconfigure --root "$tmp/img" --log-level warn >/dev/null || fail "reconfigure"
grep -qF 'service run "--log-level=warn" "--mtu=1310"' "$unit" || fail "reconfigured: $(cat "$unit")"
grep -qxF 'Environment="A=b"' "$unit" || fail "environment is forgotten"
"$ROOK" service reset-params --root "$tmp/img" >/dev/null || fail "reset-params"
"$ROOK" service install --root "$tmp/img" >/dev/null || fail "install"
grep -qx "ExecStart=\"$ROOK\" service run" "$unit" || fail "not forgotten: $(grep Exec "$unit")"
"$ROOK" service uninstall --root "$tmp/img" >/dev/null || fail "uninstall"
refused "is not installed" reconfigure --root "$tmp/img"

other() { # TEXT ARGUMENT…
    local text=$1
    shift
    "$ROOK" "$@" --daemon-addr unix:///nowhere >"$tmp/out" 2>&1
    grep -q -- "$text" "$tmp/out" || fail "$*: $(cat "$tmp/out")"
}
other "either --setup-key or" up --setup-key a --setup-key-file "$tmp/key"
other "open $tmp/none" up --setup-key-file "$tmp/none"
: >"$tmp/key"
other "is empty" up --setup-key-file "$tmp/key"
other "unknown command" fly
other "no daemon at" up --allow-server-ssh=false
echo "service and options: all held"
