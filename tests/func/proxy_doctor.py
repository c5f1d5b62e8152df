# SPDX-License-Identifier: BSD-3-Clause
"""What `rookery doctor` says behind a real nginx: with the configuration that `rookery config proxy` prints, and
with what people forget. proxy_doctor.py ./rookery, as root: the machine's list of authorities is its own."""
import ctypes
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
if os.geteuid() or ctypes.CDLL(None).unshare(0x00020000):
    print("skip: needs root for a mount namespace of its own")
    sys.exit(77)
from proc import Program, certificate, check, finish, free_port  # noqa: E402
from rookery import Server  # noqa: E402

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
front = free_port()
s = Server(start=False)
s.env["ROOKERY_EXPOSED_ADDRESS"] = "https://localhost:%d" % front
cert, key = certificate(s.dir, "proxy")
subprocess.run(["sh", "-ec", "mount --make-rprivate /; cat %s %s >%s/all.pem; mount --bind %s/all.pem %s" % (
    BUNDLE, cert, s.dir, s.dir, BUNDLE)], check=True)
s.start()
made = s.command("config", "proxy", "nginx")
check("the configuration is printed", made.returncode == 0 and "grpc_pass" in made.stdout, made.stderr)


def nginx(text):
    """The printed server block, at our port and with our certificate."""
    text = re.sub(r"^\s*listen [^;]*;\n", "", text, flags=re.M)
    text = re.sub(r"ssl_certificate .*;", "ssl_certificate %s;" % cert, text)
    text = re.sub(r"ssl_certificate_key .*;", "ssl_certificate_key %s;" % key, text)
    return text


def doctor(what, text, http2=True, **env):
    """Findings by area: (state, text, what to do)."""
    conf = s.dir + "/nginx.conf"
    listen = "listen 127.0.0.1:%d ssl%s;" % (front, " http2" if http2 else "")
    text = nginx(text).replace("server {", "server {\n    " + listen, 1)
    with open(conf, "w") as f:
        f.write("daemon off; pid %s/pid; error_log stderr; events {}\nhttp { access_log off;\n%s\n}\n" % (s.dir, text))
    p = Program(["nginx", "-e", "stderr", "-p", s.dir, "-c", conf], front)
    s.env.update(env)
    r = s.command("doctor", "--json")
    p.stop()
    for name in env:
        del s.env[name]
    print(what, r.returncode)
    return {f["area"]: f for f in json.loads(r.stdout)}


def says(name, found, area, verdict, text, todo=None):
    f = found.get(area, {})
    check(name, f.get("verdict") == verdict and text in f.get("finding", "") and
          (todo in f["todo"] if todo else not f["todo"]), f)


REPAIR = "compare the proxy's configuration with rookery config proxy"
url = "https://localhost:%d" % front
trusted = {"ROOKERY_REVERSE_PROXY_TRUSTED_HTTP_PROXIES": "127.0.0.1/32"}

found = doctor("as it is printed", made.stdout, **trusted)
says("gRPC passes", found, "gRPC", "ok", url + " answers over HTTP/2")
says("WebSockets pass", found, "relay", "ok", url + "/relay takes WebSockets")
check("nothing is said of the proxy", "proxy" not in found, found.get("proxy"))

found = doctor("a proxy that is not trusted", made.stdout)
says("that it is not named", found, "proxy", "warn", "every machine and browser seems to come from the proxy",
     "server.reverseProxy.trustedHTTPProxies")

found = doctor("no HTTP/2", made.stdout, http2=False, **trusted)
says("HTTP/2 is missing", found, "gRPC", "BAD", url + " does not speak HTTP/2, which gRPC needs", REPAIR)
says("WebSockets pass nevertheless", found, "relay", "ok", "takes WebSockets")

plain = re.sub(r"^ *grpc_(?!pass).*\n", "", made.stdout, flags=re.M).replace("grpc_pass grpc://", "proxy_pass http://")
found = doctor("HTTP/2, and gRPC as ordinary HTTP", plain, **trusted)
says("a call fails", found, "gRPC", "BAD", "a gRPC call is answered with HTTP status ", REPAIR)

found = doctor("no gRPC at all", re.sub(r"location /management\..*?\n    }\n", "", made.stdout, flags=re.S).replace(
    "location / {", "location / { return 404;"), **trusted)
says("a call is not found", found, "gRPC", "BAD", "a gRPC call is answered with HTTP status 404", REPAIR)

found = doctor("no upgrade", re.sub(r"^ *proxy_set_header (Upgrade|Connection) .*\n", "", made.stdout, flags=re.M), **trusted)
says("WebSockets do not pass", found, "relay", "BAD", url + "/relay answers a WebSocket with HTTP status 426", REPAIR)
says("gRPC passes nevertheless", found, "gRPC", "ok", "answers over HTTP/2")

r = s.command("doctor", "--json")
found = {f["area"]: f for f in json.loads(r.stdout)}
says("no proxy is there", found, "gRPC", "BAD", url + ": ", REPAIR)
says("nor for the relay", found, "relay", "BAD", url + "/relay: ", REPAIR)
check("which is an error", r.returncode == 1, r.returncode)
s.p.stop()
finish()
