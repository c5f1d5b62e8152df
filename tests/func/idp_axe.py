# SPDX-License-Identifier: BSD-3-Clause
"""The sign-in pages under axe-core in Chromium, light and dark: idp_axe.py ./rookery axe.min.js

Not part of the default run (tests/lib/axe.py says where axe-core comes from). Exits 1 when there is a finding.
"""
import html
import json
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from idp import EMAIL, O, log_in, totp  # noqa: E402
from idp_client import Flow  # noqa: E402
from idp_trust import Here, PASSWORD  # noqa: E402
from proc import check, finish  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from axe import TAGS  # noqa: E402

RUN = "axe.run({runOnly:" + json.dumps(TAGS) + """})
.then(r=>{const e=document.createElement('pre');e.id='axe-out';e.textContent=JSON.stringify(
r.violations.map(v=>[v.id,v.nodes.map(n=>n.html+' '+n.failureSummary)]));document.body.append(e)})"""


def pages(here):
    b, f = here.browser(), Flow()
    here.rest("POST", "/identity-providers", {"type": "google", "name": "Google", "client_id": "x",
                                              "client_secret": "y"})
    out = {"login": b.get(O + "/auth", **f.params()).body}
    out["wrong"] = b.submit(b.get(O + "/auth", **f.params()), login=EMAIL, password="Wrong-1aa").body
    out["trouble"] = b.get(O + "/auth", client_id="x").body
    here.tokens(b, EMAIL, PASSWORD)
    out["consent"] = b.get(O + "/auth", **f.params()).body
    out["device"] = b.get(O + "/device").body
    d = here.browser().post(O + "/device/code", client_id="netbird-cli", scope="openid").json()
    page = b.submit(b.get(O + "/device"), user_code=d["user_code"])
    out["confirm"] = page.body
    out["end"] = b.submit(page, answer="allow").body
    account = here.rest("GET", "/accounts").json()[0]
    here.rest("PUT", "/accounts/" + account["id"],
              {"settings": dict(account["settings"], local_mfa_enabled=True)})
    b = here.browser()
    page = log_in(b, f)
    out["set-up"] = page.body
    secret = re.search('id="secret">([A-Z2-7 ]{39})<', page.body).group(1).replace(" ", "")
    b.submit(page, totp=totp(secret, int(time.time()) // 30))
    out["second"] = log_in(here.browser(), f).body
    return out, b.get(O + "/static/style.css").body, b.get(O + "/static/page.js").body


def main():
    here = Here(os.path.abspath(sys.argv[1]), ROOKERY_HELP_TEXT="Call Anna, 555-0100")
    with open(sys.argv[2]) as f:
        axe = f.read()
    all_pages, css, js = pages(here)
    with tempfile.TemporaryDirectory() as d:
        for name, body in all_pages.items():
            body = re.sub(r'<link rel="stylesheet"[^>]*>', "<style>%s</style>" % css, body)
            body = re.sub(r"<script src=[^>]*></script>", "", body)
            body = body.replace("</body>", "".join("<script>%s</script>" % s for s in (js, axe, RUN)) +
                                "</body>")
            path = os.path.join(d, name + ".html")
            with open(path, "w") as f:
                f.write(body)
            for scheme, number in (("dark", 0), ("light", 1)):
                r = subprocess.run(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
                                    "--virtual-time-budget=8000", "--dump-dom",
                                    "--user-data-dir=" + d + "/profile",
                                    "--blink-settings=preferredColorScheme=%d" % number,
                                    "file://" + path], capture_output=True, text=True)
                m = re.search(r'id="axe-out">(.*?)</pre>', r.stdout, re.S)
                found = json.loads(html.unescape(m.group(1))) if m else r.stderr[-500:]
                check("%s, %s" % (name, scheme), found == [], found)
    finish()


if __name__ == "__main__":
    main()
