# SPDX-License-Identifier: BSD-3-Clause
"""rookery admin import netbird, with a store that the official server (0.77.1) made, and its answers
to every GET: import.py ./rookery. tests/data/import says in answers.json what it answered."""
import base64
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import grpc  # noqa: E402
import nacl.public  # noqa: E402
from idp_client import Browser, Flow  # noqa: E402
from mgmt_peer import Agent  # noqa: E402
from proc import check, finish  # noqa: E402
from rookery import Server  # noqa: E402

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "import")
WORK = tempfile.mkdtemp(prefix="rookery-import-")
OLD = os.path.join(WORK, "old")
with open(os.path.join(DATA, "answers.json")) as f:
    WAS = json.load(f)
# What is ours to say: times of the running server, and what another server counts anew.
IGNORED = {"last_login", "last_used", "last_seen", "connected", "is_current", "permissions",
           "session_expires_at", "disapproval_reason", "id:event"}


def old_store(folder, names=("store", "idp", "events")):
    os.makedirs(folder)
    for name in names:
        db = sqlite3.connect("%s/%s.db" % (folder, name))
        with open(os.path.join(DATA, name + ".sql")) as f:
            db.executescript(f.read())
        db.commit()
        db.close()


def config(key=WAS["encryptionKey"]):
    path = os.path.join(WORK, "config.yaml")
    with open(path, "w") as f:
        f.write("server:\n  listenAddress: \":80\"\n  store:\n    engine: sqlite\n"
                "    encryptionKey: \"%s\"\n" % key)
    return path


def run(s, *more, data=None, ok=True, key=WAS["encryptionKey"]):
    r = s.command("admin", "import", "netbird", "--data", data or OLD, "--config", config(key),
                  *more)
    check("import %s%s" % (" ".join(more), "" if ok else " is refused"),
          (r.returncode == 0) == ok, r.stdout + r.stderr)
    return r.stdout + r.stderr


def clean(v):
    """Comparable: without what a running server says anew, lists of objects in id order, times to
    the microsecond (what our store keeps of them)."""
    if isinstance(v, str):
        m = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d+)Z", v)
        return m.group(1) + "." + m.group(2)[:6].rstrip("0") + "Z" if m else v
    if isinstance(v, dict):
        return {k: clean(x) for k, x in v.items() if k not in IGNORED}
    if isinstance(v, list):
        v = [clean(x) for x in v]
        return sorted(v, key=lambda x: json.dumps(x, sort_keys=True))
    return v


def differences(was, now, path=""):
    if isinstance(was, dict) and isinstance(now, dict):
        out = []
        for k in sorted(set(was) | set(now)):
            out += differences(was.get(k, "(absent)"), now.get(k, "(absent)"), path + "." + k)
        return out
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return sum((differences(x, y, "%s[%d]" % (path, i))
                    for i, (x, y) in enumerate(zip(was, now))), [])
    return [] if was == now or (was in (None, []) and now in (None, [])) else [
        "%s: %r became %r" % (path, was, now)]


def answers(s):
    for path, was in sorted(WAS["answers"].items()):
        code, text = s.api("GET", "/api/" + path)
        if code != 200:
            check("GET " + path, False, text)
            continue
        now = json.loads(text)
        if path == "events/audit":  # what came after the import is ours
            old = {clean(e["timestamp"]) for e in was}
            now = [e for e in now if clean(e["timestamp"]) in old]
            for e in was + now:
                e.pop("id", None)
                # lists as Go prints them ("[a b]") are shown without the brackets here
                e["meta"] = {k: v.strip("[]") for k, v in e["meta"].items()}
        if path == "accounts":  # an account without a domain has no category of it
            was[0]["domain_category"] = was[0]["domain_category"] or "unknown"
        d = differences(clean(was), clean(now))
        check("GET %s answers as before" % path, not d, "\n     ".join(d[:12]))


def agents(s):
    with grpc.insecure_channel("localhost:%d" % s.port) as ch:
        for i, key in enumerate(WAS["agents"]):
            a = Agent(ch, nacl.public.PrivateKey(base64.b64decode(key)))
            answer = a.login()
            peer = [p for p in WAS["answers"]["peers"] if p["id"]][i]
            text = repr(answer)
            check("agent %d comes back without a key" % i, peer["ip"] in text, text[:300])
            check("and gets its map", len(a.first_map()) > 0)
        fresh = Agent(ch)
        fresh.login(key=WAS["key"])
        check("the old setup key enrols another", True)


def signs_in(s):
    b, f = Browser(s.port), Flow(scope="openid profile email")
    page = b.get("/oauth2/auth", **f.params())
    a = b.submit(page, login="me@example.com", password="Secret-Pass1!")
    check("the old password signs in (bcrypt)", a.status == 303 and
          "code=" in a.headers.get("Location", ""), a.status)


def refusals():
    s = Server(start=False)
    run(s, data="/nowhere", ok=False)
    said = run(s, ok=False, key="QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVoxMjM0NTY=")
    check("a wrong key is said", "encryptionKey" in said, said)
    said = run(s, ok=False, key="short")
    check("a key that is none, too", "encryptionKey" in said, said)
    no_users = os.path.join(WORK, "old-schema")
    old_store(no_users, ("store",))
    with sqlite3.connect(no_users + "/store.db") as db:
        db.execute("ALTER TABLE users DROP COLUMN email")
    said = run(s, data=no_users, ok=False)
    check("an old schema is said, with what to do", "0.62" in said, said)
    other = os.path.join(WORK, "other")
    os.mkdir(other)
    with sqlite3.connect(other + "/store.db") as db:
        db.execute("CREATE TABLE x (y)")
    run(s, data=other, ok=False)
    with open(other + "/store.db", "wb") as f:
        f.write(b"not a database at all" * 100)
    run(s, data=other, ok=False)
    broken = os.path.join(WORK, "broken")
    old_store(broken)
    with sqlite3.connect(broken + "/store.db") as db:
        db.execute("UPDATE peers SET ip = 'nonsense' WHERE rowid = 2")
    said = run(s, data=broken, ok=False)
    check("a value that cannot be is named", "peers.ip" in said, said)
    check("nothing was left by any of them", not os.path.exists(s.db) and
          not [n for n in os.listdir(s.dir) if n.startswith("import.")], os.listdir(s.dir))
    return s


old_store(OLD)
before = {n: open(os.path.join(OLD, n), "rb").read() for n in os.listdir(OLD)}
s = refusals()
said = run(s, "--dry-run")
check("a dry run says what it would do", "would take over" in said and "2 machines" in said, said)
check("and leaves nothing", not os.path.exists(s.db) and not os.path.exists(s.dir + "/store.key"))
said = run(s)
check("the report has numbers", "took over" in said and "2 passwords" in said, said)
check("the old files are as they were",
      before == {n: open(os.path.join(OLD, n), "rb").read() for n in os.listdir(OLD)})
s.start()
s.token = WAS["token"]
answers(s)
agents(s)
signs_in(s)
s.p.stop()
r = s.command("admin", "journal", "verify")
check("the journal is whole", r.returncode == 0, r.stdout + r.stderr)
check("a second time is refused", "not empty" in run(s, ok=False))
export = s.command("admin", "export").stdout
check("and it can move out again", "ann@example.com" in export)
shutil.rmtree(WORK, True)
finish()
