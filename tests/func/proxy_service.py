# SPDX-License-Identifier: BSD-3-Clause
"""management.ProxyService spoken by hand: tokens, what proxies are told, what they tell, limits."""
import json
import os
import queue
import sys
import time

try:
    import grpc
    import nacl.public  # noqa: F401 (mgmt_peer needs it)
except ImportError as e:
    print("SKIPPED: no %s" % e.name)
    sys.exit(77)

import overheard
from mgmt_peer import Code, field, fields, status, varint
from proc import check, finish, sanitized
from rookery import Server

SERVICE = "/management.ProxyService/"
PATIENCE = 120  # seconds
CREATED, MODIFIED, REMOVED = 0, 1, 2
STREAMS, CHANNELS = 1000, 20


def number(n, v):
    return varint(n << 3) + varint(v & (1 << 64) - 1) if v else b""


def bearer(token):
    return (("authorization", "Bearer " + token),) if token is not None else ()


def hello(name, address="p.example"):
    return field(1, name) + field(2, "0.77.1") + field(4, address) + field(5, b"\x08\x01")


class Proxy:
    """A proxy's stream SyncMappings, each message acknowledged."""

    def __init__(self, channel, token, name="proxy-a", first=None):
        self.out = queue.Queue()
        self.out.put(field(1, hello(name)) if first is None else first)
        self.call = channel.stream_stream(SERVICE + "SyncMappings")(
            iter(self.out.get, None), timeout=PATIENCE, metadata=bearer(token))

    def next(self):
        """(mappings, initial_sync_complete) of the next message."""
        m = fields(next(self.call))
        self.out.put(field(2, b""))
        return [fields(x) for x in m.get(1, [])], m.get(2, [0])[0]

    def told(self, kind, service):
        """The next mapping of that kind of that service."""
        while True:
            for m in self.next()[0]:
                if m.get(1, [0])[0] == kind and m[2][0].decode() == service:
                    return m

    def code(self):
        try:
            for _ in self.call:
                pass
        except grpc.RpcError:
            pass
        self.out.put(None)
        return self.call.code()

    def close(self):
        self.out.put(None)
        self.call.cancel()


def ask(channel, token, method, body):
    return status(lambda: channel.unary_unary(SERVICE + method)(
        body, timeout=PATIENCE, metadata=bearer(token)))[0]


def entry(account, service, id="v1", path="/a/Page", code=200, at=None, more=b""):
    at = time.time() if at is None else at
    return field(1, field(1, number(1, int(at))) + field(2, id) + field(3, account) + field(4, service) +
                 field(5, "open.p.example") + field(6, path) + number(7, 12) + field(8, "GET") +
                 number(9, code) + field(10, "192.0.2.7") + field(11, "none") + number(13, 1) +
                 number(14, 10) + number(15, 2000) + field(16, "http") + more)


def get(s, path):
    code, body = s.api("GET", path)
    assert code == 200, (path, code, body)
    return json.loads(body)


def until(condition):
    end = time.time() + PATIENCE
    while not condition() and time.time() < end:
        time.sleep(0.05)
    return condition()


def token_of(s, name):
    code, body = s.api("POST", "/api/reverse-proxies/proxy-tokens", {"name": name})
    assert code in (200, 201), (code, body)
    a = json.loads(body)
    overheard.remember(a["plain_token"], "token of a proxy")
    return a["id"], a["plain_token"]


def shape(name="open", enabled=True):
    return {"name": name, "domain": "open.p.example", "enabled": enabled, "targets": [{
        "target_id": "p.example", "target_type": "cluster", "protocol": "http", "port": 8080,
        "host": "192.0.2.1", "enabled": True, "options": {"direct_upstream": True}}]}


def refusals(s, channel):
    id, token = token_of(s, "revoked")
    code, body = s.api("DELETE", "/api/reverse-proxies/proxy-tokens/" + id)
    check("a token is revoked", code == 200, body)
    for what, t in (("no token", None), ("a wrong token", "nbx_" + "0" * 36),
                    ("a revoked token", token)):
        c = Proxy(channel, t).code()
        check("%s is refused" % what, c == Code.UNAUTHENTICATED, c)


