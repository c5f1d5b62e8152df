# SPDX-License-Identifier: BSD-3-Clause
"""Two or three rookery processes in namespaces of their own, PostgreSQL with a standby, HAProxy."""
import glob
import http.client
import json
import os
import shutil
import signal
import subprocess
import time

NS, DIR, ROOKERY = os.environ["HA_NS"], os.environ["HA_DIR"], os.environ["ROOKERY"]
BUILD_DIR = os.environ["BUILD_DIR"]
PG = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
HUB = "10.77.0.1"
PG_PORTS = (5432, 5433)
BALANCED = 8000  # HAProxy
AS_POSTGRES = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"]


def wait(what, test, seconds=60):
    """Until test() is true; its last value."""
    end = time.time() + seconds
    while True:
        got = test()
        if got:
            return got
        if time.time() > end:
            raise AssertionError("not within %d s: %s" % (seconds, what))
        time.sleep(0.05)


class Postgres:
    """The primary, on one of two ports; standbys come and take over."""

    def __init__(self):
        self.port = PG_PORTS[0]
        self.n = 0
        self.data = self.folder()
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "rookery", "-E", "UTF8",
                 "--locale=C.UTF-8")
        with open(self.data + "/pg_hba.conf", "a") as f:
            f.write("host all all 10.77.0.0/24 trust\nhost replication all 10.77.0.0/24 trust\n")
        self.start(self.data, self.port)
        self.sql("CREATE DATABASE mesh", "postgres")

    def folder(self):
        self.n += 1
        path = "%s/pg/%d" % (DIR, self.n)
        os.makedirs(DIR + "/pg", exist_ok=True)
        os.chmod(DIR, 0o755)
        shutil.chown(DIR + "/pg", "postgres")
        return path

    def run(self, program, *args, check=True):
        return subprocess.run(AS_POSTGRES + [PG + "/" + program, *args], cwd="/", check=check,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              stdin=subprocess.DEVNULL)

    def start(self, data, port):
        self.run("pg_ctl", "-D", data, "-w", "-t", "120", "-l", data + ".log", "-o",
                 "-p %d -c listen_addresses=%s -c unix_socket_directories=%s -c max_connections=200"
                 " -c wal_level=replica" % (port, HUB, DIR + "/pg"), "start")

    def stop(self, data, mode="immediate"):
        self.run("pg_ctl", "-D", data, "-m", mode, "-w", "stop", check=False)

    def sql(self, text, database="mesh", port=None):
        r = subprocess.run(AS_POSTGRES + [PG + "/psql", "-h", HUB, "-p", str(port or self.port),
                           "-U", "rookery", "-d", database, "-Atqc", text], cwd="/",
                           capture_output=True, text=True, check=True, timeout=60)
        return r.stdout.strip()

    def restart(self):
        self.stop(self.data)
        self.start(self.data, self.port)

    def cut_all(self):
        self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                 "backend_type = 'client backend' AND pid <> pg_backend_pid()")

    def promote(self):
        """A synchronous standby that has everything takes over; the primary is killed."""
        port = PG_PORTS[self.port == PG_PORTS[0]]
        data = self.folder()
        self.run("pg_basebackup", "-h", HUB, "-p", str(self.port), "-U", "rookery", "-D", data, "-R",
                 "-c", "fast", "-X", "stream", "-d", "application_name=other")
        self.start(data, port)
        self.sql("ALTER SYSTEM SET synchronous_standby_names = 'other'", "postgres")
        self.sql("SELECT pg_reload_conf()", "postgres")
        wait("synchronous standby", lambda: "sync" in self.sql(
            "SELECT sync_state FROM pg_stat_replication", "postgres").split())
        yield  # writes go to both
        old = self.data
        self.stop(old)
        self.run("pg_ctl", "-D", data, "-w", "promote")
        self.data, self.port = data, port
        self.sql("ALTER SYSTEM RESET synchronous_standby_names", "postgres")
        self.sql("SELECT pg_reload_conf()", "postgres")
        shutil.rmtree(old, True)

    def dsn(self):
        return ("host=%s,%s port=%d,%d user=rookery dbname=mesh target_session_attrs=read-write "
                "connect_timeout=5" % ((HUB, HUB) + PG_PORTS))


