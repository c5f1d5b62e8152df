#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Commands and options of `rook` against those of the official client: each works, is refused with
a reason, or says that it has no effect. The table below is checked against `rook`, and with
NETBIRD_BIN against the official program's own help: nothing of it may be missing here.
"""
import contextlib
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

WORKS, REFUSED, IDLE = "works", "is refused", "has no effect"

# option -> (a value, or None for a switch; what happens)
GLOBAL = {
    "daemon-addr": ("unix:///nowhere", WORKS), "management-url": ("https://h", IDLE),
    "admin-url": ("https://h", IDLE), "log-level": ("info", IDLE), "log-file": ("/f", REFUSED),
    "setup-key": ("A", IDLE), "setup-key-file": ("/f", IDLE), "preshared-key": ("A", IDLE),
    "hostname": ("h", IDLE), "anonymize": (None, IDLE), "anonymize-level": ("strict", IDLE),
    "config": ("/f", IDLE), "service": ("s", IDLE),
}
ANON = {"anonymize": (None, WORKS), "anonymize-level": ("strict", WORKS)}
KEY = "A" * 42 + "A="
SETTINGS = {
    "management-url": ("https://h", WORKS), "admin-url": ("https://h", WORKS),
    "preshared-key": (KEY, WORKS), "hostname": ("h", WORKS), "interface-name": ("wt7", WORKS),
    "wireguard-port": ("51821", WORKS), "mtu": ("1300", WORKS), "network-monitor": (None, WORKS),
    "extra-iface-blacklist": ("eth9", WORKS), "dns-router-interval": ("1m", WORKS),
    "extra-dns-labels": ("l", WORKS), "dns-resolver-address": ("127.0.0.1:5300", WORKS),
    "disable-auto-connect": (None, WORKS), "disable-client-routes": (None, WORKS),
    "disable-server-routes": (None, WORKS), "disable-dns": (None, WORKS),
    "disable-firewall": (None, WORKS), "block-lan-access": (None, WORKS),
    "block-inbound": (None, WORKS), "disable-ipv6": (None, WORKS),
    "enable-lazy-connection": (None, IDLE), "external-ip-map": ("1.2.3.4", WORKS),
    "enable-rosenpass": (None, REFUSED), "rosenpass-permissive": (None, REFUSED),
    "allow-server-ssh": (None, REFUSED), "enable-ssh-root": (None, REFUSED),
    "enable-ssh-sftp": (None, REFUSED), "enable-ssh-local-port-forwarding": (None, REFUSED),
    "enable-ssh-remote-port-forwarding": (None, REFUSED), "disable-ssh-auth": (None, IDLE),
    "ssh-jwt-cache-ttl": ("5", IDLE),
}
LOGIN = {"setup-key": ("A", WORKS), "no-browser": (None, WORKS), "qr": (None, WORKS),
         "profile": ("default", WORKS)}
BUNDLE = {"log-file-count": ("1", WORKS), "system-info": (None, WORKS),
          "upload-bundle": (None, "asks"), "upload-bundle-url": ("https://h", WORKS),
          "upload-bundle-insecure": (None, WORKS)}
STATUS = {"detail": (None, WORKS), "json": (None, WORKS), "yaml": (None, WORKS),
          "ipv4": (None, WORKS), "ipv6": (None, WORKS), "filter-by-ips": ("1.2.3.4", WORKS),
          "filter-by-names": ("n", WORKS), "filter-by-status": ("idle", WORKS),
          "filter-by-connection-type": ("P2P", WORKS), "check": ("live", WORKS)}

# command -> (arguments that it needs, its options). None: there is no such command here, and it says
# why.
VERBS = {
    "up": ([], {**SETTINGS, **LOGIN, "foreground-mode": (None, "starts"), "config": ("/f", IDLE),
                "log-level": ("info", IDLE)}),
    "down": ([], {}), "version": ([], {"daemon-addr": ("unix:///x", IDLE)}),
    "login": ([], {**SETTINGS, **LOGIN, "extend": (None, WORKS)}),
    "deregister": ([], {"profile": ("default", WORKS)}),
    "logout": ([], {"profile": ("default", WORKS)}),
    "status": ([], {**STATUS, **ANON}),
    "networks list": ([], {}), "networks select": (["all"], {"append": (None, WORKS)}),
    "networks deselect": (["all"], {}), "routes ls": ([], {}),
    "forwarding list": ([], {}),
    "profile list": ([], {"show-id": (None, WORKS)}), "profile add": (["x"], {}),
    "profile rename": (["x", "y"], {}), "profile remove": (["x"], {}),
    "profile select": (["x"], {}),
    "debug bundle": (["--system-info=false"], {**BUNDLE, **ANON}),
    "debug for": (["1s", "--system-info=false"], {**BUNDLE, **ANON, "capture": (None, REFUSED)}),
    "debug log level": (["debug"], {}), "debug persistence": (["on"], {}),
    "debug config": ([], {}),
    "doctor": ([], {"json": (None, "runs")}),
    "state list": ([], {}), "state clean": (["x"], {"all": (None, "alone")}),
    "state delete": (["x"], {"all": (None, "alone")}),
    "debug trace": None, "debug capture": None, "ssh": None, "expose": None, "update": None,
    "kubernetes": None,
}
SERVICE = {"disable-profiles": (None, WORKS), "disable-update-settings": (None, WORKS),
           "disable-networks": (None, WORKS), "service-env": ("A=b", WORKS),
           "enable-capture": (None, REFUSED), "enable-json-socket": (None, REFUSED),
           "json-socket": ("unix:///x", IDLE), "service": ("n", WORKS),
           "management-url": ("https://h", WORKS), "config": ("/f", WORKS),
           "log-level": ("info", WORKS), "daemon-addr": ("unix:///x", WORKS)}
SERVICE_VERBS = ["run", "install", "reconfigure", "uninstall", "start", "stop", "restart", "status",
                 "reset-params"]
# Of a later version of the official client than the table was made from, and hidden ones.
NOT_COMPARED = {"help", "version", "completion"}

failures = []


def fail(text):
    failures.append(text)
    print("FAILED: " + text)


def rook(*args):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("NB_", "ROOK_"))}
    env["TMPDIR"] = tmp
    r = subprocess.run([ROOK, *args], capture_output=True, text=True, timeout=60, env=env)
    return r.returncode, r.stdout + r.stderr


def judge(verb, args, flag, value, kind):
    option = ["--" + flag] + ([] if value is None else [value])
    where = [] if flag == "daemon-addr" else ["--daemon-addr", "unix:///nowhere"]
    rc, out = rook(*verb.split(), *args, *option, *where)
    reached = verb == "version" and rc == 0 or "no daemon at" in out
    if kind == WORKS and (not reached or "no effect" in out):
        fail("%s --%s does not work: %s" % (verb, flag, out))
    elif kind == REFUSED and (reached or rc == 0 or "option --%s: " % flag not in out):
        fail("%s --%s is not refused with a reason: %s" % (verb, flag, out))
    elif kind == IDLE and (not reached or not re.search(r"--%s has no effect: \w" % flag, out)):
        fail("%s --%s is taken without a word: %s" % (verb, flag, out))
    elif kind == "asks" and "needs --upload-bundle-url" not in out:
        fail("%s --%s does not ask for an address: %s" % (verb, flag, out))
    elif kind == "alone" and "name one state, or give --all" not in out:
        fail("%s --%s beside a name: %s" % (verb, flag, out))


def check_table():
    for verb, spec in VERBS.items():
        if spec is None:
            rc, out = rook(*verb.split())
            if rc == 0 or 'there is no "rook' not in out:
                fail("%s is not refused with a reason: %s" % (verb, out))
            continue
        args, options = spec
        for flag, (value, kind) in {**GLOBAL, **options}.items():
            if kind == "starts" or flag in ("setup-key-file",) and verb in ("up", "login"):
                continue
            judge(verb, args, flag, value, kind)


def check_service(tmp):
    for i, (flag, (value, kind)) in enumerate(SERVICE.items()):
        root = os.path.join(tmp, "img%d" % i)
        os.makedirs(root + "/etc/systemd")
        rc, out = rook("service", "install", "--root", root,
                       "--" + flag, *([] if value is None else [value]))
        if kind == REFUSED and (rc == 0 or "option --%s: " % flag not in out):
            fail("service --%s is not refused: %s" % (flag, out))
        if kind != REFUSED and (rc != 0 or (kind == IDLE) != ("--%s has no effect" % flag in out)):
            fail("service --%s: %s" % (flag, out))
    rc, out = rook("service", "fly")
    for verb in SERVICE_VERBS:
        if verb not in out:
            fail("service %s is not offered: %s" % (verb, out))


# Variables that are no flags: what the official client takes with NB_ in front.
VARIABLES = {
    WORKS: """DNS_FORWARDER_PORT DISABLE_CUSTOM_ROUTING DISABLE_NAT_MAPPER FORCE_RELAY HOME_RELAY_SERVERS
        ICE_FORCE_RELAY_CONN LAZY_CONN LAZY_CONN_INACTIVITY_THRESHOLD NFTABLES_TABLE RELAY_TRANSPORT SKIP_SOCKET_MARK
        USE_LEGACY_ROUTING WG_KERNEL_DISABLED STATE_DIR SKIP_NFTABLES_CHECK FORCE_USERSPACE_FIREWALL LOG_FORMAT""",
    IDLE: """AUTO_UPDATE_DRY_RUN CONNTRACK_ICMP_MAX CONNTRACK_TCP_MAX CONNTRACK_TIMEOUT CONNTRACK_UDP_MAX
        CONN_MAX_RETRY_INTERVAL_TIME CONN_MAX_RETRY_TIME_TIME CONN_RETRY_INTERVAL_TIME CONN_RETRY_MULTIPLIER
        DISABLE_CONNTRACK DISABLE_MSS_CLAMPING DISABLE_PCP_HEALTH_CHECK DISABLE_ROUTE_CACHE DISABLE_SLEEP_DETECTOR
        DNS_HEALTH_WARNING_DELAY DNS_LAZY_WARMUP_TIMEOUT DNS_STATE_FILE ENABLE_NETSTACK_LOCAL_FORWARDING
        ENABLE_ROSENPASS FORCE_TCP_RACK FORCE_USERSPACE_ROUTER FRAGMENT_MAX_ENTRIES ICE_DISCONNECTED_TIMEOUT_SEC
        ICE_FAILED_TIMEOUT_SEC ICE_KEEP_ALIVE_INTERVAL_SEC ICE_MONITOR_PERIOD ICE_RELAY_ACCEPTANCE_MIN_WAIT_SEC
        LISTEN_DEBUG_EVENT LOG_DISABLE_ROTATION LOG_FILE LOG_MAX_SIZE_MB MANAGEMENT_GRPC_MAX_MSG_SIZE METRICS_CONFIG_URL
        METRICS_FORCE_SENDING METRICS_INTERVAL METRICS_PUSH_ENABLED METRICS_SERVER_URL MGMT_CACHE_TTL
        NETSTACK_SKIP_PROXY PPROF_ADDR RELAY_HC_ATTEMPT_THRESHOLD ROSENPASS_LOG_LEVEL ROUTE_PROTO_FLAG
        SOCKS5_LISTENER_ADDRESS SOCKS5_LISTENER_PORT UNCLEAN_SHUTDOWN_RESOLV_FILE USE_NETSTACK_MODE
        USPFILTER_LOG_BUFFER WG_DEBUG""",
}


def told_by_daemon(**env):
    """What a daemon that cannot start says of its environment: variable -> why."""
    env["PATH"] = os.environ["PATH"]
    r = subprocess.run([ROOK, "service", "run", "--state-dir", "/dev/null/none"], capture_output=True, text=True,
                       timeout=60, env=env)
    if r.returncode == 0 or "/dev/null/none" not in r.stderr:
        fail("a daemon without a folder: " + r.stderr)
    return dict(re.findall(r'has no effect" name=(\S+) why="((?:[^"\\]|\\.)*)"', r.stderr)), r.stderr


def check_variables():
    values = {"DNS_FORWARDER_PORT": "5300", "HOME_RELAY_SERVERS": "rel://h", "LAZY_CONN": "on", "STATE_DIR": "/x",
              "LAZY_CONN_INACTIVITY_THRESHOLD": "5m", "NFTABLES_TABLE": "t", "RELAY_TRANSPORT": "ws", "LOG_FORMAT": "text"}
    for name in VARIABLES[WORKS].split():
        told, log = told_by_daemon(**{"NB_" + name: values.get(name, "true")})
        if told:
            fail("NB_%s does not work: %s" % (name, log))
    told, log = told_by_daemon(**{"NB_" + name: "17" for name in VARIABLES[IDLE].split()})
    for name in VARIABLES[IDLE].split():
        if "nothing here" in told.get("NB_" + name, "nothing here"):
            fail("NB_%s is taken without a word: %s" % (name, log))
    if len(told) != len(VARIABLES[IDLE].split()):
        fail("more is told than was said: %s" % log)
    told, log = told_by_daemon(NB_DISABLE_EBPF_WG_PROXY="true", NB_WG_DEBUG="false", NB_QR="", NB_OWN_IDEA="",
                               NB_SETUP_KEY_FILE="", NB_ENABLE_LOCAL_FORWARDING="true", NBSP="1", ROOK="1")
    if told:
        fail("what happens anyway is told: %s" % log)
    told, log = told_by_daemon(NB_OWN_IDEA="1", ROOK_FIREWAL="own")
    if [*told.values()] != ["nothing here has that name"] * 2:
        fail("unknown variables: %s" % log)
    told, log = told_by_daemon(NB_LOG_FORMAT="json", NB_OWN_IDEA="1")
    if not log.startswith('{"time"'):
        fail("NB_LOG_FORMAT=json: %s" % log)


def help_of(program, words):
    r = subprocess.run([program, *words, "--help"], capture_output=True, text=True, timeout=60,
                       env={**os.environ, "HOME": "/nonexistent"})
    text = r.stdout + r.stderr
    part = text.partition("Available Commands:")[2].partition("\n\n")[0]
    verbs = re.findall(r"^  ([a-z][\w-]*) ", part, re.M)
    return verbs, set(re.findall(r"--([a-z][\w-]*)", text.partition("Flags:")[2]))


def check_official(program):
    """Every command and option of the official help has a row."""
    def walk(words):
        verbs, flags = help_of(program, words)
        name = " ".join(words)
        if not verbs and words:
            known = set(GLOBAL)
            if name in VERBS:
                if VERBS[name] is None:
                    return
                known |= set(VERBS[name][1])
            elif words[0] == "service" and words[1] in SERVICE_VERBS:
                known |= set(SERVICE)
            elif any(name.startswith(v) for v, s in VERBS.items() if s is None):
                return
            else:
                fail("the official client has a command that is not in the table: " + name)
                return
            for flag in sorted(flags - known - NOT_COMPARED):
                fail("the official client's %s has --%s, which is not in the table" % (name, flag))
        for v in verbs:
            if v not in NOT_COMPARED:
                walk(words + [v])
    walk([])


def detect(says, *more):
    """What `rook ssh detect` makes of a server that says this (None: there is none)."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        if says is not None:
            s.listen()

        def serve():
            with contextlib.suppress(ConnectionError), s.accept()[0] as c:
                for part in says:
                    c.sendall(part)
                c.shutdown(socket.SHUT_WR)
                while c.recv(100):
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        if says is not None:
            thread.start()
        return subprocess.run([ROOK, "ssh", "detect", "127.0.0.1", str(s.getsockname()[1]), *more],
                              capture_output=True, timeout=120).returncode


