# SPDX-License-Identifier: BSD-3-Clause
"""Answers of a server before and after a move, field by field."""
import json
import re

# What is ours to say: times of the running server, and what another server counts anew.
IGNORED = {"last_login", "last_used", "last_seen", "connected", "is_current", "permissions",
           "session_expires_at", "disapproval_reason", "id:event"}


def clean(v):
    """Comparable: without what a running server says anew, lists of objects in id order, times to
    the microsecond (what our store keeps of them)."""
    if isinstance(v, str):
        m = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d+)Z", v)
        return m.group(1) + "." + m.group(2)[:6].rstrip("0") + "Z" if m else v
    if isinstance(v, dict):
        return {k: clean(x) for k, x in v.items() if k not in IGNORED}
    if isinstance(v, list):
        v = [clean(x) for x in v]
        return sorted(v, key=lambda x: json.dumps(x, sort_keys=True))
    return v


def differences(was, now, path=""):
    if isinstance(was, dict) and isinstance(now, dict):
        out = []
        for k in sorted(set(was) | set(now)):
            out += differences(was.get(k, "(absent)"), now.get(k, "(absent)"), path + "." + k)
        return out
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return sum((differences(x, y, "%s[%d]" % (path, i))
                    for i, (x, y) in enumerate(zip(was, now))), [])
    return [] if was == now or (was in (None, []) and now in (None, [])) else [
        "%s: %r became %r" % (path, was, now)]


def prepare(path, was, now):
    """Both answers to GET /api/<path>, comparable."""
    if path == "events/audit":  # what came after the import is ours
        old = {clean(e["timestamp"]) for e in was}
        now = [e for e in now if clean(e["timestamp"]) in old]
        for e in was + now:
            e.pop("id", None)
            # lists as Go prints them ("[a b]") are shown without the brackets here
            e["meta"] = {k: v.strip("[]") for k, v in e["meta"].items()}
    if path == "accounts":  # an account without a domain has no category of it
        was[0]["domain_category"] = was[0]["domain_category"] or "unknown"
    return clean(was), clean(now)
