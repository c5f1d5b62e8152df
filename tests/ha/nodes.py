# SPDX-License-Identifier: BSD-3-Clause
"""How a second node is made, seen and refused: nodes.py ROOKERY"""
import json
import os
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from two import check, join, server, sql, wait  # noqa: E402
from proc import finish, get, metric  # noqa: E402
from rookery import ROOKERY, Server  # noqa: E402

NAMES = ("store.key", "relay.secret", "setup-token")


def text(s, name):
    with open(s.dir + "/" + name) as f:
        return f.read()


def making():
    a = server()
    a.setup()
    b = server(a, start=False)
    made = a.command("admin", "node-token")
    check("a token is printed", made.returncode == 0 and made.stdout.startswith("rkn1."),
          made.stderr)
    check("the database alone has no secret in it", text(a, "store.key").strip() not in
          sql("SELECT string_agg(value, ' ') FROM kv WHERE name LIKE 'node_token/%'"))
    r = join(a, b, made.stdout)
    check("it makes the second node", r.returncode == 0, r.stderr)
    check("with the same secrets", all(text(a, n).strip() == text(b, n).strip() for n in NAMES))
    check("readable by its user alone", all(os.stat(b.dir + "/" + n).st_mode & 0o77 == 0
                                            for n in NAMES))
    c = server(a, start=False)
    r = join(a, c, made.stdout)
    check("a token works once", r.returncode == 1 and "was used" in r.stderr, r.stderr)
    check("and leaves nothing behind", not os.listdir(c.dir), os.listdir(c.dir))
    r = join(a, c, "rkn1.1234567890.nonsense")
    check("nonsense is refused", r.returncode == 1 and "no token" in r.stderr, r.stderr)
    made = a.command("admin", "node-token").stdout.split(".")
    old = "node_token/%s/" % made[1]
    sql("UPDATE kv SET name = replace(name, '%s', 'node_token/1000000000/')" % old)
    r = join(a, c, ".".join([made[0], "1000000000"] + made[2:]))
    check("an old token is refused", r.returncode == 1 and "older than an hour" in r.stderr, r.stderr)
    with open(c.dir + "/store.key", "w") as f:
        f.write("another one\n")
    os.chmod(c.dir + "/store.key", 0o600)
    r = join(a, c)
    check("a folder of another server is not overwritten", r.returncode == 1 and
          "belongs to another server" in r.stderr and text(c, "store.key") == "another one\n" and
          not os.path.exists(c.dir + "/relay.secret"), r.stderr)
    lite = Server(start=False)
    r = lite.command("admin", "node-token")
    check("SQLite has one process", r.returncode == 1 and "PostgreSQL" in r.stderr, r.stderr)
    return a, b


def wrong_keys(a):
    c = server(a, start=False)
    r = subprocess.run([ROOKERY, "run"], env=c.env, capture_output=True, text=True, timeout=60)
    check("a node without the key says so and ends", r.returncode == 78 and "store.key" in r.stderr,
          "%s %s" % (r.returncode, r.stderr))
    check("and makes no other secret, which would be in the way of node-join, that it names",
          "node-join" in r.stderr and not os.listdir(c.dir), "%s %s" % (r.stderr, os.listdir(c.dir)))
    with open(c.dir + "/store.key", "w") as f:
        f.write("%s\n" % ("A" * 42 + "E="))
    os.chmod(c.dir + "/store.key", 0o600)
    r = subprocess.run([ROOKERY, "run"], env=c.env, capture_output=True, text=True, timeout=60)
    check("a node with another key says so and ends", r.returncode == 78 and
          "does not fit the database" in r.stderr, "%s %s" % (r.returncode, r.stderr))
    shutil.copy(a.dir + "/store.key", c.dir)
    c.start()  # with a relay secret of its own
    wait("a node with another relay secret is reported by the others",
         lambda: "another relay secret" in a.p.text())
    wait("and reports itself", lambda: "another relay secret" in c.p.text())
    c.p.stop()


def seen(a, b):
    b.start()
    b.token = a.token

    def nodes(s):
        return json.loads(s.command("admin", "cluster", "--json").stdout)

    for s in (a, b):
        wait("both are seen", lambda s=s: len(nodes(s)) == 2)
        got = nodes(s)
        check("one of them is this one", [n["this"] for n in got].count(True) == 1, got)
        check("with version and relay", all(n["version"] and n["relay"] for n in got), got)
    wait("one does the chores", lambda: [n["does"] for n in nodes(a)].count("chores") == 1)
    check("the table for people has them", a.command("admin", "cluster").stdout.count("\n") == 3)
    wait("metrics count them", lambda: metric(a.metrics, "rookery_cluster_members") == 2)
    b.p.p.send_signal(signal.SIGKILL)
    b.p.p.wait()
    wait("a dead one is followed", lambda: len(nodes(a)) == 1)
    check("takeovers are counted", metric(a.metrics, "rookery_cluster_takeovers_total") == 1)
    wait("and the chores go on here", lambda: nodes(a)[0]["does"] == "chores")
    # paused: declared dead by a second one, comes back by itself
    b.start()
    wait("again two", lambda: len(nodes(a)) == 2)
    b.p.p.send_signal(signal.SIGSTOP)
    wait("a paused one counts as dead", lambda: len(nodes(a)) == 1)
    b.p.p.send_signal(signal.SIGCONT)
    wait("and joins again", lambda: len(nodes(a)) == 2)
    wait("which it says", lambda: "was taken for dead" in b.p.text())
    check("it serves", get(b.metrics, "/readyz")[0] == 200)
    b.p.stop()
    wait("a farewell is heard", lambda: len(nodes(a)) == 1)


def alone():
    s = Server()
    s.setup()
    other = Server(folder=s.dir, start=False)
    r = subprocess.run([ROOKERY, "run"], env=other.env, capture_output=True, text=True, timeout=60)
    check("a second process on one SQLite file is refused", r.returncode != 0 and
          "in use by another server" in r.stderr, r.stderr)
    check("the first one goes on", s.api("POST", "/api/groups", {"name": "g"})[0] == 200)
    got = json.loads(s.command("admin", "cluster", "--json").stdout)
    check("it is its own cluster", len(got) == 1 and got[0]["this"], got)
    s.p.stop()


first, second = making()
wrong_keys(first)
seen(first, second)
alone()
first.p.stop()
finish()
