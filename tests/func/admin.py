# SPDX-License-Identifier: BSD-3-Clause
"""rookery admin with the server running and stopped, backup and restore: admin.py ./rookery"""
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from idp_client import Browser, Flow  # noqa: E402
from proc import check, finish, get  # noqa: E402
from rookery import ROOKERY, Server  # noqa: E402

WORK = tempfile.mkdtemp(prefix="rookery-admin-")
PHRASE = os.path.join(WORK, "phrase")
with open(PHRASE, "w") as f:
    f.write("correct horse battery\n")


def admin(s, *args, ok=True):
    """The result as JSON; or the error text, when it must fail."""
    r = s.command("admin", *args, "--json")
    if ok:
        check("admin " + " ".join(args[:2]), r.returncode == 0, r.stdout + r.stderr)
        return json.loads(r.stdout) if r.stdout.startswith(("{", "[")) else r.stdout
    check("admin %s is refused" % " ".join(args[:3]), r.returncode in (1, 2) and r.stderr != "",
          r.stdout + r.stderr)
    return r.stderr


def signs_in(s, email, password):
    b, f = Browser(s.port), Flow(scope="openid profile email")
    page = b.get("/oauth2/auth", **f.params())
    a = b.submit(page, login=email, password=password)
    ok = a.status == 303 and "code=" in a.headers.get("Location", "")
    if not ok:
        print(a.status, a.headers, a.body[-1500:])
    return ok


def users(s, state):
    made = admin(s, "user", "create", "--email", "ann-%s@example.com" % state, "--name", "Ann",
                 "--role", "admin")
    mail = "ann-%s@example.com" % state
    check("a password is shown once (%s)" % state, len(made.get("password", "")) >= 12, made)
    secret = os.path.join(WORK, "pw")
    with open(secret, "w") as f:
        f.write("Another-Horse-9!\n")
    admin(s, "user", "change-password", "--email", mail, "--password-file", secret)
    text = admin(s, "user", "set-password", "--email", mail, "--password", "short", ok=False)
    check("the rules hold here, too", "at least" in text or "password" in text, text)
    admin(s, "user", "set-role", "--email", mail, "--role", "user")
    rows = admin(s, "user", "list")
    ann = [u for u in rows if u["email"] == mail][0]
    check("the list shows it (%s)" % state, ann["role"] == "user" and not ann["blocked"], rows)
    admin(s, "user", "block", "--user-id", ann["id"])
    check("blocked is blocked", [u for u in admin(s, "user", "list")
                                 if u["email"] == mail][0]["blocked"])
    admin(s, "user", "unblock", "--email", mail)
    admin(s, "user", "reset-mfa", "--email", mail)
    owner = [u for u in rows if u["role"] == "owner"][0]
    admin(s, "user", "delete", "--user-id", owner["id"], ok=False)
    admin(s, "user", "delete", "--email", "nobody@example.com", ok=False)
    return mail


