# SPDX-License-Identifier: BSD-3-Clause
"""Who can reach what, over REST with every role and as `rookery reach`: reach.py ./rookery"""
import datetime
import http.client
import json
import os
import sys
import time
from urllib.parse import urlencode

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import grpc
    from mgmt_peer import Agent, field
except ImportError as e:
    print("skip:", e)
    sys.exit(77)
from idp_client import Browser, Flow  # noqa: E402
from proc import check, finish  # noqa: E402
from rookery import Server  # noqa: E402

s = Server()
s.setup()


def rest(method, path, body=None, want=200):
    status, text = s.api(method, path, body)
    check("%s %s" % (method, path.split("?")[0]), status == want, "%s %s" % (status, text))
    return json.loads(text)


def reach(want=200, **q):
    return rest("GET", "/api/x/reach?" + urlencode({k.rstrip("_"): v for k, v in q.items()}),
                want=want)


def codes(a):
    return sorted(m["code"] for m in a["missing"])


def enrol(ch, name, key):
    agent = Agent(ch)
    agent.login(key, field(1, name) + field(2, "linux") + field(6, "Debian") +
                field(7, "0.77.1"))
    return [p for p in rest("GET", "/api/peers") if p["name"] == name][0]


def rule(name, src, dst, **more):
    return dict({"name": name, "enabled": True, "action": "accept", "protocol": "tcp",
                 "bidirectional": False, "sources": src, "destinations": dst}, **more)


def policy(name, **more):
    return rest("POST", "/api/policies", dict(
        {"name": name, "enabled": True, "rules": [rule(name, [web["id"]], [db["id"]], **more)]}))


# ---- a small network: two web servers, one database, one office router

for p in rest("GET", "/api/policies"):
    rest("DELETE", "/api/policies/" + p["id"])
key = rest("POST", "/api/setup-keys", {"name": "k", "type": "reusable", "expires_in": 86400,
                                       "auto_groups": [], "usage_limit": 0})["key"]
with grpc.insecure_channel("127.0.0.1:%d" % s.port) as ch:
    peers = {n: enrol(ch, n, key) for n in ("web1", "web2", "db1", "office")}
web = rest("POST", "/api/groups", {"name": "web", "peers": [peers["web1"]["id"],
                                                             peers["web2"]["id"]]})
db = rest("POST", "/api/groups", {"name": "database", "peers": [peers["db1"]["id"]]})

# ---- every reason of a no between two machines, and the yes

a = reach(from_="web1", to="db1")
check("nothing connects them", not a["reachable"] and codes(a) == ["no_policy"], a)
pol = policy("db access", ports=["5432"])
a = reach(from_="web1", to="db1", protocol="tcp", port=5432)
check("yes, by the policy", a["reachable"] and a["flows"] == "tcp 5432" and
      a["by"][0]["policy"]["name"] == "db access" and not a["by"][0]["reverse"] and
      a["missing"] == [], a)
check("ends are named", a["from"]["ip"] == peers["web1"]["ip"] and a["to"]["name"] == "db1", a)
check("another port", codes(reach(from_="web1", to="db1", protocol="tcp", port=22)) == ["port"])
check("another protocol", codes(reach(from_="web1", to="db1", protocol="udp", port=5432)) ==
      ["port"])
a = reach(from_="db1", to="web1")
check("the other way round", codes(a) == ["one_way"] and
      a["missing"][0]["policy"]["name"] == "db access", a)
rest("PUT", "/api/policies/" + pol["id"], dict(
    {"name": "db access", "enabled": False,
     "rules": [rule("r", [web["id"]], [db["id"]], ports=["5432"])]}))
check("policy off", codes(reach(from_="web1", to="db1")) == ["policy_disabled"])
rest("PUT", "/api/policies/" + pol["id"], dict(
    {"name": "db access", "enabled": True,
     "rules": [rule("r", [web["id"]], [db["id"]], ports=["5432"], enabled=False)]}))
check("rule off", codes(reach(from_="web1", to="db1")) == ["rule_disabled"])
old = rest("POST", "/api/posture-checks", {
    "name": "new agents", "description": "", "checks": {"nb_version_check": {
        "min_version": "9.0.0"}}})
rest("PUT", "/api/policies/" + pol["id"], {
    "name": "db access", "enabled": True, "source_posture_checks": [old["id"]],
    "rules": [rule("r", [web["id"]], [db["id"]], ports=["5432"])]})
