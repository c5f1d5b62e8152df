# SPDX-License-Identifier: BSD-3-Clause
"""Each page of the console with its main action: console_pages.py ./rookery"""
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from console_here import Here  # noqa: E402
from idp_client import Browser, Flow  # noqa: E402
from proc import check, finish  # noqa: E402


def pick(p, label, text):
    p.fill(label, text)
    p.until("an option for " + label, lambda: p.run(
        "const o = [...document.querySelectorAll('[role=option]')].filter(e => e.checkVisibility());"
        "if (o.length !== 1) return false; o[0].dispatchEvent(new MouseEvent('mousedown', {bubbles: true})); return true"))


def make(here, page, button, fill, shown, picture, action="Create"):
    """Open a page, make one, see it in the list."""
    p = here.page
    p.go("#/" + page)
    p.press_text(button)
    p.there("dialog .dialog-body")
    fill(p)
    p.press_text(action)
    p.until("the sheet closes", lambda: not p.find("dialog.sheet"))
    p.shows(shown, ".list")
    here.picture(picture)


def fill(*pairs):
    return lambda p: [pick(p, k, v[1:]) if v.startswith("?") else p.fill(k, v) for k, v in pairs]


def access(here):
    make(here, "groups", "New group", fill(("Name", "servers"), ("Machines", "?srv")), "1 machine", "groups")
    g = [x for x in here.rest("GET", "/groups") if x["name"] == "servers"][0]
    check("the machine is in it", [x["name"] for x in g["peers"]] == ["srv-1"], g)
    make(here, "posture-checks", "New posture check", fill(("Name", "recent"), ("Agent, at least", "0.70.0"), ("Networks", "10.0.0.0/8")),
         "recent", "posture")
    c = here.rest("GET", "/posture-checks")[0]["checks"]
    check("its checks", c["nb_version_check"]["min_version"] == "0.70.0" and
          c["peer_network_range_check"] == {"ranges": ["10.0.0.0/8"], "action": "allow"}, c)


def networks(here):
    p = here.page
    make(here, "networks", "New network", fill(("Name", "office")), "office", "networks")
    p.press_text("office")
    p.press_text("New resource")
    fill(("Name", "printer"), ("Address", "10.1.2.3"), ("Groups", "?servers"))(p)
    p.press_text("Create")
    p.shows("10.1.2.3", ".list")
    p.press_text("New router")
    pick(p, "Machine", "srv")
    p.press_text("Create")
    p.until("the sheet closes", lambda: not p.find("dialog.sheet"))
    p.until("a router", lambda: here.rest("GET", "/networks")[0]["routing_peers_count"] == 1)
    here.picture("network-office")

    def exit_node(p):
        p.fill("Name", "exit")
        p.press_text("To the Internet: an exit node")
        pick(p, "Through the machine", "srv")
        pick(p, "For the machines of", "All")
    make(here, "routes", "New route", exit_node, "exit node", "routes")
    make(here, "dns", "New name server", fill(("Name", "quad9"), ("Servers", "9.9.9.9, 10.0.0.1:5353"), ("Machines of", "?All")),
         "10.0.0.1:5353", "dns")
    make(here, "dns/zones", "New zone", fill(("Name", "corp"), ("Domain", "corp.example.com"), ("Machines of", "?All")),
         "corp.example.com", "zones")
    p.press_text("corp")
    p.press_text("New record")
    fill(("Name", "wiki.corp.example.com"), ("Content", "10.1.2.4"))(p)
    p.press_text("Create")
    p.shows("wiki.corp.example.com", ".list")
    check("the record", here.rest("GET", "/dns/zones")[0]["records"][0]["content"] == "10.1.2.4")


def unmanaged(here):
    """Groups whose machines keep their own DNS."""
    p = here.page
    p.go("#/dns")
    p.press_text("Not managed")
    pick(p, "Machines of", "servers")
    p.shows("What this does")
    here.picture("dns-unmanaged")
    p.press_text("Save")
    p.shows("The groups were saved")
    g = [x["id"] for x in here.rest("GET", "/groups") if x["name"] == "servers"]
    check("DNS of that group is not managed", here.rest("GET", "/dns/settings")["disabled_management_groups"] == g)


