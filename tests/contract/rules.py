# SPDX-License-Identifier: BSD-3-Clause
"""Rules of the REST API beyond its shapes: what is refused and in which words, what follows from a
change, roles, limits. Usage: rules.py RESTD. With --url URL TOKEN instead of RESTD the refusals are
sent to another server (an official one, say), and what it answers differently is printed."""
import json
import sys

from server import Server

TOKEN = "rules-setup-token"
KEY = "gI6EdUSYvn8ugXOt8QQD6Yc+JyiZxIhp3GInSWRfWGE="


class Api:
    def __init__(self, server, owner):
        self.server, self.owner = server, owner
        self.checks = self.failed = 0

    def check(self, ok, what):
        self.checks += 1
        if not ok:
            self.failed += 1
            print("FAIL", what)

    def call(self, method, path, body=None, token=None, status=200):
        answer = self.server.request(method, "/api" + path, body, token or self.owner)
        self.check(answer.status == status,
                   f"{method} {path} {json.dumps(body)}: {answer.status}, not {status}: "
                   f"{answer.body[:200]}")
        return answer.json() if answer.body else None

    def refuse(self, status, text, method, path, body=None, token=None):
        answer = self.server.request(method, "/api" + path, body, token or self.owner)
        message = ""
        try:
            message = answer.json()["message"]
        except (ValueError, KeyError, TypeError):
            pass
        self.check(answer.status == status and text in message,
                   f"{method} {path} {json.dumps(body)}: {answer.status} {message!r}, not {status} "
                   f"{text!r}")

    def post(self, path, body):
        return self.call("POST", path, body)


def objects(api):
    """What the refusals refer to."""
    ids = {"all": api.call("GET", "/groups?name=All")[0]["id"]}
    ids["g"] = api.post("/groups", {"name": "g"})["id"]
    ids["g2"] = api.post("/groups", {"name": "g2"})["id"]
    ids["account"] = api.call("GET", "/accounts")[0]["id"]
    ids["owner"] = [u for u in api.call("GET", "/users") if u["is_current"]][0]["id"]
    return ids


