# SPDX-License-Identifier: BSD-3-Clause
"""`rookery setup`: what it looks at before it writes, what it writes, and that it does so once:
setup.py ./rookery, in namespaces of its own (setup.sh)."""
import email.utils
import http.server
import json
import os
import pty
import select
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from authority import Authority  # noqa: E402
from proc import Program, certificate, check, clean_env, finish  # noqa: E402

ROOKERY = os.path.abspath(sys.argv[1])
WORK = tempfile.mkdtemp(prefix="rookery-setup-")
OWNER = ["--owner", "owner@example.com"]


def names():
    with open(WORK + "/hosts", "w") as f:
        f.write("127.0.0.1 localhost vpn.test\n192.0.2.5 elsewhere.test\n")
    with open(WORK + "/resolv", "w") as f:
        f.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", WORK + "/hosts", "/etc/hosts"], check=True)
    resolv = os.path.realpath("/etc/resolv.conf")
    if os.path.exists(resolv):
        subprocess.run(["mount", "--bind", WORK + "/resolv", resolv], check=True)


class Place:
    """A machine's folders."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(dir=WORK)
        self.conf, self.data = self.dir + "/etc/config.yaml", self.dir + "/data"

    def args(self, *args):
        return [ROOKERY, "setup", "--config", self.conf, "--data", self.data, *args]

    def run(self, *args, **env):
        return subprocess.run(self.args(*args), env=clean_env(**env), capture_output=True,
                              text=True, timeout=900, stdin=subprocess.DEVNULL)

    def again(self, *args):
        """Without the options that are for a new configuration."""
        return subprocess.run([ROOKERY, "setup", "--config", self.conf, *args], env=clean_env(),
                              capture_output=True, text=True, timeout=120,
                              stdin=subprocess.DEVNULL)

    def text(self):
        try:
            return open(self.conf).read()
        except OSError:
            return None

    def refused(self, name, words, *args, owner=OWNER, **env):
        r = self.run(*args, *owner, **env)
        said = r.stdout + r.stderr
        check(name, r.returncode in (1, 2) and all(w in said for w in words), said)
        check(name + ": nothing was written", os.listdir(self.dir) == [], os.listdir(self.dir))


def lan():
    p = Place()
    flags = ["--lan", "--ip", "127.0.0.1", "--no-start", *OWNER]
    r = p.run(*flags)
    check("a configuration for a local network", r.returncode == 0 and
          'exposedAddress: "http://127.0.0.1:8080"' in (p.text() or ""), r.stdout + r.stderr)
    before, when = p.text(), os.stat(p.conf).st_mtime_ns
    r = p.run(*flags)
    check("the same again changes nothing", r.returncode == 0 and
          (p.text(), os.stat(p.conf).st_mtime_ns) == (before, when), r.stdout + r.stderr)
    r = p.run("--lan", "--ip", "127.0.0.1", "--port", "8081", "--no-start", *OWNER)
    check("something else is refused", r.returncode == 1 and "Nothing was changed" in r.stderr and
          (p.text(), os.stat(p.conf).st_mtime_ns) == (before, when), r.stderr)
    r = p.run("--behind-proxy", "--domain", "vpn.test", "--no-start", *OWNER)
    check("another place, too", r.returncode == 1, r.stderr)
    q = Place()
    r = q.run("--behind-proxy", "--domain", "vpn.test", "--no-start", "--proxy-address",
              "192.0.2.9", *OWNER)
    check("behind a proxy elsewhere", r.returncode == 0 and '"192.0.2.9"' in q.text() and
          'listenAddress: ":8080"' in q.text() and '"https://vpn.test:443"' in q.text(),
          r.stdout + r.stderr)


def refusals(authority):
    acme = ["--acme-directory", authority.url]
    p = Place()
    p.refused("a proxy without a name", ["--domain"], "--behind-proxy")
    p.refused("two places", ["exclude"], "--behind-proxy", "--lan", "--domain", "vpn.test")
    p.refused("an address in the place of a name", ["bare name"], "--domain", "https://vpn.test/")
    p.refused("no address", ["no address"], "--ip", "1.2.3", "--lan")
    p.refused("an address and Let's Encrypt", ["profile"], "--ip", "127.0.0.1")
    p.refused("half a certificate", ["go together"], "--domain", "vpn.test", "--cert", "/x")
    p.refused("a certificate that is not there", ["/nowhere.pem"], "--domain", "vpn.test",
              "--cert", "/nowhere.pem", "--key", "/nowhere.pem")
    p.refused("options of a new configuration alone", ["new configuration"], "--port", "81")
    p.refused("an owner without an address", ["--owner-email", "no e-mail address"],
              "--lan", "--ip", "127.0.0.1", owner=["--owner", "nobody"])
    p.refused("a password that the server would refuse", ["--owner-password", "8 characters"],
              "--lan", "--ip", "127.0.0.1", "--owner-password", "short")
    p.refused("a name that nobody knows", ["has no address", "A or AAAA"], "--domain",
              "unknown.test", *acme)
    p.refused("a database that is away", ["store", "port 1"], "--lan", "--ip", "127.0.0.1", "--store",
              "postgres://u:secret@127.0.0.1:1/x")
    p.refused("an authority that is away", ["https://localhost:1/dir", "reach"], "--domain",
              "vpn.test", "--acme-directory", "https://localhost:1/dir")
    with socket.create_server(("0.0.0.0", 443)):
        p.refused("a port in use, and by whom", ["TCP 443 is held by", "process %d" % os.getpid()],
                  "--domain", "vpn.test", *acme)
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(("0.0.0.0", 3478))
    p.refused("a UDP port, too", ["UDP 3478 is held by"], "--domain", "vpn.test", *acme)
    u.close()


class Page(http.server.BaseHTTPRequestHandler):
    body, date = b"{}", None

    def do_GET(self):
        self.send_response_only(200)
        if self.date:
            self.send_header("Date", self.date)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def address_string(self):
        return "test"

    def log_message(self, *args):
        pass


class UnixServer(socketserver.UnixStreamServer):
    def get_request(self):
        return super().get_request()[0], ("test", 0)


def serve(server, **what):
    server.RequestHandlerClass = type("P", (Page,), what)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def pretenders(authority):
    p = Place()
    s = serve(http.server.HTTPServer(("127.0.0.1", 0), None))
    url = "http://127.0.0.1:%d/dir" % s.server_port
    p.refused("a directory that is none", ["no ACME directory"], "--domain", "vpn.test",
              "--acme-directory", url)
    s.RequestHandlerClass = type("P", (Page,), {
        "body": b'{"newOrder":"x"}', "date": email.utils.formatdate(time.time() - 7200,
                                                                   usegmt=True)})
    p.refused("a clock that is two hours off", ["clock", "away from the authority"], "--domain", "vpn.test",
              "--acme-directory", url)
    s.shutdown()
    s.server_close()
    d = serve(UnixServer(WORK + "/docker.sock", None), body=json.dumps([
        {"Names": ["/web-1"], "Ports": [{"PrivatePort": 80, "PublicPort": 443, "Type": "tcp"}]},
        {"Names": ["/odd"], "Ports": [{"PrivatePort": 80, "Type": "tcp"}]}]).encode())
    p.refused("a container on the port", ["published by the container web-1"], "--domain",
              "vpn.test", "--acme-directory", authority.url,
              DOCKER_HOST="unix://" + WORK + "/docker.sock")
    d.shutdown()
    d.server_close()
    os.mkdir(WORK + "/small")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "none", WORK + "/small"], check=True)
    p.data = WORK + "/small/data"
    p.refused("a disk that is full", ["make room"], "--lan", "--ip", "127.0.0.1")
    q = Place()
    r = q.run("--domain", "elsewhere.test", "--acme-directory", authority.url, "--no-start", *OWNER)
    check("a name that leads elsewhere is a warning", r.returncode == 0 and
          "elsewhere.test is 192.0.2.5" in r.stdout, r.stdout + r.stderr)


def status(place):
    r = subprocess.run([ROOKERY, "admin", "status", "--json", "--config", place.conf],
                       env=clean_env(), capture_output=True, text=True, timeout=60)
    return json.loads(r.stdout) if r.returncode == 0 else {}


def doctor(conf, words=None):
    """Verdicts by area; words gets the findings."""
    r = subprocess.run([ROOKERY, "doctor", "--json", "--config", conf], env=clean_env(),
                       capture_output=True, text=True, timeout=120)
    found = json.loads(r.stdout)
    if words is not None:
        words.extend(f["finding"] for f in found)
    return {f["area"]: f["verdict"] for f in found}


class NoHttp2(socketserver.ThreadingTCPServer):
    """A proxy that knows nothing but HTTP/1.1, and no upgrades."""
    allow_reuse_address = daemon_threads = True

    class RequestHandlerClass(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(502)
            self.send_header("Content-Length", "0")
            self.end_headers()
        do_POST = do_GET

        def log_message(self, *args):
            pass


def bad_proxy():
    """Behind a proxy that lets neither gRPC nor WebSockets through."""
    p = Place()
    r = p.run("--behind-proxy", "--domain", "vpn.test", "--no-start", *OWNER)
    check("a server behind a proxy", r.returncode == 0, r.stdout + r.stderr)
    with open(p.conf) as f:
        text = f.read()
    with open(p.conf, "w") as f:
        f.write(text.replace("trustedHTTPProxies:\n      - \"127.0.0.1\"\n      - \"::1\"\n",
                             "trustedHTTPProxies: []\n"))
    run = Program([ROOKERY, "run", "--config", p.conf], 8080, clean_env())
    cert, key = certificate(WORK, "proxy")
    server = NoHttp2(("0.0.0.0", 443), NoHttp2.RequestHandlerClass)
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(cert, key)
    server.socket = c.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    words = []
    d = doctor(p.conf, words)
    check("the doctor says that nothing comes through", d.get("gRPC") == "BAD" and
          d.get("relay") == "BAD" and d.get("proxy") == "warn", (d, words))
    server.shutdown()
    server.server_close()
    run.stop()


def whole(authority):
    """From nothing to a first machine's line, with a certificate."""
    p = Place()
    flags = ["--domain", "vpn.test", "--acme-directory", authority.url, "--json", *OWNER]
    r = p.run(*flags)
    check("who starts the server is said", r.returncode == 3 and "rookery run --config" in r.stderr,
          r.stdout + r.stderr)
    text = p.text()
    check("the configuration", 'listenAddress: ":443"' in text and '- "vpn.test"' in text and
          'email: "owner@example.com"' in text, text)
    check("is not for everybody", os.stat(p.conf).st_mode & 0o7 == 0)
    authority.stop()
    run = Program([ROOKERY, "run", "--config", p.conf], 443, clean_env())
    end = time.time() + 60
    while time.time() < end and not status(p).get("certificate_error"):
        time.sleep(0.2)
    r = p.run(*flags, "--wait-certificate", "1s")
    check("without a certificate it is not done", r.returncode == 3, r.stdout + r.stderr)
    o = json.loads(r.stdout)
    check("and says why", o["certificate"] not in ("", "valid", "waiting"), o["certificate"])
    check("but everything else is there", o["setup_key"] and o["password"] and
          o["netbird"] == "sudo netbird up --management-url https://vpn.test --setup-key " +
          o["setup_key"], o)
    authority.start()
    r = p.again("--json")
    check("set up before", r.returncode == 0 and json.loads(r.stdout).get("set_up_before"),
          r.stdout + r.stderr)
    check("and the file is as it was", p.text() == text)
    run.stop()
    q = Place()
    q.run(*flags)
    run = Program([ROOKERY, "run", "--config", q.conf], 443, clean_env())
    r = q.run(*flags)
    check("with a certificate all is well", r.returncode == 0 and
          json.loads(r.stdout)["certificate"] == "valid", r.stdout + r.stderr)
    words = []
    d = doctor(q.conf, words)
    check("the doctor finds every way open", all(d.get(a) == "ok" for a in (
        "relay", "server", "https", "sign-in", "stun", "acme", "limits", "store key",
        "certificate")), (d, words))
    run.stop()


