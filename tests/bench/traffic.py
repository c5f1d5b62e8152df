#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""CPU time of the server for each traffic event that it takes, stores and acknowledges:
traffic.py ./rookery [EVENTS [MACHINES]]. One JSON line. The machines' messages are made before the time
is taken; what the generator needs of the processors is not in the figure."""
import json
import multiprocessing
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "func"))
import grpc  # noqa: E402
from rookery import Server  # noqa: E402
from traffic_peer import Machine, Stream, event, settings  # noqa: E402

EVENTS = int(sys.argv[2]) if len(sys.argv) > 2 else 200000
MACHINES = int(sys.argv[3]) if len(sys.argv) > 3 else 4
PATIENCE = 600


def cpu(pid):
    with open("/proc/%d/stat" % pid) as f:
        v = f.read().rsplit(")", 1)[1].split()
    return (int(v[11]) + int(v[12])) / os.sysconf("SC_CLK_TCK")


def sender(port, signature, payload, key, a, b, n, ready, begin, out):
    messages = [event(key, a, b, ports=(1024 + i % 60000, 443)) for i in range(n)]
    st = Stream(grpc.insecure_channel("127.0.0.1:%d" % port), signature, payload)
    ready.release()
    begin.wait(PATIENCE)
    st.send(*messages)
    for _ in range(n):
        next(st.call)
    out.put(n)


def main():
    s = Server(ROOKERY_FLOW="true", ROOKERY_LOG_LEVEL="info")
    s.setup()
    key = json.loads(s.api("POST", "/api/setup-keys", {
        "name": "k", "type": "reusable", "expires_in": 86400, "auto_groups": [], "usage_limit": 0})[1])["key"]
    code, body, _ = settings(s, network_traffic_logs_enabled=True)
    assert code == 200, body
    channel, seen = grpc.insecure_channel("127.0.0.1:%d" % s.port), []
    for i in range(MACHINES):
        m = Machine(s, channel, key, "m%d" % i)
        m.told(1)
        seen.append((m.config["signature"], m.config["payload"], m.key, m.ip))
    spawn = multiprocessing.get_context("spawn")
    ready, begin, out = spawn.Semaphore(0), spawn.Event(), spawn.Queue()
    each = EVENTS // MACHINES
    senders = [spawn.Process(target=sender, args=(s.port, *m, seen[(i + 1) % MACHINES][3], each, ready, begin,
                                                  out)) for i, m in enumerate(seen)]
    for p in senders:
        p.start()
    for p in senders:
        assert ready.acquire(timeout=PATIENCE)
    c0, t0 = cpu(s.p.p.pid), time.time()
    begin.set()
    acked = sum(out.get(timeout=PATIENCE) for _ in senders)
    c, t = cpu(s.p.p.pid) - c0, time.time() - t0
    for p in senders:
        p.join()
    code, body = s.api("GET", "/api/events/network-traffic?page_size=1")
    kept = json.loads(body)["total_records"]
    s.p.stop()
    print(json.dumps({"events": acked, "kept": kept, "machines": MACHINES, "wall_s": round(t, 2),
                      "server_cpu_s": round(c, 2), "per_second": round(acked / t),
                      "per_core": round(acked / c), "us_each": round(c / acked * 1e6, 1)}))
    return 0 if kept == acked else 1


if __name__ == "__main__":
    sys.exit(main())