a = reach(from_="web1", to="db1")
check("posture", codes(a) == ["posture"] and a["missing"][0]["id"] == old["id"], a)
rest("PUT", "/api/policies/" + pol["id"], {
    "name": "db access", "enabled": True, "source_posture_checks": [],
    "rules": [rule("r", [web["id"]], [db["id"]], ports=["5432"])]})
drop = policy("not web", protocol="all", action="drop")
check("a drop wins", codes(reach(from_="web1", to="db1", protocol="tcp", port=5432)) == ["dropped"])
rest("DELETE", "/api/policies/" + drop["id"])

# ---- how ends may be named

for name, to in (("id", peers["db1"]["id"]), ("address", peers["db1"]["ip"]), ("name", "db1"),
                 ("full name", peers["db1"]["dns_label"]), ("prefix", "peer:db1")):
    check("a peer by " + name, reach(from_="web1", to=to, protocol="tcp", port=5432)["reachable"])
check("nobody of that name", "no peer" in reach(404, from_="web1", to="nobody")["message"])
check("a source behind an address", "from must be" in
      reach(422, from_="8.8.8.8", to="db1")["message"])
for bad in ({"port": "x"}, {"port": 70000}, {"protocol": "sctp"}, {"page_size": 5000}):
    reach(422, from_="web1", to="db1", **bad)
reach(422)

# ---- groups, and everybody

a = reach(from_="web", to="database", protocol="tcp", port=5432)
check("group to group", a["total"] == 2 and all(p["reachable"] for p in a["pairs"]), a)
a = reach(from_="All", to="All", page_size=5, page=2)
check("pages", a["total"] == 12 and len(a["pairs"]) == 5 and a["page"] == 2, a)
a = reach(to="db1")
check("who reaches it", sorted(p["peer"]["name"] for p in a["peers"]) == ["web1", "web2"] and
      a["peers"][0]["flows"] == "tcp 5432", a)
a = reach(from_="web2")
check("whom it reaches", [p["peer"]["name"] for p in a["peers"]] == ["db1"], a)

# ---- tables


def matrix(want=200, **q):
    return rest("GET", "/api/x/reach/matrix?" + urlencode({k.rstrip("_"): v for k, v in q.items()}),
                want=want)


a = matrix()
cells = {(c["from"]["name"], c["to"]["name"]): c for c in a["cells"]}
check("groups by groups", a["total"] == 9 and len(cells) == 9, a)
check("how many pairs", (cells["web", "database"]["pairs"], cells["web", "database"]["reachable"],
                         cells["database", "web"]["reachable"], cells["All", "All"]["pairs"],
                         cells["All", "All"]["reachable"], cells["web", "web"]["pairs"]) ==
      (2, 2, 0, 12, 2, 2), cells)
check("an example", cells["web", "database"]["example"]["flows"] == "tcp 5432", cells)
check("pages of it", [c["to"] for c in matrix(page=2, page_size=4)["cells"]] ==
      [c["to"] for c in a["cells"][4:8]])
check("one row", matrix(from_="web")["total"] == 3 and matrix(from_="web", to="database")["cells"] ==
      [cells["web", "database"]])
a = matrix(of="peers", protocol="tcp", port=5432)
yes = {(c["from"]["name"], c["to"]["name"]) for c in a["cells"] if c["reachable"]}
check("peers by peers", a["total"] == 16 and yes == {("web1", "db1"), ("web2", "db1")}, a)
check("each cell is the question", all(
    c["reachable"] == reach(from_=c["from"]["id"], to=c["to"]["id"], protocol="tcp",
                            port=5432)["reachable"] for c in a["cells"] if c["from"] != c["to"]))
check("of some", matrix(of="peers", from_="web", to="db1")["total"] == 2)
for bad in ({"of": "x"}, {"port": 5}, {"page_size": 5000}, {"from_": "web1"},
            {"of": "peers", "from_": "8.8.8.8"}):
    matrix(422, **bad)
matrix(404, from_="nowhere")

# ---- behind a routing peer

check("nothing leads there", codes(reach(from_="web1", to="10.20.0.7")) == ["no_route"])
net = rest("POST", "/api/networks", {"name": "office", "description": ""})
res = rest("POST", "/api/networks/%s/resources" % net["id"], {
    "name": "printers", "description": "", "address": "10.20.0.0/24", "enabled": True,
    "groups": [db["id"]]})
