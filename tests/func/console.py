# SPDX-License-Identifier: BSD-3-Clause
"""The web console in a real browser: console.py ./rookery"""
import gzip
import http.client
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from console_here import EMAIL, PASSWORD, Here  # noqa: E402
from proc import check, finish  # noqa: E402


def get(port, path, **headers):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request("GET", path, None, {k.replace("_", "-"): v for k, v in headers.items()})
    a = c.getresponse()
    return a, a.read()


def served(here):
    """What comes over the wire, without a browser."""
    port = here.s.port
    a, body = get(port, "/")
    page = body.decode()
    policy = a.headers["Content-Security-Policy"]
    check("the page is HTML", a.status == 200 and a.headers["Content-Type"].startswith("text/html"))
    check("its policy takes nothing from elsewhere", "default-src 'none'" in policy and
          "unsafe" not in policy and "http" not in policy and "frame-ancestors 'none'" in policy, policy)
    check("no camera, no place", "camera=()" in a.headers["Permissions-Policy"])
    check("it names its issuer", 'data-issuer="%s/oauth2"' % here.base in page, page)
    check("the page is asked for again", a.headers["Cache-Control"] == "no-cache")
    again, body = get(port, "/", If_None_Match=a.headers["ETag"])
    check("and not sent again", again.status == 304 and body == b"", again.status)
    other, _ = get(port, "/", If_None_Match='"x", W/"y"')
    check("another tag is another page", other.status == 200)
    check("pages below /console are the page", get(port, "/console/")[1] == get(port, "/console")[1] ==
          get(port, "/console/signed-in")[1] == page.encode())
    names = re.findall(r'(?:src|href)="(/console/[^"]+)"', page)
    check("three files", len(names) == 3, names)
    total = 0
    for name in names:
        plain_answer, plain = get(port, name)
        small_answer, small = get(port, name, Accept_Encoding="gzip, br")
        h = small_answer.headers
        check("%s: compressed" % name, h["Content-Encoding"] == "gzip" and gzip.decompress(small) == plain and
              plain_answer.headers["Content-Encoding"] is None, h)
        check("%s: for ever" % name, "immutable" in h["Cache-Control"] and re.search(r"-[0-9a-f]{12}\.", name))
        check("%s: as itself" % name, h["X-Content-Type-Options"] == "nosniff" and "Accept-Encoding" in h["Vary"])
        check("%s: not twice" % name, get(port, name, If_None_Match=h["ETag"])[0].status == 304)
        total += len(small)
    check("below 150 kB in all", total < 150000, total)
    check("a file of another version", get(port, "/console/app-000000000000.js")[0].status == 404)
    check("the API is as before", get(port, "/api/nothing")[0].headers["Content-Type"].startswith("application/json"))
    check("other paths are none", get(port, "/nothing")[0].status == 404)


def first_run():
    here = Here(setup=False)
    p = here.page
    try:
        served(here)
        p.open(here.base + "/")
        p.shows("Set up this server")
        here.picture("first-run-owner")
        p.fill("Setup token", "wrong")
        p.fill("Your name", "Olive Owner")
        p.fill("E-mail", EMAIL)
        p.fill("Password", PASSWORD)
        p.press_text("Create the owner")
        p.shows("The setup token is wrong")
        p.fill("Setup token", here.setup_token())
        p.press_text("Create the owner")
        p.shows("Bring in the first machine")
        p.shows("rook up --management-url " + here.base)
        lines = [e for e in p.text("main").split("\n") if "--setup-key" in e]
        check("two lines to paste", len(lines) == 2 and "netbird up" in lines[1], lines)
        p.shows("It works until")
        p.shows("Waiting for the machine")
        here.picture("first-run-machine")
        here.s.token = p.stored("rookery.session")["access"]
        here.enrol("first-laptop", lines[0].split()[-1])
        p.shows("first-laptop is in your network")
        p.press_text("Go to the network")
        p.there(".nav")
        p.go("#/peers")
        p.shows("first-laptop", ".list")
        here.no_complaints()
    finally:
        here.close()


def peers(here):
    p = here.page
    p.go("#/peers")
    p.shows("No machine yet")
    here.picture("peers-empty")
    key = here.key()
    for name in ("web1", "web2", "db1", "laptop-anna", "laptop-ben"):
        here.enrol(name, key)
    p.shows("laptop-ben")  # by itself
    here.picture("peers")
    p.ask("POST", "/element/%s/value" % p.there("[type=search]"), {"text": "web"})
    p.hides("laptop", ".list")
    check("the search is in the address", p.where().endswith("#/peers?q=web"), p.where())
    p.press_text("web1")
    p.shows("Host name")
    here.picture("peer")
    p.press_text("Edit")
    p.fill("Name", "web-one")
    p.press_text("Save")
    p.shows("web-one was saved")
    check("the server has the new name", any(x["name"] == "web-one" for x in here.rest("GET", "/peers")))
    p.press_text("Remove")
    p.shows("Type web-one to confirm")
    check("not without typing", p.run("return document.querySelector('dialog .danger').disabled"))
    p.fill("Type web-one to confirm", "web-one")
    p.press_text("Remove", "dialog .danger")
    p.shows("web-one was removed")
    check("the server has it no more", not any(x["name"] == "web-one" for x in here.rest("GET", "/peers")))


