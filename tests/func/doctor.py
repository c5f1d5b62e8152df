#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every finding of `rook doctor`: provoked in a network and mount namespace of its own, with a daemon
that says what the case wants; the sentence, the advice and the exit status. The last case looks into
the source for findings that have no case here.
"""
import ctypes
import datetime
import http.server
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading

ROOK = os.path.realpath(os.environ.get("ROOK") or os.path.join(os.environ.get("builddir", "."), "rook"))
SOURCE = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.realpath(__file__)), "../..")
if not os.access(ROOK, os.X_OK):
    print("skip: no rook")
    sys.exit(77)
if os.geteuid() or ctypes.CDLL(None).unshare(0x40000000 | 0x00020000):
    print("skip: needs root for a network namespace of its own")
    sys.exit(77)

DIR = tempfile.mkdtemp(prefix="rookery-doctor.")
ENV = {k: v for k, v in os.environ.items() if not k.startswith(("NB_", "ROOK_"))}
VERSION = subprocess.run([ROOK, "version"], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
failed = 0
seen = set()  # "check state" of all reports


def sh(command):
    subprocess.run(["sh", "-ec", command], check=True)


def write(name, text):
    with open(os.path.join(DIR, name), "w") as f:
        f.write(text)
    return os.path.join(DIR, name)


sh("""mount --make-rprivate /
ip link set lo up
ip link add up0 type veth peer name x1; ip link set x1 up; ip addr add 10.1.0.2/24 dev up0; ip link set up0 up; ip route add default via 10.1.0.1
ip link add wt0 mtu 1280 type veth peer name x2 mtu 1280; ip link set x2 up; ip addr add 100.64.0.1/16 dev wt0; ip link set wt0 up""")
sh("mount --bind %s /etc/hosts" % write("hosts", "127.0.0.1 localhost\n100.64.0.1 good.test\n"))
sh("mount --bind %s /etc/resolv.conf" % write("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"))


# ---- a daemon, and servers

class Daemon:
    status, about = {}, {}

    def __init__(self):
        self.path = DIR + "/sock"
        self.s = socket.socket(socket.AF_UNIX)
        self.s.bind(self.path)
        self.s.listen()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            c, _ = self.s.accept()
            with c:
                call = json.loads(c.makefile().readline())["call"]
                result = {"status": self.status, "version": self.about}[call]
                c.sendall(json.dumps({"ok": True, "result": result}).encode() + b"\n")


def port_of(s):
    return s.getsockname()[1]


def serve(answer):
    """A TCP service that sends something to whoever comes."""
    s = socket.create_server(("127.0.0.1", 0))

    def run():
        while True:
            c, _ = s.accept()
            try:
                c.sendall(answer)
                c.close()
            except OSError:
                pass
    threading.Thread(target=run, daemon=True).start()
    return port_of(s)


def web(seconds):
    """A web server whose clock is that much off."""
    class H(http.server.BaseHTTPRequestHandler):
        def date_time_string(self, timestamp=None):
            when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
            return when.strftime("%a, %d %b %Y %H:%M:%S GMT")

        def do_GET(self):
            self.send_response(200)
            self.end_headers()
        do_HEAD = do_GET

        def log_message(self, *args):
            pass
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    return s.server_address[1]


def tls():
    sh("openssl req -x509 -newkey rsa:2048 -nodes -keyout %s/key -out %s/cert -days 2 -subj /CN=localhost "
       "-addext subjectAltName=DNS:localhost 2>/dev/null" % (DIR, DIR))
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ctx.load_cert_chain(DIR + "/cert", DIR + "/key")
    s = socket.create_server(("127.0.0.1", 0))

    def one(c):
        try:
            ctx.wrap_socket(c, server_side=True).recv(1)
        except OSError:
            pass

    def run():
        while True:
            c, _ = s.accept()
            threading.Thread(target=one, args=(c,), daemon=True).start()
    threading.Thread(target=run, daemon=True).start()
    return port_of(s)


def stun(ip, port=None):
    """A STUN server that says it saw that address; port None: the real one."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))

    def run():
        while True:
            data, who = s.recvfrom(2048)
            seen_port = (port or who[1]) ^ 0x2112
            addr = bytes(a ^ b for a, b in zip(socket.inet_aton(ip), b"\x21\x12\xa4\x42"))
            attr = struct.pack("!HHBBH", 0x20, 8, 0, 1, seen_port) + addr
            s.sendto(struct.pack("!HH", 0x101, len(attr)) + data[4:20] + attr, who)
    threading.Thread(target=run, daemon=True).start()
    return "stun:127.0.0.1:%d" % port_of(s)


