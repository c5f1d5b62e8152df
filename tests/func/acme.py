# SPDX-License-Identifier: BSD-3-Clause
"""Certificates by themselves, with pebble as the authority and its random failures on: acme.py
./rookery. Runs in a mount namespace of its own (acme.sh), for pebble's certificate must be one that
the system trusts."""
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from authority import Authority  # noqa: E402
from proc import check, finish, free_port, get  # noqa: E402
from rookery import Server  # noqa: E402

WORK = tempfile.mkdtemp(prefix="rookery-acme-")


def shown(port, name="vpn.test"):
    """(issuer, serial) of what a TLS port shows."""
    c = ssl.create_default_context()
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=60) as s:
        with c.wrap_socket(s, server_hostname=name) as t:
            pem = ssl.DER_cert_to_PEM_cert(t.getpeercert(True))
    r = subprocess.run(["openssl", "x509", "-noout", "-issuer", "-serial", "-ext",
                        "subjectAltName"], input=pem, capture_output=True, text=True)
    return r.stdout


def wait_for(what, seconds=120):
    end = time.time() + seconds
    while time.time() < end:
        v = what()
        if v:
            return v
        time.sleep(0.2)
    return None


class Stream(threading.Thread):
    """A connection that sends a little now and then, as an agent's does: cut, or not."""

    def __init__(self, port):
        super().__init__(daemon=True)
        c = ssl.create_default_context()
        c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
        c.set_alpn_protocols(["h2"])
        self.s = c.wrap_socket(socket.create_connection(("127.0.0.1", port)),
                               server_hostname="vpn.test")
        self.s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
        self.ok, self.pings, self.over = True, 0, False
        self.start()

    def run(self):
        self.s.settimeout(60)
        try:
            while not self.over:
                self.s.sendall(b"\0\0\x08\x06\0\0\0\0\0" + b"12345678")
                if not self.s.recv(4096):
                    raise OSError("closed")
                self.pings += 1
                time.sleep(0.1)
        except OSError as e:
            if not self.over:
                self.ok = False
                print("stream:", e)

    def end(self):
        self.over = True
        self.join(30)
        return self.ok and self.pings > 0


def server(authority, kind, port, http, names):
    folder = tempfile.mkdtemp(prefix="rookery-acme-srv-")
    conf = WORK + "/%s.yaml" % kind
    with open(conf, "w") as f:
        f.write("server:\n  tls:\n    letsencrypt:\n      enabled: true\n      domains: %s\n"
                "      email: me@example.com\n  x:\n    acmeDirectory: %s\n"
                "    acmeChallenge: %s\n    acmeRetry: 1s\n    httpAddress: \"%s\"\n" %
                (json.dumps(names), authority.url, kind, "127.0.0.1:%d" % http if http else ""))
    s = Server(folder, start=False, ROOKERY_CONFIG=conf)
    s.port = port
    s.env.update(ROOKERY_LISTEN_ADDRESS="127.0.0.1:%d" % port,
                 ROOKERY_EXPOSED_ADDRESS="https://vpn.test:%d" % port)
    return s


def one(authority, kind, port, http, names):
    s = server(authority, kind, port, http, names)
    authority.stop()
    s.start()
    check(kind + ": until then a placeholder", "rookery" in shown(port))
    body = json.loads(get(s.metrics, "/readyz")[1])
    check(kind + ": the health page says what it waits for", wait_for(
        lambda: json.loads(get(s.metrics, "/readyz")[1])["acme"].get("error")), body)
    authority.start()
    first = wait_for(lambda: "Pebble" in shown(port) and shown(port))
    check(kind + ": a certificate of the authority", first is not None,
          get(s.metrics, "/readyz")[1])
    check(kind + ": with all its names", all(n in (first or "") for n in names), first)
    stream = Stream(port)
    second = wait_for(lambda: shown(port) != first and shown(port))
    check(kind + ": renewed at two thirds of its life", second is not None and "Pebble" in second)
    authority.stop()
    bad = wait_for(lambda: "error" in json.loads(get(s.metrics, "/readyz")[1])["acme"])
    check(kind + ": an authority that is away is said", bad)
    check(kind + ": and the old certificate stays", "Pebble" in shown(port))
    check(kind + ": no stream was cut", stream.end())
    text = get(s.metrics, "/metrics")[1]
    check(kind + ": metrics", all(m in text for m in (
        "rookery_acme_next_try_timestamp_seconds", "rookery_acme_last_success_timestamp_seconds",
        "rookery_acme_failures_total", "rookery_certificate_not_after_seconds")))
    live = [n for n in os.listdir(s.dir + "/acme") if n.startswith("live-")]
    check(kind + ": old files are gone", len(live) == 1, live)
    s.p.stop()
    s.start()
    check(kind + ": a restart goes on with it", "Pebble" in shown(port))
    s.p.stop()
    shutil.rmtree(s.dir, True)


def http_page(port, path="/x?y=1"):
    import http.client
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request("GET", path)
    a = c.getresponse()
    return a.status, a.getheader("Location")


tls_port, http_port = free_port(), free_port()
a = Authority(WORK, tls_port, http_port, 9)
try:
    one(a, "tls-alpn-01", tls_port, 0, ["vpn.test", "www.vpn.test"])
    one(a, "http-01", tls_port, http_port, ["vpn.test"])
    s = server(a, "http-01", tls_port, http_port, ["vpn.test"])
    s.start()
    check("port 80 leads to https", http_page(http_port) ==
          (308, "https://vpn.test:%d/x?y=1" % tls_port), http_page(http_port))
    check("and nowhere else", http_page(http_port, "//evil.example/")[0] == 400)
    check("an unknown token is no answer", http_page(
        http_port, "/.well-known/acme-challenge/nothing")[0] in (308, 404))
    for sock in [socket.create_connection(("127.0.0.1", http_port)) for _ in range(100)]:
        sock.send(b"GET / HT")
    check("idle connections do not fill it", http_page(http_port)[0] == 308)
    s.p.stop()
    shutil.rmtree(s.dir, True)
    a.start()
    ip = server(a, "tls-alpn-01", tls_port, 0, ["127.0.0.1"])
    ip.start()
    got = wait_for(lambda: "Pebble" in shown(tls_port, "127.0.0.1") and shown(tls_port))
    check("an address as name", got and "IP Address:127.0.0.1" in got,
          get(ip.metrics, "/readyz")[1])
    ip.p.stop()
    shutil.rmtree(ip.dir, True)
finally:
    a.end()
    shutil.rmtree(WORK, True)
finish()
