# SPDX-License-Identifier: BSD-3-Clause
"""Rules of the reverse proxy's operations: what is refused, what is kept, what follows. Usage:
services.py RESTD"""
import os
import socket
import struct
import sys
import threading

from rules import TOKEN, Api
from server import Server

BASE = "/reverse-proxies"


class Names(threading.Thread):
    """A DNS server for CNAMEs: the table is name -> target."""

    def __init__(self):
        super().__init__(daemon=True)
        self.table = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]

    @staticmethod
    def wire(name):
        return b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"

    def run(self):
        while True:
            data, client = self.socket.recvfrom(4096)
            at, labels = 12, []
            while data[at]:
                labels.append(data[at + 1:at + 1 + data[at]].decode())
                at += 1 + data[at]
            question = data[12:at + 5]
            target = self.table.get(".".join(labels).lower())
            head = data[:2] + struct.pack(">HHHHH", 0x8180 if target else 0x8183, 1,
                                          1 if target else 0, 0, 0)
            record = b""
            if target:
                rdata = self.wire(target)
                record = b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 60, len(rdata)) + rdata
            self.socket.sendto(head + question + record, client)


def target(peer, **more):
    return {"target_id": peer, "target_type": "peer", "protocol": "http", "port": 8080,
            "enabled": True, **more}


def http(peer, domain, **more):
    return {"name": "s", "domain": domain, "enabled": True, "targets": [target(peer)], **more}


def l4(peer, domain, mode="tcp", **more):
    return http(peer, domain, mode=mode, targets=[target(peer, protocol="tcp")], **more)


def header(name, value="v"):
    return {"auth": {"header_auths": [{"enabled": True, "header": name, "value": value}]}}


def refusals(i):
    peer, ok = i["peer"], "x.shared.example"
    plain = http(peer, ok)
    yield 422, "name of a service", {**plain, "name": ""}
    yield 422, "name of a service", {**plain, "name": "n" * 256}
    yield 422, "1 to 100 targets", {**plain, "targets": []}
    yield 422, "1 to 100 targets", {**plain, "targets": None}
    yield 422, "not one of http", {**plain, "mode": "ftp"}
    yield 422, "needs a domain", {**plain, "domain": ""}
    yield 422, "is no domain", {**plain, "domain": "a b"}
    yield 412, "neither below a cluster", {**plain, "domain": "x.elsewhere.example"}
    yield 422, "wants services below it", {**plain, "domain": "shared.example"}
    yield 422, "listen_port is not for", {**plain, "listen_port": 80}
    yield 422, "between 0 and", {**plain, "listen_port": 70000}
    yield 422, "between 0 and", {**plain, "targets": [target(peer, port=70000)]}
    yield 422, "is not in this account", {**plain, "targets": [target("nobody")]}
    yield 422, "is not in this account", {**plain, "targets": [target(peer, target_type="host")]}
    yield 422, "is a resource of type", {**plain, "targets": [
        target(i["resource"], target_type="domain")]}
    yield 422, "is not known", {**plain, "targets": [target(peer, target_type="moon")]}
    yield 422, "needs target_id", {**plain, "targets": [target("")]}
    yield 422, "needs host", {**plain, "targets": [target(i["resource"], target_type="subnet")]}
    yield 422, "needs direct_upstream", {**plain, "targets": [target("c", target_type="cluster")]}
    yield 422, "http or https", {**plain, "targets": [target(peer, protocol="tcp")]}
    yield 422, "begins with /", {**plain, "targets": [target(peer, path="x")]}
    for options, text in (({"proxy_protocol": True}, "proxy_protocol is not for"),
                          ({"request_timeout": "soon"}, "no duration"),
                          ({"request_timeout": "-1s"}, "no duration"),
                          ({"path_rewrite": "cut"}, "path_rewrite is preserve"),
                          ({"custom_headers": {"Host": "x"}}, "host cannot be used"),
                          ({"custom_headers": {"a b": "x"}}, "no name of a header"),
                          ({"custom_headers": {"Te": "x"}}, "belongs to one connection"),
                          ({"custom_headers": {"Cookie": "x"}}, "written by the proxy"),
                          ({"custom_headers": {"X": "a\r\nb"}}, "line end"),
                          ({"custom_headers": {"X": "1", "x": "2"}}, "there twice"),
                          ({"custom_headers": {f"X{k}": "1" for k in range(17)}}, "more than 16"),
                          ):
        yield 422, text, {**plain, "targets": [target(peer, options=options)]}
    for host, text in (("a b", "neither a name"), ("a:80", "has a port")):
        yield 422, text, {**plain, "targets": [
            target(peer, host=host, options={"direct_upstream": True})]}
    for name, text in (("", "no name of a header"), ("Host", "host cannot"), ("Upgrade", "belongs"),
                       ("X-Forwarded-For", "written by the proxy")):
        yield 422, text, {**plain, **header(name)}
    yield 422, "needs a value", {**plain, **header("X-Key", "")}
    yield 422, "at most 4096", {**plain, **header("X-Key", "v" * 4097)}
    yield 422, "needs a password", {**plain, "auth": {"password_auth": {
        "enabled": True, "password": ""}}}
    yield 422, "needs a pin", {**plain, "auth": {"pin_auth": {"enabled": True, "pin": ""}}}
    yield 422, "group x is not", {**plain, "auth": {"bearer_auth": {
        "enabled": True, "distribution_groups": ["x"]}}}
    private = {**plain, "private": True, "access_groups": [i["all"]]}
    yield 422, "needs access_groups", {**private, "access_groups": []}
    yield 422, "bearer_auth as well", {**private, "auth": {"bearer_auth": {"enabled": True}}}
    yield 422, "has mode http", {**private, **l4(peer, ok), "private": True}
    for field, value, text in (("allowed_cidrs", ["10.0.0.1/8"], "has host bits, use 10.0.0.0/8"),
                               ("blocked_cidrs", ["x"], "is no network"),
                               ("allowed_cidrs", ["10.0.0.0/8"] * 201, "more than 200"),
                               ("blocked_countries", ["DEU"], "two letters"),
                               ("allowed_countries", ["DE"] * 51, "more than 50"),
                               ("crowdsec_mode", "maybe", "crowdsec_mode")):
        yield 422, text, {**plain, "access_restrictions": {field: value}}
    yield 422, "exactly one target", {**l4(peer, ok), "targets": [target(peer)] * 2}
    yield 422, "has no authentication", {**l4(peer, ok), **header("X-Key")}
    yield 422, "needs a port", l4(peer, ok) | {"targets": [target(peer, port=0)]}
    yield 422, "path is for", l4(peer, ok) | {"targets": [target(peer, path="/x")]}
    yield 422, "mode udp", l4(peer, ok, "udp") | {"targets": [
        target(peer, options={"proxy_protocol": True})]}
    yield 422, "needs listen_port", l4(peer, ok, "tls")
    yield 422, "are for services of mode http", l4(peer, ok) | {"targets": [
        target(peer, options={"skip_tls_verify": True})]}


