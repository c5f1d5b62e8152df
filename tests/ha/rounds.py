# SPDX-License-Identifier: BSD-3-Clause
"""Rounds of faults against two or three processes; see rounds.sh. The seed is printed: HA_SEED."""
import os
import random
import signal
import subprocess
import sys
import threading
import time

from cluster import Api, Crowd, Postgres, Process, haproxy, kill_group, wait

ROUNDS = int(sys.argv[1])
SEED = int(os.environ.get("HA_SEED", time.time()))
AGENTS = int(os.environ.get("HA_AGENTS", 40))
PAUSE_S = float(os.environ.get("HA_PAUSE", 20))
SETTLE_S = 120  # a loaded machine; what is right comes within a second or two
rng = random.Random(SEED)
t0 = time.time()


def say(text):
    print("%7.1f %s" % (time.time() - t0, text), flush=True)


class Writer(threading.Thread):
    """Changes something all the time, and notes what was acknowledged."""

    def __init__(self, api, n, group_all):
        super().__init__(daemon=True)
        self.api, self.n, self.all = api, n, group_all
        self.on, self.idle = threading.Event(), threading.Event()
        self.acked = self.unknown = self.count = 0
        self.groups = {}       # name -> id, acknowledged
        self.maybe = set()     # names nobody knows of
        self.gone = set()      # acknowledged deletions
        self.marker = None     # last acknowledged
        self.markers = []      # tried since
        self.ns = None
        self.wrong = []
        self.rng = random.Random(SEED * 100 + n)

    def body(self, marker):
        return {"name": "marker", "description": "", "enabled": True, "primary": False,
                "nameservers": [{"ip": "10.99.0.1", "ns_type": "udp", "port": 53}],
                "domains": [marker], "groups": [self.all], "search_domains_enabled": False}

    def note(self, status, ok, path):
        if status == 200:
            ok()
            self.acked += 1
            return
        self.unknown += 1
        # what clients may not be told: that something is not there, or not allowed
        if status not in (0, 429, 500, 502, 503, 504):
            self.wrong.append("%s: status %d" % (path, status))

    def mark(self):
        self.count += 1
        name = "m%d.test" % self.count
        self.markers.append(name)

        def ok():
            self.marker = name
            self.markers = []
        path = "/api/dns/nameservers/" + self.ns
        self.note(self.api.call("PUT", path, self.body(name))[0], ok, "PUT " + path)

    def group(self):
        self.count += 1
        name = "w%d-%d" % (self.n, self.count)
        status, answer = self.api.call("POST", "/api/groups", {"name": name})

        def ok():
            self.groups[name] = answer["id"]
        if status != 200:
            self.maybe.add(name)
        self.note(status, ok, "POST /api/groups")

    def drop(self):
        name = self.rng.choice(sorted(self.groups))
        gid = self.groups.pop(name)
        self.maybe.add(name)
        path = "/api/groups/" + gid
        status, _ = self.api.call("DELETE", path)

        def ok():
            self.maybe.discard(name)
            self.gone.add(name)
        self.note(status, ok, "DELETE " + path)

    def run(self):
        while True:
            if not self.on.is_set():
                self.idle.set()
                self.on.wait()
            what = self.rng.random()
            if self.ns and what < 0.5:
                self.mark()
            elif len(self.groups) > 12 and what < 0.75:
                self.drop()
            else:
                self.group()
            time.sleep(0.01)

    def go(self):
        self.idle.clear()
        self.on.set()

    def pause(self):
        self.on.clear()
        assert self.idle.wait(60), "the writer hangs"


