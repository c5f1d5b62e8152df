# SPDX-License-Identifier: BSD-3-Clause
"""A real Chromium, headless, that signs in as a person would:

    browser.py URL EMAIL PASSWORD [SCREENSHOT-FOLDER]

opens the URL, fills the forms it meets (code, login, confirmation) and prints the last page's
title and address. Speaks WebDriver to chromedriver; standard library only.
"""
import base64
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    def __init__(self, shots=None, log=None):
        """log: what of it is kept ({"browser": "ALL"}); "performance" is a trace of all that it does."""
        self.shots, self.n_shots = shots, 0
        self.home = tempfile.mkdtemp(prefix="rookery-browser-")
        # a group of its own, so that all of Chromium's processes end with it
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, start_new_session=True, env=dict(os.environ, HOME=self.home))
        for line in self.driver.stdout:
            m = re.search(r"on port (\d+)", line)
            if m and m.group(1) != "0":
                self.url = "http://127.0.0.1:%s" % m.group(1)
                break
        else:
            raise SystemExit("chromedriver does not start")
        args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--disable-background-networking", "--no-first-run", "--window-size=900,800",
                "--user-data-dir=" + self.home + "/profile"]
        options = {"args": args}
        log = log or {"browser": "ALL"}
        if "performance" in log:
            options["perfLoggingPrefs"] = {"traceCategories": ",".join((
                "blink.user_timing", "devtools.timeline", "disabled-by-default-devtools.timeline"))}
        self.session = ""
        self.session = "/session/" + self.ask("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": log}}})["sessionId"]

    def ask(self, method, path, body=None):
        r = urllib.request.Request(self.url + self.session + path, method=method,
                                   data=None if body is None else json.dumps(body).encode(),
                                   headers={"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(r, timeout=60) as a:
                return json.load(a)["value"]
        except urllib.error.HTTPError as e:
            raise RuntimeError(json.load(e)["value"]["message"].splitlines()[0]) from None

    def open(self, url):
        self.ask("POST", "/url", {"url": url})
        self.shoot()

    def find(self, css):
        try:
            return self.ask("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]
        except RuntimeError:
            return None

    def type(self, css, text):
        e = self.find(css)
        self.ask("POST", "/element/%s/clear" % e, {})
        self.ask("POST", "/element/%s/value" % e, {"text": text})

    def click(self, css):
        """And wait until the page has given way to the next."""
        e = self.find(css)
        self.ask("POST", "/element/%s/click" % e, {})
        end = time.time() + 20
        try:
            while time.time() < end:
                self.ask("GET", "/element/%s/name" % e)
                time.sleep(0.05)
        except RuntimeError:
            pass  # stale
        self.shoot()

    def title(self):
        return self.ask("GET", "/title")

    def where(self):
        return self.ask("GET", "/url")

    def complaints(self):
        """What pages made the browser write to its console: CSP violations, failed resources. Not
        what its own pages do (an empty tab on a busy machine)."""
        return [e["message"] for e in self.ask("POST", "/se/log", {"type": "browser"})
                if "favicon.ico" not in e["message"] and not e["message"].startswith("chrome://")]

    def shoot(self):
        if self.shots:
            self.n_shots += 1
            with open("%s/page-%d.png" % (self.shots, self.n_shots), "wb") as f:
                f.write(base64.b64decode(self.ask("GET", "/screenshot")))

    def close(self):
        try:
            self.ask("DELETE", "")
        finally:
            os.killpg(self.driver.pid, signal.SIGKILL)
            self.driver.wait()
            subprocess.run(["rm", "-rf", self.home], check=False)


def sign_in(b, url, email, password):
    """Until a page asks nothing more; our pages or those of the official server."""
    b.open(url)
    for _ in range(6):
        if b.find("[role=alert]"):
            raise SystemExit("the page says: " + b.ask(
                "GET", "/element/%s/text" % b.find("[role=alert]")))
        if b.find("[name=password]"):
            b.type("[name=login]", email)
            b.type("[name=password]", password)
            b.click("button[type=submit]")
        elif b.find("#allow"):
            b.click("#allow")
        elif b.find("[name=user_code]"):
            b.click("button[type=submit]")
        else:
            return
    raise SystemExit("no end of forms: " + b.title())


def main():
    b = Browser(sys.argv[4] if len(sys.argv) > 4 else None)
    try:
        sign_in(b, *sys.argv[1:4])
        print(b.title(), b.where())
        complaints = [c for c in b.complaints() if "Security" in c]
        if complaints:
            raise SystemExit("the browser complains: %s" % complaints)
    finally:
        b.close()


if __name__ == "__main__":
    main()