check("no router", codes(reach(from_="web1", to="10.20.0.7")) == ["no_router"])
rest("POST", "/api/networks/%s/routers" % net["id"], {
    "peer": peers["office"]["id"], "metric": 100, "masquerade": True, "enabled": True})
a = reach(from_="web1", to="10.20.0.7", protocol="tcp", port=5432)
check("over the router", a["reachable"] and a["over"][0]["router"]["name"] == "office" and
      a["over"][0]["id"] == res["id"] and a["by"][0]["policy"]["name"] == "db access", a)
check("not for others", codes(reach(from_="db1", to="10.20.0.7")) == ["not_given"])
check("the resource by name", reach(from_="web1", to="printers", protocol="tcp",
                                    port=5432)["reachable"])
rest("PUT", "/api/networks/%s/resources/%s" % (net["id"], res["id"]), {
    "name": "printers", "description": "", "address": "10.20.0.0/24", "enabled": False,
    "groups": [db["id"]]})
check("resource off", codes(reach(from_="web1", to="10.20.0.7")) == ["route_disabled"])

# ---- what a change would do, without doing it


def dry(method, path, body=None, want=200):
    return rest(method, path + "?dry_run=true", body, want)


LISTS = ("accounts", "peers", "groups", "policies", "posture-checks", "routes", "networks",
         "dns/nameservers", "dns/zones", "setup-keys", "events/audit")


def everything():
    return {path: rest("GET", "/api/" + path) for path in LISTS}


before = everything()
wide = {"name": "db access", "enabled": True, "source_posture_checks": [],
        "rules": [rule("r", [web["id"]], [db["id"]], ports=["5432", "22"])]}
a = dry("PUT", "/api/policies/" + pol["id"], wide)
check("a wider policy", a["dry_run"] and a["flows"]["changed"] == 2 and a["flows"]["gained"] == 0 and
      a["flows"]["complete"] and a["machines"] >= 3, a)
check("before and after", {(f["from"]["name"], f["to"]["name"], f["before"], f["after"])
                           for f in a["flows"]["list"]} ==
      {(w, "db1", "tcp 5432", "tcp 22, 5432") for w in ("web1", "web2")}, a)
check("the object", [(c["kind"], c["op"], c["name"]) for c in a["changes"]] ==
      [("policy", "update", "db access")], a)
a = dry("DELETE", "/api/policies/" + pol["id"])
check("without the policy", a["flows"]["lost"] == 2 and a["changes"][0]["op"] == "delete", a)
a = dry("PUT", "/api/groups/" + web["id"], {"name": "web", "peers": [peers["web1"]["id"]]})
check("a smaller group", a["flows"]["lost"] == 1 and
      a["flows"]["list"][0]["from"]["name"] == "web2" and
      [(c["op"], c["peer"]) for c in a["changes"]] == [("delete", "web2")], a)
a = dry("DELETE", "/api/peers/" + peers["db1"]["id"])
check("without a machine", a["flows"]["lost"] == 2 and
      all(f["after"] == "none" for f in a["flows"]["list"]), a)
a = dry("PUT", "/api/networks/%s/resources/%s" % (net["id"], res["id"]), {
    "name": "printers", "description": "", "address": "10.20.0.0/24", "enabled": True,
    "groups": [db["id"]]})
check("a resource", {(f["from"]["name"], f["route"]["name"], f["after"])
                     for f in a["flows"]["list"]} ==
      {(w, "printers", "tcp 5432") for w in ("web1", "web2")}, a)
a = dry("POST", "/api/groups", {"name": "new", "peers": []})
check("something new", a["changes"][0]["op"] == "create" and a["flows"]["list"] == [], a)
a = dry("POST", "/api/setup-keys", {"name": "n", "type": "one-off", "expires_in": 86400,
                                    "auto_groups": [], "usage_limit": 0})
check("a key is not shown", "key" not in a and a["changes"][0]["kind"] == "setup_key", a)
settings = dict(rest("GET", "/api/accounts")[0]["settings"], peer_login_expiration=7200)
dry("PUT", "/api/accounts/" + rest("GET", "/api/accounts")[0]["id"], {"settings": settings})
check("what is wrong is refused as ever", "name" in
      dry("POST", "/api/groups", {"name": "", "peers": []}, 422)["message"])
