#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""rookery-relay as a program, over loopback, with an independent client (tests/func/ws_peer.py).

Usage: relay_client.py PATH_OF_ROOKERY_RELAY
"""
import json
import os
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from proc import *  # noqa: E402,F403
from ws_peer import *  # noqa: E402,F403

RELAY = os.path.abspath(sys.argv[1])
SECRET = "supersecret"
A = "NYBy1jZYgNGu6jKa35EhODhR7SGijjt16WXQ0s0WYlQ="
B = "Z13VdO13iTELPS52gfN5C0ZsdzsVIf7PNld5WDcepS8="


def http(port, text):
    s = socket.create_connection(("127.0.0.1", port), timeout=60)
    s.sendall(text.encode())
    out = b""
    try:
        while True:
            d = s.recv(4096)
            if not d:
                break
            out += d
    except (socket.timeout, ConnectionResetError):
        pass
    s.close()
    return out.decode(errors="replace")


def test_options():
    base = [RELAY, "-l", ":1", "-e", "rel://x:1", "-s", SECRET]
    for args, want in [
            ([RELAY], "--exposed-address is required"),
            ([RELAY, "-e", "x:1"], "--auth-secret is required"),
            (base + ["--stun-ports", "0", "--enable-stun"], "is not a port"),
            (base + ["--stun-ports", "5,5", "--enable-stun"], "stands twice"),
            (base + ["--listen-adress", ":2"], "did you mean --listen-address?"),
            (base + ["-l", "nonsense"], "--listen-address"),
            (base + ["-c", "/nonexistent"], "key file"),
            (base + ["-c", "/nonexistent", "-k", "/nonexistent"], "/nonexistent"),
            (base + ["-a", "relay.example.com"], "Let's Encrypt"),
            (base + ["--trusted-proxies", "proxy"], "--trusted-proxies"),
            (base + ["--log-level", "loud"], "none of"),
            (base + ["--max-peers", "0"], "between"),
            (base + ["--max-bandwidth", "20"], "--max-bandwidth"),
            (base + ["--max-peer-bandwidth", "10kbit"], "64kbit"),
            (base + ["extra"], "unexpected argument"),
            ([RELAY, "-l", ":1", "-e", "http://x", "-s", SECRET], "exposed address")]:
        code, err = refused(args)
        check("refuses %s" % " ".join(args[1:]).replace(SECRET, "..."),
              code in (1, 2) and want in err, err)
    code, err = refused(base, clean_env(NB_METRICS_PORT="many"))
    check("names a bad variable", code == 2 and "NB_METRICS_PORT" in err, err)


def test_upgrade(port):
    check("no upgrade: 426", http(port, "GET /relay HTTP/1.1\r\nHost: x\r\n\r\n").startswith(
        "HTTP/1.1 426 "))
    check("other path: 404", http(port, "GET /other HTTP/1.1\r\nHost: x\r\n\r\n").startswith(
        "HTTP/1.1 404 "))
    up = ("GET /relay HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Version: %s\r\n%s\r\n")
    check("old version: 400", http(port, up % ("8", "Sec-WebSocket-Key: %s\r\n" % ("A" * 22 + "=="))
                                   ).startswith("HTTP/1.1 400 "))
    check("no key: 400", http(port, up % ("13", "")).startswith("HTTP/1.1 400 "))
    check("garbage closes", "101" not in http(port, "\x16\x03\x01 nonsense \x00\r\n\r\n"))
    p = Peer(port, headers=["Origin: https://foreign.example",
                            "Sec-WebSocket-Extensions: permessage-deflate",
                            "Sec-WebSocket-Protocol: chat"])
    check("any origin, no extension", True)
    p.close()


def test_auth(port):
    pid = peer_id(A)
    good = token(SECRET)
    raw = hmac.new(SECRET.encode(), b"1893456000", hashlib.sha256).digest()
    for name, msg in [
            ("wrong secret", auth(pid, token("wrong"))),
            ("expired", auth(pid, token(SECRET, int(time.time()) - 1))),
            ("algorithm 0", auth(pid, token(SECRET, algo=0))),
            ("raw secret as key", auth(pid, b"\x01" + raw + b"1893456000")),
            ("short payload", auth(pid, token(SECRET, 123456789))),
            ("no token", auth(pid, b"")),
            ("cut token", auth(pid, good[:30])),
            ("bad magic", b"\x01\x06abcd" + pid + good),
            ("version 2", b"\x02" + auth(pid, good)[1:]),
            ("hello", b"\x01\x01" + MAGIC + pid + b"gob"),
            ("health check first", b"\x01\x05"),
            ("transport first", transport(pid, b"x")),
            ("213 bytes", auth(pid, good.ljust(171, b"0"))),
            ("empty", b"")]:
        p = Peer(port)
        p.send(msg)
        check("refused without a word: " + name, p.closed())
        p.close()
    p = join(port, SECRET, A)
    check("the instance URL is told", p.url == "rel://relay.example:%d" % port, p.url)
    p.close()


def test_traffic(port):
    a, b = join(port, SECRET, A), join(port, SECRET, B)
    a.send(transport(b.id, bytes.fromhex("04000000deadbeef")))
    check("a datagram arrives with its sender's id",
          b.message() == transport(a.id, bytes.fromhex("04000000deadbeef")))
    for n in (0, 1, 1312, 8782):
        b.send(transport(a.id, b"x" * n))
        check("%d bytes pass" % n, a.message() == transport(b.id, b"x" * n))
    a.send(transport(peer_id("nobody"), b"x"))
    check("unknown destination is silent", a.quiet())
    m = transport(b.id, b"in three frames")
    a.send(m[:10], fin=False)
    a.send(b"hello", op=9)
    a.send(m[10:20], op=0, fin=False)
    a.send(m[20:], op=0)
    check("a ping inside a message is answered", a.recv() == (10, b"hello"))
    check("fragments are joined", b.message() == transport(a.id, b"in three frames"))
    data = b"".join(a.frame(transport(b.id, b"%04d" % i)) for i in range(2000))
    sent = threading.Thread(target=a.sock.sendall, args=(data,))
    sent.start()
    order = [b.message()[38:] for _ in range(2000)]
    sent.join()
    check("2000 datagrams keep their order", order == [b"%04d" % i for i in range(2000)])
    for name, p, kw in [("unmasked", b"\x01\x05", {"masked": False}), ("text", b"\x01\x05", {"op": 1}),
                        ("empty", b"", {}), ("type 7", b"\x01\x07u", {}), ("version", b"\x00\x05", {}),
                        ("8821 bytes", b"\x01\x03" + b"z" * 8819, {}), ("close", b"\x01\x04", {})]:
        c = join(port, SECRET, "c")
        c.send(p, **kw)
        check("closed: " + name, c.closed())
        c.close()
    a.close()
    b.close()


def test_subscription(port):
    w = join(port, SECRET, "watcher")
    w.send(b"\x01\x08" + peer_id("p1") + peer_id("p2"))
    check("nobody is there: no answer", w.quiet())
    p1 = join(port, SECRET, "p1")
    check("online", w.message() == b"\x01\x0a" + p1.id)
    p1b = join(port, SECRET, "p1")
    check("the older connection is closed", p1.closed())
    check("no event for a replacement", w.quiet())
    p1b.close()
    check("offline", w.message() == b"\x01\x0b" + p1.id)
    p2 = join(port, SECRET, "p2")
    check("online of the second", w.message() == b"\x01\x0a" + p2.id)
    w.send(b"\x01\x09" + p2.id + p1.id)
    w.send(transport(w.id, b"barrier"))
    w.message()
    p2.close()
    check("nothing after unsubscribing", w.quiet())
    w.close()


def test_stun(port):
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.9"),
                         (socket.AF_INET6, "::1")):
        try:
            s = socket.socket(family, socket.SOCK_DGRAM)
            s.settimeout(3)
            s.connect((host, port))
        except OSError:
            continue  # no IPv6 here
        tx = os.urandom(12)
        s.send(b"garbage that is at least twenty bytes")
        s.send(stun_request(tx))
        ip, seen = stun_parse(s.recv(2000), tx)
        check("STUN at %s" % host, (ip, seen) == s.getsockname()[:2], (ip, seen))
        s.close()


def test_pages(port, health, metrics):
    status, body = get(health, "/health")
    h = json.loads(body)
    check("health", status == 200 and h["status"] == "healthy" and h["listeners"] == ["ws"] and
          h["certificate_valid"] is False and h["timestamp"].endswith("Z"), body)
    check("livez", get(health, "/livez")[0] == 200)
    p = join(port, SECRET, A)
    check("relay_peers", metric(metrics, 'relay_peers{transport="ws"}') == 1)
    before = metric(metrics, "relay_transfer_received_bytes_total")
    p.send(transport(p.id, b"x" * 62))
    p.message()
    check("bytes are counted", metric(metrics, "relay_transfer_received_bytes_total") == before + 100)
    p.close()


def test_tls():
    folder = tempfile.mkdtemp(prefix="rookery-relay-")
    cert, key = certificate(folder)
    port, log = free_port(), os.path.join(folder, "relay.log")
    r = Program([RELAY, "-l", "127.0.0.1:%d" % port, "-e", "localhost:%d" % port, "-c", cert, "-k",
                 key, "-H", "", "--metrics-port", "0", "--log-file", log, "--log-format", "json"],
                port, clean_env(NB_AUTH_SECRET=SECRET))
    tls = ssl.create_default_context(cafile=cert)
    a = join(port, SECRET, A, tls=tls)
    check("own TLS gives rels://", a.url == "rels://localhost:%d" % port, a.url)
    tls.set_alpn_protocols(["http/1.1"])
    b = join(port, SECRET, B, tls=tls)
    a.send(transport(b.id, b"t" * 8000))
    check("TLS carries datagrams", b.message() == transport(a.id, b"t" * 8000))
    first = serial_of(port)
    os.rename(log, log + ".1")
    new_cert, new_key = certificate(folder, "new")
    os.replace(new_cert, cert)
    os.replace(new_key, key)
    r.p.send_signal(signal.SIGHUP)
    for _ in range(100):
        if serial_of(port) != first:
            break
        time.sleep(0.05)
    check("SIGHUP reads the certificate again", serial_of(port) != first)
    b.send(transport(a.id, b"still here"))
    check("and reopens the log", os.path.exists(log) and os.stat(log).st_mode & 0o777 == 0o600)
    with open(log + ".1") as f:
        check("whose lines are JSON", all(json.loads(line)["event"] for line in f))
    check("and keeps connections", a.message() == transport(b.id, b"still here"))
    a.close()
    b.close()
    r.stop()
    shutil.rmtree(folder)


def test_bandwidth():
    folder = tempfile.mkdtemp(prefix="rookery-relay-")
    cert, key = certificate(folder)
    for flag, tls in (("--max-bandwidth", False), ("--max-peer-bandwidth", True)):
        port, metrics = free_port(), free_port()
        r = Program([RELAY, "-l", "127.0.0.1:%d" % port, "-e", "localhost:%d" % port, "-H", "",
                     "--metrics-port", "%d" % metrics, flag, "8mbit"] +
                    (["-c", cert, "-k", key] if tls else []), port, clean_env(NB_AUTH_SECRET=SECRET))
        kw = {"tls": ssl.create_default_context(cafile=cert)} if tls else {}
        a, b = join(port, SECRET, A, **kw), join(port, SECRET, B, **kw)
        took = paced(a, b)
        check("%s: 800 kB at 1 MB/s" % flag, took > 0.6, took)
        check("%s: counted" % flag, metric(metrics, "relay_bandwidth_waits_total") > 0)
        check("%s: nothing dropped" % flag,
              metric(metrics, 'relay_dropped_messages_total{reason="bandwidth"}') == 0)
        a.close()
        b.close()
        r.stop()
    shutil.rmtree(folder)


def main():
    port, health, metrics = free_port(), free_port(), free_port()
    stun = free_port(socket.SOCK_DGRAM)
    env = clean_env(NB_EXPOSED_ADDRESS="relay.example:%d" % port, NB_ENABLE_STUN="true",
                    NB_STUN_PORTS=str(stun), ROOKERY_RELAY_METRICS_PORT=str(metrics))
    r = Program([RELAY, "-l", "127.0.0.1:%d" % port, "--auth-secret", SECRET, "-H",
                 "127.0.0.1:%d" % health], port, env)
    with open("/proc/%d/cmdline" % r.p.pid, "rb") as f:
        check("the secret is not in argv", SECRET.encode() not in f.read())
    began = time.time()
    patient, silent = join(port, SECRET, "patient"), Peer(port)
    files = r.files()
    test_options()
    test_upgrade(port)
    test_auth(port)
    test_traffic(port)
    test_subscription(port)
    test_stun(stun)
    patient.send(transport(patient.id, b"mine"))
    check("to oneself", patient.message() == transport(patient.id, b"mine"))
    silent.sock.settimeout(120)
    check("silence before authentication is closed", silent.closed() and
          9 < time.time() - began, time.time() - began)
    silent.close()
    patient.sock.settimeout(120)
    op, p = patient.recv()
    check("a health check comes 25 s after the beginning", (op, p) == (2, b"\x01\x05") and
          24 < time.time() - began, time.time() - began)
    patient.close()
    for _ in range(1200):
        if r.files() <= files - 2:
            break
        time.sleep(0.05)
    check("no descriptor is left", r.files() <= files - 2, (r.files(), files))
    test_pages(port, health, metrics)
    a = join(port, SECRET, A)
    raw = socket.create_connection(("127.0.0.1", port))  # half open: must not hold the end up
    log = r.stop()
    check("peers are told at shutdown", a.message() == b"\x01\x04" and a.closed())
    check("the log has no secret", SECRET not in log and token(SECRET)[1:33].hex() not in log)
    raw.close()
    test_tls()
    test_bandwidth()
    finish()


main()