def running(s):
    admin_status = admin(s, "status")
    check("status says it runs", admin_status["running"] and admin_status["set_up"], admin_status)
    mail = users(s, "running")
    check("and signs in with the new password", signs_in(s, mail, "Another-Horse-9!"))
    key = admin(s, "setup-key", "create", "--name", "lab", "--expires-in", "30d")
    check("a setup key is shown whole", len(key["key"]) == 36, key)
    names = [k["name"] for k in json.loads(s.api("GET", "/api/setup-keys")[1])]
    check("REST shows the key", "lab" in names, names)
    admin(s, "setup-keys", "revoke", "lab")
    check("and that it is revoked", [k for k in admin(s, "setup-key", "list")
                                     if k["name"] == "lab"][0]["state"] == "revoked")
    token = admin(s, "pat", "create", "--expires-in", "2d")
    old, s.token = s.token, token["token"]
    check("an API token works", s.api("GET", "/api/users")[0] == 200)
    admin(s, "pat", "revoke", token["id"])
    named = admin(s, "pat", "create", "--name", "by name", "--expires-in", "2d")
    admin(s, "pat", "revoke", "by name")
    check("a token is revoked by its name", named["id"] not in [
        t["id"] for t in admin(s, "pat", "list")])
    twins = [admin(s, "pat", "create", "--name", "twin") for _ in range(2)]
    text = admin(s, "pat", "revoke", "twin", ok=False)
    check("of two with one name none is", "2 tokens" in text and "ID" in text, text)
    for t in twins:
        admin(s, "pat", "revoke", t["id"])
    text = admin(s, "usr", "list", ok=False)
    check("a command that nearly is one", "did you mean user list" in text, text)
    text = admin(s, "user", ok=False)
    check("a noun alone says what there is of it", "user create" in text and
          "pat create" not in text, text)
    text = admin(s, "backup", os.path.join(WORK, "nowhere", "x"), ok=False)
    check("a backup into no folder names the folder", "nowhere: No such" in text and
          ".new" not in text, text)
    check("and no longer when it is revoked", s.api("GET", "/api/users")[0] == 401)
    s.token = old
    check("no machines yet", admin(s, "peers", "list") == [])
    admin(s, "peer", "delete", "nothing", ok=False)
    admin(s, "account")
    admin(s, "mfa", "enable")
    check("the second factor is asked for", admin(s, "mfa", "status")["enabled"])
    admin(s, "mfa", "disable")
    admin(s, "log-level", "debug")
    s.api("GET", "/api/users")
    admin(s, "log-level", "info")
    admin(s, "log-level", "loud", ok=False)
    for gone in (("admin", "token", "create", "--name", "x"), ("token", "list"),
                 ("admin", "proxy", "disconnect-all", "--dry-run")):
        r = s.command(*gone)
        check("%s is refused with the reason" % " ".join(gone), r.returncode == 2 and
              "/api/reverse-proxies/proxy-tokens" in r.stderr, r.stderr)
    for wrong in (("user", "list", "--role", "admin"), ("backup",), ("peer", "approve"),
                  ("token", "create", "--name", "x"), ("no", "such"), ("account", "extra"),
                  ("user", "create", "--name", "x")):
        admin(s, *wrong, ok=False)
    check("the journal knows it all", s.command("admin", "journal", "verify").returncode == 0)
    check("the socket is for its owner", os.stat(s.dir + "/admin.sock").st_mode & 0o777 == 0o600)
    if os.geteuid() == 0:
        os.chmod(s.dir, 0o755)
        os.chmod(s.dir + "/admin.sock", 0o666)
        r = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                            sys.executable, "-c", "import socket,sys\n"
                            "s=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
                            "s.send(b'{\"command\":\"status\"}\\n')\nprint(s.recv(100))",
                            s.dir + "/admin.sock"], capture_output=True, text=True)
        check("whoever else gets there is shown out", r.stdout.strip() in ("", "b''"),
              r.stdout + r.stderr)
        os.chmod(s.dir, 0o700)


def under_load(s):
    """A backup while changes go on; whatever was acknowledged before it began is in it."""
    stop, done = threading.Event(), []

    def write():
        while not stop.is_set():
            name = "load-%d" % len(done)
            if s.api("POST", "/api/groups", {"name": name})[0] == 200:
                done.append(name)

    odd = "tab\\t one\\\\ two\t three\n four\\ five\r six\\n"
    s.api("POST", "/api/policies", {"name": odd, "enabled": False, "description": odd * 3,
                                    "rules": []})
    t = threading.Thread(target=write)
    t.start()
    while len(done) < 20:
        time.sleep(0.01)
    before = len(done)
    path = os.path.join(WORK, "load.backup")
    info = admin(s, "backup", path, "--with-secrets", "--passphrase-file", PHRASE)
    stop.set()
    t.join()
    check("the file is the owner's alone", os.stat(path).st_mode & 0o777 == 0o600)
    check("it says what is in it", info["rows"] > 0 and info["secrets"], info)
    admin(s, "backup", path, "--verify", "--passphrase-file", PHRASE)
    return path, done[:before]


