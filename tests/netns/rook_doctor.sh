#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# `rook doctor` and `rook debug` on two connected agents; a debug bundle that management asks for; a
# posture check that an agent passes only while a file is there.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK

a() { nodes_in la a "$ROOK" "$@"; }
found() { # CHECK STATE TEXT: does the doctor's last report say so?
    jq -e --arg c "$1" --arg s "$2" --arg t "$3" \
        'any(.check == $c and .state == $s and (.text | contains($t)))' "$NODES_DIR/report" >/dev/null ||
        fail "the doctor does not say $*: $(cat "$NODES_DIR/report")"
}
doctor() { # STATUS [NS NODE]: run it; the report is in $NODES_DIR/report
    local rc
    nodes_in "${2:-la}" "${3:-a}" "$ROOK" doctor --json >"$NODES_DIR/report"
    rc=$?
    [ $rc = "$1" ] || fail "doctor ends with $rc: $(cat "$NODES_DIR/report")"
}

topo_up
nodes_own_server || fail "server"
key=$(nodes_setup_key)

# a service that takes bundles, in the middle network
mkdir -p "$NODES_DIR/mid"
cat >"$NODES_DIR/mid/take.py" <<'PY'
import http.server, json, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        assert self.headers["x-nb-client"] == "netbird" and "id=" in self.path
        body = json.dumps({"URL": "http://%s/put/1" % self.headers["Host"], "Key": "key-of-1"}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def do_PUT(self):
        open(sys.argv[2], "wb").write(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
http.server.HTTPServer((sys.argv[1], 8600), H).serve_forever()
PY
(exec ip netns exec "$TOPO-mid" python3 "$NODES_DIR/mid/take.py" "$TOPO_SERVER" "$NODES_DIR/mid/got.zip") >"$NODES_DIR/mid/log" 2>&1 &
nodes_wait 20 topo_in mid sh -c "ss -ltn | grep -q :8600" || fail "no upload service"

mkdir -p "$NODES_DIR/a"
(nodes_exec la a "$ROOK" service run --job-upload-url "http://$TOPO_SERVER:8600/upload-url") >"$NODES_DIR/a/log" 2>&1 &
echo $! >"$NODES_DIR/a/pid"
nodes_wait 10 test -S "$NODES_DIR/a/run/rook/rook.sock" || fail "the daemon does not start"
doctor 1
found connection problem NeedsLogin
a up --management-url "$NODES_URL" --setup-key "$key" --hostname a >/dev/null || fail "up"
nodes_agent_start rook lb b "$key" || fail "b does not come up"
nodes_wait 30 nodes_ping la "$(nodes_ip rook lb b)" || fail "no ping"
nodes_wait 30 nodes_path_is P2P rook la a || fail "no direct path"

doctor 0
found connection ok connected
found management ok answers
found signal ok answers
found relay ok answers
found clock ok agrees
found NAT ok "behind "
found names ok resolves
found "direct peers" ok 1
found MTU ok 1280
a doctor | has "0 problems" || fail "doctor in words: $(a doctor)"
nodes_log "doctor: healthy"

# without UDP
topo_in na nft 'add table ip udpoff; add chain ip udpoff f { type filter hook forward priority -11; }; add rule ip udpoff f meta l4proto udp drop' ||
    fail "udp"
nodes_wait 60 nodes_path_is Relayed rook la a || fail "not relayed"
doctor 0
found NAT warning "UDP seems to be blocked"
found "relayed peer" note "is reached by the relay"
jq -e 'any(.check == "relayed peer" and (.advice | contains("UDP is blocked here")))' "$NODES_DIR/report" >/dev/null ||
    fail "why it is relayed is not said: $(cat "$NODES_DIR/report")"
topo_in na nft delete table ip udpoff
nodes_log "doctor: UDP blocked"

# a bundle by hand, one without names, one for a while
a debug persistence on >/dev/null || fail "persistence"
nodes_api POST /api/groups '{"name":"news"}' >/dev/null
a debug bundle -o /run/b.zip >/dev/null || fail "bundle"
python3 - "$NODES_DIR/a/run/b.zip" "$(a status --json | jq -r .publicKey)" "$NODES_DIR/a" <<'PY' || fail "what the bundle has"
import glob, json, sys, zipfile
z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None
text = {n: z.read(n).decode() for n in z.namelist()}
for n in ("status.txt client.log config.txt state.json doctor.txt stack_trace.txt metrics.txt routes.txt "
          "ip_rules.txt nftables.txt interfaces.txt resolv.conf").split():
    assert text[n].strip(), n
assert sys.argv[2] in text["status.json"]
config = json.loads(text["config.txt"])
assert config["PrivateKey"] == "(set)", config
assert "daemon started" in text["client.log"]
assert "wireguard_state" in text["state.json"], text["state.json"]
secrets = [json.load(open(f))["PrivateKey"] for f in glob.glob(sys.argv[3] + "/lib/default.json")]
assert secrets and not any(s in t for s in secrets for t in text.values())
PY
a debug bundle -o /run/b.zip 2>/dev/null && fail "an archive is written over"
a debug for 1s --anonymize-level strict -o /run/anon.zip >/dev/null || fail "debug for"
python3 - "$NODES_DIR/a/run/anon.zip" "$(a status --json | jq -r '.publicKey, (.netbirdIp | split("/")[0]), .fqdn')" <<'PY' || fail "what the anonymous bundle has"
import sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
for n in z.namelist():
    for word in sys.argv[2].split():
        assert word not in z.read(n).decode(), (n, word)
assert "now=debug" in z.read("client.log").decode()
PY
a debug log level info | has "was info" || fail "the level is not as it was"
nodes_log "bundles"

# one that management asks for, and an agent that may not upload anything
id_of() { nodes_api GET /api/peers | jq -r --arg n "$1" '.[] | select(.name == $n) | .id'; }
job_over() { nodes_api GET "/api/peers/$1/jobs/$2" | jq -e '.status != "pending"' >/dev/null; }
job() { # NODE: ask for a bundle, wait for its end, print it
    local peer job
    peer=$(id_of "$1")
    job=$(nodes_api POST "/api/peers/$peer/jobs" '{"workload":{"type":"bundle","parameters":{"bundle_for":false,"bundle_for_time":0,"log_file_count":1,"anonymize":true}}}' | jq -r .id)
    nodes_wait 60 job_over "$peer" "$job" || true
    nodes_api GET "/api/peers/$peer/jobs/$job"
}
out=$(job a)
jq -e '.status == "succeeded" and .workload.result.upload_key == "key-of-1"' <<<"$out" >/dev/null || fail "job: $out"
python3 -m zipfile -t "$NODES_DIR/mid/got.zip" >/dev/null || fail "what was uploaded is no archive"
out=$(job b)
jq -e '.status == "failed" and (.failed_reason | contains("--job-upload-url"))' <<<"$out" >/dev/null || fail "job of b: $out"
nodes_log "jobs"

# posture: peers are allowed while a file of theirs is there
mkdir -p "$NODES_DIR/a/run"
mark=/run/posture-mark
check=$(nodes_api POST /api/posture-checks "{\"name\":\"mark\",\"checks\":{\"process_check\":{\"processes\":[{\"linux_path\":\"$mark\"}]}}}" | jq -r .id)
[ -n "$check" ] && [ "$check" != null ] || fail "posture check"
cp "$(command -v sleep)" "$NODES_DIR/a$mark"
policy=$(nodes_api GET /api/policies | jq '.[0] | .source_posture_checks = ["'"$check"'"] | .rules |= map(.sources |= map(.id) | .destinations |= map(.id))')
nodes_api PUT "/api/policies/$(jq -r .id <<<"$policy")" "$policy" | jq -e '.source_posture_checks | length == 1' >/dev/null || fail "policy: $policy"
peers() { a status --json | jq -e ".peers.total == $1" >/dev/null; }
nodes_wait 30 peers 0 || fail "the check does not hold anybody back"
(nodes_exec la a "$mark" 600) >/dev/null 2>&1 &
nodes_wait 60 peers 1 || fail "the process runs, and management does not know: $(a status --json | jq .peers)"
nodes_log "a process that runs is told"
kill $!
nodes_wait 60 peers 0 || fail "the process is gone, and management does not know"
nodes_log "a process that is gone is told"
echo "doctor, bundles, jobs, posture: all held"
