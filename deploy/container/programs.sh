#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# programs.sh DIR: write to DIR/packages which Debian packages the programs in DIR/usr/bin are linked with,
# and those of what they open when QUIC is spoken.
set -e
dir=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debian"
echo 'Source: rookery' >"$work/debian/control"
cd "$work"
for program in "$dir"/usr/bin/*; do
    set -- "$@" "-e$program"
done
shift
dpkg-shlibdeps -O "$@" | sed -n 's/^shlibs:Depends=//p' | tr ',' '\n' | sed 's/ *(.*//; s/ *|.*//; s/^ *//' >"$work/packages"
[ -s "$work/packages" ]
for lib in $(grep -aoh 'libngtcp2_crypto_gnutls\.so\.[0-9]*' "$dir"/usr/bin/* | sort -u); do
    dpkg-query -S "*/$lib" | sed 's/[:,].*//' >>"$work/packages"
done
sort -u "$work/packages" >"$dir/packages"
