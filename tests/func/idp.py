# SPDX-License-Identifier: BSD-3-Clause
"""rookery's identity provider, seen from outside: idp.py ./rookery"""
import atexit
import base64
import glob
import hashlib
import hmac
import json
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from idp_client import Browser, Flow, b64, claims, unb64, verify_rs256  # noqa: E402
from proc import Program, check, clean_env, finish, free_port  # noqa: E402

EMAIL, PASSWORD = "owner@example.com", "Correct-Horse7!"
O = "/oauth2"


class Server:
    def __init__(self, program, name="localhost", port=None, **env):
        self.dir = tempfile.mkdtemp(prefix="rookery-idp-")
        atexit.register(shutil.rmtree, self.dir, True)
        self.port = port or free_port()
        self.base = "http://%s:%d" % (name, self.port)
        self.program, self.env = program, env
        self.start()

    def start(self):
        self.p = Program([self.program, "run"], self.port, clean_env(
            ROOKERY_LISTEN_ADDRESS="127.0.0.1:%d" % self.port, ROOKERY_EXPOSED_ADDRESS=self.base,
            ROOKERY_DATA_DIR=self.dir, ROOKERY_STUN_PORTS="%d" % free_port(),
            ROOKERY_HEALTHCHECK_ADDRESS="", ROOKERY_METRICS_PORT="0", **self.env))

    def setup(self):
        token = open(self.dir + "/setup-token").read().strip()
        a = Browser(self.port).send("POST", "/api/setup", json.dumps(
            {"email": EMAIL, "password": PASSWORD, "name": "The Owner"}),
            {"X-Setup-Token": token, "Content-Type": "application/json"})
        assert a.status == 200, a.body
        return a.json()["user_id"]


def log_in(b, f, **more):
    """To the redirect that carries the code."""
    page = b.get(O + "/auth", **f.params(**more))
    assert page.status == 200, (page.status, page.body)
    return b.submit(page, login=EMAIL, password=PASSWORD)


def discovery(s):
    b = Browser(s.port)
    a = b.send("GET", O + "/.well-known/openid-configuration", headers={"Origin": "http://x"})
    d = a.json()
    check("discovery names its issuer", d["issuer"] == s.base + O, d)
    check("discovery may be read by any page", a.headers["Access-Control-Allow-Origin"] == "*")
    for key, path in (("authorization_endpoint", "/auth"), ("token_endpoint", "/token"),
                      ("jwks_uri", "/keys"), ("userinfo_endpoint", "/userinfo"),
                      ("device_authorization_endpoint", "/device/code"),
                      ("end_session_endpoint", "/logout")):
        check("discovery: " + key, d[key] == s.base + O + path)
    check("only S256", d["code_challenge_methods_supported"] == ["S256"])
    keys = b.get(O + "/keys")
    k = keys.json()["keys"]
    check("one key, public part only", len(k) == 1 and sorted(k[0]) == sorted(
        ["use", "kty", "kid", "alg", "n", "e"]) and re.fullmatch("[0-9a-f]{40}", k[0]["kid"]), k)
    check("keys may be cached", "max-age=" in keys.headers["Cache-Control"])


