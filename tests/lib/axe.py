# SPDX-License-Identifier: BSD-3-Clause
"""axe-core (WCAG 2.2 AA and its best practices) on whatever page a browser shows.

axe-core is a tool from npm that this project does not ship: AXE=FILE names its axe.min.js, and where
`npm install -g axe-core` puts it, it is found. Without it nothing is checked, and a line says so."""
import glob
import os

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PLACES = ["/usr/local/lib/node_modules", "/usr/lib/node_modules", "/usr/share/nodejs", "node_modules"]
RUN = """const done = arguments[arguments.length - 1];
axe.run({runOnly: arguments[0]}).then(r => done(r.violations.map(
  v => [v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + ' ' + n.failureSummary)])), e => done([String(e)]))"""


def source():
    """Its text; "" where it is not to be had."""
    for f in [os.environ["AXE"]] if os.environ.get("AXE") else sum((glob.glob(p + "/axe-core/axe.min.js") for p in PLACES), []):
        with open(f) as text:
            return text.read()
    print("SKIPPED: accessibility of the pages: no axe-core (npm install -g axe-core, or AXE=axe.min.js)", flush=True)
    return ""


def findings(page, axe):
    """[[rule, [element and reason, ...]], ...] of the page as it stands; [] is right."""
    if not page.run("return !!window.axe"):
        page.run(axe + ";window.axe = axe")
    return page.ask("POST", "/execute/async", {"script": RUN, "args": [TAGS]})
