# SPDX-License-Identifier: BSD-3-Clause
"""A network as a file: plan, apply, export, over REST with every role and as commands:
plan.py ./rookery"""
import difflib
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import grpc
    from mgmt_peer import Agent, field
except ImportError as e:
    print("skip:", e)
    sys.exit(77)
from proc import check, finish  # noqa: E402
from rookery import ROOKERY, Server  # noqa: E402

MACHINES = ("web1", "web2", "db1", "office", "guest1")


class Network:
    """A server with an owner and machines."""

    def __init__(self, machines=MACHINES, **env):
        self.s = Server(**env)
        self.s.setup()
        key = self.rest("POST", "/api/setup-keys", {
            "name": "k", "type": "reusable", "expires_in": 86400, "auto_groups": [],
            "usage_limit": 0})["key"]
        with grpc.insecure_channel("127.0.0.1:%d" % self.s.port) as ch:
            for name in machines:
                Agent(ch).login(key, field(1, name) + field(2, "linux") + field(6, "Debian") +
                                field(7, "0.77.1"))

    def rest(self, method, path, body=None, want=200):
        status, text = self.s.api(method, path, body)
        check("%s %s" % (method, path.split("?")[0]), status == want, "%s %s" % (status, text))
        return json.loads(text)

    def send(self, method, path, body=None, want=200, token=None):
        c = http.client.HTTPConnection("127.0.0.1", self.s.port, timeout=120)
        c.request(method, "/api/x/" + path, body and body.encode(), {"Authorization": "Token " + (token or
                                                                               self.s.token)})
        a = c.getresponse()
        text = a.read().decode()
        check("%s %s" % (method, path.split("?")[0]), a.status == want, "%s %s" % (a.status, text))
        return text if a.getheader("Content-Type").startswith("application/yaml") else \
            json.loads(text)

    def plan(self, text, want=200, **more):
        return self.send("POST", "plan", text, want, **more)

    def apply(self, text, want=200, query="", **more):
        return self.send("POST", "apply" + query, text, want, **more)

    def export(self, **more):
        return self.send("GET", "export", **more)

    def refused(self, text, *words, want=422):
        """By the plan and by apply alike."""
        for do in (self.plan, self.apply):
            message = do(text, want=want)["message"]
            check("says %s" % (words,), all(w in message for w in words), message)


def steps(a):
    return [(s["op"], s["kind"], s["name"]) for s in a["steps"]]


def effect(a):
    """What a change does, without the ids of what is new."""
    flows = [(f["from"]["id"], f["to"]["id"], f.get("route", {}).get("name"), f["before"], f["after"])
             for f in a["flows"]["list"]]
    return ([(c["op"], c["kind"], c.get("name"), c.get("peer")) for c in a["changes"]], a["machines"],
            flows, [a["flows"][k] for k in ("gained", "lost", "changed", "complete")])


n = Network()
EXAMPLE = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs",
                            "network.example.yaml"), encoding="utf-8").read()

# ---- the example of the guide

a = n.plan(n.export())
check("what is exported is what there is", a["steps"] == [] and a["ok"] and a["machines"] == 0, a)
a = n.plan(EXAMPLE)
check("the steps of a plan", ("create", "policy", "db access") in steps(a) and
      ("delete", "policy", "Default") in steps(a) and a["ok"] and not a["applied"], a["steps"])
check("what it does", a["flows"]["lost"] > 0 and a["flows"]["changed"] == 2 and
      a["machines"] == len(MACHINES), a["flows"])
check("every test holds", [t["ok"] for t in a["tests"]] == [True] * 4, a["tests"])
check("nothing was done", steps(n.plan(EXAMPLE)) == steps(a))
events = len(n.rest("GET", "/api/events/audit"))
tried = n.apply(EXAMPLE, query="?serial=%d&dry_run=true" % a["serial"])
check("apply can be tried", tried["dry_run"] and effect(tried) == effect(a) and steps(n.plan(EXAMPLE)) == steps(a) and
      len(n.rest("GET", "/api/events/audit")) == events, tried)
done = n.apply(EXAMPLE, query="?serial=%d&digest=%s" % (a["serial"], a["digest"]))
check("all of it was done", done["applied"] and steps(done) == steps(a) and
      done["serial"] == a["serial"] + 1, done)