def setup_keys(here):
    p = here.page
    here.rest("POST", "/groups", {"name": "offices"})
    p.go("#/setup-keys")
    p.press_text("New key")
    here.picture("setup-key-form")
    p.press_text("Create")
    p.shows("A name is needed")
    p.fill("Name", "office")
    p.fill("Days until it expires", "0")
    p.fill("Groups", "off")
    p.press("[role=option]")
    p.press_text("Create")
    p.shows("--setup-key")
    p.shows("It does not expire")
    p.press_text("Done")
    p.shows("office", ".list")
    here.picture("setup-keys")
    p.press_text("Actions for office")
    p.press_text("Revoke", "[role=menuitem]")
    p.press_text("Revoke", "dialog button")
    p.shows("revoked", ".list")
    check("revoked on the server", [k["revoked"] for k in here.rest("GET", "/setup-keys") if k["name"] == "office"] == [True])


def small_network(here):
    """Web servers that reach a database and nothing else."""
    for old in here.rest("GET", "/policies"):
        here.rest("DELETE", "/policies/" + old["id"])
    g = {n: here.rest("POST", "/groups", {"name": n})["id"] for n in ("web", "databases", "admins")}
    for name, group in (("web-1", "web"), ("web-2", "web"), ("db-1", "databases"), ("admin-laptop", "admins")):
        here.enrol(name, here.key([g[group]]))
    here.rest("POST", "/policies", {"name": "admins everywhere", "enabled": True, "rules": [
        {"name": "all", "enabled": True, "action": "accept", "protocol": "all", "bidirectional": False,
         "sources": [g["admins"]], "destinations": [g["web"], g["databases"]]}]})
    return g


def policies(here):
    """The effect is shown before saving, and taken back from the history."""
    p = here.page
    small_network(here)
    p.go("#/policies")
    p.shows("admins everywhere")
    p.press_text("New policy")
    p.fill("Name", "web to databases")
    p.fill("From", "web")
    p.press("dialog [role=option]:not([hidden])")
    p.fill("To", "data")
    p.press("dialog .rule .field:nth-of-type(2) [role=option]")
    p.fill("Ports", "70000")
    p.shows("is no port")
    p.fill("Ports", "5432")
    p.shows("2 ways gained", ".trial")
    p.shows("web-1 → db-1", ".trial")
    check("nothing was saved by asking", len(here.rest("GET", "/policies")) == 1)
    here.picture("policy-edit")
    p.press_text("Save")
    p.shows("web to databases was saved")
    p.shows("web to databases", ".list")
    here.picture("policies")
    made = [x for x in here.rest("GET", "/policies") if x["name"] == "web to databases"][0]
    rule = made["rules"][0]
    check("saved as it was typed", (rule["ports"], rule["protocol"], rule["bidirectional"]) == (["5432"], "tcp", False), rule)
    # a change shows what is lost, and what the editor does not show stays
    p.press_text("Actions for web to databases")
    p.press_text("Edit", "[role=menuitem]")
    p.fill("Ports", "80")
    p.shows("2 ways changed", ".trial")
    p.press_text("Save")
    p.hides("What this does")
    check("one rule, the same", [r["id"] for r in here.rest("GET", "/policies/" + made["id"])["rules"]] == [rule["id"]])
    # and back
    p.go("#/activity")
    p.shows("web to databases", ".list")
    here.picture("activity")
    undo = p.run("return [...document.querySelectorAll('.list-body [aria-label^=Undo]')].map(b => b.ariaLabel)")
    rows = p.text(".list-body")
    check("keys and tokens are never taken back, and not offered", "setup key" in rows and
          "Undo web to databases" in undo and not {"Undo office", "Undo test"} & set(undo), (undo, rows))
    p.press_text("Undo web to databases")  # the older one: the newer stands on it
    p.shows("This cannot be done")
    p.press_text("Close", "dialog .dialog-foot button")
    p.press(".list-body .list-row:first-child button")
    p.shows("Take this back?")
    p.shows("2 ways changed", "dialog")
    here.picture("undo")
    p.press_text("Take it back")
    p.shows("It was taken back")
    check("the port is the first again", here.rest("GET", "/policies/" + made["id"])["rules"][0]["ports"] == ["5432"])
    p.press_text("Events")
    p.shows("Policy", ".list")
    here.picture("events")


