#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# own_net.sh COMMAND [ARG...]: runs a test on a loopback of its own, so that no other program takes the ports
# that it chose. Without root, or where namespaces are forbidden, on the machine's.
if [ "$(id -u)" = 0 ] && unshare -n ip link set lo up 2>/dev/null; then
    # shellcheck disable=SC2016
    exec unshare -n -- sh -c 'ip link set lo up && exec "$@"' sh "$@"
fi
exec "$@"