check("and did what was planned", effect(done) == effect(a) and done["flows"]["lost"] > 0, done)
check("new keys are shown once", [k["name"] for k in done["setup_keys"]] == ["web servers"] and
      len(done["setup_keys"][0]["key"]) == 36, done)
check("it is one change", len({e["change"] for e in n.rest(
    "GET", "/api/x/history?page_size=%d" % len(done["steps"]))}) == 1)
check("with the events of each", {"policy.add", "group.add", "network.create",
                                  "dns.zone.create"} <=
      {e["activity_code"] for e in n.rest("GET", "/api/events/audit")} and
      len(n.rest("GET", "/api/events/audit")) > events)
check("nothing is left to do", steps(n.plan(EXAMPLE)) == [])
out = n.export()
check("nor of the export", steps(n.plan(out)) == [], out)
a = n.apply(out)
check("applying that changes nothing", a["steps"] == [] and a["serial"] == done["serial"], a)
check("JSON is YAML", n.plan(json.dumps({"groups": [
    {"name": "web"}, {"name": "database", "peers": ["db1"]}, {"name": "guest"}, {"name": "prod"}]}))
    ["steps"] == [])

# ---- the present differs: what was changed by hand comes back

web = [g for g in n.rest("GET", "/api/groups") if g["name"] == "web"][0]
n.rest("PUT", "/api/groups/" + web["id"], {"name": "web", "peers": []})
a = n.plan(EXAMPLE)
check("a change by hand is seen", [(s["op"], s["name"], s["fields"]) for s in a["steps"]] ==
      [("update", "web", ["peers"])] and a["steps"][0]["id"] == web["id"], a["steps"])
check("sections that are absent are left alone", steps(n.plan("tests: []\n")) == [] and
      steps(n.plan("groups:\n- {name: web}\n- {name: database}\n- {name: guest}\n- {name: prod}\n"))
      == [])
n.apply(EXAMPLE)
a = n.plan(EXAMPLE.replace("- name: web\n", "- id: %s\n    name: front\n" % web["id"], 1)
           .replace("[web]", "[front]").replace("web can", "front can")
           .replace("in web", "in front"))
check("renamed by its id", [(s["op"], s["name"], s.get("was")) for s in a["steps"]] ==
      [("update", "front", "web")], a["steps"])
a = n.plan(re.sub(r"(?s)dns:\n.*?\n(?=\w)", "dns:\n  zones: []\n", EXAMPLE))
check("a section is complete", steps(a) == [("delete", "zone", "corp.example")], a["steps"])
moved = EXAMPLE.replace("""      - {name: wiki, address: 10.20.0.7}
""", "").replace("    routers:\n      - peer: office\n", """    routers:
      - peer: office
  - name: elsewhere
    resources:
      - {name: wiki, address: 10.20.0.7}
    routers:
      - peer: office
""")
a = n.plan(moved)
check("a resource that moves takes its policies along", steps(a) == [
    ("delete", "resource", "wiki"), ("create", "network", "elsewhere"),
    ("create", "resource", "wiki"), ("create", "router", "office"),
    ("update", "policy", "wiki")] and a["ok"], a["steps"])
n.refused("networks: []\n", "in use by policy", want=412)
check("policies with two rules keep their rules' ids", n.plan(EXAMPLE)["steps"] == [])

# ---- tests refuse

wrong = EXAMPLE.replace("ports: [5432]", "ports: [5433]")
a = n.plan(wrong)
bad = [t for t in a["tests"] if not t["ok"]]
check("a plan says which test would fail, and why", not a["ok"] and len(bad) == 1 and
      bad[0]["test"] == "web can reach db1:5432" and "port" in bad[0]["why"], bad)
message = n.apply(wrong, want=412)["message"]
check("tried or not", n.apply(wrong, want=412, query="?dry_run=true")["message"] == message)
check("apply refuses", "web can reach db1:5432" in message and "line" in message, message)
open_ = EXAMPLE.replace("sources: [web]", "sources: [web, guest]", 1)
message = n.apply(open_, want=412)["message"]
check("and names the path", "guest1 can reach db1: tcp 5432" in message and
      'policy "db access"' in message, message)
