#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# `rookery setup` by flags and on a terminal, against a real pebble. Needs root (namespaces of its
# own, so that the ports and names of a fresh machine are there), pebble and uacme.
for p in pebble pebble-challtestsrv uacme; do
    command -v "$p" >/dev/null || { echo "skip: $p is not installed"; exit 77; }
done
[ "$(id -u)" = 0 ] || { echo "skip: not root"; exit 77; }
export PYTHONDONTWRITEBYTECODE=1
# shellcheck disable=SC2016
exec unshare -m -n sh -c 'ip link set lo up && exec /usr/bin/python3 "$1/tests/func/setup.py" ./rookery' \
    sh "${srcdir:-.}"
