#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Rookery on a fresh Debian 12 machine, from this source tree.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: sudo ./deploy/quickstart.sh [OPTION…]

Without --demo: install packages, build, install, write configuration and secrets, start the server
(as a systemd unit where systemd runs, else in the foreground), print how to go on.

  --domain NAME     name or address under which machines reach the server, with
  --cert FILE --key FILE
                    its certificate and key in PEM. Only root needs to be able to read them: the unit
                    gets copies in /run/rookery/tls at each start and reload. After a renewal:
                    systemctl reload rookery
  --lan             without a certificate: clear text on all addresses, for a network where everybody
                    may read along, the owner's password included
  --behind-proxy    without a certificate: this machine's proxy has one; the server listens on
                    loopback, and --domain is the proxy's public name
                    (none of these: loopback only, for a first look on this machine)
  --owner-email ADDRESS
                    the first owner; asked for on a terminal when it is not given
  --port PORT       TCP port (default: 443 with a certificate, else 8080)
  --prefix DIR      where programs are installed (default: /usr/local)
  --data DIR        data folder (default: /var/lib/rookery)
  --config DIR      configuration folder (default: /etc/rookery)
  --build DIR       build folder (default: _quickstart in the source tree)
  --foreground      do not use systemd even if it runs
  --no-start        write everything, start nothing
  --uninstall       stop the server and remove what quickstart installed: programs, unit, user, build
                    folder, packages that it added, configuration and data (not with --keep-data)
  --demo            show two agents behind two NAT routers meeting, with everything on this machine
                    in network namespaces, measure it, and remove all of it again
  --keep-going      demo: leave everything running at the end, and say how to stop it
  -h, --help        this text

Run again it keeps configuration, secrets and data, installs what was built and restarts the server.
EOF
}

die() {
    echo "quickstart: $*" >&2
    exit 1
}

top=$(cd "$(dirname "$0")/.." && pwd)
demo=0 keep=0 domain= port= cert= key= prefix=/usr/local data=/var/lib/rookery etc=/etc/rookery
build=$top/_quickstart foreground=0 start=1 lan=0 proxy=0 owner= uninstall=0 keep_data=0
unit_dir=/etc/systemd/system run_dir=/run/rookery
asked="" # options that only a new configuration file takes up

need() { [ $# -ge 2 ] || die "$1 needs a value"; }
while [ $# -gt 0 ]; do
    case $1 in
    --demo) demo=1 ;;
    --keep-going) keep=1 ;;
    --foreground) foreground=1 ;;
    --no-start) start=0 ;;
    --lan) lan=1; asked="$asked $1" ;;
    --behind-proxy) proxy=1; asked="$asked $1" ;;
    --uninstall) uninstall=1 ;;
    --keep-data) keep_data=1 ;;
    --owner-email) need "$@"; owner=$2; shift ;;
    --domain) need "$@"; domain=$2; asked="$asked $1"; shift ;;
    --port) need "$@"; port=$2; asked="$asked $1"; shift ;;
    --cert) need "$@"; cert=$2; asked="$asked $1"; shift ;;
    --key) need "$@"; key=$2; asked="$asked $1"; shift ;;
    --prefix) need "$@"; prefix=$2; shift ;;
    --data) need "$@"; data=$2; asked="$asked $1"; shift ;;
    --config) need "$@"; etc=$2; shift ;;
    --build) need "$@"; build=$2; shift ;;
    -h | --help) usage; exit 0 ;;
    *) die "unknown option $1; see --help" ;;
    esac
    shift
done

check_options() {
    local f
    [ "$(id -u)" = 0 ] || die "must run as root: sudo $0"
    if [ -n "$cert$key" ] && { [ -z "$cert" ] || [ -z "$key" ]; }; then
        die "--cert and --key go together"
    fi
    # as given, links and all: after a renewal a link leads to the new file
    cert=${cert:+$(realpath -s "$cert")} key=${key:+$(realpath -s "$key")}
    for f in $cert $key; do
        [ -r "$f" ] || die "cannot read $f"
        [[ $f =~ ^[A-Za-z0-9._/@:+-]+$ ]] || die "$f: blanks and quotes in the path will not do"
    done
    [ -z "$port" ] || [[ $port =~ ^[0-9]+$ && $port -ge 1 && $port -le 65535 ]] ||
        die "--port $port is not a port"
    [ $((lan + proxy)) -le 1 ] || die "--lan and --behind-proxy exclude each other"
    [ -z "$cert" ] || [ $((lan + proxy)) = 0 ] ||
        die "--cert does not go with --lan or --behind-proxy"
    [ "$proxy" = 0 ] || [ -n "$domain" ] || die "--behind-proxy needs --domain, its public name"
    [ -z "$domain" ] || [ -n "$cert" ] || [ $((lan + proxy)) = 1 ] || die "--domain $domain: \
say how machines reach it: --cert and --key, --behind-proxy, or --lan (clear text)"
}

