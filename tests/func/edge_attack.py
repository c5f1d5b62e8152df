#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Strangers that take without giving: memory, places and threads of a running server.

Each attack runs while an ordinary client goes on with its work; it must be served all the time, and
what the attack took must be given back.

Usage: edge_attack.py FOLDER_OF_PROGRAMS   (exit code 77: grpcio or PyNaCl is not installed)
"""
import http.server
import json
import os
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

try:
    import grpc
    import nacl.public
except ImportError as e:
    print("SKIP: %s" % e)
    sys.exit(77)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from proc import *  # noqa: E402,F403
from mgmt_peer import *  # noqa: E402,F403
import h2_raw  # noqa: E402

set_level("info")  # at debug nothing is held back in a flood

FOLDER = os.path.abspath(sys.argv[1])
ASAN = sanitized(FOLDER + "/rookery")
MORE = 3 if ASAN else 1


class Asker(threading.Thread):
    """Asks for small things all the time, each time on a new connection."""

    def __init__(self, srv):
        super().__init__(daemon=True)
        self.srv, self.over, self.slowest, self.failed, self.n = srv, False, 0, [], 0
        self.peak = 0
        self.start()

    def run(self):
        while not self.over:
            t = time.time()
            try:
                code, body = self.srv.rest("GET", "/api/users")
                if code != 200:
                    self.failed.append(code)
            except OSError as e:
                self.failed.append(e)
            self.slowest = max(self.slowest, time.time() - t)
            self.peak = max(self.peak, self.srv.p.rss_kb())
            self.n += 1
            time.sleep(0.05)

    def stop(self):
        self.over = True
        self.join(300)


class Bystander:
    """One who asks the server that is attacked, and one who asks another that is not: what both wait
    for is this machine's fault, not the attack's."""

    calm = None  # the other server

    def __init__(self, srv):
        self.asker, self.other = Asker(srv), Asker(self.calm)

    def stop(self, name, within):
        a, b = self.asker, self.other
        a.stop()
        b.stop()
        check("%s: others are served" % name, not a.failed and a.n > 0, (a.failed[:3], a.n))
        check("%s: others do not wait" % name, a.slowest < within * MORE + 3 * b.slowest,
              "%.1f s, %.1f s where nobody attacks" % (a.slowest, b.slowest))
        return a.peak


def settle(srv, limit_kb, seconds):
    """Resident memory once it is below a limit, or at the end of the time."""
    end = time.time() + seconds
    while time.time() < end and srv.p.rss_kb() > limit_kb:
        time.sleep(0.2)
    return srv.p.rss_kb()


def unread_answers(srv):
    """40 connections that ask 250 times for 160 kB each and open no window for it."""
    name = "answers nobody reads"
    for i in range(400):
        code, body = srv.rest("POST", "/api/groups", {"name": "%03d" % i + "x" * 240})
        assert code == 200, (code, body)
    size = len(json.dumps(srv.rest("GET", "/api/groups")[1]))
    before = srv.p.rss_kb()
    other = Bystander(srv)
    conns = [h2_raw.Conn(srv.port, window=0) for _ in range(40)]
    auth = [("authorization", "Token " + srv.token)]
    for c in conns:
        for _ in range(250):
            c.request("/api/groups", more=auth)
    time.sleep(5)
    peak = other.stop(name, 2)
    print("     %s: %d bytes each, resident %d -> %d kB" % (name, size, before, peak))
    check("%s: memory stays" % name, peak < before + MORE * 150000, "%d -> %d kB" % (before, peak))
    for c in conns:
        c.close()
    after = settle(srv, before + MORE * 30000, 90)
    print("     %s: after the end %d kB" % (name, after))
    check("%s: memory comes back" % name, after < before + MORE * 30000,
          "%d -> %d kB" % (before, after))


def late_readers(srv):
    """All that was asked for comes, in order of asking, when the client reads in the end."""
    name = "answers read late"
    c = h2_raw.Conn(srv.port, window=0)
    auth = [("authorization", "Token " + srv.token)]
    want = {c.request("/api/groups", more=auth) for _ in range(60)}
    time.sleep(1)
    c.s.sendall(h2_raw.settings(window=(1 << 31) - 1))
    c.window((1 << 31) - 1 - 65535)
    done, got = set(), 0
    while done != want:
        f = c.read(20)
        if not f:
            break
        if f[0] == h2_raw.DATA:
            got += len(f[3])
        if f[0] in (h2_raw.DATA, h2_raw.HEADERS) and f[1] & h2_raw.END_STREAM:
            done.add(f[2])
        if f[0] == h2_raw.RST:
            check("%s: no reset" % name, int.from_bytes(f[3], "big") == 0, f)
    check("%s: all of them" % name, done == want and got > 60 * 100000, (len(done), got))
    c.close()


def unfinished_messages(srv):
    """Four gRPC messages of 4 MiB per connection that never end."""
    name = "messages without end"
    before = srv.p.rss_kb()
    other = Bystander(srv)
    conns, part = [], b"x" * 16384
    for _ in range(40):
        c = h2_raw.Conn(srv.port)
        for _ in range(4):
            sid = c.grpc(MGMT + "Login")
            try:
                c.data(sid, b"\0" + (4 << 20).to_bytes(4, "big"))
                for _ in range((4 << 20) // len(part) - 1):
                    c.data(sid, part)
            except OSError:
                break
        conns.append(c)
    ch = srv.channel()
    check("%s: an agent gets in" % name, Agent(ch).pub)
    ch.close()
    peak = other.stop(name, 2)
    print("     %s: resident %d -> %d kB" % (name, before, peak))
    check("%s: memory stays" % name, peak < before + MORE * 150000, "%d -> %d kB" % (before, peak))
    for c in conns:
        c.close()
    after = settle(srv, before + MORE * 40000, 90)
    print("     %s: after the end %d kB" % (name, after))
    check("%s: memory comes back" % name, after < before + MORE * 40000,
          "%d -> %d kB" % (before, after))


def idle_connections(srv):
    """More idle HTTP/1.1 connections than there are places for."""
    name = "idle connections"
    conns = []
    ask = b"GET /api/instance HTTP/1.1\r\nHost: x\r\n\r\n"
    for _ in range(4200):
        s = srv.connect()
        s.sendall(ask)
        conns.append(s)
    for s in conns[-50:]:
        s.recv(100)
    for i in range(20):
        code, _ = srv.rest("GET", "/api/users")
        if code != 200:
            break
    check("%s: a new one gets a place" % name, code == 200, code)
    for s in conns:
        s.close()


# ---- requests that a proxy in front could read in another way, and paths as upstream takes them

POST = b"POST /api/groups HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /api/groups HTTP/1.1\r\nHost: x\r\n"
HEADS = [  # name, bytes without the last lines, status
    ("an ordinary request", GET, 401),
    ("two different Content-Length", POST + b"Content-Length: 5\r\nContent-Length: 6\r\n", 400),
    ("a list as Content-Length", POST + b"Content-Length: 0, 0\r\n", 400),
    ("a signed Content-Length", POST + b"Content-Length: +0\r\n", 400),
    ("Content-Length and chunks",
     POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
    ("a coding that we do not know", POST + b"Transfer-Encoding: gzip, chunked\r\n", 501),
    ("chunks hidden by a prefix", POST + b"Transfer-Encoding: xchunked\r\n", 501),
    ("a blank before the colon", POST + b"Content-Length : 5\r\n", 400),
    ("a tab before the colon", GET + b"Foo\t: 5\r\n", 400),
    ("a bare CR in a header", GET + b"Foo: a\rBar: b\r\n", 400),
    ("a bare CR in the target", b"GET /api/gro\rups HTTP/1.1\r\nHost: x\r\n", 400),
    ("a NUL in a value", GET + b"Foo: a\0b\r\n", 400),
    ("a NUL in the last value",
     b"GET /api/groups HTTP/1.1\r\nConnection: close\r\nHost: x\0y\r\n", 400),
    ("a NUL in a name", GET + b"Fo\0o: ab\r\n", 400),
    ("a NUL in the target", b"GET /api/gro\0ups HTTP/1.1\r\nHost: x\r\n", 400),
    ("a folded line", GET + b"Foo: a\r\n b\r\n", 400),
    ("no Host", b"GET /api/groups HTTP/1.1\r\n", 400),
    ("two Host", GET + b"Host: y\r\n", 400),
    ("two equal Host", GET + b"Host: x\r\n", 400),
    ("a blank in Host", b"GET /api/groups HTTP/1.1\r\nHost: x y\r\n", 400),
    ("a line without colon", GET + b"Foo\r\n", 400),
]
PROBES = [  # what balancers send
    ("HTTP/1.0 without Host", b"GET /oauth2/healthz HTTP/1.0\r\n\r\n", 200),
    ("HTTP/1.0 HEAD", b"HEAD /oauth2/healthz HTTP/1.0\r\n\r\n", 200),
    ("HTTP/1.1", b"GET /oauth2/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
    ("OPTIONS / of HTTP/1.0", b"OPTIONS / HTTP/1.0\r\n\r\n", 200),
    ("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
    ("HEAD of nothing", b"HEAD /oauth2/none HTTP/1.0\r\n\r\n", 404),
]
PATHS = [  # target, status, Location
    ("http://x/api/groups", 401, None), ("/api/%67roups", 401, None), ("/api%2Fgroups", 401, None),
    ("//api/groups", 301, "/api/groups"), ("/api//groups?x=1&y=%20", 301, "/api/groups?x=1&y=%20"),
    ("/api/./groups", 301, "/api/groups"), ("/api/x/../groups", 301, "/api/groups"),
    ("/../api/groups", 301, "/api/groups"), ("/api/%2e/groups", 301, "/api/groups"),
    ("/api/x/%2e%2e/groups", 301, "/api/groups"), ("//evil.example/..", 301, "/"),
    ("///evil.example/%2f..%2f..", 301, "/"), ("/a//b%0d%0aX:%20y", 301, "/a/b%0D%0AX:%20y"),
    ("/api/%zz", 400, None), ("/api/groups/", 404, None), ("/api/groups%00", 404, None),
]


def ask_raw(srv, data):
    """Status and headers of the answer to these bytes."""
    s = srv.connect()
    got = b""
    try:
        s.sendall(data)
        while b"\r\n\r\n" not in got:
            more = s.recv(65536)
            if not more:
                break
            got += more
    except OSError:
        pass
    s.close()
    lines = got.split(b"\r\n\r\n")[0].decode(errors="replace").split("\r\n")
    status = lines[0].split()[1] if len(lines[0].split()) > 1 else "0"
    return int(status), dict(l.split(": ", 1) for l in lines[1:] if ": " in l)


def ask_h2(srv, path, method="GET"):
    c = h2_raw.Conn(srv.port)
    c.request(path, method)
    f = c.read()
    while f and f[0] != h2_raw.HEADERS:
        f = c.read()
    c.close()
    return f[3] if f else b""


# By the static table; 301 as a literal in Huffman's code.
H2_STATUS = {200: b"\x88", 400: b"\x8c", 404: b"\x8d", 301: b"\x48\x82\x64\x01"}


def request_heads(srv):
    for name, head, want in HEADS:
        tail = b"" if b"Connection" in head else b"Connection: close\r\n"
        got, _ = ask_raw(srv, head + tail + b"\r\n")
        check("%s: %d" % (name, want), got == want, got)
    for name, data, want in PROBES:
        got, _ = ask_raw(srv, data)
        check("%s: %d" % (name, want), got == want, got)
    for path, want, where in PATHS:
        got, headers = ask_raw(srv, b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                               % path.encode())
        check("%s: %d %s" % (path, want, where or ""),
              (got, headers.get("Location")) == (want, where), (got, headers.get("Location")))
    got = ask_h2(srv, "/oauth2/healthz")
    check("HTTP/2: 200", got.startswith(H2_STATUS[200]), got)
    check("HTTP/2 HEAD: 200", ask_h2(srv, "/oauth2/healthz", "HEAD").startswith(H2_STATUS[200]))
    check("HTTP/2 OPTIONS *: 200", ask_h2(srv, "*", "OPTIONS").startswith(H2_STATUS[200]))
    check("HTTP/2 //api: moved", ask_h2(srv, "//api/groups").startswith(H2_STATUS[301]))
    check("HTTP/2 broken escape: 400", ask_h2(srv, "/api/%zz").startswith(H2_STATUS[400]))


def registrations(folder):
    """Made-up registrations at signal, many per connection; a peer comes with one."""
    name = "registrations"
    port = free_port()
    p = Program([FOLDER + "/rookery-signal", "--port", str(port), "--max-peers", "1000",
                 "--metrics-port", "0", "--health-listen-address", ""], port)
    path, conns = "/signalexchange.SignalExchange/ConnectStream", []
    for i in range(8):
        c = h2_raw.Conn(port)
        for k in range(200):
            c.grpc(path, more=[("x-wiretrustee-peer-id", "%d-%d" % (i, k))])
        conns.append(c)
    for c in conns:  # all are taken in before the peer comes
        c.s.sendall(h2_raw.frame(h2_raw.PING, 0, 0, b"12345678"))
        while True:
            f = c.read()
            if f is None or (f[0] == h2_raw.PING and f[1] & h2_raw.ACK):
                break
    for i in range(20):
        c = h2_raw.Conn(port)
        c.grpc(path, more=[("x-wiretrustee-peer-id", "peer-%d" % i)])
        f = c.read()
        while f and f[0] != h2_raw.HEADERS:
            f = c.read()
        if not f or f[1] & h2_raw.END_STREAM or b"registered" not in f[3] + b"registered" * (
                not f[1] & h2_raw.END_STREAM):
            break
        conns.append(c)
    check("%s: peers with one each get places" % name, len(conns) == 28, len(conns))
    for c in conns:
        c.close()
    p.stop()


def open_now(s):
    """Whether the other end has not closed yet."""
    s.settimeout(0.2)
    try:
        return s.recv(1) != b""
    except socket.timeout:
        return True
    except OSError:
        return False


def relay_places():
    """Who only comes and says nothing gives way to who comes later."""
    name, port = "relay places", free_port()
    p = Program([FOLDER + "/rookery-relay", "-l", "127.0.0.1:%d" % port, "-e",
                 "rel://127.0.0.1:%d" % port, "-s", "secret", "--max-peers", "4", "--loops", "1",
                 "-H", ""], port)
    conns = []
    for _ in range(10):
        s = socket.create_connection(("127.0.0.1", port), timeout=60)
        s.sendall(b"GET /relay HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        got = s.recv(4096)
        conns.append((s, got))
    check("%s: all get in" % name, all(b" 101 " in got for _, got in conns))
    check("%s: the last ones stay" % name, all(open_now(s) for s, _ in conns[-3:]))
    end = time.time() + 60
    while any(open_now(s) for s, _ in conns[:3]) and time.time() < end:
        pass
    check("%s: the first ones went" % name, not any(open_now(s) for s, _ in conns[:3]))
    for s, _ in conns:
        s.close()
    p.stop()


def edge_places():
    """Connections that say nothing give way when all places are taken."""
    name, port = "edge places", free_port()
    p = Program([FOLDER + "/rookery-signal", "--port", str(port), "--max-connections", "20",
                 "--loops", "1", "--health-listen-address", ""], port)
    conns = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    end, served = time.time() + 60, False
    while not served and time.time() < end:  # a moment of grace is theirs
        c = h2_raw.Conn(port)
        served = c.read(1) is not None
        c.close()
    check("%s: a new one is served" % name, served)
    for s in conns:
        s.close()
    p.stop()


class SlowIssuer(threading.Thread):
    """An identity provider that takes two seconds to answer."""

    def __init__(self):
        super().__init__(daemon=True)
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                time.sleep(2)
                body = json.dumps({"issuer": issuer.url}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.httpd.server_port
        self.start()

    def run(self):
        self.httpd.serve_forever()


def at_once(n, call):
    """n calls in parallel, their results."""
    out = []

    def one():
        try:
            out.append(call())
        except OSError:  # it had to wait too long
            out.append(0)

    threads = [threading.Thread(target=one) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(300)
    return out


def slow_provider(srv):
    """Calls to a provider that takes its time; all others go on."""
    name = "a slow provider"
    issuer = SlowIssuer()
    other = Bystander(srv)
    got = at_once(40, lambda: srv.rest("POST", "/api/identity-providers", {
        "type": "oidc", "name": "slow", "issuer": issuer.url, "client_id": "a",
        "client_secret": "b"})[0])
    other.stop(name, 1)
    check("%s: answers or Retry-After" % name, set(got) <= {0, 200, 409, 422, 503} and 200 in got,
          sorted(set(got)))
    issuer.httpd.shutdown()


def many_passwords(srv):
    """Parallel password changes, each of which hashes."""
    name = "password changes"
    me = srv.rest("GET", "/api/users/current")[1]["id"]
    other = Bystander(srv)
    got = at_once(60, lambda: srv.rest("PUT", "/api/users/%s/password" % me, {
        "old_password": "wrong-One-1!", "new_password": "other-One-1!"})[0])
    other.stop(name, 1)
    check("%s: refused, or told to come again" % name, not set(got) & {200, 500} and got,
          sorted(set(got)))


def secrets_in_paths(srv):
    token = "nbi_" + "SeCrEt" * 6
    for path in ("/api/users/invites/" + token, "//api/users/invites/" + token,
                 "/api/users/invites/%s/accept" % token, "/invite/" + token):
        ask_raw(srv, b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path.encode())
        ask_h2(srv, path)
    check("no invitation in the log", token not in srv.p.text())


def floods_in_the_log(folder):
    """At level info: one line per minute and kind, with an address; a farewell is no trouble."""
    port, metrics = free_port(), free_port()
    p = Program([FOLDER + "/rookery-signal", "--port", str(port), "--metrics-port", str(metrics),
                 "--health-listen-address", ""], port)
    check("metrics only where asked for: loopback", get(metrics, "/metrics")[0] == 200)
    with open("/proc/net/tcp") as f:
        everywhere = ":%04X 00000000:0000 0A" % metrics
        check("metrics not on all addresses", "00000000" + everywhere not in f.read())
    began = time.time()
    for _ in range(200):
        s = socket.create_connection(("127.0.0.1", port))
        s.sendall(b"\x16\x03\x01\x02")
        s.close()
        c = h2_raw.Conn(port)
        c.data(c.grpc("/signalexchange.SignalExchange/Send"), b"\0\0\0\0\1\xff", True)
        c.read()
        c.close()
    c = h2_raw.Conn(port)
    c.grpc("/signalexchange.SignalExchange/ConnectStream", more=[("x-wiretrustee-peer-id", "a")])
    while (c.read() or (h2_raw.HEADERS,))[0] != h2_raw.HEADERS:
        pass
    c.s.sendall(h2_raw.frame(h2_raw.GOAWAY, 0, 0, b"\x7f\xff\xff\xff" + bytes(4)))
    while c.read():
        pass
    c.close()
    log = p.stop()
    minutes = int((time.time() - began) / 60) + 1
    for event in ("edge connection dropped", "grpc call refused"):
        lines = [l for l in log.splitlines() if event in l]
        check("%s: one line in a flood" % event, 1 <= len(lines) <= minutes and "127.0.0.1" in lines[0], lines[:3])
    check("a farewell is not logged", "http2 connection ended" not in log, log[-500:])


def old_ciphers(folder):
    """TLS 1.2 without forward secrecy or with CBC is refused, with both kinds of key."""
    for key in ("rsa:2048", "ec"):
        cert, file = os.path.join(folder, "c.pem"), os.path.join(folder, "c.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", key, "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-keyout", file, "-out", cert] +
                       (["-pkeyopt", "ec_paramgen_curve:prime256v1"] if key == "ec" else []),
                       check=True, capture_output=True)
        port = free_port()
        p = Program([FOLDER + "/rookery-signal", "--port", str(port), "--legacy-port", "0",
                     "--health-listen-address", "", "--cert-file", cert, "--cert-key", file], port)
        auth = "RSA" if key == "rsa:2048" else "ECDSA"
        for suite, want in (("ECDHE-%s-AES128-GCM-SHA256" % auth, True),
                            ("ECDHE-%s-CHACHA20-POLY1305" % auth, True),
                            ("ECDHE-%s-AES128-SHA256" % auth, False),
                            ("ECDHE-%s-AES128-SHA" % auth, False),
                            ("AES128-GCM-SHA256", False), ("AES128-SHA", False)):
            ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
            ctx.maximum_version = ssl.TLSVersion.TLSv1_2
            ctx.set_ciphers(suite + ":@SECLEVEL=0")
            try:
                with ctx.wrap_socket(socket.create_connection(("127.0.0.1", port))) as s:
                    got = s.cipher()[0] == suite
            except OSError:
                got = False
            check("%s key, %s: %s" % (key, suite, "taken" if want else "refused"), got == want)
        p.stop()


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    folder = tempfile.mkdtemp()
    srv = Server(FOLDER + "/rookery", folder)
    calm = tempfile.mkdtemp()
    Bystander.calm = Server(FOLDER + "/rookery", calm)
    try:
        request_heads(srv)
        unread_answers(srv)
        late_readers(srv)
        unfinished_messages(srv)
        idle_connections(srv)
        slow_provider(srv)
        many_passwords(srv)
        secrets_in_paths(srv)
        registrations(folder)
        relay_places()
        edge_places()
        floods_in_the_log(folder)
        old_ciphers(folder)
        srv.p.stop()
    finally:
        srv.p.kill()
        Bystander.calm.p.kill()
        shutil.rmtree(calm, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
    finish()


main()
