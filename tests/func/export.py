# SPDX-License-Identifier: BSD-3-Clause
"""Events brought to others: in order, nothing lost over outages of either side, signed, and a
receiver that takes nothing costs nobody anything."""
import hashlib
import hmac
import http.server
import json
import os
import re
import socket
import tempfile
import threading
import time

import overheard
from proc import check, finish, free_port, metric
from rookery import Server

SECRET = "webhook-secret-of-this-test"
KEY = "key-in-the-address-of-the-webhook"
PATIENCE = 120
MANY = 600  # more than a batch


def wait(condition):
    end = time.time() + PATIENCE
    while not condition() and time.time() < end:
        time.sleep(0.05)
    return condition()


class Webhook:
    def __init__(self, port):
        self.events, self.bad, self.fail, me = [], [], False, self
        self.refuses = lambda events: None  # the status for a batch that is not taken

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                m = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", self.headers["X-Rookery-Signature"])
                want = hmac.new(SECRET.encode(), m[1].encode() + b"." + body, hashlib.sha256)
                if m[2] != want.hexdigest() or abs(int(m[1]) - time.time()) > 3600:
                    me.bad.append(self.headers["X-Rookery-Signature"])
                events = json.loads(body)["events"]
                status = 503 if me.fail else me.refuses(events) or 204
                if status == 204:
                    me.events += events
                self.send_response(status)
                self.end_headers()

            def log_message(self, *a):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


class Syslog:
    """TCP, counted (RFC 6587)."""

    def __init__(self, port):
        self.port, self.lines, self.open = port, [], []
        self.start()

    def start(self):
        self.socket = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.serve, args=(self.socket,), daemon=True).start()

    def serve(self, s):
        while True:
            try:
                c, _ = s.accept()
            except OSError:
                return
            self.open.append(c)
            threading.Thread(target=self.read, args=(c,), daemon=True).start()

    def read(self, c):
        f = c.makefile("rb")
        while True:
            n = b""
            while (b := f.read(1)) not in (b" ", b""):
                n += b
            if not n:
                return
            line = f.read(int(n)).decode()
            if len(line) == int(n):
                self.lines.append(line)

    def stop(self):
        for s in [self.socket] + self.open:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the other side was first
            s.close()
        self.open = []


def names(events):
    """The groups that events tell of, in their order."""
    return [e["meta"]["name"] for e in events if e["activity_code"] == "group.add"]


def group(s, name):
    code, body = s.api("POST", "/api/groups", {"name": name, "peers": []})
    assert code == 200, body


def refused(name, text, **env):
    s = Server(start=False, **env)
    r = s.command("run")
    check("%s is refused" % name, r.returncode != 0 and text in r.stderr, r.stderr[-300:])
    r = s.command("config", "check")
    check("... by config check, too", r.returncode != 0 and text in r.stderr + r.stdout,
          r.stderr + r.stdout)


def refusals():
    """What a receiver refuses for good does not stop the rest; who refuses all loses nothing."""
    hook = Webhook(free_port())
    s = Server(ROOKERY_EXPORT_WEBHOOK="http://127.0.0.1:%d/in" % hook.http.server_address[1],
               ROOKERY_EXPORT_WEBHOOK_SECRET=SECRET)
    s.setup()
    lost = lambda: metric(s.metrics, 'rookery_export_lost_events_total{to="webhook"}')

    # A wrong token, a wrong path, a fault of its own: everything is refused, nothing is lost.
    for status in (401, 404, 500):
        hook.refuses = lambda events: status
        before = metric(s.metrics, 'rookery_export_failures_total{to="webhook"}')
        for i in range(3):
            group(s, "all-%d-%d" % (status, i))
        check("it answers %d to everything: tried again" % status, wait(
            lambda: metric(s.metrics, 'rookery_export_failures_total{to="webhook"}') >= before + 2))
        hook.refuses = lambda events: None
        want = ["all-%d-%d" % (status, i) for i in range(3)]
        check("... and nothing is lost", wait(
            lambda: [n for n in names(hook.events) if n.startswith("all-%d" % status)] == want) and
            lost() == 0, (names(hook.events)[-5:], lost()))

    # Two events that it cannot digest, one behind the other, and one by itself.
    poison = ("poison-a", "poison-b", "poison-c")
    hook.refuses = lambda events: 500 if {"poison-a", "poison-b"} & set(names(events)) else \
        400 if "poison-c" in names(events) else None
    for name in ("good-1", "poison-a", "poison-b", "good-2", "good-3", "poison-c", "good-4"):
        group(s, name)
    good = lambda: sorted(set(n for n in names(hook.events) if n.startswith("good-")))
    check("three events are refused: the others come", wait(
        lambda: good() == ["good-1", "good-2", "good-3", "good-4"]), names(hook.events)[-5:])
    check("... and it is counted", wait(lambda: lost() == len(poison)), lost())
    group(s, "good-5")
    check("... and the rest goes on", wait(lambda: "good-5" in good()))
    check("the log says which", s.p.text().count("refused for good") == len(poison), s.p.text()[-2000:])
    s.p.stop()


