#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes schema/openapi/openapi.json from the contract of the REST API and the texts below. Run it
after changing either: schema/openapi/make.py tests/data/rest-contract.json. The test of the route
table compares the result with what the server really has."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

# Schemas that deserve a name: where to find each.
NAMED = {
    "Account": ("PUT", "/api/accounts/{accountId}", "response", ""),
    "AccountRequest": ("PUT", "/api/accounts/{accountId}", "request", ""),
    "AccountSettings": ("PUT", "/api/accounts/{accountId}", "response", "settings"),
    "User": ("POST", "/api/users", "response", ""),
    "UserCreateRequest": ("POST", "/api/users", "request", ""),
    "UserRequest": ("PUT", "/api/users/{userId}", "request", ""),
    "PersonalAccessToken": ("GET", "/api/users/{userId}/tokens/{tokenId}", "response", ""),
    "PersonalAccessTokenRequest": ("POST", "/api/users/{userId}/tokens", "request", ""),
    "UserInvite": ("POST", "/api/users/invites", "response", ""),
    "Peer": ("GET", "/api/peers/{peerId}", "response", ""),
    "PeerBatch": ("GET", "/api/peers", "response", "[]"),
    "PeerRequest": ("PUT", "/api/peers/{peerId}", "request", ""),
    "AccessiblePeer": ("GET", "/api/peers/{peerId}/accessible-peers", "response", "[]"),
    "Job": ("GET", "/api/peers/{peerId}/jobs/{jobId}", "response", ""),
    "JobRequest": ("POST", "/api/peers/{peerId}/jobs", "request", ""),
    "SetupKey": ("GET", "/api/setup-keys/{keyId}", "response", ""),
    "SetupKeyCreateRequest": ("POST", "/api/setup-keys", "request", ""),
    "SetupKeyRequest": ("PUT", "/api/setup-keys/{keyId}", "request", ""),
    "Group": ("GET", "/api/groups/{groupId}", "response", ""),
    "GroupRequest": ("POST", "/api/groups", "request", ""),
    "Policy": ("GET", "/api/policies/{policyId}", "response", ""),
    "PolicyRequest": ("PUT", "/api/policies/{policyId}", "request", ""),
    "PostureCheck": ("GET", "/api/posture-checks/{postureCheckId}", "response", ""),
    "PostureCheckRequest": ("POST", "/api/posture-checks", "request", ""),
    "Route": ("GET", "/api/routes/{routeId}", "response", ""),
    "RouteRequest": ("POST", "/api/routes", "request", ""),
    "NameserverGroup": ("GET", "/api/dns/nameservers/{nsgroupId}", "response", ""),
    "NameserverGroupRequest": ("POST", "/api/dns/nameservers", "request", ""),
    "DNSSettings": ("PUT", "/api/dns/settings", "request", ""),
    "Zone": ("GET", "/api/dns/zones/{zoneId}", "response", ""),
    "ZoneRequest": ("POST", "/api/dns/zones", "request", ""),
    "DNSRecord": ("GET", "/api/dns/zones/{zoneId}/records/{recordId}", "response", ""),
    "DNSRecordRequest": ("POST", "/api/dns/zones/{zoneId}/records", "request", ""),
    "Network": ("GET", "/api/networks/{networkId}", "response", ""),
    "NetworkRequest": ("POST", "/api/networks", "request", ""),
    "NetworkResource": ("GET", "/api/networks/{networkId}/resources/{resourceId}", "response", ""),
    "NetworkResourceRequest": ("POST", "/api/networks/{networkId}/resources", "request", ""),
    "NetworkRouter": ("GET", "/api/networks/{networkId}/routers/{routerId}", "response", ""),
    "NetworkRouterRequest": ("POST", "/api/networks/{networkId}/routers", "request", ""),
    "Event": ("GET", "/api/events/audit", "response", "[]"),
    "IdentityProvider": ("GET", "/api/identity-providers/{idpId}", "response", ""),
    "IdentityProviderRequest": ("POST", "/api/identity-providers", "request", ""),
}

