#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The Debian packages on a machine with systemd: install, configure, run, first machine, upgrade, remove,
# purge; and that purging leaves nothing. Needs BUILD_DIR and SRC_DIR.
set -u
# shellcheck disable=SC2046 # lists of packages
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
not() { ! "$@"; }
refute() { # NAME COMMAND…
    local name=$1
    shift
    check "$name" not "$@"
}
within() { # SECONDS COMMAND…
    local i n=$(($1 * 5))
    shift
    for ((i = 0; i < n; i++)); do
        "$@" && return 0
        sleep 0.2
    done
    return 1
}
equal() { [ "$1" = "$2" ] || { echo "\"$1\" is not \"$2\""; return 1; }; }

for p in dh lintian; do
    command -v $p >/dev/null || { echo "skip: $p is not installed"; exit 77; }
done
sd_boot || exit $?
work=$(mktemp -d /tmp/rookery-package.XXXXXX)
trap 'rm -rf "$work"; sd_halt' EXIT

"$SRC_DIR/deploy/build-deb.sh" --from-build "$BUILD_DIR" --out "$work/new" >"$work/out" 2>&1 ||
    { cat "$work/out"; exit 1; }
check "lintian finds no error" not grep -E '^E: ' "$work/out"
sd mkdir -p /tmp/new /tmp/newer
tar -C "$work/new" -c . | sd tar -C /tmp/new -x
for f in "$work"/new/*.deb; do # the same as a later version
    dpkg-deb -R "$f" "$work/tree" && sed -i 's/^Version: .*/&+later/' "$work/tree/DEBIAN/control" &&
        dpkg-deb --root-owner-group -Zgzip -b "$work/tree" "$work/later.deb" >/dev/null || exit 1
    sd tee "/tmp/newer/$(basename "$f")" <"$work/later.deb" >/dev/null
    rm -rf "$work/tree"
done

apt() { # ARGUMENT…: as on any machine; nothing needs to be fetched here
    sd env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o Dpkg::Use-Pty=0 "$@"
}
traces() { left_over | sort; }
left_over() { # what is there and was not, or differs; users and units
    # shellcheck disable=SC2016
    nsenter -t "$sd_pid" -m bash -c 'cd "$1" && find . -mindepth 1 \( -path ./tmp -o -path ./var/tmp -o -path ./var/cache \
            -o -path ./var/lib/apt -o -path ./var/lib/dpkg -o -path ./root -o -path ./etc/ld.so.cache -o -path "./etc/*-" \
            -o -path ./var/log -o -path ./etc/.pwd.lock \) -prune -o -print | while read -r f; do
            [ "$f" = ./var/lib/systemd/timers ] && continue # systemd makes it
            [ -e "/$f" ] && { [ -d "$f" ] || cmp -s "$f" "/$f"; } || echo "$f"; done' x "$sd_dir/up/u"
    sd bash -c 'find /run -xdev -name "*rook*"; find /var/log -xdev -name "*rook*"; find /var/lib/dpkg/info -name "rook*"
        getent passwd; getent group; systemctl list-unit-files --no-legend | grep rook; true'
}
show() { sd systemctl show -P "$1" "$2"; }
debs() { # FOLDER PACKAGE…
    local dir=$1 p
    shift
    for p in "$@"; do
        sd find "$dir" -name "${p}_*.deb"
    done
}
connected() { [ "$(status .management.connected)" = true ]; }
status() { sd rook status --json | jq -r "$1"; }

sd rm -rf /var/lib/rook /var/lib/rookery /etc/rookery /run/rook /run/rookery # of the machine that this is a copy of
sd sed -i '/^7120\tnetbird$/d' /etc/iproute2/rt_tables 2>/dev/null # of an agent that ran on this machine
traces >"$work/before"
check "apt installs them" apt install $(debs /tmp/new rookery rook rookery-relay)
check "nothing serves before it is configured" equal "$(show ActiveState rookery)" inactive
check "but will at the next boot" sd systemctl is-enabled rookery rookery-relay rook rookery-backup.timer
check "the agent waits for an enrolment" sd systemctl is-active rook
check "the unit of ports is there and off" sd bash -c '[ "$(systemctl is-enabled rookery.socket) $(systemctl is-active rookery.socket)" = "disabled inactive" ]'
check "the backup is planned" sd systemctl is-active rookery-backup.timer
check "the user is there" sd getent passwd rookery
[ "$failed" = 0 ] || exit 1
for u in rookery rookery-relay rookery-backup; do
    check "$u is closed" sd systemd-analyze security --threshold=15 $u.service
done
check "the agent is as closed as root can be" sd systemd-analyze security --threshold=26 rook.service
for p in rookery rookery-management rookery-signal rookery-relay rook; do
    check "man page of $p" sd test -s /usr/share/man/man8/$p.8.gz
