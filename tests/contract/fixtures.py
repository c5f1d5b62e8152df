# SPDX-License-Identifier: BSD-3-Clause
"""Objects that the calls of contract.py need, and the calls: each scenario yields
((method, path), call) in an order that works. A call has params, body, query, headers, status (what
it must answer when that is not the contract's success), unknown (status for an unknown last id,
404), unknown_id, any_id (an unknown id is no error), no_body, again (no bad calls this time) and
then (what to do with the answer)."""
import http.server
import json
import threading

ABSENT = {"Agent Network"}

# Operations without a module check: any user may call them.
NOT_FOR_ROLES = {
    ("GET", "/api/users"), ("GET", "/api/users/current"), ("PUT", "/api/users/{userId}/password"),
    ("GET", "/api/peers"), ("GET", "/api/peers/{peerId}"),
    ("GET", "/api/peers/{peerId}/accessible-peers"), ("GET", "/api/locations/countries"),
    ("GET", "/api/locations/countries/{country}/cities"), ("GET", "/api/instance/version"),
    ("GET", "/api/agent-network/catalog/providers"),
    ("POST", "/api/peers/{peerId}/temporary-access"),  # 404: the peer is not theirs to see
}

PASSWORD = "Correct-horse-1"
KEY = "gI6EdUSYvn8ugXOt8QQD6Yc+JyiZxIhp3GInSWRfWGE="
UNKNOWN_INVITE = "nbi_0123456789ABCDEFGHIJKLMNOPQRST4PMbyp"


class Fixtures:
    def __init__(self, server, setup_token, fail):
        self.server, self.setup_token, self.fail = server, setup_token, fail
        self.owner = self.nobody = self.blocked = None
        self.ids = {}

    def make(self, path, body):
        answer = self.server.request("POST", path, body, self.owner)
        self.fail.check(answer.status == 200, f"fixture {path}: {answer.status} {answer.body}")
        return answer.json()

    def get(self, path):
        return self.server.request("GET", path, token=self.owner).json()

    def remember(self, name, member="id"):
        return lambda value: self.ids.__setitem__(name, value[member])


def crud(fx, base, var, body, change, name, **extra):
    """POST, list, GET, PUT of one object; it stays for others."""
    yield ("POST", base), {"body": body, "then": fx.remember(name), **extra}
    yield ("GET", base), {**extra, "any_id": True}
    item = base + "/{%s}" % var
    params = {**extra.get("params", {}), var: fx.ids[name]}
    yield ("GET", item), {**extra, "params": params}
    yield ("PUT", item), {**extra, "params": params, "body": change}


def setup(fx):
    yield ("GET", "/api/instance"), {"then": lambda v: fx.fail.check(v["setup_required"], "fresh")}
    yield ("POST", "/api/setup"), {
        "headers": {"X-Setup-Token": fx.setup_token},
        "body": {"email": "owner@example.com", "password": PASSWORD, "name": "Olive Owner",
                 "create_pat": True, "pat_expire_in": 2},
        "then": lambda v: (setattr(fx, "owner", v["personal_access_token"]),
                           fx.ids.__setitem__("owner", v["user_id"]))}
    yield ("GET", "/api/instance"), {
        "again": True, "then": lambda v: fx.fail.check(not v["setup_required"], "set up")}
    for name in ("nobody", "blocked"):
        user = fx.make("/api/users", {"email": name + "@example.com", "name": name, "role": "user",
                                      "auto_groups": [], "is_service_user": False})
        fx.ids[name] = user["id"]
        setattr(fx, name, fx.server.command("pat " + user["id"]))
    answer = fx.server.request("PUT", "/api/users/" + fx.ids["blocked"], {
        "role": "admin", "auto_groups": [], "is_blocked": True}, fx.owner)
    fx.fail.check(answer.status == 200, f"block: {answer.body}")
    fx.ids["group"] = fx.make("/api/groups", {"name": "fixtures"})["id"]
    fx.ids["key"] = fx.make("/api/setup-keys", {
        "name": "machines", "type": "reusable", "expires_in": 86400, "usage_limit": 0,
        "auto_groups": [fx.ids["group"]]})["key"]
    fx.fail.check(fx.server.command("enrol %s 4" % fx.ids["key"]) == "enrolled 4", "enrol")
    fx.ids["peers"] = [p["id"] for p in fx.get("/api/peers")]
    fx.ids["peer"] = fx.ids["peers"][0]
    yield ("GET", "/api/instance/version"), {}


