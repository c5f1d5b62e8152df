#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Rookery on a fresh Debian 12 machine, from this source tree.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: sudo ./deploy/quickstart.sh [OPTION…]

Without --demo: install what building needs, build, make Debian packages and install rookery's, configure
and start it ("rookery setup"; as a systemd unit where systemd runs, else in the foreground), print how to
go on.

  --domain NAME     name under which machines reach the server; it gets a certificate by itself (ACME),
                    or with
  --cert FILE --key FILE
                    has this one, in PEM. Only root needs to be able to read it: the unit gets copies in
                    /run/rookery/tls at each start and reload. After a renewal: systemctl reload rookery
  --lan             without a certificate: clear text on all addresses, for a network where everybody
                    may read along, the owner's password included
  --behind-proxy    without a certificate: this machine's proxy has one; the server listens on
                    loopback, and --domain is the proxy's public name
                    (none of these: loopback only, for a first look on this machine)
  --owner-email ADDRESS
                    the first owner; asked for on a terminal when it is not given
  --port PORT       TCP port (default: 443 with a certificate, else 8080)
  --data DIR        data folder (default: /var/lib/rookery)
  --config DIR      configuration folder (default: /etc/rookery)
  --prefix DIR      no package: install programs below DIR by "make install", units in /etc
  --build DIR       build folder (default: _quickstart in the source tree)
  --foreground      do not use systemd even if it runs
  --no-start        write everything, start nothing
  --uninstall       stop the server and remove what quickstart installed: package or programs, units, user,
                    build folder, packages that it added, configuration and data (not with --keep-data)
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
demo=0 keep=0 domain= port= cert= key= prefix= data=/var/lib/rookery etc=/etc/rookery
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
        [ -f Makefile ] || "$top/configure" --prefix="${prefix:-/usr}" --sysconfdir=/etc --localstatedir=/var
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

use_systemd() {
    [ "$foreground" = 0 ] && [ -d /run/systemd/system ]
}

# ---- installing

old_way_there() { [ -e "$unit_dir/rookery.service" ] && [ ! -L "$unit_dir/rookery.service" ]; }

# What "make install" put there, by this script as it was or with --prefix.
remove_programs() {
    [ ! -f "$build/Makefile" ] || grep -qx 'prefix = /usr' "$build/Makefile" ||
        make -C "$build" -s uninstall >/dev/null 2>&1 || true
    rm -f $unit_dir/rookery.service $unit_dir/rookery-backup.service $unit_dir/rookery-backup.timer $unit_dir/rookery.socket
}

install_programs() {
    local unit
    make -C "$build" -s install >"$build/install.log" 2>&1 || die "make install failed; see $build/install.log"
    getent passwd rookery >/dev/null ||
        useradd --system --home-dir "$data" --shell /usr/sbin/nologin rookery
    [ -d /run/systemd/system ] || return 0
    for unit in rookery rookery-backup; do
        sed -e "s|@prefix@|$prefix|g; s|@config@|$etc/config.yaml|g; s|@data@|$data|g" \
            "$top/deploy/systemd/$unit.service.in" >"$unit_dir/$unit.service"
    done
    cp "$top/deploy/systemd/rookery-backup.timer" "$top/deploy/systemd/rookery.socket" $unit_dir/
    systemctl daemon-reload
}

install_package() {
    local deb log=$build/package.log
    if old_way_there; then
        echo "replacing what was installed without a package"
        remove_programs
    fi
    deb=$(find "$build/deb" -name 'rookery_*.deb' -newer "$build/rookery" -newer "$top/deploy/debian" 2>/dev/null | head -1) || true
    if [ -z "$deb" ]; then
        rm -rf "$build/deb"
        "$top/deploy/build-deb.sh" --from-build "$build" --out "$build/deb" --no-lint >"$log" 2>&1 || {
            tail -30 "$log" >&2
            die "the package cannot be made; see $log"
        }
        deb=$(find "$build/deb" -name 'rookery_*.deb')
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --reinstall --allow-downgrades "$deb" >"$log" 2>&1 || {
        tail -30 "$log" >&2
        die "the package cannot be installed; see $log"
    }
    echo "installed $(basename "$deb"); the packages of agent and relay are in $build/deb, too"
}

# The package's units know the usual folders.
write_dropins() {
    local unit
    for unit in rookery rookery-backup; do
        rm -f "$unit_dir/$unit.service.d/quickstart.conf"
    done
    if [ -n "$prefix" ] || { [ "$etc" = /etc/rookery ] && [ "$data" = /var/lib/rookery ]; }; then
        return 0
    fi
    for unit in rookery rookery-backup; do
        mkdir -p "$unit_dir/$unit.service.d"
        {
            printf '# Written by quickstart.sh.\n[Unit]\nConditionPathExists=\nConditionPathExists=%s\n[Service]\nReadWritePaths=%s\n' \
                "$etc/config.yaml" "$data"
            [ $unit = rookery ] || echo ExecStartPre=
            echo ExecStart=
            sed -n -e "s|@prefix@|/usr|g; s|@config@|$etc/config.yaml|g; s|@data@|$data|g; /^ExecStart/p" \
                "$top/deploy/systemd/$unit.service.in"
        } >"$unit_dir/$unit.service.d/quickstart.conf"
    done
    systemctl daemon-reload
}

