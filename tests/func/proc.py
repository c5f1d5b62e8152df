# SPDX-License-Identifier: BSD-3-Clause
"""Start and stop our programs in functional tests; count what holds."""
import atexit
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

import overheard

FAILED = []
PROGRAMS = []


def sanitized(program):
    """Is it built with the address sanitizer? Shadow and red zones come on top of every byte then."""
    if "fsanitize=address" in os.environ.get("RK_SANITIZERS", ""):
        return True
    with open(program, "rb") as f:
        return b"__asan_init" in f.read()


def check(name, ok, detail=""):
    print(("ok   " if ok else "FAIL ") + name + (" " + str(detail) if not ok and detail else ""),
          flush=True)
    if not ok:
        FAILED.append(name)


def no_secrets():
    """Of this test in the logs of its programs."""
    overheard.remember("made-up-to-be-found", "itself")
    assert overheard.found("x made-up-to-be-found=") == ["itself"]
    for p in PROGRAMS:
        text = p.text()
        told = overheard.found(text)
        for what in told:
            lines = [l for l in text.splitlines() if what in overheard.found(l)]
            print("in the log of %s: %s: %s" % (p.p.args[0], what, lines[:2]))
        if told:
            check("no secret is in the log of %s" % os.path.basename(p.p.args[0]), False, told)


def finish():
    no_secrets()
    print("%d secrets were looked for in %d logs" % (len(overheard.secrets), len(PROGRAMS)))
    print("%d failed" % len(FAILED))
    sys.exit(1 if FAILED else 0)


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


LEVEL = "debug"  # of programs that are told none; no_secrets() looks at their logs


def set_level(level):
    """For tests of what is said at another level."""
    global LEVEL
    LEVEL = level


def clean_env(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("NB_", "ROOKERY_"))}
    for prefix in ("ROOKERY_", "ROOKERY_MANAGEMENT_", "ROOKERY_SIGNAL_", "ROOKERY_RELAY_"):
        env[prefix + "LOG_LEVEL"] = LEVEL
    env.update(more)
    return env


class Program:
    """One running program; its log is kept in memory when it has ended."""

    def __init__(self, args, port, env=None):
        self.log = tempfile.TemporaryFile()
        self.began = time.time()
        self.p = subprocess.Popen(args, env=env or clean_env(), stderr=self.log, stdout=self.log)
        atexit.register(self.kill)
        PROGRAMS.append(self)
        self.folder = (env or {}).get("ROOKERY_DATA_DIR")
        overheard.environment(env or {})
        while time.time() < self.began + 120:
            if self.p.poll() is not None:
                raise SystemExit("%s ended: %s" % (args[0], self.text()))
            try:
                socket.create_connection(("127.0.0.1", port), timeout=10).close()
                if self.folder:
                    overheard.folder(self.folder)
                return
            except OSError:
                time.sleep(0.02)
        raise SystemExit("%s does not listen" % args[0])

    def text(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def kill(self):
        """For tests that end early."""
        if self.p.poll() is None:
            self.p.kill()
            self.p.wait()

    def rss_kb(self):
        with open("/proc/%d/status" % self.p.pid) as f:
            return int([l for l in f if l.startswith("VmRSS")][0].split()[1])

    def files(self):
        return len(os.listdir("/proc/%d/fd" % self.p.pid))

    def stop(self, sig=signal.SIGTERM, within=120):
        self.p.send_signal(sig)
        try:
            code = self.p.wait(within)
        except subprocess.TimeoutExpired:
            self.p.kill()
            code = "still running after %d s" % within
        check("%s ends in order" % os.path.basename(self.p.args[0]), code == 0,
              "%s\n%s" % (code, self.text()[-3000:]))
        return self.text()


def refused(args, env=None):
    """Run a program that must refuse its options at once: (status, stderr)."""
    r = subprocess.run(args, env=env or clean_env(), capture_output=True, timeout=120)
    return r.returncode, r.stderr.decode()


def get(port, path):
    """Of a page that is served, or about to be: Program waits for one port, and this is another."""
    end = time.time() + 60
    while time.time() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=10).close()
            break
        except ConnectionRefusedError:
            time.sleep(0.02)
    try:
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (port, path), timeout=60) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def metric(port, name):
    for line in get(port, "/metrics")[1].splitlines():
        if line.startswith(name + " "):
            return float(line.split()[-1])
    return None


def certificate(folder, name="cert"):
    """Self-signed for localhost: paths of certificate and key."""
    cert, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def serial_of(port):
    """Of the certificate that a TLS port shows."""
    der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))
    return der
