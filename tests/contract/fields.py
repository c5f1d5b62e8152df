# SPDX-License-Identifier: BSD-3-Clause
"""Every field of every request: what is given, what comes back, and what is there afterwards.

RESOURCES says how an object of each kind is made, read and changed; the fields are those of
rest-contract.json. probe() sends one object per field and value, and tells
(field, value) -> [status of POST, what it answered, what GET says, the same for PUT]: the same
questions for this server (absent.py) and the official one (tests/interop/rest_verdicts.py)."""
import copy
import json

ABSENT = "<absent>"


class Api:
    """One server. `send(method, path, body) -> (status, JSON or text)`."""

    def __init__(self, send, enrol):
        self.send, self.enrol = send, enrol  # enrol(setup key): one machine
        self.quick = False  # texts by POST alone, which most resources check with the same code
        self.names = {}  # ids as they differ between servers -> names that do not
        self.serial = 0

    def know(self, name, value):
        self.names[value] = "<%s>" % name
        return value

    def shown(self, value):
        """Without what differs between servers."""
        text = json.dumps(value, sort_keys=True, ensure_ascii=True)
        for real, name in self.names.items():
            text = text.replace(real, name)
        return json.loads(text)

    def must(self, method, path, body=None):
        status, answer = self.send(method, path, body)
        if status != 200:
            raise RuntimeError(f"{method} {path}: {status} {answer}")
        return answer


def prepare(api):
    """Objects that others refer to."""
    ids = {"group": api.know("group", api.must("POST", "/api/groups", {"name": "fx"})["id"]),
           "group2": api.know("group2", api.must("POST", "/api/groups", {"name": "fx2"})["id"])}
    ids["posture"] = api.know("posture", api.must("POST", "/api/posture-checks", {
        "name": "fx", "description": "", "checks": {"nb_version_check": {"min_version": "0.1"}}})["id"])
    ids["network"] = api.know("network", api.must("POST", "/api/networks", {"name": "fx"})["id"])
    ids["zone"] = api.know("zone", api.must("POST", "/api/dns/zones", {
        "name": "fx", "domain": "fx.test", "enable_search_domain": False,
        "distribution_groups": [ids["group"]]})["id"])
    ids["robot"] = api.know("robot", api.must("POST", "/api/users", {
        "name": "robot", "role": "user", "auto_groups": [], "is_service_user": True})["id"])
    api.enrol(api.must("POST", "/api/setup-keys", {
        "name": "fx", "type": "reusable", "expires_in": 86400, "auto_groups": [],
        "usage_limit": 0})["key"])
    ids["peer"] = api.know("peer", api.must("GET", "/api/peers")[0]["id"])
    account = api.must("GET", "/api/accounts")[0]
    ids["account"] = api.know("account", account["id"])
    ids["settings"] = {k: v for k, v in account["settings"].items()
                       if not k.startswith("network_range")}
    return ids


class Resource:
    """An object that is made by POST and changed by PUT; with path and no make, one that exists."""

    def __init__(self, name, path, base, fields, list_only=False, put=True, one=None, change=None,
                 pick=None):
        self.name, self.path, self.base, self.fields = name, path, base, fields
        self.list_only, self.put, self.one, self.change = list_only, put, one, change
        self.pick = pick or (lambda v: v)