check("nothing was done by them", n.plan(EXAMPLE)["steps"] == [])
for text, word in (("web reaches db1", "none of"), ("web can reach nobody-there:1", "no peer"),
                   ("10.99.9.9 can reach db1", "no machine"), ("can reach x", "none of"),
                   ("All can reach", "none of")):
    n.refused("tests: [%s]\n" % json.dumps(text), "line 1", word)
for text, holds in (("web can reach wiki:tcp/443", True), ("guest cannot reach wiki", True),
                    ("guest can reach db1", False), ("web cannot reach [db1]:5432", False),
                    ("db1 cannot reach anything in web", True), ("web can reach db1:udp/53", False),
                    ("web can reach 10.20.0.7:443", True), ("group:web can reach peer:db1", True)):
    a = n.plan("tests:\n  - %s\n" % json.dumps(text))
    check(text, a["ok"] == holds and a["tests"][0].get("why", "") != "" or holds, a["tests"])

# ---- two admins at once

a = n.plan(EXAMPLE)
n.rest("POST", "/api/setup-keys", {"name": "other", "type": "reusable", "expires_in": 86400,
                                   "auto_groups": [], "usage_limit": 0})
check("whatever has moved is noticed", "plan again" in
      n.apply(EXAMPLE, 412, "?digest=" + a["digest"])["message"])
n.rest("POST", "/api/groups", {"name": "meanwhile", "peers": []})
check("by the serial, too", "moved" in
      n.apply(EXAMPLE, 412, "?serial=%d" % a["serial"])["message"])
n.apply(EXAMPLE, 422, "?serial=x")
a = n.plan(EXAMPLE)
check("a new plan sees it", set(steps(a)) == {("delete", "group", "meanwhile"),
                                              ("delete", "setup_key", "other")}, a["steps"])
results = []


def racer():
    c = http.client.HTTPConnection("127.0.0.1", n.s.port, timeout=120)
    c.request("POST", "/api/x/apply?digest=" + a["digest"], EXAMPLE,
              {"Authorization": "Token " + n.s.token})
    results.append(c.getresponse().status)