daemon = Daemon()
CLOSED = socket.socket()
CLOSED.bind(("127.0.0.1", 0))  # bound and not listening: refused
closed = port_of(CLOSED)
junk = serve(b"220 mail.test ready\r\n")


# ---- a case

def doctor(*args, addr=None):
    return subprocess.run([ROOK, "doctor", "--daemon-addr", addr or "unix://" + daemon.path, *args], env=ENV,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)


def healthy():
    daemon.status = {"daemonStatus": "Connected", "daemonVersion": VERSION, "netbirdIp": "100.64.0.1/16",
                     "fqdn": "good.test", "relays": {"details": []}, "management": {"url": ""},
                     "signal": {"url": ""}, "peers": {"details": []}, "events": []}
    daemon.about = {"interface": "wt0", "pid": os.getpid(), "disableDns": False, "caFile": ""}


def case(check, state, text, advice, code=None, setup=None, undo=None, addr=None, **status):
    """What the daemon says besides; code None: whatever other findings make of it. A problem is 1."""
    global failed
    healthy()
    daemon.about.update(status.pop("about", {}))
    daemon.status.update(status)
    if setup:
        sh(setup)
    try:
        r = doctor("--json", addr=addr)
    finally:
        if undo:
            sh(undo)
    try:
        report = json.loads(r.stdout)
    except ValueError:
        report = [{"check": "-", "state": "-", "text": r.stdout + r.stderr, "advice": ""}]
    problems = any(f["state"] == "problem" for f in report)
    want = int(problems) if code is None else code
    good = [f for f in report if f["check"] == check and f["state"] == state and re.search(text, f["text"]) and
            re.search(advice, f["advice"]) and bool(f["advice"]) == (state != "ok" and bool(advice))]
    ok = good and r.returncode == want == int(problems)
    seen.update("%s %s" % (f["check"], f["state"]) for f in report)
    print("%s %s %s: %s" % ("ok  " if ok else "FAIL", check, state, text))
    if not ok:
        failed += 1
        print("   exit status %d\n%s\n%s" % (r.returncode, json.dumps(report, indent=1), r.stderr))