def told(s, proxy):
    """Create, change, delete; returns the id of a service that stays."""
    code, body = s.api("POST", "/api/reverse-proxies/services", shape())
    check("a service is made", code in (200, 201), body)
    id = json.loads(body)["id"]
    m = proxy.told(CREATED, id)
    check("... the proxy is told, with a token for its peer", m[4][0] == b"open.p.example" and len(m[6][0]) >= 40
          and fields(m[5][0])[2][0] == b"http://192.0.2.1:8080/", m)
    code, body = s.api("PUT", "/api/reverse-proxies/services/" + id, dict(shape(), pass_host_header=True))
    check("... changed", code == 200 and proxy.told(MODIFIED, id).get(8) == [1], body)
    code, body = s.api("PUT", "/api/reverse-proxies/services/" + id, shape(enabled=False))
    check("... switched off", code == 200 and proxy.told(REMOVED, id), body)
    code, body = s.api("PUT", "/api/reverse-proxies/services/" + id, shape())
    check("... switched on", code == 200 and proxy.told(CREATED, id), body)
    code, body = s.api("DELETE", "/api/reverse-proxies/services/" + id)
    check("... deleted", code == 200 and proxy.told(REMOVED, id), body)
    code, body = s.api("POST", "/api/reverse-proxies/services", shape())
    return json.loads(body)["id"]


def reports(s, channel, token, account, service):
    report = lambda a, svc, st: ask(channel, token, "SendStatusUpdate",
                                    field(1, svc) + field(2, a) + number(3, st) + number(4, 1))
    check("a status is taken", report(account, service, 1) == Code.OK)
    meta = lambda: get(s, "/api/reverse-proxies/services/" + service)["meta"]
    check("... and read over REST", until(lambda: meta()["status"] == "active") and
          meta().get("certificate_issued_at"), meta())
    for what, a, svc, st, code in (
            ("of an unknown service", account, "no-such-service", 1, Code.NOT_FOUND),
            ("of no service", account, "", 1, Code.INVALID_ARGUMENT),
            ("that is none", account, service, 77, Code.INVALID_ARGUMENT),
            ("of another account", "other-account", service, 1, Code.PERMISSION_DENIED)):
        c = report(a, svc, st)
        check("a status %s is refused" % what, c == code, c)


def strangers(channel, token, service):
    for method, body in (
            ("SendAccessLog", entry("other-account", service)),
            ("Authenticate", field(1, service) + field(2, "other-account") + field(4, field(1, "1"))),
            ("CreateProxyPeer", field(1, service) + field(2, "other-account") + field(3, "x") +
             field(4, "A" * 43 + "=") + field(5, "p.example"))):
        c = ask(channel, token, method, body)
        check("%s of another account is refused" % method, c == Code.PERMISSION_DENIED, c)