def accounts(fx):
    account = fx.get("/api/accounts")[0]
    yield ("GET", "/api/accounts"), {}
    settings = {k: v for k, v in account["settings"].items() if not k.startswith("network_range")}
    settings["peer_login_expiration"] = 7200
    settings["extra"] = {"peer_approval_enabled": False, "user_approval_required": True}
    yield ("PUT", "/api/accounts/{accountId}"), {
        "params": {"accountId": account["id"]}, "unknown": 403,
        "body": {"settings": settings, "onboarding": {"signup_form_pending": False,
                                                      "onboarding_flow_pending": False}}}
    fx.ids["account"] = account["id"]


def setup_keys(fx):
    body = {"name": "one", "type": "one-off", "expires_in": 0, "auto_groups": [fx.ids["group"]],
            "usage_limit": 1, "ephemeral": True, "allow_extra_dns_labels": True}
    yield from crud(fx, "/api/setup-keys", "keyId", body, {"revoked": True, "auto_groups": []},
                    "setup_key")
    yield ("DELETE", "/api/setup-keys/{keyId}"), {"params": {"keyId": fx.ids["setup_key"]}}


def groups(fx):
    yield from crud(fx, "/api/groups", "groupId",
                    {"name": "crew", "peers": fx.ids["peers"][:2], "resources": []},
                    {"name": "crew 2", "peers": fx.ids["peers"][1:]}, "crew")
    yield ("GET", "/api/groups"), {"again": True, "query": "?name=crew%202"}
    yield ("DELETE", "/api/groups/{groupId}"), {"params": {"groupId": fx.ids["crew"]},
                                               "unknown": 400}


def policies(fx):
    g, peer = fx.ids["group"], fx.ids["peer"]
    rule = {"name": "r", "description": "d", "enabled": True, "action": "accept",
            "bidirectional": True, "protocol": "tcp", "ports": ["22", "80"], "sources": [g],
            "destinations": [g]}
    check = fx.make("/api/posture-checks", {
        "name": "for policies", "checks": {"nb_version_check": {"min_version": "0.1.0"}}})["id"]
    yield from crud(fx, "/api/policies", "policyId",
                    {"name": "p", "enabled": True, "rules": [rule],
                     "source_posture_checks": [check]},
                    {"name": "p2", "description": "x", "enabled": False, "rules": [
                        {"name": "r", "enabled": True, "action": "drop", "bidirectional": False,
                         "protocol": "udp", "port_ranges": [{"start": 1, "end": 9}],
                         "sourceResource": {"id": peer, "type": "peer"}, "destinations": ["gone"]}]},
                    "policy")
    yield ("POST", "/api/policies"), {"again": True, "body": {
        "name": "ssh", "enabled": True, "rules": [{
            "name": "s", "enabled": True, "action": "accept", "bidirectional": False,
            "protocol": "netbird-ssh", "sources": [g], "destinations": [g],
            "authorized_groups": {g: ["root"]}}]}, "then": fx.remember("ssh_policy")}
    for name in ("policy", "ssh_policy"):
        yield ("DELETE", "/api/policies/{policyId}"), {"params": {"policyId": fx.ids[name]},
                                                       "again": name != "policy"}


def postures(fx):
    checks = {"nb_version_check": {"min_version": "0.50.0"},
              "os_version_check": {"linux": {"min_kernel_version": "5.10"},
                                   "android": {"min_version": "13"}},
              "geo_location_check": {"action": "allow", "locations": [
                  {"country_code": "DE", "city_name": "Berlin"}, {"country_code": "FR"}]},
              "peer_network_range_check": {"action": "deny", "ranges": ["10.0.0.1/24"]},
              "process_check": {"processes": [{"linux_path": "/usr/bin/x"}]}}
    yield from crud(fx, "/api/posture-checks", "postureCheckId",
                    {"name": "all", "description": "", "checks": checks},
                    {"name": "some", "description": "d",
                     "checks": {"nb_version_check": {"min_version": "1.0.0"}}}, "posture")
    yield ("DELETE", "/api/posture-checks/{postureCheckId}"), {
        "params": {"postureCheckId": fx.ids["posture"]}}


