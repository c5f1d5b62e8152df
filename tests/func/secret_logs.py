# SPDX-License-Identifier: BSD-3-Clause
"""Every kind of secret is used, with server and agents at debug level, and none stands in a log: secret_logs.py
./rookery ./rook, in a network namespace of its own."""
import base64
import ctypes
import hashlib
import hmac
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import nacl.public  # noqa: F401
    from mgmt_peer import Agent, Server, fields
except ImportError as missing:
    print("skip: %s" % missing)
    sys.exit(77)
if os.geteuid() or ctypes.CDLL(None).unshare(0x40000000 | 0x00020000):
    print("skip: needs root for a network namespace of its own")
    sys.exit(77)
import overheard  # noqa: E402
import ws_peer  # noqa: E402
from idp_client import Browser, Flow  # noqa: E402
from proc import PROGRAMS, check, clean_env, finish, free_port  # noqa: E402

subprocess.run(["sh", "-ec", "mount --make-rprivate /; ip link set lo up"], check=True)
ROOK = os.path.abspath(sys.argv[2])
TURN = "turn-secret-of-this-test"
WEBHOOK = "webhook-secret-of-this-test"
STATIC = {"TURN secret": TURN, "webhook secret": WEBHOOK}
PSK = base64.b64encode(os.urandom(32)).decode()
TTL = 12 * 3600
work = tempfile.mkdtemp(prefix="rookery-secrets-")
signed = []


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        signed.append(self.headers["X-Rookery-Signature"])
        overheard.remember(signed[-1].split("v1=")[1], "webhook signature")
        self.send_response(503 if len(signed) == 1 else 204)  # a failure is where logs become talkative
        self.end_headers()

    def log_message(self, *a):
        pass


def until(what):
    end = time.time() + 60
    while time.time() < end:
        v = what()
        if v:
            return v
        time.sleep(0.1)
    return None


