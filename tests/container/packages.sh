#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The Debian packages build in a Debian 12 with nothing in it but what they say that they need, and lintian
# finds no error; suite "container".
set -u
[ "$(id -u)" = 0 ] || { echo "skip: not root"; exit 77; }
out=$(mktemp -d /tmp/rookery-packages-XXXXXX)
trap 'rm -rf "$out"' EXIT
"$SRC_DIR/deploy/build-deb.sh" --clean --out "$out" ${ROOKERY_BASE_IMAGE_CACHE:+--cache "$ROOKERY_BASE_IMAGE_CACHE"} || exit $?
for p in rookery rookery-relay rook; do
    dpkg-deb -I "$out/${p}"_*.deb >/dev/null || exit 1
done
