#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Certificates by ACME against a real pebble. Needs root (a mount and a loopback of its own), pebble and uacme.
for p in pebble pebble-challtestsrv uacme; do
    command -v "$p" >/dev/null || { echo "skip: $p is not installed"; exit 77; }
done
[ "$(id -u)" = 0 ] || { echo "skip: not root"; exit 77; }
PYTHONDONTWRITEBYTECODE=1 exec unshare -m -n sh -c 'ip link set lo up && exec "$@"' sh \
    /usr/bin/python3 "${srcdir:-.}/tests/func/acme.py" ./rookery