def peers(fx):
    peer = fx.ids["peer"]
    fx.server.command("connect " + peer)
    yield ("GET", "/api/peers"), {"query": "?name=machine&ip=100."}
    yield ("GET", "/api/peers/{peerId}"), {"params": {"peerId": peer}}
    yield ("PUT", "/api/peers/{peerId}"), {"params": {"peerId": peer}, "body": {
        "name": "renamed", "ssh_enabled": True, "login_expiration_enabled": False,
        "inactivity_expiration_enabled": False}}
    yield ("GET", "/api/peers/{peerId}/accessible-peers"), {
        "params": {"peerId": peer}, "any_id": True,
        "then": lambda v: fx.fail.check(len(v) == 3, f"accessible peers: {len(v)}")}
    yield ("POST", "/api/peers/{peerId}/temporary-access"), {
        "params": {"peerId": peer}, "body": {"name": "browser", "wg_pub_key": KEY,
                                             "rules": ["tcp/80", "ICMP", "netbird-ssh/22"]}}
    job = {"workload": {"type": "bundle", "parameters": {
        "bundle_for": True, "bundle_for_time": 2, "log_file_count": 10, "anonymize": False}}}
    base = "/api/peers/{peerId}/jobs"
    yield ("POST", base), {"params": {"peerId": peer}, "body": job, "then": fx.remember("job")}
    yield ("GET", base), {"params": {"peerId": peer}}
    yield ("GET", base + "/{jobId}"), {"params": {"peerId": peer, "jobId": fx.ids["job"]}}
    yield ("DELETE", "/api/peers/{peerId}"), {"params": {"peerId": fx.ids["peers"][3]}}


def routes(fx):
    g, peer = fx.ids["group"], fx.ids["peer"]
    base = {"description": "", "network_id": "net", "enabled": True, "metric": 100,
            "masquerade": True, "groups": [g], "keep_route": False}
    yield from crud(fx, "/api/routes", "routeId",
                    {**base, "network": "10.9.8.7/16", "peer": peer},
                    {**base, "domains": ["*.exämple.com", "a.b"], "peer_groups": [g],
                     "access_control_groups": [g], "skip_auto_apply": True}, "route")
    yield ("DELETE", "/api/routes/{routeId}"), {"params": {"routeId": fx.ids["route"]}}


def networks(fx):
    g, peer = fx.ids["group"], fx.ids["peer"]
    yield from crud(fx, "/api/networks", "networkId", {"name": "lan", "description": "d"},
                    {"name": "lan 2"}, "network")
    n = {"params": {"networkId": fx.ids["network"]}}
    base = "/api/networks/{networkId}/resources"
    yield ("GET", base), {**n, "any_id": True}
    yield from crud(fx, base, "resourceId",
                    {"name": "host", "address": "192.168.1.1", "enabled": True, "groups": [g]},
                    {"name": "host", "description": "d", "address": "*.example.com",
                     "enabled": False, "groups": []}, "resource", **n)
    fx.make(f"/api/networks/{fx.ids['network']}/resources", {
        "name": "subnet", "address": "192.168.0.0/16", "enabled": True, "groups": [g]})
    yield ("GET", "/api/networks/resources"), {}
    base2 = "/api/networks/{networkId}/routers"
    yield from crud(fx, base2, "routerId",
                    {"peer": peer, "metric": 9, "masquerade": True, "enabled": True},
                    {"peer_groups": [g], "metric": 10, "masquerade": False, "enabled": False},
                    "router", **n)
    yield ("GET", "/api/networks/routers"), {}
    yield ("GET", "/api/networks"), {"again": True}
    yield ("GET", "/api/networks/{networkId}"), {**n, "again": True}
    yield ("DELETE", base + "/{resourceId}"), {
        "params": {**n["params"], "resourceId": fx.ids["resource"]}}
    yield ("DELETE", base2 + "/{routerId}"), {
        "params": {**n["params"], "routerId": fx.ids["router"]}}
    yield ("DELETE", "/api/networks/{networkId}"), n