check("nobody is told what is not there", dry("DELETE", "/api/policies/none", want=404))
u = rest("GET", "/api/users/current")
for method, path, body, kinds in (
        ("POST", "/api/users", {"role": "user", "is_service_user": False, "name": "Eve",
                                "email": "eve@example.com", "auto_groups": [web["id"]]}, {"user"}),
        ("POST", "/api/users/%s/tokens" % u["id"], {"name": "t", "expires_in": 1}, {"pat"}),
        ("POST", "/api/users/invites", {"role": "user", "name": "Eve", "expires_in": 86400,
                                        "email": "eve@example.com", "auto_groups": []}, {"invite"}),
        ("POST", "/api/peers/%s/temporary-access" % peers["db1"]["id"], {
            "name": "once", "wg_pub_key": "A" * 42 + "8=", "rules": ["tcp/22"]},
         {"peer", "policy", "group_peer"})):
    a = dry(method, path, body)
    check("%s is tried" % path.split("/")[-1], kinds <= {c["kind"] for c in a["changes"]} and
          "password" not in str(a) and "token" not in str(a), a)
check("a machine for once, and whom it reaches", any(
    f["from"]["name"] == "once" and f["to"]["name"] == "db1" and f["after"] == "tcp 22"
    for f in a["flows"]["list"]), a["flows"])
for method, path in (("POST", "/api/setup"), ("DELETE", "/api/accounts/x"),
                     ("DELETE", "/api/reverse-proxies/clusters/x"), ("POST", "/api/reverse-proxies/proxy-tokens")):
    check("%s %s cannot be tried" % (method, path), "dry_run" in
          dry(method, path, {}, 422)["message"])
rest("DELETE", "/api/policies/%s?dry_run=perhaps" % pol["id"], want=422)
for twice in ("dry_run=false&dry_run=true", "dry_run=true&dry_run=true", "dry_run&dry_run=true"):
    check("a parameter twice", "dry_run stands twice" in rest(
        "DELETE", "/api/policies/%s?%s" % (pol["id"], twice), want=422)["message"])
check("of our own questions, too", "to stands twice" in rest(
    "GET", "/api/x/reach?from=web1&to=db1&to=web2", want=422)["message"])
check("nothing was changed by all this", everything() == before)

def now():
    time.sleep(0.002)
    t = datetime.datetime.now(datetime.timezone.utc).isoformat()
    time.sleep(0.002)
    return t


# ---- what must not be taken back: it would break what others made since


def entry_of(kind, id_, op):
    return [e for e in rest("GET", "/api/x/history?kind=%s&id=%s" % (kind, id_))
            if e["op"] == op][0]["entry"]


def refused(name, entry, reason):
    for dry in ("?dry_run=true", ""):
        a = rest("POST", "/api/x/history/%d/undo%s" % (entry, dry), want=412)
        check("%s%s" % (name, dry), reason in a["message"], a)


def made(path, **body):
    return rest("POST", path, body)["id"]


def deleted(path, id_):
    rest("DELETE", "%s/%s" % (path, id_))
    return entry_of({"/api/groups": "group", "/api/policies": "policy", "/api/peers": "peer"}[path],
                    id_, "delete")