NAMED_THING = {"type": "object", "properties": {
    "type": {"type": "string", "enum": ["peer", "group", "resource", "address", "name"]},
    "id": {"type": "string"}, "name": {"type": "string"}, "ip": {"type": "string"}}}

REVIEW = {"type": "object", "properties": {
    "from": {"type": "string"}, "to": {"type": "string"},
    "changes": {"type": "array", "items": {"type": "object", "properties": {
        "kind": {"type": "string"}, "id": {"type": "string"}, "name": {"type": "string"},
        "peer": {"type": "string"}, "op": {"type": "string"}}}},
    "machines": {"type": "integer"},
    "flows": {"type": "object", "properties": {
        "gained": {"type": "integer"}, "lost": {"type": "integer"},
        "changed": {"type": "integer"}, "complete": {"type": "boolean"},
        "list": {"type": "array", "items": {"type": "object", "properties": {
            "from": NAMED_THING, "to": NAMED_THING, "route": NAMED_THING,
            "before": {"type": "string"}, "after": {"type": "string"}}}}}}}}

# One changed object, as the journal has it.
ENTRY = {"type": "object", "properties": {
    "entry": {"type": "integer"}, "change": {"type": "integer"}, "serial": {"type": "integer"},
    "time": {"type": "string", "format": "date-time"},
    "actor": {"type": "object", "properties": {
        "id": {"type": "string"}, "name": {"type": "string"}}},
    "op": {"type": "string", "enum": ["create", "update", "delete"]},
    "kind": {"type": "string"}, "id": {"type": "string"}, "name": {"type": "string"},
    "peer": {"type": "string"}, "peer_id": {"type": "string"},
    "fields": {"type": "array", "items": {"type": "string"}}}}

# What a file of the network does; when applied there are setup_keys.
PLAN = {"type": "object", "properties": dict({
    "ok": {"type": "boolean"}, "applied": {"type": "boolean"}, "serial": {"type": "integer"},
    "digest": {"type": "string"},
    "steps": {"type": "array", "items": {"type": "object", "properties": {
        "op": {"type": "string", "enum": ["create", "update", "delete"]},
        "kind": {"type": "string"}, "name": {"type": "string"}, "in": {"type": "string"},
        "was": {"type": "string"}, "id": {"type": "string"}, "line": {"type": "integer"},
        "fields": {"type": "array", "items": {"type": "string"}}}}},
    "tests": {"type": "array", "items": {"type": "object", "properties": {
        "test": {"type": "string"}, "line": {"type": "integer"}, "ok": {"type": "boolean"},
        "why": {"type": "string"}}}},
    "setup_keys": {"type": "array", "items": {"type": "object", "properties": {
        "name": {"type": "string"}, "key": {"type": "string"}}}}}, **{
            k: v for k, v in REVIEW["properties"].items() if k not in ("from", "to")})}

TRAFFIC_END = {"type": "object", "properties": {
    "id": {"type": "string"},
    "type": {"type": "string", "enum": ["UNKNOWN", "PEER", "HOST_RESOURCE", "SUBNET_RESOURCE",
                                        "DOMAIN_RESOURCE", "ROUTE"]},
    "name": {"type": "string"}, "address": {"type": "string"},
    "geo_location": {"type": "object", "properties": {
        "city_name": {"type": "string"}, "country_code": {"type": "string"}}},
    "os": {"type": "string", "nullable": True}, "dns_label": {"type": "string", "nullable": True}}}