def refusals(i):
    """(status, part of the message, method, path, body); the official server answers the same
    unless a third element says "ours"."""
    all_, g = i["all"], i["g"]
    key = {"name": "k", "type": "reusable", "expires_in": 60, "auto_groups": [], "usage_limit": 0}
    yield 422, "setup key name shouldn't be empty", "POST", "/setup-keys", {**key, "name": ""}
    yield 422, "unknown setup key type x", "POST", "/setup-keys", {**key, "type": "x"}
    yield 422, "expiresin can not be in the past", "POST", "/setup-keys", {**key, "expires_in": -1}
    yield 422, "group not found", "POST", "/setup-keys", {**key, "auto_groups": ["x"]}
    yield 422, "can't add 'all' group to the setup key", "POST", "/setup-keys", {
        **key, "auto_groups": [all_]}
    yield 404, "setup key: x not found", "GET", "/setup-keys/x", None
    yield 404, "setup key: x not found", "PUT", "/setup-keys/x", {"revoked": True,
                                                                  "auto_groups": []}
    yield 422, "autogroups field is invalid", "PUT", "/setup-keys/x", {"revoked": True}

    yield 422, "group name shouldn't be empty", "POST", "/groups", {"name": ""}
    yield 409, "group with name g already exists", "POST", "/groups", {"name": "g"}
    yield 422, "updating group all is not allowed", "PUT", "/groups/" + all_, {"name": "x"}
    yield 404, "group: x not found", "PUT", "/groups/x", {"name": "x"}
    yield 404, "not found", "GET", "/groups?name=nobody", None
    yield 400, "deleting group ALL is not allowed", "DELETE", "/groups/" + all_, None

    rule = {"name": "r", "enabled": True, "action": "accept", "bidirectional": True,
            "protocol": "tcp", "ports": ["80"], "sources": [g], "destinations": [g]}

    def policy(**change):
        return {"name": "p", "enabled": True, "rules": [
            {k: v for k, v in {**rule, **change}.items() if v is not None}]}
    yield 422, "policy name shouldn't be empty", "POST", "/policies", {**policy(), "name": ""}
    yield 422, "policy rules shouldn't be empty", "POST", "/policies", {"name": "p", "rules": []}
    res = {"id": "x", "type": "host"}
    yield 422, "specify either sources or  source resources, not both", "POST", "/policies", policy(
        sourceResource=res)
    yield 422, "specify either destinations or  destination resources, not both", "POST", \
        "/policies", policy(destinationResource=res)
    yield 422, "specify either sources or source resources and", "POST", "/policies", policy(
        sources=None)
    yield 422, "unknown action type", "POST", "/policies", policy(action="allow")
    yield 422, "unknown protocol type: sctp", "POST", "/policies", policy(protocol="sctp")
    yield 422, "either individual ports or port ranges", "POST", "/policies", policy(
        port_ranges=[{"start": 1, "end": 2}])
    for port in ("0", "65536", "x", ""):
        yield 422, "valid port value is in 1..65535 range", "POST", "/policies", policy(
            ports=[port])
    yield 422, "valid port value is in 1..65535 range", "POST", "/policies", policy(
        ports=None, port_ranges=[{"start": 0, "end": 2}])
    yield 422, "for all or icmp protocol ports is not allowed", "POST", "/policies", policy(
        protocol="icmp")
    yield 422, "should be specified for each source group", "POST", "/policies", policy(
        protocol="netbird-ssh", ports=None, authorized_groups={"other": []})
    yield 404, "policy: x not found", "PUT", "/policies/x", policy()

    version = {"nb_version_check": {"min_version": "1.0.0"}}

    def posture(checks):
        return {"name": "c", "description": "", "checks": checks}
    yield 422, "name shouldn't be empty", "POST", "/posture-checks", {"name": "", "checks": version}
    yield 422, "posture checks shouldn't be empty", "POST", "/posture-checks", posture({})
    yield 422, "version: x.y is not valid", "POST", "/posture-checks", posture(
        {"nb_version_check": {"min_version": "x.y"}})
    yield 422, "at least one os version check is required", "POST", "/posture-checks", posture(
        {"os_version_check": {}})
    yield 422, "invalid network prefix", "POST", "/posture-checks", posture(
        {"peer_network_range_check": {"action": "allow", "ranges": ["1.2.3.4/99"]}})
    yield 422, "action is not valid", "POST", "/posture-checks", posture(
        {"peer_network_range_check": {"action": "maybe", "ranges": ["1.2.3.4/9"]}})
    yield 422, "path shouldn't be empty", "POST", "/posture-checks", posture(
        {"process_check": {"processes": [{}]}})

    route = {"description": "", "network_id": "n", "network": "10.0.0.0/8", "enabled": True,
             "peer_groups": [g], "metric": 10, "masquerade": True, "groups": [g],
             "keep_route": False}
    yield 422, "only one of 'network' or 'domains'", "POST", "/routes", {**route, "domains": ["a"]}
    yield 422, "either 'network' or 'domains'", "POST", "/routes", {**route, "network": None}
    yield 422, "either 'peer' or 'peer_groups'", "POST", "/routes", {**route, "peer_groups": None}
    yield 422, "only one of 'peer' or 'peer_groups'", "POST", "/routes", {**route, "peer": "x"}
    yield 422, "between 1 and 40", "POST", "/routes", {**route, "network_id": "n" * 41}
    yield 422, "metric should be between 1 and 9999", "POST", "/routes", {**route, "metric": 0}
    yield 422, "invalid", "POST", "/routes", {**route, "network": "10.0.0.0"}
    yield 422, "the list of group ids should not be empty", "POST", "/routes", {**route, "groups": []}
    yield 422, "group id x not found", "POST", "/routes", {**route, "groups": ["x"]}
    yield 422, "invalid domains", "POST", "/routes", {**route, "network": None,
                                                      "domains": ["a b"]}
    yield 404, "route: x not found", "GET", "/routes/x", None

    ns = {"name": "n", "description": "", "enabled": True, "primary": True, "domains": [],
          "groups": [g], "search_domains_enabled": False,
          "nameservers": [{"ip": "1.1.1.1", "ns_type": "udp", "port": 53}]}
    yield 422, "invalid ns servers format", "POST", "/dns/nameservers", {
        **ns, "nameservers": [{"ip": "x", "ns_type": "udp", "port": 53}]}
    yield 422, "should be 1 or 3, got 0", "POST", "/dns/nameservers", {**ns, "nameservers": []}
    yield 422, "primary status is false and domains are empty", "POST", "/dns/nameservers", {
        **ns, "primary": False}
    yield 422, "primary status is true and domains are not empty", "POST", "/dns/nameservers", {
        **ns, "domains": ["a.b"]}
    yield 422, "invalid domain", "POST", "/dns/nameservers", {**ns, "primary": False,
                                                              "domains": ["*.a"]}
    yield 422, "name should be between 1 and 40", "POST", "/dns/nameservers", {**ns, "name": ""}
    yield 422, "the list of group ids should not be empty", "POST", "/dns/nameservers", {
        **ns, "groups": []}
    yield 422, "group", "PUT", "/dns/settings", {"disabled_management_groups": ["x"]}

    zone = {"name": "z", "domain": "zone.test", "enable_search_domain": False,
            "distribution_groups": [g]}
    yield 422, "zone name is required", "POST", "/dns/zones", {**zone, "name": ""}
    yield 422, "invalid zone domain format", "POST", "/dns/zones", {**zone, "domain": "*.a.b"}
    yield 422, "at least one distribution group", "POST", "/dns/zones", {
        **zone, "distribution_groups": []}
    yield 404, "zone: x not found", "GET", "/dns/zones/x", None

    yield 404, "network: x not found", "GET", "/networks/x", None
    yield 404, "network: x not found", "POST", "/networks/x/resources", {
        "name": "r", "address": "1.2.3.4", "enabled": True, "groups": []}
    yield 400, "either peer or peer_groups must be provided", "POST", "/networks/x/routers", {
        "metric": 1}
    yield 400, "peer and peer_groups cannot be set", "POST", "/networks/x/routers", {
        "peer": "p", "peer_groups": ["g"], "metric": 1}

    user = {"name": "n", "email": "n@example.com", "role": "user", "auto_groups": [],
            "is_service_user": False}
    yield 422, "unknown user role x", "POST", "/users", {**user, "role": "x"}
    yield 422, "can't create a service user with owner role", "POST", "/users", {
        **user, "role": "owner", "is_service_user": True}
    yield 409, "existing netbird account", "POST", "/users", {**user, "email": "OWNER@example.com"}
    yield 404, "user: x not found", "PUT", "/users/x", {"role": "user", "auto_groups": [],
                                                        "is_blocked": False}
    yield 400, "auto_groups field can't be absent", "PUT", "/users/" + i["owner"], {
        "role": "owner", "is_blocked": False}
    yield 403, "admins can't block or unblock themselves", "PUT", "/users/" + i["owner"], {
        "role": "owner", "auto_groups": [], "is_blocked": True}
    yield 403, "admins can't change their role", "PUT", "/users/" + i["owner"], {
        "role": "admin", "auto_groups": [], "is_blocked": False}
    yield 422, "self deletion is not allowed", "DELETE", "/users/" + i["owner"], None
    tokens = "/users/%s/tokens" % i["owner"]
    yield 422, "token name can't be empty", "POST", tokens, {"name": "", "expires_in": 1}
    for days in (0, 366):
        yield 422, "expiration has to be between 1 and 365", "POST", tokens, {
            "name": "t", "expires_in": days}
    yield 404, "pat: x not found", "GET", tokens + "/x", None
    yield 422, "invite expiration must be at least 1 hour", "POST", "/users/invites", {
        **user, "expires_in": 60}
    yield 404, "peer not found: x", "PUT", "/peers/x", {
        "name": "n", "ssh_enabled": False, "login_expiration_enabled": False,
        "inactivity_expiration_enabled": False}
    yield 404, "not found", "DELETE", "/peers/x", None

    account = "/accounts/" + i["account"]
    settings = {"peer_login_expiration_enabled": True, "peer_login_expiration": 86400,
                "peer_inactivity_expiration_enabled": False, "peer_inactivity_expiration": 600,
                "regular_users_view_blocked": True}

    def account_body(**change):
        return {"settings": {**settings, **change}}
    yield 422, "peer expose requires at least one group", "PUT", account, account_body(
        peer_expose_enabled=True)
    yield 422, "can't be smaller than one hour", "PUT", account, account_body(
        peer_login_expiration=3599)
    yield 422, "can't be larger than 180 days", "PUT", account, account_body(
        peer_login_expiration=15552001)
    yield 422, "for dns domain", "PUT", account, account_body(dns_domain="*.x")
    yield 422, "ipv6 enabled group x does not exist", "PUT", account, account_body(
        ipv6_enabled_groups=["x"])
    for text, value in (("invalid cidr format", "x"), ("must be an ipv4 address", "fd00::/64"),
                        ("loopback", "127.0.0.0/16"), ("multicast", "224.0.0.0/16"),
                        ("link-local", "169.254.0.0/16"), ("too small", "10.0.0.0/29")):
        yield 422, text, "PUT", account, account_body(network_range=value)
    yield 403, "user is not part of this account", "PUT", "/accounts/x", account_body()