def talk(args, answers):
    """A session on a terminal: (question, answer)… Returns status and all that was shown."""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.clear()
        os.environ.update(clean_env())
        os.execv(args[0], args)
    said, seen, end = "", 0, time.time() + 100
    while time.time() < end:
        if not select.select([fd], [], [], 1)[0]:
            continue
        try:
            got = os.read(fd, 65536)
        except OSError:
            break
        if not got:
            break
        said += got.decode(errors="replace")
        if answers and answers[0][0] in said[seen:]:
            seen = len(said)
            os.write(fd, answers.pop(0)[1].encode())
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


def terminal():
    ways = ("1  by a domain", "3\n")
    p = Place()
    status, said = talk(p.args(), [ways, ("Address", "127.0.0.1\n"), ("owner", "\x04")])
    check("answers that end", status == 1 and "nothing" in said.lower() and
          os.listdir(p.dir) == [], said)
    status, said = talk(p.args(), [ways, ("Address", "127.0.0.1\n"), ("owner", "me@example.com\n"),
                                   ("Store", "\n"), ("Write", "n\n")])
    check("no means no", status == 1 and "nothing was written" in said and
          os.listdir(p.dir) == [], said)
    status, said = talk(p.args(), [ways, ("Address", "127.0.0.1\n"), ("owner", "me@example.com\n"),
                                   ("Store", "postgres\n"), ("DSN", "postgres://u:hush@[::1]:1/x\n")])
    check("a password in a DSN is not shown", status == 1 and "hush" not in said, said)
    status, said = talk(p.args(), [("1  by a domain", "7\n"), ("Which", "3\n"),
                                   ("Address", "127.0.0.1\n"), ("owner", "\n"),
                                   ("owner", "me@example.com\n"), ("Store", "\n"),
                                   ("Write", "y\n")])
    check("questions and answers", status == 3 and "127.0.0.1:8080" in (p.text() or ""), said)
    run = Program([ROOKERY, "run", "--config", p.conf], 8080, clean_env())
    check("the doctor tries gRPC", doctor(p.conf).get("gRPC") == "ok")
    status, said = talk([ROOKERY, "setup", "--config", p.conf], [("owner", "me@example.com\n")])
    check("the owner is asked for", status == 0 and "me@example.com" in said and
          "sudo rook up --management-url http://127.0.0.1:8080 --setup-key" in said, said)
    line = said[said.find("sudo netbird"):].split("\r\n")[0]
    check("and a QR code is shown", qr_says(said, line), said)
    run.stop()