threads = [threading.Thread(target=racer) for _ in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
check("of several at once one wins", sorted(results) == [200, 412, 412, 412], results)

# ---- what is wrong is refused, with the line, and changes nothing

before = n.export()
n.refused("groups:\n  - name: a\n    peer: [web1]\n", "line 3", "groups[0].peer", "known are")
n.refused("nonsense: 1\n", "line 1", "nonsense", "known are groups")
n.refused("groups:\n  - name: a\n  - name: a\n", "line 3", "stands twice", "line 2")
n.refused("groups:\n  - {name: a, peers: [web1, web1]}\n", "line 2", "web1 stands twice")
n.refused("groups:\n  - {name: a, peers: [nobody]}\n", "line 2", "no machine is called nobody")
n.refused("groups:\n  - {name: a, id: none}\n", "line 2", "no group has the id none")
n.refused("groups:\n  - {name: All}\n", "line 2", "made by the server")
n.refused("groups: 7\n", "line 1", "must be a list")
n.refused("groups:\n", "line 1", "must be a list")
n.refused("groups:\n  - {name: 7}\n", "line 2", "must be a text")
n.refused("groups:\n  - {}\n", "line 2", "needs name")
n.refused("policies:\n  - name: p\n    enabled: 'yes'\n    rules: []\n", "line 3", "true or false")
n.refused("policies:\n  - name: p\n    rules:\n      - {sources: [nope], destinations: [All]}\n",
          "no group is called nope")
n.refused("policies:\n  - name: p\n    rules:\n      - {sources: [All], destinations: [All], "
          "protocol: sctp}\n", "line 4", "must be one of all, tcp")
n.refused("policies:\n  - name: p\n    rules:\n      - {sources: [All], destinations: [All], "
          "protocol: tcp, ports: [x-y]}\n", "line 4", "x-y is no port")
n.refused("policies: []\nposture_checks: []\nnetworks:\n  - name: o\n    resources:\n"
          "      - {name: r, address: not an address}\n", "line 6", "resource")
n.refused("setup_keys:\n  - {name: k, expires_in: 7, type: reusable}\n  - {name: web servers, "
          "auto_groups: [web], usage_limit: 5}\n", "expires_in", "cannot be changed")
n.refused("settings: {peer_login_expiration: 1}\n", "line 1", "settings")
n.refused("groups: []\n", "group", "which the file does not name", "linked", want=400)
n.refused("")
for do in (n.plan, n.apply):
    for text, word in (("a: &x [1]\n", "anchors"), ("a: *x\n", "anchor"), ("a: !t 1\n", "tags"),
                       ("a: [\n", "line"), ("a: 1\na: 2\n", "stands twice"),
                       ("--- {}\n--- {}\n", "second document"), ("\x01", "line")):
        check("no YAML that we read: %r" % text, word in do(text, want=400)["message"])
    bomb = "a: " + "[" * 5000
    check("a deep one", do(bomb, want=429)["message"])
    check("a long one", do("a: [" + "1," * 150000 + "]", want=429)["message"])
    check("one too large", do("# " + "x" * (1 << 20), want=413)["code"] == 413)
check("nothing was changed by all this", n.export() == before)

# names that several have
two = [n.rest("POST", "/api/policies", {"name": "twin", "enabled": True, "rules": [{
    "name": "r", "enabled": True, "action": "accept", "protocol": "all", "bidirectional": True,
    "sources": [web["id"]], "destinations": [web["id"]]}]}) for _ in range(2)]
out = n.export()
check("an export says which", all("id: " + p["id"] in out for p in two), out)
check("and can be planned", n.plan(out)["steps"] == [])
twins = "policies:\n  - name: twin\n    rules: [{sources: [web], destinations: [web]}]\n"
n.refused(twins, "line 2", "more than one policy is called twin", two[0]["id"])
for p in two:
    n.rest("DELETE", "/api/policies/" + p["id"])

# ---- roles


def service_user(role):
    u = n.rest("POST", "/api/users", {"role": role, "is_service_user": True, "name": role,
                                      "auto_groups": []})
    return n.rest("POST", "/api/users/%s/tokens" % u["id"], {"name": "t", "expires_in": 1})[
        "plain_token"]


auditor, admin = service_user("auditor"), service_user("network_admin")
check("an auditor exports", n.export(token=auditor) == n.export())
a = n.plan(EXAMPLE.replace("[5432]", "[5433]"), token=auditor)
check("and plans", steps(a) == [("update", "policy", "db access")], a["steps"])
n.apply(EXAMPLE.replace("[5432]", "[5433]"), want=403, token=auditor)
check("and applies nothing", n.plan(EXAMPLE)["steps"] == [])
n.apply("groups:\n- {name: web}\n- {name: database}\n- {name: guest}\n- {name: prod}\n"
        "- {name: by network admin}\n", token=admin)
check("a network admin applies what is the role's", n.apply(
    "settings: {peer_login_expiration: 7201}\n", want=403, token=admin)["code"] == 403)
n.apply(EXAMPLE)

# ---- all or nothing, also when the process is killed

big = EXAMPLE.replace("groups:\n", "groups:\n" + "".join(
    "  - {name: g%d}\n" % i for i in range(400)), 1)
outcomes = set()
for delay in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4):
    def send_and_forget():
        try:
            c = http.client.HTTPConnection("127.0.0.1", n.s.port, timeout=120)
            c.request("POST", "/api/x/apply", big, {"Authorization": "Token " + n.s.token})
            c.getresponse().read()
        except OSError:
            pass
        except http.client.HTTPException:
            pass

    t = threading.Thread(target=send_and_forget)
    t.start()
    time.sleep(delay)
    n.s.p.p.send_signal(signal.SIGKILL)
    n.s.p.p.wait()
    t.join()
    n.s.start()
    names = {g["name"] for g in n.rest("GET", "/api/groups")}
    made = len([g for g in names if re.fullmatch(r"g\d+", g)])
    check("all or nothing after %.2f s" % delay, made in (0, 400), made)
    outcomes.add(made)
    n.apply(EXAMPLE)
print("killed: %s of 400 groups were there" % sorted(outcomes))
check("the journal is whole", n.s.command("admin", "journal", "verify").returncode == 0)

# ---- any account: export, plan nothing, apply to an empty account, export the same

