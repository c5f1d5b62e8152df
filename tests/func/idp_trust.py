# SPDX-License-Identifier: BSD-3-Clause
"""Attacks on sign-in, and how trust ends: idp_trust.py ./rookery"""
import base64
import hashlib
import http.client
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time

import grpc

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from idp import EMAIL, O, PASSWORD, Server, log_in, totp  # noqa: E402
from idp_client import Answer, Browser, Flow, claims, unb64  # noqa: E402
from idp_fake import Provider  # noqa: E402
from mgmt_peer import Agent, Code, fields, status  # noqa: E402
from proc import check, clean_env, finish  # noqa: E402
from urllib.parse import quote, urlencode, urlsplit  # noqa: E402


class Here:
    """A server with an owner who is signed in, and ways to change it."""

    def __init__(self, program, **env):
        self.s = Server(program, **{"ROOKERY_LOGIN_TRIES": "1000", **env})
        self.owner_id = self.s.setup()
        self.h = self.sign_in(EMAIL, PASSWORD)

    def browser(self):
        return Browser(self.s.port)

    def tokens(self, b, email, password, scope="openid profile email offline_access"):
        f = Flow(scope=scope)
        page = b.get(O + "/auth", **f.params(prompt="login"))
        return f.redeem(b, b.submit(page, login=email, password=password).query()["code"]).json()

    def sign_in(self, email, password):
        return bearer(self.tokens(self.browser(), email, password))

    def rest(self, method, path, body=None, h=None):
        return self.browser().send(method, "/api" + path, json.dumps(body) if body is not None
                                   else None, h or self.h)

    def user(self, name, role="user"):
        """A local user: (id, e-mail, password)."""
        email = name + "@example.com"
        a = self.rest("POST", "/users", {"email": email, "name": name, "role": role,
                                         "auto_groups": [], "is_service": False})
        assert a.status == 200, a.body
        return a.json()["id"], email, a.json()["password"]

    def connector(self, p, name="Provider"):
        a = self.rest("POST", "/identity-providers", {
            "type": "oidc", "name": name, "issuer": p.issuer, "client_id": "rookery",
            "client_secret": p.secret})
        assert a.status == 200, a.body
        return a.json()["id"]

    def approve(self, t):
        """Let the person of a token in, whom the first request makes a user; their id."""
        a = me(self, bearer(t))
        assert a.status == 403, a.body
        user_id = claims(t["access_token"])["sub"]
        a = self.rest("POST", "/users/%s/approve" % quote(user_id, safe=""))
        assert a.status == 200, a.body
        return user_id


def bearer(t):
    return {"Authorization": "Bearer " + t["access_token"], "Content-Type": "application/json"}


def me(here, h):
    return here.rest("GET", "/users/current", h=h)


def start(b, f, connector):
    """From our login page to the provider: the parameters that it is sent."""
    page = b.get(O + "/auth", **f.params(prompt="login"))
    links = re.findall('href="([^"]*/auth/external[^"]*)"', page.body)
    link = [l for l in links if "connector=" + connector in l][0].replace("&amp;", "&")
    a = b.get(link)
    assert a.status == 303, (a.status, a.body)
    return a.query()


def back(b, query, code, where=None, **more):
    to = where or urlsplit(query["redirect_uri"]).path
    return b.get(to, state=query["state"], **({"code": code} if code else {}), **more)


def external_tokens(b, p, connector, scope="openid profile email groups offline_access"):
    f = Flow(scope=scope)
    q = start(b, f, connector)
    a = back(b, q, p.code(q))
    assert a.status == 303, (a.status, a.body)
    return f.redeem(b, a.query()["code"]).json()


# ---- mix-up (RFC 9700 4.4) ----

