#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What `rook status` makes of what its daemon says: the summary, details, filters, addresses alone, JSON,
YAML and health checks. The daemon is a socket that answers as the case wants."""
import datetime
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading

ROOK = os.path.realpath(os.environ.get("ROOK") or os.path.join(os.environ.get("builddir", "."), "rook"))
if not os.access(ROOK, os.X_OK):
    print("skip: no rook")
    sys.exit(77)
ENV = {k: v for k, v in os.environ.items() if not k.startswith(("NB_", "ROOK_"))}
DIR = tempfile.TemporaryDirectory(prefix="rookery-status.")
failed = 0
status = {}


def serve():
    s = socket.socket(socket.AF_UNIX)
    s.bind(DIR.name + "/sock")
    s.listen()
    while True:
        c, _ = s.accept()
        with c:
            c.makefile().readline()
            c.sendall(json.dumps({"ok": True, "result": status}).encode() + b"\n")


def peer(name, ip, state, path, v6=""):
    return {"fqdn": name + ".net.test", "netbirdIp": ip, "netbirdIpv6": v6, "publicKey": name.upper() * 8, "status": state,
            "connectionType": path, "lastStatusUpdate": "2026-01-02T03:04:05Z", "relayAddress": "",
            "lastWireguardHandshake": "0001-01-01T00:00:00Z", "transferReceived": 1536, "transferSent": 3 << 20,
            "iceCandidateType": {"local": "host", "remote": "srflx"}, "latency": 1234567, "quantumResistance": False,
            "iceCandidateEndpoint": {"local": "10.0.0.1:1", "remote": "192.0.2.1:2"}, "networks": ["10.9.0.0/16"]}


def anew(**more):
    status.clear()
    status.update({
        "daemonStatus": "Connected", "daemonVersion": "1.2.3", "profileName": "default", "netbirdIp": "100.64.0.1/16",
        "netbirdIpv6": "fd00::1/64", "fqdn": "me.net.test", "publicKey": "K", "usesKernelInterface": True,
        "wireguardPort": 51820, "lazyConnectionEnabled": False, "networks": [],
        "management": {"url": "https://m", "connected": True, "error": ""},
        "signal": {"url": "https://s", "connected": False, "error": "gone"},
        "relays": {"total": 2, "available": 1, "details": [
            {"uri": "rels://r", "available": True, "error": ""},
            {"uri": "stun:x:1", "available": False, "error": "no answer"}]},
        "dnsServers": [{"servers": ["10.0.0.53:53", "10.0.0.54:53"], "domains": ["corp.test"], "enabled": True, "error": ""},
                       {"servers": ["1.1.1.1:53"], "domains": [], "enabled": False, "error": "timeout"}],
        "peers": {"total": 4, "connected": 2, "details": [
            peer("a", "100.64.0.2", "Connected", "P2P", "fd00::2"), peer("ab", "100.64.0.20", "Connected", "Relayed"),
            peer("c", "100.64.0.3", "Connecting", "-"), peer("d", "100.64.0.4", "Idle", "-")]},
        "events": [{"id": "1", "severity": "WARNING", "category": "DNS", "userMessage": "look", "timestamp": "2026"}]})
    status.update(more)


def rook(*args):
    r = subprocess.run([ROOK, "status", "--daemon-addr", "unix://%s/sock" % DIR.name, *args], env=ENV,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return r.returncode, r.stdout


def check(name, ok, out):
    global failed
    print(("ok   " if ok else "FAIL ") + name)
    if not ok:
        failed += 1
        print(out)


def has(name, lines, *args):
    rc, out = rook(*args)
    missing = [l for l in lines if not re.search("^%s$" % l, out, re.M)]
    check(name, rc == 0 and not missing, "status %d, missing %s in:\n%s" % (rc, missing, out))


def filtered(names, *args):
    rc, out = rook(*args)
    shown = re.findall(r"^ (\w+)\.net\.test:$", out, re.M)
    check("%s: %s" % (" ".join(args), " ".join(names) or "nobody"), rc == 0 and shown == names, out)
    rc, out = rook("--json", *args)
    shown = [p["fqdn"].split(".")[0] for p in json.loads(out)["peers"]["details"]]
    check("the same as JSON", rc == 0 and shown == names, out)


def main():
    anew()
    has("summary", ["Daemon version: 1.2.3", "Management: Connected", "Signal: Disconnected, reason: gone",
                    "Relays: 1/2 Available", "Nameservers: 1/2 Available", "FQDN: me.net.test", "NetBird IP: 100.64.0.1/16",
                    "NetBird IPv6: fd00::1/64", "Interface type: Kernel", "Wireguard port: 51820", "Networks: -",
                    "Lazy connection: false", "Peers count: 2/4 Connected"])
    has("details", ["Management: Connected to https://m", r"  \[rels://r\] is Available.*",
                    r"  \[stun:x:1\] is Unavailable, reason: no answer", "Nameservers:",
                    r"  \[10.0.0.53:53, 10.0.0.54:53\] for \[corp.test\] is Available",
                    r"  \[1.1.1.1:53\] for \[.\] is Unavailable, reason: timeout", "  NetBird IPv6: fd00::2",
                    r"  ICE candidate \(Local/Remote\): host/srflx", r"  Transfer status \(received/sent\) 1.5 KiB/3.0 MiB",
                    "  Last WireGuard handshake: -", "  Latency: 1.234 ms", "  Networks: 10.9.0.0/16",
                    r"  \[WARNING\] DNS \(1\)", "    Message: look"], "-d")
    filtered(["a"], "-I", "100.64.0.2")
    filtered(["a"], "--filter-by-ips", "fd00::2")
    filtered(["a", "c"], "-I", "100.64.0.3,100.64.0.2")
    filtered(["a"], "-N", "a")
    filtered(["ab", "d"], "--filter-by-names", "AB.net.test,d")
    filtered([], "-N", "net")
    for word, names in (("connected", ["a", "ab"]), ("Connecting", ["c"]), ("idle", ["d"])):
        filtered(names, "-S", word)
    filtered(["a"], "-T", "p2p")
    filtered(["ab"], "--filter-by-connection-type", "Relayed")
    filtered(["ab"], "-S", "connected", "-T", "Relayed")
    filtered([], "-S", "idle", "-T", "P2P")
    for args in (("-S", "asleep"), ("-T", "Pigeon"), ("--check", "pulse")):
        rc, out = rook(*args)
        check("%s is refused" % " ".join(args), rc and "rror" in out, out)
    check("-4", rook("-4") == (0, "100.64.0.1\n"), rook("-4"))
    check("-6", rook("-6") == (0, "fd00::1\n"), rook("-6"))
    rc, out = rook("--json")
    got = json.loads(out)
    check("JSON is what the daemon said", rc == 0 and all(got[k] == v for k, v in status.items()), out)
    rc, out = rook("--yaml")
    check("YAML", rc == 0 and "fqdn: me.net.test\n" in out and re.search(r"^ +- fqdn: a.net.test$", out, re.M), out)

    now = datetime.datetime.now(datetime.timezone.utc)
    for delta, text in ((datetime.timedelta(minutes=5, seconds=30), r"in 5m"), (datetime.timedelta(hours=3, minutes=2, seconds=30), "in 3h 2m"),
                        (datetime.timedelta(days=2, hours=1, seconds=30), "in 2d 1h"), (datetime.timedelta(minutes=-5), "is over")):
        anew(sessionExpiresAt=(now + delta).strftime("%Y-%m-%dT%H:%M:%SZ"))
        has("session %s" % text, [r"Session expires: \S+ \(%s\)" % text])
    for word in ("NeedsLogin", "LoginFailed", "SessionExpired"):
        anew(daemonStatus=word, daemonError="because")
        rc, out = rook()
        check(word, rc == 0 and out.startswith("Daemon status: %s\nReason: because\n" % word) and "Peers" not in out, out)

    # health checks: live, ready, startup
    signal_up = {"signal": {"url": "s", "connected": True, "error": ""}}
    no_relay = {"relays": {"total": 1, "available": 0, "details": [{"uri": "rel://r", "available": False, "error": "x"}]}}
    rows = [("live", {"daemonStatus": "NeedsLogin"}, 0), ("ready", {"daemonStatus": "NeedsLogin"}, 1),
            ("ready", {"daemonStatus": "Idle"}, 0), ("ready", {"daemonStatus": "Connecting"}, 0), ("startup", {}, 1),
            ("startup", signal_up, 0), ("startup", {**signal_up, **no_relay}, 1),
            ("startup", {**signal_up, "relays": {"details": []}}, 0)]
    for what, more, want in rows:
        anew(**more)
        rc, out = rook("--check", what)
        check("--check %s with %s ends with %d" % (what, more or "signal away", want), rc == want, out)


threading.Thread(target=serve, daemon=True).start()
main()
print("%d failed" % failed)
sys.exit(1 if failed else 0)
