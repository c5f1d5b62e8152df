# SPDX-License-Identifier: BSD-3-Clause
"""The verdict of posture checks on a machine, and why, with every role: posture.py ./rookery"""
import http.client
import json
import os
import sys

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
BASE = "/api/x/peers/"
META = (field(1, "laptop") + field(2, "linux") + field(6, "Debian") + field(7, "0.70.0") +
        field(9, "6.1.0-38-amd64") + field(11, field(1, "10.20.0.7/24")) +
        field(16, field(1, "/usr/bin/guard") + b"\x10\x01\x18\x01"))


def rest(method, path, body=None, want=200):
    status, text = s.api(method, path, body)
    check("%s %s" % (method, path), status == want, "%s %s" % (status, text))
    return json.loads(text)


def as_other(authorization, path):
    c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
    c.request("GET", path, None, {"Authorization": authorization})
    a = c.getresponse()
    return a.status, json.loads(a.read())


def made(name, **checks):
    return rest("POST", "/api/posture-checks", {"name": name, "description": "", "checks": checks})["id"]


bob = rest("POST", "/api/users", {"role": "user", "is_service_user": False, "name": "Bob",
                                  "email": "bob@example.com", "auto_groups": []})
browser, flow = Browser(s.port), Flow(scope="openid profile email")
back = browser.submit(browser.get("/oauth2/auth", **flow.params()), login="bob@example.com",
                      password=bob["password"])
jwt = "Bearer " + flow.redeem(browser, back.query()["code"]).json()["access_token"]
with grpc.insecure_channel("127.0.0.1:%d" % s.port) as ch:
    Agent(ch).login(meta=META, jwt=jwt.split()[1])
    key = rest("POST", "/api/setup-keys", {"name": "k", "type": "reusable", "expires_in": 86400,
                                           "auto_groups": [], "usage_limit": 0})["key"]
    Agent(ch).login(key, field(1, "server") + field(2, "windows"))
peers = {p["name"]: p["id"] for p in rest("GET", "/api/peers")}
check("no checks", rest("GET", BASE + peers["laptop"] + "/posture") == [])

made("new enough", nb_version_check={"min_version": "0.69.0"})
old = made("too old", nb_version_check={"min_version": "9.0.0"})
made("kernel", os_version_check={"linux": {"min_kernel_version": "6.2.0"}})
made("office", peer_network_range_check={"ranges": ["10.20.0.0/16"], "action": "allow"})
made("not the office", peer_network_range_check={"ranges": ["10.20.0.0/16"], "action": "deny"})
made("guarded", process_check={"processes": [{"linux_path": "/usr/bin/guard"}]})
made("guarded twice", process_check={"processes": [{"linux_path": "/usr/bin/guard"},
                                                  {"linux_path": "/usr/bin/other"}]},
     nb_version_check={"min_version": "0.1.0"})
group = rest("POST", "/api/groups", {"name": "laptops", "peers": [peers["laptop"]]})["id"]
policy = rest("POST", "/api/policies", {
    "name": "with check", "enabled": True, "source_posture_checks": [old],
    "rules": [{"name": "r", "enabled": True, "action": "accept", "protocol": "all",
               "bidirectional": False, "sources": [group], "destinations": [group]}]})["id"]


def verdicts(answer):
    return {c["name"]: (c["passes"], [(p["part"], p["passes"], p["wanted"], p["found"])
                                      for p in c["parts"]]) for c in answer}


got = rest("GET", BASE + peers["laptop"] + "/posture")
want = {
    "new enough": (True, [("nb_version_check", True, "0.69.0 or newer", "0.70.0")]),
    "too old": (False, [("nb_version_check", False, "9.0.0 or newer", "0.70.0")]),
    "kernel": (False, [("os_version_check", False, "6.2.0 or newer", "linux 6.1.0")]),
    "office": (True, [("peer_network_range_check", True, "in 10.20.0.0/16", "10.20.0.7/24, from 127.0.0.1")]),
    "not the office": (False, [("peer_network_range_check", False, "not in 10.20.0.0/16",
                                "10.20.0.7/24, from 127.0.0.1")]),
    "guarded": (True, [("process_check", True, "/usr/bin/guard running", "/usr/bin/guard")]),
    "guarded twice": (False, [("nb_version_check", True, "0.1.0 or newer", "0.70.0"),
                              ("process_check", False, "/usr/bin/guard, /usr/bin/other running",
                               "/usr/bin/guard")]),
}
for name, verdict in want.items():
    check(name, verdicts(got).get(name) == verdict, verdicts(got).get(name))
check("for which policies", [c["policies"] for c in got if c["name"] == "too old"] ==
      [[{"id": policy, "name": "with check", "enabled": True, "concerns": True}]], got)
other = verdicts(rest("GET", BASE + peers["server"] + "/posture"))
check("another system", other["guarded"] == (False, [("process_check", False, "another system", "not running")]) and
      other["kernel"][1][0][2] == "another system" and other["new enough"][1][0][3] == "unknown", other)
rest("GET", BASE + "nobody/posture", want=404)

auditor = rest("POST", "/api/users", {"role": "auditor", "is_service_user": True, "name": "audit",
                                      "auto_groups": []})
token = rest("POST", "/api/users/%s/tokens" % auditor["id"], {"name": "t", "expires_in": 1})
status, body = as_other("Token " + token["plain_token"], BASE + peers["laptop"] + "/posture")
check("an auditor sees all of it", status == 200 and body == got, body)
account = rest("GET", "/api/accounts")[0]
for hidden in (True, False):
    rest("PUT", "/api/accounts/" + account["id"], {
        "settings": dict(account["settings"], regular_users_view_blocked=hidden)})
    status, body = as_other(jwt, BASE + peers["laptop"] + "/posture")
    check("a member, of the own machine", status == (404 if hidden else 200), (hidden, status, body))
check("what decides about it, and no policies", [(c["name"], c["passes"], "policies" in c) for c in body] ==
      [("too old", False, False)], body)
check("not of others", as_other(jwt, BASE + peers["server"] + "/posture")[0] == 404)
check("nobody without a token", as_other("Bearer x", BASE + peers["laptop"] + "/posture")[0] == 401)
finish()
