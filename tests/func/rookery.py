# SPDX-License-Identifier: BSD-3-Clause
"""One running rookery with its own data folder and ports, for functional tests."""
import atexit
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

from proc import Program, check, clean_env, free_port, get

ROOKERY = os.path.abspath(sys.argv[1])


class Server:
    def __init__(self, folder=None, start=True, **env):
        self.dir = folder or tempfile.mkdtemp(prefix="rookery-ops-")
        atexit.register(shutil.rmtree, self.dir, True)
        self.port, self.metrics = free_port(), free_port()
        self.env = clean_env(
            ROOKERY_LISTEN_ADDRESS="127.0.0.1:%d" % self.port,
            ROOKERY_EXPOSED_ADDRESS="http://localhost:%d" % self.port,
            ROOKERY_DATA_DIR=self.dir, ROOKERY_STUN_PORTS="%d" % free_port(),
            ROOKERY_HEALTHCHECK_ADDRESS="127.0.0.1:%d" % self.metrics,
            ROOKERY_METRICS_PORT="0", **env)
        self.db = self.dir + "/rookery.db"
        if start:
            self.start()

    def start(self):
        self.p = Program([ROOKERY, "run"], self.port, self.env)

    def command(self, *args):
        return subprocess.run([ROOKERY, *args], env=self.env, capture_output=True, text=True,
                              timeout=300)

    def setup(self):
        r = self.command("setup", "--json", "--owner-email", "owner@example.com")
        assert r.returncode == 0, r.stderr
        self.token = json.loads(r.stdout)["api_token"]

    def api(self, method, path, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        c.request(method, path, json.dumps(body) if body is not None else None,
                  {"Authorization": "Token " + self.token, "Content-Type": "application/json"})
        a = c.getresponse()
        return a.status, a.read().decode()

    def becomes(self, name, status, has=""):
        """The health page answers so before long (a look a second; many for a busy machine)."""
        end = time.time() + 120
        while time.time() < end:
            got, body = get(self.metrics, "/readyz")
            if got == status and has in body:
                break
            time.sleep(0.05)
        check(name, got == status and has in body, "%s %s" % (got, body))
        return json.loads(body)
