#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A host whose port 53 is taken on every address: our name server listens on another port, and what
# programs of this host ask at port 53 of the overlay address comes there.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK
command -v dig >/dev/null || skip "dig is not installed (bind9-dnsutils)"
command -v python3 >/dev/null || skip "python3 is not installed"

la() { nodes_in la a "$@"; }
known() { [ "$(la getent ahostsv4 "$1" | awk 'NR==1{print $1}')" = "$2" ]; }

topo_up
topo_in la python3 "$SRC_DIR/tests/lib/dnsd.py" 0.0.0.0 "www.example=198.18.0.80" >"$NODES_DIR/taken" 2>&1 &
nodes_wait 10 grep -q ready "$NODES_DIR/taken" || fail "name server: $(cat "$NODES_DIR/taken")"
mkdir -p "$NODES_DIR/a/etc"
echo "nameserver 127.0.0.1" >"$NODES_DIR/a/etc/resolv.conf"
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "agent a"
nodes_agent_start rook lb b "$key" || fail "agent b"
a=$(nodes_ip rook la a)
b=$(nodes_ip rook lb b)
nodes_wait 15 known b "$b" || fail "name of b: $(la cat /etc/resolv.conf; topo_in la nft list ruleset)"
grep -q "^nameserver $a" "$NODES_DIR/a/etc/resolv.conf" || fail "resolv.conf: $(cat "$NODES_DIR/a/etc/resolv.conf")"
known www.example 198.18.0.80 || fail "a name of the world"
[ "$(la dig +short +tcp +time=2 +tries=1 "@$a" b.netbird.selfhosted)" = "$b" ] || fail "name of b over TCP"
la "$ROOK" down >/dev/null || fail "down"
known www.example 198.18.0.80 || fail "the world is gone after down"
known b "$b" && fail "names go on after down"
echo "names on another port: all held"
