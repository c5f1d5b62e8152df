# SPDX-License-Identifier: BSD-3-Clause
"""The REST API against tests/data/rest-contract.json: for every operation a good call whose answer
fits the schema, and calls without login, with the wrong role, with an unknown id and with broken
JSON. Usage: contract.py RESTD CONTRACT.json"""
import collections
import copy
import json
import os
import re
import sys

import jsonschema

from fixtures import ABSENT, Fixtures, NOT_FOR_ROLES, SCENARIOS
from server import Server

SETUP_TOKEN = "contract-setup-token"


class Failures:
    def __init__(self):
        self.lines, self.checks = [], 0

    def check(self, ok, what):
        self.checks += 1
        if not ok:
            self.lines.append(what)
            print("FAIL", what)


# ---- contract schemas as JSON Schema ------------------------------------------------------------

def to_schema(s):
    """JSON Schema of a contract schema; objects take no members that the contract does not name."""
    if s is None:
        return {}
    if "oneOf" in s:
        return {"oneOf": [to_schema(x) for x in s["oneOf"]]}
    out, kind = {}, s.get("type")
    if kind:
        out["type"] = kind
    if "enum" in s and not s.get("enum_open"):
        out["enum"] = s["enum"]
    if kind == "array":
        out["items"] = to_schema(s.get("items"))
    if kind == "object":
        out["properties"] = {k: to_schema(v) for k, v in s.get("properties", {}).items()}
        out["required"] = s.get("required", [])
        out["additionalProperties"] = to_schema(s["additionalProperties"]) if isinstance(
            s.get("additionalProperties"), dict) else not s.get("properties")
    return make_nullable(out) if s.get("nullable") else out


def make_nullable(s):
    s = dict(s)
    if "type" in s:
        s["type"] = [s["type"], "null"]
    if "enum" in s:
        s["enum"] = s["enum"] + [None]
    return s


def allow_null(schema, path):
    """path like "rules[].sources" or "(body)"."""
    if path == "(body)":
        return make_nullable(schema)
    here = schema
    steps = re.findall(r"\[\]|[^.\[\]]+", path)
    for i, step in enumerate(steps):
        parent, key = (here, "items") if step == "[]" else (here["properties"], step)
        if i == len(steps) - 1:
            parent[key] = make_nullable(parent[key])
        here = parent[key]
    return schema


def response_schema(op):
    schema = copy.deepcopy(to_schema(op["response"]["schema"]))
    for path in op.get("null_in_practice", []):
        schema = allow_null(schema, path)
    return schema


# Optional in the schema, but clients have always met them.
ALWAYS_SENT = {
    "Users": ["last_login", "is_current", "is_service_user", "issued"],
    "Groups": ["issued"],
    "Policies": ["id", "description"],
    "Posture Checks": ["description"],
    "Routes": ["peer", "network", "domains", "skip_auto_apply"],
    "Identity Providers": ["id"],
}


def check_always_sent(op, answer, fail):
    first = answer[0] if isinstance(answer, list) and answer else answer
    if not isinstance(first, dict) or "permissions" in first or op["path"].endswith("}/jobs"):
        return
    if op["method"] == "DELETE" or "/invites" in op["path"] or op["path"].endswith(
            ("/invite", "/password", "/reject")):
        return
    for name in ALWAYS_SENT.get(op["group"], []):
        fail.check(name in first, f"{op['method']} {op['path']}: {name} is missing")


# ---- one operation ------------------------------------------------------------------------------

def path_of(op, params, query=""):
    path = op["path"]
    for name in op["path_params"]:
        path = path.replace("{%s}" % name["name"], params[name["name"]])
    return path + query


def is_error(answer, status, what, fail):
    fail.check(answer.status == status, f"{what}: {answer.status}, not {status}: {answer.body[:200]}")
    if answer.status != status:
        return
    body = answer.json()
    fail.check(set(body) == {"message", "code"} and body["code"] == status and body["message"],
               f"{what}: error body {body}")


