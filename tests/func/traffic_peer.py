# SPDX-License-Identifier: BSD-3-Clause
"""Senders of traffic events (flow.FlowService), with messages made by hand."""
import json
import queue
import socket
import time
import uuid

import grpc

from mgmt_peer import Agent, field, fields, varint

EVENTS = "/flow.FlowService/Events"
START, END, DROP = 1, 2, 3
PATIENCE = 120  # seconds


# ---- messages by hand ----

def number(n, v):
    return varint(n << 3) + varint(v) if v else b""


def stamp(t):
    return number(1, int(t)) + number(2, int(t % 1 * 1e9))


def event(key, src, dst, id=None, flow=None, kind=0, proto=6, ports=(40000, 443), counts=(1, 0, 0),
          size=(10, 20, 1000, 2000), rule="", direction=2, resource="", at=None, window=None):
    at = at or time.time()
    ip = lambda a: socket.inet_pton(socket.AF_INET6 if ":" in a else socket.AF_INET, a)
    f = field(1, flow or uuid.uuid4().bytes) + number(2, kind)
    f += field(3, rule) if rule else b""
    f += number(4, direction) + number(5, proto) + field(6, ip(src)) + field(7, ip(dst))
    if proto in (6, 17):
        f += field(8, number(1, ports[0]) + number(2, ports[1]))
    elif proto in (1, 58):
        f += field(9, number(1, ports[0]) + number(2, ports[1]))
    for i, v in enumerate(size):
        f += number(10 + i, v)
    f += field(15, resource) if resource else b""
    for i, v in enumerate(counts):
        f += number(16 + i, v)
    body = field(1, id or uuid.uuid4().bytes) + field(2, stamp(at)) + field(3, key) + field(4, f)
    if window:
        body += field(6, stamp(window[0])) + field(7, stamp(window[1]))
    return body


class Stream:
    """An agent's stream of events."""

    def __init__(self, channel, token, payload):
        self.out = queue.Queue()
        self.call = channel.stream_stream(EVENTS)(
            iter(self.out.get, None), timeout=PATIENCE,
            metadata=(("authorization", "Bearer %s.%s" % (token, payload)),))
        self.out.put(number(5, 1))  # isInitiator
        self.headers = dict(self.call.initial_metadata())

    def send(self, *events):
        for e in events:
            self.out.put(e)

    def acks(self, n):
        return [fields(next(self.call))[1][0] for _ in range(n)]

    def close(self):
        self.out.put(None)
        return self.call.code()


def flow_config(update):
    """{enabled, counters, …} of a SyncResponse or LoginResponse; None without one."""
    c = fields(update.get(1, [b""])[0]).get(5)
    if not c:
        return None
    f = fields(c[0])
    return {"url": f[1][0].decode(), "payload": f[2][0].decode(), "signature": f[3][0].decode(),
            "interval": fields(f[4][0]).get(1, [0])[0], "enabled": f.get(5, [0])[0],
            "counters": f.get(6, [0])[0]}


class Machine:
    def __init__(self, server, channel, key, name):
        self.agent = Agent(channel)
        self.name = name
        self.meta = field(1, name) + field(2, "linux") + field(6, "Debian") + field(7, "0.77.1")
        self.login = self.agent.login(key, meta=self.meta)
        self.stream = self.agent.sync(field(1, self.meta), timeout=PATIENCE)
        self.config = None
        self.key = bytes(self.agent.key.public_key)
        self.ip = ""
        self.update()

    def update(self):
        u = self.agent.open(next(self.stream))
        self.config = flow_config(u) or self.config
        if 2 in u:
            self.ip = fields(u[2][0])[1][0].decode().split("/")[0]

    def told(self, enabled):
        """Updates until the configuration says so."""
        while self.config["enabled"] != enabled:
            self.update()
        return True


def settings(s, **extra):
    code, body = s.api("GET", "/api/accounts")
    a = json.loads(body)[0]
    given = dict(a["settings"])
    given["extra"] = dict(given["extra"], **extra)
    return s.api("PUT", "/api/accounts/" + a["id"], {"settings": given}) + (a["id"],)