# What the contract has not: (path, summary, query, answer).
OWN = [
    ("/api/x/changes", "News of the account as they come: server-sent events, or one answer when "
     "there are some", [
        ("since", "string", "place of the last answer or event; without it: from now on"),
        ("timeout", "integer", "seconds that one answer may wait for news: 0 to 60, else 30")],
     {"type": "object", "properties": {
         "last": {"type": "string"}, "reset": {"type": "boolean"},
         "changes": {"type": "array", "items": ENTRY},
         "presence": {"type": "array", "items": {"type": "object", "properties": {
             "peer": {"type": "string"}, "name": {"type": "string"},
             "connected": {"type": "boolean"},
             "last_seen": {"type": "string", "format": "date-time"}}}}}}),
    ("/api/events/network-traffic", "Who talked to whom, newest first (server.x.flow)", [
        ("page", "integer", "from 1"),
        ("page_size", "integer", "1 to 50000; 1000 when it is not given"),
        ("user_id", "string", "only what machines of this user told"),
        ("reporter_id", "string", "only what this machine told"),
        ("source_id", "string", "only from this machine, resource or route"),
        ("destination_id", "string", "only to this one"),
        ("protocol", "integer", "IP protocol number"),
        ("type", "string", "TYPE_UNKNOWN, TYPE_START, TYPE_END or TYPE_DROP"),
        ("connection_type", "string", "P2P or ROUTED"),
        ("direction", "string", "INGRESS, EGRESS or DIRECTION_UNKNOWN"),
        ("search", "string", "a part of a name, an address or the user's e-mail; looks through the "
                             "newest 200000 flows"),
        ("start_date", "string", "RFC 3339 time; from here on"),
        ("end_date", "string", "RFC 3339 time; up to here")],
     {"type": "object", "properties": {
         "data": {"type": "array", "items": {"type": "object", "properties": {
             "id": {"type": "string"}, "flow_id": {"type": "string"},
             "reporter_id": {"type": "string"}, "source": TRAFFIC_END, "destination": TRAFFIC_END,
             "user": {"type": "object"}, "policy": {"type": "object"}, "icmp": {"type": "object"},
             "protocol": {"type": "integer"}, "direction": {"type": "string"},
             "rx_bytes": {"type": "integer"}, "rx_packets": {"type": "integer"},
             "tx_bytes": {"type": "integer"}, "tx_packets": {"type": "integer"},
             "num_of_starts": {"type": "integer"}, "num_of_ends": {"type": "integer"},
             "num_of_drops": {"type": "integer"},
             "window_start": {"type": "string", "format": "date-time"},
             "window_end": {"type": "string", "format": "date-time"},
             "receive_timestamp": {"type": "string", "format": "date-time"},
             "events": {"type": "array", "items": {"type": "object", "properties": {
                 "type": {"type": "string"},
                 "timestamp": {"type": "string", "format": "date-time"}}}}}}},
         "page": {"type": "integer"}, "page_size": {"type": "integer"},
         "total_records": {"type": "integer"}, "total_pages": {"type": "integer"}}}),
    ("/api/x/reach", "Who can reach what, and why (not)", [
        ("from", "string", "a peer or group: id, name, address or DNS name; empty: every peer"),
        ("to", "string", "a peer, group, network resource, address or DNS name; empty: every peer"),
        ("protocol", "string", "all (the default), tcp, udp, icmp or netbird-ssh"),
        ("port", "integer", "0 (the default): any"),
        ("at", "string", "a moment of the past: RFC 3339, yesterday, or how long ago (90m, 7d)"),
        ("page", "integer", "of lists, from 1"),
        ("page_size", "integer", "1 to 1000")],
     {"type": "object", "properties": {
         "reachable": {"type": "boolean"},
         "from": NAMED_THING, "to": NAMED_THING,
         "protocol": {"type": "string"}, "port": {"type": "integer"},
         "flows": {"type": "string"},
         "by": {"type": "array", "items": {"type": "object"}},
         "over": {"type": "array", "items": {"type": "object"}},
         "missing": {"type": "array", "items": {"type": "object", "properties": {
             "code": {"type": "string"}, "message": {"type": "string"}}}},
         "pairs": {"type": "array", "items": {"type": "object"}},
         "peers": {"type": "array", "items": {"type": "object"}},
         "total": {"type": "integer"}, "page": {"type": "integer"},
         "page_size": {"type": "integer"}}}),
    ("/api/x/reach/matrix", "Who can reach whom, as a table of groups or of peers, in pages", [
        ("of", "string", "groups (the default) or peers"),
        ("from", "string", "only these rows: a group (of peers: or a peer)"),
        ("to", "string", "only these columns"),
        ("protocol", "string", "of peers: all (the default), tcp, udp, icmp or netbird-ssh"),
        ("port", "integer", "of peers: 0 (the default): any"),
        ("at", "string", "a moment of the past: RFC 3339, yesterday, or how long ago (90m, 7d)"),
        ("page", "integer", "from 1"),
        ("page_size", "integer", "1 to 1000")],
     {"type": "object", "properties": {
         "cells": {"type": "array", "items": {"type": "object", "properties": {
             "from": NAMED_THING, "to": NAMED_THING, "pairs": {"type": "integer"},
             "reachable": {"description": "how many of the pairs; of peers: yes or no"},
             "example": {"type": "object", "properties": {
                 "from": NAMED_THING, "to": NAMED_THING, "flows": {"type": "string"}}},
             "flows": {"type": "string"}}}},
         "total": {"type": "integer"}, "page": {"type": "integer"},
         "page_size": {"type": "integer"}}}),
    ("/api/x/history", "What was changed, by whom, newest first", [
        ("kind", "string", "only this kind: peer, group, group_peer, policy, …"),
        ("id", "string", "only this object"),
        ("actor", "string", "only by this user, peer or setup key"),
        ("since", "string", "RFC 3339, yesterday, or how long ago (90m, 7d)"),
        ("until", "string", "the same"),
        ("page", "integer", "from 1"),
        ("page_size", "integer", "1 to 1000")],
     {"type": "array", "items": ENTRY}),
    ("/api/x/diff", "What is different between two moments, as objects and as flows", [
        ("from", "string", "RFC 3339, yesterday, or how long ago (90m, 7d)"),
        ("to", "string", "the same; now when it is not given")], REVIEW),
    ("/api/x/peers/{peerId}/posture", "The verdict of each posture check on one peer, and why", [],
     {"type": "array", "items": {"type": "object", "properties": {
         "id": {"type": "string"}, "name": {"type": "string"}, "passes": {"type": "boolean"},
         "parts": {"type": "array", "items": {"type": "object", "properties": {
             "part": {"type": "string"}, "passes": {"type": "boolean"},
             "wanted": {"type": "string"}, "found": {"type": "string"}}}},
         "policies": {"type": "array", "items": {"type": "object", "properties": {
             "id": {"type": "string"}, "name": {"type": "string"},
             "enabled": {"type": "boolean"}, "concerns": {"type": "boolean"}}}}}}}),
    ("/api/x/health", "How this server is, for who may read its settings", [],
     {"type": "object", "properties": {
         "version": {"type": "string"}, "uptime_s": {"type": "integer"},
         "machines": {"type": "object", "properties": {
             "all": {"type": "integer"}, "connected": {"type": "integer"}}},
         "traffic_events": {"description": "whether they can be kept (server.x.flow)",
                            "type": "boolean"},
         "agents_are_told": {"type": "object", "properties": {
             "signal": {"type": "string"}, "relays": {"type": "array", "items": {"type": "string"}},
             "stuns": {"type": "array", "items": {"type": "string"}}}},
         "nodes": {"description": "the processes that share the database",
                   "type": "array", "items": {"type": "object", "properties": {
                       "id": {"type": "string"}, "this": {"type": "boolean"},
                       "host": {"type": "string"}, "version": {"type": "string"},
                       "started": {"type": "string", "format": "date-time"},
                       "seen": {"type": "string", "format": "date-time"},
                       "relay": {"type": "string"}, "behind": {"type": "integer"},
                       "behind_ms": {"type": "integer"}}}},
         "maps": {"description": "how far machines are behind what was changed",
                  "type": "object", "properties": {
                      "waiting": {"type": "integer"}, "bytes_under_way": {"type": "integer"},
                      "took_ms": {"type": "integer"}, "cut_off": {"type": "integer"}}},
         "health": {"description": "the body of /health; with the backups that rookery admin "
                                   "backup made, and what its own relay has",
                    "type": "object"}}}),
    ("/api/x/export", "The network as a file that /api/x/plan reads, in YAML", [],
     {"type": "string"}),
]
# Changes of the same kind: (path, summary, path parameters).
OWN_POST = [("/api/x/history/{entry}/undo", "Take back what was changed together with an entry",
             ["entry"], [], {"type": "object"}),
            ("/api/x/plan", "What a file of the network (YAML or JSON, "
             "schema/wanted/network.schema.json) would do", [], [], PLAN),
            ("/api/x/apply", "Do what such a file says, all of it or nothing", [], [
                ("serial", "integer", "refuse when the network has another one: it has moved"),
                ("digest", "string", "refuse when a plan would not give this one any more")], PLAN)]