class Rook:
    """A daemon whose log is looked at as those of our other programs are."""

    def __init__(self, name):
        self.folder = "%s/%s" % (work, name)
        os.mkdir(self.folder, 0o700)
        self.log = open(self.folder + "/log", "w+b")
        self.addr = "unix://%s/sock" % self.folder
        self.p = subprocess.Popen([ROOK, "service", "run", "--state-dir", self.folder + "/state", "--daemon-addr",
                                   self.addr, "--log-level", "debug"], env=clean_env(), stderr=self.log,
                                  stdout=self.log)
        check(name + " starts", until(lambda: "daemon started" in self.text()), self.text())
        PROGRAMS.append(self)

    def text(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def rook(self, *args):
        return subprocess.run([ROOK, *args, "--daemon-addr", self.addr], env=clean_env(), capture_output=True,
                              text=True, timeout=180)

    def status(self):
        r = self.rook("status", "--json")
        return json.loads(r.stdout) if r.returncode == 0 else {}

    def private(self):
        """What it keeps."""
        n = len(overheard.secrets)
        for where, _, names in os.walk(self.folder + "/state"):
            for name in names:
                try:
                    with open(os.path.join(where, name)) as f:
                        walk_private(json.load(f))
                except (ValueError, OSError):
                    continue
        return len(overheard.secrets) - n

    def stop(self):
        self.p.terminate()
        check("rook ends in order", self.p.wait(120) == 0)


def walk_private(doc, name=""):
    if isinstance(doc, dict):
        for k, v in doc.items():
            walk_private(v, k)
    elif isinstance(doc, list):
        for v in doc:
            walk_private(v, name)
    elif isinstance(doc, str) and any(x in name.lower() for x in ("private", "preshared", "secret")):
        if doc not in overheard.secrets:
            overheard.remember(doc, "the agent's " + name)


def predict(server, seconds):
    """What the server may make for agents of today's programs, whose messages are sealed: one second after the other."""
    relay = hashlib.sha256(server.secret.encode()).digest()
    now = int(time.time())
    for at in range(now - 5, now + seconds):
        text = str(at + TTL).encode()
        overheard.remember(base64.b64encode(hmac.new(TURN.encode(), text, hashlib.sha1).digest()).decode(), "TURN password")
        overheard.remember(base64.b64encode(hmac.new(relay, text, hashlib.sha256).digest()).decode(), "relay token")


hook = http.server.ThreadingHTTPServer(("127.0.0.1", free_port()), Hook)
threading.Thread(target=hook.serve_forever, daemon=True).start()
turn = free_port(socket.SOCK_DGRAM)
s = Server(sys.argv[1], work, """  x:
    turns: ["turn:127.0.0.1:%d"]
    turnSecret: "%s"
    exportWebhook: "http://127.0.0.1:%d/in"
    exportWebhookSecret: "%s"
""" % (turn, TURN, hook.server_address[1], WEBHOOK))
for what, text in STATIC.items():
    overheard.remember(text, what)
overheard.remember(PSK, "preshared key")
predict(s, 900)

# Setup key, and what comes with it; the prediction is right, or it would find nothing.
key = s.setup_key("reusable")[1]
ch = s.channel()
a = Agent(ch)
before = dict(overheard.secrets)
a.login(key=key)
first = a.first_map()
address = fields(first[2][0])[1][0].decode().split("/")[0]
servers = fields(first[1][0])
password = fields(servers[2][0])[3][0].decode()
relay = fields(servers[4][0])
check("the TURN password is one that was predicted", before.get(password) == "TURN password", password)
signature = relay[3][0].decode()
payload = relay[2][0]
want = base64.b64encode(hmac.new(hashlib.sha256(s.secret.encode()).digest(), payload, hashlib.sha256).digest()).decode()
check("the relay token is made as predicted", signature == want and before.get(signature) == "relay token", payload)
p = ws_peer.Peer(s.port)
p.send(ws_peer.auth(ws_peer.peer_id(a.pub), b"\x01" + base64.b64decode(signature) + payload))
check("the relay takes the token", p.recv()[1][:2] == b"\x01\x07")
p.close()
p = ws_peer.Peer(s.port)
p.send(ws_peer.auth(ws_peer.peer_id(a.pub), ws_peer.token("another-secret-than-this")))
check("and no other", p.closed())

# Sign-in: JWTs of a person, of a REST call, of an agent; a broken one, too.
b, f = Browser(s.port), Flow(scope="openid profile email offline_access")
back = b.submit(b.get("/oauth2/auth", **f.params(audience="netbird-cli", prompt="login")), login="a@example.com",
                password="bad-Input-1!")
tokens = f.redeem(b, back.query()["code"]).json()
check("three tokens of a sign-in are looked for", all(tokens[k] in overheard.secrets for k in (
    "access_token", "id_token", "refresh_token")))
check("REST takes the JWT", s.rest("GET", "/api/users/current", headers={
    "Authorization": "Bearer " + tokens["access_token"]})[0] == 200)
bad = tokens["access_token"][:-8] + "AAAAAAAA"
check("and no broken one", s.rest("GET", "/api/users/current", headers={"Authorization": "Bearer " + bad})[0] == 401)
check("an agent signs in", 1 in Agent(ch).login(jwt=tokens["access_token"]))
for wrong in (bad, tokens["access_token"]):  # it logs in once
    try:
        Agent(ch).login(jwt=wrong)
        check("a wrong JWT is refused", False)
    except Exception as e:
        check("a wrong JWT is refused", "JWT" not in str(type(e)))
try:
    Agent(ch).login(key="11111111-2222-4333-8444-555555555555")
    check("an unknown setup key is refused", False)
except Exception:
    check("an unknown setup key is refused", True)

# Two agents: keys, TURN's credentials, the relay's token.
rooks = [Rook("one"), Rook("two")]
for n, r in enumerate(rooks):
    up = r.rook("up", "--management-url", "http://127.0.0.1:%d" % s.port, "--setup-key", key, "--preshared-key", PSK,
                "--interface-name", "wt%d" % n, "--wireguard-port", str(free_port(socket.SOCK_DGRAM)), "--hostname", "rook%d" % n, "--disable-dns",
                "--disable-firewall")
    check("rook is up", up.returncode == 0, up.stdout + up.stderr)
for r in rooks:
    check("it uses the relay", until(lambda: any(x.get("available") for x in r.status().get("relays", {}).get("details", [])
                                                 if x["uri"].startswith("rel"))), r.status())
    check("it sees the other", until(lambda: r.status().get("peers", {}).get("total", 0) >= 1), r.status())
    check("its keys are looked for", r.private() > 0)
# A connection is made when there is traffic. Both are here, so it is to the third machine, which has no signal.
subprocess.run(["ping", "-c", "1", "-W", "1", "-I", rooks[0].status()["netbirdIp"].split("/")[0], address],
               stdout=subprocess.DEVNULL)
check("a connection is begun", until(lambda: "peer woken" in rooks[0].text()), rooks[0].text()[-2000:])
check("the webhook was called, and again after its failure", until(lambda: len(signed) > 1))
for r in rooks:
    r.stop()
for what in ("TURN secret", "webhook secret", "webhook signature", "TURN password", "relay token", "JWT", "setup key",
             "preshared key", "secret of the relay tokens"):
    check(what + " is looked for", what in overheard.secrets.values())
for r in [s.p] + rooks:
    check("a log at debug level is there", "level=debug" in r.text(), r.text()[:300])
s.p.stop()
try:
    finish()
finally:
    shutil.rmtree(work, True)
