#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""`rookery run` under bad input of every kind, by clients that share nothing with the C code.

Each mistake must get the status that a real client expects or a clean close, leave one log line
that says what and from where, and cost nothing once it is over.

Usage: bad_input.py PATH_OF_ROOKERY   (exit code 77: grpcio or PyNaCl is not installed)
"""
import os
import queue
import re
import shutil
import socket
import struct
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
from ws_peer import *  # noqa: E402,F403
from ws_peer import auth as relay_auth  # noqa: E402

ROOKERY = os.path.abspath(sys.argv[1])
SIGNAL = "/signalexchange.SignalExchange/"
HEADER_TIMEOUT = 10   # seconds until a connection has said what it speaks, lib/http/edge.h
REQUEST_TIMEOUT = 30  # seconds for one HTTP/1.1 request, lib/http/h1.h
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


# ---- management ----

def setup_keys(srv, ch):
    refused = (Code.NOT_FOUND, "couldn't add peer: setup key is invalid")
    expect("a setup key that does not exist",
           lambda: Agent(ch).login("A2C8E62B-38F5-4553-B31E-DD66C696CEBB"), *refused)
    expect("a setup key that is no UUID", lambda: Agent(ch).login("'; DROP TABLE peers;--"),
           *refused)
    key_id, key = srv.setup_key("one-off", 1)
    good = Agent(ch)
    check("a one-off key works once", 2 in good.login(key))
    expect("and then not again", lambda: Agent(ch).login(key), *refused)
    check("the one that used it may log in", 2 in good.login(key))
    key_id, key = srv.setup_key("reusable")
    srv.rest("PUT", "/api/setup-keys/" + key_id, {"revoked": True, "auto_groups": []})
    expect("a revoked key", lambda: Agent(ch).login(key), *refused)
    _, key = srv.setup_key("reusable")
    expect("a host without a name", lambda: Agent(ch).login(key, field(2, "linux")),
           Code.INTERNAL)
    expect("no meta", lambda: Agent(ch).login(key, None), Code.FAILED_PRECONDITION)
    expect("nothing to log in with", lambda: Agent(ch).login(), Code.PERMISSION_DENIED,
           "no peer auth method provided, please use a setup key or interactive SSO login")
    code, text = status(lambda: Agent(ch).login(jwt="e30.e30.c2ln"))
    check("a token that does not validate", code == Code.INVALID_ARGUMENT and
          text.startswith("invalid jwt token"), (code, text))
    return good


def strangers(ch):
    a = Agent(ch)
    expect("Sync of a stranger", lambda: a.sync(), Code.PERMISSION_DENIED,
           "peer is not registered")
    expect("SyncMeta of a stranger", lambda: a.call("SyncMeta", field(1, META)), Code.NOT_FOUND)
    expect("Logout of a stranger", lambda: a.call("Logout", b""), Code.NOT_FOUND)
    hello = queue.Queue()  # stays open, as a real client's stream does
    hello.put(a.envelope(b""))
    expect("Job of a stranger",
           lambda: ch.stream_stream(MGMT + "Job")(iter(hello.get, None), timeout=600),
           Code.PERMISSION_DENIED, "peer is not registered")
    hello.put(None)


def envelopes(ch):
    a = Agent(ch)
    sealed = bytes(a.box.encrypt(field(2, META)))
    other = nacl.public.Box(a.key, nacl.public.PrivateKey.generate().public_key)
    bad = (Code.INVALID_ARGUMENT, "invalid request message")
    bodies = [
        ("sealed for another key", bytes(other.encrypt(field(2, META)))),
        ("an empty body", b""), ("10 bytes", sealed[:10]), ("24 bytes", sealed[:24]),
        ("39 bytes", sealed[:39]), ("a cut body", sealed[:-1]),
        ("a flipped bit", sealed[:-1] + bytes([sealed[-1] ^ 1])),
        ("zeros", bytes(len(sealed))),
        ("malformed protobuf inside", bytes(a.box.encrypt(b"\x12\xff\xff\xff\xff\x0f"))),
        ("a cut field inside", bytes(a.box.encrypt(field(2, META)[:-3]))),
        ("text that is no UTF-8 inside", bytes(a.box.encrypt(field(1, b"\xff\xfe")))),
        ("wire type 7 inside", bytes(a.box.encrypt(b"\x0f\x00"))),
        ("field number 0 inside", bytes(a.box.encrypt(b"\x02\x00")))]
    for method in "Login", "Sync", "SyncMeta", "Logout":
        for name, body in bodies:
            if method == "Logout" and "inside" in name:
                continue  # its message has no fields that could be wrong
            env = field(1, a.pub) + field(2, body)
            expect("%s: %s" % (method, name),
                   lambda: ch.unary_stream(MGMT + method)(env, timeout=600), *bad)
    for key in ("", "AAAA", "not base64!", a.pub[:-1], a.pub + "A", "A" * 43 + "\n", "A" * 5000):
        env = field(1, key) + field(2, sealed)
        code, text = status(lambda: a.raw("Login", env))
        check("public key %r" % key[:50], code == Code.INVALID_ARGUMENT and
              text.startswith("provided wgPubKey ") and text.endswith(" is invalid") and
              len(text) < 1000, (code, text))
    for flow in "GetDeviceAuthorizationFlow", "GetPKCEAuthorizationFlow":
        expect(flow + ": bad key", lambda: a.raw(flow, field(1, "x") + field(2, sealed)),
               Code.INVALID_ARGUMENT,
               "error while parsing peer's Wireguard public key x on %s request." % flow)
        expect(flow + ": another key", lambda: a.raw(flow, field(1, a.pub) + field(2, bodies[0][1])),
               Code.INVALID_ARGUMENT,
               "error while decrypting peer's message with Wireguard public key %s." % a.pub)


def messages(ch):
    a = Agent(ch)
    for name, body in [("cut varint", b"\x0a\xff"), ("cut field", b"\x0a\x2cAAAA"),
                       ("wire type 7", b"\x0f"), ("ten times ff", b"\xff" * 10),
                       ("no UTF-8", field(1, b"\xff\xfe"))]:
        expect("malformed envelope: " + name, lambda: a.raw("Login", body), Code.INTERNAL)
    limit = 4 << 20
    expect("one byte too many", lambda: a.raw("Login", field(2, bytes(limit - 4))),
           Code.RESOURCE_EXHAUSTED)
    code, _ = status(lambda: a.raw("Login", field(2, bytes(limit - 5))))
    check("as large as may be: read, and refused for its key", code == Code.INVALID_ARGUMENT, code)
    for path in (MGMT + "IsHealthy", MGMT + "Nothing", "/management.Nothing/Login", "/x/y"):
        expect("unknown method " + path, lambda: ch.unary_unary(path)(b"", timeout=600),
               Code.UNIMPLEMENTED)
    expect("gzip", lambda: ch.unary_unary(MGMT + "GetServerKey")(
        bytes(100), timeout=600, compression=grpc.Compression.Gzip), Code.UNIMPLEMENTED)


# ---- raw HTTP/2, HTTP/1.1 and noise ----

def recv_all(s, timeout=60.0):
    """(bytes, closed by the other side)"""
    s.settimeout(timeout)
    out = b""
    try:
        while True:
            part = s.recv(65536)
            if not part:
                return out, True
            out += part
    except (socket.timeout, ConnectionResetError) as e:
        return out, isinstance(e, ConnectionResetError)


def h2_frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + \
        struct.pack(">I", stream) + payload


def h2_head(path, method=b"POST", ctype=b"application/grpc"):
    def text(t):
        return (bytes([len(t)]) if len(t) < 127 else b"\x7f" + varint(len(t) - 127)) + t
    return b"".join(b"\x00" + text(k) + text(v) for k, v in (
        (b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", b"x"),
        (b"content-type", ctype), (b"te", b"trailers")))


def h2_call(srv, path, data, end=True, ctype=b"application/grpc"):
    """One request in frames by hand; trailers as text through nghttp's decoder are not needed: the
    answer uses literals or Huffman, so only presence of frames is judged here."""
    s = srv.connect()
    s.sendall(PREFACE + h2_frame(1, 4, 1, h2_head(path.encode(), ctype=ctype)) +
              h2_frame(0, 1 if end else 0, 1, data))
    out, closed = recv_all(s, 1.0)
    s.close()
    return out, closed


def h2_frames(data):
    out = []
    while len(data) >= 9:
        n = int.from_bytes(data[:3], "big")
        out.append((data[3], data[4], int.from_bytes(data[5:9], "big"), data[9:9 + n]))
        data = data[9 + n:]
    return out


def ends_stream(data):
    return any(kind == 3 or kind in (0, 1) and flags & 1
               for kind, flags, stream, _ in h2_frames(data) if stream == 1)


def framing(srv):
    login = (MGMT + "Login")
    for name, data in [("a cut message", b"\x00\x00\x00\x00\x20abc"), ("a cut prefix", b"\x00\x00"),
                       ("nothing", b""), ("compressed flag", b"\x01\x00\x00\x00\x01x"),
                       ("flag 255", b"\xff\x00\x00\x00\x01x"),
                       ("4 GiB announced", b"\x00\xff\xff\xff\xff" + bytes(100)),
                       ("two messages", b"\x00\x00\x00\x00\x00" * 2)]:
        out, closed = h2_call(srv, login, data)
        check("gRPC framing: %s ends the call only" % name, ends_stream(out) and not closed,
              (out, closed))
    noise = [("DATA on an idle stream", h2_frame(0, 0, 5, b"x")),
             ("HEADERS of 20000 bytes, not the table's", h2_frame(1, 4, 1, b"\xff" * 16000)),
             ("a frame above the limit", struct.pack(">I", 1 << 20)[1:] + b"\x00\x00" + bytes(4)),
             ("SETTINGS of 5 bytes", h2_frame(4, 0, 0, b"12345")),
             ("PING of 7 bytes", h2_frame(6, 0, 0, b"1234567")),
             ("WINDOW_UPDATE 0", h2_frame(8, 0, 0, bytes(4))),
             ("even stream", h2_frame(1, 4, 2, h2_head(b"/x"))),
             ("CONTINUATION of nothing", h2_frame(9, 4, 1, b"")),
             ("PUSH_PROMISE", h2_frame(5, 4, 1, bytes(8)))]
    for name, frame in noise:
        s = srv.connect()
        s.sendall(PREFACE + frame)
        out, closed = recv_all(s)
        check("HTTP/2: %s: GOAWAY and close" % name,
              closed and any(f[0] == 7 for f in h2_frames(out)), (out[:80], closed))
        s.close()


def http1(srv, head, body=b"", timeout=60.0):
    s = srv.connect()
    s.sendall(head.replace(b"\n", b"\r\n") + b"\r\n" + body)
    out, closed = recv_all(s, timeout)
    s.close()
    m = re.match(rb"HTTP/1\.[01] (\d+)", out)
    return int(m.group(1)) if m else None, out, closed


def http(srv):
    post = b"POST %s HTTP/1.1\nHost: x\nConnection: close\nContent-Type: application/grpc\n" \
           b"Content-Length: 5\n"
    for path in (MGMT + "Login", SIGNAL + "Send"):
        code, out, closed = http1(srv, post % path.encode(), bytes(5))
        check("HTTP/1.1 on " + path, code in (404, 405) and closed, out)
    check("a bad token", srv.rest("GET", "/api/peers", headers={
        "Authorization": "Token nbp_wrongwrongwrongwrongwrongwrongwrong"})[0] == 401)
    check("no token", srv.rest("GET", "/api/peers", headers={})[0] == 401)
    check("a bad bearer", srv.rest("GET", "/api/peers", headers={
        "Authorization": "Bearer e30.e30.c2ln"})[0] == 401)
    check("an odd scheme", srv.rest("GET", "/api/peers", headers={
        "Authorization": "Basic YTpi"})[0] == 401)
    check("JSON that is none", srv.rest("POST", "/api/groups", raw=b"{\"name\":")[0] == 400)
    check("the wrong type", srv.rest("POST", "/api/groups", raw=b"[1,2]")[0] in (400, 422))
    check("deep JSON", srv.rest("POST", "/api/groups", raw=b"[" * 100000)[0] == 400)
    check("NUL in a name", srv.rest("POST", "/api/groups", raw=b"{\"name\":\"a\\u0000b\"}")[0]
          in (400, 422))
    check("an unknown path", srv.rest("GET", "/api/nothing")[0] == 404)
    check("a path that climbs", http1(srv, b"GET /../../../etc/passwd HTTP/1.1\nHost: x\n"
                                      b"Connection: close\n")[0] in (301, 400, 404))
    code, out, closed = http1(srv, b"GET /api/peers HTTP/1.1\nHost: x\nX-Long: " + b"a" * 70000 +
                              b"\n", timeout=60)
    check("a head without end", (code in (400, 413, 414, 431) or code is None) and closed, out[:80])
    code, out, closed = http1(srv, b"POST /api/groups HTTP/1.1\nHost: x\nAuthorization: Token " +
                              srv.token.encode() + b"\nConnection: close\n"
                              b"Content-Length: 99999999999\n", b"{}", timeout=60)
    check("a body of 100 GB", code == 413 and closed, out[:200])
    code, out, closed = http1(srv, b"POST /api/groups HTTP/1.1\nHost: x\nContent-Length: -5\n",
                              timeout=60)
    check("a negative length", (code == 400 or code is None) and closed, out[:80])


def garbage(srv):
    for name, data in [("zeros", bytes(100)), ("text", b"hello, world\r\n"), ("noise", os.urandom(4000)),
                       ("a broken preface", b"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n"),
                       ("TLS on the clear port", b"\x16\x03\x01\x02\x00\x01\x00"),
                       ("a long method", b"A" * 5000), ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
                       ("SOCKS", b"\x05\x01\x00"), ("blank", b"\r\n\r\n \r\n")]:
        s = srv.connect()
        s.sendall(data)
        out, closed = recv_all(s, HEADER_TIMEOUT + 60)
        check("garbage on the port: %s: closed" % name, closed and
              (not out or out.startswith(b"HTTP/1.1 400")), (out[:80], closed))
        srv.noisy.append(("garbage " + name, s.getsockname()[1]))
        s.close()
    s = srv.connect()
    s.sendall(PREFACE + os.urandom(3000))
    out, closed = recv_all(s)
    check("noise behind the preface: GOAWAY and close", closed, out[:80])
    s.close()


def loris(srv, what, seconds, first, drip):
    """Feeds a connection one byte each half second; it must be cut in time."""
    s = srv.connect()
    s.sendall(first)
    began, limit = time.time(), seconds + 60
    s.settimeout(0.5)
    out, closed, i = b"", False, 0
    while not closed and time.time() < began + limit:
        try:
            part = s.recv(65536)
            closed, out = not part, out + part
        except socket.timeout:
            pass
        except OSError:
            closed = True
        try:
            if drip:
                s.sendall(drip[i % len(drip):i % len(drip) + 1])
                i += 1
        except OSError:
            closed = True
    took = time.time() - began
    check("slow client is cut: " + what, closed and took > 1, (out[:100], took))
    s.close()


def slow(srv):
    """All at the same time, and the server goes on serving meanwhile."""
    post = (b"POST /api/setup HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000\r\n\r\n")
    threads = [threading.Thread(target=loris, args=(srv,) + a) for a in [
        ("says nothing", HEADER_TIMEOUT, b"", b""),
        ("half a preface", HEADER_TIMEOUT, PREFACE[:12], b""),
        ("the preface, a byte now and then", HEADER_TIMEOUT, b"", PREFACE[:20]),
        ("half a WebSocket head", HEADER_TIMEOUT, b"GET /relay HTTP/1.1\r\n", b"X-A: b\r\n"),
        ("a head that never ends", REQUEST_TIMEOUT, b"GET /api/peers HTTP/1.1\r\nHost: x\r\n",
         b"X-A: b\r\n"),
        ("a body that never ends", REQUEST_TIMEOUT, post, b" "),
        ("half a request line, then nothing", REQUEST_TIMEOUT, b"GET /api/pe", b"")]]
    silent = [srv.connect() for _ in range(100)]
    for t in threads:
        t.start()
    for _ in range(100):  # end early, or by a reset
        srv.connect().close()
        s = srv.connect()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.sendall(PREFACE[:8])
        s.close()
    for cut in (b"GE", b"GET /rel", PREFACE, PREFACE + h2_frame(1, 0, 1, h2_head(b"/x")[:20])):
        s = srv.connect()
        s.sendall(cut)
        s.shutdown(socket.SHUT_WR)
        _, closed = recv_all(s, HEADER_TIMEOUT + 60)
        check("half closed after %r: closed" % cut[-12:], closed)
        s.close()
    ch = srv.channel()
    check("served among them", bool(Agent(ch).pub) and any(t.is_alive() for t in threads))
    ch.close()
    for t in threads:
        t.join()
    cut = 0
    for s in silent:
        cut += recv_all(s, 0.2)[1]
        s.close()
    check("100 silent connections are cut", cut == 100, cut)


# ---- relay, STUN, signal, WebSocket bridge ----

def relay(srv):
    me = peer_id("me")
    good = token(srv.secret)
    for name, first in [("wrong token", relay_auth(me, token("wrong"))),
                        ("expired token", relay_auth(me, token(srv.secret, 5))),
                        ("noise", os.urandom(300)), ("empty", b""),
                        ("version 9", b"\x09" + relay_auth(me, good)[1:]),
                        ("bad magic", b"\x01\x06abcd" + me + good), ("cut", relay_auth(me, good)[:20])]:
        p = Peer(srv.port)
        p.send(first)
        check("relay: %s: closed" % name, p.closed())
        srv.noisy.append(("relay " + name, p.sock.getsockname()[1]))
        p.close()
    for name, how in [("an unmasked frame", dict(payload=b"x", masked=False)),
                      ("a text frame", dict(payload=b"hello", op=1)),
                      ("a reserved opcode", dict(payload=b"x", op=5)),
                      ("a long ping", dict(payload=bytes(200), op=9))]:
        p = Peer(srv.port)
        p.send(**how)
        check("relay: %s: closed" % name, p.closed())
        p.close()
    p = Peer(srv.port)
    p.sock.sendall(b"\x82\xff" + struct.pack(">Q", 1 << 40) + bytes(4))
    check("relay: a frame of a terabyte: closed", p.closed())
    p.close()
    p = join(srv.port, srv.secret, "still here")
    p.send(transport(b"sha-" + bytes(32), b"to nobody"))
    p.send(transport(p.id, b"\x04\x00\x00\x00to myself"))
    check("relay: still serves", p.message() == transport(p.id, b"\x04\x00\x00\x00to myself"))
    p.close()
    for name, data in ("an empty message", b""), ("an unknown type", b"\x01\x63abc"):
        p = join(srv.port, srv.secret, "still here")
        p.send(data)
        check("relay: %s of a known peer: closed" % name, p.closed())
        p.close()


def stun(srv):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(("127.0.0.1", srv.stun))
    head = struct.pack(">HHI", 1, 0, 0x2112a442)
    for data in (b"", b"\x00", os.urandom(1400), head, head + bytes(11), head[:4] + bytes(16),
                 struct.pack(">HHI", 1, 8, 0x2112a442) + bytes(12) + b"\x00\x06\xff\xff1234",
                 struct.pack(">HHI", 1, 400, 0x2112a442) + bytes(12), bytes(20),
                 struct.pack(">HHI", 0x0101, 0, 0x2112a442) + bytes(12), bytes(9000)):
        s.send(data)
    s.settimeout(0.3)
    answers = []
    try:
        while True:
            answers.append(s.recv(2000))
    except socket.timeout:
        pass
    check("STUN: garbage gets silence or an error", all(a[:2] == b"\x01\x11" for a in answers), answers)
    s.settimeout(60)
    s.send(head + b"transaction1")
    a = s.recv(2000)
    check("STUN: still serves", a[:2] == b"\x01\x01" and a[8:20] == b"transaction1", a)
    s.close()


def signal_service(srv, ch):
    def send(body):
        return ch.unary_unary(SIGNAL + "Send")(body, timeout=600)

    def stream(*meta):
        return ch.stream_stream(SIGNAL + "ConnectStream")(iter([]), metadata=meta, timeout=600)

    for name, body in [("cut", b"\x12\xff"), ("no UTF-8", field(2, b"\xff\xfe") + field(3, "x")),
                       ("wire type 7", b"\x0f")]:
        expect("signal: malformed: " + name, lambda: send(body), Code.INTERNAL)
    expect("signal: 5 MiB", lambda: send(field(2, "a") + field(3, "b") + field(4, bytes(5 << 20))),
           Code.RESOURCE_EXHAUSTED)
    expect("signal: unknown method", lambda: ch.unary_unary(SIGNAL + "Nope")(b"", timeout=600),
           Code.UNIMPLEMENTED)
    expect("signal: no key", lambda: stream(), Code.FAILED_PRECONDITION,
           "missing connection header: x-wiretrustee-peer-id")
    check("signal: to nobody is no error", send(field(2, "a") + field(3, "nobody")) == b"")


def drained(p):
    """Whether the server ends the connection; what it says before does not matter."""
    try:
        while True:
            p.recv()
    except Closed:
        return True
    except socket.timeout:
        return False


def bridge(srv):
    for path in "/ws-proxy/management", "/ws-proxy/signal":
        for name, data in [("noise", b"\xff" * 2000), ("a message above the limit", bytes(32769)),
                           ("noise behind a preface", PREFACE + b"\xff" * 100)]:
            p = Peer(srv.port, path=path)
            p.send(data)
            check("%s: %s: closed" % (path, name), drained(p))
            p.close()


# ---- all of it, twice: what the second round adds is a leak ----

def one_round(srv, patient):
    ch = srv.channel()
    good = setup_keys(srv, ch)
    strangers(ch)
    envelopes(ch)
    messages(ch)
    framing(srv)
    http(srv)
    garbage(srv)
    if patient:
        slow(srv)
    relay(srv)
    stun(srv)
    signal_service(srv, ch)
    bridge(srv)
    m = good.first_map()
    check("the good agent still gets its map", 5 in m and 2 in m, list(m))
    expect("SyncMeta without meta", lambda: good.call("SyncMeta", b""), Code.FAILED_PRECONDITION)
    check("Logout", good.call("Logout", b"") == b"")
    ch.close()


def settled(srv, want):
    """Waits until no more than `want` descriptors are open."""
    end = time.time() + 60
    while srv.sockets() > want and time.time() < end:
        time.sleep(0.1)
    return srv.sockets() <= want


def the_log(srv, text):
    check("no sanitizer report", not re.search(r"Sanitizer|runtime error|assert", text),
          text[-3000:])
    for what, port in srv.noisy:
        lines = [l for l in text.splitlines() if "127.0.0.1:%d" % port in l]
        check("the log says what came from port %d: %s" % (port, what), bool(lines))
    for secret in (srv.secret, srv.token):
        check("no secret in the log", secret not in text)
    for words in ("setup key is invalid", "provided wgPubKey", "invalid request message",
                  "peer is not registered"):
        lines = [l for l in text.splitlines() if words in l]
        check("the log has '%s' with an address" % words,
              lines and all("127.0.0.1" in l for l in lines), lines[:3])


def main():
    folder = tempfile.mkdtemp(prefix="rookery-bad-input-")
    try:
        srv = Server(ROOKERY, folder)
        srv.noisy = []
        sockets = srv.sockets()
        one_round(srv, True)
        check("no descriptor left open", settled(srv, sockets), (sockets, srv.sockets()))
        rss = srv.p.rss_kb()  # with its caches filled
        one_round(srv, False)
        check("nor in the second round", settled(srv, sockets), (sockets, srv.sockets()))
        grown = srv.p.rss_kb() - rss
        check("memory is back where it was", grown < 6 * 1024, "%d KB more than %d" % (grown, rss))
        print("%d sockets, %d KB; %d KB more after the second round" % (sockets, rss, grown))
        the_log(srv, srv.p.stop())
    finally:
        if FAILED and "-v" in sys.argv:
            print(srv.p.text()[-20000:])
        shutil.rmtree(folder)
    finish()


main()