def dns(fx):
    g = fx.ids["group"]
    base = {"name": "quad", "description": "", "enabled": True, "groups": [g],
            "nameservers": [{"ip": "9.9.9.9", "ns_type": "udp", "port": 53}],
            "search_domains_enabled": False}
    yield from crud(fx, "/api/dns/nameservers", "nsgroupId",
                    {**base, "primary": True, "domains": []},
                    {**base, "primary": False, "domains": ["example.com"],
                     "search_domains_enabled": True}, "ns_group")
    yield ("DELETE", "/api/dns/nameservers/{nsgroupId}"), {
        "params": {"nsgroupId": fx.ids["ns_group"]}}
    yield ("GET", "/api/dns/settings"), {}
    yield ("PUT", "/api/dns/settings"), {"body": {"disabled_management_groups": [g]}}
    yield ("PUT", "/api/dns/settings"), {"body": {"disabled_management_groups": []},
                                         "again": True}
    yield from crud(fx, "/api/dns/zones", "zoneId",
                    {"name": "z", "domain": "zone.test", "enable_search_domain": False,
                     "distribution_groups": [g]},
                    {"name": "z2", "domain": "zone.test", "enabled": False,
                     "enable_search_domain": True, "distribution_groups": [g]}, "zone")
    z = {"params": {"zoneId": fx.ids["zone"]}}
    records = "/api/dns/zones/{zoneId}/records"
    yield ("GET", records), {**z, "any_id": True}
    yield from crud(fx, records, "recordId",
                    {"name": "a.zone.test", "type": "A", "content": "10.0.0.1", "ttl": 60},
                    {"name": "b.zone.test", "type": "CNAME", "content": "c.example.com", "ttl": 0},
                    "record", **z)
    yield ("DELETE", records + "/{recordId}"), {
        "params": {**z["params"], "recordId": fx.ids["record"]}}
    yield ("DELETE", "/api/dns/zones/{zoneId}"), z


def users(fx):
    yield ("GET", "/api/users"), {"query": "?service_user=false"}
    yield ("GET", "/api/users/current"), {}
    yield ("POST", "/api/users"), {"body": {"name": "robot", "role": "admin", "auto_groups": [],
                                            "is_service_user": True},
                                   "then": fx.remember("robot")}
    yield ("POST", "/api/users"), {"again": True, "then": fx.remember("human"), "body": {
        "name": "Hugo", "email": "hugo@example.com", "role": "user", "auto_groups": [],
        "is_service_user": False}}
    human, robot = {"userId": fx.ids["human"]}, {"userId": fx.ids["robot"]}
    yield ("PUT", "/api/users/{userId}"), {"params": human, "body": {
        "role": "auditor", "auto_groups": [fx.ids["group"]], "is_blocked": False}}
    yield ("POST", "/api/users/{userId}/invite"), {"params": human, "status": 412}
    yield ("PUT", "/api/users/{userId}/password"), {
        "params": {"userId": fx.ids["owner"]}, "unknown": 422,
        "body": {"old_password": PASSWORD, "new_password": PASSWORD + "2"}}
    tokens = "/api/users/{userId}/tokens"
    yield ("GET", tokens), {"params": robot, "then": lambda v: None}
    yield from crud_tokens(fx, tokens, robot)
    fx.server.command("pend " + fx.ids["human"])
    yield ("POST", "/api/users/{userId}/approve"), {"params": human}
    fx.server.command("pend " + fx.ids["human"])
    yield ("DELETE", "/api/users/{userId}/reject"), {"params": human}
    yield ("DELETE", "/api/users/{userId}"), {"params": robot}


def crud_tokens(fx, base, user):
    yield ("POST", base), {"params": user, "body": {"name": "t", "expires_in": 30},
                           "then": lambda v: fx.ids.__setitem__(
                               "token", v["personal_access_token"]["id"])}
    yield ("GET", base), {"params": user, "again": True}
    one = {**user, "tokenId": fx.ids["token"]}
    yield ("GET", base + "/{tokenId}"), {"params": one}
    yield ("DELETE", base + "/{tokenId}"), {"params": one}