def single_ends(here):
    """From one machine to one resource; a group chosen after it takes its place."""
    p = here.page
    p.go("#/policies")
    p.press_text("New policy")
    p.fill("Name", "one to one")
    pick(p, "From", "srv-1")
    pick(p, "To", "printer")
    p.there(".trial")
    here.picture("policy-ends")
    p.press_text("Save")
    p.until("the sheet closes", lambda: not p.find("dialog.sheet"))
    p.shows("printer", ".list")
    p.shows("srv-1", ".list")

    def rule():
        return [x for x in here.rest("GET", "/policies") if x["name"] == "one to one"][0]["rules"][0]
    peer, resource = here.rest("GET", "/peers")[0], here.rest("GET", "/networks/resources")[0]
    check("the ends are what was chosen", (rule()["sourceResource"], rule()["destinationResource"]) == (
        {"id": peer["id"], "type": "peer"}, {"id": resource["id"], "type": "host"}), rule())
    p.press_text("Actions for one to one")
    p.press_text("Edit", "[role=menuitem]")
    pick(p, "From", "servers")
    p.press_text("Save")
    p.until("the sheet closes", lambda: not p.find("dialog.sheet"))
    check("a group instead", [g["name"] for g in rule()["sources"]] == ["servers"] and
          not rule().get("sourceResource", {}).get("id") and rule()["destinationResource"]["id"] == resource["id"], rule())


def long_history(here):
    """More changes than one answer holds."""
    p = here.page
    ann = here.rest("POST", "/users", {"email": "ann@example.com", "name": "Ann", "role": "user", "auto_groups": [],
                                       "is_service_user": False})
    browser, flow = Browser(here.s.port), Flow(scope="openid profile email")
    back = browser.submit(browser.get("/oauth2/auth", **flow.params()), login="ann@example.com", password=ann["password"])
    token = flow.redeem(browser, back.query()["code"]).json()["access_token"]
    got = browser.send("GET", "/api/users/current", headers={"Authorization": "Bearer " + token})
    check("somebody signed in", got.status == 200, got.status)
    for i in range(501):
        here.rest("POST", "/groups", {"name": "group-%d" % i})
    for page in ("activity", "activity/events"):
        p.go("#/" + page)
        p.there(".list")
        p.until("a full first page", lambda: p.find(".list-scroll[aria-rowcount='501']"))
        p.press_text("Show older ones")
        p.until("all of it", lambda: not p.run(
            "return [...document.querySelectorAll('button')].some(b => b.innerText === 'Show older ones')"))
        n = int(p.run("return document.querySelector('.list-scroll').getAttribute('aria-rowcount')")) - 1
        path = "/events/audit" if "events" in page else "/x/history?page_size=1000"
        kept = here.rest("GET", path)
        signs = [e for e in kept if e.get("fields") == ["last_login"]]
        check("%s: all of them, each once" % page, n == len(kept) - len(signs), (n, len(kept), signs))
        if "events" not in page:
            check("there are sign-ins", signs)
            p.press_text("Show 1 sign-in" if len(signs) == 1 else "Show %d sign-ins" % len(signs))
            p.until("them as well", lambda: p.find(".list-scroll[aria-rowcount='%d']" % (len(kept) + 1)))
            p.press_text("Hide sign-ins")
    here.picture("events-long")


def people(here):
    p = here.page
    p.go("#/users")
    p.press_text("New user")
    fill(("Name", "Ben"), ("E-mail", "ben@example.com"))(p)
    p.press_text("Create")
    p.shows("never again", "dialog")
    p.press_text("Done")
    p.shows("ben@example.com", ".list")
    here.picture("users")
    make(here, "users/service", "New service user", fill(("Name", "terraform")), "terraform", "service-users")
    p.press_text("Actions for terraform")
    p.press_text("Tokens", "[role=menuitem]")
    p.fill("Name", "ci")
    p.press_text("Make a token")
    p.shows("nbp_", "dialog")
    here.picture("tokens")
    p.press_text("Close", "dialog .dialog-head button")
    p.go("#/users/invites")
    p.press_text("New invitation")
    fill(("E-mail", "ida@example.com"), ("Name", "Ida"))(p)
    p.press_text("Create")
    p.shows("/#/invite/", "dialog")
    link = p.text("dialog code").strip()
    p.press_text("Done")
    p.shows("ida@example.com", ".list")
    p.open(link)
    p.shows("invites Ida")
    here.picture("invite")
    p.fill("Password", "Correct-Horse8!")
    p.press_text("Join")
    p.there("[name=password]")
    check("the invited is a user", any(u["email"] == "ida@example.com" for u in here.rest("GET", "/users")))
    p.open(here.base + "/")  # the owner's session of this tab goes on
    p.there(".nav")


