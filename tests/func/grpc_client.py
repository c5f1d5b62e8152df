#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""An independent gRPC client (grpcio) and raw sockets against tests/func/grpc_testd.

Usage: grpc_client.py PATH_OF_GRPC_TESTD   (exit code 77: grpcio is not installed)
"""
import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

try:
    import grpc
except ImportError:
    sys.exit(77)

FAILED = []


def check(name, ok, detail=""):
    print(("ok   " if ok else "FAIL ") + name + ("" if ok else ": " + str(detail)), flush=True)
    if not ok:
        FAILED.append(name)


def unary(ch, method, body=b"", **kw):
    return ch.unary_unary("/test.Echo/" + method)(body, **kw)


def status_of(call):
    try:
        call()
    except grpc.RpcError as e:
        return e.code(), e.details()
    return grpc.StatusCode.OK, ""


def basic(ch, tag):
    check(tag + " unary", unary(ch, "Unary", b"hello") == b"hello")
    check(tag + " unary empty", unary(ch, "Unary", b"") == b"")
    big = os.urandom(5 << 20)
    check(tag + " unary 5 MiB", unary(ch, "Unary", big) == big)
    code, text = status_of(lambda: unary(ch, "Fail", b"1"))
    check(tag + " error text", code == grpc.StatusCode.INVALID_ARGUMENT
          and text == 'failed: 100% \u00e4 "1"', (code, text))
    code, text = status_of(lambda: unary(ch, "Fail", b"12"))
    check(tag + " internal text is fixed", code == grpc.StatusCode.INTERNAL
          and text == "internal error", (code, text))
    begin = time.time()
    code, _ = status_of(lambda: unary(ch, "Slow", b"", timeout=0.3))
    check(tag + " deadline", code == grpc.StatusCode.DEADLINE_EXCEEDED
          and time.time() - begin < 60, code)  # it never answers
    code, text = status_of(lambda: unary(ch, "Nothing"))
    check(tag + " unknown method", code == grpc.StatusCode.UNIMPLEMENTED, (code, text))
    code, text = status_of(lambda: unary(ch, "Small", b"x" * 1001))
    check(tag + " too large", code == grpc.StatusCode.RESOURCE_EXHAUSTED, (code, text))
    code, text = status_of(lambda: unary(ch, "Unary", b"x" * 100,
                                         compression=grpc.Compression.Gzip))
    check(tag + " gzip", code == grpc.StatusCode.UNIMPLEMENTED, (code, text))


def streams(ch, tag):
    n = size = 0
    for m in ch.unary_stream("/test.Echo/Stream")(b"500 100000"):
        n += 1
        size += len(m)
    check(tag + " stream", n == 500 and size == 50000000, (n, size))
    out = list(ch.unary_stream("/test.Echo/Stream")(b"0 0"))
    check(tag + " empty stream", out == [], out)
    call = ch.unary_stream("/test.Echo/Stream")(b"1000000 1000")
    for i, _ in enumerate(call):
        if i == 100:
            call.cancel()
            break
    check(tag + " cancelled stream", True)
    check(tag + " alive after cancel", unary(ch, "Unary", b"x") == b"x")

    def source():
        for i in range(200):
            yield b"%d" % i * (i + 1)

    call = ch.stream_stream("/test.Echo/Bidi")(source())
    head = dict(call.initial_metadata())
    got = list(call)
    check(tag + " bidi", got == list(source()), len(got))
    check(tag + " bidi header", head.get("x-test") == "began", head)


def many(ch, tag):
    """More concurrent streams than the limit of a connection: the client must queue."""
    call = ch.unary_unary("/test.Echo/Unary")
    futures = [call.future(b"%d" % i) for i in range(3000)]
    ok = all(f.result() == b"%d" % i for i, f in enumerate(futures))
    check(tag + " 3000 calls at once", ok)


def meta(ch, tag):
    call = ch.unary_unary("/test.Echo/Meta")
    body, info = call.with_call(b"", metadata=(("x-question", "why"),
                                               ("x-forwarded-for", "6.6.6.6, 203.0.113.9")))
    head = dict(info.initial_metadata())
    check(tag + " metadata", head.get("x-answer") == "42", head)
    check(tag + " trusted proxy", body == b"why 203.0.113.9:0", body)
    body = call(b"", metadata=(("x-question", "why"), ("x-forwarded-for", "6.6.6.6"),
                               ("x-forwarded-for", "127.0.0.1," * 300 + " 203.0.113.9")))
    check(tag + " trusted proxy, long list", body == b"why 203.0.113.9:0", body)


def recv_all(s, timeout=60.0):
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


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def http1(port, wrap, tag):
    s = wrap(connect(port))
    s.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    out, _ = recv_all(s)
    check(tag + " http/1.1", b"200" in out and out.endswith(b"hello\n"), out)
    s = wrap(connect(port))
    for c in b"GET /hello HTTP/1.1\r\nHost: x\r\n":
        s.sendall(bytes([c]))
    s.sendall(b"Connection: close\r\n\r\n")
    out, _ = recv_all(s)
    check(tag + " http/1.1 byte by byte", out.endswith(b"hello\n"), out)
    s = wrap(connect(port))
    s.sendall(b"GET /ws-proxy/test HTTP/1.1\r\nHost: x\r\n\r\n")
    out, closed = recv_all(s)
    check(tag + " no upgrade", b" 426 " in out and closed, out)
    s = wrap(connect(port))
    s.sendall(b"GET /ws-proxy/testing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    out, _ = recv_all(s)
    check(tag + " similar path", b" 404 " in out, out)


def garbage(port):
    for name, data in (("zeros", bytes(100)), ("text", b"hello, world\r\n"),
                       ("broken preface", b"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n"),
                       ("tls on clear", b"\x16\x03\x01\x02\x00\x01"),
                       ("long method", b"A" * 50), ("blank", b" GET / HTTP/1.1\r\n\r\n")):
        s = connect(port)
        s.sendall(data)
        out, closed = recv_all(s)
        check("garbage " + name, closed and out == b"", (out, closed))
    s = connect(port)
    s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100)
    out, closed = recv_all(s)
    check("garbage frames", closed and b"\x00\x00" in out, (out, closed))


def slow_head(port):
    s = connect(port)
    s.sendall(b"GET ")
    begin = time.time()
    out, closed = recv_all(s)
    took = time.time() - begin
    check("slow head is cut", closed and out == b"" and 1 < took, (out, closed, took))


def proxy_v1(port):
    s = connect(port)
    s.sendall(b"PROXY TCP4 198.51.100.7 1.1.1.1 777 443\r\n")
    time.sleep(0.05)
    s.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    out, _ = recv_all(s)
    check("proxy v1", out.endswith(b"hello\n"), out)
    s = connect(port)
    s.sendall(b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21, 0x11]) + struct.pack(">H", 12) +
              bytes([198, 51, 100, 8, 1, 1, 1, 1]) + struct.pack(">HH", 5, 6) +
              b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    out, _ = recv_all(s)
    check("proxy v2", out.endswith(b"hello\n"), out)
    s = connect(port)
    s.sendall(b"PROXY TCP9 nonsense\r\n")
    out, closed = recv_all(s)
    check("broken proxy header", closed and out == b"", (out, closed))


def raw_h2(port, headers, body=b"", flags=4):
    """One request in literal HPACK; returns the raw answer."""
    block = b"".join(b"\x00" + bytes([len(k)]) + k + b"\x7f" * (len(v) >= 127) +
                     (bytes([len(v) - 127]) if len(v) >= 127 else bytes([len(v)])) + v
                     for k, v in headers)
    s = connect(port)
    s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" +
              struct.pack(">I", len(block))[1:] + bytes([1, flags | (0 if body else 1)]) +
              b"\x00\x00\x00\x01" + block +
              (struct.pack(">I", len(body))[1:] + b"\x00\x01\x00\x00\x00\x01" + body
               if body else b""))
    out, _ = recv_all(s, 0.7)
    s.close()
    return out


def request(method=b"POST", path=b"/test.Echo/Unary", ct=b"application/grpc"):
    return [(b":method", method), (b":scheme", b"http"), (b":path", path),
            (b":authority", b"x"), (b"content-type", ct), (b"te", b"trailers")]


def odd_requests(port):
    # ":status 405" has no static HPACK entry: the digits are Huffman coded or plain in the answer.
    def status(out, code, huff):
        return code in out or huff in out

    out = raw_h2(port, request(method=b"GET"))
    check("GET gives 405", status(out, b"405", b"\x68\x0b"), out)
    out = raw_h2(port, request(ct=b"text/plain"))
    check("wrong content type gives 415", status(out, b"415", b"\x68\x2d"), out)
    out = raw_h2(port, request(b"GET", b"/hello", b"text/html"))
    check("REST over h2", b"hello\n" in out, out)
    out = raw_h2(port, request(b"POST", b"/mirror", b"text/html"), b"a body")
    check("REST over h2 with a body", b"a body" in out, out)
    out = raw_h2(port, request(b"GET", b"/index.html", b"text/html"))
    check("REST over h2, other paths", b"not found" in out, out)
    out = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "--data-binary", "@-",
                          "http://127.0.0.1:%d/mirror" % port], input=b"z" * 900000,
                         stdout=subprocess.PIPE).stdout
    check("REST over h2 by curl", out == b"z" * 900000, len(out))
    out = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "-I",
                          "http://127.0.0.1:%d/hello" % port], stdout=subprocess.PIPE).stdout
    check("HEAD over h2 by curl", b"HTTP/2 200" in out, out)
    out = raw_h2(port, request(), b"\x01\x00\x00\x00\x01x")
    check("compressed flag", b"compressed" in out or len(out) > 60, out)
    out = raw_h2(port, request(), b"\x00\x00\x00\x00\x05ab")
    check("cut message", len(out) > 60, out)


def rapid_reset(port):
    """Thousands of opened and cancelled streams must end the connection."""
    s = connect(port)
    block = b"".join(b"\x00" + bytes([len(k)]) + k + bytes([len(v)]) + v
                     for k, v in request(path=b"/test.Echo/Slow"))
    s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    try:
        for i in range(5000):
            sid = struct.pack(">I", 2 * i + 1)
            s.sendall(struct.pack(">I", len(block))[1:] + b"\x01\x04" + sid + block +
                      b"\x00\x00\x04\x03\x00" + sid + b"\x00\x00\x00\x08")
        out, closed = recv_all(s)
    except (BrokenPipeError, ConnectionResetError):
        closed = True
    check("rapid reset is cut", closed)


def settings_flood(port):
    s = connect(port)
    s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    try:
        for _ in range(300):
            s.sendall(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" * 100)
        _, closed = recv_all(s)
    except (BrokenPipeError, ConnectionResetError):
        closed = True
    check("settings flood is cut", closed)


def half_open(port):
    """Connections that say nothing, or that end early, must not disturb anyone."""
    silent = [connect(port) for _ in range(50)]
    for _ in range(50):
        connect(port).close()
    s = connect(port)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.sendall(b"PRI * HT")
    s.close()
    ch = grpc.insecure_channel("127.0.0.1:%d" % port)
    check("served among silent connections", unary(ch, "Unary", b"x") == b"x")
    ch.close()
    for s in silent:
        s.close()


def ws_frame(data, op=2):
    mask = os.urandom(4)
    n = len(data)
    head = bytes([0x80 | op]) + (bytes([0x80 | n]) if n < 126 else
                                 bytes([0xfe]) + struct.pack(">H", n))
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data))


def ws_messages(data):
    """(opcode, payload) of unmasked frames; the last one may be incomplete and is dropped."""
    out = []
    while len(data) >= 2:
        n, at = data[1], 2
        if n == 126:
            n, at = struct.unpack(">H", data[2:4])[0], 4
        elif n == 127:
            n, at = struct.unpack(">Q", data[2:10])[0], 10
        if len(data) < at + n:
            break
        out.append((data[0] & 15, data[at:at + n]))
        data = data[at + n:]
    return out, data


class WsTunnel:
    def __init__(self, s, requests_before=0):
        self.s, self.buf = s, b""
        for _ in range(requests_before):
            s.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
            while not self.buf.endswith(b"hello\n"):
                self.buf += s.recv(65536)
            self.buf = b""
        s.sendall(b"GET /ws-proxy/test HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                  b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                  b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" +
                  ws_frame(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
        while b"\r\n\r\n" not in self.buf:
            self.buf += s.recv(65536)
        self.head, self.buf = self.buf.split(b"\r\n\r\n", 1)

    def send(self, data, op=2):
        self.s.sendall(ws_frame(data, op))

    def read(self, want, timeout=60):
        """Messages until want(joined binary bytes, messages) holds."""
        self.s.settimeout(timeout)
        got = []
        while True:
            more, self.buf = ws_messages(self.buf)
            got += more
            joined = b"".join(p for op, p in got if op == 2)
            if want(joined, got):
                return joined, got
            part = self.s.recv(65536)
            if not part:
                return joined, got
            self.buf += part


def h2_request(path, body, window=True):
    block = b"".join(b"\x00" + bytes([len(k)]) + k + bytes([len(v)]) + v
                     for k, v in request(path=path))
    big = struct.pack(">I", 0x7fff0000 - 65535)
    return (b"\x00\x00\x06\x04\x00\x00\x00\x00\x00" + struct.pack(">HI", 4, 0x7fff0000) +
            b"\x00\x00\x04\x08\x00\x00\x00\x00\x00" + big +
            struct.pack(">I", len(block))[1:] + b"\x01\x04\x00\x00\x00\x01" + block +
            struct.pack(">I", len(body) + 5)[1:] + b"\x00\x01\x00\x00\x00\x01" +
            b"\x00" + struct.pack(">I", len(body)) + body)


def ws_proxy(port, wrap, tag):
    t = WsTunnel(wrap(connect(port)))
    check(tag + " ws upgrade", b" 101 " in t.head and b"xtensions" not in t.head, t.head)
    data = h2_request(b"/test.Echo/Unary", b"through the tunnel")
    for i in range(0, len(data), 7):
        t.send(data[i:i + 7])
    t.send(b"a text", 1)
    t.send(b"ping!", 9)
    joined, got = t.read(lambda j, g: b"through the tunnel" in j and (10, b"ping!") in g)
    check(tag + " ws unary", b"through the tunnel" in joined)
    check(tag + " ws pong", (10, b"ping!") in got)
    t.send(struct.pack(">H", 1000), 8)
    _, got = t.read(lambda j, g: any(op == 8 for op, _ in g))
    check(tag + " ws close", got[-1] == (8, struct.pack(">H", 1000)), got[-1:])
    t = WsTunnel(wrap(connect(port)), 3)  # on a connection that served requests before
    check(tag + " ws upgrade of a used connection", b" 101 " in t.head
          and b"sec-websocket-accept: " in t.head.lower(), t.head)
    t.send(h2_request(b"/test.Echo/Unary", b"second tunnel"))
    joined, _ = t.read(lambda j, g: b"second tunnel" in j)
    check(tag + " ws unary on it", b"second tunnel" in joined)
    time.sleep(0.1)
    t.send(b"more", 9)
    _, got = t.read(lambda j, g: (10, b"more") in g)
    check(tag + " ws pong on it", (10, b"more") in got)
    s = wrap(connect(port))
    s.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /ws-proxy/test HTTP/1.1\r\n"
              b"Host: x\r\n\r\n")
    out, closed = recv_all(s)
    check(tag + " no upgrade of a used connection", b" 426 " in out and closed, out)
    t = WsTunnel(wrap(connect(port)))
    t.send(h2_request(b"/test.Echo/Stream", b"50 100000"))
    joined, got = t.read(lambda j, g: j.count(b"x") >= 5000000, 15)
    check(tag + " ws stream", joined.count(b"x") >= 5000000)
    check(tag + " ws message size", max(len(p) for _, p in got) <= 32768)
    check(tag + " ws few messages", len(got) < 400, len(got))
    t = WsTunnel(wrap(connect(port)))
    t.send(bytes(32769))
    _, got = t.read(lambda j, g: any(op == 8 for op, _ in g))
    check(tag + " ws too big", got and got[-1] == (8, struct.pack(">H", 1009)), got[-1:])
    t = WsTunnel(wrap(connect(port)))
    t.s.close()


def make_cert(d):
    cert, key = d + "/cert.pem", d + "/key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days",
                    "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                   check=True, stderr=subprocess.DEVNULL)
    return cert, key


def main():
    with tempfile.TemporaryDirectory() as d:
        cert, key = make_cert(d)
        p = subprocess.Popen([sys.argv[1], "--cert", cert, "--key", key], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=open(d + "/log", "w+b"))
        port, tls_port = map(int, p.stdout.readline().split())
        opts = [("grpc.max_receive_message_length", -1)]
        slow = threading.Thread(target=slow_head, args=(port,))
        slow.start()
        ch = grpc.insecure_channel("127.0.0.1:%d" % port, opts)
        basic(ch, "clear")
        streams(ch, "clear")
        many(ch, "clear")
        meta(ch, "clear")
        ch.close()
        ch = grpc.insecure_channel("[::1]:%d" % port, opts)
        check("ipv6", unary(ch, "Unary", b"6") == b"6")
        ch.close()
        with open(cert, "rb") as f:
            creds = grpc.ssl_channel_credentials(f.read())
        ch = grpc.secure_channel("127.0.0.1:%d" % tls_port, creds, opts)
        basic(ch, "tls")
        streams(ch, "tls")
        many(ch, "tls")
        meta(ch, "tls")
        ch.close()
        ctx = ssl.create_default_context(cafile=cert)
        http1(port, lambda s: s, "clear")
        http1(tls_port, lambda s: ctx.wrap_socket(s, server_hostname="localhost"), "tls")
        ctx.set_alpn_protocols(["h2", "http/1.1"])
        http1(tls_port, lambda s: ctx.wrap_socket(s, server_hostname="localhost"), "tls alpn both")
        s = connect(tls_port)
        s.sendall(b"GET / HTTP/1.1\r\n\r\n")
        out, _ = recv_all(s)
        check("clear text on TLS port", b" 400 " in out and b"HTTPS" in out, out)
        plain = ssl.create_default_context(cafile=cert)
        ws_proxy(port, lambda s: s, "clear")
        ws_proxy(tls_port, lambda s: plain.wrap_socket(s, server_hostname="localhost"), "tls")
        old = ssl.get_server_certificate(("127.0.0.1", tls_port))
        make_cert(d)
        p.stdin.write(b"r")
        p.stdin.flush()
        new, end = old, time.time() + 60
        while new == old and time.time() < end:
            new = ssl.get_server_certificate(("127.0.0.1", tls_port))
        with open(cert) as f:
            check("certificate reload", old != new and new.strip() == f.read().strip())
        garbage(port)
        proxy_v1(port)
        odd_requests(port)
        rapid_reset(port)
        settings_flood(port)
        half_open(port)
        slow.join()
        ch = grpc.insecure_channel("127.0.0.1:%d" % port, opts)
        held = ch.stream_stream("/test.Echo/Bidi")(iter(lambda: time.sleep(60) or b"", None))
        held.initial_metadata()
        begin = time.time()
        p.stdin.close()
        code, _ = status_of(lambda: list(held))
        check("shutdown ends streams", code == grpc.StatusCode.UNAVAILABLE, code)
        out = p.stdout.read()
        check("clean end", p.wait() == 0 and out == b"stopped\n", (p.returncode, out))
        check("quick end", time.time() - begin < 55, time.time() - begin)
        ch.close()
        with open(d + "/log", "rb") as f:
            log = f.read().decode(errors="replace")
        check("no sanitizer report", "Sanitizer" not in log and "runtime error" not in log, log[-4000:])
        if FAILED or "-v" in sys.argv:
            sys.stderr.write(log[-6000:])
    print("%d failed" % len(FAILED))
    os._exit(1 if FAILED else 0)


main()
