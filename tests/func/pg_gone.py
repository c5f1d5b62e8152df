# SPDX-License-Identifier: BSD-3-Clause
"""A server on PostgreSQL whose database stops and comes back: pg_gone.py ./rookery. What the health
page says, what still serves, what the log says."""
import glob
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from proc import check, finish, get, metric  # noqa: E402
from rookery import Server  # noqa: E402

DATA = os.environ["RK_TEST_PG_DATA"]
DIR = os.path.dirname(DATA)
PG_CTL = sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_ctl"))[-1]


def pg(*args):
    who = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"]
    r = subprocess.run((who if os.geteuid() == 0 else []) + [PG_CTL, "-D", DATA, "-w", *args],
                       capture_output=True, text=True, cwd="/")
    if r.returncode:
        raise SystemExit("pg_ctl %s: %s" % (args, r.stdout + r.stderr))


s = Server(start=False, ROOKERY_STORE_ENGINE="postgres", ROOKERY_STORE_DSN=os.environ["RK_TEST_PG"],
           ROOKERY_LOG_LEVEL="info")
s.start()
s.setup()
s.becomes("ready while PostgreSQL is there", 200)
check("something can be changed", s.api("POST", "/api/groups", {"name": "before"})[0] == 200)
pg("stop", "-m", "immediate")
body = s.becomes("when it is gone balancers keep sending, and the page says so", 200, "degraded")
text = json.dumps(body)
check("/health is for those who shall act", get(s.metrics, "/health")[0] == 503)
check("the body says which host", DIR in text, text)
check("since when, and what still serves", "since" in text and "signal" in text and
      "relay" in text, text)
check("the process lives", get(s.metrics, "/livez")[0] == 200)
check("the metric says so", metric(s.metrics, "rookery_store_up") == 0)
begun = time.time()
code, text = s.api("POST", "/api/groups", {"name": "meanwhile"})
check("a change is refused for now, not for ever", code == 503, (code, text))
check("and without a long wait", time.time() - begun < 20)
for _ in range(5):
    s.api("GET", "/api/groups")
pg("start", "-l", DATA + "/log", "-o", "-c listen_addresses= -c unix_socket_directories=%s "
   "-c max_connections=50" % DIR)
s.becomes("ready again when it is back", 200, '"healthy"')
check("/health, too", get(s.metrics, "/health")[0] == 200)
end = time.time() + 20
while time.time() < end and s.api("POST", "/api/groups", {"name": "after"})[0] not in (200, 409):
    time.sleep(0.1)
names = {g["name"] for g in json.loads(s.api("GET", "/api/groups")[1])}
check("what was there is there, and changes go on", {"before", "after"} <= names, names)
log = s.p.stop()
check("one line when it began, one when it ended", log.count('event="store unavailable"') == 1 and
      log.count('event="store available again"') == 1, log[-3000:])
check("the journal is whole", s.command("admin", "journal", "verify").returncode == 0)
finish()