def main():
    server = "http://127.0.0.1:%d"
    soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).isoformat()[:19] + "Z"
    later = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=9)).isoformat()[:19] + "Z"
    relay = {"details": [{"uri": "rel://127.0.0.1:%d" % junk, "available": False}]}
    nat = lambda *uris: {"details": [{"uri": u, "available": True} for u in uris]}
    peer = {"details": [{"fqdn": "p.test", "netbirdIp": "100.64.0.9", "connectionType": "Relayed",
                         "relayAddress": "rel://r"}]}
    a, b = stun("203.0.113.7", 4001), stun("203.0.113.7", 4002)
    kept = stun("203.0.113.7")
    dead = "stun:127.0.0.1:%d" % closed

    # the daemon
    case("daemon", "ok", "^runs, version ", "", 0)
    case("daemon", "problem", "no daemon at ", "rook service", 1, addr="unix:///nowhere")
    case("daemon", "warning", "version 0.0.1, this program is ", "service restart", 0, daemonVersion="0.0.1")
    case("connection", "ok", "^connected$", "", 0)
    case("connection", "note", "^not connected$", '"rook up" connects', 0, daemonStatus="Idle")
    case("connection", "problem", "still trying: refused", "checks of the servers", 1, daemonStatus="Connecting",
         daemonError="refused")
    for word in ("NeedsLogin", "LoginFailed", "SessionExpired"):
        case("connection", "problem", "^%s$" % word, '"rook up" logs in', 1, daemonStatus=word)
    case("login", "warning", "ends at ", "--extend", 0, sessionExpiresAt=soon)
    case("login", "ok", "lasts until ", "", 0, sessionExpiresAt=later)
    case("events", "warning", "something happened", "debug bundle", 0, events=[
        {"severity": "WARNING", "timestamp": "2026", "userMessage": "something happened"},
        {"severity": "INFO", "timestamp": "2026", "userMessage": "nothing much"}])

    # this machine
    case("permissions", "ok", "may change the network", "", 0)
    nobody = subprocess.Popen(["sleep", "600"], user=65534)
    case("permissions", "problem", "may not change", "CAP_NET_ADMIN", 1, about={"pid": nobody.pid})
    nobody.kill()
    if "device note" in seen:  # this kernel has no WireGuard
        case("device", "note", "has no WireGuard; /dev/net/tun is there", "wireguard", 0)
        case("device", "problem", "^neither WireGuard nor /dev/net/tun is there$", "modprobe", 1,
             "mount -t tmpfs t /dev/net", "umount /dev/net")
    else:
        case("device", "ok", "the kernel has WireGuard", "", 0)
    case("other agent", "warning", "official client runs", "stop one of them", 0,
         "mount -t tmpfs t /run; python3 -c 'import socket, os; s = socket.socket(socket.AF_UNIX); "
         "s.bind(\"/run/netbird.sock\"); s.listen(); os.fork() and os._exit(0); os.setsid(); import time; time.sleep(20)' "
         "</dev/null >/dev/null 2>&1", "umount -l /run")
    case("firewall", "note", "table inet strict drops what comes in by default", "must let through", 0,
         "nft 'add table inet strict; add chain inet strict in { type filter hook input priority 0; policy drop; }; "
         "add rule inet strict in accept'", "nft delete table inet strict")
    case("firewall", "note", "table inet strict drops what is forwarded by default", "must let through", 0,
         "nft 'add table inet strict; add chain inet strict f { type filter hook forward priority 0; policy drop; }'",
         "nft delete table inet strict")
    case("reverse path filter", "warning", "rp_filter=1", "src_valid_mark", 0,
         "sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.all.src_valid_mark=0",
         "sysctl -qw net.ipv4.conf.all.rp_filter=0")
    case("systemd-networkd", "warning", "removes rules and routes", "service install", 0,
         "mount -t tmpfs t /etc/systemd; touch /etc/systemd/networkd.conf; mount -t tmpfs t /run; mkdir -p /run/systemd/netif; "
         "[ ! -d /usr/lib/systemd/networkd.conf.d ] || mount -t tmpfs t /usr/lib/systemd/networkd.conf.d",
         "umount /run /etc/systemd; umount /usr/lib/systemd/networkd.conf.d 2>/dev/null || true")
    case("other VPNs", "note", "interface tailscale0 looks like another VPN", "overlap", 0,
         "ip link add tailscale0 type veth peer name x3; ip link set tailscale0 up", "ip link del tailscale0")
    case("overlap", "problem", "100.64.7.1/24 of lan7 is inside", "another overlay network", 1,
         "ip link add lan7 type veth peer name x4; ip addr add 100.64.7.1/24 dev lan7", "ip link del lan7")
    case("MTU", "ok", "1280 inside of up0 with 1500", "", 0)
    case("MTU", "problem", "up0 takes packets of 1320 bytes, so wt0 can have at most 1240, and has 1280", "--mtu N", 1,
         "ip link set up0 mtu 1320", "ip link set up0 mtu 1500")
    case("default route", "warning", "no way to the Internet", "default route", 0, "ip route del default",
         "ip route add default via 10.1.0.1")
    case("names", "ok", "^good.test resolves$", "", 0)
    case("names", "warning", "bad.test, the name of this machine, does not resolve here", "resolvectl", 0, fqdn="bad.test")

    # servers
    case("certificates", "problem", ".", "--ca-file", 1, about={"caFile": "/nowhere"})
    case("management", "note", "no management server yet", "--management-url", 0)
    for what in ("management", "signal"):
        case(what, "problem", ".", "--management-url", 1, **{what: {"url": "ftp://x"}})
        case(what, "problem", "cannot be resolved", "resolv.conf", 1, **{what: {"url": "http://no.such.test"}})
        case(what, "warning", "127.0.0.1 port %d: " % closed, "firewall in between", 1, **{what: {"url": server % closed}})
        case(what, "problem", "port %d cannot be reached over TCP" % closed, "is the server up", 1,
             **{what: {"url": server % closed}})
        case(what, "problem", "does not answer as it should", "HTTP/2", 1, **{what: {"url": server % junk}})
        case(what, "problem", "the certificate is refused", "--ca-file", 1, **{what: {"url": "https://localhost:%d" % secure}})
    case("clock", "problem", "clock is 1[12][0-9] s ahead", "timedatectl", 1, management={"url": server % web(-120)})
    case("clock", "problem", "clock is 1[12][0-9] s behind", "timedatectl", 1, management={"url": server % web(120)})
    case("clock", "ok", "agrees", "", 1, management={"url": server % web(0)})
    case("relay", "warning", "names no relay", "configure a relay", 0)
    down = {"details": [{"uri": "rel://127.0.0.1:%d" % closed, "available": False}]}
    case("relay", "problem", "port %d cannot be reached over TCP" % closed, "is the server up", 1, relays=down)
    case("relay", "problem", ".", "server's configuration", 1, relays={"details": [{"uri": "rel://", "available": False}]})
    case("relay", "problem", "does not answer as it should", "WebSockets", 1, relays=relay)

    # the NAT, and who is relayed because of it
    case("NAT", "warning", "no STUN server answers", "let UDP out", 0, relays=nat(dead))
    case("NAT", "ok", "none: 10.1.0.2 is an address of this machine", "", 0, relays=nat(stun("10.1.0.2")))
    case("NAT", "warning", '"symmetric"', "full cone", 0, relays=nat(a, b))
    case("NAT", "ok", "behind 203.0.113.7, .*one address only", "", 0, relays=nat(a))
    case("NAT", "ok", "behind 203.0.113.7, .*ports are kept", "", 0, relays=nat(kept))
    case("relayed peer", "note", r"p.test \(100.64.0.9\) is reached by the relay rel://r", "UDP is blocked here", 0,
         relays=nat(dead), peers=peer)
    case("relayed peer", "note", "by the relay", "one such NAT is enough", 0, relays=nat(a, b), peers=peer)
    case("relayed peer", "note", "by the relay", "nothing here stands in the way", 0, relays=nat(a), peers=peer)
    case("direct peers", "ok", "^1$", "", 0, peers={"details": [{"connectionType": "P2P"}]})


