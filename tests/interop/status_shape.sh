#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# `rook status --json` and `--yaml` have every member that the official client's have, of the same
# type; so programs that read the one read the other.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK
need_program NETBIRD_BIN

topo_up
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "rook does not come up"
nodes_agent_start netbird lb b "$key" || fail "netbird does not come up"
nodes_wait 30 nodes_ping la "$(nodes_ip netbird lb b)" || fail "no ping"
nodes_wait 30 nodes_path_is P2P rook la a || fail "no direct path"
nodes_wait 30 nodes_path_is P2P netbird lb b || fail "no direct path of b"
nodes_status rook la a >"$NODES_DIR/ours.json" || fail "status"
nodes_status netbird lb b >"$NODES_DIR/theirs.json" || fail "status of b"
nodes_in la a "$ROOK" status --yaml >"$NODES_DIR/ours.yaml" || fail "yaml"
nodes_in lb b "$NETBIRD_BIN" status --yaml --daemon-addr unix:///run/netbird.sock >"$NODES_DIR/theirs.yaml" || fail "yaml of b"
python3 - "$NODES_DIR" <<'PY' || fail "shapes differ"
import json, re, sys
d = sys.argv[1]
kind = {dict: "object", list: "list", str: "text", bool: "yes or no", int: "number", float: "number", type(None): "null"}
bad = []
def compare(path, theirs, ours):
    if theirs is None:
        return
    if kind[type(theirs)] != kind[type(ours)] and ours is not None:
        bad.append("%s: %s, official: %s" % (path, kind[type(ours)], kind[type(theirs)]))
    elif isinstance(theirs, dict):
        for k in theirs:
            if isinstance(ours, dict) and k in ours:
                compare(path + "." + k, theirs[k], ours[k])
            elif k != "metadata":
                bad.append(path + "." + k + " is missing")
    elif isinstance(theirs, list) and theirs and ours:
        for row in ours:
            compare(path + "[]", theirs[0], row)
theirs, ours = (json.load(open(d + "/" + n)) for n in ("theirs.json", "ours.json"))
compare("", theirs, ours)
print("official:", sorted(theirs), "\nonly ours:", sorted(set(ours) - set(theirs)))
keys = lambda n: set(re.findall(r"^(\w+):", open(d + "/" + n).read(), re.M))
missing = keys("theirs.yaml") - keys("ours.yaml")
if missing:
    print("only in the official YAML:", sorted(missing))
print("\n".join(bad))
sys.exit(bool(bad))
PY
echo "shapes of status: all held"