def run_refusals(api):
    for status, text, method, path, body in refusals(objects(api)):
        api.refuse(status, text, method, path, body)


# ---- only against our own server ----------------------------------------------------------------

def ours(api):
    """Clean answers where the official server crashes, says 500 or cuts a value."""
    g = api.call("GET", "/groups?name=g")[0]["id"]
    net = api.post("/networks", {"name": "n"})["id"]
    api.refuse(422, "invalid address", "POST", f"/networks/{net}/resources", {
        "name": "r", "address": "a b", "enabled": True, "groups": []})
    api.refuse(422, "posture checks shouldn't be empty", "POST", "/posture-checks", {"name": "x"})
    rule = {"name": "r", "enabled": True, "action": "accept", "bidirectional": True,
            "protocol": "all", "sources": [g], "destinations": [g]}
    api.refuse(422, "one new rule at a time", "POST", "/policies", {
        "name": "p", "enabled": True, "rules": [rule, rule]})
    api.refuse(422, "auto_update_version", "PUT", "/accounts/" + api.call(
        "GET", "/accounts")[0]["id"], {"settings": {"auto_update_version": "x.y",
                                                    "peer_login_expiration": 86400}})
    api.refuse(404, "no such path", "GET", "/integrations/msp/tenants")
    answer = api.server.request("GET", "/api/integrations/x", headers={"Origin": "http://o"})
    api.check(answer.headers.get("access-control-allow-origin") == "*", "CORS on a 404")


