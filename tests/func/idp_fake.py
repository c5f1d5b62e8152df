# SPDX-License-Identifier: BSD-3-Clause
"""A fake OpenID provider for tests: its answers are attributes that a test sets."""
import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import nacl.signing

from idp_client import b64


class Provider:
    """Signs with Ed25519. `claims` go into the ID token, `info` is the userinfo answer."""

    def __init__(self):
        self.key = nacl.signing.SigningKey.generate()
        self.claims, self.info, self.discovery = {}, None, {}
        self.auth_ways = ("basic", "post")  # how the token endpoint takes the secret
        self.secret = "s3cret"
        self.tokens = []       # forms that came to the token endpoint
        self.refused = []      # of them those whose client was not accepted
        self.refresh = None    # hand out refresh tokens: a list of the good ones
        self.down = False
        self.info_token, self.asked = None, 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def answer(self, status, what):
                body = json.dumps(what).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.answer(*provider.get(urlsplit(self.path).path, self.headers))

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                form = {k: v[0] for k, v in parse_qs(body).items()}
                self.answer(*provider.post(form, self.headers))

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = "http://127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def get(self, path, headers):
        if self.down:
            return 503, {}
        if path.endswith("/.well-known/openid-configuration"):
            return 200, {"issuer": self.issuer, "authorization_endpoint": self.issuer + "/auth",
                         "token_endpoint": self.issuer + "/token", "jwks_uri": self.issuer + "/keys",
                         "userinfo_endpoint": self.issuer + "/me", **self.discovery}
        if path == "/keys":  # no kid, as some have it, and a key that is for something else
            return 200, {"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "enc", "x": "AAAA"},
                                  {"kty": "OKP", "crv": "Ed25519",
                                   "x": b64(bytes(self.key.verify_key))}]}
        if path == "/me" and self.info is not None and \
                headers.get("Authorization") in ("Bearer access", "Bearer %s" % self.info_token):
            self.asked += 1
            return 200, self.info
        return 404, {}

    def token(self, **more):
        now = int(time.time())
        head = b64(json.dumps({"alg": "EdDSA"}).encode())
        body = b64(json.dumps({"iss": self.issuer, "aud": "rookery", "sub": "u1", "iat": now,
                               "exp": now + 300, **self.claims, **more}).encode())
        return "%s.%s.%s" % (head, body, b64(self.key.sign((head + "." + body).encode()).signature))

    def client_ok(self, form, headers):
        basic = "Basic " + base64.b64encode(("rookery:" + self.secret).encode()).decode()
        if headers.get("Authorization"):
            return "basic" in self.auth_ways and headers["Authorization"] == basic
        return "post" in self.auth_ways and form.get("client_id") == "rookery" and \
            form.get("client_secret") == self.secret

    def post(self, form, headers):
        if self.down:
            return 503, {}
        self.tokens.append(form)
        if not self.client_ok(form, headers):
            self.refused.append(form)
            return 401, {"error": "invalid_client"}
        more = {}
        if form["grant_type"] == "refresh_token":
            if not self.refresh or form["refresh_token"] not in self.refresh:
                return 400, {"error": "invalid_grant"}
            self.refresh.remove(form["refresh_token"])
        else:
            nonce, challenge = form["code"].split("|")
            seen = b64(hashlib.sha256(form["code_verifier"].encode()).digest())
            if seen != challenge:
                return 400, {"error": "invalid_grant"}
            more["nonce"] = nonce
        answer = {"access_token": "access", "token_type": "Bearer", "id_token": self.token(**more)}
        if self.refresh is not None:
            answer["refresh_token"] = "r%d" % len(self.tokens)
            self.refresh.append(answer["refresh_token"])
        return 200, answer

    def code(self, query):
        """What the authorization endpoint would give for this request."""
        return query["nonce"] + "|" + query["code_challenge"]
