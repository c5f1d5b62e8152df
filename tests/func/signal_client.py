#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""rookery-signal as a program, over loopback, with grpcio as an independent client.

Usage: signal_client.py PATH_OF_ROOKERY_SIGNAL   (exit code 77: grpcio is not installed)
"""
import os
import queue
import shutil
import socket
import sys
import tempfile
import threading
import time

try:
    import grpc
except ImportError:
    sys.exit(77)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from proc import *  # noqa: E402,F403

SIGNAL = os.path.abspath(sys.argv[1])
SERVICE = "/signalexchange.SignalExchange/"


def field(number, data):
    n, out = len(data), bytes([number << 3 | 2])
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n]) + data


def message(key, to, body=b""):
    return field(2, key.encode()) + field(3, to.encode()) + (field(4, body) if body else b"")


def send(ch, msg, timeout=60):
    return ch.unary_unary(SERVICE + "Send")(msg, timeout=timeout)


class Stream:
    """A registration; messages come into .got, the status at the end into .end."""

    def __init__(self, ch, key):
        self.got, self.end, self.out = queue.Queue(), queue.Queue(), queue.Queue()
        meta = (("x-wiretrustee-peer-id", key),) if key is not None else ()
        self.call = ch.stream_stream(SERVICE + "ConnectStream")(iter(self.out.get, None),
                                                                metadata=meta)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for m in self.call:
                self.got.put(m)
            self.end.put((self.call.code(), self.call.details()))
        except grpc.RpcError as e:
            self.end.put((e.code(), e.details()))

    def registered(self):
        return dict(self.call.initial_metadata()).get("x-wiretrustee-peer-registered")

    def message(self, seconds=60):
        try:
            return self.got.get(timeout=seconds)
        except queue.Empty:
            return None

    def status(self):
        return self.end.get(timeout=60)


def test_options():
    for args, want in [
            ([SIGNAL, "run", "--port", "70000"], "between"),
            ([SIGNAL, "--cert-file", "/nonexistent"], "key file"),
            ([SIGNAL, "--letsencrypt-domain", "signal.example"], "Let's Encrypt"),
            ([SIGNAL, "--send-timeout", "soon"], "not a duration"),
            ([SIGNAL, "-l", ":1x"], "--listen-address"),
            ([SIGNAL, "run", "again"], "unexpected argument")]:
        code, err = refused(args)
        check("refuses %s" % " ".join(args[1:]), code in (1, 2) and want in err, err)


def test_exchange(port, legacy):
    one = grpc.insecure_channel("127.0.0.1:%d" % port)
    two = grpc.insecure_channel("127.0.0.1:%d" % legacy)
    a, b = Stream(one, "key-a"), Stream(two, "key-b")
    check("the registration is acknowledged at once", a.registered() == "1" and
          b.registered() == "1")
    m = message("key-a", "key-b", os.urandom(300)) + field(15, b"from the future")
    check("Send gives one empty message", send(one, m) == b"")
    check("bytes arrive unchanged, over the legacy port", b.message() == m)
    m = message("key-a", "key-a")
    send(one, m)
    check("to oneself", a.message() == m)
    m = message("key-b", "key-a", os.urandom(1100000))
    send(two, m)
    check("a megabyte passes", a.message() == m)
    check("nobody: OK", send(one, message("key-a", "nobody", b"x")) == b"")
    check("dummy: OK", send(one, message("stranger", "dummy")) == b"")
    check("an unregistered sender: OK", send(one, message("stranger", "key-a", b"x")) == b"" and
          a.message() == message("stranger", "key-a", b"x"))
    futures = [one.unary_unary(SERVICE + "Send").future(message("c%d" % i, "key-b", b"y"), timeout=60)
               for i in range(300)]
    check("300 at once", all(f.result() == b"" for f in futures) and
          len({b.message() for _ in range(300)}) == 300)
    a.out.put(message("key-a", "key-b", b"written on the stream"))
    check("what is written on the stream goes nowhere", b.message(0.2) is None)
    again = Stream(two, "key-a")
    check("a newer registration is accepted", again.registered() == "1")
    code, text = a.status()
    check("and displaces the older", code == grpc.StatusCode.UNKNOWN and
          text == "peer registered again", (code, text))
    time.sleep(0.2)
    send(one, message("key-b", "key-a", b"z"))
    check("which the messages follow", again.message() == message("key-b", "key-a", b"z"))
    again.out.put(None)
    check("half close ends nothing", again.message(0.2) is None)
    send(one, message("key-b", "key-a", b"z2"))
    check("messages still come", again.message() == message("key-b", "key-a", b"z2"))
    return one, b


def test_errors(ch):
    code, text = Stream(ch, None).status()
    check("no key: FAILED_PRECONDITION", code == grpc.StatusCode.FAILED_PRECONDITION and
          text == "missing connection header: x-wiretrustee-peer-id", (code, text))
    for name, call, want in [
            ("malformed", lambda: send(ch, b"\x12\xff"), grpc.StatusCode.INTERNAL),
            ("unknown method", lambda: ch.unary_unary(SERVICE + "Nope")(b"", timeout=60),
             grpc.StatusCode.UNIMPLEMENTED),
            ("5 MiB", lambda: send(ch, message("a", "b", bytes(5 << 20))),
             grpc.StatusCode.RESOURCE_EXHAUSTED)]:
        try:
            call()
            check(name, False, "no error")
        except grpc.RpcError as e:
            check(name + ": " + want.name, e.code() == want, e.code())


def test_raw(port):
    for name, data in [("HTTP/1.1", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ("garbage", b"\x00" * 64),
                       ("a cut preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n")]:
        s = socket.create_connection(("127.0.0.1", port), timeout=60)
        got = b""
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            while True:
                d = s.recv(4096)
                if not d:
                    break
                got += d
        except OSError:
            pass
        check("survives " + name, not got or got.startswith((b"HTTP/1.1 4", b"\x00")), got[:60])
        s.close()


def test_tls():
    folder = tempfile.mkdtemp(prefix="rookery-signal-")
    cert, key = certificate(folder)
    port = free_port()
    s = Program([SIGNAL, "-l", "127.0.0.1:%d" % port, "--legacy-port", "0", "--metrics-port", "0",
                 "--cert-file", cert, "--cert-key", key], port)
    with open(cert, "rb") as f:
        creds = grpc.ssl_channel_credentials(f.read())
    ch = grpc.secure_channel("localhost:%d" % port, creds)
    a = Stream(ch, "a")
    check("TLS with ALPN h2", a.registered() == "1")
    send(ch, message("a", "a", b"tls"))
    check("and messages through it", a.message() == message("a", "a", b"tls"))
    ch.close()
    s.stop()
    shutil.rmtree(folder)


def main():
    port, legacy, metrics, health = (free_port() for _ in range(4))
    env = clean_env(NB_PORT="1", ROOKERY_SIGNAL_HEALTH_LISTEN_ADDRESS="127.0.0.1:%d" % health)
    s = Program([SIGNAL, "run", "--listen-address", "127.0.0.1:%d" % port, "--legacy-port",
                 str(legacy), "--metrics-port", str(metrics), "--log-level", "debug"], port, env)
    test_options()
    ch, b = test_exchange(port, legacy)
    test_errors(ch)
    test_raw(port)
    check("health", get(health, "/health")[0] == 200)
    check("active_peers", metric(metrics, "active_peers") == 2, metric(metrics, "active_peers"))
    check("messages_forwarded_total", metric(metrics, "messages_forwarded_total") > 300)
    s.stop()
    code, _ = b.status()
    check("streams end at shutdown", code == grpc.StatusCode.UNAVAILABLE, code)
    test_tls()
    finish()


main()