def links(api):
    """A group that something refers to stays, and the answer says what holds it."""
    g = api.post("/groups", {"name": "held"})["id"]
    rule = {"name": "r", "enabled": True, "action": "accept", "bidirectional": True,
            "protocol": "all", "sources": [g], "destinations": [g]}
    holders = [
        ("policy: Pol", "/policies", {"name": "Pol", "enabled": True, "rules": [rule]}),
        ("setup key: Key", "/setup-keys", {"name": "Key", "type": "reusable", "expires_in": 0,
                                           "auto_groups": [g], "usage_limit": 0}),
        ("route: Net", "/routes", {"description": "", "network_id": "Net", "enabled": True,
                                   "network": "10.0.0.0/8", "peer_groups": [g], "metric": 1,
                                   "masquerade": False, "groups": [g], "keep_route": False}),
        ("name server groups: Ns", "/dns/nameservers", {
            "name": "Ns", "description": "", "enabled": True, "primary": True, "groups": [g],
            "nameservers": [{"ip": "1.1.1.1", "ns_type": "udp", "port": 53}]}),
    ]
    for text, path, body in holders:
        made = api.post(path, body)["id"]
        api.refuse(400, "group has been linked to " + text, "DELETE", "/groups/" + g)
        api.call("DELETE", f"{path}/{made}")
    api.call("PUT", "/dns/settings", {"disabled_management_groups": [g]})
    api.refuse(400, "linked to disabled DNS management groups: held", "DELETE", "/groups/" + g)
    api.call("PUT", "/dns/settings", {"disabled_management_groups": []})
    api.call("DELETE", "/groups/" + g)