def resources(ids):
    g, p = ids["group"], ids["posture"]
    rule = {"name": "r", "description": "d", "enabled": True, "action": "accept",
            "bidirectional": True, "protocol": "tcp", "sources": [g], "destinations": [g],
            "ports": ["80"]}
    net = f"/api/networks/{ids['network']}"
    return [
        Resource("group", "/api/groups", {"name": "n"}, ["name", "peers", "resources"]),
        Resource("policy", "/api/policies", {
            "name": "n", "description": "d", "enabled": True, "source_posture_checks": [p],
            "rules": [rule]}, [
                "name", "description", "enabled", "source_posture_checks", "rules", "rules.0.name",
                "rules.0.description", "rules.0.enabled", "rules.0.bidirectional", "rules.0.action",
                "rules.0.protocol", "rules.0.ports", "rules.0.port_ranges",
                "rules.0.authorized_groups", "rules.0.sources", "rules.0.destinations",
                "rules.0.sourceResource", "rules.0.destinationResource"]),
        Resource("posture", "/api/posture-checks", {
            "name": "n", "description": "d", "checks": {
                "nb_version_check": {"min_version": "0.30.0"},
                "os_version_check": {"linux": {"min_kernel_version": "5.0"}},
                "peer_network_range_check": {"ranges": ["10.0.0.0/8"], "action": "allow"},
                "process_check": {"processes": [{"linux_path": "/bin/a"}]}}}, [
                    "name", "description", "checks", "checks.nb_version_check",
                    "checks.nb_version_check.min_version", "checks.os_version_check",
                    "checks.os_version_check.linux.min_kernel_version",
                    "checks.peer_network_range_check", "checks.peer_network_range_check.ranges",
                    "checks.peer_network_range_check.action", "checks.process_check",
                    "checks.process_check.processes",
                    "checks.process_check.processes.0.linux_path",
                    "checks.process_check.processes.0.mac_path",
                    "checks.process_check.processes.0.windows_path"]),
        Resource("network", "/api/networks", {"name": "n", "description": "d"},
                 ["name", "description"]),
        Resource("resource", net + "/resources", {
            "name": "n", "description": "d", "address": "10.9.0.0/16", "enabled": True,
            "groups": [g]}, ["name", "description", "address", "enabled", "groups"]),
        Resource("router by groups", net + "/routers", {
            "peer_groups": [g], "metric": 9, "masquerade": True, "enabled": True},
                 ["peer", "peer_groups", "metric", "masquerade", "enabled"]),
        Resource("router by peer", net + "/routers", {
            "peer": ids["peer"], "metric": 9, "masquerade": True, "enabled": True},
                 ["peer", "peer_groups", "metric"]),
        Resource("route by peer", "/api/routes", {
            "description": "d", "network_id": "n", "enabled": True, "peer": ids["peer"],
            "network": "10.7.0.0/16", "metric": 9, "masquerade": True, "groups": [g],
            "keep_route": False}, ["peer", "peer_groups", "domains", "access_control_groups"]),
        Resource("peer", f"/api/peers/{ids['peer']}", {
            "name": "n", "ssh_enabled": False, "login_expiration_enabled": False,
            "inactivity_expiration_enabled": False}, [
                "name", "ssh_enabled", "login_expiration_enabled", "inactivity_expiration_enabled",
                "approval_required", "ip", "ipv6"], one=True),
        Resource("route", "/api/routes", {
            "description": "d", "network_id": "n", "enabled": True, "peer_groups": [g],
            "network": "10.8.0.0/16", "metric": 9, "masquerade": True, "groups": [g],
            "keep_route": False, "access_control_groups": [g]}, [
                "description", "network_id", "enabled", "peer", "peer_groups", "network", "domains",
                "metric", "masquerade", "groups", "keep_route", "access_control_groups",
                "skip_auto_apply"]),
        Resource("nameservers", "/api/dns/nameservers", {
            "name": "n", "description": "d", "enabled": True, "groups": [g], "primary": True,
            "nameservers": [{"ip": "9.9.9.9", "ns_type": "udp", "port": 53}],
            "search_domains_enabled": False, "domains": []}, [
                "name", "description", "nameservers", "nameservers.0.ip", "nameservers.0.ns_type",
                "nameservers.0.port", "enabled", "groups", "primary", "domains",
                "search_domains_enabled"]),
        Resource("zone", "/api/dns/zones", {
            "name": "n", "domain": "n.test", "enabled": True, "enable_search_domain": False,
            "distribution_groups": [g]},
                 ["name", "domain", "enabled", "enable_search_domain", "distribution_groups"]),
        Resource("record", f"/api/dns/zones/{ids['zone']}/records", {
            "name": "n.fx.test", "type": "A", "content": "10.0.0.1", "ttl": 60},
                 ["name", "type", "content", "ttl"]),
        Resource("setup key", "/api/setup-keys", {
            "name": "n", "type": "reusable", "expires_in": 86400, "auto_groups": [g],
            "usage_limit": 0, "ephemeral": False, "allow_extra_dns_labels": False}, [
                "name", "type", "expires_in", "auto_groups", "usage_limit", "ephemeral",
                "allow_extra_dns_labels", "revoked"], change={"auto_groups": [g], "revoked": False}),
        Resource("service user", "/api/users", {
            "name": "n", "role": "user", "auto_groups": [g], "is_service_user": True},
                 ["name", "role", "auto_groups", "is_service_user", "email", "is_blocked"],
                 list_only=True,
                 change={"role": "user", "auto_groups": [g], "is_blocked": False}),
        Resource("invite", "/api/users/invites", {
            "email": "i@example.com", "name": "n", "role": "user", "auto_groups": [g],
            "expires_in": 86400}, ["email", "name", "role", "auto_groups", "expires_in"],
                 list_only=True, put=False),
        Resource("token", f"/api/users/{ids['robot']}/tokens", {"name": "n", "expires_in": 30},
                 ["name", "expires_in"], put=False,
                 pick=lambda v: v.get("personal_access_token", v)),
        Resource("dns settings", "/api/dns/settings", {"disabled_management_groups": [g]},
                 ["disabled_management_groups"], one=True),
        Resource("account", f"/api/accounts/{ids['account']}", {
            "settings": ids["settings"],
            "onboarding": {"signup_form_pending": False, "onboarding_flow_pending": False}}, [
                "settings.extra", "settings.extra.peer_approval_enabled",
                "settings.extra.user_approval_required",
                "settings.extra.network_traffic_logs_enabled",
                "settings.extra.network_traffic_logs_groups",
                "settings.extra.network_traffic_packet_counter_enabled",
                "settings.jwt_allow_groups", "settings.jwt_groups_claim_name",
                "settings.peer_expose_groups", "settings.ipv6_enabled_groups",
                "settings.dns_domain", "settings.auto_update_version", "settings.network_range",
                "settings.network_range_v6", "settings.dashboard_features",
                "settings.peer_login_expiration", "settings.peer_inactivity_expiration",
                "settings.regular_users_view_blocked", "settings.lazy_connection_enabled",
                "settings.groups_propagation_enabled", "settings.jwt_groups_enabled",
                "settings.metrics_push_enabled", "settings.local_mfa_enabled", "onboarding"],
                 one="/api/accounts"),
    ]