def invites(fx):
    base = "/api/users/invites"
    body = {"email": "new@example.com", "name": "Nele", "role": "user", "auto_groups": [],
            "expires_in": 7200}
    yield ("POST", base), {"body": body, "then": lambda v: fx.ids.update(
        invite=v["id"], invite_token=v["invite_token"])}
    yield ("GET", base), {}
    yield ("POST", base + "/{inviteId}/regenerate"), {
        "params": {"inviteId": fx.ids["invite"]}, "body": {"expires_in": 86400},
        "then": fx.remember("invite_token", "invite_token")}
    t = {"params": {"token": fx.ids["invite_token"]}, "unknown_id": UNKNOWN_INVITE}
    yield ("GET", base + "/{token}"), t
    yield ("POST", base + "/{token}/accept"), {**t, "body": {"password": PASSWORD}}
    other = fx.make(base, {**body, "email": "other@example.com"})
    yield ("DELETE", base + "/{inviteId}"), {"params": {"inviteId": other["id"]}}


class Issuer(http.server.BaseHTTPRequestHandler):
    """A discovery document, as much of an identity provider as the API asks for."""

    def do_GET(self):
        port = self.server.server_address[1]
        body = json.dumps({"issuer": f"http://127.0.0.1:{port}/idp"}).encode()
        self.send_response(200 if self.path == "/idp/.well-known/openid-configuration" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def connectors(fx):
    issuer = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    threading.Thread(target=issuer.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{issuer.server_address[1]}/idp"
    yield from crud(fx, "/api/identity-providers", "idpId",
                    {"type": "okta", "name": "Okta", "issuer": url, "client_id": "c",
                     "client_secret": "s"},
                    {"type": "okta", "name": "Okta 2", "issuer": url, "client_id": "c2",
                     "client_secret": ""}, "connector")
    yield ("POST", "/api/identity-providers"), {"again": True, "status": 422, "body": {
        "type": "oidc", "name": "x", "issuer": url + "x", "client_id": "c", "client_secret": "s"}}
    yield ("DELETE", "/api/identity-providers/{idpId}"), {"params": {"idpId": fx.ids["connector"]}}
    issuer.shutdown()
    issuer.server_close()


def locations(fx):
    yield ("GET", "/api/locations/countries"), {"then": lambda v: fx.fail.check(
        v == [{"country_code": "DE", "country_name": "Germany"},
              {"country_code": "US", "country_name": "United States"}], f"countries {v}")}
    yield ("GET", "/api/locations/countries/{country}/cities"), {
        "params": {"country": "US"}, "unknown": 422, "unknown_id": "USA",
        "then": lambda v: fx.fail.check(
            v == [{"geoname_id": 4140963, "city_name": 'Washington, "D.C."'}], f"cities {v}")}


def events(fx):
    def seen(value):
        codes = {e["activity_code"] for e in value}
        for code in ("account.create", "user.create", "peer.setupkey.add", "group.add",
                     "policy.update", "user.delete", "user.reject", "dns.zone.record.create",
                     "personal.access.token.create", "user.invite.link.accept", "peer.job.create",
                     "identityprovider.create", "network.resource.create", "route.update"):
            fx.fail.check(code in codes, f"no event {code}")
        fx.fail.check(all(e["initiator_name"] == "Olive Owner" for e in value
                          if e["initiator_id"] == fx.ids["owner"]), "initiator names")
        gone = [e for e in value if e["activity_code"] == "user.delete"]
        fx.fail.check(gone and set(gone[0]["meta"]) == {"created_at", "issued", "email", "username"} and
                      gone[0]["meta"]["email"] == "hugo@example.com", f"{gone}")
    yield ("GET", "/api/events/audit"), {"then": seen}
    yield ("GET", "/api/events"), {}
    yield ("GET", "/api/events/proxy"), {"query": "?page=1&page_size=10"}


def services(fx):
    """The reverse proxy, with one proxy of the account and one of all accounts."""
    base = "/api/reverse-proxies"
    yield ("GET", base + "/services"), {}
    fx.server.command("proxy own.example " + fx.ids["account"])
    fx.server.command("proxy shared.example -")
    yield ("GET", base + "/clusters"), {"then": lambda v: fx.fail.check(
        [(c["address"], c["type"], c["online"]) for c in v] ==
        [("own.example", "account", True), ("shared.example", "shared", True)], f"clusters {v}")}
    target = {"target_id": fx.ids["peer"], "target_type": "peer", "path": "/", "protocol": "http",
              "host": "", "port": 8080, "enabled": True,
              "options": {"skip_tls_verify": True, "request_timeout": "90s",
                          "session_idle_timeout": "500ms", "path_rewrite": "preserve",
                          "custom_headers": {"X-One": "1"}, "direct_upstream": False,
                          "proxy_protocol": False}}
    body = {"name": "app", "domain": "app.shared.example", "mode": "http", "listen_port": 0,
            "targets": [target], "enabled": True, "pass_host_header": True,
            "rewrite_redirects": True, "private": False, "access_groups": [fx.ids["group"]],
            "auth": {"password_auth": {"enabled": True, "password": PASSWORD},
                     "pin_auth": {"enabled": True, "pin": "123456"},
                     "bearer_auth": {"enabled": True, "distribution_groups": [fx.ids["group"]]},
                     "link_auth": {"enabled": False},
                     "header_auths": [{"enabled": True, "header": "X-Key", "value": "k"}]},
            "access_restrictions": {"allowed_cidrs": ["192.0.2.0/24"], "blocked_cidrs": [],
                                    "allowed_countries": ["de"], "blocked_countries": [],
                                    "crowdsec_mode": "observe"}}
    change = {**body, "name": "app2", "auth": {**body["auth"], "password_auth": {
        "enabled": True, "password": ""}}}
    yield from crud(fx, base + "/services", "serviceId", body, change, "service")
    yield ("DELETE", base + "/services/{serviceId}"), {"params": {"serviceId": fx.ids["service"]}}
    yield ("GET", base + "/domains"), {}
    yield ("POST", base + "/domains"), {
        "body": {"domain": "apps.example.org", "target_cluster": "own.example"},
        "then": fx.remember("domain")}
    yield ("GET", base + "/domains"), {}
    yield ("GET", base + "/domains/{domainId}/validate"), {
        "params": {"domainId": fx.ids["domain"]}, "no_body": True}
    yield ("DELETE", base + "/domains/{domainId}"), {
        "params": {"domainId": fx.ids["domain"]}, "no_body": True}
    yield ("POST", base + "/proxy-tokens"), {
        "body": {"name": "edge", "expires_in": 3600}, "then": fx.remember("proxy_token")}
    yield ("GET", base + "/proxy-tokens"), {}
    yield ("DELETE", base + "/proxy-tokens/{tokenId}"), {
        "params": {"tokenId": fx.ids["proxy_token"]}}
    yield ("DELETE", base + "/clusters/{clusterAddress}"), {
        "params": {"clusterAddress": "own.example"}}
    yield ("GET", "/api/reverse-proxy/callback"), {"query": "?state=x&code=y", "status": 400}


def absent(fx):
    """A product that this server does not have: empty lists, clear refusals."""
    agents = "/api/agent-network"
    gone = {"status": 404}
    yield ("GET", agents + "/catalog/providers"), {}
    for path, var in (("/providers", "providerId"), ("/policies", "policyId"),
                      ("/guardrails", "guardrailId"), ("/budget-rules", "ruleId")):
        yield ("GET", agents + path), {}
        yield ("POST", agents + path), {"body": {}, "status": 412}
        for method in ("GET", "PUT", "DELETE"):
            yield (method, agents + path + "/{%s}" % var), {
                "params": {var: "x"}, "body": {} if method == "PUT" else None, **gone}
    yield ("GET", agents + "/settings"), {}
    yield ("POST", agents + "/settings"), {"body": {}, "status": 412}
    yield ("PUT", agents + "/settings"), {"body": {}, **gone}
    yield ("DELETE", agents + "/settings"), gone
    for path in ("/consumption", "/usage/overview", "/access-logs", "/access-log-sessions"):
        yield ("GET", agents + path), {}


def last(fx):
    yield ("DELETE", "/api/accounts/{accountId}"), {"params": {"accountId": fx.ids["account"]}}


SCENARIOS = [setup, accounts, setup_keys, groups, policies, postures, peers, routes, networks, dns,
             users, invites, connectors, locations, services, events,
             absent, last]