def must_stay():
    lab = [made("/api/groups", name="lab%d" % i) for i in range(4)]
    pol = made("/api/policies", name="lab", enabled=True, rules=[rule("lab", lab[:1], lab[:1])])
    refused("a group that a policy has", entry_of("group", lab[0], "create"),
            "in use by policy " + pol)
    made("/api/setup-keys", name="lab", type="reusable", expires_in=86400, auto_groups=[lab[1]],
         usage_limit=0)
    refused("a group that a key gives", entry_of("group", lab[1], "create"), "in use by setup_key")
    rest("PUT", "/api/groups/" + lab[2], {"name": "lab2", "peers": [peers["web1"]["id"]]})
    refused("a group with members of later", entry_of("group", lab[2], "create"), "changed since")
    rest("PUT", "/api/policies/" + pol, {"name": "lab", "enabled": True,
                                         "rules": [rule("lab", lab[3:], lab[3:])]})
    gone = deleted("/api/groups", lab[0])
    refused("a policy of a group that is gone", entry_of("policy", pol, "update"),
            "refers to group " + lab[0])
    made("/api/groups", name="lab0")
    refused("a group whose name is another's", gone, "called lab0")
    posture = made("/api/posture-checks", name="lab", description="",
                   checks={"nb_version_check": {"min_version": "9.0.0"}})
    pol = made("/api/policies", name="lab2", enabled=True, source_posture_checks=[posture],
               rules=[rule("lab", lab[3:], lab[3:])])
    gone = deleted("/api/policies", pol)
    rest("DELETE", "/api/posture-checks/" + posture)
    refused("a policy of a check that is gone", gone, "refers to posture")
    lan = made("/api/networks", name="lab", description="")
    part = "/api/networks/%s/" % lan
    made(part + "resources", name="lab", description="", address="10.77.0.0/24", enabled=True,
         groups=lab[3:])
    refused("a network with resources of later", entry_of("network", lan, "create"),
            "in use by resource")
    router = made(part + "routers", peer=peers["office"]["id"], metric=1, masquerade=True, enabled=True)
    rest("DELETE", part + "routers/" + router)
    rest("DELETE", "/api/networks/" + lan)
    refused("a router of a network that is gone", entry_of("router", router, "delete"),
            "refers to network")
    zone = made("/api/dns/zones", name="lab", domain="lab.example", enabled=True,
                enable_search_domain=False, distribution_groups=lab[3:])
    record = made("/api/dns/zones/%s/records" % zone, name="x.lab.example", type="A",
                  content="192.0.2.1", ttl=60)
    rest("DELETE", "/api/dns/zones/%s/records/%s" % (zone, record))
    rest("DELETE", "/api/dns/zones/" + zone)
    refused("a record of a zone that is gone", entry_of("record", record, "delete"), "refers to zone")
    with grpc.insecure_channel("127.0.0.1:%d" % s.port) as ch:
        old, new = enrol(ch, "old", key), enrol(ch, "new", key)
    gone = deleted("/api/peers", old["id"])
    rest("PUT", "/api/peers/" + new["id"], dict(
        {k: new[k] for k in ("name", "ssh_enabled", "login_expiration_enabled",
                             "inactivity_expiration_enabled")}, ip=old["ip"]))
    refused("a machine whose address is another's", gone, "another peer")
    rest("DELETE", "/api/peers/" + new["id"])
    rest("POST", "/api/x/history/%d/undo" % gone)
    check("and it comes back when it can", rest("GET", "/api/peers/" + old["id"])["ip"] == old["ip"])
    rest("DELETE", "/api/peers/" + old["id"])


must_stay()

# ---- what was, and taking it back

h = rest("GET", "/api/x/history?kind=policy&id=" + pol["id"])
check("the policy's story", [(e["op"], e["name"]) for e in h] ==
      [("update", "db access")] * (len(h) - 1) + [("create", "db access")] and len(h) == 5, h)
check("by whom, and what", h[0]["actor"]["name"] and h[-1]["fields"] == [] and
      h[0]["fields"] == ["postures"], h)
check("filters", rest("GET", "/api/x/history?kind=policy&since=yesterday&until=1h") == [])
for bad in ("kind=cat", "since=soon", "page=0", "page_size=5000"):
    rest("GET", "/api/x/history?" + bad, want=422)
t1 = now()
rest("PUT", "/api/policies/" + pol["id"], wide)
rest("PUT", "/api/groups/" + web["id"], {"name": "web", "peers": [peers["web1"]["id"]]})
t2 = now()
d = rest("GET", "/api/x/diff?" + urlencode({"from": t1, "to": t2}))
check("two moments", {(f["from"]["name"], f["before"], f["after"]) for f in d["flows"]["list"]} ==
      {("web1", "tcp 5432", "tcp 22, 5432"), ("web2", "tcp 5432", "none")}, d)
check("the objects of it", sorted((c["kind"], c["op"]) for c in d["changes"]) ==
      [("group_peer", "delete"), ("policy", "update")], d)
d = rest("GET", "/api/x/diff?" + urlencode({"from": t2}))
check("nothing since", d["changes"] == [] and d["flows"]["list"] == [], d)
check("reach then", reach(from_="web2", to="db1", at=t1)["reachable"] and
      not reach(from_="web2", to="db1")["reachable"])
check("before the account", "the account was made" in
      rest("GET", "/api/x/diff?from=1000d", want=422)["message"])