def in_words():
    """For people: a line a finding, its advice below, the sum at the end."""
    global failed
    healthy()
    daemon.status["daemonStatus"] = "NeedsLogin"
    r = doctor()
    ok = (r.returncode == 1 and re.search(r"^PROBLEM  connection: NeedsLogin\n +-> .*rook up", r.stdout, re.M) and
          re.search(r"^1 problem, \d+ warnings?$", r.stdout, re.M))
    nobody = subprocess.run([ROOK, "doctor", "--json", "--daemon-addr", "unix:///nowhere"], env=ENV, user=65534,
                            stdout=subprocess.PIPE, text=True)
    seen.update("%s %s" % (f["check"], f["state"]) for f in json.loads(nobody.stdout))
    print("%s in words" % ("ok  " if ok else "FAIL"))
    if not ok:
        failed += 1
        print(r.stdout)


def nothing_without_a_case():
    global failed
    found = set()
    for name in ("doctor.c", "doctor_host.c", "doctor_net.c"):
        with open(os.path.join(SOURCE, "agent/cli", name)) as f:
            found.update(re.findall(r'doctor_find\(\s*d, "([^"]+)", FINDING_(\w+)', f.read()))
    assert len(found) > 25, found
    missing = {"%s %s" % (c, s.lower()) for c, s in found} - seen
    if "device note" not in seen:
        missing.discard("device problem")
    else:
        missing.discard("device ok")
    print("%s every finding of the source was seen%s" % ("FAIL" if missing else "ok  ", missing or ""))
    failed += bool(missing)


secure = tls()
main()
in_words()
nothing_without_a_case()
sh("rm -rf %s 2>/dev/null || true" % DIR)
print("%d failed" % failed)
sys.exit(1 if failed else 0)