# Other products: their paths answer, but there is nothing behind them.
ABSENT = ("/api/agent-network/", "/api/reverse-prox", "/api/events/proxy")

WORDS = {"GET": "Read", "POST": "Create", "PUT": "Replace", "DELETE": "Delete"}

SUMMARY = {
    ("GET", "/api/instance"): "Does this server still need its first owner?",
    ("GET", "/api/instance/version"): "Version of the server",
    ("POST", "/api/setup"): "Make the first owner, and with create_pat a token",
    ("GET", "/api/openapi.json"): "This document",
    ("GET", "/api/accounts"): "The account, as a list of one",
    ("PUT", "/api/accounts/{accountId}"): "Replace all settings; what is left out is switched off",
    ("DELETE", "/api/accounts/{accountId}"): "Delete the account with everything in it",
    ("GET", "/api/users/current"): "The caller, with permissions",
    ("POST", "/api/users"): "Make a service user, or a local user with a random password",
    ("POST", "/api/users/{userId}/invite"): "Invite again by mail (external providers only)",
    ("POST", "/api/users/{userId}/approve"): "Let a waiting user in",
    ("DELETE", "/api/users/{userId}/reject"): "Delete a waiting user",
    ("PUT", "/api/users/{userId}/password"): "Change one's own password",
    ("GET", "/api/users/invites/{token}"): "What the holder of an invite link may know",
    ("POST", "/api/users/invites/{token}/accept"): "Become a user by an invite link",
    ("POST", "/api/users/invites/{inviteId}/regenerate"): "New link for an invite",
    ("GET", "/api/peers/{peerId}/accessible-peers"): "Peers that this one can reach",
    ("POST", "/api/peers/{peerId}/temporary-access"): "An ephemeral peer with access to this one",
    ("PUT", "/api/setup-keys/{keyId}"): "Revoke a setup key, or change its groups",
    ("GET", "/api/events/audit"): "Who did what, newest first",
    ("GET", "/api/events"): "The same as /api/events/audit",
    ("GET", "/api/networks/resources"): "Resources of all networks",
    ("GET", "/api/networks/routers"): "Routers of all networks",
    ("GET", "/api/dns/settings"): "Read the DNS settings",
    ("PUT", "/api/dns/settings"): "Replace the DNS settings",
    ("GET", "/api/events/proxy"): "Requests through the reverse proxy",
    ("GET", "/api/reverse-proxy/callback"): "Return of a browser from a login",
    ("GET", "/api/reverse-proxies/domains/{domainId}/validate"): "Check a domain",
    ("GET", "/api/agent-network/settings"): "Read the settings",
    ("POST", "/api/agent-network/settings"): "Create the settings",
    ("PUT", "/api/agent-network/settings"): "Replace the settings",
    ("DELETE", "/api/agent-network/settings"): "Delete the settings",
    ("GET", "/api/agent-network/consumption"): "Consumption",
    ("GET", "/api/agent-network/usage/overview"): "Usage over time",
    ("GET", "/api/locations/countries"): "Countries that posture checks can name",
    ("GET", "/api/locations/countries/{country}/cities"): "Cities of a country",
}