def mix_up(here):
    honest, evil = Provider(), Provider()
    first, second = here.connector(honest, "Honest"), here.connector(evil, "Evil")
    b, f = here.browser(), Flow()
    to_first, to_second = start(b, f, first), start(b, f, second)
    check("each provider has a callback address of its own",
          to_first["redirect_uri"] != to_second["redirect_uri"],
          (to_first["redirect_uri"], to_second["redirect_uri"]))
    for name, asked, victim, connector in (("", evil, honest, second), ("the other way, ", honest,
                                                                        evil, first)):
        # The provider that was asked sent the browser on to the other one, which answers there.
        q = start(b, Flow(), connector)
        other = start(b, Flow(), first if connector == second else second)
        asked.tokens.clear()
        a = back(b, q, "code-of-the-victim", where=urlsplit(other["redirect_uri"]).path)
        check("mix-up, %sis refused" % name, a.status == 502 and not asked.tokens,
              (a.status, asked.tokens))
        a = back(b, start(b, Flow(), connector), "stolen", iss=victim.issuer)
        check("mix-up, %sby iss" % name, a.status == 502 and not asked.tokens)
    q = start(b, f, second)
    a = back(b, q, evil.code(q), iss=evil.issuer)
    check("a right iss is fine", a.status == 303, a.body)
    says = Provider()
    says.discovery = {"authorization_response_iss_parameter_supported": True}
    third = here.connector(says, "Says")
    q = start(b, f, third)
    check("a missing iss is not, where it is announced", back(b, q, says.code(q)).status == 502)
    q = start(b, f, third)
    check("with it all is well", back(b, q, says.code(q), iss=says.issuer).status == 303)


def once(here):
    p = Provider()
    c = here.connector(p)
    b, f = here.browser(), Flow()
    q = start(b, f, c)
    check("first use", back(b, q, p.code(q)).status == 303)
    n = len(p.tokens)
    a = [back(b, q, p.code(q)).status for _ in range(5)]
    check("a state works once, and asks nobody the second time", a == [403] * 5 and
          len(p.tokens) == n, a)
    q = start(b, f, c)
    check("a refusal uses it up, too", back(b, q, None, error="access_denied").status == 401 and
          back(b, q, p.code(q)).status == 403)


# ---- the end of a provider ----

def deleted_provider(here):
    p = Provider()
    p.claims = {"sub": "gone", "email": "gone@example.com"}
    c = here.connector(p)
    b = here.browser()
    t = external_tokens(b, p, c)
    here.approve(t)
    check("somebody from elsewhere may come in", me(here, bearer(t)).status == 200)
    dev = here.browser()
    d = dev.post(O + "/device/code", client_id="netbird-cli", scope="openid").json()
    page = b.submit(b.get(O + "/device"), user_code=d["user_code"])
    check("and allow a device", b.submit(page, answer="allow").status == 200)
    check("the provider is deleted", here.rest("DELETE", "/identity-providers/" + c).status == 200)
    check("the access token ends", me(here, bearer(t)).status == 401)
    check("the session", b.get(O + "/auth", **Flow("netbird-dashboard", here.s.base + "/nb-auth")
          .params(prompt="none")).query().get("error") == "login_required")
    check("the refresh token", b.post(O + "/token", grant_type="refresh_token", client_id="netbird-cli",
          refresh_token=t["refresh_token"]).status == 400)
    check("and the device code", dev.post(
        O + "/token", client_id="netbird-cli", device_code=d["device_code"],
        grant_type="urn:ietf:params:oauth:grant-type:device_code").status == 400)


def dismissed(here):
    p = Provider()
    p.claims, p.refresh = {"sub": "worker", "email": "worker@example.com"}, []
    c = here.connector(p)
    b = here.browser()
    t = external_tokens(b, p, c)

    def refresh():
        a = b.post(O + "/token", grant_type="refresh_token", client_id="netbird-cli",
                   refresh_token=t["refresh_token"])
        if a.status == 200:
            t.update(a.json())
        return a

    p.claims["groups"] = ["moved"]
    check("a refresh asks the provider", refresh().status == 200 and
          p.tokens[-1]["grant_type"] == "refresh_token")
    check("and brings what it says today", claims(t["access_token"]).get("groups") == ["moved"],
          claims(t["access_token"]))
    p.down = True
    a = refresh()
    check("a provider that is down is no refusal", a.status == 503 and
          a.json()["error"] == "temporarily_unavailable", a.body)
    p.down = False
    check("the same token works later", refresh().status == 200)
    h = bearer(t)
    p.refresh.clear()  # dismissed
    check("whoever was dismissed is out at the next refresh", refresh().json()["error"] ==
          "invalid_grant")
    check("with all that they had", me(here, h).status == 401)


