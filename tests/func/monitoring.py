# SPDX-License-Identifier: BSD-3-Clause
"""Alert rules and dashboard against a real Prometheus that scrapes a real server: monitoring.py
./rookery"""
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import grpc  # noqa: E402
from mgmt_peer import Agent  # noqa: E402
from proc import Program, check, finish, free_port, get, metric  # noqa: E402
from rookery import Server  # noqa: E402

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
RULES = os.path.join(TOP, "deploy", "monitoring", "rookery.rules.yml")
TESTS = os.path.join(TOP, "deploy", "monitoring", "rookery.rules.test.yml")

r = subprocess.run(["promtool", "test", "rules", TESTS], capture_output=True, text=True)
check("promtool test rules", r.returncode == 0, r.stdout + r.stderr)

work = tempfile.mkdtemp(prefix="rookery-prom-")
s = Server()
s.setup()
s.command("admin", "backup", work + "/x.backup")
for _ in range(20):
    s.api("GET", "/api/groups")
key = json.loads(s.api("POST", "/api/setup-keys", {"name": "k", "type": "reusable", "expires_in": 86400,
                                                    "auto_groups": [], "usage_limit": 0})[1])["key"]
with grpc.insecure_channel("localhost:%d" % s.port) as ch:
    agents = [Agent(ch), Agent(ch)]
    for a in agents:
        a.login(key=key)
    stream = agents[0].sync()
    next(stream)  # its first map is no news
    before = metric(s.metrics, "rookery_push_latency_seconds_count")
    for p in json.loads(s.api("GET", "/api/peers")[1]):
        s.api("PUT", "/api/peers/" + p["id"], {"name": p["name"] + "x", "ssh_enabled": False,
                                               "login_expiration_enabled": False})
    next(stream)
    check("a push is measured", metric(s.metrics, "rookery_push_latency_seconds_count") > before)
    check("and its time is less than the test's", 0 < metric(
        s.metrics, "rookery_push_latency_seconds_sum") < 60)
    stream.cancel()
check("the official server's names are there", all(metric(s.metrics, "management_grpc_" + n) >= v
      for n, v in (("key_request_counter_total", 2), ("login_request_counter_total", 2),
                   ("sync_request_counter_total", 1), ("connected_streams_ratio", 0))))


def lane():
    return metric(s.metrics, 'rookery_store_changes_waiting{lane="0"}')


def until(what, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        v = what()
        if v:
            return v
        time.sleep(0.05)
    return None


def group(n, statuses):
    statuses.append(s.api("POST", "/api/groups", {"name": "g%d" % n})[0])


# Somebody holds the store: the first change waits inside its transaction, the others in the queue.
check("no change waits", until(lambda: lane() == 0))
statuses = []
other = sqlite3.connect(s.db, isolation_level=None, timeout=60)
other.execute("BEGIN IMMEDIATE")
threads = [threading.Thread(target=group, args=(n, statuses)) for n in range(40)]
for t in threads:
    t.start()
deepest = until(lane) or 0
other.execute("ROLLBACK")
for t in threads:
    t.join()
check("changes that wait for the store are counted", 0 < deepest <= 40, deepest)
check("and none when it is free again", until(lambda: lane() == 0), statuses)
port = free_port()
with open(work + "/prometheus.yml", "w") as f:
    f.write("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%s]\n"
            "scrape_configs:\n  - job_name: rookery\n    static_configs:\n"
            "      - targets: ['127.0.0.1:%d']\n" % (os.path.abspath(RULES), s.metrics))
p = Program(["prometheus", "--config.file=%s/prometheus.yml" % work,
             "--storage.tsdb.path=%s/data" % work, "--web.listen-address=127.0.0.1:%d" % port],
            port)


def query(expr):
    try:
        text = urllib.request.urlopen("http://127.0.0.1:%d/api/v1/query?%s" % (
            port, urllib.parse.urlencode({"query": expr})), timeout=60).read()
    except urllib.error.HTTPError as e:
        if e.code == 503:  # not ready yet
            return []
        raise
    return json.loads(text)["data"]["result"]


check("Prometheus scrapes it", until(lambda: [x for x in query('up{job="rookery"}')
                                             if x["value"][1] == "1"]))
with open(os.path.join(TOP, "deploy", "monitoring", "grafana.json")) as f:
    board = json.load(f)
exprs = [t["expr"] for p_ in board["panels"] for t in p_["targets"]]
names = {n for e in exprs for n in re.findall(
    r"\b((?:rookery|management|relay|signal|edge|process)_[a-z0-9_]+)(?=\{)", e)}
# What a server without TLS, without an agent's history, does not show.
absent = {"rookery_certificate_not_after_seconds"}
series = {n: query(n) for n in names}
missing = sorted(n for n, v in series.items() if not v and n not in absent)
check("every series of the dashboard is there", not missing, missing)
for e in exprs:
    q = e.replace('{job=~"$job",instance=~"$instance"}', '{job="rookery"}')
    try:
        query(q)
    except urllib.error.HTTPError as err:
        check("the dashboard's query " + q, False, err.read())
with open(RULES) as f:
    rule_names = set(re.findall(r"\b((?:rookery|process)_[a-z0-9_]+)", f.read()))
text = get(s.metrics, "/metrics")[1]
missing = sorted(n for n in rule_names - absent if not re.search(r"^%s[ {]" % n, text, re.M) and
                 "acme" not in n)
check("every series of the alerts is there", not missing, missing)
rules = json.loads(urllib.request.urlopen("http://127.0.0.1:%d/api/v1/rules" % port).read())
bad = [x["name"] for g in rules["data"]["groups"] for x in g["rules"] if x["health"] == "err"]
check("no rule fails", not bad, bad)
os.rename(s.db, s.db + ".away")
check("an outage shows", until(lambda: [x for x in query("rookery_store_up")
                                        if x["value"][1] == "0"]))
check("and its alert is pending", until(lambda: query(
    'ALERTS{alertname="RookeryStoreUnavailable"}')))
p.stop()
s.p.kill()
shutil.rmtree(work, True)
finish()
