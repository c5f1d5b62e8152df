#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# deploy/quickstart.sh on a machine with systemd: a certificate that root alone may read, renewal,
# a second run, a start that fails, and that nothing is left behind. Needs BUILD_DIR and SRC_DIR.
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
not() { ! "$@"; }
refute() { # NAME COMMAND…
    local name=$1
    shift
    check "$name" not "$@"
}

sd_boot || exit $?
work=$(mktemp -d /tmp/rookery-qs.XXXXXX)
trap 'rm -rf "$work"; sd_halt' EXIT
command -v dh >/dev/null || { echo "skip: no debhelper here"; exit 77; }
make -C "$BUILD_DIR" -s DESTDIR="$work/image" prefix=/usr zshcompdir=/usr/share/zsh/vendor-completions install >/dev/null 2>&1 || exit 1

# The build itself is tested elsewhere: make and configure are replaced by what was built before.
sd mkdir -p /tmp/qs /etc/letsencrypt/archive/x /etc/letsencrypt/live/x /opt/stub
tar -C "$SRC_DIR" -c deploy docs README.md configure.ac | sd tar -C /tmp/qs -x
tar -C "$work/image" -c . | sd tar -C /opt/stub -x
sd bash -c 'cat >/tmp/qs/configure; chmod +x /tmp/qs/configure; touch -d "2 days ago" /tmp/qs/configure.ac' <<'STUB'
#!/bin/bash
prefix=/usr
for o in "$@"; do case $o in --prefix=*) prefix=${o#*=} ;; esac; done
{ echo "prefix = $prefix"; cat; } >Makefile <<'MAKE'
all:
	cp -u /opt/stub/usr/bin/rookery .
install:
	mkdir -p $(DESTDIR)$(prefix)
	cp -a --remove-destination /opt/stub/usr/. $(DESTDIR)$(prefix)/
uninstall:
	cd /opt/stub/usr && find . -type f | sed 's|^|$(prefix)/|' | xargs rm -f
MAKE
STUB

certificate() { # DAYS NUMBER
    sd openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days "$1" \
        -subj /CN=localhost -addext subjectAltName=DNS:localhost -set_serial "$2" \
        -keyout /etc/letsencrypt/archive/x/privkey"$2".pem \
        -out /etc/letsencrypt/archive/x/fullchain"$2".pem 2>/dev/null
    sd chmod 0600 /etc/letsencrypt/archive/x/privkey"$2".pem
    sd chmod 0700 /etc/letsencrypt/archive /etc/letsencrypt/live
    sd ln -sf ../../archive/x/privkey"$2".pem /etc/letsencrypt/live/x/privkey.pem
    sd ln -sf ../../archive/x/fullchain"$2".pem /etc/letsencrypt/live/x/fullchain.pem
}
serial() {
    sd bash -c 'openssl s_client -connect 127.0.0.1:443 </dev/null 2>/dev/null | openssl x509 -noout -serial'
}
quickstart() { # its output is kept in $work/said
    sd bash /tmp/qs/deploy/quickstart.sh --build /tmp/build "$@" >"$work/said" 2>&1 || { cat "$work/said"; return 1; }
}
said() { grep -q -e "$1" "$work/said" || { cat "$work/said"; return 1; }; }
files() { # all that are not data of the system itself
    sd find /etc /usr/local /usr/bin /usr/lib/systemd /usr/share/man /usr/share/bash-completion /opt /var/lib/rookery /run/rookery -xdev \( -type f -o -type l \) 2>/dev/null | grep -v -e '^/etc/ssh/' -e '^/etc/passwd' -e '^/etc/group' \
        -e '^/etc/shadow' -e '^/etc/gshadow' -e '^/etc/subuid' -e '^/etc/subgid' -e '^/etc/ld.so.cache' | sort
}

certificate 30 01
files >"$work/before"
refute "without an owner it does not start" quickstart --domain localhost --cert /etc/letsencrypt/live/x/fullchain.pem --key /etc/letsencrypt/live/x/privkey.pem
refute "a proxy without a name is refused" quickstart --behind-proxy --owner-email a@example.com
check "a key that root alone may read will do" quickstart --owner-email a@example.com --domain localhost \
    --cert /etc/letsencrypt/live/x/fullchain.pem --key /etc/letsencrypt/live/x/privkey.pem
check "the owner is the one that was named" said 'owner  *a@example.com'
check "the configuration names the link" sd grep -q '/etc/letsencrypt/live/x/fullchain.pem' /etc/rookery/config.yaml
check "it is a package" sd bash -c 'dpkg -S /usr/bin/rookery | grep -q ^rookery: && [ ! -e /etc/systemd/system/rookery.service ]'
check "it runs as its user" sd bash -c '[ "$(systemctl show -P User rookery)" = rookery ] && systemctl is-active rookery'
check "it shows the certificate" [ "$(serial)" = serial=01 ]
check "the unit is closed" sd bash -c 'systemd-analyze security --threshold=15 rookery'
check "the nightly backup is planned" sd systemctl is-active rookery-backup.timer
check "and works" sd bash -c 'systemctl start rookery-backup.service || { journalctl -u rookery-backup -o cat -n 20; exit 1; }'
check "with a file that is whole" sd bash -c 'rookery admin backup /var/lib/rookery/backup/rookery-*.backup --verify'
check "root can ask the running server" sd rookery admin user list
check "nobody else can" sd bash -c '! setpriv --reuid nobody --regid nogroup --clear-groups rookery admin user list --config /etc/rookery/config.yaml'
certificate 30 02
check "reload works" sd systemctl reload rookery
for _ in $(seq 100); do [ "$(serial)" = serial=02 ] && break; sleep 0.1; done
check "after a renewal the new one is shown" [ "$(serial)" = serial=02 ]

pid=$(sd systemctl show -P MainPID rookery)
check "it may be run again" quickstart --owner-email a@example.com
check "and says that it restarts the server" said restarting
check "and keeps the owner" said "set up before"
check "the old process is gone" [ "$pid" != "$(sd systemctl show -P MainPID rookery)" ]

sd bash -c 'systemctl stop rookery; mv /var/lib/rookery/store.key /tmp/k'
refute "systemctl start fails for a server that cannot run" sd systemctl start rookery
check "and it is not tried for ever" sd bash -c '[ "$(systemctl show -P NRestarts rookery)" = 0 ]'
refute "so does quickstart" quickstart
check "with the reason" said /var/lib/rookery/store.key
sd mv /tmp/k /var/lib/rookery/store.key
sd chmod 0600 /etc/letsencrypt/archive/x/fullchain02.pem
sd bash -c 'echo broken >/etc/letsencrypt/archive/x/privkey02.pem'
refute "a broken key is found before the start" quickstart
check "and named" said key.pem
certificate 30 02
check "mended it starts" quickstart

check "uninstall" quickstart --uninstall
files >"$work/after"
check "nothing is left" diff <(grep -v privkey0 "$work/before" | grep -v fullchain0) <(grep -v privkey0 "$work/after" | grep -v fullchain0)
refute "the user is gone" sd getent passwd rookery
refute "the build folder is gone" sd test -e /tmp/build

check "without a package" quickstart --prefix /usr/local --owner-email a@example.com
check "it runs from there" sd bash -c 'systemctl is-active rookery && [ -x /usr/local/bin/rookery ] && [ ! -e /usr/bin/rookery ]'
check "a package takes its place" quickstart
check "with its data" said "set up before"
check "and nothing of the other way" sd bash -c '[ -x /usr/bin/rookery ] && [ ! -e /usr/local/bin/rookery ] && [ ! -e /etc/systemd/system/rookery.service ]'
check "uninstall keeps data when told" quickstart --uninstall --keep-data
check "as it says" sd bash -c '[ -s /var/lib/rookery/rookery.db ] && [ -s /etc/rookery/config.yaml ] && [ ! -e /usr/bin/rookery ]'
check "or not" quickstart --uninstall

check "a first look is loopback only" quickstart --owner-email a@example.com
check "nobody else reaches it" sd bash -c 'ss -ltnH | grep ":8080" | grep -v "127.0.0.1:8080" | grep . && exit 1 || ss -ltnH | grep -q 127.0.0.1:8080'
[ "$failed" = 0 ]
