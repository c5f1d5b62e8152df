# SPDX-License-Identifier: BSD-3-Clause
"""What an operator sees of rookery: health, log, metrics, keys, journal: ops.py ./rookery"""
import atexit
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from proc import check, finish, get, refused  # noqa: E402
from rookery import ROOKERY, Server  # noqa: E402


def notify_and_health():
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as box:
            box.bind(path)
            box.settimeout(120)
            s = Server(NOTIFY_SOCKET=path, WATCHDOG_USEC="400000")
            told = [box.recv(200)]
            while told[-1] != b"WATCHDOG=1" and len(told) < 20:
                told.append(box.recv(200))
            said = [t for t in told if not t.startswith(b"FDSTORE=1")]  # sockets to keep
            check("the service manager hears READY, and that the watchdog may rest",
                  said == [b"READY=1", b"WATCHDOG=1"], told)
            s.setup()
            for code in (1, 15):  # SIGHUP, SIGTERM
                s.p.p.send_signal(code)
                said = b""
                want = b"RELOADING=1" if code == 1 else b"STOPPING=1"
                while said != want:
                    said = box.recv(200)
                check("and %s" % want.decode(), said == want)
            s.p.p.wait(120)
    s.env.pop("NOTIFY_SOCKET")
    s.env.pop("WATCHDOG_USEC")
    s.start()
    body = s.becomes("ready when all is well", 200, '"ok":true')
    check("the page says what serves", "changes" in body["serving"] and "relay" in body["serving"])
    check("/health is the same page", get(s.metrics, "/health")[0] == 200)
    return s


def write_fails(s, n=5):
    return [s.api("POST", "/api/groups", {"name": "g%d-%f" % (i, time.time())})[0]
            for i in range(n)]


def file_gone(s):
    os.rename(s.db, s.db + ".away")
    body = s.becomes("not ready when the database file is gone", 503, s.db)
    check("what still serves is said", body["serving"] == ["signal", "relay", "stun",
                                                           "connected machines"], body)
    codes = write_fails(s)
    check("writes fail meanwhile, as temporary", set(codes) == {503}, codes)
    time.sleep(1.5)  # a look or two at a folder without it
    check("nothing is made in its place", not os.path.exists(s.db), os.listdir(s.dir))
    os.rename(s.db + ".away", s.db)
    s.becomes("ready again when it is back", 200)
    check("writes work again", write_fails(s, 1) == [200])


def file_damaged(s):
    with open(s.db, "r+b") as f:
        head = f.read(100)
        f.seek(0)
        f.write(b"\0" * 100)
    s.becomes("not ready when the image is malformed", 503, s.db)
    with open(s.db, "r+b") as f:
        f.write(head)
    s.becomes("ready again when it is mended", 200)


def groups(s):
    return {g["name"] for g in json.loads(s.api("GET", "/api/groups")[1])}


def sqlite_files_gone(s):
    """Somebody removes SQLite's other files in use: nothing that was acknowledged is lost."""
    told = set()
    for i in range(30):
        if i % 10 == 3:
            os.unlink(s.db + "-wal")
        name = "kept %d" % i
        if s.api("POST", "/api/groups", {"name": name})[0] == 200:
            told.add(name)
    check("writes go on without the write-ahead log", len(told) > 20, told)
    s.p.p.kill()
    s.p.p.wait()
    s.start()
    check("and all of them are there after kill -9", told <= groups(s), told - groups(s))
    told = groups(s)
    os.unlink(s.db + "-shm")
    s.becomes("not ready without the shared memory", 503, "restarted")
    codes = write_fails(s)
    check("and nothing more is acknowledged", set(codes) == {503}, codes)
    check("what was there can be read", told <= groups(s))
    s.p.p.kill()
    s.p.p.wait()
    s.start()
    s.becomes("ready after a restart", 200)
    check("with all that was there", told <= groups(s), told - groups(s))
    check("and writes", write_fails(s, 1) == [200])


def outage_lines(s):
    log = s.p.stop()
    began = [l for l in log.splitlines() if "store unavailable" in l]
    ended = [l for l in log.splitlines() if "store available again" in l]
    failed = [l for l in log.splitlines()
              if ("failed" in l or "not stored" in l) and "level=debug" not in l]
    check("an outage is one line when it begins", len(began) == 2 and s.db in began[0], log[-3000:])
    check("and one when it ends", len(ended) == 2, log[-3000:])
    check("requests that fail in it say nothing", len(failed) == 0, failed)