def code_flow(s, user_id):
    b, f = Browser(s.port), Flow(scope="openid profile email offline_access")
    page = b.get(O + "/auth", **f.params(audience="netbird-cli", prompt="login"))
    check("the login page is a page", page.status == 200 and "password" in page.body)
    back = b.submit(page, login=EMAIL.upper(), password=PASSWORD)
    check("login leads back", back.status == 303 and
          back.headers["Location"].startswith(f.redirect + "?code="), back.body)
    check("state comes back", back.query()["state"] == f.state)
    f.state = "/+&=" * 500
    again = b.get(O + "/auth", **f.params())
    check("with a session the agent is not let in unasked", again.status == 200 and
          'id="allow"' in again.body and EMAIL in again.body and f.redirect in again.body)
    again = b.submit(again, answer="allow")
    check("a long state comes back whole", again.query().get("state") == f.state, again.headers)
    code = back.query()["code"]
    a = f.redeem(b, code)
    t = a.json()
    check("tokens", a.status == 200 and t["token_type"] == "bearer", t)
    check("tokens are not cached", a.headers["Cache-Control"] == "no-store")
    jwks = b.get(O + "/keys").json()
    for kind in ("access_token", "id_token"):
        c = claims(t[kind])
        check(kind + ": signature", verify_rs256(t[kind], jwks))
        check(kind + ": claims", c["iss"] == s.base + O and c["sub"] == user_id and
              c["aud"] == f.client and c["email"] == EMAIL and c["email_verified"] is True and
              c["name"] == "The Owner" and 86000 < c["exp"] - time.time() < 86500, c)
    check("nonce in the ID token", claims(t["id_token"])["nonce"] == f.nonce)
    me = b.send("GET", "/api/users/current", headers={"Authorization": "Bearer " + t["access_token"]})
    check("REST takes the access token", me.status == 200 and me.json()["id"] == user_id and
          me.json()["role"] == "owner", me.body)
    me = b.send("GET", "/api/users/current", headers={"Authorization": "Bearer " + t["id_token"]})
    check("REST takes the ID token", me.status == 200)
    info = b.send("GET", O + "/userinfo", headers={"Authorization": "Bearer " + t["access_token"]})
    check("userinfo", info.status == 200 and info.json()["sub"] == user_id, info.body)
    check("userinfo refuses others", Browser(s.port).get(O + "/userinfo").status == 401)
    refresh(b, f, t)
    reuse_ends_everything(s)
    return f.redeem(b, log_in(b, f, prompt="login").query()["code"]).json()


def refresh(b, f, t):
    def use(token, client=f.client):
        return b.post(O + "/token", grant_type="refresh_token", refresh_token=token, client_id=client)

    first = t["refresh_token"]
    wrong = use(first, "netbird-dashboard")
    check("a refresh token is its client's", wrong.status == 400)
    a = use(first)
    check("refresh", a.status == 200 and a.json()["refresh_token"] != first, a.body)
    check("an old refresh token is refused", use(first).json().get("error") == "invalid_grant")
    check("and ends its family", use(a.json()["refresh_token"]).status == 400)


def reuse_ends_everything(s):
    b, f = Browser(s.port), Flow(scope="openid offline_access")
    code = log_in(b, f).query()["code"]
    t = f.redeem(b, code).json()
    h = {"Authorization": "Bearer " + t["access_token"]}
    check("good before", b.send("GET", "/api/users/current", headers=h).status == 200)
    again = f.redeem(b, code)
    check("a code works once", again.status == 400 and again.json()["error"] == "invalid_grant")
    a = b.post(O + "/token", grant_type="refresh_token", refresh_token=t["refresh_token"],
               client_id=f.client)
    check("a code used twice ends the refresh token", a.status == 400)
    check("the access token", b.send("GET", "/api/users/current", headers=h).status == 401)
    check("and the session", b.get(O + "/auth", **f.params(prompt="none")).query()["error"] ==
          "login_required")


