# SPDX-License-Identifier: BSD-3-Clause
"""The console of management alone, in a real browser: console_alone.py ./rookery-management

It has no place to sign in at unless it is told of one: an access token opens it."""
import atexit
import http.client
import json
import os
import shutil
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.argv[1:] = sys.argv[1:] or ["./rookery-management"]
from console_here import EMAIL, PASSWORD, Page  # noqa: E402
from proc import Program, check, clean_env, finish, free_port  # noqa: E402

MANAGEMENT = os.path.abspath(sys.argv[1])


def start(*more):
    folder = tempfile.mkdtemp(prefix="rookery-alone-")
    atexit.register(shutil.rmtree, folder, True)
    port = free_port()
    Program([MANAGEMENT, "--listen-address", "127.0.0.1:%d" % port, "--datadir", folder,
             "--signal", "http://127.0.0.1:%d" % free_port(), "--setup-open", "--setup-pat", "--metrics-port", "0",
             "--health-listen-address", "", *more],
            port, clean_env())
    return port


def ask(port, method, path, body=None):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    c.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
    a = c.getresponse()
    return a, a.read().decode()


def console(port):
    p = Page()
    try:
        p.size(1280, 860)
        a, text = ask(port, "POST", "/api/setup", {"email": EMAIL, "password": PASSWORD, "name": "Olive", "create_pat": True})
        check("an owner", a.status == 200, text)
        token = json.loads(text)["personal_access_token"]
        p.open("http://localhost:%d/" % port)
        p.shows("Access token")
        p.fill("Access token", "nbp_wrong")
        p.press_text("Use the token")
        p.shows("does not take this token")
        p.fill("Access token", token)
        p.press_text("Use the token")
        p.there(".nav")
        p.go("#/server")
        p.shows("connected machines", ".page")
        check("nothing that it does not know", "Backup" not in p.text(".page"), p.text(".page"))
        p.go("#/peers")
        p.shows("No machine yet")
        check("no complaints of the browser", p.problems() == [], p.problems())
    finally:
        p.close()


port = start()
a, page = ask(port, "GET", "/")
check("it serves the page", a.status == 200 and "/console/app-" in page, a.status)
check("with the same policy", "default-src 'none'" in a.headers["Content-Security-Policy"])
console(port)
port = start("--no-console")
check("switched off", ask(port, "GET", "/")[0].status == 404 and ask(port, "GET", "/console/")[0].status == 404)
check("but the API", ask(port, "GET", "/api/instance")[0].status == 200)
finish()
