#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two official clients on our server: direct, relayed, direct again, and policy changes.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program NETBIRD_BIN

topo_up
nodes_own_server || fail "server"
scenario_two_agents netbird netbird
scenario_policy netbird netbird
echo "official client $("$NETBIRD_BIN" version) with itself on our server: all held"