def owners(api):
    """Who may change whom, and how the owner hands over."""
    robots = {}
    for role in ("admin", "network_admin", "auditor", "user"):
        user = api.post("/users", {"name": role, "role": role, "auto_groups": [],
                                   "is_service_user": True})["id"]
        robots[role] = api.post(f"/users/{user}/tokens", {"name": "t", "expires_in": 1})[
            "plain_token"]
    human = api.post("/users", {"name": "H", "email": "h@example.com", "role": "user",
                                "auto_groups": [], "is_service_user": False})["id"]

    def update(role="user", blocked=False):
        return {"role": role, "auto_groups": [], "is_blocked": blocked}
    owner = [u for u in api.call("GET", "/users") if u["role"] == "owner"][0]["id"]
    api.refuse(403, "only owners can add owner role", "PUT", "/users/" + human, update("owner"),
               robots["admin"])
    api.refuse(403, "only owners can remove owner role", "PUT", "/users/" + owner, update("admin"),
               robots["admin"])
    api.refuse(403, "unable to block owner", "PUT", "/users/" + owner, update("owner", True),
               robots["admin"])
    api.refuse(403, "can't delete a user with the owner role", "DELETE", "/users/" + owner, None,
               robots["admin"])
    for role in ("network_admin", "auditor", "user"):
        api.refuse(403, "permission denied", "PUT", "/users/" + human, update("admin"),
                   robots[role])
        api.call("GET", "/users", token=robots[role])  # service users read everything
    api.refuse(403, "permission denied", "GET", "/users/current", None, robots["admin"])
    api.refuse(403, "admin role required", "POST", f"/users/{human}/tokens",
               {"name": "x", "expires_in": 1})
    api.call("PUT", "/users/" + human, update("owner"))
    roles = {u["id"]: u["role"] for u in api.call("GET", "/users")}
    api.check(roles[human] == "owner" and roles[owner] == "admin", "owner handed over")
    events = api.call("GET", "/events/audit?activity_code=transferred.owner.role")
    api.check(len(events) == 1 and events[0]["target_id"] == human, "event of the hand-over")


def blocked(api):
    """A blocked user's token stops working for everything that asks for a right."""
    user = api.post("/users", {"name": "B", "email": "b@example.com", "role": "admin",
                               "auto_groups": [], "is_service_user": False})["id"]
    token = api.server.command("pat " + user)
    api.call("GET", "/users/current", token=token)
    api.call("PUT", "/users/" + user, {"role": "admin", "auto_groups": [], "is_blocked": True})
    api.refuse(403, "user is blocked", "GET", "/users/current", None, token)
    api.refuse(403, "failed to validate user permissions: user is blocked", "GET", "/peers", None,
               token)
    api.refuse(403, "user is blocked", "GET", "/groups", None, token)
    api.server.command("pend " + user)
    api.refuse(403, "user is pending approval", "GET", "/groups", None, token)
    api.call("DELETE", "/users/" + user)
    api.refuse(401, "token invalid", "GET", "/groups", None, token)


