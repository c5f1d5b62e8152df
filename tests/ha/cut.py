# SPDX-License-Identifier: BSD-3-Clause
"""One of two processes loses the way to the database, without a reset: cut.py ROOKERY"""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from two import DSN, check, join, server, wait  # noqa: E402
from proc import finish, get  # noqa: E402

FAR = "host=10.78.0.1 user=rookery dbname=postgres"


def nft(*args):
    subprocess.run(["nft", *args], check=True)


def cut():
    nft("add table inet cut; add chain inet cut in { type filter hook input priority 0; };"
        " add chain inet cut out { type filter hook output priority 0; };"
        " add rule inet cut in tcp sport 5432 drop; add rule inet cut out tcp dport 5432 drop")


def heal():
    nft("delete table inet cut")


def write(s):
    began = time.time()
    code = s.api("POST", "/api/groups", {"name": "g%f" % time.time()})[0]
    return code, time.time() - began


def nodes(s):
    return json.loads(s.command("admin", "cluster", "--json").stdout)


# the first one by the socket, which nothing cuts; the second one over the network
a = server(dsn=DSN)
a.setup()
b = server(a, dsn=FAR, start=False)
r = join(a, b)
assert r.returncode == 0, r.stderr
b.start()
b.token = a.token
check("both write", write(a)[0] == write(b)[0] == 200)
wait("two", lambda: len(nodes(a)) == 2)
for round_ in (1, 2):
    cut()
    began = time.time()
    first = write(b)
    check("the write under way ends, as temporary", first[0] == 503, first)
    print("     after %.1f s" % first[1])
    check("in well under a minute", first[1] < 40, first)
    wait("not healthy", lambda: get(b.metrics, "/health")[0] == 503)
    tries = [write(b) for _ in range(5)]
    check("those after it at once", {t[0] for t in tries} == {503} and sum(t[1] for t in tries) < 20,
          tries)
    check("reads go on", b.api("GET", "/api/groups")[0] == 200)
    wait("the other one follows", lambda: len(nodes(a)) == 1)
    tries = [write(a) for _ in range(5)]
    check("and writes", {t[0] for t in tries} == {200}, tries)
    if round_ == 2:
        break
    heal()
    began = time.time()
    wait("it writes again", lambda: write(b)[0] == 200)
    print("     %.1f s after the return" % (time.time() - began))
    wait("and is counted again", lambda: len(nodes(a)) == 2)
    wait("it has what the other one wrote", lambda: sorted(
        g["id"] for g in json.loads(b.api("GET", "/api/groups")[1])) == sorted(
        g["id"] for g in json.loads(a.api("GET", "/api/groups")[1])))
began = time.time()
b.p.stop(within=60)
print("     stopped in %.1f s" % (time.time() - began))
heal()
a.p.stop()
finish()
