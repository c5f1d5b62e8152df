#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Official clients record their traffic for our server (tests/lib/traffic.sh).
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/traffic.sh"
need_root
need_program ROOKERY
need_program NETBIRD_BIN

# What our rules would do in the kernel they do in their filter, which is what counts packets.
export NB_FORCE_USERSPACE_FIREWALL=true
topo_up
NODES_CONFIG_MORE='  x: {flow: true, flowInterval: 2s}'
nodes_own_server || fail "server"
scenario_traffic netbird
scenario_traffic_ends netbird
echo "official client $("$NETBIRD_BIN" version) records for our server: all held"
