#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Builds the Debian packages rookery, rookery-relay and rook from this source tree.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: deploy/build-deb.sh [OPTION…]

  --out DIR         where the packages go (default: _deb in the source tree)
  --from-build DIR  package what was built there (by configure and make), instead of building
  --clean           build in a fresh Debian 12 made by debootstrap, with nothing in it but what the
                    packages say that they need; root only. Status 77 where none can be made
  --cache FILE      of --clean: keep the fresh Debian in this file for the next time
  --version V       of the packages (default: that of configure.ac)
  --no-lint         without lintian
  -h, --help        this text
TEXT
}

die() {
    echo "build-deb: $*" >&2
    exit 1
}

top=$(cd "$(dirname "$0")/.." && pwd)
out=$top/_deb from='' clean=0 cache='' version='' lint=1
need() { [ $# -ge 2 ] || die "$1 needs a value"; }
while [ $# -gt 0 ]; do
    case $1 in
    --out) need "$@"; out=$2; shift ;;
    --from-build) need "$@"; from=$(realpath "$2"); shift ;;
    --clean) clean=1 ;;
    --cache) need "$@"; cache=$(realpath -m "$2"); shift ;;
    --version) need "$@"; version=$2; shift ;;
    --no-lint) lint=0 ;;
    -h | --help) usage; exit 0 ;;
    *) die "unknown option $1; see --help" ;;
    esac
    shift
done
out=$(realpath -m "$out")
[ -z "$from" ] || [ -x "$from/rookery" ] || die "there is no finished build in $from"
[ -z "$from" ] || [ $clean = 0 ] || die "--clean and --from-build exclude each other"

# shellcheck source=deploy/packages.sh
. "$top/deploy/packages.sh"

# The source with debian/ in its place, and the version everywhere.
stage() { # DIR
    local own
    mkdir -p "$1"
    tar -C "$top" --exclude=./.git --exclude='./_*' --exclude=./autom4te.cache --exclude=./debian -c . | tar -C "$1" -x
    cp -r "$top/deploy/debian" "$1/debian"
    # shellcheck disable=SC2086
    sed "s/@BUILD_DEPENDS@/$(printf '%s, ' $PACKAGES_BUILD | sed 's/, $//')/" \
        "$1/debian/control.in" >"$1/debian/control"
    rm "$1/debian/control.in"
    own=$(sed -n 's/^AC_INIT(\[rookery\], \[\([^]]*\)\].*/\1/p' "$top/configure.ac")
    if [ "${version:-$own}" != "$(sed -n '1s/.*(\(.*\)).*/\1/p' "$1/debian/changelog")" ]; then
        printf 'rookery (%s) unstable; urgency=medium\n\n  * Built from source.\n\n -- %s  %s\n\n' \
            "${version:-$own}" "$(sed -n 's/^Maintainer: //p' "$1/debian/control")" \
            "$(date -R -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}")" | cat - "$top/deploy/debian/changelog" >"$1/debian/changelog"
    fi
}

build() { # the staged source in $1
    local options=${DEB_BUILD_OPTIONS-}
    [ -z "$from" ] || options="$options noautodbgsym"
    (cd "$1" && ROOKERY_BUILD=$from DEB_BUILD_OPTIONS="parallel=$(nproc) $options" \
        dpkg-buildpackage -b -us -uc ${from:+-d}) >"$work/build.log" 2>&1 || {
        tail -40 "$work/build.log" >&2
        die "the packages do not build"
    }
}

fresh_debian() { # FILE: a tar of Debian 12 as debootstrap makes it
    local site
    [ ! -s "$1" ] || return 0
    command -v debootstrap >/dev/null || { echo "skip: no debootstrap here" >&2; return 77; }
    site=$(apt-get indextargets --format '$(SITE) $(RELEASE)' | awk '$2 == "bookworm" {print $1; exit}')
    [ -n "$site" ] || { echo "skip: apt knows no mirror of Debian 12 (bookworm)" >&2; return 77; }
    debootstrap --variant=minbase --include=ca-certificates bookworm "$work/fresh" \
        "$site" >"$work/debootstrap.log" 2>&1 || {
        echo "skip: no fresh Debian can be made here: $(tail -1 "$work/debootstrap.log")" >&2
        return 77
    }
    tar -C "$work/fresh" --exclude='./var/cache/apt/archives/*.deb' --exclude='./proc/*' --exclude='./sys/*' -cf "$1.new" .
    mv "$1.new" "$1"
    rm -rf --one-file-system "$work/fresh"
}

# Runs this script once more, inside of the fresh system.
build_clean() {
    local file=${cache:-$work/base.tar} root=$work/root status=0
    [ "$(id -u)" = 0 ] || die "--clean is for root"
    fresh_debian "$file" || exit $?
    mkdir -p "$root"
    tar -C "$root" -xf "$file"
    mkdir -p "$root/source" "$root/out"
    tar -C "$top" --exclude=./.git --exclude='./_*' -c . | tar -C "$root/source" -x
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    cp /etc/apt/apt.conf.d/*proxy* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
    # shellcheck disable=SC2016
    unshare -m -p -f --kill-child bash -ec 'root=$1; shift
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
            http_proxy="${http_proxy-}" https_proxy="${https_proxy-}" DEBIAN_FRONTEND=noninteractive \
            bash -ec "cd /source; . deploy/packages.sh
                apt-get update -qq
                apt-get install -y -qq --no-install-recommends \$PACKAGES_BUILD \$PACKAGES_PACKAGE lintian >/dev/null
                deploy/build-deb.sh --out /out $*"' x "$root" ${version:+--version "$version"} \
        "$([ $lint = 1 ] || echo --no-lint)" || status=$?
    [ $status = 0 ] || die "the packages do not build in a fresh Debian"
    cp "$root"/out/* "$out/"
}

work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
mkdir -p "$out"
if [ $clean = 1 ]; then
    build_clean
else
    needed=$PACKAGES_PACKAGE
    [ -n "$from" ] || needed="$needed $PACKAGES_BUILD"
    # shellcheck disable=SC2086
    missing=$(packages_missing $needed)
    [ -z "$missing" ] || die "packages are missing: $(echo "$missing" | tr '\n' ' ')"
    stage "$work/rookery"
    build "$work/rookery"
    cp "$work"/*.deb "$work"/*.changes "$out/"
    if [ $lint = 1 ]; then
        command -v lintian >/dev/null || die "lintian is missing; --no-lint does without"
        lintian --fail-on error --suppress-tags bad-distribution-in-changes-file "$work"/*.changes || die "lintian found errors"
    fi
fi
for f in "$out"/*.deb; do
    case $f in *-dbgsym_*) ;; *) echo "$f" ;; esac
done