def network(here):
    p = here.page
    p.go("#/network")
    p.shows("databases", ".picture")
    here.picture("network")
    p.enter(".way[aria-label='web may reach databases']")
    p.shows("TCP 5432", ".network")
    p.shows("2 of 2 pairs can", ".answer")
    p.shows("web-1 reaches db-1", ".answer")
    here.picture("network-why")
    p.enter(".way[aria-label='web may reach databases']")
    p.fill("From", "db-1")
    p.press("[role=option]")
    p.fill("To", "web-1")
    p.press(".card form .field:nth-of-type(2) [role=option]")
    p.press_text("Ask")
    p.shows("db-1 does not reach web-1", ".answer")
    p.enter(".bubble[aria-label^='admins']")
    p.shows("admin-laptop", ".members")
    # what has no agent
    g = {x["name"]: x["id"] for x in here.rest("GET", "/groups")}
    router = here.rest("GET", "/peers")[0]["id"]
    office = here.rest("POST", "/networks", {"name": "office", "description": ""})["id"]
    here.rest("POST", "/networks/%s/resources" % office, {
        "name": "printer", "description": "", "address": "10.1.2.3", "enabled": True, "groups": [g["databases"]]})
    here.rest("POST", "/networks/%s/routers" % office, {"peer": router, "metric": 1, "masquerade": True, "enabled": True})
    here.rest("POST", "/routes", {
        "network_id": "exit", "description": "", "network": "0.0.0.0/0", "peer": router, "groups": [g["admins"]],
        "metric": 9999, "masquerade": True, "enabled": True, "keep_route": False})
    p.there(".place[aria-label='network office, 10.1.2.3/32']")
    p.enter(".way[aria-label='admins may reach exit']")
    p.shows("has a route to", ".network")
    p.enter(".way[aria-label='web may reach office']")
    p.shows("TCP 5432", ".members")
    p.shows("2 of 2 pairs can", ".answer")
    here.picture("network-places")
    p.enter(".way[aria-label='web may reach office']")


def session_ends(here):
    """Nothing typed is lost: the sheet stays, and saving goes on after signing in again."""
    p = here.page
    p.go("#/setup-keys")
    p.press_text("New key")
    p.fill("Name", "typed before")
    kept = p.stored("rookery.session")
    check("a refresh token", bool(kept["refresh"]))
    # renewed silently, when the access token is taken no more
    p.run("const s = JSON.parse(sessionStorage.getItem('rookery.session')); s.access = 'gone';"
          "sessionStorage.setItem('rookery.session', JSON.stringify(s)); location.reload()")
    p.there(".nav")
    check("renewed by itself", p.stored("rookery.session")["access"] not in ("gone", kept["access"]))
    # with a refresh token that has ended as well, the person signs in beside the page
    p.run("const s = JSON.parse(sessionStorage.getItem('rookery.session')); s.access = 'gone'; s.refresh = 'gone';"
          "sessionStorage.setItem('rookery.session', JSON.stringify(s)); location.reload()")
    p.shows("Your session has ended")
    here.picture("session-ended")
    main = p.ask("GET", "/window")
    p.press_text("Sign in again")
    p.until("the small window is there or done", lambda: p.find(".nav") or len(p.ask("GET", "/window/handles")) > 1)
    p.ask("POST", "/window", {"handle": main})
    p.there(".nav")
    p.hides("Your session has ended")


def sign_out(here):
    """Where a proxy has another dashboard at /, people stay at /console/ throughout."""
    p = here.page
    p.press_text("Sign out")
    p.there("[name=password]")
    check("nothing is kept", p.stored("rookery.session") is None)
    for page in ("/console/", "/"):
        p.open(here.base + page + "#/groups")
        for again in (False, True):  # the second time where signing out has led
            p.there("[name=password]")
            p.type("[name=login]", EMAIL)
            p.type("[name=password]", PASSWORD)
            p.press("button[type=submit]")
            p.there(".nav")
            where = p.where()
            check("back at %s" % page, where.split("#")[0] == here.base + page and (again or where.endswith("#/groups")), where)
            p.press_text("Sign out")
    p.there("[name=password]")


def switched_off():
    here = Here(ROOKERY_CONSOLE="false")
    try:
        check("no console", get(here.s.port, "/")[0].status == 404 and get(here.s.port, "/console/")[0].status == 404)
        check("but the API", get(here.s.port, "/api/instance")[0].status == 200)
    finally:
        here.close()


def main():
    first_run()
    here = Here()
    try:
        here.sign_in()
        for test in (peers, setup_keys, policies, network, session_ends, sign_out):
            test(here)
        here.no_complaints()
    finally:
        here.close()
    switched_off()
    finish()


if __name__ == "__main__":
    main()