class Process:
    """One rookery run."""

    def __init__(self, i, pg, secrets=None):
        self.i, self.address = i, "10.77.0.1%d" % i
        self.dir = "%s/s%d" % (DIR, i)
        os.makedirs(self.dir, exist_ok=True)
        for name in ("store.key", "relay.secret"):
            if secrets:
                shutil.copy(secrets + "/" + name, self.dir)
        env = {k: v for k, v in os.environ.items() if not k.startswith(("NB_", "ROOKERY"))}
        self.env = dict(env, ROOKERY_LISTEN_ADDRESS="0.0.0.0:8080",
                        ROOKERY_EXPOSED_ADDRESS="http://%s:%d" % (HUB, BALANCED),
                        ROOKERY_DATA_DIR=self.dir, ROOKERY_STORE_ENGINE="postgres",
                        ROOKERY_STORE_DSN=pg.dsn(), ROOKERY_HEALTHCHECK_ADDRESS="0.0.0.0:9000",
                        ROOKERY_METRICS_PORT="0", ROOKERY_LOG_LEVEL=os.environ.get("HA_LOG", "info"))
        self.p = None

    def start(self, ready=True):
        self.log = open(self.dir + "/log", "ab")
        self.p = subprocess.Popen(["ip", "netns", "exec", "%s-s%d" % (NS, self.i), ROOKERY, "run"],
                                  env=self.env, stdout=self.log, stderr=self.log,
                                  stdin=subprocess.DEVNULL)
        if ready:
            wait("process %d" % self.i, self.ready)

    def ready(self):
        assert self.p.poll() is None, "process %d ended: %s" % (self.i, self.tail())
        try:
            return self.get(9000, "/readyz")[0] == 200
        except OSError:
            return False

    def setup(self):
        """Make the owner; an API token."""
        out = self.command("setup", "--json", "--owner-email", "owner@example.com")
        assert out.returncode == 0, out.stderr
        return json.loads(out.stdout)["api_token"]

    def get(self, port, path, timeout=5):
        c = http.client.HTTPConnection(self.address, port, timeout=timeout)
        c.request("GET", path)
        a = c.getresponse()
        return a.status, a.read().decode()

    def metrics(self):
        out = {}
        for line in self.get(9000, "/metrics")[1].splitlines():
            if line and line[0] != "#":
                name, value = line.rsplit(" ", 1)
                out[name] = float(value)
        return out

    def signal(self, sig):
        os.kill(self.p.pid, sig)

    def kill(self):
        self.p.kill()
        self.p.wait()

    def stop(self):
        self.p.terminate()
        try:
            assert self.p.wait(60) == 0, "process %d: status %d: %s" % (
                self.i, self.p.returncode, self.tail())
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("process %d does not end: %s" % (self.i, self.tail()))

    def cpu_s(self):
        with open("/proc/%d/stat" % self.p.pid) as f:
            part = f.read().rsplit(")", 1)[1].split()
        return (int(part[11]) + int(part[12])) / os.sysconf("SC_CLK_TCK")

    def command(self, *args):
        return subprocess.run(["ip", "netns", "exec", "%s-s%d" % (NS, self.i), ROOKERY, *args],
                              env=self.env, capture_output=True, text=True, timeout=120)

    def nft(self, *args):
        subprocess.run(["ip", "netns", "exec", "%s-s%d" % (NS, self.i), "nft", *args], check=True)

    def cut_database(self):
        """Packets to and from the database vanish; nothing is told to anybody."""
        self.nft("add table inet cut; add chain inet cut in { type filter hook input priority 0; };"
                 " add chain inet cut out { type filter hook output priority 0; };"
                 " add rule inet cut in tcp sport { 5432, 5433 } drop;"
                 " add rule inet cut out tcp dport { 5432, 5433 } drop")

    def heal_database(self):
        self.nft("delete table inet cut")

    def tail(self):
        try:
            with open(self.dir + "/log") as f:
                return "".join(f.readlines()[-15:])
        except OSError:
            return ""


def haproxy(addresses):
    path = DIR + "/haproxy.cfg"
    with open(path, "w") as f:
        f.write("""global
    maxconn 5000
defaults
    mode tcp
    timeout connect 1s
    timeout client 1h
    timeout server 1h
    timeout check 1s
    retries 3
    option redispatch
    default-server inter 300ms fall 2 rise 1 on-marked-down shutdown-sessions
listen mesh
    bind %s:%d
    balance roundrobin
    option httpchk GET /readyz
""" % (HUB, BALANCED))
        for i, a in enumerate(addresses):
            f.write("    server s%d %s:8080 check port 9000\n" % (i + 1, a))
    log = open(DIR + "/haproxy.log", "w")
    return subprocess.Popen(["haproxy", "-db", "-f", path], stdout=log, stderr=log,
                            stdin=subprocess.DEVNULL)


class Api:
    """REST at one address, by an owner's token."""

    def __init__(self, token, host=HUB, port=BALANCED):
        self.token, self.host, self.port = token, host, port
        self.age = None  # of the last answer: the process has no store, and says how old it is

    def call(self, method, path, body=None, timeout=10):
        """(status, answer); status 0: nobody knows whether it was done."""
        c = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            c.request(method, path, json.dumps(body) if body is not None else None,
                      {"Authorization": "Token " + self.token, "Content-Type": "application/json"})
            a = c.getresponse()
            text, self.age = a.read().decode(), a.getheader("Age")
            return a.status, json.loads(text) if text else None
        except (OSError, http.client.HTTPException, ValueError):
            return 0, None
        finally:
            c.close()

    def must(self, method, path, body=None):
        """Again while the service is away, or answers with what it had before its store went away."""
        last = [0, None]

        def done():
            last[:] = self.call(method, path, body)
            return last[0] == 200 and not self.age
        wait("%s %s: %s" % (method, path, last), done)
        return last[1]


class Crowd:
    """Agents that stay connected; see crowd.c."""

    def __init__(self, n, key, host=HUB, port=BALANCED):
        self.n = n
        self.p = subprocess.Popen([BUILD_DIR + "/tests/ha/crowd", host, str(port), str(n), key],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, line):
        self.p.stdin.write(line + "\n")
        self.p.stdin.flush()

    def ask(self, line):
        self.tell(line)
        return json.loads(self.p.stdout.readline())

    def dump(self):
        return self.ask("dump")

    def count(self, marker):
        return self.ask("count " + marker)

    def shuffle(self):
        self.tell("shuffle")

    def end(self):
        self.tell("quit")
        return self.p.wait(60)


def talk(sender, receiver, pairs, rate, seconds, size, *more):
    """Figures of talk.c between two processes."""
    r = subprocess.run([BUILD_DIR + "/tests/ha/talk", "%s:8080" % sender.address,
                        "%s:8080" % receiver.address, str(pairs), str(rate), str(seconds), str(size), *more],
                       capture_output=True, text=True, timeout=seconds + 120)
    assert r.returncode in (0, 3), r.stderr
    return json.loads(r.stdout)


def kill_group(process, sig=signal.SIGKILL):
    if process and process.poll() is None:
        process.send_signal(sig)
        process.wait()