# ---- configuring

# Nobody becomes owner under a made-up name.
ask_owner() {
    [ -z "$owner" ] && [ ! -e "$data/rookery.db" ] || return 0
    if [ -t 0 ] && [ -t 1 ]; then
        read -rp "E-mail address of the owner (signs in with it): " owner
    fi
    [[ $owner == *?@?* ]] || die "say who owns the server: --owner-email you@example.com"
}

# A first look: nobody else reaches it. All other ways are those of "rookery setup".
write_first_look() {
    install -d -m 0750 -g rookery "$etc"
    ( umask 027
      cat >"$etc/config.yaml" <<EOF
# Written by quickstart.sh. "rookery config show --config $etc/config.yaml" explains every key.
server:
  listenAddress: "127.0.0.1:${port:-8080}"
  exposedAddress: "http://localhost:${port:-8080}"
  stunPorts: [3478]
  dataDir: "$data"
EOF
    )
    chgrp rookery "$etc/config.yaml"
    install -d -m 0700 -o rookery -g rookery "$data"
}

run_setup() { # OPTION…
    local answers=()
    if [ -e "$etc/config.yaml" ]; then
        echo "keeping $etc/config.yaml${asked:+; change it by hand for what you gave with$asked}"
    elif [ -z "$domain$cert" ] && [ $((lan + proxy)) = 0 ]; then
        write_first_look
    else
        [ -z "$domain" ] || answers+=(--domain "$domain")
        [ -n "$domain" ] || [ "$lan" = 1 ] || answers+=(--ip auto)
        [ -z "$cert" ] || answers+=(--cert "$cert" --key "$key")
        [ "$lan" = 0 ] || answers+=(--lan)
        [ "$proxy" = 0 ] || answers+=(--behind-proxy)
        [ -z "$port" ] || answers+=(--port "$port")
        answers+=(--data "$data")
    fi
    "${prefix:-/usr}/bin/rookery" setup --config "$etc/config.yaml" --yes ${owner:+--owner-email "$owner"} \
        "${answers[@]}" "$@"
}

# ---- removing

remove_all() {
    local packages=$build/packages-added added= verb=purge
    [ "$keep_data" = 0 ] || verb=remove
    if [ -d /run/systemd/system ]; then
        systemctl disable --now --quiet rookery.socket rookery.service rookery-backup.timer 2>/dev/null || true
    fi
    if dpkg-query -W -f '${db:Status-Status}\n' rookery 2>/dev/null | grep -qE '^(installed|config-files)$'; then
        DEBIAN_FRONTEND=noninteractive apt-get $verb -y -qq rookery >/dev/null
    fi
    remove_programs
    rm -rf $unit_dir/rookery.service.d $unit_dir/rookery.socket.d $unit_dir/rookery-backup.service.d "$run_dir"
    [ ! -d /run/systemd/system ] || systemctl daemon-reload
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
[ -n "$prefix" ] || PACKAGES_BUILD="$PACKAGES_BUILD $PACKAGES_PACKAGE"
# shellcheck disable=SC2086
install_packages $PACKAGES_BUILD $PACKAGES_RUN
build_all
running=0
if use_systemd && systemctl is-active --quiet rookery; then
    running=1
    echo "restarting the server with what was just built"
fi
if [ -n "$prefix" ]; then
    install_programs
    [ $running = 0 ] || systemctl restart rookery || true # setup tells what is the matter
else
    install_package
fi
[ ! -d /run/systemd/system ] || write_dropins
if [ "$start" = 0 ]; then
    run_setup --no-start || die "nothing was started; the reason is above"
    echo "nothing was started (--no-start)"
    exit 0
fi
if use_systemd; then
    run_setup --wait 30s || die "the server was not set up; the reason is above"
    [ "$lan" = 0 ] || echo "Note: with --lan everything is clear text, passwords and tokens too."
    echo "To remove it all: sudo $0 --uninstall"
    exit 0
fi

run_setup --no-start || die "nothing was started; the reason is above"
"${prefix:-/usr}/bin/rookery" run --config "$etc/config.yaml" &
pid=$!
trap 'kill $pid 2>/dev/null; wait $pid' INT TERM
"${prefix:-/usr}/bin/rookery" setup --config "$etc/config.yaml" --wait 30s ${owner:+--owner-email "$owner"} || {
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
    die "the server did not become ready"
}
echo "To remove it all: sudo $0 --uninstall"
echo "The server runs in the foreground; Ctrl-C stops it."
wait "$pid"