def call_good(server, op, call, fx, fail):
    name = f"{op['method']} {op['path']}"
    token = None if op["auth"] == "none" else call.get("token", fx.owner)
    answer = server.request(op["method"], path_of(op, call["params"], call.get("query", "")),
                            call.get("body"), token, call.get("headers"))
    want = call.get("status", op["response"]["status"])
    fail.check(answer.status == want, f"{name}: {answer.status}, not {want}: {answer.body[:300]}")
    if answer.status != want:
        return None
    fail.check("x-request-id" in answer.headers, f"{name}: no request id")
    fail.check(answer.headers.get("vary", "").startswith("Origin"), f"{name}: no Vary: Origin")
    if want >= 300:
        return None
    kind = op["response"]["content_type"]
    if kind:
        fail.check(answer.headers.get("content-type") == kind,
                   f"{name}: content type {answer.headers.get('content-type')}, not {kind}")
        fail.check(answer.body.endswith(b"\n"), f"{name}: no newline at the end")
        value = answer.json()
        try:
            jsonschema.validate(value, response_schema(op),
                                cls=jsonschema.Draft202012Validator)
        except jsonschema.ValidationError as e:
            fail.check(False, f"{name}: {'/'.join(map(str, e.absolute_path))}: {e.message[:300]}")
        check_always_sent(op, value, fail)
        if op["method"] == "DELETE":
            fail.check(value == {}, f"{name}: {value}, not an empty object")
        return value
    return None


def call_bad(server, op, call, fx, fail):
    """Calls that must not work, before the good one changes anything."""
    name = f"{op['method']} {op['path']}"
    path = path_of(op, call["params"], call.get("query", ""))
    if op["auth"] == "required":
        is_error(server.request(op["method"], path, call.get("body")), 401, name + " without login",
                 fail)
        is_error(server.request(op["method"], path, call.get("body"), "nbp_" + "0" * 36), 401,
                 name + " with a bad token", fail)
        key = (op["method"], op["path"])
        if key not in NOT_FOR_ROLES:
            is_error(server.request(op["method"], path, call.get("body"), fx.nobody), 403,
                     name + " with the wrong role", fail)
        is_error(server.request(op["method"], path, call.get("body"), fx.blocked), 403,
                 name + " as a blocked user", fail) if key not in NOT_FOR_ROLES else None
    if op["request"] and not call.get("no_body"):
        for broken in (b"", b"{", b"null", b"[1]", b'{"name":', b"\xff\xfe"):
            if broken == b"" and op["path"].endswith("/regenerate"):
                continue
            answer = server.request(op["method"], path, raw=broken,
                                    token=None if op["auth"] == "none" else fx.owner,
                                    headers=call.get("headers"))
            is_error(answer, 400, f"{name} with body {broken!r}", fail)
        if op["group"] not in ABSENT:
            call_mistyped(server, op, call, fx, fail)
    if op["path_params"] and not call.get("any_id"):
        params = {k: v for k, v in call["params"].items()}
        last = op["path_params"][-1]["name"]
        params[last] = call.get("unknown_id", "doesnotexist00000000")
        answer = server.request(op["method"], path_of(op, params), call.get("body"),
                                None if op["auth"] == "none" else fx.owner)
        is_error(answer, call.get("unknown", 404), name + " with an unknown id", fail)


def fields_of(schema, steps=()):
    """Every field of a request: the steps to it (0: the first element of a list) and its schema."""
    if schema.get("type") == "array":
        yield from fields_of(schema.get("items", {}), steps + (0,))
    for name, inner in schema.get("properties", {}).items():
        yield steps + (name,), inner
        yield from fields_of(inner, steps + (name,))


def with_field(body, steps, value):
    """A copy of body with that field, its parents made where they are not."""
    out = at = copy.deepcopy(body) if isinstance(body, dict) else {}
    for i, step in enumerate(steps[:-1]):
        empty = [] if steps[i + 1] == 0 else {}
        if step == 0:
            at[:] = at[:1] if at and isinstance(at[0], dict) else [empty]
        elif not isinstance(at.get(step), type(empty)):
            at[step] = empty
        at = at[step]
    at[steps[-1]] = value
    return out