# shellcheck source=deploy/packages.sh
. "$top/deploy/packages.sh"

install_packages() { # PACKAGE…, and remember which were missing
    local missing
    missing=$(packages_missing "$@")
    packages_install "$@"
    mkdir -p "$build"
    [ -z "$missing" ] || echo "$missing" >>"$build/packages-added"
}

build_all() {
    local log=$build/build.log
    mkdir -p "$build"
    echo "building in $build"
    {
        [ -x "$top/configure" ] && [ ! "$top/configure.ac" -nt "$top/configure" ] || "$top/autogen.sh"
        cd "$build"
        [ -f Makefile ] || "$top/configure" --prefix="$prefix" --sysconfdir=/etc --localstatedir=/var
        make -j"$(nproc)"
    } >"$log" 2>&1 || {
        tail -30 "$log" >&2
        die "the build failed; all of its output is in $log"
    }
    cd "$top"
}

run_demo() {
    # shellcheck disable=SC2086
    packages_install $PACKAGES_BUILD $PACKAGES_RUN $PACKAGES_DEMO
    build_all
    ROOKERY=$build/rookery ROOK=$build/rook DEMO_KEEP=$keep exec bash "$top/deploy/demo/demo.sh"
}

main_address() {
    ip -o route get 1.1.1.1 2>/dev/null | sed -n 's/.* src \([^ ]*\).*/\1/p' | grep . ||
        ip -o -4 addr show scope global | awk 'NR == 1 {sub("/.*", "", $4); print $4}' | grep . ||
        echo 127.0.0.1
}

addresses() { # prints "exposedAddress listenAddress"
    if [ -n "$cert" ]; then
        echo "https://${domain:-$(main_address)}:${port:-443} :${port:-443}"
    elif [ "$proxy" = 1 ]; then
        echo "https://$domain:443 127.0.0.1:${port:-8080}"
    elif [ "$lan" = 1 ]; then
        echo "http://${domain:-$(main_address)}:${port:-8080} :${port:-8080}"
    else
        echo "http://localhost:${port:-8080} 127.0.0.1:${port:-8080}"
    fi
}

write_config() {
    local exposed listen file=$etc/config.yaml
    if [ -e "$file" ]; then
        echo "keeping $file${asked:+; change it by hand for what you gave with$asked}"
        return
    fi
    read -r exposed listen <<<"$(addresses)"
    install -d -m 0750 "$etc"
    ( umask 027
      cat >"$file" <<EOF
# Written by quickstart.sh. "rookery config show --config $file" explains every key.
server:
  listenAddress: "$listen"
  exposedAddress: "$exposed"
  stunPorts: [3478]
  dataDir: "$data"
EOF
      [ -z "$cert" ] ||
          printf '  tls:\n    certFile: "%s"\n    keyFile: "%s"\n' "$cert" "$key" >>"$file"
      [ "$proxy" = 0 ] ||
          printf '  reverseProxy:\n    trustedHTTPProxies: ["127.0.0.1", "::1"]\n' >>"$file" )
    echo "wrote $file"
}

# Nobody becomes owner under a made-up name.
ask_owner() {
    [ -z "$owner" ] && [ ! -e "$data/rookery.db" ] || return 0
    if [ -t 0 ] && [ -t 1 ]; then
        read -rp "E-mail address of the owner (signs in with it): " owner
    fi
    [[ $owner == *?@?* ]] || die "say who owns the server: --owner-email you@example.com"
}

use_systemd() {
    [ "$foreground" = 0 ] && [ -d /run/systemd/system ]
}

config_value() { # KEY: the effective value
    "$prefix/bin/rookery" config show --config "$etc/config.yaml" |
        sed -n "s|^$1: \"\([^\"]*\)\" .*|\1|p"
}

# Files that root alone may read are handed over by the service manager, at each start and reload.
write_certificate_dropin() {
    local dir=$unit_dir/rookery.service.d c k when
    c=$(config_value server.tls.certFile) k=$(config_value server.tls.keyFile)
    rm -f "$dir/certificate.conf"
    [ -n "$c" ] || return 0
    install -d "$dir"
    {
        echo "# Written by quickstart.sh: copies of what server.tls in $etc/config.yaml names."
        echo "[Service]"
        echo "Environment=ROOKERY_TLS_CERT_FILE=$run_dir/tls/cert.pem ROOKERY_TLS_KEY_FILE=$run_dir/tls/key.pem"
        echo "ExecReload="
        for when in ExecStartPre ExecReload; do
            echo "$when=+/usr/bin/install -d -m 0750 -g rookery $run_dir/tls"
            echo "$when=+/usr/bin/install -m 0440 -g rookery $c $run_dir/tls/cert.pem"
            echo "$when=+/usr/bin/install -m 0440 -g rookery $k $run_dir/tls/key.pem"
        done
        echo "ExecReload=/bin/kill -HUP \$MAINPID"
    } >"$dir/certificate.conf"
}