EMPTY = [ABSENT, None, [], "", 0, {}]
TEXTS = [" ", "x", " lead", "trail ", "UPPER", "\u00fcn\u00ef", "\u540d\u524d", "\U0001f600",
         "a\nb", "a\tb", "a\u0000b", "\u200b", "<b>'\"\\", "\u007f", "a" * 64, "a" * 65, "a" * 256,
         "a" * 5000, "null", "1.2.3.4", "a.b", "*.a.b", "a_b.c", "-a", "10.1.2.3/16", "::1/64"]


def get(value, path):
    for step in path.split("."):
        if isinstance(value, list):
            value = value[int(step)] if int(step) < len(value) else ABSENT
        elif isinstance(value, dict):
            value = value.get(step, ABSENT)
        else:
            return ABSENT
        if value == ABSENT:
            return ABSENT
    return value


def put(value, path, new):
    """A copy of value with another field; None when the field's place is not there."""
    value = copy.deepcopy(value)
    at, steps = value, path.split(".")
    for step in steps[:-1]:
        at = at[int(step)] if isinstance(at, list) else at.get(step)
        if at is None:
            return None
    if new == ABSENT:
        at.pop(steps[-1], None)
    else:
        at[steps[-1]] = new
    return value


def read(api, r, item):
    if r.list_only or r.one == "/api/accounts":
        rows = api.send("GET", r.one or r.path, None)[1]
        found = [x for x in rows if x["id"] == item] if isinstance(rows, list) else []
        return found[0] if found else None
    return api.send("GET", r.path if r.one else f"{r.path}/{item}", None)[1]


def answers(api, r, path, status, answer, item):
    """[status, what was answered, what GET says]; of a refusal the status alone."""
    if status != 200:
        return [status]
    return [status, api.shown(get(r.pick(answer), path)), api.shown(get(read(api, r, item), path))]


def probe(api, r, path, value, ids):
    """What becomes of one value: by POST on a new object, then by PUT on a good one."""
    body = put(r.base, path, value)
    if r.one:
        item = ids["account"]
        status, answer = api.send("PUT", r.path, body)
        out = answers(api, r, path, status, answer, item)
        api.send("PUT", r.path, r.base)
        return {"PUT": out}
    status, answer = api.send("POST", r.path, body)
    item = r.pick(answer).get("id") if status == 200 and isinstance(answer, dict) else None
    out = {"POST": answers(api, r, path, status, answer, item)}
    if item:
        api.send("DELETE", f"{r.path}/{item}", None)
    changed = put(r.change or r.base, path, value)
    if not r.put or (r.change and path not in r.change) or (
            api.quick and isinstance(value, str) and value in TEXTS):
        return out
    good = r.pick(api.must("POST", r.path, r.base))["id"]
    status, answer = api.send("PUT", f"{r.path}/{good}", changed)
    out["PUT"] = answers(api, r, path, status, answer, good)
    api.send("DELETE", f"{r.path}/{good}", None)
    return out


