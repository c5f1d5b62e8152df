# SPDX-License-Identifier: BSD-3-Clause
# The Debian 12 packages that Rookery needs, in one place. Sourced by quickstart.sh and run.sh.

PACKAGES_BUILD="gcc make autoconf automake autoconf-archive pkg-config libuv1-dev libnghttp2-dev
libssl-dev libsodium-dev libprotobuf-c-dev protobuf-c-compiler libprotobuf-dev
protobuf-compiler libjansson-dev libyaml-dev libmicrohttpd-dev libqrencode-dev libjwt-dev libsqlite3-dev libpq-dev
libcurl4-openssl-dev libmnl-dev libnftables-dev libmaxminddb-dev libidn2-dev
libcrypt-dev libngtcp2-dev libngtcp2-crypto-gnutls-dev libgnutls28-dev libminiupnpc-dev libnatpmp-dev libsystemd-dev zlib1g-dev esbuild check"

PACKAGES_RUN="uacme ca-certificates curl jq openssl iproute2"

# for deploy/build-deb.sh
PACKAGES_PACKAGE="build-essential debhelper dpkg-dev"

PACKAGES_DEMO="nftables iperf3 iputils-ping procps util-linux"

PACKAGES_TEST="node-typescript clang libclang-rt-14-dev clang-format clang-tidy valgrind pmccabe gcovr ccache python3
python3-grpcio python3-grpc-tools python3-cryptography python3-nacl python3-protobuf python3-jsonschema postgresql haproxy sqlite3
wireguard-go wireguard-tools iptables dbus-daemon bind9-dnsutils nghttp2-client socat git xz-utils chromium chromium-driver systemd prometheus pebble miniupnpd-nftables coturn nginx-light musl-tools
$PACKAGES_PACKAGE lintian mandoc zsh fish"

PACKAGES_VM="qemu-system-x86 busybox-static cpio kmod wireguard-tools"

PACKAGES_CONTAINER="docker.io docker-compose debootstrap"

# Programs that tests run in places of their own and that must not be installed: they take over the
# machine's own names.
PACKAGES_UNPACK="systemd-resolved"

# Those that manage the network of a machine, for one of a test's own; and what they need.
PACKAGES_BESIDE="network-manager libnm0 libndp0 libmm-glib0 libnewt0.52 libteamdctl0 libbluetooth3 libpsl5
libcurl3-gnutls libpolkit-agent-1-0 libpolkit-gobject-1-0 firewalld python3-firewall python3-nftables python3-dbus
python3-gi gir1.2-glib-2.0 libgirepository-1.0-1"

packages_unpack() { # FOLDER PACKAGE…: their files, without installing them
    local dir=$1 p
    shift
    mkdir -p "$dir" || return 1
    for p in "$@"; do
        [ ! -e "$dir/$p.done" ] || continue
        (cd "$dir" && apt-get download -qq "$p" >/dev/null 2>&1 && dpkg -x "$p"_*.deb root && touch "$p.done") || return 1
    done
}

packages_below_usr() { # ROOT: as on a machine whose /bin, /lib and /sbin are links
    local d
    for d in bin lib sbin; do
        [ ! -d "$1/$d" ] || { mkdir -p "$1/usr/$d" && cp -a "$1/$d/." "$1/usr/$d/" && rm -rf "${1:?}/$d"; } || return 1
    done
}

packages_missing() { # PACKAGE…: print those that are not installed
    local p
    for p in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed || echo "$p"
    done
}

packages_install() { # PACKAGE…: install what is missing; quiet when nothing is
    local missing
    missing=$(packages_missing "$@" | tr '\n' ' ')
    [ -n "${missing// /}" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        echo "these packages are missing and only root can install them: $missing" >&2
        return 1
    fi
    command -v apt-get >/dev/null || {
        echo "apt-get not found: this script knows Debian 12; install by hand: $missing" >&2
        return 1
    }
    echo "installing: $missing"
    DEBIAN_FRONTEND=noninteractive apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
