# SPDX-License-Identifier: BSD-3-Clause
"""A browser without JavaScript and an OAuth client, standard library only."""
import base64
import hashlib
import html
import http.client
import json
import re
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims(token):
    return json.loads(unb64(token.split(".")[1]))


class Answer:
    def __init__(self, r):
        self.status, self.headers = r.status, r.headers
        self.body = r.read().decode()

    def json(self):
        return json.loads(self.body)

    def query(self):
        """Parameters of the redirect."""
        return {k: v[0] for k, v in parse_qs(urlsplit(self.headers["Location"]).query).items()}

    def fields(self):
        """Hidden fields of the page's form."""
        found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', self.body)
        return {k: html.unescape(v) for k, v in found}

    def action(self):
        return html.unescape(re.search(r'<form method="post" action="([^"]*)"', self.body).group(1))


class Browser:
    def __init__(self, port):
        self.port, self.jar = port, {}

    def send(self, method, path, body=None, headers=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        h = dict(headers or {})
        if self.jar:
            h["Cookie"] = "; ".join("%s=%s" % kv for kv in self.jar.items())
        if isinstance(body, dict):
            body = urlencode(body)
            h["Content-Type"] = "application/x-www-form-urlencoded"
        c.request(method, path, body, h)
        a = Answer(c.getresponse())
        c.close()
        for line in a.headers.get_all("Set-Cookie") or []:
            name, value = line.split(";")[0].split("=", 1)
            if "Max-Age=0" in line:
                self.jar.pop(name, None)
            else:
                self.jar[name] = value
        return a

    def get(self, path, **query):
        return self.send("GET", path + ("?" + urlencode(query) if query else ""))

    def post(self, path, **form):
        return self.send("POST", path, form)

    def submit(self, page, **fields):
        return self.send("POST", page.action(), {**page.fields(), **fields})


class Flow:
    """One authorization request with PKCE."""

    def __init__(self, client="netbird-cli", redirect="http://localhost:53000/",
                 scope="openid profile email groups"):
        self.client, self.redirect, self.scope = client, redirect, scope
        self.verifier = secrets.token_hex(64)
        self.state = secrets.token_hex(12)
        self.nonce = secrets.token_hex(12)

    def params(self, **more):
        p = {"response_type": "code", "client_id": self.client, "redirect_uri": self.redirect,
             "scope": self.scope, "state": self.state, "nonce": self.nonce,
             "code_challenge_method": "S256",
             "code_challenge": b64(hashlib.sha256(self.verifier.encode()).digest()), **more}
        return {k: v for k, v in p.items() if v is not None}

    def redeem(self, browser, code, headers=None, **more):
        p = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect,
             "client_id": self.client, "code_verifier": self.verifier, **more}
        return browser.send("POST", "/oauth2/token", {k: v for k, v in p.items() if v is not None},
                            headers)


def verify_rs256(token, jwks):
    """By the book (RFC 8017), so that the signature is checked by other code than ours."""
    head, body, sig = token.split(".")
    h = json.loads(unb64(head))
    key = [k for k in jwks["keys"] if k["kid"] == h["kid"]][0]
    n, e = (int.from_bytes(unb64(key[x]), "big") for x in "ne")
    size = (n.bit_length() + 7) // 8
    plain = pow(int.from_bytes(unb64(sig), "big"), e, n).to_bytes(size, "big")
    info = bytes.fromhex("3031300d060960864801650304020105000420")
    digest = hashlib.sha256((head + "." + body).encode()).digest()
    want = b"\0\1" + b"\xff" * (size - 3 - len(info) - 32) + b"\0" + info + digest
    return h["alg"] == "RS256" and plain == want