class Rounds:
    def __init__(self):
        self.pg = Postgres()
        self.processes = []
        first = Process(1, self.pg)
        first.start()
        self.token = first.setup()
        self.processes = [first]
        for i in (2, 3):
            p = Process(i, self.pg, first.dir)
            p.start()
            self.processes.append(p)
        self.proxy = haproxy([p.address for p in self.processes])
        self.api = Api(self.token)
        self.group_all = [g for g in self.api.must("GET", "/api/groups") if g["name"] == "All"][0]
        self.key = self.api.must("POST", "/api/setup-keys", {
            "name": "crowd", "type": "reusable", "expires_in": 86400, "auto_groups": [],
            "usage_limit": 0})["key"]
        self.crowds = [Crowd(AGENTS, self.key)]
        self.writers = [Writer(Api(self.token), i, self.group_all["id"]) for i in range(2)]
        marker = self.writers[0]
        marker.ns = self.api.must("POST", "/api/dns/nameservers", marker.body("m0.test"))["id"]
        marker.marker = "m0.test"
        for w in self.writers:
            w.start()

    # ---- faults: each leaves everything running again

    def kill(self):
        p = rng.choice(self.processes)
        p.kill()
        time.sleep(rng.uniform(0.2, 2))
        p.start(ready=False)

    def kill_all_but_one(self):
        stay = rng.choice(self.processes)
        for p in self.processes:
            if p is not stay:
                p.kill()
        time.sleep(rng.uniform(0.2, 2))
        for p in self.processes:
            if p is not stay:
                p.start(ready=False)

    def pause(self):
        p = rng.choice(self.processes)
        p.signal(signal.SIGSTOP)
        time.sleep(PAUSE_S)
        p.signal(signal.SIGCONT)

    def cut_connections(self):
        for _ in range(3):
            self.pg.cut_all()
            time.sleep(rng.uniform(0.1, 1))

    def restart_database(self):
        self.pg.restart()

    def promote_standby(self):
        for _ in self.pg.promote():
            time.sleep(1)

    def cut_network(self):
        p = rng.choice(self.processes)
        p.cut_database()
        time.sleep(rng.uniform(5, 15))
        p.heal_database()

    def end_in_order(self):
        p = rng.choice(self.processes)
        p.stop()
        p.start(ready=False)

    # ---- what must hold

    def agents(self):
        """States of all agents, with what no agent may ever have seen checked."""
        all_agents = []
        for c in self.crowds:
            d = c.dump()
            for what in ("backwards", "moved", "refused"):
                assert d[what] == 0, "%s: %d (%s)" % (what, d[what], d["last_refusal"])
            all_agents += d["agents"]
        return all_agents

    def marker_now(self):
        w = self.writers[0]
        got = self.api.must("GET", "/api/dns/nameservers/" + w.ns)["domains"][0]
        assert got == w.marker or got in w.markers, "marker %s: acknowledged %s, tried %s" % (
            got, w.marker, w.markers)
        w.marker, w.markers = got, []
        return got

    def all_current(self, marker):
        """Every agent is connected, has the last acknowledged change, and knows all others."""
        last = [""]

        def current():
            agents = self.agents()
            bad = [a for a in agents if not a["up"] or a["marker"] != marker or
                   a["peers"] != len(agents) - 1]
            last[0] = "%d of %d are not current: %s; marker %s" % (len(bad), len(agents), bad[:2], marker)
            return not bad and agents
        try:
            return wait("agents", current, SETTLE_S)
        except AssertionError as e:
            raise AssertionError("%s: %s" % (e, last[0]))

    def check_groups(self, api, where):
        status, got = api.call("GET", "/api/groups")
        if status != 200:
            return "%s: GET /api/groups: %d" % (where, status)
        names = [g["name"] for g in got]
        if len(set(names)) != len(names):
            return "%s: names twice" % where
        for w in self.writers:
            lost = [n for n in w.groups if n not in names]
            if lost:
                return "%s: acknowledged and lost: %s" % (where, lost[:5])
            back = [n for n in w.gone if n in names]
            if back:
                return "%s: deleted and back: %s" % (where, back[:5])
        return None

    def check_peers(self, api, where, agents):
        status, got = api.call("GET", "/api/peers")
        if status != 200:
            return "%s: GET /api/peers: %d" % (where, status)
        for what in ("ip", "dns_label"):
            values = [p[what] for p in got]
            if len(set(values)) != len(values):
                return "%s: %s twice" % (where, what)
        if len(got) != len(agents):
            return "%s: %d peers, %d agents" % (where, len(got), len(agents))
        by_ip = {a["ip"].split("/")[0]: a for a in agents}
        for p in got:
            if p["ip"] not in by_ip:
                return "%s: nobody has %s" % (where, p["ip"])
            if not p["connected"]:
                return "%s: %s is shown disconnected" % (where, p["name"])
        return None

    def check_marker(self, api, where, marker):
        status, got = api.call("GET", "/api/dns/nameservers/" + self.writers[0].ns)
        if status != 200 or got["domains"] != [marker]:
            return "%s: marker %s, not %s" % (where, got and got.get("domains"), marker)
        return None

    def check(self):
        for w in self.writers:
            w.pause()
        for p in self.processes:
            wait("process %d ready" % p.i, p.ready, SETTLE_S)
        marker = self.marker_now()
        agents = self.all_current(marker)
        current_s = time.time()
        for p in self.processes:
            api, last = Api(self.token, p.address, 8080), [None]
            where = "process %d" % p.i

            def right():
                last[0] = (self.check_groups(api, where) or self.check_marker(api, where, marker) or
                           self.check_peers(api, where, agents))
                return last[0] is None
            try:
                wait("right", right, SETTLE_S)
            except AssertionError:
                raise AssertionError(last[0])
        for w in self.writers:
            assert not w.wrong, w.wrong[:3]
            w.maybe = {n for n in w.maybe if n not in w.gone}
        return current_s

    def journal(self):
        out = self.processes[0].command("admin", "journal", "verify")
        assert out.returncode == 0, out.stdout + out.stderr

    def round(self, fault):
        for w in self.writers:
            w.go()
        time.sleep(rng.uniform(0.2, 0.8))
        newcomers = Crowd(2, self.key)
        self.crowds.append(newcomers)
        began = time.time()
        fault()
        healed = time.time()
        time.sleep(rng.uniform(0.1, 0.5))
        current = self.check()
        say("%-18s fault %5.1f s, current %5.1f s later; %d acknowledged, %d unknown" % (
            fault.__name__, healed - began, current - healed, sum(w.acked for w in self.writers),
            sum(w.unknown for w in self.writers)))
        gone = rng.choice(self.crowds[1:])
        if len(self.crowds) > 4:  # some leave for good
            self.leave(gone)

    def leave(self, crowd):
        """Disconnected is shown everywhere, then the peers are deleted."""
        keys = {a["ip"].split("/")[0] for a in crowd.dump()["agents"]}
        crowd.end()
        self.crowds.remove(crowd)
        ids = []
        for p in self.processes:
            api = Api(self.token, p.address, 8080)

            def left():
                status, got = api.call("GET", "/api/peers")
                if status != 200:
                    return False
                ids[:] = [x["id"] for x in got if x["ip"] in keys]
                return all(not x["connected"] for x in got if x["ip"] in keys)
            wait("process %d shows who left" % p.i, left, SETTLE_S)
        for i in ids:
            assert self.api.call("DELETE", "/api/peers/" + i)[0] in (0, 200, 404)
            wait("peer deleted", lambda: self.api.call("GET", "/api/peers/" + i)[0] == 404, SETTLE_S)

    def faults(self):
        """All kinds in turn, in another order each time; the long ones not more often than others."""
        kinds = [self.kill, self.kill_all_but_one, self.cut_connections, self.restart_database,
                 self.promote_standby, self.cut_network, self.pause, self.end_in_order]
        only = os.environ.get("HA_ONLY")
        if only:
            kinds = [k for k in kinds if k.__name__ in only.split(",")]
        quick = [k for k in kinds if k not in (self.pause, self.cut_network)] or kinds
        n = 0
        while n < ROUNDS:
            batch = kinds if n == 0 or ROUNDS > 40 else quick
            for k in rng.sample(batch, len(batch)):
                if n < ROUNDS:
                    yield k
                n += 1

    def end(self):
        for c in self.crowds:
            c.end()
        for p in self.processes:
            p.stop()
        kill_group(self.proxy)
        self.pg.stop(self.pg.data)


def main():
    say("seed %d, %d rounds, %d agents" % (SEED, ROUNDS, AGENTS))
    r = Rounds()
    for w in r.writers:
        w.go()
    r.check()
    say("all are there")
    fault = None
    try:
        for n, fault in enumerate(r.faults()):
            r.round(fault)
            if n % 5 == 4:
                r.journal()
        r.journal()
        r.end()
    except (AssertionError, subprocess.SubprocessError) as e:
        say("FAILED after %s: %s" % (fault and fault.__name__, e))
        for p in r.processes:
            print("--- process %d\n%s" % (p.i, p.tail()))
        sys.exit(1)
    say("%d rounds: %d changes acknowledged, none lost" % (ROUNDS, sum(w.acked for w in r.writers)))


main()