def peers(api):
    """Addresses, names, IPv6 by group, and what goes with a peer."""
    key = api.post("/setup-keys", {"name": "m", "type": "reusable", "expires_in": 0,
                                   "auto_groups": [], "usage_limit": 0})
    api.server.command(f"enrol {key['key']} 3")
    a, b, c = sorted(api.call("GET", "/peers"), key=lambda p: p["id"])
    body = {"name": a["name"], "ssh_enabled": False, "login_expiration_enabled": False,
            "inactivity_expiration_enabled": False}
    url = "/peers/" + a["id"]
    api.refuse(412, "hasn't been added with the sso login", "PUT", url, {
        **body, "login_expiration_enabled": True})
    api.refuse(422, "is already assigned to peer", "PUT", url, {**body, "ip": b["ip"]})
    api.refuse(422, "is not within the account network range", "PUT", url, {**body,
                                                                            "ip": "10.0.0.1"})
    api.refuse(422, "invalid ip address x", "PUT", url, {**body, "ip": "x"})
    net = a["ip"].rsplit(".", 2)[0]
    changed = api.call("PUT", url, {**body, "ip": net + ".77.77", "name": "Räuber Haus"})
    api.check(changed["ip"] == net + ".77.77", "new address")
    api.check(changed["dns_label"].startswith("xn--"), f"label {changed['dns_label']}")
    again = api.call("PUT", "/peers/" + b["id"], {**body, "name": "Räuber Haus"})
    api.check(again["dns_label"].split(".")[0].endswith("-".join(again["ip"].split(".")[2:])),
              f"label taken: {again['dns_label']}")
    api.check(all(p["ipv6"] for p in api.call("GET", "/peers")), "all have IPv6 by the group All")

    g = api.post("/groups", {"name": "six", "peers": [c["id"]]})["id"]
    account = api.call("GET", "/accounts")[0]
    settings = {**account["settings"], "ipv6_enabled_groups": [g]}
    settings.pop("network_range"), settings.pop("network_range_v6")
    api.call("PUT", "/accounts/" + account["id"], {"settings": settings})
    with6 = {p["id"]: p.get("ipv6") for p in api.call("GET", "/peers")}
    api.check([bool(with6[p["id"]]) for p in (a, b, c)] == [False, False, True], f"IPv6 {with6}")
    api.call("PUT", "/groups/" + g, {"name": "six", "peers": [a["id"]]})
    with6 = {p["id"]: p.get("ipv6") for p in api.call("GET", "/peers")}
    api.check([bool(with6[p["id"]]) for p in (a, b, c)] == [True, False, False], f"IPv6 {with6}")

    settings["network_range"] = "10.20.0.0/24"
    moved = api.call("PUT", "/accounts/" + account["id"], {"settings": settings})
    api.check(moved["settings"]["network_range"] == "10.20.0.0/24", "range")
    ips = [p["ip"] for p in api.call("GET", "/peers")]
    api.check(len(set(ips)) == 3 and all(ip.startswith("10.20.0.") for ip in ips), f"{ips}")

    api.post("/policies", {"name": "names a peer", "enabled": True, "rules": [{
        "name": "r", "enabled": True, "action": "accept", "bidirectional": False,
        "protocol": "all", "sourceResource": {"id": a["id"], "type": "peer"},
        "destinations": [g]}]})
    lan = api.post("/networks", {"name": "lan"})["id"]
    router = api.post(f"/networks/{lan}/routers", {"peer": a["id"], "metric": 1,
                                                   "masquerade": True, "enabled": True})["id"]
    api.refuse(412, "peer is linked to a network router", "DELETE", url)
    api.call("DELETE", f"/networks/{lan}/routers/{router}")
    api.call("DELETE", url)
    api.check("names a peer" not in [p["name"] for p in api.call("GET", "/policies")],
              "policy of a deleted peer")
    api.check(api.call("GET", "/groups/" + g)["peers"] is None, "membership of a deleted peer")
    api.call("DELETE", "/groups/" + g)
    api.check(api.call("GET", "/accounts")[0]["settings"]["ipv6_enabled_groups"] in ([], None),
              "settings forget a deleted group")


