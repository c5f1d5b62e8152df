# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the console share: a server, a browser, an owner who is signed in.

CONSOLE_SHOTS=FOLDER keeps pictures of the pages, in both widths."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from proc import check  # noqa: E402
from rookery import Server  # noqa: E402

try:
    import shutil

    if not shutil.which("chromedriver"):
        raise ImportError("chromedriver (chromium-driver) is not installed")
    import axe  # noqa: E402
    from page import Page  # noqa: E402
    import grpc  # noqa: E402,F401
    from mgmt_peer import Agent, field  # noqa: E402
except ImportError as e:
    print("skip:", e)
    sys.exit(77)

EMAIL, PASSWORD = "owner@example.com", "Correct-Horse7!"
SHOTS = os.environ.get("CONSOLE_SHOTS")
AXE = axe.source()


class Here:
    def __init__(self, setup=True, **env):
        self.s = Server(**env)
        self.base = "http://localhost:%d" % self.s.port
        self.channel = grpc.insecure_channel("127.0.0.1:%d" % self.s.port)
        self.page = Page()
        self.page.size(1280, 860)
        if setup:
            self.make_owner()

    def close(self):
        self.page.close()

    def setup_token(self):
        with open(self.s.dir + "/setup-token") as f:
            return f.read().strip()

    def make_owner(self):
        import http.client
        c = http.client.HTTPConnection("127.0.0.1", self.s.port, timeout=60)
        c.request("POST", "/api/setup", json.dumps(
            {"email": EMAIL, "password": PASSWORD, "name": "Olive Owner", "create_pat": True}),
            {"X-Setup-Token": self.setup_token(), "Content-Type": "application/json"})
        a = c.getresponse()
        self.s.token = json.loads(a.read())["personal_access_token"]

    def rest(self, method, path, body=None):
        status, text = self.s.api(method, "/api" + path, body)
        assert status == 200, (method, path, status, text)
        return json.loads(text)

    def enrol(self, name, key, system="linux", version="0.77.1"):
        """A machine of that name; the object of the API."""
        Agent(self.channel).login(key, field(1, name) + field(2, system) + field(6, "Debian GNU/Linux 12") +
                                  field(7, version))
        return [p for p in self.rest("GET", "/peers") if p["name"] == name][0]

    def key(self, groups=()):
        return self.rest("POST", "/setup-keys", {"name": "test", "type": "reusable", "expires_in": 86400,
                                                 "auto_groups": list(groups), "usage_limit": 0})["key"]

    def no_complaints(self):
        found = self.page.problems()  # reading empties the list
        check("no complaints of the browser", found == [], found)

    def sign_in(self, email=EMAIL, password=PASSWORD):
        """Through the provider's pages, as anybody would."""
        p = self.page
        p.open(self.base + "/")
        p.there("[name=password]")
        p.type("[name=login]", email)
        p.type("[name=password]", password)
        p.press("button[type=submit]")
        p.there(".nav")

    def picture(self, name):
        """The page is right for everybody, in both schemes; and is kept when somebody wants to look."""
        if AXE:
            self.accessible(name)
        if not SHOTS:
            return
        for width in (1280, 390):
            self.page.size(width, 860 if width > 400 else 844)
            self.page.until("settled", lambda: self.page.run("return document.readyState === 'complete'"))
            self.page.png("%s/%s-%d.png" % (SHOTS, name, width))
        self.page.size(1280, 860)

    def accessible(self, name):
        """At the width of a desk, light and dark, and of a phone."""
        for width, scheme in ((1280, "light"), (1280, "dark"), (390, "light")):
            self.page.size(width, 860)
            self.page.scheme(scheme)
            found = axe.findings(self.page, AXE)
            check("accessible: %s, %s, %d" % (name, scheme, width), found == [], found)
        self.page.size(1280, 860)
