# SPDX-License-Identifier: BSD-3-Clause
"""rookery admin import netbird, with stores of older official servers: import_old.py ./rookery.
Every folder below tests/data/import has a store that such a server made, and what it answered: the rows
of the recorded store as far as it knew their columns, and objects that were made by its REST API then.
A field that a version did not have yet may have any value here."""
import json
import os
import shutil
import sqlite3
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from answers import clean, differences, prepare  # noqa: E402
from proc import check, finish  # noqa: E402
from rookery import Server  # noqa: E402

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "import")
WORK = tempfile.mkdtemp(prefix="rookery-import-old-")


def known(was, now):
    """now without the fields that the older version did not have."""
    if isinstance(was, dict) and isinstance(now, dict):
        return {k: known(was[k], v) for k, v in now.items() if k in was}
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        before = {x["id"]: x for x in was if isinstance(x, dict) and "id" in x}
        return [known(before.get(y["id"], x) if isinstance(y, dict) and "id" in y else x, y)
                for x, y in zip(was, now)]
    return now


def compare(s, path, was):
    code, text = s.api("GET", "/api/" + path)
    if code != 200:
        check("GET " + path, False, text)
        return
    was, now = prepare(path, was, json.loads(text))
    d = differences(was, clean(known(was, now)))
    check("GET %s answers as before" % path, not d, "\n     ".join(d[:12]))


def one(version):
    folder, old = os.path.join(DATA, version), os.path.join(WORK, version)
    os.makedirs(old)
    for name in ("store", "idp", "events"):
        with sqlite3.connect("%s/%s.db" % (old, name)) as db, open(
                "%s/%s.sql" % (folder, name)) as f:
            db.executescript(f.read())
    with open(folder + "/answers.json") as f:
        was = json.load(f)
    config = os.path.join(WORK, "config.yaml")
    with open(config, "w") as f:
        f.write("server:\n  listenAddress: \":80\"\n  store:\n    engine: sqlite\n"
                "    encryptionKey: \"%s\"\n" % was["encryptionKey"])
    # combined servers before 0.66.4 took the public host where the account had no domain
    more = {"ROOKERY_DNS_DOMAIN": was["dns_domain"]} if "dns_domain" in was else {}
    s = Server(start=False, **more)
    r = s.command("admin", "import", "netbird", "--data", old, "--config", config)
    check("%s: import" % version, r.returncode == 0, r.stdout + r.stderr)
    s.start()
    s.token = was["token"]
    for path, answer in sorted(was["answers"].items()):
        compare(s, path, answer)
    s.p.stop()
    r = s.command("admin", "journal", "verify")
    check("%s: the journal is whole" % version, r.returncode == 0, r.stdout + r.stderr)


versions = sorted(n for n in os.listdir(DATA) if os.path.isdir(os.path.join(DATA, n)))
check("there are older stores", len(versions) >= 1)
for v in versions:
    one(v)
shutil.rmtree(WORK, True)
finish()