seed = int(os.environ.get("PLAN_SEED", random.randrange(1 << 30)))
print("seed", seed)
rnd = random.Random(seed)


def some(l, least=0):
    return rnd.sample(l, rnd.randint(least, max(least, min(3, len(l)))))


def word(i):
    return rnd.choice(["a%d", "Ä %d", "x: %d", "- %d", "%d", "#%d", "o'%d", "\"%d", "yes%d",
                       "l%d\u2028", "c1 %d\u009b\u0085\x7f", "tab\t%d", "null %d", "{%d}", "é%d!"]) % i


def fill(n):
    """Objects of every kind through the API, at random."""
    peers = n.rest("GET", "/api/peers")
    groups = [n.rest("POST", "/api/groups", {"name": word(i), "peers": [
        p["id"] for p in some(peers)]})["id"] for i in range(rnd.randint(1, 6))]
    groups.append([g for g in n.rest("GET", "/api/groups") if g["name"] == "All"][0]["id"])
    checks = []
    for i in range(rnd.randint(0, 3)):
        c = rnd.choice([{"nb_version_check": {"min_version": "0.%d.0" % i}},
                        {"os_version_check": {"linux": {"min_kernel_version": "5.%d" % i},
                                              "ios": {"min_version": "1"}}},
                        {"peer_network_range_check": {"ranges": ["10.%d.0.0/16" % i],
                                                      "action": "deny"}},
                        {"process_check": {"processes": [{"linux_path": "/bin/x%d" % i}]}}])
        checks.append(n.rest("POST", "/api/posture-checks", {
            "name": word(i), "description": word(i), "checks": c})["id"])
    resources = []
    for i in range(rnd.randint(0, 3)):
        net = n.rest("POST", "/api/networks", {"name": word(i), "description": ""})["id"]
        for k in range(rnd.randint(0, 3)):
            resources.append(n.rest("POST", "/api/networks/%s/resources" % net, {
                "name": word(10 * i + k), "description": word(k), "address": rnd.choice(
                    ["10.%d.%d.0/24" % (i, k), "10.%d.%d.7" % (i, k), "h%d%d.example" % (i, k),
                     "*.w%d%d.example" % (i, k)]), "enabled": rnd.random() < .8,
                "groups": some(groups)}))
        if rnd.random() < .7:
            n.rest("POST", "/api/networks/%s/routers" % net, dict(
                {"metric": rnd.randint(1, 9999), "masquerade": rnd.random() < .5,
                 "enabled": rnd.random() < .8},
                **rnd.choice([{"peer": rnd.choice(peers)["id"]},
                              {"peer_groups": some(groups, 1)}])))
    for i in range(rnd.randint(0, 6)):
        rule = {"name": rnd.choice([word(i), "r"]), "enabled": rnd.random() < .8,
                "action": rnd.choice(["accept", "drop"]), "bidirectional": False,
                "protocol": rnd.choice(["tcp", "udp"]), "sources": some(groups, 1)}
        rule.update(rnd.choice([{"ports": ["%d" % rnd.randint(1, 65535)]}, {"port_ranges": [
            {"start": 80, "end": 90}, {"start": 443, "end": 443}]}]))
        if resources and rnd.random() < .3:
            r = rnd.choice(resources)
            rule["destinationResource"] = {"id": r["id"], "type": r["type"]}
        elif rnd.random() < .2:
            rule["destinationResource"] = {"id": rnd.choice(peers)["id"], "type": "peer"}
        else:
            rule["destinations"] = some(groups, 1)
        n.rest("POST", "/api/policies", {
            "name": word(i), "description": word(i), "enabled": rnd.random() < .8,
            "source_posture_checks": some(checks), "rules": [rule]})
    for i in range(rnd.randint(0, 4)):
        n.rest("POST", "/api/routes", dict(
            {"description": word(i), "network_id": "net%d" % i, "enabled": rnd.random() < .8,
             "metric": rnd.randint(1, 9999), "masquerade": rnd.random() < .5,
             "groups": some(groups, 1), "keep_route": False, "peer": rnd.choice(peers)["id"],
             "access_control_groups": some(groups)}, **rnd.choice(
                [{"network": "10.20%d.0.0/16" % i}, {"domains": ["d%d.example" % i],
                                                     "keep_route": True}])))
    for i in range(rnd.randint(0, 3)):
        n.rest("POST", "/api/dns/nameservers", {
            "name": "ns%d" % i, "description": word(i), "enabled": rnd.random() < .8,
            "nameservers": [{"ip": "9.9.9.%d" % (k + 1), "ns_type": "udp", "port": 53 + k}
                            for k in range(rnd.randint(1, 3))], "groups": some(groups, 1),
            "primary": False, "domains": ["b.example", "a.example"],
            "search_domains_enabled": rnd.random() < .5})
    for i in range(rnd.randint(0, 2)):
        z = n.rest("POST", "/api/dns/zones", {
            "name": word(i), "domain": "z%d.example" % i, "enabled": rnd.random() < .8,
            "enable_search_domain": rnd.random() < .5, "distribution_groups": some(groups, 1)})
        for k in range(rnd.randint(0, 3)):
            n.rest("POST", "/api/dns/zones/%s/records" % z["id"], rnd.choice([
                {"name": "r%d.z%d.example" % (k, i), "type": "A", "content": "10.0.0.%d" % (k + 1),
                 "ttl": rnd.choice([60, 300])},
                {"name": "r%d.z%d.example" % (k, i), "type": "CNAME", "content": "x.example",
                 "ttl": 300}]))
    n.rest("PUT", "/api/dns/settings", {"disabled_management_groups": some(groups)})
    for i in range(rnd.randint(0, 3)):
        n.rest("POST", "/api/setup-keys", {
            "name": word(i), "type": "reusable", "expires_in": rnd.choice([0, 86400, 7 * 86400]),
            "auto_groups": some(groups[:-1]), "usage_limit": rnd.randint(0, 5),
            "ephemeral": rnd.random() < .5, "allow_extra_dns_labels": rnd.random() < .5})
    account = n.rest("GET", "/api/accounts")[0]
    settings = dict(account["settings"], peer_login_expiration=rnd.randint(3600, 90000),
                    regular_users_view_blocked=rnd.random() < .5,
                    ipv6_enabled_groups=some(groups))
    settings.pop("network_range", None)
    settings.pop("network_range_v6", None)
    n.rest("PUT", "/api/accounts/" + account["id"], {"settings": settings})


