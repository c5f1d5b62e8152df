#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two official clients, each at another process of our server: they meet directly, and over relays.
[ -n "${RK_TEST_PG-}" ] || exec "$(dirname "$0")/../lib/pg.sh" bash "$0"
. "$(dirname "$0")/../lib/scenario.sh"
. "$(dirname "$0")/../lib/two_servers.sh"
need_root
need_program ROOKERY
need_program NETBIRD_BIN

topo_up
two_servers_start
scenario_two_agents netbird netbird
echo "official clients at two servers: all held"