# What we have beyond the contract.
EXTRA_QUERY = {
    ("GET", "/api/events/audit"): [
        ("initiator_id", "string", "only events by this user, peer or key"),
        ("target_id", "string", "only events on this object"),
        ("activity_code", "string", "only events of this kind, such as peer.rename"),
        ("start_date", "string", "RFC 3339 time; from here on"),
        ("end_date", "string", "RFC 3339 time; up to here"),
        ("page", "integer", "from 1"),
        ("page_size", "integer", "1 to 10000"),
    ],
}

# What ?dry_run=true can be asked of (routes.c).
TRYABLE = ("accounts", "setup-keys", "peers", "groups", "policies", "routes", "networks",
           "dns", "posture-checks", "users", "identity-providers", "x/history", "x/apply",
           "reverse-proxies/services", "reverse-proxies/domains")


def tryable(method, path):
    parts = path.split("/")
    return (method != "GET" and (parts[2] in TRYABLE or "/".join(parts[2:4]) in TRYABLE) and
            (method, path) != ("DELETE", "/api/accounts/{accountId}") and parts[-1] != "accept")


INTRO = """The API of the management service. It is compatible with NetBird's: its dashboard, \
Terraform provider and client libraries work unmodified.

Log in with `Authorization: Token nbp_…` (a personal access token) or `Authorization: Bearer …` (a \
token of the identity provider). Errors are `{"message": "…", "code": 404}` with the same code as \
the HTTP status. Creating answers 200, deleting answers `{}`. Lists are in order of creation."""


