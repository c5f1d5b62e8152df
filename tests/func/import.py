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
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import grpc  # noqa: E402
import nacl.public  # noqa: E402
from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: E402
from answers import clean, differences, prepare  # noqa: E402
from idp_client import Browser, Flow  # noqa: E402
from mgmt_peer import Agent  # noqa: E402
from proc import check, finish  # noqa: E402
from rookery import ROOKERY, Server  # noqa: E402

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "import")
WORK = tempfile.mkdtemp(prefix="rookery-import-")
OLD = os.path.join(WORK, "old")
TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
with open(os.path.join(DATA, "answers.json")) as f:
    WAS = json.load(f)
PG = os.environ.get("RK_TEST_PG") if len(sys.argv) > 2 else None  # import.py ./rookery pg
TYPES = {"text": "text", "numeric": "boolean", "integer": "bigint", "datetime": "timestamptz",
         "blob": "bytea", "real": "double precision"}


def literal(v, kind):
    if v is None:
        return "NULL"
    if isinstance(v, bytes):
        return "'\\x%s'" % v.hex()
    if kind == "boolean":
        return "true" if v else "false"
    if kind == "timestamptz":  # Go cuts what does not fit; psql would round
        v = re.sub(r"(\.\d{6})\d+", r"\1", v)
    return "'%s'" % str(v).replace("'", "''")


def to_postgres(folder):
    """The same tables in databases of PostgreSQL, with the types that the ORM gives them there."""
    for name in ("store", "idp", "events"):
        sql = []
        with sqlite3.connect("%s/%s.db" % (folder, name)) as db:
            for (t,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND "
                                   "name NOT LIKE 'sqlite%'").fetchall():
                cols = [(c[1], TYPES.get(c[2].lower().split("(")[0], "text"))
                        for c in db.execute("PRAGMA table_info(`%s`)" % t)]
                sql.append('CREATE TABLE "%s" (%s);' % (t, ", ".join('"%s" %s' % c for c in cols)))
                sql += ['INSERT INTO "%s" VALUES (%s);' % (t, ", ".join(
                    literal(v, c[1]) for v, c in zip(row, cols))) for row in
                    db.execute("SELECT * FROM `%s` ORDER BY rowid" % t)]
        subprocess.run(["psql", "-q", PG, "-c", "CREATE DATABASE old_" + name], check=True)
        subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", PG.replace(
            "dbname=postgres", "dbname=old_" + name)], input="\n".join(sql), text=True, check=True)


def sealed(text):
    nonce = os.urandom(12)
    return base64.b64encode(nonce + AESGCM(base64.b64decode(WAS["encryptionKey"])).encrypt(
        nonce, text.encode(), None)).decode()


def more_people(folder):
    """What the recorded store has not: a second factor, another provider, a user who is gone."""
    with sqlite3.connect(folder + "/idp.db") as db:
        (me,) = db.execute("SELECT user_id FROM password WHERE email = 'me@example.com'").fetchone()
        db.execute("CREATE TABLE user_identity (user_id text, connector_id text, mfa_secrets blob)")
        db.execute("INSERT INTO user_identity VALUES (?, 'local', ?)", (me, json.dumps(
            {"totp": {"authenticatorID": "totp", "type": "TOTP", "confirmed": True, "secret":
                      "otpauth://totp/NetBird:me?algorithm=SHA1&digits=6&issuer=NetBird&period=30"
                      "&secret=" + TOTP}}).encode()))
        db.execute("CREATE TABLE connector (id text, type text, name text, resource_version text, "
                   "config blob)")
        db.execute("INSERT INTO connector VALUES ('keycloak-d0abc', 'oidc', 'Work', '', ?)",
                   (json.dumps({"issuer": "https://sso.example.com", "clientID": "nb",
                                "clientSecret": "hush"}).encode(),))
        db.execute("INSERT INTO connector VALUES ('local', 'local', 'Email', '', '')")
        db.execute("INSERT INTO connector VALUES ('x', 'saml', 'Old', '', '{}')")
    with sqlite3.connect(folder + "/events.db") as db:
        db.execute("INSERT INTO deleted_users VALUES ('gone', ?, ?, 'GCM')",
                   (sealed("gone@example.com"), sealed("Gone Person")))
        db.execute("INSERT INTO deleted_users VALUES ('older', 'x', 'y', '')")


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
                "    encryptionKey: \"%s\"\n" % key if not PG else
                "server:\n" + "".join(
                    "  %s:\n    engine: postgres\n    dsn: \"%s\"\n" % (n, PG.replace(
                        "dbname=postgres", "dbname=old_" + d))
                    for n, d in (("activityStore", "events"), ("authStore", "idp"),
                                 ("store", "store"))) +
                "    encryptionKey: \"%s\"\n" % key)
    return path


def run(s, *more, data=None, ok=True, key=WAS["encryptionKey"]):
    where = ["--data", data or OLD] if data or not PG else []
    r = s.command("admin", "import", "netbird", *where, "--config", config(key), *more)
    check("import %s%s" % (" ".join(more), "" if ok else " is refused"),
          (r.returncode == 0) == ok, r.stdout + r.stderr)
    return r.stdout + r.stderr