def details(api):
    """Answers that clients depend on, to the letter."""
    g = api.call("GET", "/groups?name=g")[0]["id"]
    rule = {"name": "r", "enabled": True, "action": "accept", "bidirectional": True,
            "protocol": "tcp", "ports": ["80", "443"], "sources": [g], "destinations": [g, "gone"]}
    p = api.post("/policies", {"name": "same", "enabled": True, "rules": [rule]})
    api.check(p["rules"][0]["id"] == p["id"], "a rule has its policy's id")
    api.check([d["id"] for d in p["rules"][0]["destinations"]] == [g], "unknown groups are dropped")
    before = len(api.call("GET", "/events/audit?activity_code=policy.update"))
    api.call("PUT", "/policies/" + p["id"], {"name": "same", "enabled": True, "rules": [
        {**rule, "id": p["id"], "ports": ["443", "80"]}]})
    api.check(len(api.call("GET", "/events/audit?activity_code=policy.update")) == before,
              "an update without a change writes no event")
    api.refuse(422, "invalid rule id: x", "PUT", "/policies/" + p["id"], {
        "name": "same", "enabled": True, "rules": [{**rule, "id": "x"}]})
    r = api.post("/routes", {"description": "", "network_id": "d", "enabled": True, "metric": 1,
                             "domains": ["*.Exämple.com"], "peer_groups": [g], "masquerade": True,
                             "groups": [g], "keep_route": True})
    api.check(r["domains"] == ["*.exämple.com"] and r["network"] == "192.0.2.0/32" and
              r["network_type"] == "Domain" and r["peer"] == "", f"{r}")
    api.refuse(409, "already has this route", "POST", "/routes", {
        "description": "", "network_id": "d2", "enabled": True, "metric": 1,
        "domains": ["*.exämple.com"], "peer_groups": [g], "masquerade": True, "groups": [g],
        "keep_route": True})
    net = api.post("/networks", {"name": "addresses"})["id"]
    for i, (address, kind, shown) in enumerate((
            ("10.1.2.3", "host", "10.1.2.3/32"), ("10.1.2.3/24", "subnet", "10.1.2.3/24"),
            ("fd00::1", "host", "fd00::1/128"), ("*.A.b", "domain", "*.A.b"))):
        made = api.post(f"/networks/{net}/resources", {"name": f"r{i}", "address": address,
                                                       "enabled": True, "groups": [g]})
        api.check((made["type"], made["address"]) == (kind, shown), f"{made}")
    api.refuse(422, "already exists", "POST", f"/networks/{net}/resources", {
        "name": "r0", "address": "1.1.1.1", "enabled": True, "groups": []})
    held = api.call("GET", "/groups/" + g)
    api.check(len(held["resources"]) == 4 and held["resources_count"] == 4, "resources of a group")
    api.call("DELETE", "/networks/" + net)
    api.check(api.call("GET", "/groups/" + g)["resources"] is None, "resources go with a network")
    answer = api.server.request("POST", "/api/groups", {"name": "<&>\u2028"}, api.owner)
    api.check(b"\\u003c\\u0026\\u003e\\u2028" in answer.body, f"escapes: {answer.body}")
    answer = api.server.request("POST", "/api/groups", token=api.owner,
                                raw=b'{"NAME":"case","x":[{"y":1}]} trailing')
    api.check(answer.status == 200 and answer.json()["name"] == "case", f"{answer.body}")