def check_detect():
    """Whose SSH server it is stands in its first line."""
    ours = b"SSH-2.0-NetBird-SSH-Server-0.60.0"
    for says, plain, with_any in (
            ([ours + b" NetBird-JWT-Required\r\n"], 0, 0), ([ours, b" NetBird-JWT-Required\n"], 0, 0),
            ([ours + b"\r\n"], 1, 0), ([b"SSH-2.0-OpenSSH_9.9\r\n"], 2, 2), ([b""], 2, 2), (None, 2, 2),
            ([b"SSH-2.0-OpenSSH_9.9\n" + ours + b"\n"], 2, 2), ([b"220 " + ours + b"\r\n"], 2, 2),
            ([b"SSH-2.0-" + b"x" * 5000 + ours + b"\r\n"], 2, 2)):
        if detect(says) != plain or detect(says, "any") != with_any:
            fail("ssh detect of %r is not %d and %d" % (says, plain, with_any))
    if detect(None, "every") != 2:
        fail("ssh detect takes any word")
    rc, out = rook("ssh", "--help")
    if rc != 0 or "rook ssh detect HOST" not in out:
        fail("ssh --help does not list what there is: %s" % out)
    rc, out = rook("ssh")
    if rc == 0 or 'there is no "rook ssh":' not in out:
        fail("ssh alone is not named: %s" % out)


with tempfile.TemporaryDirectory() as tmp:
    check_table()
    check_detect()
    check_service(tmp)
check_variables()
if os.environ.get("NETBIRD_BIN"):
    check_official(os.environ["NETBIRD_BIN"])
else:
    print("NETBIRD_BIN is not set: the table was not compared with the official client's help")
if failures:
    sys.exit("%d failures" % len(failures))
print("commands and options: all held")
