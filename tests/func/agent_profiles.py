#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Profiles, notes of the state file, log level and settings of a real `rook` daemon that is not
connected to anything."""
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time

ROOK = os.path.realpath(os.environ.get("ROOK") or os.path.join(os.environ.get("builddir", "."), "rook"))
if not os.access(ROOK, os.X_OK):
    print("skip: no rook")
    sys.exit(77)
ENV = {k: v for k, v in os.environ.items() if not k.startswith(("NB_", "ROOK_"))}
ME = "".join(c for c in pwd.getpwuid(os.geteuid()).pw_name if c.isalnum() or c in "_-")
SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I="


class Daemon:
    def __init__(self, folder, *args):
        self.folder, self.addr = folder, "unix://%s/sock" % folder
        self.p = subprocess.Popen([ROOK, "service", "run", "--state-dir", folder + "/state",
                                   "--daemon-addr", self.addr, *args], env=ENV,
                                  stderr=subprocess.PIPE, text=True)
        for line in self.p.stderr:
            if "daemon started" in line:
                break
        else:
            raise SystemExit("the daemon does not start")

    def rook(self, *args):
        r = subprocess.run([ROOK, *args, "--daemon-addr", self.addr], capture_output=True,
                           text=True, timeout=60, env=ENV)
        return r.returncode, r.stdout + r.stderr

    def must(self, *args):
        rc, out = self.rook(*args)
        assert rc == 0, (args, out)
        return out

    def refused(self, text, *args):
        rc, out = self.rook(*args)
        assert rc == 1 and text in out, (args, rc, out)

    def profiles(self):
        return json.loads(self.must("profile", "list", "--json"))

    def active(self):
        return [p["name"] for p in self.profiles() if p["active"]]

    def stop(self):
        self.p.terminate()
        self.p.stderr.read()
        assert self.p.wait() == 0


def check_profiles(d):
    assert d.active() == ["default"] and len(d.profiles()) == 1
    out = d.must("profile", "add", "Büro")
    assert out.startswith("Profile added: ") and "Büro" in out, out
    d.must("profile", "add", "home")
    ids = {p["name"]: p["id"] for p in d.profiles()}
    assert set(ids) == {"default", "Büro", "home"} and len(ids["home"]) == 32, ids
    assert os.path.exists("%s/state/%s/%s.json" % (d.folder, ME, ids["home"]))
    table = d.must("profile", "ls", "--show-id")
    assert ids["home"][:8] in table and ids["home"] not in table, table
    d.must("profile", "select", "home")
    assert d.active() == ["home"]
    assert "active already" in d.must("profile", "select", ids["home"][:5])
    assert json.loads(d.must("status", "--json"))["profileName"] == "home"
    d.refused("the active profile", "profile", "remove", "home")
    d.refused("keeps its name", "profile", "rename", "default", "x")
    d.refused("no profile", "profile", "select", "nobody")
    d.refused("1 to 128", "profile", "add", "  \t ")
    d.must("profile", "rename", "home", "at home")
    assert d.active() == ["at home"]
    assert json.loads(d.must("status", "--json"))["profileName"] == "at home"
    # what is changed belongs to the active one, and its keys are its own
    d.refused("not connected yet", "up", "--profile", "Büro", "-m", "http://127.0.0.1:9", "--mtu",
              "1400", "--timeout", "100ms")
    assert d.active() == ["Büro"]
    files = [json.load(open("%s/state/%s/%s.json" % (d.folder, ME, ids[n]))) for n in ("Büro", "home")]
    assert files[0]["MTU"] == 1400 and files[1].get("MTU", 1280) == 1280, files
    assert files[0]["PrivateKey"] != files[1].get("PrivateKey"), files
    assert files[0]["Name"] == "Büro" and files[1]["Name"] == "at home", files
    # two of a name
    assert "Warning: 2 profiles" in d.must("profile", "add", "Büro")
    d.refused("2 profiles fit", "profile", "remove", "Büro")
    return ids


def check_files(d, ids):
    """After a new start."""
    assert d.active() == ["Büro"]
    d.must("profile", "select", "default")
    assert "Profile removed: " + ids["home"] in d.must("profile", "rm", "at home")
    assert not os.path.exists("%s/state/%s/%s.json" % (d.folder, ME, ids["home"]))


def check_states(d):
    d.refused("no state", "state", "clean", "nftables_state")
    d.refused("name one state, or", "state", "delete")
    assert "Cleaned 0 states" in d.must("state", "clean", "--all")


def check_debug(d):
    assert "it was info" in d.must("debug", "log", "level", "debug")
    assert "it was debug" in d.must("debug", "log", "level", "warn")
    d.refused("is none of", "debug", "log", "level", "loud")
    d.refused("usage", "debug", "persistence", "maybe")
    d.must("debug", "persistence", "on")
    d.refused("not connected yet", "up", "-m", "http://127.0.0.1:9", "--preshared-key", SECRET,
              "--timeout", "100ms")
    config = d.must("debug", "config")
    shown = json.loads(config)
    assert shown["PrivateKey"] == shown["PreSharedKey"] == "(set)" and SECRET not in config, config
    assert shown["ManagementURL"]["Host"] == "127.0.0.1:9", config


def check_status(d):
    s = json.loads(d.must("status", "--json"))
    for _ in range(600):  # the profile's key is told once it is read
        if s["publicKey"]:
            break
        time.sleep(0.1)
        s = json.loads(d.must("status", "--json"))
    for key in ("peers cliVersion daemonVersion daemonStatus management signal relays netbirdIp "
                "publicKey usesKernelInterface wireguardPort fqdn quantumResistance "
                "quantumResistancePermissive networks forwardingRules dnsServers events "
                "lazyConnectionEnabled profileName sshServer").split():
        assert key in s, key
    y = d.must("status", "--yaml")
    assert "daemonStatus: %s\n" % s["daemonStatus"] in y and "  details: []\n" in y, y
    a = d.must("status", "--json", "--anonymize-level", "strict")
    assert s["publicKey"] in json.dumps(s) and s["publicKey"] not in a, a
    d.refused("exclude each other", "status", "--json", "--ipv4")
    d.refused("no such address", "status", "-4")
    for what, want in (("live", 0), ("startup", 1)):
        assert d.rook("status", "--check", what)[0] == want, what


def check_closed(folder):
    d = Daemon(folder, "--disable-profiles", "--disable-update-settings", "--disable-networks")
    d.refused("--disable-profiles", "profile", "add", "x")
    d.refused("--disable-profiles", "up", "--profile", "default")
    d.refused("--disable-update-settings", "up", "--mtu", "1300")
    d.refused("--disable-networks", "networks", "list")
    d.stop()
    one = folder + "/one.json"
    d = Daemon(folder, "--config", one)
    assert os.path.exists(one) and len(d.profiles()) == 1
    d.refused("started with --config", "profile", "add", "x")
    d.stop()


def check_faults(folder):
    """What goes wrong is told with where, and what to do."""
    d = Daemon(folder)
    d.refused("another daemon serves %s/sock: end it" % folder, "service", "run", "--state-dir", folder + "/s2")
    d.refused("127.0.0.1:9: connect", "up", "-m", "http://127.0.0.1:9", "--timeout", "300ms", "-k", "A")
    d.refused('"rook doctor" looks', "up", "-m", "http://127.0.0.1:9", "--timeout", "300ms", "-k", "A")
    # What the name server says, or that there is none: that is the machine's.
    d.refused("80: resolve no.such.name.invalid: ", "up", "-m", "http://no.such.name.invalid", "--timeout", "3s")
    d.refused("neither with https:// nor", "up", "-m", "ftp://x")
    d.refused("9 is not between 576", "up", "--mtu", "9")
    d.refused("not 32 bytes in base64", "up", "--preshared-key", "zzz")
    d.refused('"rook up" first', "networks", "select", "x")
    d.refused("no session to extend", "login", "--extend")
    d.refused("not connected", "down")
    with open(folder + "/bad.json", "w") as f:
        f.write("{")
    r = subprocess.run([ROOK, "service", "run", "--config", folder + "/bad.json", "--daemon-addr",
                        "unix://%s/sock3" % folder], capture_output=True, text=True, timeout=60, env=ENV)
    assert r.returncode == 1 and "line 1" in r.stderr and "move it away" in r.stderr, r
    r = subprocess.run([ROOK, "status", "--daemon-addr", "unix://%s/none" % folder],
                       capture_output=True, text=True, timeout=60, env=ENV)
    assert r.returncode == 1 and "no daemon at %s/none" % folder in r.stderr, r
    if os.geteuid() == 0:
        os.chmod(folder, 0o755)
        shutil.copy(ROOK, folder + "/rook")
        nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", folder + "/rook"]
        for words, text in (("up", "Error: only root may do this"), ("profile add x", "only root may"),
                            ("debug config", "only root may"), ("service run", "needs root")):
            where = ["--state-dir", folder + "/s9"] if words == "service run" else []
            r = subprocess.run([*nobody, *words.split(), *where, "--daemon-addr", d.addr + ("9" if where else "")],
                               capture_output=True, text=True, timeout=60, env=ENV)
            assert r.returncode == 1 and r.stderr.count(text) == 1, (words, r)
        r = subprocess.run([*nobody, "status", "--daemon-addr", d.addr], capture_output=True,
                           text=True, timeout=60, env=ENV)
        assert r.returncode == 0, r
    d.stop()


def check_foreign(folder):
    """A folder of an official agent: its profiles are there, with the names of their files."""
    os.makedirs("%s/state/%s" % (folder, ME))
    with open("%s/state/%s/work.json" % (folder, ME), "w") as f:
        json.dump({"PrivateKey": SECRET, "WgIface": "wt5", "Unknown": [1]}, f)
    with open(folder + "/state/active_profile.json", "w") as f:
        json.dump({"name": "work", "username": ME}, f)
    d = Daemon(folder)
    assert d.active() == ["work"], d.profiles()
    assert json.loads(d.must("debug", "config"))["WgIface"] == "wt5"
    d.stop()
    with open("%s/state/%s/work.json" % (folder, ME)) as f:
        kept = json.load(f)
    assert kept["PrivateKey"] == SECRET and kept["Unknown"] == [1], kept
    with open(folder + "/state/active_profile.json", "w") as f:
        f.write("{")
    d = Daemon(folder)
    assert d.active() == ["default"]
    d.stop()


with tempfile.TemporaryDirectory(prefix="rook") as tmp:
    daemon = Daemon(tmp)
    known = check_profiles(daemon)
    daemon.stop()
    daemon = Daemon(tmp)
    check_files(daemon, known)
    check_states(daemon)
    check_debug(daemon)
    check_status(daemon)
    daemon.stop()
    check_closed(tmp)
with tempfile.TemporaryDirectory(prefix="rook") as tmp:
    check_foreign(tmp)
with tempfile.TemporaryDirectory(prefix="rook") as tmp:
    check_faults(tmp)
print("profiles and faults: all held")
