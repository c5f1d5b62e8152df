# SPDX-License-Identifier: BSD-3-Clause
"""No secret of a test stands in a log, at debug level neither: what goes over HTTP in this process, what
programs get by their environment and keep in their data folder is remembered, and looked for in all logs at
the end. Imported by proc.py, so that no test can forget it."""
import glob
import http.client
import json
import os
import re
import urllib.parse

NAMES = {"password", "old_password", "new_password", "owner_password", "plain_token", "api_token", "personal_access_token",
         "access_token", "refresh_token", "id_token", "device_code", "code_verifier", "client_secret", "setup_key",
         "setup_token", "secret", "token", "code", "totp_secret", "private_key", "preshared_key"}
SETUP_KEY = re.compile(r"^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$")
FILES = ("*.key", "*.secret", "setup-token")
VARIABLES = re.compile(r"(PASSWORD|SECRET|TOKEN|ENCRYPTION_KEY|DSN)$")
SHORTEST = 16  # of what is looked for: made-up words of tests may be anywhere

secrets = {}  # text -> what it is


def remember(text, what):
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    if isinstance(text, str) and len(text) >= SHORTEST and "*" not in text and " " not in text:
        secrets[text] = what


def walk(doc, name=""):
    if isinstance(doc, dict):
        for k, v in doc.items():
            walk(v, k)
    elif isinstance(doc, list):
        for v in doc:
            walk(v, name)
    elif isinstance(doc, str) and (name in NAMES or SETUP_KEY.match(doc)):
        remember(doc, name)


def fields(text):
    for name, value in urllib.parse.parse_qsl(text):
        if name in NAMES:
            remember(value, name)


def body(data):
    if isinstance(data, bytes):
        data = data.decode(errors="replace")
    if not isinstance(data, str) or not data:
        return
    try:
        walk(json.loads(data))
    except (ValueError, RecursionError):
        if len(data) < 65536 and "=" in data:
            fields(data)


def headers(them):
    for name, value in them:
        name = name.lower()
        if name in ("authorization", "x-setup-token"):
            remember(value.split(" ")[-1], name)
        elif name in ("cookie", "set-cookie"):
            for one in value.split(";"):
                remember(one.strip().partition("=")[2], name)
        elif name == "location":
            fields(urllib.parse.urlsplit(value).query)


def environment(env):
    for name, value in env.items():
        if VARIABLES.search(name) and name.startswith(("ROOKERY_", "NB_", "ROOK_")):
            remember(value, name)


def folder(path):
    for pattern in FILES:
        for name in glob.glob(os.path.join(path, pattern)):
            with open(name, "rb") as f:
                remember(f.read().strip(), os.path.basename(name))


def sent(name, values):
    """What was sent to an agent under that name; not the times that tokens begin with."""
    for value in values:
        remember(value, name)


def found(log):
    """What of it stands in a log."""
    return sorted({what for text, what in secrets.items() if text in log})


def listen():
    request, read = http.client.HTTPConnection.request, http.client.HTTPResponse.read

    def heard_request(self, method, url, data=None, heads=None, **more):
        headers((heads or {}).items())
        body(data)
        return request(self, method, url, data, heads or {}, **more)

    def heard_read(self, *a):
        data = read(self, *a)
        headers(self.getheaders())
        body(data)
        return data

    http.client.HTTPConnection.request = heard_request
    http.client.HTTPResponse.read = heard_read


listen()
