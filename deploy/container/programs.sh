#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# programs.sh DIR: write to DIR/packages which Debian packages the programs in DIR/usr/bin are linked with.
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
dpkg-shlibdeps -O "$@" | sed -n 's/^shlibs:Depends=//p' | tr ',' '\n' | sed 's/ *(.*//; s/ *|.*//; s/^ *//' | sort -u >"$dir/packages"
[ -s "$dir/packages" ]
