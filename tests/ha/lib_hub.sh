# SPDX-License-Identifier: BSD-3-Clause
# Sourced by the scripts of tests/ha and by tests/bench/ha.sh:
#   hub_run PROGRAM.py [ARGUMENT…]   in namespaces of its own, with cluster.py's environment
#
#   namespace N-hub: bridge 10.77.0.1: PostgreSQL (two, for promotions), HAProxy, agents, the program
#   namespace N-s1…: 10.77.0.11…: a process each, so that it can be cut off alone
set -uo pipefail
SRC_DIR=${SRC_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
N=rkha$$
HUB_DIR=

skip() { echo "SKIP: $*"; exit 77; }

hub_end() {
    local status=$? ns p
    trap - EXIT
    for ns in $N-hub $N-s1 $N-s2 $N-s3; do
        for p in $(ip netns pids "$ns" 2>/dev/null); do kill -9 "$p" 2>/dev/null; done
        ip netns del "$ns" 2>/dev/null
    done
    [ $status = 0 ] || [ $status = 77 ] || [ -z "${HA_KEEP-}" ] || { echo "kept: $HUB_DIR"; exit $status; }
    [ -z "$HUB_DIR" ] || rm -rf "$HUB_DIR"
    exit $status
}

hub_up() {
    local i p
    [ "$(id -u)" = 0 ] || skip "needs root for network namespaces"
    [ -x "${ROOKERY-}" ] || skip "ROOKERY is not set to a program"
    [ -x "${BUILD_DIR-}/tests/ha/crowd" ] || skip "BUILD_DIR has no tests/ha/crowd"
    for p in haproxy nft ip setpriv; do command -v "$p" >/dev/null || skip "$p is not installed"; done
    ls -d /usr/lib/postgresql/*/bin >/dev/null 2>&1 || skip "PostgreSQL is not installed"
    HUB_DIR=$(mktemp -d /tmp/rookery-ha.XXXXXX)
    trap hub_end EXIT
    trap 'exit 130' INT TERM
    ip netns add $N-hub || skip "no network namespaces here"
    ip -n $N-hub link set lo up
    ip -n $N-hub link add br0 type bridge
    ip -n $N-hub addr add 10.77.0.1/24 dev br0
    ip -n $N-hub link set br0 up
    for i in 1 2 3; do
        ip netns add $N-s$i
        ip -n $N-s$i link set lo up
        ip link add name up$i netns $N-hub type veth peer name eth0 netns $N-s$i || skip "no veth"
        ip -n $N-hub link set up$i master br0 up
        ip -n $N-s$i addr add 10.77.0.1$i/24 dev eth0
        ip -n $N-s$i link set eth0 up
    done
}

hub_run() {
    hub_up
    ip netns exec $N-hub env HA_NS="$N" HA_DIR="$HUB_DIR" ROOKERY="$ROOKERY" BUILD_DIR="$BUILD_DIR" \
        PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$SRC_DIR/tests/ha" /usr/bin/python3 "$SRC_DIR/tests/$1" "${@:2}"
}