def convert(s):
    """Contract schema to JSON Schema 2020-12."""
    if s is None:
        return {}
    if "oneOf" in s:
        return {"oneOf": [convert(x) for x in s["oneOf"]]}
    out, kind = {}, s.get("type")
    if kind:
        out["type"] = [kind, "null"] if s.get("nullable") else kind
    if "format" in s:
        out["format"] = s["format"]
    if "enum" in s:
        key = "examples" if s.get("enum_open") else "enum"
        out[key] = s["enum"] + ([None] if s.get("nullable") and key == "enum" else [])
    if kind == "array":
        out["items"] = convert(s.get("items"))
    if kind == "object":
        if s.get("properties"):
            out["properties"] = {k: convert(v) for k, v in s["properties"].items()}
        if s.get("required"):
            out["required"] = s["required"]
        if isinstance(s.get("additionalProperties"), dict):
            out["additionalProperties"] = convert(s["additionalProperties"])
    return out


def allow_null(schema, path):
    import re
    if path == "(body)":
        schema["type"] = [schema["type"], "null"]
        return
    here = schema
    steps = re.findall(r"\[\]|[^.\[\]]+", path)
    for i, step in enumerate(steps):
        here = here["items"] if step == "[]" else here["properties"][step]
        if i == len(steps) - 1 and isinstance(here.get("type"), str):
            here["type"] = [here["type"], "null"]


def at(schema, path):
    for step in [p for p in path.replace("[]", ".[]").split(".") if p]:
        schema = schema["items"] if step == "[]" else schema["properties"][step]
    return schema


def put_refs(value, names, top):
    if isinstance(value, dict):
        key = json.dumps(value, sort_keys=True)
        if key in names and not top:
            return {"$ref": "#/components/schemas/" + names[key]}
        return {k: put_refs(v, names, False) for k, v in value.items()}
    if isinstance(value, list):
        return [put_refs(v, names, False) for v in value]
    return value


def summary(op):
    key = (op["method"], op["path"])
    if key in SUMMARY:
        return SUMMARY[key]
    last = op["path"].split("/")[-1]
    if op["method"] == "GET" and not last.startswith("{"):
        return "List " + last.replace("-", " ")
    word = [w for w in op["path"].split("/")[2:] if not w.startswith("{")][-1].replace("-", " ")
    thing = word[:-3] + "y" if word.endswith("ies") else word.rstrip("s")
    article = "an" if thing[0] in "aeio" else "a"
    return f"{WORDS[op['method']]} {article} {thing}"


