# SPDX-License-Identifier: BSD-3-Clause
"""The HAProxy configuration that we ship, in front of two processes: balanced.py ROOKERY HAPROXY.CFG"""
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from two import check, join, server, wait  # noqa: E402
from away import DATA, SOCKET, pg_start, pg_stop  # noqa: E402
from proc import Program, finish, free_port  # noqa: E402


def balancer(servers, port):
    with open(sys.argv[2]) as f:
        text = f.read()
    text, n = re.subn("bind :443", "bind 127.0.0.1:%d" % port, text)
    assert n == 1, text
    for i, s in enumerate(servers):
        text, n = re.subn("rookery%d:8443" % (i + 1), "127.0.0.1:%d port %d" % (s.port, s.metrics),
                          text)
        assert n == 2, text
    folder = tempfile.mkdtemp(prefix="rookery-haproxy-")
    with open(folder + "/haproxy.cfg", "w") as f:
        f.write(text)
    return Program(["haproxy", "-db", "-f", folder + "/haproxy.cfg"], port)


class Through:
    def __init__(self, port, token):
        self.port, self.token = port, token

    def call(self, method, body=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            c.request(method, "/api/groups", json.dumps(body) if body else None, {
                "Authorization": "Token " + self.token, "Content-Type": "application/json"})
            a = c.getresponse()
            a.read()
            return a.status, a.headers.get("Age")
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            c.close()

    def write(self):
        return self.call("POST", {"name": "g%f" % time.time()})[0]


def main():
    trust = {"ROOKERY_REVERSE_PROXY_TRUSTED_HTTP_PROXIES": "127.0.0.1"}
    a = server(**trust)
    a.setup()
    b = server(a, start=False, **trust)
    r = join(a, b)
    assert r.returncode == 0, r.stderr
    b.start()
    port = free_port()
    proxy = balancer((a, b), port)
    t = Through(port, a.token)
    wait("both are in", lambda: [t.write() for _ in range(4)] == [200] * 4)
    a.p.p.send_signal(signal.SIGKILL)
    a.p.p.wait()
    wait("one dies, the other one serves", lambda: [t.write() for _ in range(4)] == [200] * 4)
    a.start()
    wait("back", lambda: [t.write() for _ in range(4)] == [200] * 4)
    pg_stop(DATA)
    wait("without the database reads go on, with their age", lambda: all(
        got[0] == 200 and got[1] for got in [t.call("GET") for _ in range(4)]))
    check("and writes are temporary failures", t.write() == 503)
    time.sleep(4)  # the balancer has seen by now that nobody is healthy
    got = [t.call("GET") for _ in range(4)]
    check("nobody is thrown out of the balancer", all(g[0] == 200 for g in got), got)
    pg_start(DATA, SOCKET)
    wait("writes again", lambda: [t.write() for _ in range(4)] == [200] * 4)
    proxy.kill()
    b.p.stop()
    a.p.stop()
    finish()


main()
