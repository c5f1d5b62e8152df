#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two rook agents on the official combined server.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOK
need_program NETBIRD_SERVER_BIN

topo_up
nodes_official_server || fail "official server"
scenario_two_agents rook rook
scenario_policy rook rook
echo "rook with itself on the official server: all held"