def objects(api):
    i = {"all": api.call("GET", "/groups?name=All")[0]["id"],
         "account": api.call("GET", "/accounts")[0]["id"]}
    key = api.post("/setup-keys", {"name": "k", "type": "reusable", "expires_in": 86400,
                                   "auto_groups": [], "usage_limit": 0})["key"]
    api.server.command(f"enrol {key} 1")
    peer = api.call("GET", "/peers")[0]
    i["peer"], i["ip"] = peer["id"], peer["ip"]
    network = api.post("/networks", {"name": "n"})["id"]
    i["network"] = network
    i["resource"] = api.post(f"/networks/{network}/resources", {
        "name": "r", "address": "192.0.2.9", "enabled": True, "groups": []})["id"]
    i["group"] = api.post("/groups", {"name": "visitors"})["id"]
    api.server.command("proxy shared.example -")
    api.server.command("proxy own.example " + i["account"])
    return i


def life(api, i):
    """Secrets, ports and clusters through a service's life."""
    services = BASE + "/services"
    body = http(i["peer"], "App.Shared.Example", auth={
        "password_auth": {"enabled": True, "password": "one"},
        "bearer_auth": {"enabled": False},
        "header_auths": [{"enabled": True, "header": "X-Key", "value": "v" * 4000}]},
        access_groups=[i["group"]])
    s = api.post(services, body)
    item = f"{services}/{s['id']}"
    api.check(s["domain"] == "app.shared.example" and s["proxy_cluster"] == "shared.example", f"{s}")
    api.check(s["targets"][0]["host"] == i["ip"], f"host {s['targets']}")
    api.check(s["meta"]["status"] == "pending" and s["auth"]["password_auth"]["password"] == "" and
              s["auth"]["bearer_auth"]["distribution_groups"] is None and
              "access_restrictions" not in s and s["targets"][0]["options"] == {}, f"{s}")
    api.refuse(409, "already taken", "POST", services, body)
    kept = {**body, "auth": {"password_auth": {"enabled": True, "password": ""},
                             "header_auths": [{"enabled": True, "header": "x-key", "value": ""}]}}
    api.call("PUT", item, kept)
    api.refuse(422, "cannot be changed from http", "PUT", item, {
        **l4(i["peer"], "app.shared.example")})
    api.refuse(412, "in use", "DELETE", f"/peers/{i['peer']}")
    api.refuse(400, "", "DELETE", f"/groups/{i['group']}")
    moved = api.call("PUT", item, {**kept, "domain": "app.own.example"})
    api.check(moved["proxy_cluster"] == "own.example" and moved["id"] == s["id"], f"{moved}")
    tried = api.call("DELETE", item + "?dry_run=true")
    api.check(tried["dry_run"] and api.call("GET", item)["id"] == s["id"], "a dry run changes nothing")
    api.call("DELETE", item)
    api.refuse(404, "not found", "GET", item)
    entry = [e for e in api.call("GET", "/x/history") if e["kind"] == "service"][0]
    api.call("POST", f"/x/history/{entry['entry']}/undo")
    back = api.call("GET", item)
    api.check(back["domain"] == "app.own.example" and back["auth"]["password_auth"]["enabled"],
              f"after the undo: {back}")
    api.call("DELETE", item)