journal_tail() {
    echo "The last lines of its log (journalctl -u rookery):" >&2
    journalctl -u rookery --no-pager -o cat -n 15 >&2 || true
}

# What the service will read is read as the service's user: root's eyes see more.
check_as_user() {
    local copies=()
    if [ -e $unit_dir/rookery.service.d/certificate.conf ]; then
        install -d -m 0750 -o rookery -g rookery "$run_dir"
        install -d -m 0750 -g rookery "$run_dir/tls"
        install -m 0440 -g rookery "$(config_value server.tls.certFile)" "$run_dir/tls/cert.pem"
        install -m 0440 -g rookery "$(config_value server.tls.keyFile)" "$run_dir/tls/key.pem"
        copies=("ROOKERY_TLS_CERT_FILE=$run_dir/tls/cert.pem"
            "ROOKERY_TLS_KEY_FILE=$run_dir/tls/key.pem")
    fi
    setpriv --reuid rookery --regid rookery --clear-groups env "${copies[@]}" \
        "$prefix/bin/rookery" config check --config "$etc/config.yaml" >/dev/null ||
        die "the service's user (rookery) cannot work with this configuration"
}

start_unit() {
    local verb=start
    getent passwd rookery >/dev/null ||
        useradd --system --home-dir "$data" --shell /usr/sbin/nologin rookery
    chgrp rookery "$etc" "$etc/config.yaml"
    install -d -m 0700 -o rookery -g rookery "$data"
    local unit
    for unit in rookery rookery-backup; do
        sed -e "s|@prefix@|$prefix|g; s|@config@|$etc/config.yaml|g; s|@data@|$data|g" \
            "$top/deploy/systemd/$unit.service.in" >"$unit_dir/$unit.service"
    done
    cp "$top/deploy/systemd/rookery-backup.timer" $unit_dir/
    write_certificate_dropin
    systemctl daemon-reload
    check_as_user
    systemctl enable --quiet rookery.service
    systemctl enable --quiet --now rookery-backup.timer
    if systemctl is-active --quiet rookery; then
        verb=restart
        echo "restarting the server with what was just installed"
    fi
    systemctl reset-failed rookery 2>/dev/null || true
    systemctl "$verb" rookery || {
        journal_tail
        die "the server does not $verb; the reason is above"
    }
}

run_setup() {
    "$prefix/bin/rookery" setup --config "$etc/config.yaml" --wait 30s \
        ${owner:+--owner-email "$owner"} || {
        if use_systemd; then journal_tail; fi
        return 1
    }
    [ "$lan" = 0 ] || echo "Note: with --lan everything is clear text, passwords and tokens too."
}

remove_all() {
    local packages=$build/packages-added added=
    if [ -d /run/systemd/system ]; then
        systemctl disable --now --quiet rookery.service rookery-backup.timer 2>/dev/null || true
    fi
    rm -rf $unit_dir/rookery.service $unit_dir/rookery.service.d $unit_dir/rookery-backup.* "$run_dir"
    [ ! -d /run/systemd/system ] || systemctl daemon-reload
    [ ! -f "$build/Makefile" ] || make -C "$build" -s uninstall >/dev/null
    if [ "$keep_data" = 1 ]; then
        echo "kept: $etc $data"
    else
        rm -rf "$etc" "$data"
        if getent passwd rookery >/dev/null; then userdel rookery; fi
    fi
    [ ! -s "$packages" ] || added=$(sort -u "$packages" | tr '\n' ' ')
    rm -rf "$build"
    if [ -n "$added" ]; then
        echo "removing packages that quickstart added: $added"
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get purge -y -qq --auto-remove $added >/dev/null
    fi
    echo "Rookery is removed."
}

# ---- main ----
check_options
if [ "$uninstall" = 1 ]; then
    remove_all
    exit 0
fi
if [ "$demo" = 1 ]; then
    run_demo
fi

[ "$start" = 0 ] || ask_owner
# shellcheck disable=SC2086
install_packages $PACKAGES_BUILD $PACKAGES_RUN
build_all
make -C "$build" -s install >"$build/install.log" 2>&1 || die "make install failed; see $build/install.log"
write_config
"$prefix/bin/rookery" config check --config "$etc/config.yaml" || die "the configuration is not usable"
[ "$start" = 1 ] || { echo "nothing was started (--no-start)"; exit 0; }

if use_systemd; then
    start_unit
    run_setup || die "the server runs but was not set up; the reason is above"
    echo "To remove it all: sudo $0 --uninstall"
    exit 0
fi

install -d -m 0700 "$data"
"$prefix/bin/rookery" run --config "$etc/config.yaml" &
pid=$!
trap 'kill $pid 2>/dev/null; wait $pid' INT TERM
run_setup || {
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
    die "the server did not become ready"
}
echo "To remove it all: sudo $0 --uninstall"
echo "The server runs in the foreground; Ctrl-C stops it."
wait "$pid"
