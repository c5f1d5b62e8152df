#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Rookery on a fresh Debian 12 machine, from this source tree.
set -euo pipefail

usage() {
    cat <<'EOF'
Usage: sudo ./deploy/quickstart.sh [OPTION…]

Without --demo: install packages, build, install, write configuration and secrets, start the server
(as a systemd unit where systemd runs, else in the foreground), print how to go on.

  --demo            show two agents behind two NAT routers meeting, with everything on this machine
                    in network namespaces, measure it, and remove all of it again
  --keep-going      demo: leave everything running at the end, and say how to stop it
  --domain NAME     name or address under which the server is reached (default: this machine's
                    main address, without TLS)
  --port PORT       TCP port (default: 443 with a certificate, else 8080)
  --cert FILE --key FILE
                    certificate and key in PEM; switches TLS on
  --prefix DIR      where programs are installed (default: /usr/local)
  --data DIR        data folder (default: /var/lib/rookery)
  --config DIR      configuration folder (default: /etc/rookery)
  --build DIR       build folder (default: _quickstart in the source tree)
  --foreground      do not use systemd even if it runs
  --no-start        write everything, start nothing
  -h, --help        this text

Running it again changes nothing that exists: configuration, secrets and data are kept.
EOF
}

die() {
    echo "quickstart: $*" >&2
    exit 1
}

top=$(cd "$(dirname "$0")/.." && pwd)
demo=0 keep=0 domain= port= cert= key= prefix=/usr/local data=/var/lib/rookery etc=/etc/rookery
build=$top/_quickstart foreground=0 start=1
asked="" # options that only a new configuration file takes up

need() { [ $# -ge 2 ] || die "$1 needs a value"; }
while [ $# -gt 0 ]; do
    case $1 in
    --demo) demo=1 ;;
    --keep-going) keep=1 ;;
    --foreground) foreground=1 ;;
    --no-start) start=0 ;;
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

[ "$(id -u)" = 0 ] || die "must run as root: sudo $0"
if [ -n "$cert$key" ] && { [ -z "$cert" ] || [ -z "$key" ]; }; then
    die "--cert and --key go together"
fi
for f in $cert $key; do
    [ -r "$f" ] || die "cannot read $f"
done
[ -z "$port" ] || [[ $port =~ ^[0-9]+$ && $port -ge 1 && $port -le 65535 ]] ||
    die "--port $port is not a port"

# shellcheck source=deploy/packages.sh
. "$top/deploy/packages.sh"

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

write_config() {
    local scheme=http file=$etc/config.yaml
    [ -z "$cert" ] || scheme=https
    [ -n "$port" ] || { [ -n "$cert" ] && port=443 || port=8080; }
    [ -n "$domain" ] || domain=$(main_address)
    if [ -e "$file" ]; then
        echo "keeping $file${asked:+; change it by hand for what you gave with$asked}"
        return
    fi
    install -d -m 0750 "$etc"
    ( umask 027
      cat >"$file" <<EOF
# Written by quickstart.sh. "rookery config show --config $file" explains every key.
server:
  listenAddress: ":$port"
  exposedAddress: "$scheme://$domain:$port"
  stunPorts: [3478]
  dataDir: "$data"
EOF
      [ -z "$cert" ] || printf '  tls:\n    certFile: "%s"\n    keyFile: "%s"\n' \
          "$(realpath "$cert")" "$(realpath "$key")" >>"$file" )
    echo "wrote $file"
}

use_systemd() {
    [ "$foreground" = 0 ] && [ -d /run/systemd/system ]
}

start_unit() {
    getent passwd rookery >/dev/null ||
        useradd --system --home-dir "$data" --shell /usr/sbin/nologin rookery
    chgrp rookery "$etc" "$etc/config.yaml"
    install -d -m 0700 -o rookery -g rookery "$data"
    sed -e "s|@prefix@|$prefix|g; s|@config@|$etc/config.yaml|g; s|@data@|$data|g" \
        "$top/deploy/systemd/rookery.service.in" >/etc/systemd/system/rookery.service
    systemctl daemon-reload
    systemctl enable --quiet --now rookery.service
}

say_removal() {
    echo "To remove it all: $1make -C $build uninstall; rm -r $etc $data"
}

# ---- main ----
if [ "$demo" = 1 ]; then
    run_demo
fi

# shellcheck disable=SC2086
packages_install $PACKAGES_BUILD $PACKAGES_RUN
build_all
make -C "$build" -s install >"$build/install.log" 2>&1 || die "make install failed; see $build/install.log"
write_config
"$prefix/bin/rookery" config check --config "$etc/config.yaml" || die "the configuration is not usable"
[ "$start" = 1 ] || { echo "nothing was started (--no-start)"; exit 0; }

if use_systemd; then
    start_unit
    "$prefix/bin/rookery" setup --config "$etc/config.yaml" --wait 30s
    say_removal "systemctl disable --now rookery; rm /etc/systemd/system/rookery.service; "
    exit 0
fi

install -d -m 0700 "$data"
"$prefix/bin/rookery" run --config "$etc/config.yaml" &
pid=$!
trap 'kill $pid 2>/dev/null; wait $pid' INT TERM
"$prefix/bin/rookery" setup --config "$etc/config.yaml" --wait 30s || {
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
    die "the server did not become ready"
}
say_removal ""
echo "The server runs in the foreground; Ctrl-C stops it."
wait "$pid"