def providers(here):
    def google(p):
        p.run("const s = document.querySelector('dialog select'); s.value = 'google';"
              "s.dispatchEvent(new Event('change', {bubbles: true}))")
        fill(("Name", "Google"), ("Client id", "x"), ("Client secret", "y"))(p)
    make(here, "identity-providers", "New provider", google, "Google", "providers")


def settings(here):
    p = here.page
    p.go("#/settings")
    p.tick("New machines wait for approval")
    p.shows("What this does")
    here.picture("settings")
    p.press_text("Save")
    p.shows("The settings were saved")
    check("kept by the server", here.rest("GET", "/accounts")[0]["settings"]["extra"]["peer_approval_enabled"])
    p.go("#/server")
    p.shows("answers", ".page")
    p.shows("SQLite")
    p.shows("none is known", ".page")
    folder = tempfile.mkdtemp(dir=here.s.dir)
    r = here.s.command("admin", "backup", folder)
    check("a backup", r.returncode == 0, r.stderr)
    p.shows(os.path.join(folder, "rookery-"), ".page")  # by itself
    p.shows("one server", ".page")
    here.picture("server")


def traffic(here):
    """Switched off: it says who can switch it on. On: in the settings, and then what is kept."""
    p = here.page
    p.go("#/traffic")
    p.shows("This server keeps no traffic events")
    here.picture("traffic-off")
    here.s.p.stop()
    here.s.env["ROOKERY_FLOW"] = "true"
    here.s.start()
    p.open(here.base + "/#/traffic")
    p.shows("Machines record no traffic")
    p.press_text("To the settings")
    p.tick("Machines record who talks to whom")
    p.press_text("Save")
    p.shows("The settings were saved")
    check("kept by the server", here.rest("GET", "/accounts")[0]["settings"]["extra"]["network_traffic_logs_enabled"])
    p.go("#/traffic")
    p.shows("Nothing was reported yet")
    here.picture("traffic-empty")


def verdicts(here):
    """A machine's page says which posture checks it fails, and why."""
    p = here.page
    machine = [x for x in here.rest("GET", "/peers") if x["name"] == "srv-1"][0]
    here.rest("POST", "/posture-checks", {"name": "far too new", "description": "", "checks": {
        "nb_version_check": {"min_version": "99.0.0"}}})
    p.go("#/peers/" + machine["id"])
    p.shows("Posture checks")
    p.shows("wanted is 99.0.0 or newer, found 0.77.1", ".check-verdict:last-child")
    here.picture("peer-posture")


def palette(here):
    p = here.page
    p.go("#/peers")
    p.there(".list")
    p.run("window.dispatchEvent(new KeyboardEvent('keydown', {key: 'k', ctrlKey: true}))")
    p.there("#palette")
    p.keys("srv")
    p.shows("machine 100.", ".palette")
    here.picture("palette")
    p.keys("\ue007")
    p.shows("Host name")
    p.go("#/peers")
    p.there(".list")
    saved = p.run("""
        let text = null; const real = URL.createObjectURL;
        URL.createObjectURL = (b) => { window.kept = b; return real(b); }; return text""")
    check("nothing is saved unasked", saved is None)
    p.press_text("Export peers")
    p.press_text("Export as CSV", "[role=menuitem]")
    text = p.ask("POST", "/execute/async", {"script": "window.kept.text().then(arguments[0])", "args": []})
    check("a list as CSV", text.startswith("Name,Address,Groups") and "srv-1" in text, text)
    p.scheme("dark")
    here.picture("peers-dark")
    p.go("#/network")
    p.there(".picture")
    here.picture("network-dark")
    p.scheme("light")


def main():
    here = Here()
    try:
        here.enrol("srv-1", here.key())
        here.sign_in()
        for test in (access, networks, single_ends, unmanaged, people, providers, settings, verdicts, palette, long_history, traffic):
            test(here)
        here.no_complaints()
    finally:
        here.close()
    finish()


if __name__ == "__main__":
    main()
