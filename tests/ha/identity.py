# SPDX-License-Identifier: BSD-3-Clause
"""The identity provider over two processes: what begins at one goes on, or ends, at the other.

Each flow runs three times: begun at the first process and continued at the second, the other way
about, and at one process alone, which must come out the same. identity.py ROOKERY
"""
import base64
import hmac
import json
import os
import re
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from two import check, pair  # noqa: E402
import grpc  # noqa: E402
from idp_client import Browser, Flow  # noqa: E402
from mgmt_peer import Agent, Code, status  # noqa: E402
from proc import finish  # noqa: E402

O, PASSWORD = "/oauth2", "Correct-Horse7!"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
COUNT, BASE = [0], [""]


class User:
    """A fresh local user, made at x."""

    def __init__(self, x):
        COUNT[0] += 1
        self.email, self.password = "u%d@example.com" % COUNT[0], PASSWORD
        r = x.command("admin", "user", "create", "--email", self.email, "--name", "U", "--role",
                      "admin", "--password", PASSWORD, "--json")
        assert r.returncode == 0, r.stderr
        self.id = json.loads(r.stdout)["id"]


class At:
    """One browser that talks to whichever process it is told."""

    def __init__(self, user):
        self.user, self.b, self.flow = user, Browser(0), Flow(
            "netbird-dashboard", BASE[0] + "/nb-auth", "openid offline_access")

    def on(self, s):
        self.b.port = s.port
        return self.b

    def form(self, s, **more):
        return self.on(s).get(O + "/auth", **self.flow.params(**more))

    def enter(self, s, page, password=None):
        return self.on(s).submit(page, login=self.user.email, password=password or self.user.password)

    def code(self, s):
        return self.enter(s, self.form(s)).query()["code"]

    def tokens(self, s, t=None):
        return self.flow.redeem(self.on(t or s), self.code(s)).json()

    def refresh(self, s, token):
        return self.on(s).post(O + "/token", grant_type="refresh_token", refresh_token=token,
                               client_id=self.flow.client)

    def silent(self, s):
        return self.form(s, prompt="none").query()

    def api(self, s, token):
        return self.on(s).send("GET", "/api/users/current", headers={
            "Authorization": "Bearer " + token}).status


def login_form(x, y):
    a = At(User(x))
    yield "a form of one is answered at the other", "code" in a.enter(y, a.form(x)).query()
    yield "the session counts at both", all("code" in a.silent(s) for s in (x, y))


def codes(x, y):
    a = At(User(x))
    code = a.code(x)
    t = a.flow.redeem(a.on(y), code)
    yield "a code is redeemed at the other", t.status == 200
    opens = [a.api(s, t.json()["access_token"]) for s in (x, y)]
    yield "its token opens both", opens == [200, 200], opens
    again = a.flow.redeem(a.on(x), code)
    yield "and only once", again.status == 400 and again.json()["error"] == "invalid_grant"
    yield "a second use ends everything at both", [a.api(s, t.json()["access_token"])
                                                  for s in (x, y)] == [401, 401]
    yield "also the refresh token", a.refresh(y, t.json()["refresh_token"]).status == 400


def code_race(x, y):
    a = At(User(x))
    code, got = a.code(x), []

    def redeem(s):
        got.append(a.flow.redeem(Browser(s.port), code).status)
    threads = [threading.Thread(target=redeem, args=(s,)) for s in (x, y) * 4]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    yield "of many at once one gets the tokens", sorted(got)[:2] in ([200, 400], [400, 400])


def refreshing(x, y):
    a = At(User(x))
    first = a.tokens(x)["refresh_token"]
    second = a.refresh(y, first)
    yield "a refresh token is used at the other", second.status == 200
    yield "the one before is refused here", a.refresh(x, first).json().get("error") == "invalid_grant"
    yield "and ends its family at both", [a.refresh(s, second.json()["refresh_token"]).status
                                         for s in (x, y)] == [400, 400]


