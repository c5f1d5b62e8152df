#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Packets between one process and the database vanish, without a word to anybody (nft in a namespace).
export PYTHONDONTWRITEBYTECODE=1
[ "$(id -u)" = 0 ] && command -v nft >/dev/null && ip netns list >/dev/null 2>&1 ||
    { echo "SKIP: needs root, ip and nft"; exit 77; }
db=rkcut-$$-db srv=rkcut-$$-srv
trap 'ip netns del $db; ip netns del $srv' EXIT
set -e
ip netns add $db
ip netns add $srv
ip -n $db link add eth type veth peer name eth netns $srv
for ns in $db $srv; do
    ip -n $ns link set lo up
    ip -n $ns link set eth up
done
ip -n $db address add 10.78.0.1/24 dev eth
ip -n $srv address add 10.78.0.2/24 dev eth
set +e
RK_PG_LISTEN=10.78.0.1 ip netns exec $db "$SRC_DIR/tests/lib/pg.sh" \
    ip netns exec $srv /usr/bin/python3 "$SRC_DIR/tests/ha/cut.py" "$ROOKERY"