def qr_says(said, line):
    """Read back by a camera's program where there is one; else its three corners."""
    rows = [r[2:] for r in said.split("\r\n") if r.startswith("  ") and
            set(r[2:]) <= set("█▀▄ ") and "█" in r]
    if not rows:
        return False
    bits = []
    for r in rows:
        bits.append([c in " ▄" for c in r])
        bits.append([c in " ▀" for c in r])
    if not shutil.which("zbarimg"):
        finder = [True] * 7
        return bits[2][2:9] == finder and bits[2][-9:-2] == finder and bits[8][2:9] == finder
    n = len(bits[0])
    with open(WORK + "/qr.pgm", "wb") as f:
        f.write(b"P5 %d %d 255\n" % (n * 8, len(bits) * 8))
        for b in bits:
            f.write(b"".join((b"\0" if x else b"\xff") * 8 for x in b) * 8)
    r = subprocess.run(["zbarimg", "-q", "--raw", WORK + "/qr.pgm"], capture_output=True, text=True)
    return r.stdout.strip() == line


names()
a = Authority(WORK, 443, 80, 3600)
try:
    a.start()
    lan()
    refusals(a)
    pretenders(a)
    whole(a)
    bad_proxy()
    terminal()
finally:
    a.end()
    subprocess.run(["umount", WORK + "/small"], stderr=subprocess.DEVNULL)
    shutil.rmtree(WORK, True)
finish()
