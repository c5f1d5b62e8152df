# SPDX-License-Identifier: BSD-3-Clause
"""Who is connected, whichever process is asked: moves, pauses, deaths. presence.py ROOKERY"""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from two import DSN, check, join, pair, server, sql, wait  # noqa: E402
from away import Stream, connected, setup_key  # noqa: E402
from live import Live  # noqa: E402
from proc import finish  # noqa: E402


def both(a, b, want):
    return connected(a) == connected(b) == want


def seen(s):
    return [p["last_seen"] for p in json.loads(s.api("GET", "/api/peers")[1])]


def moving(a, b):
    at_a = Stream(a, setup_key(a))
    wait("connected, says each", lambda: both(a, b, [True]))
    at_b = Stream(b, agent=at_a.agent)  # the first stream stays open, as after a cut cable
    wait("moved", lambda: at_b.maps)
    wait("it is at the second now", lambda: sql(
        "SELECT count(*) FROM peer_status p JOIN node n ON n.id = p.node WHERE p.connected = 1 AND "
        "n.started_at = (SELECT max(started_at) FROM node)") == "1")
    at_a.call.cancel()  # the late farewell
    end = time.time() + 6
    steady = True
    while time.time() < end:
        steady = steady and both(a, b, [True])
        time.sleep(0.2)
    check("a late farewell of the first one changes nothing", steady)
    at_b.call.cancel()
    wait("gone, says each", lambda: both(a, b, [False]))
    wait("seen at the same time", lambda: seen(a) == seen(b))


def told(a, b):
    """Whoever listens at one hears of what happens at the other."""
    live = Live(b.port, "Token " + a.token)
    live.next("ready")
    group = json.loads(a.api("POST", "/api/groups", {"name": "news", "peers": []})[1])
    got = live.next("change")[2]
    check("of a change", (got["id"], got["op"]) == (group["id"], "create"), got)
    st = Stream(a, setup_key(a))
    peer = live.until("presence", lambda p: p["connected"])[2]["peer"]
    st.call.cancel()
    check("of who comes and goes", live.until("presence", lambda p: not p["connected"])[2]["peer"]
          == peer)
    live.close()
    check("gone again", a.api("DELETE", "/api/peers/" + peer)[0] == 200)


def pausing(a, b):
    st = Stream(b, setup_key(a))
    wait("connected at the second", lambda: any(connected(a)) and any(connected(b)))
    b.p.p.send_signal(signal.SIGSTOP)
    wait("a paused one is dead to the other", lambda: sql("SELECT count(*) FROM node") == "1")
    wait("and its machine away", lambda: not any(connected(a)))
    b.p.p.send_signal(signal.SIGCONT)
    wait("it says who is here when it goes on", lambda: any(connected(a)) and any(connected(b)))
    check("the stream has not noticed", st.ended is None, st.ended)
    return st


def dying(a, b):
    """kill -9 while somebody holds the account's rows in a transaction."""
    before = time.time()
    b.p.p.send_signal(signal.SIGKILL)
    b.p.p.wait()
    wait("its machines are away", lambda: not any(connected(a)))
    got = sql("SELECT max(last_seen) / 1000000 FROM peer_status")
    check("they were seen as long as it lived, not when they connected", int(got) >= before - 5,
          (got, before))
    b.start()
    wait("two again", lambda: sql("SELECT count(*) FROM node") == "2")


def migrating(a):
    """One migrates, the others wait, longer than any statement may take."""
    sql("CREATE DATABASE fresh")
    dsn = DSN.replace("dbname=postgres", "dbname=fresh")
    other = subprocess.Popen(["psql", "-Atqc", "SELECT pg_advisory_lock(7226519204), pg_sleep(8)",
                              dsn], stdout=subprocess.DEVNULL)
    wait("locked", lambda: sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND "
                               "granted", dsn) == "1")
    c = server(a, dsn=dsn)  # it would end if it could not wait as long
    check("who comes later waits for the one who migrates", sql(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted", dsn) == "0")
    other.wait()
    many = [server(a, dsn=DSN.replace("dbname=postgres", "dbname=many"), start=False)
            for _ in range(3)]
    sql("CREATE DATABASE many")
    for s in many:
        for name in ("store.key", "relay.secret"):
            shutil.copy(a.dir + "/" + name, s.dir)
    procs = [subprocess.Popen([os.path.abspath(sys.argv[1]), "run"], env=s.env,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for s in many]
    wait("three that start at once on an empty database", lambda: sql(
        "SELECT CASE WHEN to_regclass('node') IS NULL THEN 0 ELSE 1 END", many[0].env[
            "ROOKERY_STORE_DSN"]) == "1" and sql("SELECT count(*) FROM node", many[0].env[
                "ROOKERY_STORE_DSN"]) == "3")
    for p in procs:
        p.terminate()
        p.wait(60)
    check("end in order", [p.returncode for p in procs] == [0, 0, 0])
    c.p.stop()


def main():
    a, b = pair()
    moving(a, b)
    told(a, b)
    pausing(a, b)
    dying(a, b)
    migrating(a)
    b.p.stop()
    a.p.stop()
    finish()


main()