done

sd tee /etc/rookery/config.yaml >/dev/null <<'YAML'
server:
  listenAddress: "127.0.0.1:8080"
  exposedAddress: "http://127.0.0.1:8080"
  stunPorts: [3478]
  logFile: /var/log/rookery/rookery.log
YAML
sd bash -c 'echo "  logLevel: debug" >>/etc/rookery/config.yaml; echo ROOK_LOG_LEVEL=debug >>/etc/default/rook; systemctl restart rook'
check "it starts" sd systemctl start rookery
check "and is set up" sd rookery setup --config /etc/rookery/config.yaml --owner-email a@example.com
check "the log is where it may be" sd test -s /var/log/rookery/rookery.log
key=$(sd rookery admin setup-key create --name test --json | jq -r .key)
check "the first machine" sd rook up --management-url http://127.0.0.1:8080 --setup-key "$key"
check "is connected" within 60 connected
check "and known to the server" equal "$(sd rookery admin peer list --json | jq length)" 1
address=$(status .netbirdIp)
check "its doctor sees the drop-in of the package" sd bash -c \
    'mkdir -p /run/systemd/netif; ! rook doctor | grep systemd-networkd:'
check "with an interface" sd bash -c "ip -o addr | grep -q ' ${address%/*}/'"

sd bash -c 'jq -r ".. | objects | to_entries[] | select(.key | test(\"private|preshared\"; \"i\")) | .value | strings | select(. != \"\")" /var/lib/rook/default.json
    cat /var/lib/rookery/*.key /var/lib/rookery/*.secret' >"$work/secrets"
echo "$key" >>"$work/secrets"
check "secrets are known" [ "$(grep -c . "$work/secrets")" -ge 4 ]
sd bash -c 'journalctl -u rook -o cat --no-pager; cat /var/log/rookery/rookery.log' >"$work/logs"
check "the logs are at debug" grep -q level=debug "$work/logs"
refute "no secret is in the logs" grep -F -f "$work/secrets" "$work/logs"

sd sed -i '/logFile/d' /etc/rookery/config.yaml
sd systemctl restart rookery
check "the journal knows how grave a line is" sd bash -c 'journalctl -u rookery -o json --no-pager | jq -e -s "any(.[]; .PRIORITY == \"6\" and (.MESSAGE | test(\"^event=\")))"'

sd bash -c 'install -m 0600 /dev/stdin /etc/rookery-relay/auth-secret <<<not-a-real-secret
    echo "ROOKERY_RELAY_EXPOSED_ADDRESS=rel://127.0.0.1:8099
ROOKERY_RELAY_LISTEN_ADDRESS=127.0.0.1:8099
ROOKERY_RELAY_HEALTH_LISTEN_ADDRESS=127.0.0.1:8098" >>/etc/default/rookery-relay'
check "a relay alone starts with its secret" sd systemctl start rookery-relay
check "as a user of its own" equal "$(show DynamicUser rookery-relay)" yes
check "and is well" sd curl -sf http://127.0.0.1:8098/readyz

pid=$(show MainPID rookery) agent=$(show MainPID rook) relay=$(show MainPID rookery-relay)
sd bash -c 'echo "# mine" >>/etc/logrotate.d/rookery'
check "apt upgrades them" apt install $(debs /tmp/newer rookery rook rookery-relay)
check "the unit of ports is still off" equal "$(show ActiveState rookery.socket)" inactive
check "the server is another process" not equal "$pid" "$(show MainPID rookery)"
check "the agent too" not equal "$agent" "$(show MainPID rook)"
check "the relay too" not equal "$relay" "$(show MainPID rookery-relay)"
check "all run" sd systemctl is-active rookery rook rookery-relay
check "what was edited stays" sd grep -q '^# mine' /etc/logrotate.d/rookery
check "the store was copied before" sd bash -c 'ls /var/lib/rookery/backup/*.backup'
check "the machine is still known" equal "$(sd rookery admin peer list --json | jq length)" 1
check "and comes back by itself" within 60 connected
check "under its address" equal "$(status .netbirdIp)" "$address"

check "apt removes them" apt remove rookery rook rookery-relay
refute "nothing of it runs" sd pgrep -f '^/usr/bin/rook'
check "data and configuration stay" sd test -s /var/lib/rookery/rookery.db -a -s /etc/rookery/config.yaml
check "installed again it goes on" apt install $(debs /tmp/new rookery rook)
check "with what it knew" equal "$(sd rookery admin peer list --json | jq length)" 1
check "apt purges them" apt purge rookery rook rookery-relay
traces >"$work/after"
check "nothing is left" diff "$work/before" "$work/after"
[ "$failed" = 0 ]