def is_text(r, path):
    return isinstance(get(r.base, path), str) or path in (
        "peer", "domains", "email", "settings.network_range", "settings.network_range_v6",
        "checks.process_check.processes.0.mac_path",
        "checks.process_check.processes.0.windows_path")


def label(value):
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:8]}...{len(text) - 2}"


def probe_all(api, texts=True, only=None):
    """{"kind field": {"value": {method: [...]}}} of every field and value."""
    ids, out = prepare(api), {}
    for r in resources(ids):
        for path in r.fields:
            name = f"{r.name}: {path}"
            if only and only not in name:
                continue
            values = EMPTY + (TEXTS if texts and is_text(r, path) else [])
            out[name] = {label(v): probe(api, r, path, v, ids) for v in values}
    return out


# ---- comparing with the official server ----------------------------------------------------------

# Where this server answers otherwise on purpose: (part of the field's name, values or None for all,
# reason). What it does then is still checked to be consistent.
OTHERWISE = [
    ("", ['"a\\u0000b"'], "a zero byte cannot be stored in PostgreSQL, so no store takes it"),
    ("peer: ip", ['"<absent>"', "null"], "addresses are random"),
    ("invite: email", None, "it is the name that somebody signs in with: an e-mail address"),
    ("invite: role", None, "an invitation for a role that does not exist makes no user"),
    ("account: settings.network_range", None, "the ranges of a new account are random"),
    ("account: settings.extra.network_traffic_logs_groups", ["[]"],
     "the official server echoes the list and forgets it; here what was given is given back"),
    ("dns settings: disabled_management_groups", ['"<absent>"', "null"],
     "the official server answers 404, because it finds nothing to change"),
    ("nameservers: domains", ['"<absent>"', "null"],
     "the official server answers [] once, and null from then on"),
    ("nameservers: nameservers.0.port", ['"<absent>"', "0", "null"],
     "no agent can ask a server at port 0"),
    ("posture: checks", ['"<absent>"', "null"], "the official server crashes"),
    ("resource: address", ['"\\u200b"', '"\\ud83d\\ude00"'],
     "IDNA 2008 forbids these characters, so no resolver is asked for such names"),
]


def reason(name, value):
    for part, values, why in OTHERWISE:
        if part in name and (values is None or value in values):
            return why
    return None


def is_refusal(answer):
    return len(answer) == 1 and answer[0] != 200


def differences(official, ours):
    """(how many were compared, [what differs and has no reason])"""
    n, lines = 0, []
    for name, by_value in official.items():
        for value, by_method in by_value.items():
            for method, theirs in by_method.items():
                mine = ours.get(name, {}).get(value, {}).get(method)
                n += 1
                if mine is None:
                    lines.append(f"{name} = {value}: {method} was not tried")
                elif theirs != mine and not (is_refusal(theirs) and is_refusal(mine)) and \
                        not reason(name, value):
                    lines.append(f"{name} = {value}: {method}: official {json.dumps(theirs)[:200]},"
                                 f" ours {json.dumps(mine)[:200]}")
    return n, lines


def inconsistencies(ours):
    """Answers that say something else than the GET after them, and errors of the server."""
    lines = []
    for name, by_value in ours.items():
        for value, by_method in by_value.items():
            for method, got in by_method.items():
                if got[0] >= 500 or got[0] == 0:
                    lines.append(f"{name} = {value}: {method} answers {got[0]}")
                elif got[0] == 200 and value in GIVEN_BACK.get(name, []) and label(got[1]) != value:
                    lines.append(f"{name} = {value}: {method} answered {json.dumps(got[1])[:120]}")
                elif got[0] == 200 and got[1] != got[2] and name not in ANSWERS_ONLY:
                    lines.append(f"{name} = {value}: {method} answered {json.dumps(got[1])[:120]}, "
                                 f"GET says {json.dumps(got[2])[:120]}")
    return lines


# Where this server gives back what the official one forgets.
GIVEN_BACK = {"account: settings.extra.network_traffic_logs_groups": ["[]", "null"]}

# The answer of the change shows an override, the account what is in force.
ANSWERS_ONLY = {"account: settings.network_range", "account: settings.network_range_v6",
                "account: settings.embedded_idp_enabled", "account: settings.local_auth_disabled"}
