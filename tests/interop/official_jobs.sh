#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The official server asks our agent for a debug bundle: it is made, uploaded and told.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program NETBIRD_SERVER_BIN
need_program ROOK

topo_up
nodes_official_server || fail "server"
key=$(nodes_setup_key)
mkdir -p "$NODES_DIR/mid" "$NODES_DIR/a"
cat >"$NODES_DIR/mid/take.py" <<'PY'
import http.server, json, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
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
(nodes_exec la a "$ROOK" service run --job-upload-url "http://$TOPO_SERVER:8600/upload-url") >"$NODES_DIR/a/log" 2>&1 &
echo $! >"$NODES_DIR/a/pid"
nodes_wait 10 test -S "$NODES_DIR/a/run/rook/rook.sock" || fail "the daemon does not start"
nodes_in la a "$ROOK" up --management-url "$NODES_URL" --setup-key "$key" --hostname a >/dev/null || fail "up"

peer=$(nodes_api GET /api/peers | jq -r '.[0].id')
job_over() { nodes_api GET "/api/peers/$peer/jobs" | jq -e 'length > 0 and all(.status != "pending")' >/dev/null; }
nodes_api POST "/api/peers/$peer/jobs" '{"workload":{"type":"bundle","parameters":{"bundle_for":false,"bundle_for_time":1,"log_file_count":1,"anonymize":false}}}' >/dev/null ||
    fail "the job is refused"
nodes_wait 60 job_over || fail "no end of the job: $(nodes_api GET "/api/peers/$peer/jobs")"
nodes_api GET "/api/peers/$peer/jobs" |
    jq -e '.[0].status == "succeeded" and .[0].workload.result.upload_key == "key-of-1"' >/dev/null ||
    fail "job: $(nodes_api GET "/api/peers/$peer/jobs")"
python3 -m zipfile -t "$NODES_DIR/mid/got.zip" >/dev/null || fail "what was uploaded is no archive"
echo "a job of the official server: all held"
