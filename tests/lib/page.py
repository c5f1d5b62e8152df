# SPDX-License-Identifier: BSD-3-Clause
"""A page that draws itself: waits for what a person would wait for, and acts as they would."""
import base64
import json
import time

from browser import ELEMENT, Browser

PATIENCE_S = 90


class Page(Browser):
    def run(self, script, *args):
        """A function body in the page; its return value."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(args)})

    def size(self, width, height):
        """Of the page itself: phones are narrower than any window may be."""
        self.ask("POST", "/goog/cdp/execute", {
            "cmd": "Emulation.setDeviceMetricsOverride",
            "params": {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}})

    def scheme(self, name):
        """"light" or "dark"."""
        self.ask("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {
            "features": [{"name": "prefers-color-scheme", "value": name}]}})

    def offline(self, yes):
        self.ask("POST", "/goog/cdp/execute", {"cmd": "Network.enable", "params": {}})
        self.ask("POST", "/goog/cdp/execute", {"cmd": "Network.emulateNetworkConditions", "params": {
            "offline": yes, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}})

    def until(self, what, fn):
        """What fn returns when that is true; a page that never comes to it fails the test."""
        end = time.time() + PATIENCE_S
        while time.time() < end:
            try:
                got = fn()
            except RuntimeError:  # the element went away meanwhile
                got = None
            if got:
                return got
            time.sleep(0.05)
        raise SystemExit("the page never came to: %s\nit shows:\n%s" % (what, self.text()))

    def text(self, css="body"):
        return self.run("const e = document.querySelector(arguments[0]); return e ? e.innerText ?? e.textContent : ''", css)

    def shows(self, words, css="body"):
        self.until("“%s” in %s" % (words, css), lambda: words in self.text(css))

    def hides(self, words, css="body"):
        self.until("no “%s” in %s" % (words, css), lambda: words not in self.text(css))

    def there(self, css):
        return self.until(css, lambda: self.find(css))

    def press(self, css):
        def click():
            e = self.find(css)
            if not e:
                return False
            self.ask("POST", "/element/%s/click" % e, {})
            return True
        self.until("a click on " + css, click)

    def enter(self, css):
        """The same by keyboard."""
        self.ask("POST", "/element/%s/value" % self.there(css), {"text": "\ue007"})

    def press_text(self, words, css="button, a, summary, [role=option]"):
        """The last one of these that reads so: what stands in front was drawn last."""
        def click():
            e = self.run(
                "const all = [...document.querySelectorAll(arguments[1])].filter(e => e.checkVisibility() && "
                "(e.innerText.trim() === arguments[0] || e.getAttribute('aria-label') === arguments[0]));"
                "return all.pop() ?? null", words, css)
            if not e:
                return False
            self.ask("POST", "/element/%s/click" % e[ELEMENT], {})
            return True
        self.until("a click on “%s”" % words, click)

    def labelled(self, label):
        """The field of this label."""
        e = self.until("the field “%s”" % label, lambda: self.run(
            "const l = [...document.querySelectorAll('label')].filter(l => l.checkVisibility() && "
            "l.innerText.trim() === arguments[0]).pop();"
            "return l ? document.getElementById(l.htmlFor) : null", label))
        return e[ELEMENT]

    def fill(self, label, text):
        e = self.labelled(label)
        # over what stands there: WebDriver's own "clear" is no typing, and the page would not hear of it
        self.ask("POST", "/element/%s/value" % e, {"text": "\ue009a\ue000" + (text or "\ue003")})

    def tick(self, label):
        self.ask("POST", "/element/%s/click" % self.labelled(label), {})

    def keys(self, text):
        """To whatever has the focus."""
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "k", "actions": [
            {"type": t, "value": c} for c in text for t in ("keyDown", "keyUp")]}]})

    def go(self, hash_):
        self.run("location.hash = arguments[0]", hash_)

    def png(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.ask("GET", "/screenshot")))

    def problems(self):
        """What the browser complained about, without the refusals that a test asked for, and that it
        left the focus where the test had put it already."""
        return [c for c in self.complaints()
                if "Failed to load resource" not in c and "Autofocus processing was blocked" not in c]

    def stored(self, key):
        return json.loads(self.run("return sessionStorage.getItem(arguments[0])", key) or "null")