def refresh_ends(here):
    b = here.browser()
    t = here.tokens(b, EMAIL, PASSWORD)
    db = sqlite3.connect(here.s.dir + "/" + [f for f in os.listdir(here.s.dir)
                                             if f.endswith(".db")][0], timeout=120)
    db.execute("UPDATE idp_refresh SET auth_time = auth_time - 89 * 86400")
    db.commit()
    a = b.post(O + "/token", grant_type="refresh_token", client_id="netbird-cli",
               refresh_token=t["refresh_token"])
    digest = hashlib.sha256(a.json()["refresh_token"].encode()).digest()
    until = db.execute("SELECT expires_at FROM idp_refresh WHERE hash = ?",
                       (base64.b64encode(digest).decode(),)).fetchone()[0]
    db.close()
    check("the end does not move with the use", a.status == 200 and
          until < time.time() + 86400 + 60, (a.body, until - time.time()))


# ---- who may change what ----

def takeover(here):
    p, other = Provider(), Provider()
    p.claims = {"sub": "boss", "email": "boss@example.com"}
    c = here.connector(p)
    admin = here.user("admin1", "admin")
    ha = here.sign_in(admin[1], admin[2])
    a = here.rest("PUT", "/identity-providers/" + c, {"issuer": other.issuer}, ha)
    check("another issuer does not get the secret", a.status == 422 and "secret" in a.body, a.body)
    t = external_tokens(here.browser(), p, c)
    boss = here.approve(t)
    away = here.browser()
    asked = start(away, Flow(), c)
    a = here.rest("PUT", "/identity-providers/" + c,
                  {"issuer": other.issuer, "client_secret": other.secret}, ha)
    check("with the secret it is another provider", a.status == 200, a.body)
    check("which does not get to see codes of the old one", back(away, asked, p.code(asked))
          .status == 502 and not other.tokens, other.tokens)
    check("whose users are others", me(here, bearer(t)).status == 401)
    other.claims = dict(p.claims)
    t2 = external_tokens(here.browser(), other, c)
    check("even with the same id", claims(t2["access_token"])["sub"] != boss)
    boss2 = here.approve(t2)
    a = here.rest("PUT", "/users/" + quote(boss2, safe=""),
                  {"role": "owner", "auto_groups": [], "is_blocked": False})
    check("they become owner", a.status == 200, a.body)
    for method, body in (("PUT", {"name": "x"}),
                         ("PUT", {"issuer": p.issuer, "client_secret": p.secret}),
                         ("DELETE", None)):
        a = here.rest(method, "/identity-providers/" + c, body, ha)
        check("an admin cannot change where an owner signs in: " + method, a.status == 403, a.body)
    a = here.rest("PUT", "/identity-providers/" + c, {"name": "Renamed"}, bearer(t2))
    check("the owner can", a.status == 200, a.body)
    a = here.rest("PUT", "/users/" + quote(here.owner_id, safe=""),
                  {"role": "owner", "auto_groups": [], "is_blocked": False}, bearer(t2))
    check("and hand it back", a.status == 200, a.body)


def parallel(jobs):
    """Run functions at the same moment; their results."""
    gate, out = threading.Barrier(len(jobs)), [None] * len(jobs)

    def run(i):
        gate.wait()
        out[i] = jobs[i]()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(jobs))]
    [t.start() for t in threads]
    [t.join() for t in threads]
    return out