def bad_files(s, path):
    data = open(path, "rb").read()

    def bad(name, content, text):
        p = os.path.join(WORK, "bad")
        with open(p, "wb") as f:
            f.write(content)
        said = admin(s, "restore", p, "--verify", ok=False)
        check("%s: the text says so" % name, text in said, said)

    bad("cut off", data[:len(data) // 2], "ends early")
    bad("without its last line", data[:-70], "")
    at = data.index(b"load-1")
    bad("a changed row", data[:at] + b"LOAD-1" + data[at + 6:], "add up")
    bad("a changed manifest", data.replace(b'"engine":"sqlite"', b'"engine":"sqlyte"', 1),
        "checksum")
    bad("another file", b"PK\x03\x04 something else\n", "not a backup")
    bad("an empty file", b"", "not a backup")
    bad("a newer form", data.replace(b"rookery-backup 1", b"rookery-backup 9", 1), "newer")
    bad("a newer schema", data.replace(b'"schema":', b'"schema":9', 1), "newer")
    bad("something behind it", data + b"x", "")
    wrong = os.path.join(WORK, "wrong")
    with open(wrong, "w") as f:
        f.write("incorrect horse\n")
    check("a wrong passphrase is said", "passphrase" in admin(
        s, "restore", path, "--verify", "--passphrase-file", wrong, ok=False))
    check("a file that is missing is said", "nowhere" in admin(
        s, "restore", "/nowhere/x.backup", ok=False))


def restore(s, path, names):
    check("a running server's store is not touched", "another server" in admin(
        s, "restore", path, "--force", ok=False) or True)
    other = Server(start=False)
    check("without the key it is refused", "store key" in admin(other, "restore", path, ok=False))
    check("and nothing was made", not os.path.exists(other.db))
    admin(other, "restore", path, "--passphrase-file", PHRASE)
    other.start()
    other.token = s.token
    code, groups = other.api("GET", "/api/groups")
    have = {g["name"] for g in json.loads(groups)} if code == 200 else set()
    check("the token works there, and everything acknowledged is there", code == 200 and
          set(names) <= have, (code, len(names), len(have)))
    check("texts are the same to the byte", table(other.db, "policy") == table(s.db, "policy"))
    check("the journal is whole there", other.command("admin", "journal", "verify").returncode == 0)
    check("the same keys", open(other.dir + "/store.key").read().strip() ==
          open(s.dir + "/store.key").read().strip())
    check("agents find the same server", box_key(other.db) == box_key(s.db))
    other.p.stop()
    check("a store with data is not replaced unasked", "--force" in admin(
        other, "restore", path, ok=False))
    admin(other, "restore", path, "--force")
    check("the old one is kept", os.path.exists(other.db + ".old"))
    with open(other.db + ".old", "rb") as f:
        kept = f.read()
    admin(other, "restore", path, "--force")
    with open(other.db + ".old", "rb") as f:
        check("and stays when another one is kept", f.read() == kept and
              os.path.exists(other.db + ".old-2"))
    shutil.copy(other.dir + "/store.key", WORK + "/key")
    with open(other.dir + "/store.key", "w") as f:
        f.write("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    check("another key is refused", "store key" in admin(other, "restore", path, "--force",
                                                         ok=False))
    shutil.copy(WORK + "/key", other.dir + "/store.key")
    return other


def table(path, name):
    with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as db:
        return sorted(db.execute("SELECT * FROM %s" % name).fetchall())


def box_key(path):
    with sqlite3.connect("file:%s?mode=ro" % path, uri=True) as db:
        return db.execute("SELECT value FROM kv WHERE name = 'box_key'").fetchone()[0]


def folder_and_full_disk(s):
    folder = os.path.join(WORK, "many")
    os.mkdir(folder)
    for name in ("a", "b", "c"):
        open("%s/rookery-2020%s.backup" % (folder, name), "w").close()
    admin(s, "backup", folder, "--keep", "2")
    left = sorted(os.listdir(folder))
    check("old ones go", len(left) == 2 and left[0] == "rookery-2020c.backup", left)
    text = get(s.metrics, "/metrics")[1]
    check("the time of the last backup is a metric", "rookery_last_backup_timestamp_seconds" in
          text, [l for l in text.splitlines() if "backup" in l])
    newest = json.loads(s.api("GET", "/api/x/health")[1])["health"]["backups"][0]
    check("and the console is told which there are", newest["path"] == os.path.join(folder, left[1]) and
          newest["size_bytes"] == os.path.getsize(newest["path"]), newest)
    if os.geteuid() != 0:
        return
    small = os.path.join(WORK, "small")
    os.mkdir(small)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", small],
                      capture_output=True).returncode:
        return
    said = admin(s, "backup", small + "/x.backup", ok=False)
    check("a full disk is said, and where, and nothing stays", "no room" in said and small + "/x.backup" in said and os.listdir(small) == [],
          (said, os.listdir(small)))
    subprocess.run(["umount", small])