def journal(s):
    def sql(text):
        with sqlite3.connect(s.db) as db:
            db.execute(text)
        db.close()

    r = s.command("admin", "journal", "verify")
    check("an untouched journal is whole", r.returncode == 0, r.stdout + r.stderr)
    for what, do, undo in (
            ("a changed row", "UPDATE grp SET name = 'Everybody' WHERE name = 'All'",
             "UPDATE grp SET name = 'All' WHERE name = 'Everybody'"),
            ("a changed role", "UPDATE usr SET role = 'user'", "UPDATE usr SET role = 'owner'"),
            ("a changed setting", "UPDATE account_settings SET login_expiration = 77",
             "UPDATE account_settings SET login_expiration = 86400"),
            ("a policy that was switched off", "UPDATE policy SET enabled = 0",
             "UPDATE policy SET enabled = 1"),
            ("a policy rule", "UPDATE policy_rule SET action = 'drop'",
             "UPDATE policy_rule SET action = 'accept'"),
            ("a revoked key that came back", "UPDATE setup_key SET usage_limit = 0",
             "UPDATE setup_key SET usage_limit = 10"),
            ("an added row", "INSERT INTO grp SELECT 'x' || substr(id, 2), account_id, public_id, "
             "'New', issued, integration_id, integration_type FROM grp LIMIT 1",
             "DELETE FROM grp WHERE name = 'New'")):
        sql(do)
        r = s.command("admin", "journal", "verify")
        check("the journal notices " + what, r.returncode == 1 and "BROKEN" in r.stdout, r.stdout)
        sql(undo)
        r = s.command("admin", "journal", "verify")
        check("and that it is mended", r.returncode == 0, r.stdout + r.stderr)
    sql("UPDATE pat SET last_used = 5")
    r = s.command("admin", "journal", "verify")
    check("what is not journaled is not held against it", r.returncode == 0, r.stdout)
    sql("DELETE FROM setup_key")
    r = s.command("admin", "journal", "verify")
    check("the journal notices a removed row", r.returncode == 1 and "setup_key" in r.stdout,
          r.stdout)


def store_key(s):
    key = s.dir + "/store.key"
    os.rename(key, key + ".away")
    code, text = refused([ROOKERY, "run"], s.env)
    check("a lost store key stops the start", code not in (0, 2) and key in text and s.db in text,
          text)
    check("and no new one is made", not os.path.exists(key))
    shutil.copy(key + ".away", key)
    with open(key, "w") as f:
        f.write("AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n")
    code, text = refused([ROOKERY, "run"], s.env)
    check("another key, too", code not in (0, 2) and "store key" in text and s.db in text, text)
    os.rename(key + ".away", key)
    s.start()
    s.becomes("with the right one it starts", 200)


def metrics(s):
    text = get(s.metrics, "/metrics")[1]
    names = {l.split()[2] for l in text.splitlines() if l.startswith("# TYPE")}
    for name in ("rookery_build_info", "process_resident_memory_bytes", "process_open_fds",
                 "process_cpu_seconds_total", "process_start_time_seconds", "rookery_store_up",
                 "rookery_store_size_bytes"):
        check("metric " + name, name in names, sorted(names))
    start = [l for l in text.splitlines() if l.startswith("process_start_time_seconds ")]
    check("the start time is today's", abs(float(start[0].split()[1]) - s.p.began) < 60, start)
    tool = shutil.which("promtool")
    if tool:
        r = subprocess.run([tool, "check", "metrics"], input=text, capture_output=True, text=True)
        bad = [l for l in r.stderr.splitlines() if "rookery_" in l or "error" in l]
        check("promtool takes our text", r.returncode in (0, 3) and not bad, r.stderr)


def doctor(s):
    def look():
        r = s.command("doctor", "--json")
        return r.returncode, {f["area"]: f for f in json.loads(r.stdout)}, r.stdout

    code, areas, text = look()
    check("the doctor finds a healthy server", code in (0, 3) and all(
        areas[a]["verdict"] == "ok" for a in ("config", "store", "store key", "server", "https",
                                              "sign-in", "stun", "disk")), text)
    check("warnings say what to do", all(f["todo"] for f in areas.values()
                                         if f["verdict"] != "ok"), text)
    os.rename(s.dir + "/store.key", s.dir + "/away")
    code, areas, text = look()
    check("the doctor misses the key", code == 1 and areas["store key"]["verdict"] == "BAD", text)
    os.rename(s.dir + "/away", s.dir + "/store.key")
    s.p.stop()
    code, areas, text = look()
    check("the doctor sees that it does not run", code == 1 and all(
        areas[a]["verdict"] == "BAD" for a in ("server", "https", "stun")), text)
    s.start()


def disk_full():
    """On a disk of its own; needs root for the mount."""
    if os.geteuid() != 0:
        print("skip disk full: not root")
        return
    folder = tempfile.mkdtemp(prefix="rookery-ops-disk-")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder],
                      capture_output=True).returncode:
        print("skip disk full: no mounts here")
        return
    atexit.register(subprocess.run, ["umount", "-l", folder])
    os.mkdir(folder + "/data")
    s = Server(folder + "/data")
    s.setup()
    s.becomes("ready on a small disk", 200)
    fill = os.open(folder + "/fill", os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(fill, b"x" * 4096):
            pass
    except OSError:
        os.close(fill)
    s.becomes("not ready when the disk is full", 503, "full")
    os.unlink(folder + "/fill")
    s.becomes("ready again when there is room", 200)
    check("writes work again", write_fails(s, 1) == [200])
    s.p.stop()


server = notify_and_health()
file_gone(server)
file_damaged(server)
outage_lines(server)
journal(server)
store_key(server)
metrics(server)
doctor(server)
sqlite_files_gone(server)
server.p.stop()
disk_full()
finish()