def two_hand_overs(program):
    here = Here(program)
    a, b = here.user("a", "admin"), here.user("b", "admin")
    body = {"role": "owner", "auto_groups": [], "is_blocked": False}
    got = parallel([lambda u=u: here.rest("PUT", "/users/" + quote(u[0], safe=""), body).status
                    for u in (a, b) * 4])
    users = here.rest("GET", "/users", h=here.sign_in(a[1], a[2])).json()
    owners = [u["email"] for u in users if u["role"] == "owner"]
    check("two hand-overs at a time leave one owner", len(owners) == 1, (owners, got))


# ---- lock-outs ----

def from_address(port, address, method, path, form, jar):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=120, source_address=(address, 0))
    h = {"Cookie": "; ".join("%s=%s" % kv for kv in jar.items()),
         "Content-Type": "application/x-www-form-urlencoded"}
    c.request(method, path, urlencode(form), h)
    a = Answer(c.getresponse())
    c.close()
    return a


def lock_outs(program):
    here = Here(program, ROOKERY_LOGIN_TRIES="5")
    known = here.browser()
    here.tokens(known, EMAIL, PASSWORD)
    b, f = here.browser(), Flow()
    page = b.get(O + "/auth", **f.params())

    def wrong(address, email=EMAIL):
        return from_address(here.s.port, address, "POST", O + "/login", {
            **page.fields(), "login": email, "password": "Wrong-Horse7!"}, b.jar).status

    got = [wrong("127.0.0.9") for _ in range(8)]
    check("whoever guesses is stopped", got[:5] == [401] * 5 and got[-1] == 429, got)
    check("the owner is not, from elsewhere", b.submit(page, login=EMAIL, password=PASSWORD)
          .status == 303)
    got = [wrong("127.0.0.1") for _ in range(8)]
    check("guessing from the owner's own address", got[-1] == 429, got)
    a = known.submit(known.get(O + "/auth", **f.params(prompt="login")), login=EMAIL,
                     password=PASSWORD)
    check("does not stop a browser that has signed in before", a.status == 303, a.body)
    got = [wrong("127.0.1.%d" % i) for i in range(1, 80)]
    check("from many addresses it ends, too", got[-1] == 429, got)
    a = known.submit(known.get(O + "/auth", **f.params(prompt="login")), login=EMAIL,
                     password=PASSWORD)
    check("and the known browser still comes in", a.status == 303)
    user = here.user("office")
    ok = []
    for _ in range(20):  # an office behind one address
        c = here.browser()
        ok.append(c.submit(c.get(O + "/auth", **f.params()), login=user[1], password=user[2]).status)
    check("successful sign-ins are not counted", ok == [303] * 20, ok)


