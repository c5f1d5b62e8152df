# SPDX-License-Identifier: BSD-3-Clause
"""The console for others than its owner, and on bad days: roles, a second factor, a server that goes
away, ten thousand machines: console_people.py ./rookery"""
import os
import re
import sqlite3
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from console_here import EMAIL, PASSWORD, Here  # noqa: E402
from idp import totp  # noqa: E402
from proc import check, finish  # noqa: E402

MANY = 10000


def person(here, name, role):
    """A local user of that role: (e-mail, password)."""
    email = name + "@example.com"
    made = here.rest("POST", "/users", {"email": email, "name": name.title(), "role": role, "auto_groups": [],
                                        "is_service_user": False})
    return email, made["password"]


def sign_out(here):
    here.page.press_text("Sign out")
    here.page.there("[name=password]")


def roles(here):
    p = here.page
    here.enrol("server-1", here.key())
    auditor, member = person(here, "aud", "auditor"), person(here, "mia", "user")
    here.sign_in(*auditor)
    p.go("#/peers")
    p.shows("server-1", ".list")
    check("an auditor sees all pages", all(w in p.text(".nav") for w in ("Network", "Setup keys", "Policies", "Activity")), p.text(".nav"))
    check("and is offered no change", not any(w in p.text("main") for w in ("Add a machine", "Actions")), p.text("main"))
    for page in ("setup-keys", "policies"):
        p.go("#/" + page)
        p.there(".list")
        check("nor on " + page, "New" not in p.text("main") and not p.find(".list-body button"), p.text("main"))
    p.go("#/network")
    p.there(".picture")
    p.enter(".bubble")
    here.picture("network-auditor")
    sign_out(here)
    here.sign_in(*member)
    p.there(".page")
    check("a member sees their own only", "server-1" not in p.text() and "Setup keys" not in p.text(".nav"), p.text())
    p.shows("show members nothing of it")
    p.go("#/setup-keys")
    p.there(".page")
    p.until("refused or empty", lambda: "permission denied" in p.text("main").lower() or p.find(".empty"))
    sign_out(here)


def second_factor(here):
    p = here.page
    account = here.rest("GET", "/accounts")[0]
    here.rest("PUT", "/accounts/" + account["id"], {"settings": dict(account["settings"], local_mfa_enabled=True)})
    p.open(here.base + "/#/peers")
    p.there("[name=password]")
    p.type("[name=login]", EMAIL)
    p.type("[name=password]", PASSWORD)
    p.press("button[type=submit]")
    p.there("#secret")
    secret = re.sub(r"\s", "", p.text("#secret"))
    p.type("[name=totp]", totp(secret, int(time.time()) // 30))
    p.press("button[type=submit]")

    def onwards():  # past the codes for a lost phone
        go_on = "/oauth2/" in p.where() and not p.find("[name=totp]") and p.find("form button[type=submit]")
        if go_on:
            p.ask("POST", "/element/%s/click" % go_on, {})
        return p.find(".nav")
    p.until("the console", onwards)
    check("back on the page that was asked for", "#/peers" in p.where(), p.where())


def many(here):
    """Copies of one machine, in the database of a stopped server."""
    here.s.p.stop()
    db = sqlite3.connect(here.s.db)
    cols = [r[1] for r in db.execute("PRAGMA table_info(peer)")]
    one = dict(zip(cols, db.execute("SELECT * FROM peer LIMIT 1").fetchone()))
    tables = [t for (t,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
              if t != "peer" and any(r[1] in ("peer_id", "id") and r[2] for r in db.execute("PRAGMA table_info(%s)" % t))]
    held = {}  # rows of other tables about this machine
    for t in tables:
        c = [r[1] for r in db.execute("PRAGMA table_info(%s)" % t)]
        key = "peer_id" if "peer_id" in c else "id"
        held[t] = (c, key, [list(r) for r in db.execute("SELECT * FROM %s WHERE %s = ?" % (t, key), (one["id"],))])
    free = (one["ip4"][:2] + bytes([n // 256, n % 256]) for n in range(300, 300 + MANY))
    free = (a for a in free if a != one["ip4"])
    for i in range(MANY - 1):
        new = "many%016d" % i
        row = dict(one, id=new, wg_key="%s%05d=" % (one["wg_key"][:38], i), name="machine-%05d" % i, label="machine-%05d" % i,
                   ip4=next(free), ip6=None)
        db.execute("INSERT INTO peer VALUES (%s)" % ",".join("?" * len(cols)), [row[c] for c in cols])
        for t, (c, key, rows) in held.items():
            for r in rows:
                db.execute("INSERT INTO %s VALUES (%s)" % (t, ",".join("?" * len(c))),
                           [new if name == key else v for name, v in zip(c, r)])
    db.commit()
    db.close()
    here.s.start()


FRAMES = """
const el = document.querySelector('.list-scroll'), done = arguments[arguments.length - 1];
let frames = 0, worst = 0, before = 0;
const start = performance.now();
function step(now) {
  if (before) worst = Math.max(worst, now - before);
  before = now;
  frames++;
  el.scrollTop += 120; // 7,200 pixels a second
  if (now - start < 3000) requestAnimationFrame(step);
  else done({fps: 1000 * frames / (now - start), worst, rows: document.querySelectorAll('.list-body .list-row').length,
             top: el.scrollTop});
}
requestAnimationFrame(step);
"""


def ten_thousand(here):
    p = here.page
    many(here)
    p.open(here.base + "/#/peers")
    p.shows("10,000 peers")
    here.picture("peers-10000")
    got = p.ask("POST", "/execute/async", {"script": FRAMES, "args": []})
    print("     scrolling 10,000 peers: %.0f frames/s, longest frame %.0f ms, %d rows in the page" %
          (got["fps"], got["worst"], got["rows"]))
    check("few rows are in the page", got["rows"] < 60 and got["top"] > 1000, got)
    p.run("document.querySelector('.list-scroll').scrollTop = 1e9")
    p.shows("server-1", ".list-body")
    p.press(".list-head button")
    p.ask("POST", "/element/%s/value" % p.there("[type=search]"), {"text": "machine-09998"})
    p.shows("1 of 10,000 peers")
    p.go("#/network")
    p.shows("10,000 machines, 0 connected")
    check("the picture has all of them", p.run("return document.querySelector('.bubble .away').getAttribute('d').split('M').length") == 10001)
    here.picture("network-10000")


def server_goes(here):
    p = here.page
    p.go("#/setup-keys")
    p.press_text("New key")
    p.fill("Name", "typed while away")
    here.s.p.stop()
    p.press_text("Create")
    p.shows("The server does not answer", "dialog")
    p.shows("nothing is lost")
    here.picture("offline")
    here.s.start()
    p.hides("nothing is lost")
    p.press_text("Create")
    p.shows("--setup-key")
    check("what was typed was saved", any(k["name"] == "typed while away" for k in here.rest("GET", "/setup-keys")))


def main():
    here = Here()
    try:
        for test in (roles, second_factor, ten_thousand, server_goes):
            test(here)
        here.no_complaints()
    finally:
        here.close()
    finish()


if __name__ == "__main__":
    main()