def visits(s, channel, token, account, service):
    log = lambda **k: ask(channel, token, "SendAccessLog", entry(account, service, **k))
    for k in (dict(id="v1"), dict(id="v1", at=None), dict(id="v2", path="/b/50%_off", code=502),
              dict(id="v3", path="/c", code=404)):
        check("a visit is taken", log(**k) == Code.OK, k)
    at = time.time() - 3600
    check("... told twice", log(id="old", at=at) == Code.OK and log(id="old", at=at) == Code.OK)
    events = lambda q="": get(s, "/api/events/proxy" + q)
    ids = lambda q: [e["id"] for e in events(q)["data"]]
    l = events()
    check("visits are read, the newest first", l["data"][-1]["id"] == "old" and
          [e["id"] for e in l["data"]].count("old") == 1 and l["page_size"] == 50, l)
    e = [e for e in l["data"] if e["id"] == "v2"][0]
    check("... with what was told", e["service_id"] == service and e["status_code"] == 502 and
          e["method"] == "GET" and e["host"] == "open.p.example" and e["bytes_download"] == 2000 and
          e["reason"] == "Request failed" and e["source_ip"] == "192.0.2.7", e)
    for q, expected in (("?status_code=502", ["v2"]), ("?path=%25_", ["v2"]), ("?path=_b", []),
                        ("?search=B/50", ["v2"]), ("?host=nobody.example", []),
                        ("?status=failed&sort_by=status_code&sort_order=asc", ["v3", "v2"]),
                        ("?method=POST", []), ("?source_ip=192.0.2.7&status_code=404", ["v3"]),
                        ("?start_date=2001-01-01T00:00:00Z&end_date=2002-01-01T00:00:00Z", []),
                        ("?search=%27%3B--", []), ("?user_id=nobody", [])):
        check("%s finds %s" % (q, expected), ids(q) == expected, ids(q))
    total = l["total_records"]
    two = [events("?page_size=2&page=%d" % p) for p in range(1, (total + 1) // 2 + 1)]
    check("pages show each once", [e["id"] for p in two for e in p["data"]] == [e["id"] for e in l["data"]]
          and all(p["total_pages"] == len(two) and p["page"] == i + 1 for i, p in enumerate(two)), two)
    check("what is no page is the first", events("?page=0&page_size=x")["page"] == 1)
    check("a page has 100 at most", events("?page_size=100000")["page_size"] == 100)


def hostile(s, channel, token, account, service):
    log = lambda **k: ask(channel, token, "SendAccessLog", entry(account, service, **k))
    before = get(s, "/api/events/proxy")["total_records"]
    check("a visit of an unknown service is refused", ask(
        channel, token, "SendAccessLog", entry(account, "no-such")) == Code.NOT_FOUND)
    check("bytes that are no message are refused", ask(
        channel, token, "SendAccessLog", b"\x0a\xff\xff\xff\xff\x0f") != Code.OK)
    check("... and none is stored", get(s, "/api/events/proxy")["total_records"] == before)
    check("what is no UTF-8 is refused", log(id="odd", path=b"\xff/a\xc3") == Code.INVALID_ARGUMENT)
    check("a long path is cut", log(id="long", path="/" + "é" * 100000) == Code.OK)
    l = get(s, "/api/events/proxy?path=%C3%A9")["data"]
    check("... between characters", len(l) == 1 and 2040 < len(l[0]["path"].encode()) <= 2048, len(l))
    many = field(17, field(1, "k") + field(2, "v" * 1000)) * 100
    check("much metadata is taken without it", log(id="fat", more=many) == Code.OK and "metadata" not in
          [e for e in get(s, "/api/events/proxy")["data"] if e["id"] == "fat"][0])
    for at in (1 << 62, -(1 << 62), 1 << 40):
        check("a time of %d is ours instead" % at, log(id="t%d" % at, at=at) == Code.OK)
        e = [e for e in get(s, "/api/events/proxy")["data"] if e["id"] == "t%d" % at]
        check("... so that it ends as others do", e and e[0]["timestamp"][:3] == "202", e)
    c = Proxy(channel, token, first=field(2, b"")).code()
    check("an ack before init is refused", c == Code.INVALID_ARGUMENT, c)
    for what, first in (("no name", field(1, hello(""))), ("a long name", field(1, hello("x" * 300))),
                        ("no address", field(1, hello("b", ""))),
                        ("an address that is none", field(1, hello("b", "not a name/")))):
        c = Proxy(channel, token, first=first).code()
        check("%s is refused" % what, c == Code.INVALID_ARGUMENT, c)


def connected(s):
    return sum(c["connected_proxies"] for c in get(s, "/api/reverse-proxies/clusters"))


def secrets(s, channel, token, account, service):
    """What visitors type can be tried, but not for ever; each scheme for itself."""
    auth = {"password_auth": {"enabled": True, "password": "a long one"}, "pin_auth": {"enabled": True, "pin": "4711"}}
    put = lambda **more: s.api("PUT", "/api/reverse-proxies/services/" + service, dict(shape(**more), auth=auth))
    check("a service with secrets", put()[0] == 200)

    def enters(kind, secret):
        try:
            answer = channel.unary_unary(SERVICE + "Authenticate")(
                field(1, service) + field(2, account) + field(kind, field(1, secret)), timeout=PATIENCE,
                metadata=bearer(token))
        except grpc.RpcError as e:
            return e.code()
        return fields(answer).get(1) == [1]
    password, pin = 3, 4
    check("the right ones open", enters(password, "a long one") is True and enters(pin, "4711") is True)
    check("wrong ones do not", enters(password, "4711") is False and enters(pin, "a long one") is False)
    tries = 0
    while tries < 200 and enters(pin, "%04d" % tries) is False:
        tries += 1
    check("guessing a PIN comes to an end", 20 <= tries < 200, tries)
    check("... also with the right one", enters(pin, "4711") == Code.RESOURCE_EXHAUSTED)
    check("... the password still opens", enters(password, "a long one") is True)
    check("a service that is off opens to nobody", put(enabled=False)[0] == 200 and
          until(lambda: enters(password, "a long one") not in (True, False)))
    check("... and on again", put()[0] == 200 and until(lambda: enters(password, "a long one") is True))


def thousand(s, token):
    """Streams of one token: the server holds them in little memory and lets go of them."""
    before = s.p.rss_kb()
    channels = [grpc.insecure_channel("127.0.0.1:%d" % s.port, (("grpc.use_local_subchannel_pool", 1),))
                for _ in range(CHANNELS)]
    calls = [channels[i % CHANNELS].unary_stream(SERVICE + "GetMappingUpdate")(
        hello("many-%d" % i), timeout=600, metadata=bearer(token)) for i in range(STREAMS)]
    ends = {}
    for c in calls:
        try:
            next(c)
            ends["open"] = ends.get("open", 0) + 1
        except grpc.RpcError as e:
            ends[e.code()] = ends.get(e.code(), 0) + 1
    check("a thousand streams are held or refused", ends.get("open", 0) > 0 and
          set(ends) <= {"open", Code.RESOURCE_EXHAUSTED}, ends)
    most_kb = (3 if sanitized(sys.argv[1]) else 1) * 100 << 10
    check("... in less than %d kB" % most_kb, s.p.rss_kb() - before < most_kb, s.p.rss_kb() - before)
    check("... and others are answered", s.api("GET", "/api/users")[0] == 200)
    for c in calls:
        c.cancel()
    for c in channels:
        c.close()
    check("... until they end", until(lambda: connected(s) <= 1), connected(s))


def guessed(channel, token):
    """Too many wrong tokens of one address: then not even a right one is looked at."""
    codes = [Proxy(channel, "nbx_" + "0" * 36, "guess").code() for _ in range(12)]
    check("guessing is slowed down", Code.RESOURCE_EXHAUSTED in codes and
          set(codes) <= {Code.UNAUTHENTICATED, Code.RESOURCE_EXHAUSTED}, codes)


def main():
    pg = {}
    if sys.argv[2:] == ["pg"]:
        pg = {"ROOKERY_STORE_ENGINE": "postgres", "ROOKERY_STORE_DSN": os.environ["RK_TEST_PG"]}
    s = Server(**pg)
    s.setup()
    account = get(s, "/api/accounts")[0]["id"]
    channel = grpc.insecure_channel("127.0.0.1:%d" % s.port)
    refusals(s, channel)
    _, token = token_of(s, "edge")
    proxy = Proxy(channel, token)
    check("an empty snapshot is told at once", proxy.next() == ([], 1))
    check("the cluster is there", until(lambda: connected(s) == 1), get(s, "/api/reverse-proxies/clusters"))
    service = told(s, proxy)
    again = Proxy(channel, token, "proxy-b")
    maps, complete = again.next()
    check("a second proxy gets a snapshot", complete and [m[2][0].decode() for m in maps] == [service], maps)
    again.close()
    reports(s, channel, token, account, service)
    strangers(channel, token, service)
    visits(s, channel, token, account, service)
    hostile(s, channel, token, account, service)
    check("a login at a provider is not part of it",
          ask(channel, token, "GetOIDCURL", field(1, service) + field(2, account) +
              field(3, "https://open.p.example/")) == Code.UNIMPLEMENTED)
    secrets(s, channel, token, account, service)
    proxy.close()
    thousand(s, token)
    guessed(channel, token)
    s.p.stop()
    finish()


main()