def second_factor_ends(program):
    here = Here(program)
    r = subprocess.run([program, "admin", "mfa", "enable"], capture_output=True, text=True,
                       env=clean_env(ROOKERY_DATA_DIR=here.s.dir))
    check("an admin switches the second factor on", r.returncode == 0, r.stdout + r.stderr)
    check("and what came in without one is out", me(here, here.h).status == 401)
    b, f = here.browser(), Flow()
    page = log_in(b, f, prompt="login")
    secret = re.search('id="secret">([A-Z2-7 ]{39})<', page.body).group(1).replace(" ", "")
    recovery = re.findall("<li><code>([A-Z2-9]{5}-[A-Z2-9]{5})<", page.body)
    old_form = page
    done = b.submit(page, totp=totp(secret, int(time.time()) // 30))
    check("set up", done.status == 303, done.body)
    stale = b.submit(old_form, totp=totp(secret, int(time.time()) // 30 + 1))
    check("the form that set it up cannot do so again", stale.status == 403)
    page = log_in(here.browser(), f)
    b = here.browser()
    page = log_in(b, f)
    for _ in range(100):
        page = b.submit(page, totp="abcdef")
    check("a hundred wrong codes", page.status == 401, page.status)
    a = b.submit(page, totp=totp(secret, int(time.time()) // 30 + 1))
    check("lock the app, even with the right code", a.status == 403 and "recovery" in a.body)
    check("a wrong recovery code does not help", b.submit(a, totp="AAAAA-AAAAA").status in (401, 403))
    a = b.submit(a, totp=recovery[0].lower())
    check("a recovery code does, and asks for another app", a.status == 200 and 'id="secret"' in a.body,
          a.body)
    fresh = re.search('id="secret">([A-Z2-7 ]{39})<', a.body).group(1).replace(" ", "")
    c = here.browser()
    again = c.submit(log_in(c, f), totp=recovery[0])
    check("once", again.status in (401, 403), again.status)
    done = b.submit(a, totp=totp(fresh, int(time.time()) // 30))
    check("with the other app all is well", done.status == 303, done.body)


# ---- blocking ----

def blocked(here):
    uid, email, password = here.user("blocked")
    b = here.browser()
    t = here.tokens(b, email, password)
    put = lambda yes: here.rest("PUT", "/users/" + quote(uid, safe=""), {
        "role": "user", "auto_groups": [], "is_blocked": yes}).status
    check("good before", me(here, bearer(t)).status == 200)
    check("userinfo, too", b.send("GET", O + "/userinfo", headers=bearer(t)).status == 200)
    check("blocked", put(True) == 200)
    check("the token ends", me(here, bearer(t)).status in (401, 403))
    check("unblocked", put(False) == 200)
    check("what was given out before stays dead", me(here, bearer(t)).status == 401)
    check("at userinfo, too", b.send("GET", O + "/userinfo", headers=bearer(t)).status == 401)
    check("the refresh token, too", b.post(O + "/token", grant_type="refresh_token",
          client_id="netbird-cli", refresh_token=t["refresh_token"]).status == 400)
    check("and the session", b.get(O + "/auth", **Flow("netbird-dashboard", here.s.base + "/nb-auth")
          .params(prompt="none")).query()["error"] == "login_required")
    check("a new sign-in works", me(here, here.sign_in(email, password)).status == 200)


def machines(here):
    """The machines of a blocked user are in nobody's map, and get none themselves."""
    uid, email, password = here.user("machines")
    a = here.rest("POST", "/setup-keys", {"name": "k", "type": "reusable", "expires_in": 86400,
                                          "auto_groups": [], "usage_limit": 0})
    port = here.s.port
    ch = grpc.insecure_channel("127.0.0.1:%d" % port)
    mine, theirs = Agent(ch), Agent(ch)
    mine.login(key=a.json()["key"])
    t = here.tokens(here.browser(), email, password)
    theirs.login(jwt=t["access_token"])
    again = status(lambda: Agent(ch).login(jwt=t["access_token"]))
    check("a token logs one machine in", again[0] == Code.UNAUTHENTICATED, again)
    again = status(lambda: Agent(ch).login(jwt=t["id_token"]))
    check("and so do both tokens of one sign-in", again[0] == Code.UNAUTHENTICATED, again)
    for n in (1, 2):
        again = status(lambda: Agent(ch).login(jwt=t["access_token"] + "=" * n))
        check("padding makes no other token", again[0] == Code.INVALID_ARGUMENT, again)

    def keys_in(answer):
        out = set()
        for peer in fields(answer[5][0]).get(3, []):
            out.add(fields(peer)[1][0].decode())
        return out

    stream = mine.sync(timeout=60)
    check("the machines know each other", theirs.pub in keys_in(mine.open(next(stream))) and
          mine.pub in keys_in(theirs.first_map()))
    put = lambda yes: here.rest("PUT", "/users/" + quote(uid, safe=""), {
        "role": "user", "auto_groups": [], "is_blocked": yes}).status
    check("their user is blocked", put(True) == 200)
    pushed = keys_in(mine.open(next(stream)))  # comes by itself
    check("a blocked user's machine leaves the others' maps at once", theirs.pub not in pushed, pushed)
    stream.cancel()
    got = status(lambda: Agent(ch, theirs.key).login())
    check("and cannot come back", got[0] == Code.PERMISSION_DENIED, got)
    check("unblocked", put(False) == 200)
    t = here.tokens(here.browser(), email, password)
    Agent(ch, theirs.key).login(jwt=t["access_token"])
    check("a new sign-in brings it back", theirs.pub in keys_in(mine.first_map()))
    ch.close()


# ---- rules that are the same everywhere ----

def rules(here):
    groups = ["no-such-group"]
    for what, path, body in (
            ("user", "/users", {"email": "g@example.com", "name": "g", "role": "user",
                                "auto_groups": groups, "is_service": False}),
            ("service user", "/users", {"name": "g", "role": "user", "auto_groups": groups,
                                        "is_service": True}),
            ("invite", "/users/invites", {"email": "g2@example.com", "name": "g", "role": "user",
                                          "auto_groups": groups})):
        a = here.rest("POST", path, body)
        check("POST checks groups as PUT does: " + what, a.status == 422, (a.status, a.body))
    uid, email, password = here.user("rules")
    h = here.sign_in(email, password)
    for bad in ("short1!", "no-digit-Aa", "no-capital-1!", "NoMark123", "A1!" + "x" * 126):
        a = here.rest("PUT", "/users/%s/password" % quote(uid, safe=""),
                      {"old_password": password, "new_password": bad}, h)
        check("password rules at a change: " + bad[:14], a.status == 422, (a.status, a.body))
    a = here.rest("PUT", "/users/%s/password" % quote(uid, safe=""),
                  {"old_password": password, "new_password": "Good-Horse7!"}, h)
    check("a good one", a.status == 200, a.body)


# ---- providers as they are ----

def as_they_are(here):
    p = Provider()
    c = here.connector(p, "Real")

    def sign_in(**more):
        p.claims = {"sub": "real", **more}
        return claims(external_tokens(here.browser(), p, c)["access_token"])

    p.auth_ways = ("post",)
    got = sign_in(email="real@example.com", name="Real")
    check("the secret goes in the form where the header is refused", got["email"] ==
          "real@example.com" and len(p.refused) == 1 and p.tokens[-1]["client_secret"] == p.secret)
    p.auth_ways, p.refused = ("basic", "post"), []
    check("no flag is made up", "email_verified" not in sign_in(email="real@example.com"))
    for said, want in ((False, False), (True, True), ("false", False), ("true", True)):
        got = sign_in(email="real@example.com", email_verified=said)
        check("email_verified %r keeps the address" % said, got.get("email") == "real@example.com" and
              got.get("email_verified") is want, got)
    for said, want in (("one", ["one"]), (["a", "b"], ["a", "b"]),
                       ([{"name": "n"}, {"displayName": "d"}, {"id": "i"}], ["n", "d", "i"])):
        check("groups as %s" % json.dumps(said), sign_in(groups=said).get("groups") == want)
    many = ["group-%04d-%s" % (i, "x" * 30) for i in range(3000)]
    got = sign_in(groups=many)
    check("thousands of groups do not fit a token and stop nobody", "groups" not in got, got.keys())
    p.info = {"sub": "real", "email": "info@example.com", "given_name": "From", "family_name": "Info",
              "groups": ["ig"], "email_verified": True}
    got = sign_in()
    check("what the token lacks is asked for", got["email"] == "info@example.com" and
          got["name"] == "From Info" and got["groups"] == ["ig"] and got["email_verified"], got)
    got = sign_in(email="token@example.com", email_verified=False)
    check("what the token says stays", got["email"] == "token@example.com" and
          got["email_verified"] is False, got)
    p.info = {"sub": "another", "email": "x@example.com"}
    b, f = here.browser(), Flow()
    p.claims = {"sub": "real"}
    q = start(b, f, c)
    check("userinfo of another person is refused", back(b, q, p.code(q)).status == 502)
    p.info = None
    got = sign_in(sub="y" * 400)
    check("long ids", unb64(got["sub"].replace("+", "-").replace("/", "_")).count(b"y") == 400)
    for name, more in (("audience", {"aud": "somebody"}), ("issuer", {"iss": "https://x.example"}),
                       ("time", {"exp": 1}), ("party", {"aud": ["rookery", "x"], "azp": "x"})):
        p.claims = {"sub": "real", **more}
        q = start(b, f, c)
        check("refused: wrong " + name, back(b, q, p.code(q)).status == 502)
    tenants(here)
    log = here.s.p.text()
    check("the log says what was found and expected", all(x in log for x in (
        "somebody", "expected \\\"rookery\\\"", "https://x.example", "exp is 1")), log[-3000:])


def tenants(here):
    """One discovery document for many tenants, as Microsoft has it."""
    p = Provider()
    p.discovery = {"issuer": p.issuer + "/{tenantid}/v2.0"}
    a = here.rest("POST", "/identity-providers", {
        "type": "microsoft", "name": "MS", "issuer": p.issuer + "/common/v2.0", "client_id": "rookery",
        "client_secret": p.secret})
    check("a provider for all tenants", a.status == 200, a.body)
    c, subs = a.json()["id"], set()
    for tenant in ("t1", "t2"):
        p.claims = {"iss": p.issuer + "/" + tenant + "/v2.0", "tid": tenant, "oid": "same",
                    "preferred_username": "x@example.com"}
        t = claims(external_tokens(here.browser(), p, c)["access_token"])
        check("the address is where Microsoft has it", t["email"] == "x@example.com", t)
        subs.add(t["sub"])
    check("the same id of two tenants is two people", len(subs) == 2)
    p.claims = {"iss": p.issuer + "/t1/v2.0", "tid": "t2", "oid": "same"}
    b = here.browser()
    q = start(b, Flow(), c)
    check("a tenant cannot speak for another", back(b, q, p.code(q)).status == 502)
    for issuer in (p.issuer + "/other/v2.0", p.issuer + "/common/v1"):
        a = here.rest("POST", "/identity-providers", {
            "type": "microsoft", "name": "MS", "issuer": issuer, "client_id": "rookery"})
        check("not for what the document does not say", a.status == 422, a.body)


def direct(program):
    """Tokens of an issuer that is trusted as it is."""
    p = Provider()
    here = Server(program, ROOKERY_OIDC_ISSUER=p.issuer, ROOKERY_OIDC_AUDIENCES="rookery")

    def ask(token):
        return Browser(here.port).send("GET", "/api/users/current",
                                       headers={"Authorization": "Bearer " + token})

    p.info = {"sub": "u1", "email": "direct@example.com", "name": "Direct Person"}
    p.info_token = p.token()
    a = ask(p.info_token)
    check("name and address come from the issuer where the token lacks them", a.status == 200 and
          a.json()["email"] == "direct@example.com" and a.json()["name"] == "Direct Person", a.body)
    check("the issuer is asked once", [ask(p.info_token).status for _ in range(5)] == [200] * 5 and
          p.asked == 1, p.asked)
    check("and they stay", ask(p.token()).json()["email"] == "direct@example.com")
    for name, more, says in (
            ("audience", {"aud": "x"}, "aud is"), ("time", {"exp": 5}, "exp is 5")):
        check("refused: " + name, ask(p.token(**more)).status == 401)
        check("with one line that says why: " + name, says in here.p.text() and
              "level=info" in [l for l in here.p.text().splitlines() if says in l][-1])
    p.down = True
    p.key = type(p.key).generate()
    check("a wrong signature is refused", ask(p.token()).status == 401)
    here.p.stop()


# ---- what is written down ----

def written(here):
    users = here.rest("GET", "/users").json()
    owner = [u for u in users if u["id"] == here.owner_id][0]
    check("the owner has a last login", owner["last_login"][:4] == time.strftime("%Y"), owner)
    uid, email, password = here.user("written")
    seen = lambda: [u for u in here.rest("GET", "/users").json() if u["id"] == uid][0]["last_login"]
    check("a new user has none", seen()[:4] == "0001", seen())
    me(here, here.sign_in(email, password))
    check("a sign-in sets it", seen()[:4] == time.strftime("%Y"), seen())
    a = here.rest("POST", "/users/invites", {"email": "sealed@example.com", "name": "Sealed Person",
                                             "role": "user", "auto_groups": []})
    check("invited", a.status == 200, a.body)
    check("deleted", here.rest("DELETE", "/users/" + quote(uid, safe="")).status == 200)
    events = here.rest("GET", "/events/audit").json()
    gone = [e for e in events if e["target_id"] == uid]
    check("the log remembers whom it was about", gone and all(
        e["meta"].get("email") == email and e["meta"].get("username") == "written" for e in gone), gone)
    check("the first owner has joined", any(e["activity_code"] == "user.join" and
                                            e["target_id"] == here.owner_id for e in events))
    check("invites are in the log", any(e["meta"].get("email") == "sealed@example.com"
                                        for e in events))
    db = sqlite3.connect(here.s.dir + "/" + [f for f in os.listdir(here.s.dir)
                                             if f.endswith(".db")][0], timeout=120)
    metas = "\n".join(str(r[0]) for r in db.execute("SELECT meta FROM event"))
    db.close()
    check("but not readable in the store", "example.com" not in metas and "written" not in metas)
    modules = me(here, here.h).json()["permissions"]["modules"]
    check("what is not there is not offered", not any(modules["agent_network"].values()) and
          all(modules["users"].values()) and all(modules["services"].values()), modules)


# ---- pages ----

def pages(here):
    b, f = here.browser(), Flow()
    a = b.get(O + "/login")
    check("GET on a form's address is a page with a way on", a.status == 400 and 'id="on"' in a.body)
    page = b.get(O + "/auth", **f.params(prompt="login"))
    check("the page says who asks, and where", 'id="client"' in page.body and
          "localhost:%d" % here.s.port in page.body and 'id="server"' in page.body)
    check("and what to do when the password is lost", 'id="help"' in page.body)
    for path in ("/login", "/totp/verify", "/consent"):
        a = b.get(O + path)
        check("GET %s leads back" % path, a.status == 303 and "/auth?" in a.headers["Location"], a.body)
    check("to a page that works", b.get(a.headers["Location"]).status == 200)
    check("GET /device/confirm leads back", b.get(O + "/device/confirm").headers["Location"] ==
          O + "/device")
    for name, a in (("too old", b.post(O + "/login", login="x")),
                    ("cannot start", b.get(O + "/auth", client_id="x"))):
        check("%s: a way on and the request's id" % name, 'id="on"' in a.body and
              a.headers["X-Request-Id"] in a.body, a.body)
    check("the log has the id", b.get(O + "/auth", client_id="y").headers["X-Request-Id"] in
          here.s.p.text())
    check("logout/callback answers", b.get(O + "/logout/callback").status == 303)
    here.tokens(b, EMAIL, PASSWORD)
    ask = b.get(O + "/auth", **f.params())
    a = b.submit(ask, answer="deny")
    check("refusing goes back to the program", a.query()["error"] == "access_denied")
    a = b.submit(ask, answer="other")
    check("not you: another login", a.status == 200 and 'name="password"' in a.body)
    check("going back after a refusal works", b.submit(ask, answer="allow").status == 303)


def main():
    program = os.path.abspath(sys.argv[1])
    here = Here(program)
    for part in (mix_up, once, deleted_provider, dismissed, takeover, blocked, machines, rules, as_they_are,
                 written, pages, refresh_ends):
        part(here)
    here.s.p.stop()
    direct(program)
    two_hand_overs(program)
    lock_outs(program)
    second_factor_ends(program)
    finish()


if __name__ == "__main__":
    main()
