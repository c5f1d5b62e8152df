# SPDX-License-Identifier: BSD-3-Clause
"""News of the account as they come, over both HTTP versions: changes.py ./rookery"""
import http.client
import json
import os
import sys
import threading
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
from live import Live  # noqa: E402
from proc import check, finish  # noqa: E402
from rookery import Server  # noqa: E402

s = Server()
s.setup()


def rest(method, path, body=None, want=200):
    status, text = s.api(method, path, body)
    check("%s %s" % (method, path.split("?")[0]), status == want, "%s %s" % (status, text))
    return json.loads(text)


def poll(authorization=None, want=200, **q):
    c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=120)
    c.request("GET", "/api/x/changes?" + urlencode(q), None,
              {"Authorization": authorization or "Token " + s.token})
    a = c.getresponse()
    text = a.read()
    check("poll %s" % q, a.status == want, "%s %s" % (a.status, text))
    return json.loads(text)


def group(name):
    return rest("POST", "/api/groups", {"name": name, "peers": []})


def machine(name):
    return field(1, name) + field(2, "linux") + field(6, "Debian") + field(7, "0.77.1")


def user_token(user, **more):
    return rest("POST", "/api/users/%s/tokens" % user["id"],
                dict({"name": "t", "expires_in": 1}, **more))


owner = "Token " + s.token
owner_id = rest("GET", "/api/users/current")["id"]

# ---- one answer

start = poll()
check("where it stands", start["changes"] == start["presence"] == [] and not start["reset"] and
      int(start["last"].split("-")[0]) > 0, start)
g = group("first")
a = poll(since=start["last"])
c = a["changes"][0]
check("what was changed", len(a["changes"]) == 1 and not a["reset"] and
      (c["kind"], c["op"], c["id"], c["name"]) == ("group", "create", g["id"], "first") and
      c["actor"]["id"] == owner_id and c["serial"] > 0 and c["time"].startswith("20") and
      a["last"].startswith("%d-" % c["entry"]), a)
check("nothing new", poll(since=a["last"], timeout=0)["changes"] == [])
got = []
t = threading.Thread(target=lambda: got.append(poll(since=a["last"], timeout=60)))
t.start()
time.sleep(0.3)
check("it waits", not got)
rest("PUT", "/api/groups/" + g["id"], {"name": "renamed", "peers": []})
t.join(120)
check("until there is something", got[0]["changes"][0]["fields"] == ["name"] and
      got[0]["changes"][0]["op"] == "update", got)
for bad in ({"since": "x"}, {"since": "-4"}, {"since": "1-x"}, {"timeout": 61}, {"timeout": "x"}):
    poll(want=422, **bad)
poll("Token nonsense", want=401)
check("a place that the journal does not have", poll(since="99999999")["reset"])

# ---- events, over both versions of HTTP

for h2 in (False, True):
    name = "HTTP/2" if h2 else "HTTP/1.1"
    live = Live(s.port, owner, h2=h2)
    event, place, data = live.next()
    check(name + ": ready", event == "ready" and data["last"] == place)
    check(name + ": the head", h2 or ("text/event-stream" in live.head and
                                      "no-store" in live.head and live.status == 200), live.head)
    g = group("one " + name)
    event, place, data = live.next()
    check(name + ": told", event == "change" and data["id"] == g["id"] and
          place.startswith("%d-" % data["entry"]), data)
    many = [group("%s %d" % (name, i)) for i in range(50)]
    check(name + ": all of them in order",
          [live.next()[2]["id"] for _ in many] == [m["id"] for m in many])
    live.close()
    missed = group("missed " + name)
    live = Live(s.port, owner, last=place, h2=h2)
    check(name + ": from where it was lost", live.next()[0] == "ready" and
          [live.next("change")[2]["id"] for _ in many] == [m["id"] for m in many] and
          live.next("change")[2]["id"] == missed["id"])
    live.close()
    live = Live(s.port, owner, last="99999999-1", h2=h2)
    check(name + ": or it has to look again", live.next()[0] == "reset")
    live.close()
    for gone in many:
        rest("DELETE", "/api/groups/" + gone["id"])
c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=60)
c.request("HEAD", "/api/x/changes", None, {"Authorization": owner,
                                           "Accept": "text/event-stream"})
a = c.getresponse()
a.read()
check("HEAD does not wait", a.status in (200, 405), a.status)

# ---- who is connected

live = Live(s.port, owner)
live.next("ready")
key = rest("POST", "/api/setup-keys", {"name": "k", "type": "reusable", "expires_in": 86400,
                                       "auto_groups": [], "usage_limit": 0})["key"]
