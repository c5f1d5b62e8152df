# SPDX-License-Identifier: BSD-3-Clause
"""Figures of two processes on one PostgreSQL, everything on one machine; prints one JSON line.
Started by tests/bench/run.sh ha hub AGENTS."""
import glob
import json
import os
import statistics
import sys
import time

from cluster import Api, Crowd, Postgres, Process, haproxy, talk, wait

AGENTS = int(sys.argv[1])
ROUNDS = int(os.environ.get("HA_BENCH_ROUNDS", 7))


def say(text):
    print(text, file=sys.stderr, flush=True)


def cpu_ns(p):
    """Of all threads of a process."""
    total = 0
    for path in glob.glob("/proc/%d/task/*/schedstat" % p.p.pid):
        try:
            with open(path) as f:
                total += int(f.read().split()[0])
        except OSError:
            pass
    return total


class Mesh:
    """Hub shape: everybody reaches the hubs only."""

    def __init__(self):
        self.pg = Postgres()
        self.a = Process(1, self.pg)
        self.a.start()
        token = self.a.setup()
        self.b = Process(2, self.pg, self.a.dir)
        self.b.start()
        self.proxy = haproxy([self.a.address, self.b.address])
        self.at = {p: Api(token, p.address, 8080) for p in (self.a, self.b)}
        api = self.api = self.at[self.a]
        self.all = [g for g in api.must("GET", "/api/groups") if g["name"] == "All"][0]["id"]
        for p in api.must("GET", "/api/policies"):
            api.must("DELETE", "/api/policies/" + p["id"])
        groups = [api.must("POST", "/api/groups", {"name": n})["id"] for n in ("hubs", "spokes")]
        api.must("POST", "/api/policies", {
            "name": "hub", "description": "", "enabled": True, "rules": [{
                "name": "hub", "enabled": True, "action": "accept", "bidirectional": True,
                "protocol": "all", "sources": [groups[1]], "destinations": [groups[0]]}]})
        self.keys = [api.must("POST", "/api/setup-keys", {
            "name": "k", "type": "reusable", "expires_in": 86400, "auto_groups": [g],
            "usage_limit": 0})["key"] for g in groups]
        self.group = groups[1]
        self.n = 0
        self.ns = api.must("POST", "/api/dns/nameservers", self.body("m0.test"))["id"]

    def body(self, marker):
        return {"name": "marker", "description": "", "enabled": True, "primary": False,
                "nameservers": [{"ip": "10.99.0.1", "ns_type": "udp", "port": 53}],
                "domains": [marker], "groups": [self.all], "search_domains_enabled": False}

    def change(self, at):
        """A change that every agent sees; (its name, when it was asked for)."""
        self.n += 1
        marker = "m%d.test" % self.n
        t0 = time.monotonic_ns()
        self.at[at].must("PUT", "/api/dns/nameservers/" + self.ns, self.body(marker))
        return marker, t0

    def crowd(self, n, **where):
        crowds = [Crowd(min(5, n), self.keys[0], **where), Crowd(max(n - 5, 1), self.keys[1], **where)]
        self.current(crowds)
        return crowds

    def current(self, crowds, marker=None):
        """Until all hold that change: when the last one got its map (monotonic ns)."""
        marker = marker or "m%d.test" % self.n
        got = []

        def there():
            got[:] = [c.count(marker) for c in crowds]
            return all(g["marked"] == c.n for g, c in zip(got, crowds))
        wait("all agents current", there, 600)
        return max(g["last_us"] for g in got) * 1000


def push_ms(m, crowds, at):
    out = []
    for _ in range(ROUNDS):
        time.sleep(2.6)  # longer than changes are collected
        marker, t0 = m.change(at)
        out.append((m.current(crowds, marker) - t0) / 1e6)
    return out


def failover_s(m, crowds):
    out = []
    for _ in range(3):
        time.sleep(4)
        m.b.kill()
        t0 = time.monotonic_ns()
        m.at[m.b] = m.at[m.a]
        marker, _ = m.change(m.a)
        out.append((m.current(crowds, marker) - t0) / 1e9)
        m.b.start()
        m.at[m.b] = Api(m.api.token, m.b.address, 8080)
        time.sleep(2)
        for c in crowds:  # spread over both again
            c.shuffle()
        m.current(crowds)
    return out


def follow_ms(m, changes=300):
    """CPU of b for each change that a makes, nobody connected to b."""
    m.at[m.b].must("GET", "/api/groups")
    time.sleep(3)
    c0 = cpu_ns(m.b)
    t0 = time.time()
    for i in range(changes):
        m.at[m.a].must("PUT", "/api/groups/" + m.group, {"name": "spokes %d" % i} |
                       ({} if True else {}))
    took = time.time() - t0
    time.sleep(1)
    busy = cpu_ns(m.b) - c0
    c0 = cpu_ns(m.b)
    time.sleep(took + 1)
    idle = cpu_ns(m.b) - c0
    return (busy - idle) / changes / 1e6


def main():
    m = Mesh()
    out = {"scenario": "ha", "shape": "hub", "agents": AGENTS}
    crowds = m.crowd(1000, host=m.b.address, port=8080)
    same, other = push_ms(m, crowds, m.b), push_ms(m, crowds, m.a)
    out["push_one_process_ms"] = round(statistics.median(same), 1)
    out["push_across_ms"] = round(statistics.median(other), 1)
    out["push_beyond_ms"] = round(out["push_across_ms"] - out["push_one_process_ms"], 1)
    for c in crowds:
        c.end()
    say(out)
    crowds = m.crowd(AGENTS)
    times = failover_s(m, crowds)
    out["failover_s"] = round(statistics.median(times), 2)
    out["failover_all_s"] = [round(t, 2) for t in times]
    say(out)
    for c in crowds:
        c.end()
    time.sleep(3)
    got = talk(m.a, m.b, 100, 1000, 10, 600)
    out["signal_p50_ms"], out["signal_p99_ms"] = got["p50_ms"], got["p99_ms"]
    out["signal_lost"] = got["lost"]
    out["signal_sustained_per_s"] = 0
    for rate in (2000, 5000, 10000, 20000):
        got = talk(m.a, m.b, 100, rate, 6, 600)
        say(got)
        if got["lost"] or got["refused"] or got["sent"] < rate * 6 * 0.98 or got["p99_ms"] > 1000:
            break
        out["signal_sustained_per_s"] = rate
        out["signal_sustained_p99_ms"] = got["p99_ms"]
    peers = int(os.environ.get("HA_BENCH_PEERS", 10000))
    have = len(m.api.must("GET", "/api/peers"))
    if peers > have:
        crowds = [Crowd(peers - have, m.keys[1], host=m.a.address, port=8080)]
        m.current(crowds)
        crowds[0].end()
    out["follow_peers"] = len(m.api.must("GET", "/api/peers"))
    out["follow_cpu_ms"] = round(follow_ms(m), 3)
    f = m.b.metrics()
    out["follow_reloads"] = f['rookery_cluster_follow_total{way="reload"}']
    print(json.dumps(out), flush=True)
    for p in (m.a, m.b):
        p.stop()
    m.pg.stop(m.pg.data)


main()