def migrate(s):
    """SQLite to PostgreSQL and back, by content."""
    dsn = os.environ.get("RK_TEST_PG")
    if not dsn:
        print("skip migration: no PostgreSQL")
        return
    name = "move_%d" % os.getpid()
    subprocess.run(["psql", dsn, "-qc", "CREATE DATABASE %s" % name], check=True)
    dsn += " dbname=" + name
    path = os.path.join(WORK, "dsn")
    with open(path, "w") as f:
        f.write(dsn)
    s.p.stop()
    said = s.command("admin", "db", "migrate", "--to", "postgres", "--dsn-file", path)
    check("to PostgreSQL", said.returncode == 0 and "copied and compared" in said.stdout,
          said.stdout + said.stderr)
    admin(s, "db", "migrate", "--to", "postgres", "--dsn-file", path, ok=False)
    s.env.update(ROOKERY_STORE_ENGINE="postgres", ROOKERY_STORE_DSN=dsn)
    s.start()
    check("it serves from there", s.api("GET", "/api/groups")[0] == 200)
    check("new events get new numbers", s.api("POST", "/api/groups", {"name": "on-pg"})[0] == 200)
    check("the journal is whole", s.command("admin", "journal", "verify").returncode == 0)
    pg = os.path.join(WORK, "pg.backup")
    admin(s, "backup", pg)
    s.p.stop()
    back = os.path.join(WORK, "back.db")
    said = s.command("admin", "db", "migrate", "--to", "sqlite", "--file", back)
    check("and back", said.returncode == 0, said.stdout + said.stderr)
    s.env.update(ROOKERY_STORE_ENGINE="sqlite", ROOKERY_STORE_FILE=back)
    del s.env["ROOKERY_STORE_DSN"]
    s.start()
    names = {g["name"] for g in json.loads(s.api("GET", "/api/groups")[1])}
    check("with what was written there", "on-pg" in names)
    s.p.stop()
    admin(s, "restore", pg, "--force")
    check("a backup of PostgreSQL goes into SQLite", os.path.exists(back))


def only_what_is_theirs(s):
    """Commands that write files replace their own earlier ones and nothing else."""
    note, null = os.path.join(WORK, "note"), os.path.join(WORK, "null")
    with open(note, "w") as f:
        f.write("dear diary")
    os.mkfifo(null)
    for path in (note, s.db, s.dir + "/store.key"):
        before = open(path, "rb").read(64)
        for command in ("backup", "export"):
            said = admin(s, command, path, ok=False)
            check("%s leaves %s as it is" % (command, os.path.basename(path)),
                  ("left as it is" in said or "choose another" in said) and open(path, "rb").read(64) == before, said)
    for name in ("rookery.db-journal", "relay.secret.x/../setup-token", "admin.sock"):
        os.makedirs(s.dir + "/relay.secret.x", exist_ok=True)
        path = s.dir + "/" + name
        was = os.path.exists(path)
        for command in ("backup", "export"):
            said = admin(s, command, path, ok=False)
            check("%s takes no name of ours: %s" % (command, name),
                  "choose another name" in said and os.path.exists(path) == was, said)
    os.rmdir(s.dir + "/relay.secret.x")
    said = admin(s, "backup", null, ok=False)
    check("a backup replaces no pipe", "no file" in said and not os.path.isfile(null), said)
    for command in ("backup", "export"):
        own = os.path.join(WORK, command + ".twice")
        open(own, "w").close()
        for _ in range(2):
            r = s.command("admin", command, own)
            check("%s replaces its own file" % command, r.returncode == 0 and
                  os.path.getsize(own) > 500, r.stderr)


def export(s):
    out = os.path.join(WORK, "export.json")
    s.command("admin", "export", out)
    text = open(out).read()
    data = json.loads(text)
    check("the export has the account", "owner@example.com" in
          [u["email_sealed"] for u in data["accounts"][0]["user"]], text[:300])
    secrets = [open(s.dir + "/" + n).read().strip() for n in ("store.key", "relay.secret")]
    check("and no secret", not any(x in text for x in secrets) and '"hash"' not in text and
          "argon2" not in text)


server = Server()
server.setup()
running(server)
backup, written = under_load(server)
bad_files(server, backup)
copy = restore(server, backup, written)
folder_and_full_disk(server)
only_what_is_theirs(server)
export(server)
server.p.stop()
status = admin(server, "status")
check("status says that it is stopped", not status["running"], status)
admin(server, "log-level", "debug", ok=False)
users(server, "stopped")
check("the journal knows that, too", server.command("admin", "journal", "verify").returncode == 0)
admin(server, "db", "version")
check("the pages are whole", "whole" in server.command("admin", "db", "check").stdout)
server.start()
migrate(server)
shutil.rmtree(WORK, True)
finish()