def refusals(s):
    b, f = Browser(s.port), Flow()
    for name, more in (("unknown client", {"client_id": "evil"}),
                       ("other redirect", {"redirect_uri": "https://evil.example/"}),
                       ("redirect prefix", {"redirect_uri": f.redirect + "x"}),
                       ("redirect without slash", {"redirect_uri": f.redirect[:-1]}),
                       ("redirect of the other client", {"redirect_uri": s.base + "/nb-auth"}),
                       ("no redirect", {"redirect_uri": None})):
        a = b.get(O + "/auth", **f.params(**more))
        check(name + " is refused without a redirect",
              a.status == 400 and "Location" not in a.headers, (a.status, a.headers))
    for name, more, error in (
            ("no PKCE", {"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
            ("plain PKCE", {"code_challenge_method": "plain"}, "invalid_request"),
            ("short challenge", {"code_challenge": "abc"}, "invalid_request"),
            ("implicit flow", {"response_type": "token"}, "unsupported_response_type"),
            ("no openid", {"scope": "email"}, "invalid_scope"),
            ("request object", {"request": "e30.e30."}, "request_not_supported"),
            ("request object elsewhere", {"request_uri": "https://example.com/r"},
             "request_uri_not_supported"),
            ("prompt=none", {"prompt": "none"}, "login_required")):
        a = b.get(O + "/auth", **f.params(**more))
        check("%s: %s by redirect" % (name, error), a.status == 303 and
              a.query().get("error") == error and a.query()["state"] == f.state, a.headers)
    a = b.send("GET", O + "/auth?client_id=netbird-cli&client_id=netbird-cli&redirect_uri=" +
               "http%3A%2F%2Flocalhost%3A53000%2F&response_type=code&scope=openid")
    check("a repeated parameter is refused", a.status in (303, 400) and "code=" not in
          (a.headers["Location"] or ""))
    for name, more in (("other verifier", {"code_verifier": "x" * 64}),
                       ("no verifier", {"code_verifier": None}),
                       ("other redirect", {"redirect_uri": "http://localhost:54000/"}),
                       ("other client", {"client_id": "netbird-dashboard"})):
        code = log_in(b, f, prompt="login").query()["code"]
        a = f.redeem(b, code, **more)
        check("token: " + name, a.status == 400 and a.json()["error"] == "invalid_grant", a.body)
    code = log_in(b, f, prompt="login").query()["code"]
    a = f.redeem(b, code, client_id="evil")
    check("token: unknown client", a.status == 401 and a.json()["error"] == "invalid_client")
    basic = "Basic " + base64.b64encode(b"netbird-cli:secret").decode()
    a = f.redeem(b, code, headers={"Authorization": basic}, client_id=None)
    check("token: a secret that nobody has", a.status == 401)
    basic = "Basic " + base64.b64encode(b"netbird-cli:").decode()
    a = f.redeem(b, code, headers={"Authorization": basic}, client_id=None)
    check("token: client by Basic, code not used up by failures", a.status == 200, a.body)
    a = b.post(O + "/token", grant_type="password", client_id=f.client, username=EMAIL,
               password=PASSWORD)
    check("no password grant", a.json()["error"] == "unsupported_grant_type")


def sessions(s):
    b, f = Browser(s.port), Flow("netbird-dashboard", s.base + "/nb-auth")
    log_in(b, f)
    a = b.get(O + "/auth", **f.params(prompt="none"))
    check("silent login with a session", a.status == 303 and "code" in a.query(), a.headers)
    check("a redirect may be in a frame of the dashboard",
          "X-Frame-Options" not in a.headers and "Content-Security-Policy" not in a.headers)
    check("the answer names the issuer (RFC 9207)", a.query()["iss"] == s.base + O)
    check("prompt=login asks again", b.get(O + "/auth", **f.params(prompt="login")).status == 200)
    check("max_age=0 asks again", b.get(O + "/auth", **f.params(max_age="0")).status == 200)
    token = f.redeem(b, a.query()["code"]).json()["id_token"]
    evil = b.get(O + "/logout", id_token_hint=token,
                 post_logout_redirect_uri="https://evil.example/")
    check("logout is no open redirect", evil.status == 400 and "Location" not in evil.headers)
    log_in(b, f)
    out = b.get(O + "/logout", id_token_hint=token, post_logout_redirect_uri=s.base, state="st")
    check("logout leads back", out.status == 303 and
          out.headers["Location"] == s.base + "?state=st", out.headers)
    check("the session is over", "netbird-session" not in b.jar and
          b.get(O + "/auth", **f.params(prompt="none")).query()["error"] == "login_required")
    old = dict(b.jar)
    log_in(b, f)
    kept = b.jar["netbird-session"]
    b.send("GET", O + "/logout", headers={"Sec-Fetch-Site": "cross-site"})
    check("another site cannot log out", b.get(O + "/auth", **f.params(prompt="none")).query()
          .get("code"))
    b.get(O + "/logout")
    b.jar = dict(old, **{"netbird-session": kept})
    check("a session cookie is worth nothing after the logout",
          b.get(O + "/auth", **f.params(prompt="none")).query().get("error") == "login_required")


def pages(s):
    b, f = Browser(s.port), Flow()
    page = b.get(O + "/auth", **f.params(login_hint='"><script>alert(1)</script>'))
    h = page.headers
    csp = h["Content-Security-Policy"]
    check("strict CSP", "default-src 'none'" in csp and "frame-ancestors 'none'" in csp and
          "unsafe" not in csp and "form-action 'self' http://localhost:53000" in csp and
          "script-src 'self';" in csp and "nonce" not in csp, csp)
    check("no sniffing, no cache, no referrer", h["X-Content-Type-Options"] == "nosniff" and
          h["Cache-Control"] == "no-store" and h["Referrer-Policy"] == "no-referrer")
    check("text is escaped", "<script>" not in page.body and "alert(1)<" not in page.body)
    cookie = h["Set-Cookie"]
    check("form cookie is closed", "HttpOnly" in cookie and "SameSite=Lax" in cookie and
          "Path=/oauth2" in cookie, cookie)
    back = b.submit(page, login=EMAIL, password=PASSWORD)
    check("session cookie is closed", all(x in back.headers["Set-Cookie"] for x in (
        "netbird-session=", "HttpOnly", "SameSite=Lax", "Path=/oauth2")), back.headers)
    style = b.get(O + "/static/style.css")
    check("the style is there", style.status == 200 and style.headers["Content-Type"]
          .startswith("text/css"))


def csrf(s):
    b, f = Browser(s.port), Flow()
    page = b.get(O + "/auth", **f.params())
    other = Browser(s.port)
    a = other.submit(page, login=EMAIL, password=PASSWORD)
    check("a form of another browser is refused", a.status == 403)
    other.get(O + "/auth", **f.params())
    a = other.submit(page, login=EMAIL, password=PASSWORD)
    check("also with a cookie of its own", a.status == 403)
    a = b.send("POST", O + "/login", {"login": EMAIL, "password": PASSWORD})
    check("a form without its request is refused", a.status == 403)
    fields = page.fields()
    fields["request"] = fields["request"][:-6] + "AAAAA="
    a = b.send("POST", O + "/login", {**fields, "login": EMAIL, "password": PASSWORD})
    check("an altered request is refused", a.status == 403)
    confirm = b.send("POST", O + "/device/confirm", {**page.fields(), "answer": "allow"})
    check("a request fits its own form only", confirm.status == 403)


def device(s):
    dev, b = Browser(s.port), Browser(s.port)
    d = dev.post(O + "/device/code", client_id="netbird-cli", audience="netbird-cli",
                 scope="openid profile email groups")
    j = d.json()
    check("device code", d.status == 200 and re.fullmatch(
        "[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", j["user_code"]) and
        j["interval"] >= 1 and j["expires_in"] > 60, j)
    check("verification URI", j["verification_uri"] == s.base + O + "/device" and
          j["verification_uri_complete"].endswith("?user_code=" + j["user_code"]))

    def poll(client="netbird-cli"):
        return dev.post(O + "/token", client_id=client, device_code=j["device_code"],
                        grant_type="urn:ietf:params:oauth:grant-type:device_code")

    check("pending", poll().json()["error"] == "authorization_pending")
    check("too fast", poll().json()["error"] == "slow_down")
    check("another client", poll("netbird-dashboard").json()["error"] == "invalid_grant")
    page = b.get(O + "/device")
    wrong = b.submit(page, user_code="BBBB-BBBB")
    check("a wrong code", wrong.status == 400 and "not valid" in wrong.body)
    page = b.submit(page, user_code=j["user_code"].lower().replace("-", " "))
    check("the code leads to the login", page.status == 200 and "password" in page.body)
    page = b.submit(page, login=EMAIL, password=PASSWORD)
    check("the login leads to a question", page.status == 200 and j["user_code"] in page.body and
          EMAIL in page.body)
    check("nothing before the answer", poll().json()["error"] in
          ("authorization_pending", "slow_down"))
    end = b.submit(page, answer="allow")
    check("allowed", end.status == 200 and "connected" in end.body)
    t = poll()
    check("tokens for the device", t.status == 200 and claims(t.json()["access_token"])["aud"] ==
          "netbird-cli", t.body)
    check("once", poll().json()["error"] == "invalid_grant")
    j.update(dev.post(O + "/device/code", client_id="netbird-cli", scope="openid").json())
    page = b.submit(b.get(O + "/device", user_code=j["user_code"]), user_code=j["user_code"])
    check("with a session straight to the question", "allow" in page.body)
    b.submit(page, answer="deny")
    check("refused", poll().json()["error"] == "access_denied")


def bad_tokens(s, t):
    b = Browser(s.port)
    good = t["access_token"]
    head, body, sig = good.split(".")

    def status(token):
        return b.send("GET", "/api/users/current",
                      headers={"Authorization": "Bearer " + token}).status

    def doc(**more):
        return b64(json.dumps(more).encode())

    kid = json.loads(unb64(head))["kid"]
    n = b.get(O + "/keys").json()["keys"][0]["n"]
    hs = doc(alg="HS256", kid=kid, typ="JWT") + "." + body
    mac = b64(hmac.new(n.encode(), hs.encode(), hashlib.sha256).digest())
    c = claims(good)
    check("good token", status(good) == 200)
    for name, token in (("none", doc(alg="none", kid=kid) + "." + body + "."),
                        ("none with a signature", doc(alg="none", kid=kid) + "." + body + "." + sig),
                        ("HMAC with the public key", hs + "." + mac),
                        ("other claims", head + "." + doc(**dict(c, sub="x")) + "." + sig),
                        ("no expiry", head + "." + doc(**{k: v for k, v in c.items() if k != "exp"})
                         + "." + sig),
                        ("unknown key", doc(alg="RS256", kid="0" * 40) + "." + body + "." + sig),
                        ("cut", good[:-4]), ("one part", head), ("empty parts", "..")):
        check("token refused: " + name, status(token) == 401)


def hashes_only(s, t):
    s.p.stop()
    found = []
    db = sqlite3.connect(s.dir + "/" + [f for f in os.listdir(s.dir) if f.endswith(".db")][0])
    tables = [r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    dump = "\n".join(repr(row) for name in tables for row in db.execute("SELECT * FROM " + name))
    for name, secret in (("access token", t["access_token"]), ("refresh token", t["refresh_token"]),
                         ("email", EMAIL), ("password", PASSWORD), ("private key", "PRIVATE KEY")):
        if secret in dump:
            found.append(name)
    check("the store holds no secret in the clear", not found and "idp_key" in tables, found)
    log = s.p.text()
    check("the log holds no secret", not any(x in log for x in (
        PASSWORD, t["access_token"], t["refresh_token"])))


def restart(s, t):
    before = Browser(s.port).get(O + "/keys").json()
    s.p.stop()
    s.start()
    b = Browser(s.port)
    check("the key survives a restart", b.get(O + "/keys").json() == before)
    me = b.send("GET", "/api/users/current", headers={"Authorization": "Bearer " + t["access_token"]})
    check("and so do tokens", me.status == 200)


def end_of_trust(program):
    """A new password and a deleted user end what the old ones opened."""
    s = Server(program, ROOKERY_LOGIN_TRIES="1000")
    owner = s.setup()
    b, f = Browser(s.port), Flow(scope="openid offline_access")
    t = f.redeem(b, log_in(b, f).query()["code"]).json()
    h = {"Authorization": "Bearer " + t["access_token"], "Content-Type": "application/json"}
    bob = b.send("POST", "/api/users", json.dumps(
        {"email": "bob@example.com", "name": "Bob", "role": "user", "auto_groups": [],
         "is_service": False}), h).json()
    c, g = Browser(s.port), Flow(scope="openid offline_access")
    page = c.get(O + "/auth", **g.params())
    code = c.submit(page, login="bob@example.com", password=bob["password"]).query()["code"]
    u = g.redeem(c, code).json()
    hb = {"Authorization": "Bearer " + u["access_token"]}
    check("a new user may come in", c.send("GET", "/api/users/current", headers=hb).status == 200)
    check("deleted", b.send("DELETE", "/api/users/" + bob["id"], headers=h).status == 200)
    check("a deleted user's token", c.send("GET", "/api/users/current", headers=hb).status == 401)
    check("userinfo", c.send("GET", O + "/userinfo", headers=hb).status == 401)
    check("session", c.get(O + "/auth", **g.params(prompt="none")).query()["error"] ==
          "login_required")
    check("and refresh token end", c.post(O + "/token", grant_type="refresh_token", client_id=g.client,
                                          refresh_token=u["refresh_token"]).status == 400)
    for tried, old, want in ((PASSWORD, PASSWORD, 422), ("Other-Horse8!", PASSWORD, 200), ("Other-Horse8!", "no", 422)):
        a = b.send("PUT", "/api/users/%s/password?dry_run=true" % owner, json.dumps(
            {"old_password": old, "new_password": tried}), h)
        check("a password that is only tried", a.status == want, a.body)
    check("changes nothing", b.send("GET", "/api/users/current", headers=h).status == 200)
    a = b.send("PUT", "/api/users/%s/password" % owner, json.dumps(
        {"old_password": PASSWORD, "new_password": "Other-Horse8!"}), h)
    check("a new password", a.status == 200, a.body)
    check("ends the access token", b.send("GET", "/api/users/current", headers=h).status == 401)
    check("at userinfo as well", b.send("GET", O + "/userinfo", headers=h).status == 401)
    check("ends the session", b.get(O + "/auth", **f.params(prompt="none")).query()["error"] ==
          "login_required")
    check("and the refresh token", b.post(O + "/token", grant_type="refresh_token",
          client_id=f.client, refresh_token=t["refresh_token"]).status == 400)
    page = b.get(O + "/auth", **f.params())
    check("the old one is wrong now", b.submit(page, login=EMAIL, password=PASSWORD).status == 401)


def totp(secret, step):
    mac = hmac.new(base64.b32decode(secret), step.to_bytes(8, "big"), "sha1").digest()
    at = mac[-1] & 15
    return "%06d" % ((int.from_bytes(mac[at:at + 4], "big") & 0x7fffffff) % 1000000)


def second_factor(program):
    s = Server(program, ROOKERY_LOGIN_TRIES="1000")
    s.setup()
    b, f = Browser(s.port), Flow()
    token = f.redeem(b, log_in(b, f).query()["code"]).json()["access_token"]
    h = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    account = b.send("GET", "/api/accounts", headers=h).json()[0]
    a = b.send("PUT", "/api/accounts/" + account["id"], json.dumps(
        {"settings": dict(account["settings"], local_mfa_enabled=True)}), h)
    check("the account demands a second factor", a.status == 200, a.body)
    check("what came in without one is out", b.send("GET", "/api/users/current", headers=h).status
          == 401 and b.get(O + "/auth", **f.params(prompt="none")).query()["error"] ==
          "login_required")
    page = log_in(b, f, prompt="login")
    secret = re.search('id="secret">([A-Z2-7 ]{39})<', page.body)
    check("the first login sets it up, with a picture", page.status == 200 and secret and
          "<svg" in page.body and "Content-Security-Policy" in page.headers, page.body)
    shown, secret = secret.group(1), secret.group(1).replace(" ", "")
    check("a link for phones, and codes for the day without one", "otpauth://totp/" in page.body and
          len(re.findall("<li><code>[A-Z2-9]{5}-[A-Z2-9]{5}<", page.body)) == 10)
    now = int(time.time()) // 30
    wrong = b.submit(page, totp="000000" if totp(secret, now) != "000000" else "111111")
    check("a wrong code", wrong.status == 401 and shown in wrong.body)
    page2 = b.send("POST", O + "/login", {**page.fields(), "login": EMAIL, "password": PASSWORD})
    check("its form is not a login form", page2.status == 403)
    now = int(time.time()) // 30
    done = b.submit(wrong, totp=totp(secret, now))
    check("the right code leads back", done.status == 303 and "code" in done.query(), done.body)
    other = Browser(s.port)
    page = log_in(other, f)
    check("from now on only the code is asked", page.status == 200 and "svg" not in page.body and
          shown not in page.body and 'name="totp"' in page.body)
    check("the password alone opens nothing", "netbird-session" not in other.jar)
    again = other.submit(page, totp=totp(secret, now))
    check("a code works once", again.status == 401, again.status)
    done = other.submit(again, totp=totp(secret, now + 1))
    check("the next one works", done.status == 303, done.body)


def trusting(program, theirs):
    """A server that takes the tokens of another issuer as they are."""
    s = Server(program, ROOKERY_OIDC_ISSUER=theirs.base + O, ROOKERY_OIDC_AUDIENCES="netbird-cli")
    b = Browser(theirs.port)

    def me(client, redirect):
        f = Flow(client, redirect)
        page = b.get(O + "/auth", **f.params(prompt="login"))
        code = b.submit(page, login=EMAIL, password=PASSWORD).query()["code"]
        token = f.redeem(b, code).json()["access_token"]
        return Browser(s.port).send("GET", "/api/users/current",
                                    headers={"Authorization": "Bearer " + token})

    a = me("netbird-cli", "http://localhost:53000/")
    check("tokens of another issuer count, the first user is the owner", a.status == 200 and
          a.json()["role"] == "owner", a.body)
    other = theirs.env["ROOKERY_AUTH_DASHBOARD_REDIRECT_URIS"]
    check("but not for another audience", me("netbird-dashboard", other).status == 401)


def external(program):
    """One server as the identity provider of another."""
    port = free_port()
    theirs = Server(program, ROOKERY_LOGIN_TRIES="1000",
                    ROOKERY_AUTH_DASHBOARD_REDIRECT_URIS="http://localhost:%d/oauth2/callback" % port)
    them = theirs.setup()
    ours = Server(program, port=port, ROOKERY_LOGIN_TRIES="1000")
    ours.setup()
    b, f = Browser(ours.port), Flow()
    token = f.redeem(b, log_in(b, f).query()["code"]).json()["access_token"]
    h = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    a = b.send("POST", "/api/identity-providers", json.dumps(
        {"type": "oidc", "name": "Partner <b>", "issuer": theirs.base + O,
         "client_id": "netbird-dashboard", "client_secret": ""}), h)
    check("connector", a.status == 200, a.body)
    connector = a.json()["id"]

    def there(b, page):
        """Follow the link to the provider, sign in there, and return the way back."""
        link = re.search('href="([^"]*/auth/external[^"]*)"', page.body).group(1)
        a = b.get(link.replace("&amp;", "&"))
        assert a.status == 303, (a.status, a.body)
        assert a.headers["Location"].startswith(theirs.base + O + "/auth?"), a.headers
        other = Browser(theirs.port)
        page = other.get(a.headers["Location"][len(theirs.base):])
        back = other.submit(page, login=EMAIL, password=PASSWORD)
        return back.headers["Location"][len(ours.base):]

    b = Browser(ours.port)
    page = b.get(O + "/auth", **f.params())
    check("the login page offers it, escaped", "Continue with Partner &lt;b&gt;" in page.body)
    back = there(b, page)
    stranger = Browser(ours.port).get(back)
    check("another browser cannot finish it", stranger.status == 403 and "Location" not in
          stranger.headers)
    done = b.get(back)
    check("back at the client", done.status == 303 and done.headers["Location"].startswith(
        f.redirect + "?code=") and done.query()["state"] == f.state, done.body)
    t = f.redeem(b, done.query()["code"]).json()
    c = claims(t["access_token"])
    raw = unb64(c["sub"].replace("+", "-").replace("/", "_"))
    check("the subject names user and connector", raw == b"\x0a" + bytes([len(them)]) +
          them.encode() + b"\x12" + bytes([len(connector)]) + connector.encode(), raw)
    check("name and mail come along", c["email"] == EMAIL and c["name"] == "The Owner", c)
    f2 = Flow()
    f2.state = "\x01" * 1500  # six times as long once it is sealed
    page = b.get(O + "/auth", **f2.params(prompt="login"))
    link = re.search('href="([^"]*/auth/external[^"]*)"', page.body).group(1)
    there2 = b.get(link.replace("&amp;", "&"))
    refused = b.get(O + "/callback", state=there2.query()["state"], error="access_denied")
    check("a long state survives the way there", refused.status == 401, refused.body)
    again = b.get(back)
    check("a state works once", again.status == 403, again.status)
    me = b.send("GET", "/api/users/current", headers={"Authorization": "Bearer " + t["access_token"]})
    check("a new user waits for approval", me.status == 403 and "blocked" in me.body, me.body)
    users = Browser(ours.port).send("GET", "/api/users", headers=h).json()
    check("and is listed", any(u["id"] == c["sub"] and u["pending_approval"] for u in users), users)
    trusting(program, theirs)
    page = b.get(O + "/auth", **f.params(prompt="login"))
    link = re.search('href="([^"]*/auth/external[^"]*)"', page.body).group(1)
    there3 = b.get(link.replace("&amp;", "&"))
    refused = b.get(O + "/callback", state=there3.query()["state"], error="access_denied")
    check("a refusal leads to the login page", refused.status == 401 and "refused" in refused.body)
    check("a made-up state is refused", b.get(O + "/callback", code="x", state="y").status == 403)


def worked(s):
    """Nanoseconds that a server has had a processor: what it does for an answer, on a busy machine too."""
    total = 0
    for t in glob.glob("/proc/%d/task/*/schedstat" % s.p.p.pid):
        with open(t) as f:
            total += int(f.read().split()[0])
    return total


def guessing(program):
    """On a server of its own, since it ends locked out."""
    s = Server(program)
    s.setup()
    b, f = Browser(s.port), Flow()
    page = b.get(O + "/auth", **f.params())
    times, texts = {}, {}
    for who in (EMAIL, "nobody@example.com") * 4:
        began = worked(s)
        a = b.submit(page, login=who, password="Wrong-Horse7!")
        times.setdefault(who, []).append(worked(s) - began)
        texts.setdefault(who, []).append((a.status, re.search('role="alert">([^<]*)', a.body)
                                          .group(1)))
    known, unknown = texts.values()
    check("the text does not tell who exists", known == unknown and known[0][0] == 401, texts)
    slow, fast = (min(v) for v in times.values())
    check("nor does the time", 0.5 < slow / fast < 2, (slow, fast))
    last = []  # ten a minute: a busy machine does not reach them with the first few
    while 429 not in last and len(last) < 100:
        last.append(b.submit(page, login=EMAIL, password="Wrong-Horse7!").status)
    check("attempts are limited", last[-1] == 429, last)
    check("also with the right password", b.submit(page, login=EMAIL, password=PASSWORD).status
          == 429)


def lan(program):
    """Plain http elsewhere than on localhost: the dashboard has no PKCE there."""
    s = Server(program, "127-0-0-1.lan.example")
    b = Browser(s.port)
    bare = {"code_challenge": None, "code_challenge_method": None}
    f = Flow("netbird-dashboard", s.base + "/nb-auth")
    check("LAN: the dashboard may come without PKCE",
          b.get(O + "/auth", **f.params(**bare)).status == 200)
    check("LAN: nobody else may", b.get(O + "/auth", **Flow().params(**bare)).query()["error"] ==
          "invalid_request")
    s = Server(program)
    f = Flow("netbird-dashboard", s.base + "/nb-auth")
    check("localhost: not even the dashboard", Browser(s.port).get(O + "/auth", **f.params(**bare))
          .query()["error"] == "invalid_request")


def main():
    program = os.path.abspath(sys.argv[1])
    s = Server(program, ROOKERY_LOGIN_TRIES="1000")
    user_id = s.setup()
    discovery(s)
    t = code_flow(s, user_id)
    refusals(s)
    sessions(s)
    pages(s)
    csrf(s)
    device(s)
    bad_tokens(s, t)
    restart(s, t)
    hashes_only(s, t)
    end_of_trust(program)
    second_factor(program)
    external(program)
    guessing(program)
    lan(program)
    finish()


if __name__ == "__main__":
    main()