def main():
    refusals()
    refused("a syslog server without a port", "server.x.exportSyslog",
            ROOKERY_EXPORT_SYSLOG="udp://localhost")
    refused("a relative file", "server.x.exportFile", ROOKERY_EXPORT_FILE="events.jsonl")
    refused("a webhook that is no URL", "server.x.exportWebhook", ROOKERY_EXPORT_WEBHOOK="localhost")
    refused("an unknown kind", "neither audit nor traffic", ROOKERY_EXPORT_EVENTS="audits")

    folder = tempfile.mkdtemp(prefix="rookery-export-")
    path = folder + "/events.jsonl"
    hook_port, syslog_port = free_port(), free_port()
    overheard.remember(SECRET, "secret of the webhook")
    overheard.remember(KEY, "address of the webhook")
    hook, syslog = Webhook(hook_port), Syslog(syslog_port)
    s = Server(ROOKERY_EXPORT_FILE=path, ROOKERY_EXPORT_WEBHOOK_SECRET=SECRET,
               ROOKERY_EXPORT_WEBHOOK="http://127.0.0.1:%d/in?k=%s" % (hook_port, KEY),
               ROOKERY_EXPORT_SYSLOG="tcp://127.0.0.1:%d" % syslog_port)
    s.setup()
    in_file = lambda: [json.loads(l) for l in open(path)] if os.path.exists(path) else []

    # Until each knows its place: what was before is not told.
    i = 0
    while not (names(in_file()) and names(hook.events) and syslog.lines) and i < 600:
        group(s, "probe-%d" % i)
        i += 1
        time.sleep(0.2)
    group(s, "first")
    check("the file has it", wait(lambda: "first" in names(in_file())), in_file()[-2:])
    check("the webhook has it", wait(lambda: "first" in names(hook.events)))
    check("syslog has it", wait(lambda: any('"first"' in l for l in syslog.lines)))
    check("every request was signed", not hook.bad, hook.bad)
    e = [e for e in in_file() if e["meta"].get("name") == "first"][0]
    check("an event says who and what", e["kind"] == "audit" and e["activity_code"] == "group.add" and
          e["initiator_email"] == "owner@example.com" and e["target_id"] and
          e["timestamp"].endswith("Z"), e)
    line = [l for l in syslog.lines if '"first"' in l][0]
    m = re.match(r"<110>1 \d{4}-\d\d-\d\dT[\d:.]+Z \S+ rookery \d+ audit - (\{.*\})$", line)
    check("a syslog message is one of RFC 5424", m and json.loads(m[1]) == e, line)

    # Receivers away, changes go on at their pace, then everything comes in order.
    hook.fail = True
    syslog.stop()
    os.rename(path, path + ".1")
    before = time.time()
    for i in range(MANY):
        group(s, "away-%d" % i)
    took = time.time() - before
    check("changes were taken meanwhile", True)
    print("     in %.1f s" % took)
    hook.fail = False
    syslog.start()
    want = ["away-%d" % i for i in range(MANY)]
    got = lambda all: [n for n in all if n.startswith("away-")]
    check("the file that was rotated away goes on", wait(lambda: got(names(in_file())) == want))
    check("the webhook gets all of it, in order", wait(lambda: got(names(hook.events)) == want),
          len(got(names(hook.events))))
    parsed = lambda: names([json.loads(l[l.index("{"):]) for l in syslog.lines])
    unique = lambda l: list(dict.fromkeys(l))  # at least once: a broken connection repeats some
    check("syslog, too", wait(lambda: unique(got(parsed())) == want), len(got(parsed())))

    # The server killed: each goes on at its place.
    group(s, "before-kill")
    s.p.p.kill()
    s.p.p.wait()
    s.start()
    group(s, "after-kill")
    for name, all in (("file", lambda: names(in_file())), ("webhook", lambda: names(hook.events)),
                      ("syslog", parsed)):
        check("kill -9: the %s misses nothing" % name,
              wait(lambda: {"before-kill", "after-kill"} <= set(all())), all()[-3:])
        check("... and nothing came much too often", len(got(all())) <= 2 * len(want))
    s.p.stop()

    # UDP and a local socket.
    local, udp = folder + "/log", socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    udp.settimeout(PATIENCE)
    unix = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    unix.bind(local)
    unix.settimeout(PATIENCE)
    for where, sock in (("udp://127.0.0.1:%d" % udp.getsockname()[1], udp), ("unix:" + local, unix)):
        s = Server(ROOKERY_EXPORT_SYSLOG=where)
        s.setup()
        done = threading.Event()

        def changes():
            n = 0
            while not done.is_set():
                group(s, "g%d" % n)
                n += 1
                time.sleep(0.2)

        t = threading.Thread(target=changes)
        t.start()
        data = sock.recv(65536)
        done.set()
        t.join()
        check("%s gets messages" % where.split(":")[0], data.startswith(b"<110>1 "), data[:60])
        s.p.stop()
    finish()


main()