def ports(api, i):
    services = BASE + "/services"
    first = api.post(services, l4(i["peer"], "a.shared.example"))
    api.check(first["port_auto_assigned"] and 10000 <= first["listen_port"] <= 49151, f"{first}")
    item = f"{services}/{first['id']}"
    again = api.call("PUT", item, l4(i["peer"], "a.shared.example", name="b"))
    api.check(again["listen_port"] == first["listen_port"], "the port stays")
    api.refuse(409, "is taken", "POST", services,
               l4(i["peer"], "b.shared.example", listen_port=first["listen_port"]))
    udp = api.post(services, l4(i["peer"], "b.shared.example", "udp",
                                listen_port=first["listen_port"]))
    tls = [api.post(services, l4(i["peer"], f"t{k}.shared.example", "tls", listen_port=443))
           for k in (1, 2)]
    api.check(tls[1]["listen_port"] == 443, "names share a port of mode tls")
    for s in (first, udp, *tls):
        api.call("DELETE", f"{services}/{s['id']}")


def domains(api, i, names):
    base = BASE + "/domains"
    api.refuse(412, "no proxy of the cluster", "POST", base, {"domain": "d.test",
                                                              "target_cluster": "x.example"})
    api.refuse(422, "", "POST", base, {"domain": "a b", "target_cluster": "own.example"})
    names.table["validation.at-once.test"] = "Own.Example"
    at_once = api.post(base, {"domain": "at-once.test", "target_cluster": "own.example"})
    api.check(at_once["validated"] and at_once["type"] == "custom", f"{at_once}")
    api.refuse(409, "registered already", "POST", base, {"domain": "at-once.test",
                                                         "target_cluster": "own.example"})
    later = api.post(base, {"domain": "later.test", "target_cluster": "own.example"})
    api.check(not later["validated"], f"{later}")

    def validated():
        api.call("GET", f"{base}/{later['id']}/validate", status=202)
        return [d["validated"] for d in api.call("GET", base) if d["id"] == later["id"]][0]
    api.check(not validated(), "no CNAME")
    names.table["validation.later.test"] = "elsewhere.example"
    api.check(not validated(), "a CNAME to somebody else")
    names.table["validation.later.test"] = "own.example"
    api.check(validated(), "the CNAME leads to the cluster")
    s = api.post(BASE + "/services", http(i["peer"], "www.later.test"))
    api.check(s["proxy_cluster"] == "own.example", f"cluster of the domain: {s}")
    api.call("DELETE", f"{BASE}/services/{s['id']}")
    api.call("DELETE", f"{base}/{later['id']}", status=204)
    codes = [e["activity_code"] for e in api.call("GET", "/events/audit")]
    for code in ("domain.add", "domain.delete", "domain.validate", "service.create",
                 "service.update", "service.delete"):
        api.check(code in codes, f"no event {code}")


def tokens(api):
    base = BASE + "/proxy-tokens"
    for body in ({"name": ""}, {"name": "n" * 256}, {"name": "n", "expires_in": -1}):
        api.refuse(400, "", "POST", base, body)
    t = api.post(base, {"name": "edge"})
    api.check(t["plain_token"].startswith("nbx_") and len(t["plain_token"]) == 40 and
              "expires_at" not in t and not t["revoked"], f"{t}")
    api.check("plain_token" not in api.call("GET", base)[0], "shown once")
    api.call("DELETE", f"{base}/{t['id']}")
    api.check(api.call("GET", base)[0]["revoked"], "it stays in the list")
    api.refuse(404, "token not found", "DELETE", base + "/nothing")
    api.refuse(422, "dry_run", "POST", base + "?dry_run=true", {"name": "x"})


def main():
    names = Names()
    names.start()
    os.environ["RESTD_DNS"] = names.address
    with Server(sys.argv[1], TOKEN) as server:
        answer = server.request("POST", "/api/setup", {
            "email": "owner@example.com", "password": "Correct-horse-1", "name": "Owner",
            "create_pat": True}, headers={"X-Setup-Token": TOKEN})
        api = Api(server, answer.json()["personal_access_token"])
        i = objects(api)
        for status, text, body in refusals(i):
            api.refuse(status, text, "POST", BASE + "/services", body)
        api.check(api.call("GET", BASE + "/services") == [], "refusals leave nothing")
        life(api, i)
        ports(api, i)
        domains(api, i, names)
        tokens(api)
    print(f"{api.checks} checks, {api.failed} failed")
    return 1 if api.failed else 0


if __name__ == "__main__":
    sys.exit(main())