def answers(s):
    for path, was in sorted(WAS["answers"].items()):
        code, text = s.api("GET", "/api/" + path)
        if code != 200:
            check("GET " + path, False, text)
            continue
        now = json.loads(text)
        d = differences(*prepare(path, was, now))
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


def second_factor(s):
    b, f = Browser(s.port), Flow(scope="openid profile email")
    s.command("admin", "mfa", "enable")
    page = b.submit(b.get("/oauth2/auth", **f.params()), login="me@example.com",
                    password="Secret-Pass1!")
    check("an old second factor is asked for, not set up", 'name="totp"' in page.body and
          "otpauth://" not in page.body, page.body[:500])
    s.command("admin", "mfa", "disable")


def people(s):
    code, text = s.api("GET", "/api/identity-providers")
    now = [{k: p[k] for k in ("id", "type", "name", "issuer", "client_id")}
           for p in json.loads(text)]
    check("other providers are there", code == 200 and now == [
        {"id": "keycloak-d0abc", "type": "keycloak", "name": "Work",
         "issuer": "https://sso.example.com", "client_id": "nb"}], text)
    if not PG:
        with sqlite3.connect(s.db) as db:
            gone = db.execute("SELECT id FROM deleted_user").fetchall()
        check("and who is gone", gone == [("gone",)], gone)


def killed(s):
    """In the middle: a store that is whole, or none; and nothing is left behind by the next one."""
    for ms in range(5, 400, 25):
        p = subprocess.Popen([ROOKERY, "admin", "import", "netbird", "--data", OLD, "--config",
                              config()], env=s.env, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        time.sleep(ms / 1000)
        p.kill()
        p.wait()
        if os.path.exists(s.db):
            r = s.command("admin", "journal", "verify")
            check("killed when it was through: whole", r.returncode == 0, r.stdout + r.stderr)
            for n in os.listdir(s.dir):
                if n.startswith("rookery.db"):
                    os.unlink(os.path.join(s.dir, n))
    check("killed in the middle: nothing half imported", not os.path.exists(s.db))


def stopped_in_a_write():
    """A journal that is left: rolled back on a copy, the old files as they were."""
    folder = os.path.join(WORK, "hot")
    shutil.copytree(OLD, folder)
    code = ("import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None); "
            "db.execute('PRAGMA cache_size = 1'); db.execute('BEGIN IMMEDIATE'); "
            "db.execute(\"UPDATE peers SET name = 'half', ip = 'nonsense'\"); "
            "[db.execute('CREATE TABLE t%d AS SELECT randomblob(9999) x' % i) for i in range(50)]; "
            "os.kill(os.getpid(), 9)")
    subprocess.run([sys.executable, "-c", code, folder + "/store.db"])
    check("a journal is left", os.path.getsize(folder + "/store.db-journal") > 0)
    files = {n: open(os.path.join(folder, n), "rb").read() for n in os.listdir(folder)}
    s = Server(start=False)
    said = run(s, data=folder)
    check("what was not finished is left out, and said", "while it wrote" in said, said)
    check("and the old files are as they were", files == {
        n: open(os.path.join(folder, n), "rb").read() for n in os.listdir(folder)})
    check("nothing else stays", not [n for n in os.listdir(s.dir) if n.startswith("import.")])


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
more_people(OLD)
if PG:
    to_postgres(OLD)
before = {n: open(os.path.join(OLD, n), "rb").read() for n in os.listdir(OLD)}
if PG:
    s = Server(start=False)
    wrong = WAS["encryptionKey"][:-5] + "AAAA="
    check("a wrong key is said", "encryptionKey" in run(s, ok=False, key=wrong))
    check("nothing was left", not os.path.exists(s.db))
else:
    s = refusals()
    stopped_in_a_write()
    killed(s)
said = run(s, "--dry-run")
check("a dry run says what it would do", "would take over" in said and "2 machines" in said, said)
check("and leaves nothing", not os.path.exists(s.db) and
      not [n for n in os.listdir(s.dir) if n.startswith("import.")], os.listdir(s.dir))
said = run(s)
check("the report has numbers", all(w in said for w in (
    "took over", "2 passwords", "1 second factors", "1 other providers", "1 names of deleted")), said)
check("and says what was left out, and why", all(w in said for w in (
    '"Old" was left out', "saml", "long ago")), said)
check("the old files are as they were",
      before == {n: open(os.path.join(OLD, n), "rb").read() for n in os.listdir(OLD)})
s.start()
s.token = WAS["token"]
answers(s)
agents(s)
signs_in(s)
people(s)
second_factor(s)
s.p.stop()
r = s.command("admin", "journal", "verify")
check("the journal is whole", r.returncode == 0, r.stdout + r.stderr)
check("a second time is refused", "not empty" in run(s, ok=False))
export = s.command("admin", "export").stdout
check("and it can move out again", "ann@example.com" in export)
shutil.rmtree(WORK, True)
finish()