def traffic_settings():
    """Who is recorded is part of the network: it stays, is exported and can be changed."""
    t = Network((), ROOKERY_FLOW="true")
    account = t.rest("GET", "/api/accounts")[0]

    def extra():
        return {k: v for k, v in t.rest("GET", "/api/accounts")[0]["settings"]["extra"].items() if "traffic" in k}

    t.rest("PUT", "/api/accounts/" + account["id"], {"settings": dict(account["settings"], extra=dict(
        account["settings"]["extra"], network_traffic_logs_enabled=True,
        network_traffic_packet_counter_enabled=True))})
    was = extra()
    t.apply("settings: {peer_login_expiration: 7200, extra: {peer_approval_enabled: true}}\n")
    check("traffic settings stay", extra() == was and was["network_traffic_logs_enabled"] and
          was["network_traffic_logs_groups"] is None, (was, extra()))
    t.apply("groups: [{name: watched}]\nsettings:\n  extra:\n    network_traffic_logs_groups: [watched]\n"
            "    network_traffic_packet_counter_enabled: false\n")
    group = [g["id"] for g in t.rest("GET", "/api/groups") if g["name"] == "watched"]
    check("and are set, by name", extra() == {
        "network_traffic_logs_enabled": True, "network_traffic_logs_groups": group,
        "network_traffic_packet_counter_enabled": False}, extra())
    out = t.export()
    check("and exported", "network_traffic_logs_enabled: true" in out and
          "network_traffic_logs_groups: [watched]" in out, out)
    check("nothing to do for them", t.plan(out)["steps"] == [])
    t.apply("settings: {extra: {network_traffic_logs_groups: []}}\n")
    check("and no group any more", extra()["network_traffic_logs_groups"] == [], extra())