def devices(x, y):
    a, dev = At(User(x)), Browser(x.port)
    j = dev.post(O + "/device/code", client_id="netbird-cli", scope="openid").json()

    def poll(s):
        dev.port = s.port
        return dev.post(O + "/token", client_id="netbird-cli", device_code=j["device_code"],
                        grant_type=DEVICE)
    yield "pending at the other", poll(y).json()["error"] == "authorization_pending"
    yield "too fast, whoever is asked", poll(x).json()["error"] == "slow_down"
    page = a.on(y).submit(a.on(y).get(O + "/device"), user_code=j["user_code"])
    page = a.enter(x, page)
    end = a.on(y).submit(page, answer="allow")
    yield "the code is allowed at the other", end.status == 200 and "connected" in end.body
    end = time.time() + 60
    got = poll(x)
    while got.json().get("error") in ("slow_down", "authorization_pending") and time.time() < end:
        time.sleep(1)
        got = poll(x)
    yield "tokens where it began", got.status == 200
    yield "once", poll(y).json().get("error") == "invalid_grant"


def logout(x, y):
    a = At(User(x))
    a.code(x)
    kept = dict(a.b.jar)
    a.on(y).get(O + "/logout")
    a.b.jar = kept
    yield "a logout at one ends the session at the other", a.silent(x).get("error") == "login_required"


def new_password(x, y):
    a = At(User(x))
    user = a.user
    t = a.tokens(x)
    r = y.command("admin", "user", "set-password", "--email", user.email, "--password", "Other-Horse8!")
    yield "a new password at the other", r.returncode == 0
    yield "ends the session", a.silent(x).get("error") == "login_required", a.silent(x)
    yield "the refresh token", a.refresh(x, t["refresh_token"]).status == 400
    yield "the access token", a.api(x, t["access_token"]) == 401
    yield "the old one is refused", a.enter(x, a.form(x)).status == 401
    yield "the new one works", "code" in a.enter(x, a.form(x), "Other-Horse8!").query()


def blocked(x, y):
    a = At(User(x))
    t = a.tokens(x)
    yield "good before", a.api(x, t["access_token"]) == 200
    r = y.command("admin", "user", "block", "--user-id", a.user.id)
    yield "blocked at the other", r.returncode == 0
    yield "the token is refused here", a.api(x, t["access_token"]) in (401, 403)
    yield "the refresh token, too", a.refresh(x, t["refresh_token"]).status == 400


def invitations(x, y):
    COUNT[0] += 1
    made = json.loads(x.api("POST", "/api/users/invites", {
        "email": "i%d@example.com" % COUNT[0], "name": "I", "role": "user", "auto_groups": [],
        "expires_in": 7200})[1])

    def accept(s):
        return s.api("POST", "/api/users/invites/%s/accept" % made["invite_token"],
                     {"password": PASSWORD})[0]
    yield "an invitation is accepted at the other", accept(y) == 200
    again = accept(x)
    yield "once", 400 <= again < 429, again


def api_tokens(x, y):
    path = "/api/users/%s/tokens" % json.loads(x.api("GET", "/api/users/current")[1])["id"]
    made = json.loads(x.api("POST", path, {"name": "t", "expires_in": 5})[1])
    plain = made["plain_token"]

    def ask(s):
        return Browser(s.port).send("GET", "/api/groups", headers={
            "Authorization": "Token " + plain}).status
    yield "an API token works at the other at once", ask(y) == 200 and ask(x) == 200
    y.api("DELETE", path + "/" + made["personal_access_token"]["id"])
    yield "and is over at both at once", [ask(s) for s in (x, y)] == [401, 401]


def agent(s):
    return Agent(grpc.insecure_channel("127.0.0.1:%d" % s.port,
                                       [("grpc.use_local_subchannel_pool", 1)]))


def agent_logins(x, y):
    a = At(User(x))
    a.flow = Flow(scope="openid")
    token = a.tokens(x)["access_token"]
    got = status(lambda: agent(y).login(jwt=token))
    yield "a token logs an agent in at the other", got[0] == Code.OK, got
    got = status(lambda: agent(x).login(jwt=token))
    yield "one agent, once", got[0] not in (Code.OK, Code.UNAVAILABLE), got


def one_off_keys(x, y):
    def key():
        code, body = x.api("POST", "/api/setup-keys", {
            "name": "k", "type": "one-off", "expires_in": 86400, "auto_groups": [],
            "usage_limit": 1})
        assert code == 200, body
        return json.loads(body)["key"]
    k, got = key(), []
    first = status(lambda: agent(y).login(key=k))
    yield "a new key enrols at the other at once", first[0] == Code.OK, first
    second = status(lambda: agent(x).login(key=k))
    yield "one machine", second[0] in (Code.NOT_FOUND, Code.FAILED_PRECONDITION), second
    k = key()

    def enrol(s):
        got.append(status(lambda: agent(s).login(key=k))[0])
    threads = [threading.Thread(target=enrol, args=(s,)) for s in (x, y) * 4]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    yield "of many at once one gets in", got.count(Code.OK) == 1, got


