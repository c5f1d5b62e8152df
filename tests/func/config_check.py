# SPDX-License-Identifier: BSD-3-Clause
"""`rookery config check` finds what `rookery run` refuses, in the same words; what it takes, runs.
Usage: config_check.py ./rookery"""
import base64
import http.client as http_client
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from proc import Program, certificate, check, clean_env, finish, free_port, get  # noqa: E402

ROOKERY = os.path.abspath(sys.argv[1])
DIR = tempfile.mkdtemp(prefix="rookery-check-")
DATA = os.path.join(DIR, "data")


def run(args, text, env=None):
    path = os.path.join(DIR, "c.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    r = subprocess.run([ROOKERY, *args, "--config", path], env=clean_env(**(env or {})),
                       capture_output=True, timeout=300, text=True)
    return r.returncode, r.stdout + r.stderr


def refused(name, text, *wants):
    listen = "" if "listenAddress" in text else "  listenAddress: '127.0.0.1:%d'\n" % free_port()
    text = "server:\n  dataDir: %s\n%s%s" % (DATA, listen, text)
    for command in (["config", "check"], ["run"]):
        try:
            code, out = run(command, text)
        except subprocess.TimeoutExpired:
            code, out = 1 if command!=["run"] else 0, "TIMEOUT"
        check("%s: %s" % (" ".join(command), name), code not in (0, 1) or command != ["run"] and code,
              (code, out))
        for want in wants:
            check("%s says %s" % (" ".join(command), want), want in out, out)
    check(name + " made nothing", not os.path.exists(DATA))


def words():
    for name, args, want in (
            ("a proxy of no kind", ["proxy"], "nginx, caddy, haproxy or traefik"),
            ("a proxy of an unknown kind", ["proxy", "apache"], "are known"),
            ("a certificate for nothing", ["show", "--cert", "/x"], "only")):
        code, out = run(["config", *args], "server:\n  exposedAddress: http://vpn.test\n")
        check(name + " is refused", code == 2 and want in out, (code, out))


def files():
    ours, key = certificate(DIR, "ours")
    other, other_key = certificate(DIR, "other")
    chain, locked = os.path.join(DIR, "chain.pem"), os.path.join(DIR, "locked.key")
    with open(chain, "w", encoding="ascii") as f:
        f.write(open(other).read() + open(ours).read())
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", key, "-out", locked, "-passout", "pass:x"],
                   check=True, capture_output=True)
    tls = "  tls: {certFile: %s, keyFile: %s}\n"
    refused("a key of another certificate", tls % (ours, other_key), "does not belong")
    refused("a chain that begins with the issuer", tls % (chain, key), "stands before those")
    refused("an encrypted key", tls % (ours, locked), "without a passphrase")
    refused("both exchanged", tls % (key, ours), "exchanged")
    refused("a certificate twice", tls % (ours, ours), "exchanged")
    refused("a missing certificate", tls % (ours + "x", key), "No such file", ours + "x")
    refused("a log in no folder", "  logFile: %s/no/such.log\n" % DIR, "logFile", "/no")
    refused("a database in no folder", "  store: {file: %s/no/a.db}\n" % DIR, "store.file")
    refused("no geo database", "  x: {geoDatabase: %s/no.mmdb}\n" % DIR, "geoDatabase", "no.mmdb")


