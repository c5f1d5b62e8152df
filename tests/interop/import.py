# SPDX-License-Identifier: BSD-3-Clause
"""Objects of every kind on an official server by its REST API, and what it answers about them:
import.py fill|ask|compare URL TOKEN FILE. Used by import.sh."""
import json
import os
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "func"))
from answers import differences, prepare  # noqa: E402

WHAT, URL, TOKEN, FILE = sys.argv[1:5]


def call(method, path, body=None):
    r = urllib.request.Request(URL + "/api/" + path, method=method,
                               data=json.dumps(body).encode() if body is not None else None,
                               headers={"Authorization": "Token " + TOKEN,
                                        "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(r, timeout=60) as a:
            return json.loads(a.read() or b"null")
    except urllib.error.HTTPError as e:
        raise SystemExit("%s %s: %d %s" % (method, path, e.code, e.read().decode()[:300]))


def make(path, **body):
    return call("POST", path, body)


def rule(name, **more):
    return dict({"name": name, "enabled": True, "action": "accept", "bidirectional": True,
                 "protocol": "all"}, **more)


def fill():
    everybody = [g for g in call("GET", "groups") if g["name"] == "All"][0]["id"]
    peers = [p["id"] for p in call("GET", "peers")]
    dev, ops = make("groups", name="dev", peers=peers[:1])["id"], make("groups", name="ops")["id"]
    make("setup-keys", name="reusable", type="reusable", expires_in=86400, auto_groups=[dev],
         usage_limit=7, ephemeral=True, allow_extra_dns_labels=True)
    make("setup-keys", name="once", type="one-off", expires_in=86400, auto_groups=[], usage_limit=1)
    k = make("setup-keys", name="revoked", type="reusable", expires_in=86400, auto_groups=[],
             usage_limit=0)
    call("PUT", "setup-keys/" + k["id"], {"revoked": True, "auto_groups": [ops]})
    make("users", email="ann@example.com", name="Ann", role="user", auto_groups=[dev],
         is_service_user=False)
    robot = make("users", name="robot", role="admin", auto_groups=[ops], is_service_user=True)
    make("users/%s/tokens" % robot["id"], name="robots", expires_in=30)
    gone = make("users", email="gone@example.com", name="Gone", role="user", auto_groups=[],
                is_service_user=False)
    call("DELETE", "users/" + gone["id"])
    make("users/invites", email="invited@example.com", name="Invited", role="user",
         auto_groups=[dev], expires_in=259200)
    checks = [make("posture-checks", name="version", description="d",
                   checks={"nb_version_check": {"min_version": "0.20.0"}}),
              make("posture-checks", name="os", description="",
                   checks={"os_version_check": {"linux": {"min_kernel_version": "5.0"},
                                                "darwin": {"min_version": "12"}}}),
              make("posture-checks", name="net", description="", checks={
                  "peer_network_range_check": {"ranges": ["192.0.2.0/24"], "action": "deny"},
                  "process_check": {"processes": [{"linux_path": "/bin/x"}]}})]
    make("policies", name="web", description="to the web", enabled=True,
         source_posture_checks=[c["id"] for c in checks],
         rules=[rule("web", protocol="tcp", ports=["80", "443"], bidirectional=False, sources=[dev],
                     destinations=[ops])])
    make("policies", name="ranges", description="", enabled=False, rules=[
        rule("ranges", protocol="udp", port_ranges=[{"start": 1000, "end": 2000}], sources=[ops],
             destinations=[everybody], action="drop")])
    make("policies", name="ping", description="", enabled=True, rules=[
        rule("ping", protocol="icmp", sources=[everybody], destinations=[dev])])
    make("routes", description="r", network_id="net1", network="10.20.0.0/16", enabled=True,
         peer_groups=[dev], metric=100, masquerade=True, groups=[everybody], keep_route=False,
         access_control_groups=[ops], skip_auto_apply=True)
    make("routes", description="names", network_id="names", domains=["a.example", "b.example"],
         enabled=False, peer=peers[0], metric=9999, masquerade=False, groups=[everybody],
         keep_route=True)
    n = make("networks", name="office", description="o")["id"]
    printer = make("networks/%s/resources" % n, name="printer", address="10.1.2.3", enabled=True,
                   groups=[dev], description="")
    make("networks/%s/resources" % n, name="lan", address="10.1.0.0/16", enabled=False, groups=[ops])
    make("networks/%s/resources" % n, name="wiki", address="*.wiki.example", enabled=True,
         groups=[ops], description="w")
    make("networks/%s/routers" % n, peer_groups=[dev], metric=9999, masquerade=True, enabled=True)
    make("networks/%s/routers" % n, peer=peers[1], metric=1, masquerade=False, enabled=False)
    make("policies", name="printer", description="", enabled=True, rules=[
        rule("printer", protocol="tcp", ports=["9100"], bidirectional=False, sources=[dev],
             destinationResource={"id": printer["id"], "type": "host"})])
    make("dns/nameservers", name="ns", description="", enabled=True, primary=False,
         nameservers=[{"ip": "8.8.8.8", "ns_type": "udp", "port": 53}], groups=[everybody],
         domains=["example.org"], search_domains_enabled=True)
    call("PUT", "dns/settings", {"disabled_management_groups": [ops]})
    z = make("dns/zones", name="corp", domain="corp.test", enabled=True, enable_search_domain=True,
             distribution_groups=[everybody])["id"]
    make("dns/zones/%s/records" % z, name="www.corp.test", type="A", content="10.1.1.1", ttl=300)
    make("dns/zones/%s/records" % z, name="six.corp.test", type="AAAA", content="fd00::1", ttl=60)
    make("dns/zones/%s/records" % z, name="alias.corp.test", type="CNAME", content="www.corp.test",
         ttl=60)
    a = call("GET", "accounts")[0]
    s = dict(a["settings"], peer_login_expiration=7200, groups_propagation_enabled=True,
             peer_inactivity_expiration=900, regular_users_view_blocked=True)
    call("PUT", "accounts/" + a["id"], {"settings": s, "onboarding": a["onboarding"]})


def everything():
    paths = ["accounts", "dns/nameservers", "dns/settings", "dns/zones", "events/audit", "groups",
             "identity-providers", "networks", "peers", "policies", "posture-checks", "routes",
             "setup-keys", "users", "users?service_user=true", "users/invites"]
    out = {p: call("GET", p) for p in paths}
    for n in out["networks"]:
        for kind in ("resources", "routers"):
            p = "networks/%s/%s" % (n["id"], kind)
            out[p] = call("GET", p)
    for z in out["dns/zones"]:
        out["dns/zones/%s/records" % z["id"]] = call("GET", "dns/zones/%s/records" % z["id"])
    for u in out["users?service_user=true"] + out["users"]:
        if u["is_service_user"] or u.get("is_current"):
            out["users/%s/tokens" % u["id"]] = call("GET", "users/%s/tokens" % u["id"])
    for p in out["peers"]:
        out["peers/" + p["id"]] = call("GET", "peers/" + p["id"])
    return out


def compare():
    with open(FILE) as f:
        was = json.load(f)
    bad = fields = 0
    for path, before in sorted(was.items()):
        fields += len(json.dumps(before).split('": '))
        for d in differences(*prepare(path, before, call("GET", path))):
            bad += 1
            print("GET %s: %s" % (path, d))
    print("%d answers, about %d fields, %d differences" % (len(was), fields, bad))
    return bad


if WHAT == "fill":
    fill()
elif WHAT == "ask":
    with open(FILE, "w") as f:
        json.dump(everything(), f)
else:
    sys.exit(1 if compare() else 0)