def known_at_once(x, y):
    code, body = x.api("POST", "/api/setup-keys", {
        "name": "k", "type": "reusable", "expires_in": 86400, "auto_groups": [], "usage_limit": 0})
    one = agent(x)
    one.login(key=json.loads(body)["key"])
    there = Agent(agent(y).ch, one.key)
    got = status(there.login)
    yield "an agent that enrolled here logs in there", got[0] == Code.OK, got
    got = status(there.first_map)
    yield "and gets its map", got[0] == Code.OK, got
    group = json.loads(x.api("POST", "/api/groups", {"name": "g%d" % COUNT[0]})[1])["id"]
    code = y.api("GET", "/api/groups/" + group)[0]
    yield "what was made here is read there at once", code == 200, code
    x.api("DELETE", "/api/groups/" + group)
    code = y.api("GET", "/api/groups/" + group)[0]
    yield "what was deleted here is gone there at once", code == 404, code


def totp(secret, step):
    mac = hmac.new(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1").digest()
    at = mac[-1] & 15
    return "%06d" % ((int.from_bytes(mac[at:at + 4], "big") & 0x7fffffff) % 1000000)


def set_mfa(s, on):
    account = json.loads(s.api("GET", "/api/accounts")[1])[0]
    status, body = s.api("PUT", "/api/accounts/" + account["id"], {
        "settings": dict(account["settings"], local_mfa_enabled=on)})
    assert status == 200, body


def second_factor(x, y):
    user = User(x)
    set_mfa(x, True)
    a = At(user)
    page = a.enter(y, a.form(x))
    secret = re.search('id="secret">([A-Z2-7 ]{39})<', page.body).group(1).replace(" ", "")
    now = int(time.time()) // 30
    done = a.on(x).submit(page, totp=totp(secret, now))
    yield "set up at the other", done.status == 303
    other = At(user)
    page = other.enter(y, other.form(y))
    again = other.on(y).submit(page, totp=totp(secret, now))
    yield "a code that was used here is used there", again.status == 401
    done = other.on(x).submit(again, totp=totp(secret, now + 1))
    yield "the next one works", done.status == 303
    set_mfa(y, False)


def lock_out(x, y):
    user = User(x)
    set_mfa(x, True)
    a = At(user)
    page = a.enter(x, a.form(x))
    secret = re.search('id="secret">([A-Z2-7 ]{39})<', page.body).group(1).replace(" ", "")
    a.on(x).submit(page, totp=totp(secret, int(time.time()) // 30))
    b = At(user)
    page = b.enter(x, b.form(x))
    for k in range(100):  # by turns
        b.on((x, y)[k % 2]).submit(page, totp="abcdef")
        bad = b.on((x, y)[k % 2]).submit(page, totp="%06d" % k)
        if bad.status == 403:
            break
    right = totp(secret, int(time.time()) // 30 + 1)
    locked = [b.on(s).submit(page, totp=right).status for s in (x, y)]
    yield "wrong codes at both lock it at both", locked == [403, 403]
    r = y.command("admin", "user", "reset-mfa", "--email", user.email)
    yield "a reset at the other", r.returncode == 0
    c = At(user)
    yield "opens it here", 'id="secret"' in c.enter(x, c.form(x)).body
    set_mfa(y, False)


FLOWS = [login_form, codes, code_race, refreshing, devices, logout, new_password, blocked,
         invitations, api_tokens, agent_logins, one_off_keys, known_at_once, second_factor, lock_out]


def main():
    a, b = pair(ROOKERY_LOGIN_TRIES="10000")
    BASE[0] = a.env["ROOKERY_EXPOSED_ADDRESS"]
    for flow in FLOWS:
        for name, x, y in (("a-b", a, b), ("b-a", b, a), ("alone", a, a)):
            for what, ok, *detail in flow(x, y):
                check("%s %s: %s" % (flow.__name__, name, what), ok, *detail)
    b.p.stop()
    a.p.stop()
    finish()


if __name__ == "__main__":
    main()