def every_path_and_address():
    """Each key that takes a path or an address, with what no server could use."""
    tls = "  tls: {certFile: %s, keyFile: %s}\n" % certificate(DIR, "used")
    gone, folder = DIR + "/gone/x", DIR
    acme = "  tls: {letsencrypt: {enabled: true, domains: [vpn.example.com], email: a@example.com%s}}\n"
    nowhere = ("nonsense", "https://", "://x", "https://host:0", "https://host:99999", "https://ho st")
    for key, line, values in (
            ("listenAddress", "  listenAddress: '%s'\n", ("nonsense", "1.2.3.4", "1.2.3.4:99999", ":x", "1.2.3:80")),
            ("healthcheckAddress", "  healthcheckAddress: '%s'\n", ("nonsense", "1.2.3.4:99999", ":x")),
            ("x.quicAddress", tls + "  x: {quicAddress: '%s'}\n", ("nonsense", "1.2.3.4:99999")),
            ("x.httpAddress", tls + "  x: {httpAddress: '%s'}\n", ("nonsense", "1.2.3.4:99999")),
            ("x.httpAddress", "  exposedAddress: http://a:80\n  x: {httpAddress: '%s'}\n", (":%d" % free_port(),)),
            ("exposedAddress", "  exposedAddress: '%s'\n", nowhere[1:]),
            ("logFile", "  logFile: '%s'\n", (gone, folder)),
            ("store.file", "  store: {file: '%s'}\n", (gone, folder)),
            ("x.geoDatabase", "  x: {geoDatabase: '%s'}\n", (gone, folder)),
            ("x.geoNames", "  x: {geoNames: '%s'}\n", (gone, folder)),
            ("x.exportFile", "  x: {exportFile: '%s'}\n", (gone, folder, "relative")),
            ("x.exportWebhook", "  x: {exportWebhook: '%s'}\n", nowhere + ("ftp://host",)),
            ("x.exportSyslog", "  x: {exportSyslog: '%s'}\n",
             ("nonsense", "udp://host", "tcp://:1", "udp://host:0", "udp://host:99999", "unix:x", "unix:" + folder)),
            ("tls", "  tls: {certFile: '%s', keyFile: '/x'}\n", (gone, folder)),
            ("tls.letsencrypt.dataDir", acme % ", dataDir: '%s'", (gone, DIR + "/used.key")),
            ("x.acmeDirectory", acme % "" + "  x: {acmeDirectory: '%s'}\n", nowhere),
            ("stuns", "  stuns: [{uri: '%s'}]\n", ("nonsense", "stun:", "stun:host:0", "stun:host:99999")),
            ("x.turns", "  x: {turns: ['%s'], turnUser: u, turnPassword: p}\n",
             ("nonsense", "turn:", "turn:host:0", "turn:host:99999")),
            ("relays.addresses", "  relays: {addresses: ['%s'], secret: s}\n",
             ("nonsense", "rels://", "rels://host:0", "rels://host:99999", "https://host")),
            ("signalUri", "  signalUri: '%s'\n", nowhere[1:]),
            ("x.relayAddress", "  x: {relayAddress: '%s'}\n", ("nonsense", "rels://", "rels://host:99999")),
            ("auth.issuer", "  auth: {issuer: '%s'}\n", nowhere),
            ("x.oidcIssuer", "  x: {oidcIssuer: '%s', oidcAudiences: [a]}\n", nowhere),
            ("x.oidcKeysURL",
             "  x: {oidcIssuer: 'https://a.example.com', oidcAudiences: [a], oidcKeysURL: '%s'}\n", nowhere),
            ("auth.dashboardRedirectURIs", "  auth: {dashboardRedirectURIs: ['%s']}\n", ("nonsense", "https://")),
            ("auth.cliRedirectURIs", "  auth: {cliRedirectURIs: ['%s']}\n", ("nonsense", "http://")),
            ("auth.dashboardPostLogoutRedirectURIs",
             "  auth: {dashboardPostLogoutRedirectURIs: ['%s']}\n", ("nonsense", "https://")),
            ("reverseProxy.trustedHTTPProxies", "  reverseProxy: {trustedHTTPProxies: ['%s']}\n",
             ("nonsense", "10.0.0.0/33", "10.0.0.1/8x"))):
        for value in values:
            refused("%s %s" % (key, value.replace(DIR, "")), line % value, key.split(".")[-1])


def own_files():
    """A path that is written may not be one of ours, by whatever name."""
    db, link = os.path.join(DIR, "own.db"), os.path.join(DIR, "link.log")
    store = "  store: {file: %s}\n" % db
    for tail in ("", "-wal", "-shm", "-journal", ".lock"):
        refused("the database%s as log" % tail, store + "  logFile: %s%s\n" % (db, tail),
                "server.logFile", "database")
    refused("the same by another way", store + "  logFile: %s/../%s/own.db\n" %
            (DIR, os.path.basename(DIR)), "server.logFile")
    os.symlink(db, link)
    refused("a link to what will be the database", store + "  logFile: %s\n" % link, "server.logFile")
    open(db, "w").close()
    os.link(db, os.path.join(DIR, "hard.log"))
    refused("another name of the file", store + "  logFile: %s/hard.log\n" % DIR, "server.logFile")
    for name in ("store.key", "relay.secret", "setup-token", "admin.sock"):
        refused(name + " as log", "  logFile: %s/%s\n" % (DATA, name), "server.logFile")
        refused(name + " as database", "  store: {file: %s}\n" % name, "server.store.file")


def values():
    short = base64.b64encode(b"x" * 31).decode()
    refused("a short store key", "  store: {encryptionKey: %s}\n" % short, "encryptionKey",
            "32 bytes")
    refused("a store key that is no base64", "  store: {encryptionKey: '***'}\n", "encryptionKey")
    refused("a relay without a scheme",
            "  relays: {addresses: ['relay.example.com:443'], secret: s}\n",
            "server.relays.addresses", "rels://")
    refused("a relay without a secret", "  relays: {addresses: ['rels://r.example.com']}\n",
            "server.relays.secret")
    refused("a STUN server without a scheme", "  stuns: [{uri: 'stun.example.com:3478'}]\n",
            "server.stuns", "stun:host:port")
    refused("a redirect without a scheme",
            "  auth: {dashboardRedirectURIs: [app.example.com/nb-auth]}\n",
            "server.auth.dashboardRedirectURIs", "no scheme")
    refused("an issuer without a scheme", "  auth: {issuer: vpn.example.com/oauth2}\n",
            "server.auth.issuer")
    refused("an unknown scheme", "  exposedAddress: ftp://vpn.example.com\n", "exposedAddress")
    refused("a DSN that is none", "  store: {engine: postgres, dsn: nonsense}\n", "DSN")
    refused("two things at once",
            "  stuns: [{uri: x}]\n  store: {encryptionKey: %s}\n" % short, "server.stuns",
            "encryptionKey")
    refused("an address that Let's Encrypt has no certificate for",
            "  tls: {letsencrypt: {enabled: true, domains: [a.example.com, 192.0.2.1]}}\n",
            "192.0.2.1", "profile", "acmeDirectory")
    cert, key = certificate(DIR, "tls")
    refused("TLS below an http address",
            "  exposedAddress: http://a:80\n  tls: {certFile: %s, keyFile: %s}\n" % (cert, key),
            "exposedAddress")