rest("GET", "/api/x/diff", want=422)

entry = rest("GET", "/api/x/history?kind=policy&id=" + pol["id"])[0]["entry"]
a = rest("POST", "/api/x/history/%d/undo?dry_run=true" % entry)
check("what taking back would do", a["flows"]["changed"] == 1 and
      a["flows"]["list"][0]["after"] == "tcp 5432", a)
rest("POST", "/api/x/history/%d/undo" % entry)
check("taken back", rest("GET", "/api/policies/" + pol["id"])["rules"][0]["ports"] == ["5432"])
check("not twice", "changed since" in rest("POST", "/api/x/history/%d/undo" % entry,
                                           want=412)["message"])
member = rest("GET", "/api/x/history?kind=group_peer&id=" + web["id"])[0]
check("who left the group", member["op"] == "delete" and member["peer"] == "web2", member)
rest("POST", "/api/x/history/%d/undo" % member["entry"])
check("is back", sorted(p["name"] for p in rest("GET", "/api/groups/" + web["id"])["peers"]) ==
      ["web1", "web2"])
d = rest("GET", "/api/x/diff?" + urlencode({"from": t1}))
check("as if nothing had been", d["flows"]["list"] == [], d)
gone = rest("POST", "/api/networks", {"name": "gone", "description": ""})
rest("POST", "/api/networks/%s/resources" % gone["id"], {
    "name": "r", "description": "", "address": "10.9.0.1", "enabled": True, "groups": [db["id"]]})
whole = rest("GET", "/api/networks/resources")
rest("DELETE", "/api/networks/" + gone["id"])
entry = rest("GET", "/api/x/history?kind=network&id=" + gone["id"])[0]["entry"]
rest("POST", "/api/x/history/%d/undo" % entry)
check("what was deleted with it comes back, too", rest("GET", "/api/networks/resources") == whole,
      whole)
rest("POST", "/api/x/history/999999/undo", want=404)
rest("POST", "/api/x/history/x/undo", want=422)
user = rest("GET", "/api/x/history?kind=user")
check("users stay", user and "cannot be taken back" in
      rest("POST", "/api/x/history/%d/undo" % user[0]["entry"], want=412)["message"], user)
check("it is an event", [e["activity_code"] for e in rest("GET", "/api/events/audit")[:3]].count(
    "change.undo") >= 1)
r = s.command("history", "--kind", "cat")
check("an unknown kind is said on the command line, too", r.returncode and
      "no kind of object" in str(r.stderr), r)
check("the journal is whole", s.command("admin", "journal", "verify").returncode == 0)

# ---- roles


def asks(authorization, **q):
    c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=20)
    c.request("GET", "/api/x/reach?" + urlencode({k.rstrip("_"): v for k, v in q.items()}), None,
              {"Authorization": authorization})
    a = c.getresponse()
    return a.status, json.loads(a.read())


auditor = rest("POST", "/api/users", {"role": "auditor", "is_service_user": True, "name": "audit",
                                      "auto_groups": []})
token = rest("POST", "/api/users/%s/tokens" % auditor["id"], {"name": "t", "expires_in": 1})
status, body = asks("Token " + token["plain_token"], from_="web1", to="db1")
check("an auditor asks everything", status == 200 and body["by"][0]["policy"]["name"], body)

bob = rest("POST", "/api/users", {"role": "user", "is_service_user": False, "name": "Bob",
                                  "email": "bob@example.com", "auto_groups": [web["id"]]})
browser, flow = Browser(s.port), Flow(scope="openid profile email")
back = browser.submit(browser.get("/oauth2/auth", **flow.params()), login="bob@example.com",
                      password=bob["password"])
jwt = flow.redeem(browser, back.query()["code"]).json()["access_token"]
with grpc.insecure_channel("127.0.0.1:%d" % s.port) as ch:
    Agent(ch).login(meta=field(1, "laptop") + field(2, "linux") + field(6, "Debian") +
                    field(7, "0.77.1"), jwt=jwt)
account = rest("GET", "/api/accounts")[0]
for hidden in (True, False):
    settings = dict(account["settings"], regular_users_view_blocked=hidden)
    rest("PUT", "/api/accounts/" + account["id"], {"settings": settings})
    status, body = asks("Bearer " + jwt, from_="laptop", to="db1")
    check("a member asks about the own machine%s" % (" (hidden)" if hidden else ""),
          status == 403 if hidden else status == 200 and body["reachable"], body)
