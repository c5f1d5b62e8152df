# SPDX-License-Identifier: BSD-3-Clause
"""The database goes away, comes back, and moves to another host: away.py ROOKERY"""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from two import DSN, EMAIL, check, pair, server, sql, wait  # noqa: E402
import grpc  # noqa: E402
from idp_client import Browser, Flow  # noqa: E402
from mgmt_peer import Agent, Code, status  # noqa: E402
from proc import finish, get  # noqa: E402

BIN = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
DATA = os.environ["RK_TEST_PG_DATA"]
SOCKET = os.path.dirname(DATA)


def as_postgres(*args, check=True):
    who = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--init-groups"]
    return subprocess.run((who if os.getuid() == 0 else []) + [BIN + "/" + args[0], *args[1:]],
                          cwd="/", check=check, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def pg_start(data, socket):
    as_postgres("pg_ctl", "-D", data, "-w", "-t", "120", "-l", data + ".log", "-o",
                "-c listen_addresses= -c unix_socket_directories=%s -c max_connections=200" % socket,
                "start")


def pg_stop(data):
    as_postgres("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


def write(s):
    began = time.time()
    code, body = s.api("POST", "/api/groups", {"name": "g%f" % time.time()})
    return code, time.time() - began, body


class Stream(threading.Thread):
    """An agent that stays connected; counts its maps."""

    def __init__(self, s, key=None, agent=None):
        super().__init__(daemon=True)
        self.agent = Agent(channel(s), agent and agent.key)
        if not agent:
            self.agent.login(key=key)
        self.call = self.agent.sync(timeout=None)
        self.maps, self.ended = 0, None
        self.start()

    def run(self):
        try:
            for _ in self.call:
                self.maps += 1
            self.ended = "in order"
        except grpc.RpcError as e:
            self.ended = e.code()


def channel(s):
    return grpc.insecure_channel("127.0.0.1:%d" % s.port, [("grpc.use_local_subchannel_pool", 1)])


def setup_key(s):
    code, body = s.api("POST", "/api/setup-keys", {
        "name": "k", "type": "reusable", "expires_in": 86400, "auto_groups": [], "usage_limit": 0})
    assert code == 200, body
    return json.loads(body)["key"]


def connected(s):
    return [p["connected"] for p in json.loads(s.api("GET", "/api/peers")[1])]


def age(s):
    a = Browser(s.port).send("GET", "/api/groups", headers={"Authorization": "Token " + s.token})
    return a.status, a.headers.get("Age")


def signed_in(s):
    """An access token of the owner."""
    r = s.command("admin", "user", "set-password", "--email", EMAIL, "--password", "Correct-Horse7!")
    assert r.returncode == 0, r.stderr
    b, f = Browser(s.port), Flow(scope="openid")
    page = b.get("/oauth2/auth", **f.params())
    code = b.submit(page, login=EMAIL, password="Correct-Horse7!").query()["code"]
    return f.redeem(b, code).json()["access_token"]


def bearer(s, jwt):
    a = Browser(s.port).send("GET", "/api/groups", headers={"Authorization": "Bearer " + jwt})
    return a.status, a.headers.get("Age")


def outage(a, b):
    key = setup_key(a)
    st = Stream(b, key)
    wait("the agent has its map", lambda: st.maps)
    wait("both know that it is connected", lambda: connected(a) == connected(b) == [True])
    check("answers that are fresh do not speak of age", age(a) == (200, None), age(a))
    jwt = signed_in(a)
    check("somebody who is signed in reads", [bearer(s, jwt)[0] for s in (a, b)] == [200, 200])
    pg_stop(DATA)
    for s, name in ((a, "first"), (b, "second")):
        wait("%s: not healthy" % name, lambda s=s: get(s.metrics, "/health")[0] == 503)
        code, body = get(s.metrics, "/readyz")
        body = json.loads(body)
        check("%s: stays in the balancer, and says what is missing" % name,
              code == 200 and body["status"] == "degraded" and body["reason"] and
              "signal" in body["serving"] and "changes" not in body["serving"], body)
        got = age(s)
        check("%s: reads answer and say how old they are" % name, got[0] == 200 and
              int(got[1] or 0) >= 1, got)
        got = bearer(s, jwt)
        check("%s: also for those who are signed in" % name, got[0] == 200 and got[1], got)
        tries = [write(s) for _ in range(5)]
        check("%s: writes are 503" % name, {t[0] for t in tries} == {503}, tries)
        check("%s: at once" % name, sum(t[1] for t in tries) < 10, tries)
        got = status(lambda s=s: Agent(channel(s)).login(key=key))
        check("%s: an agent that enrols hears UNAVAILABLE" % name, got[0] == Code.UNAVAILABLE, got)
        got = status(lambda s=s: Agent(channel(s)).login())
        check("%s: one that nobody knows, too" % name, got[0] == Code.UNAVAILABLE, got)
    got = status(lambda: Agent(channel(a), st.agent.key).first_map())
    check("a known one gets its map, or UNAVAILABLE", got[0] in (Code.OK, Code.UNAVAILABLE), got)
    time.sleep(8)  # longer than others wait before they call a process dead
    check("the connected stream stays", st.ended is None, st.ended)
    began = time.time()
    pg_start(DATA, SOCKET)
    up = time.time()
    wait("writes work again", lambda: write(a)[0] == 200 and write(b)[0] == 200)
    print("     started in %.1f s; writes again %.1f s later" % (up - began, time.time() - up))
    wait("healthy", lambda: all(get(s.metrics, "/health")[0] == 200 for s in (a, b)))
    wait("nobody was declared dead meanwhile, or all came back",
         lambda: len(json.loads(a.command("admin", "cluster", "--json").stdout)) == 2)
    wait("presence is right again on both", lambda: connected(a) == connected(b) == [True])
    maps = st.maps
    got = status(lambda: Agent(channel(a)).login(key=key))
    check("another one enrols at the first", got[0] == Code.OK, got)
    wait("reaches the stream at the other", lambda: st.maps > maps)
    check("which has never ended", st.ended is None, st.ended)
    st.call.cancel()
    wait("and is shown as gone by both", lambda: not any(connected(a) + connected(b)))


def cut_connections(a, b):
    """News that went with a connection: the other process follows all the same, without a next
    change."""
    key = setup_key(a)
    st = Stream(b, key)
    wait("a map", lambda: st.maps)
    for i in range(4):
        before = st.maps
        sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> "
            "pg_backend_pid() AND application_name LIKE 'rookery%'")
        other = Agent(channel(a))
        wait("enrols", lambda other=other: status(lambda: other.login(key=key))[0] == Code.OK)
        wait("round %d: the stream at the other process hears of it" % i,
             lambda before=before: st.maps > before)
    check("without an end of the stream", st.ended is None, st.ended)
    st.call.cancel()


def fail_over(a, b):
    """Two hosts in the DSN, the first one a standby; then the primary dies."""
    folder = tempfile.mkdtemp(prefix="rookery-standby-")
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    os.chmod(folder, 0o755)
    as_postgres("pg_basebackup", "-h", SOCKET, "-U", "rookery", "-D", folder + "/data", "-R", "-X",
                "stream", "-c", "fast")
    os.chmod(folder + "/data", 0o700)
    pg_start(folder + "/data", folder)
    b.p.stop()
    a.p.stop()
    for s in (a, b):
        s.env["ROOKERY_STORE_DSN"] = DSN.replace("host=" + SOCKET, "host=%s,%s" % (folder, SOCKET))
        s.start()
    check("the host that takes writes is found behind a standby", write(a)[0] == write(b)[0] == 200)
    wait("the standby has it", lambda: sql(
        "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()") == "1")
    pg_stop(DATA)
    as_postgres("pg_ctl", "-D", folder + "/data", "-w", "promote")
    began = time.time()
    wait("both follow the fail-over", lambda: write(a)[0] == write(b)[0] == 200)
    print("     %.1f s after the promotion" % (time.time() - began))
    b.p.stop()
    a.p.stop()
    pg_stop(folder + "/data")
    shutil.rmtree(folder, True)


def main():
    a, b = pair()
    outage(a, b)
    cut_connections(a, b)
    fail_over(a, b)
    finish()


if __name__ == "__main__":
    main()