def folders():
    global DATA
    kept, DATA = DATA, os.path.join(DIR, "no", "such", "folder")
    refused("a data folder in no folder", "", "server.dataDir", "there is no folder")
    DATA = kept


OFFICIAL = """# what the official example sets, value by value
server:
  listenAddress: ":443"
  exposedAddress: "https://server.mycompany.com:443"
  metricsPort: 9090
  healthcheckAddress: ":9000"
  logLevel: "info"
  logFile: "console"
  tls:
    certFile: ""
    keyFile: ""
    letsencrypt:
      enabled: false
      dataDir: ""
      domains: []
      email: ""
      awsRoute53: false
  authSecret: "your-secret-key-here"
  dataDir: "/var/lib/netbird/"
  disableAnonymousMetrics: false
  disableGeoliteUpdate: false
  auth:
    issuer: "https://example.com/oauth2"
    localAuthDisabled: false
    signKeyRefreshEnabled: false
    dashboardRedirectURIs:
      - "https://app.example.com/nb-auth"
      - "https://app.example.com/nb-silent-auth"
    cliRedirectURIs:
      - "http://localhost:53000/"
  store:
    engine: "sqlite"
    dsn: ""
    encryptionKey: ""
"""


def official():
    """Only places and ports are moved, by the environment: the test has neither root nor the ports."""
    port, health = free_port(), free_port()
    env = {"ROOKERY_DATA_DIR": DATA, "ROOKERY_LISTEN_ADDRESS": "127.0.0.1:%d" % port,
           "ROOKERY_METRICS_PORT": str(free_port()), "ROOKERY_STUN_PORTS": str(free_port()),
           "ROOKERY_HEALTHCHECK_ADDRESS": "127.0.0.1:%d" % health,
           # what Kubernetes would add for services of these names
           "ROOKERY_PORT": "tcp://10.43.0.1:80", "ROOKERY_STORE_PORT": "tcp://10.43.0.2:5432"}
    code, out = run(["config", "check"], OFFICIAL, env)
    check("the official example is usable", code == 0 and "is usable" in out, (code, out))
    for key in ("disableAnonymousMetrics", "disableGeoliteUpdate", "signKeyRefreshEnabled"):
        check("%s is said to have no effect" % key, key + " has no effect" in out, out)
    # as the official image calls it: no command
    p = Program([ROOKERY, "--config", os.path.join(DIR, "c.yaml")], port, clean_env(**env))
    check("and serves", get(port, "/api/instance")[0] == 200)
    check("with its health page", get(health, "/health")[0] == 200)
    code, out = run(["config", "check"], OFFICIAL, env)
    check("a port in use is a warning", code == 0 and "warning: TCP port %d" % port in out,
          (code, out))
    p.stop()


def redirect():
    """With certificate files, too, a plain listener sends everybody to https."""
    cert, key = certificate(DIR, "redirect")
    port, http = free_port(), free_port()
    p = Program([ROOKERY, "run"], port, clean_env(
        ROOKERY_DATA_DIR=os.path.join(DIR, "redirect"), ROOKERY_LISTEN_ADDRESS="127.0.0.1:%d" % port,
        ROOKERY_EXPOSED_ADDRESS="https://vpn.example.com", ROOKERY_STUN_PORTS=str(free_port()),
        ROOKERY_TLS_CERT_FILE=cert, ROOKERY_TLS_KEY_FILE=key,
        ROOKERY_HTTP_ADDRESS="127.0.0.1:%d" % http))
    end = time.time() + 120
    while True:
        try:
            c = http_client.HTTPConnection("127.0.0.1", http, timeout=120)
            c.request("GET", "/peers?a=b")
            r = c.getresponse()
            break
        except OSError:
            assert time.time() < end, p.text()
            time.sleep(0.05)
    check("http is sent to https", r.status in (301, 308) and
          r.getheader("Location") == "https://vpn.example.com/peers?a=b", (r.status, r.getheaders()))
    p.stop()


try:
    files()
    redirect()
    every_path_and_address()
    own_files()
    words()
    values()
    folders()
    official()
finally:
    shutil.rmtree(DIR, True)
finish()