check("without the names of policies", body["by"] == [], body)
check("not about others", asks("Bearer " + jwt, from_="web1", to="db1")[0] == 404)
check("nor about groups", asks("Bearer " + jwt, from_="laptop", to="database")[0] == 404)
# what a member may not see is answered as what is not there
check("nor about a machine out of reach", asks("Bearer " + jwt, from_="laptop", to="web1") ==
      (404, {"message": asks("Bearer " + jwt, from_="laptop", to="nobody")[1]["message"].replace(
          "nobody", "web1"), "code": 404}))
for end in ({"from_": "web1", "to": "laptop"}, {"from_": "laptop", "to": "peer:web1"},
            {"from_": "laptop", "to": peers["web1"]["id"]}):
    status, body = asks("Bearer " + jwt, **end)
    check("whatever it is called: %s" % end, status == 404 and "known as" in body["message"], body)
status, body = asks("Bearer " + jwt, from_="laptop", to=peers["web1"]["ip"])
check("nor whose an address is", status == 200 and body["to"] == {
    "type": "address", "id": peers["web1"]["ip"], "name": peers["web1"]["ip"]} and
    codes(body) == ["no_route"], body)
hidden = made("/api/networks", name="hidden", description="")
hidden = made("/api/networks/%s/resources" % hidden, name="vault", description="",
              address="10.66.0.0/24", enabled=True, groups=[])
status, body = asks("Bearer " + jwt, from_="laptop", to="10.66.0.1")
check("nor what is behind others", codes(body) == ["no_route"] and hidden not in str(body), body)
check("nor a resource", asks("Bearer " + jwt, from_="laptop", to="vault")[0] == 404)
check("nor anybody without a token", asks("Bearer x", from_="web1", to="db1")[0] == 401)

# ---- names that would have a terminal do something

with grpc.insecure_channel("127.0.0.1:%d" % s.port) as ch:
    evil = enrol(ch, "ev\x1b]0;title\x07\n\x7fil\u009b2J", key)
for words in (("history", "--limit", "5"), ("reach", evil["id"], "db1"), ("admin", "peer", "list")):
    r = s.command(*words)
    check("%s prints no control characters" % words[0], "ev?]0;title???il?2J" in r.stdout, r.stdout)
check("JSON has the name", s.command("admin", "peer", "list", "--json").stdout.count(
    json.dumps(evil["name"])[1:5]) == 1)
rest("DELETE", "/api/peers/" + evil["id"])

# ---- the command, running and stopped


def command(*args):
    r = s.command("reach", *args)
    return r.returncode, r.stdout + r.stderr


for state in ("running", "stopped"):
    status, text = command("web1", "db1", "--protocol", "tcp", "--port", "5432")
    check("reach says yes (%s)" % state, status == 0 and text.startswith("yes") and
          'policy "db access"' in text, text)
    status, text = command("db1", "web1")
    check("reach says no, and why (%s)" % state, status == 1 and "other direction" in text, text)
    status, text = command("-", "db1", "--json")
    check("everybody, as JSON (%s)" % state, status == 0 and json.loads(text)["total"] == 3, text)
    status, text = command("web1", "nobody")
    check("no answer (%s)" % state, status == 2 and "nobody" in text, text)
    if state == "running":
        s.p.stop()
check("usage", command("web1")[0] == 2)
check("an option of another command", command("web1", "db1", "--limit", "3")[0] == 2)
r = s.command("history", "--kind", "policy", "--json")
check("history", r.returncode == 0 and json.loads(r.stdout)[0]["name"] == "db access", r.stderr)
r = s.command("diff", t1, t2)
check("diff", r.returncode == 0 and "web2 -> db1: none, was tcp 5432" in r.stdout, r.stdout + r.stderr)
r = s.command("reach", "web2", "db1", "--at", t2)
check("reach in the past", r.returncode == 1 and r.stdout.startswith("no"), r.stdout + r.stderr)
entry = json.loads(s.command("history", "--kind", "resource", "--json").stdout)[0]["entry"]
r = s.command("undo", str(entry))
check("undo", r.returncode == 0 and "taken back" in r.stdout, r.stdout + r.stderr)
check("undo of nothing", s.command("undo", "999999").returncode == 2)
finish()