def operation(op, body, answer):
    key = (op["method"], op["path"])
    out = {"tags": [op["group"]], "summary": summary(op)}
    if op["path"].startswith(ABSENT):
        out["description"] = "Belongs to a product that this server does not have: it answers as a " \
                             "server without any such object."
    parameters = [{"name": p["name"], "in": "path", "required": True,
                   "schema": {"type": p.get("type", "string")}} for p in op["path_params"]]
    for q in op["query_params"]:
        schema = {"type": q.get("type", "string")}
        if q.get("enum"):
            schema["enum"] = q["enum"]
        if q.get("items"):
            schema["items"] = convert(q["items"])
        parameters.append({"name": q["name"], "in": "query", "schema": schema,
                           "required": bool(q.get("required"))})
    for name, kind, text in EXTRA_QUERY.get(key, []):
        parameters.append({"name": name, "in": "query", "schema": {"type": kind},
                           "description": text})
    if tryable(*key):
        parameters.append({"name": "dry_run", "in": "query", "schema": {"type": "boolean"},
                           "description": "change nothing, and answer what the request would do: "
                           "{dry_run, changes, machines, flows}"})
    if key == ("POST", "/api/setup"):
        parameters.append({"name": "X-Setup-Token", "in": "header", "schema": {"type": "string"},
                           "description": "the one-time token that the server's admin was shown"})
    if parameters:
        out["parameters"] = parameters
    if body is not None:
        out["requestBody"] = {"required": True,
                              "content": {"application/json": {"schema": body}}}
    response = op["response"]
    good = {"description": "done"}
    if response["content_type"]:
        good["content"] = {response["content_type"].split(";")[0]: {"schema": answer}}
    out["responses"] = {str(response["status"]): good,
                        "default": {"$ref": "#/components/responses/Error"}}
    if key in TEXT_REFUSALS:
        out["responses"][TEXT_REFUSALS[key]] = {"description": "refused, for a browser",
                                                "content": {"text/plain": {
                                                    "schema": {"type": "string"}}}}
    if op["auth"] == "none":
        out["security"] = []
    return out


# What browsers are sent to and refused in plain text.
TEXT_REFUSALS = {("GET", "/api/reverse-proxy/callback"): "400"}


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        ops = json.load(f)
    ops.append({"method": "GET", "path": "/api/openapi.json", "group": "Instance", "auth": "none",
                "path_params": [], "query_params": [], "request": None,
                "response": {"status": 200, "content_type": "application/json",
                             "schema": {"type": "object"}}})
    for path, text, query, answer in OWN:
        SUMMARY["GET", path] = text
        EXTRA_QUERY["GET", path] = query
        ops.append({"method": "GET", "path": path, "group": "Questions", "auth": "user",
                    "path_params": [], "query_params": [], "request": None,
                    "response": {"status": 200, "content_type":
                                 "application/yaml" if answer["type"] == "string" else
                                 "application/json", "schema": answer}})
    for path, text, params, query, answer in OWN_POST:
        SUMMARY["POST", path] = text
        EXTRA_QUERY["POST", path] = query
        ops.append({"method": "POST", "path": path, "group": "Questions", "auth": "user",
                    "path_params": [{"name": p} for p in params], "query_params": [],
                    "request": None, "response": {"status": 200,
                                                  "content_type": "application/json",
                                                  "schema": answer}})
    parts = {}
    for op in ops:
        answer = convert(op["response"]["schema"])
        for path in op.get("null_in_practice", []):
            allow_null(answer, path)
        parts[op["method"], op["path"]] = {
            "request": convert(op["request"]["schema"]) if op["request"] else None,
            "response": answer}
    names, components = {}, {}
    for name, (method, path, side, where) in NAMED.items():
        schema = at(parts[method, path][side], where)
        names.setdefault(json.dumps(schema, sort_keys=True), name)
        components[name] = schema
    paths = {}
    for op in sorted(ops, key=lambda o: o["path"]):
        p = {k: put_refs(v, names, False) if v is not None else None
             for k, v in parts[op["method"], op["path"]].items()}
        paths.setdefault(op["path"], {})[op["method"].lower()] = operation(
            op, p["request"], p["response"])
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Rookery management API", "version": "1", "description": INTRO,
                 "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"}},
        "security": [{"token": []}, {"bearer": []}],
        "tags": [{"name": g} for g in sorted({o["group"] for o in ops})],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "Authorization",
                          "description": "Token nbp_…"},
                "bearer": {"type": "http", "scheme": "bearer"}},
            "responses": {"Error": {"description": "refused; the code equals the status", "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}},
            "schemas": {"Error": {"type": "object", "required": ["message", "code"], "properties": {
                "message": {"type": "string"}, "code": {"type": "integer"}}},
                **{n: put_refs(s, names, True) for n, s in components.items()}}},
    }
    out = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "openapi.json")
    with open(out, "w", encoding="utf-8") as f:
        json.dump(document, f, ensure_ascii=False, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
