# SPDX-License-Identifier: BSD-3-Clause
"""Field by field and value by value, the REST API of this server against that of the official one:
the same verdict, and the same thing given back. Every text, list, map and number of every request,
with empty, blank, long, non-ASCII, control and zero characters, names in both cases and so on.

Usage: rest_verdicts.py RESTD [--all] [--record FACTS.json] [PART-OF-A-FIELD'S-NAME]
--all sends every text by PUT as well, which takes three times as long.
Needs NETBIRD_SERVER_BIN, the official combined server; both run on loopback alone."""
import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "contract"), os.path.join(HERE, "..", "func")]
import grpc  # noqa: E402

import absent  # noqa: E402
import fields  # noqa: E402
from mgmt_peer import Agent  # noqa: E402
from proc import free_port  # noqa: E402
from server import Server  # noqa: E402

SETUP = {"email": "owner@example.com", "password": "Correct-horse-1", "name": "O",
         "create_pat": True, "pat_expire_in": 1}


class Official:
    """The official combined server in a folder of its own; a context manager."""

    def __init__(self, program):
        self.dir = tempfile.TemporaryDirectory(prefix="rookery-official-")
        self.port = free_port()
        config = os.path.join(self.dir.name, "config.yaml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(f"""server:
  listenAddress: ":{self.port}"
  exposedAddress: "http://127.0.0.1:{self.port}"
  stunPorts: [{free_port()}]
  metricsPort: {free_port()}
  healthcheckAddress: "127.0.0.1:{free_port()}"
  logLevel: error
  logFile: console
  authSecret: s
  dataDir: "{self.dir.name}"
  disableAnonymousMetrics: true
  disableGeoliteUpdate: true
  auth:
    issuer: "http://127.0.0.1:{self.port}/oauth2"
  store:
    engine: sqlite
    encryptionKey: "{base64.b64encode(os.urandom(32)).decode()}"
""")
        env = dict(os.environ, NB_SETUP_PAT_ENABLED="true", NB_DISABLE_GEOLOCATION="true")
        self.log = open(os.path.join(self.dir.name, "log"), "wb")
        self.process = subprocess.Popen([program, "--config", config], env=env, stdout=self.log,
                                        stderr=self.log)

    def __enter__(self):
        until = time.time() + 120
        while True:
            try:
                request = urllib.request.Request(
                    f"http://127.0.0.1:{self.port}/api/setup", json.dumps(SETUP).encode(),
                    {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=30) as r:
                    self.token = json.load(r)["personal_access_token"]
                return self
            except OSError:
                if self.process.poll() is not None or time.time() > until:
                    raise
                time.sleep(0.2)

    def enrol(self, key):
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            Agent(channel).login(key)

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()
        self.log.close()
        self.dir.cleanup()


def main():
    args = sys.argv[1:]
    record = args[args.index("--record") + 1] if "--record" in args else None
    quick = "--all" not in args
    only = args[-1] if len(args) > 1 and args[-1] not in (record, "--all") else None
    program = os.environ.get("NETBIRD_SERVER_BIN")
    if not program or not os.access(program, os.X_OK):
        print("SKIP: NETBIRD_SERVER_BIN does not name the official combined server")
        return 77
    found = {}
    with Official(program) as official, Server(args[0], absent.TOKEN) as server:
        def ask():
            api = fields.Api(absent.Caller(official.port, official.token), official.enrol)
            api.quick = quick
            found["theirs"] = fields.probe_all(api, texts=not record, only=only)
        other = threading.Thread(target=ask)
        other.start()
        mine = absent.restd_api(server)
        mine.quick = quick
        ours = fields.probe_all(mine, texts=not record, only=only)
        other.join()
    if record:
        with open(record, "w", encoding="ascii") as f:
            json.dump(found["theirs"], f, indent=0, sort_keys=True, separators=(",", ":"))
            f.write("\n")
    n, lines = fields.differences(found["theirs"], ours)
    lines += fields.inconsistencies(ours)
    for line in lines:
        print("FAIL", line)
    print(f"{len(ours)} fields, {n} answers compared, {len(lines)} differ without a reason")
    return 1 if lines or not n else 0


if __name__ == "__main__":
    sys.exit(main())