def transport(api):
    """Preflights, HEAD, 405, limits of public paths."""
    request = api.server.request
    answer = request("OPTIONS", "/api/peers", headers={
        "Origin": "http://o", "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": "authorization"})
    api.check(answer.status == 204 and
              answer.headers.get("access-control-allow-methods") == "GET", f"{answer.headers}")
    answer = request("HEAD", "/api/peers", token=api.owner)
    api.check(answer.status == 200 and answer.body == b"", "HEAD")
    answer = request("PATCH", "/api/peers", token=api.owner)
    api.check(answer.status == 405 and answer.json()["code"] == 405, f"405: {answer.body}")
    answer = request("GET", "/nowhere", token=api.owner, headers={"Accept": "application/json"})
    api.check(answer.status == 404 and answer.json()["code"] == 404, f"404 as JSON: {answer.body}")
    answer = request("GET", "/nowhere", headers={"Accept": "text/html"})
    api.check(answer.status == 404 and answer.headers["content-type"].startswith("text/plain"),
              f"404 as text: {answer.body}")
    api.check(request("GET", "/api/users/x", token=api.owner).status == 405, "no GET of one user")
    api.check(request("GET", "/api/groups/", token=api.owner).status == 404, "trailing slash")
    api.check(request("POST", "/api/groups", token=api.owner, raw=b" " * 2000000).status == 413,
              "body limit")
    for header in ("Basic x", "Bearer", "Token a b", "Bearer eyJ.a.b", ""):
        answer = request("GET", "/api/peers", headers={"Authorization": header})
        api.check(answer.status == 401, f"Authorization {header!r}: {answer.status}")
    answer = request("GET", "/api/peers", headers={"Authorization": "bEARER " + api.owner})
    api.check(answer.status == 200, "a token as Bearer")
    path = "/api/users/invites/nbi_0123456789ABCDEFGHIJKLMNOPQRST4PMbyp"
    codes = [request("GET", path, headers={"X-Forwarded-For": "192.0.2.99"}).status
             for _ in range(8)]
    api.check(codes == [404] * 5 + [429] * 3, f"public limit: {codes}")
    answer = request("GET", "/api/peers", token=api.owner, headers={"Accept-Encoding": "gzip"})
    api.check("content-encoding" not in answer.headers, "small answers are not compressed")


def other_server(url, token):
    import urllib.parse
    import http.client

    class Remote(Server):
        def __init__(self):
            u = urllib.parse.urlparse(url)
            self.port, self.clients = u.port, 0
            self.connection = http.client.HTTPConnection(u.hostname, u.port, timeout=30)
    api = Api(Remote(), token)
    run_refusals(api)
    return api


def server_wide(api):
    """What the configuration decides is refused where it is not so, with the reason; changes nothing.
    Ends with a server that has no identity provider of its own."""
    account = api.call("GET", "/accounts")[0]
    path, settings = "/accounts/" + account["id"], account["settings"]
    settings.pop("network_range"), settings.pop("network_range_v6")
    for idp in (True, False):
        if not idp:
            api.server.restart({"RESTD_NO_IDP": "1"})
        domain = settings["dns_domain"]
        given = {"settings": {**settings, "embedded_idp_enabled": True, "dns_domain": "wide.test"}}
        if idp:
            api.call("PUT", path, given)
        else:
            api.refuse(422, "embedded_idp_enabled is the server's configuration", "PUT", path, given)
        now = api.call("GET", "/accounts")[0]["settings"]
        api.check(now["embedded_idp_enabled"] is idp, "embedded_idp_enabled as it is in force")
        api.check(now["dns_domain"] == ("wide.test" if idp else domain), now["dns_domain"])
        api.call("PUT", path, {"settings": {**settings, "embedded_idp_enabled": False}})
        now = api.call("GET", "/accounts")[0]["settings"]
        api.check(now["embedded_idp_enabled"] is idp, "off is taken, without effect")
        api.refuse(422, "local_auth_disabled is the server's configuration", "PUT", path,
                   {"settings": {**settings, "embedded_idp_enabled": idp,
                                 "local_auth_disabled": True}})


def main():
    if sys.argv[1] == "--url":
        api = other_server(sys.argv[2], sys.argv[3])
    else:
        with Server(sys.argv[1], TOKEN) as server:
            answer = server.request("POST", "/api/setup", {
                "email": "owner@example.com", "password": "Correct-horse-1", "name": "Owner",
                "create_pat": True}, headers={"X-Setup-Token": TOKEN})
            api = Api(server, answer.json()["personal_access_token"])
            run_refusals(api)
            for part in (ours, links, details, transport, peers, blocked, owners, server_wide):
                part(api)
    print(f"{api.checks} checks, {api.failed} failed")
    return 1 if api.failed else 0


if __name__ == "__main__":
    sys.exit(main())