before = poll()["last"]
with grpc.insecure_channel("127.0.0.1:%d" % s.port) as ch:
    agent = Agent(ch)
    agent.login(key, machine("web"))
    peer = live.until("change", lambda c: c["kind"] == "peer")[2]
    check("a machine enrols", peer["op"] == "create" and peer["name"] == "web", peer)
    call = agent.sync()
    next(call)
    got = live.until("presence", lambda p: p["peer"] == peer["id"])[2]
    check("and connects", got["connected"] and got["name"] == "web", got)
    call.cancel()
    got = live.until("presence", lambda p: not p["connected"])[2]
    check("and goes", got["peer"] == peer["id"], got)
live.close()
live = Live(s.port, owner, last=before)
live.next("ready")
check("whoever was away is told how it is", live.next("presence")[2]["peer"] == peer["id"])
live.close()
check("in one answer, too", [p["peer"] for p in poll(since=before)["presence"]] == [peer["id"]])

# ---- roles

auditor = rest("POST", "/api/users", {"role": "auditor", "is_service_user": True, "name": "audit",
                                      "auto_groups": []})
token = user_token(auditor)
seen = Live(s.port, "Token " + token["plain_token"])
seen.next("ready")
bob = rest("POST", "/api/users", {"role": "user", "is_service_user": False, "name": "Bob",
                                  "email": "bob@example.com", "auto_groups": []})
browser, flow = Browser(s.port), Flow(scope="openid profile email")
back = browser.submit(browser.get("/oauth2/auth", **flow.params()), login="bob@example.com",
                      password=bob["password"])
jwt = flow.redeem(browser, back.query()["code"]).json()["access_token"]
account = rest("GET", "/api/accounts")[0]


def hide(yes):
    rest("PUT", "/api/accounts/" + account["id"], {"settings": dict(
        account["settings"], regular_users_view_blocked=yes)})


hide(False)
place = poll()["last"]
# the clock of presence is off by seconds at most: what was before is not told to Bob either way
mine = Live(s.port, "Bearer " + jwt, last=place)
mine.next("ready")
g = group("not for Bob")
with grpc.insecure_channel("127.0.0.1:%d" % s.port) as ch:
    other = Agent(ch)
    other.login(key, machine("db"))
    call = other.sync()
    next(call)
    call.cancel()
    laptop = Agent(ch)
    laptop.login(meta=machine("laptop"), jwt=jwt)
    first = mine.until("change", lambda c: c["kind"] == "peer")[2]
    check("a member is told of the own machine", first["name"] == "laptop" and
          first["op"] == "create" and first["actor"]["id"] == bob["id"], first)
    call = laptop.sync()
    next(call)
    got = mine.next("presence")[2]
    check("and that it is connected", got["name"] == "laptop" and got["connected"], got)
    hide(True)
    call.cancel()
    seen.until("presence", lambda p: p["name"] == "laptop" and not p["connected"])
rest("PUT", "/api/users/" + bob["id"], {"role": "user", "auto_groups": [g["id"]],
                                        "is_blocked": False})
last = mine.until("change", lambda c: "auto" in c["fields"])[2]
check("of oneself, not by whom", last["id"] == bob["id"] and last["name"] == "Bob" and
      last["actor"]["id"] == "", last)
check("and of nothing else", {e[2].get("kind", "presence") for e in mine.all} <=
      {"presence", "peer", "group_peer", "user"} and
      all(e[2].get("peer", e[2].get("name")) in ("laptop", "Bob") or e[0] == "presence"
                                           for e in mine.all if e[0] != "ready"), mine.all)
check("nothing of hidden machines", not [e for e in mine.all if e[0] == "presence" and
                                         not e[2]["connected"]], mine.all)
check("an auditor is told all", seen.until("change", lambda c: c["kind"] == "user" and
                                           c["op"] == "update")[2]["actor"]["id"] == owner_id)
rest("PUT", "/api/users/" + bob["id"], {"role": "user", "auto_groups": [], "is_blocked": True})
check("a blocked member hears no more", mine.ended.wait(120))
poll("Bearer " + jwt, want=401)
rest("DELETE", "/api/users/%s/tokens/%s" % (auditor["id"], token["personal_access_token"]["id"]))
check("nor whoever shows a deleted token", seen.ended.wait(120))

# ---- limits

many = [Live(s.port, owner) for _ in range(16)]
for m in many:
    m.next("ready")
check("no user takes all places", "16 times" in poll(want=429)["message"])
idle = len(os.listdir("/proc/%d/task" % s.p.p.pid))
many[0].close()
end = time.time() + 120
while time.time() < end:
    one = Live(s.port, owner)
    one.answered.wait(120)
    one.close()
    if one.status == 200:
        break
    time.sleep(0.5)
check("who goes makes room", one.status == 200, one.status)
check("no thread waits for a listener", len(os.listdir("/proc/%d/task" % s.p.p.pid)) <= idle)

# ---- the end

s.p.stop()
check("everybody is told of the end", all(m.ended.wait(60) for m in many[1:]))
finish()
