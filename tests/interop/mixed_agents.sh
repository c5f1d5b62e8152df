#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# An official client and rook on our server, each on each side.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK
need_program NETBIRD_BIN

for pair in "netbird rook" "rook netbird"; do
    # shellcheck disable=SC2086
    set -- $pair
    echo "$1 in LAN a, $2 in LAN b"
    topo_up
    rm -rf "${NODES_DIR:?}"/*
    nodes_own_server || fail "server"
    scenario_two_agents "$1" "$2"
    topo_down
done
echo "official client $("$NETBIRD_BIN" version) with rook on our server: all held"