def call_mistyped(server, op, call, fx, fail):
    """A value of the wrong type in each field of the request: taken means that nobody reads it."""
    name = f"{op['method']} {op['path']}"
    for steps, schema in fields_of(op["request"]["schema"]):
        wrong = 7 if schema.get("type") in ("object", "string", "array") else {"x": 7}
        answer = server.request(op["method"], path_of(op, call["params"], call.get("query", "")),
                                with_field(call.get("body"), steps, wrong),
                                None if op["auth"] == "none" else fx.owner, call.get("headers"))
        field = ".".join(map(str, steps))
        is_error(answer, 400, f"{name} with a mistyped {field}", fail)
        fail.check(steps[-1].encode() in answer.body,
                   f"{name} with a mistyped {field}: {answer.body[:200]} does not name it")


class Seen:
    """A server that remembers which content types came with which status, for each operation."""

    def __init__(self, server):
        self.server, self.types, self.key = server, {}, None

    def request(self, method, path, *args, **named):
        answer = self.server.request(method, path, *args, **named)
        if self.key and self.key[0] == method and answer.body:
            kind = answer.headers.get("content-type", "").split(";")[0].strip()
            self.types.setdefault(self.key, set()).add((answer.status, kind))
        return answer

    def __getattr__(self, name):
        return getattr(self.server, name)


def declared(document, method, path, status):
    """Content types that openapi.json gives for an answer."""
    answers = document["paths"][path][method.lower()]["responses"]
    answer = answers.get(str(status), answers.get("default", {}))
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].split("/")[-1]]
    return set(answer.get("content", {}))


def check_types(server, document, fail):
    """Every answer came as the content type that the document declares for it."""
    for (method, path), seen in sorted(server.types.items()):
        for status, kind in sorted(seen):
            want = declared(document, method, path, status)
            fail.check(kind in want, f"{method} {path}: {status} came as {kind}, openapi.json says "
                       f"{sorted(want)}")


def check_document(server, by_key, fail):
    """/api/openapi.json names every operation, itself, and what is ours alone (/api/x/, which tests of its
    own ask)."""
    answer = server.request("GET", "/api/openapi.json")
    fail.check(answer.status == 200, f"openapi.json: {answer.status}")
    document = answer.json()
    named = {(m.upper(), p) for p, ops in document["paths"].items() for m in ops}
    ours = {k for k in named
            if k[1].startswith("/api/x/") or k[1] == "/api/events/network-traffic"}
    fail.check(named - set(by_key) - ours == {("GET", "/api/openapi.json")} and not set(by_key) - named,
               f"openapi.json: {named ^ set(by_key)}")
    text = json.dumps(document)
    for ref in set(re.findall(r'"\$ref": "#/components/(\w+)/(\w+)"', text)):
        fail.check(ref[1] in document["components"].get(ref[0], {}), f"openapi.json: {ref}")
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
    check_types(server, document, fail)


def main():
    restd, contract = sys.argv[1:3]
    with open(contract, encoding="utf-8") as f:
        operations = json.load(f)
    by_key = {(o["method"], o["path"]): o for o in operations}
    fail, done = Failures(), collections.Counter()
    with Server(restd, SETUP_TOKEN, {"RESTD_GEO": fx_geo()}) as real:
        server = Seen(real)
        fx = Fixtures(server, SETUP_TOKEN, fail)
        for scenario in SCENARIOS:
            for key, call in scenario(fx):
                op = by_key[key]
                server.key = key
                call.setdefault("params", {})
                if not call.get("again"):
                    call_bad(server, op, call, fx, fail)
                value = call_good(server, op, call, fx, fail)
                if "then" in call and value is not None:
                    call["then"](value)
                done[key] += 1
                server.key = None
        check_document(server, by_key, fail)
    missing = sorted(set(by_key) - set(done))
    for key in missing:
        fail.check(False, f"{key[0]} {key[1]}: no scenario")
    groups = collections.Counter(o["group"] for o in operations)
    tested = collections.Counter(by_key[k]["group"] for k in done)
    for group in sorted(groups):
        note = " (answers of a server without this product)" if group in ABSENT else ""
        print(f"{group:22} {tested[group]:3}/{groups[group]}{note}")
    print(f"operations tested {len(done)}/{len(by_key)}, {fail.checks} checks, "
          f"{len(fail.lines)} failed")
    return 1 if fail.lines else 0


def fx_geo():
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "places.csv")


if __name__ == "__main__":
    sys.exit(main())