traffic_settings()
empty = Network()
empty.refused("settings: {extra: {network_traffic_logs_enabled: true}}\n", "server.x.flow is off")
blank = empty.export()
full = Network()
for round_ in range(3):
    fill(full)
    out = full.export()
    check("nothing to do for what is there", full.plan(out)["steps"] == [], full.plan(out)["steps"])
    empty.apply("setup_keys: []\n")  # of the round before: most of a key cannot be changed
    empty.apply(out)
    there = empty.export()
    check("the same elsewhere", there == out, "".join(difflib.unified_diff(
        out.splitlines(1), there.splitlines(1))))
    check("and nothing to do there", empty.plan(out)["steps"] == [])
    full.apply(blank)
    check("and back to the beginning", full.export() == blank)

# ---- as commands, here, elsewhere and without a server


def write(name, text):
    path = os.path.join(n.s.dir, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def command(status, *words, env=None):
    r = subprocess.run([ROOKERY, *words], env=env or n.s.env, capture_output=True, text=True,
                       timeout=300)
    check("rookery %s" % " ".join(w for w in words if "/" not in w), r.returncode == status,
          "%d %s%s" % (r.returncode, r.stdout[-400:], r.stderr))
    return r.stdout + r.stderr


n.apply(EXAMPLE)
example, kept = write("example.yaml", EXAMPLE), os.path.join(n.s.dir, "plan.json")
wide = write("wide.yaml", EXAMPLE.replace("ports: [5432]", "ports: [5432, 5433]"))
wrong = write("wrong.yaml", EXAMPLE.replace("ports: [5432]", "ports: [5433]"))
out = command(0, "plan", example)
check("nothing to do", "the network is as the file says" in out, out)
out = command(0, "plan", wide, "--out", kept)
check("steps, effect and tests as text", "update  policy" in out and "db access; rules" in out and
      "tcp 5432-5433, was tcp 5432" in out and "4 changed" in out and "ok   web can" in out, out)
out = command(0, "plan", write("settings.yaml", "settings: {peer_login_expiration: 7300}\n"))
check("what has no name", "settings         peer_login_expiration" in out, out)
check("a failing test", "FAIL web can reach db1:5432" in command(1, "plan", wrong))
check("refuses apply", "would not hold" in command(2, "apply", wrong))
n.rest("POST", "/api/groups", {"name": "meanwhile", "peers": []})
check("a plan of before", "plan again" in command(2, "apply", "--plan", kept))
command(0, "plan", wide, "--out", kept)
check("a plan of now", re.search(r"\d steps? done", command(0, "apply", "--plan", kept)))
check("is done", "the network is as the file says" in command(0, "plan", wide))
check("export", command(0, "export") == n.export())
for words in (("apply",), ("plan",), ("plan", example, "--serial", "1"), ("apply", "--plan", wide),
              ("apply", example, "--plan", kept), ("plan", "/nowhere"), ("plan", n.s.db),
              ("export", "x")):
    command(2, *words)
check("a moved network", "has moved" in command(2, "apply", example, "--serial", "1"))
token = write("token", n.s.token + "\n")
away = {k: v for k, v in os.environ.items() if not k.startswith("ROOKERY_")}
url = "http://127.0.0.1:%d/" % n.s.port
there = ("--url", url, "--token-file", token)
check("elsewhere: plan", "update  policy" in command(0, "plan", example, *there, env=away))
check("elsewhere: export", command(0, "export", *there, env=away) == n.export())
check("elsewhere: apply", re.search(r"\d steps? done", command(0, "apply", example, *there, env=away)))
check("elsewhere: what is refused", "line 1: nonsense is no key" in command(
    2, "plan", write("bad.yaml", "nonsense: 1\n"), *there, env=away))
check("elsewhere: no token", "personal access token" in command(2, "plan", example, "--url", url,
                                                                env=away))
check("elsewhere: a wrong one", "token invalid" in command(
    2, "plan", example, "--url", url, env=dict(away, ROOKERY_TOKEN="nonsense")))
check("elsewhere: nobody", "http://127.0.0.1:1" in command(
    2, "export", "--url", "http://127.0.0.1:1", "--token-file", token, env=away))
before = n.export()
n.s.p.stop()
check("stopped: export", command(0, "export") == before)
check("stopped: apply", re.search(r"\d steps? done", command(0, "apply", wide)) and
      "as the file says" in command(0, "plan", wide))

for s in (empty.s, full.s):
    s.p.stop()
finish()
