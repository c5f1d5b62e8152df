# SPDX-License-Identifier: BSD-3-Clause
"""Traffic events (flow.FlowService): who is asked to record, what is stored, how it is read."""
import atexit
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid

try:
    import grpc
    import nacl.public  # noqa: F401 (mgmt_peer needs it)
except ImportError as e:
    print("SKIPPED: no %s" % e.name)
    sys.exit(77)

import overheard
from mgmt_peer import Code, status
from proc import Program, check, clean_env, finish, free_port
from rookery import Server
from traffic_peer import DROP, EVENTS, PATIENCE, Machine, Stream, event, number, settings


def listed(s, query=""):
    code, body = s.api("GET", "/api/events/network-traffic" + query)
    assert code == 200, body
    return json.loads(body)


def switched_off():
    s = Server()
    s.setup()
    code, body, _ = settings(s, network_traffic_logs_enabled=True)
    check("without x.flow the setting is refused", code == 422 and "server.x.flow" in body, body)
    check("... and the list is empty", listed(s)["total_records"] == 0)
    channel = grpc.insecure_channel("127.0.0.1:%d" % s.port)
    st = Stream(channel, "a", "b")
    check("... and nobody takes events", st.call.code() == Code.UNIMPLEMENTED, st.call.code())
    s.p.stop()


def management_alone():
    """rookery-management has it, too, when it knows where agents shall bring them."""
    program = os.path.join(os.path.dirname(os.path.abspath(sys.argv[1])), "rookery-management")
    folder, port = tempfile.mkdtemp(prefix="rookery-traffic-"), free_port()
    atexit.register(shutil.rmtree, folder, True)
    args = [program, "--config", "none", "--listen-address", "127.0.0.1:%d" % port, "--datadir", folder,
            "--health-listen-address", "", "--legacy-port", "0", "--signal", "http://localhost:1", "--flow",
            "--export-file", folder + "/events.jsonl", "--export-events", "audit"]
    r = subprocess.run(args, env=clean_env(), capture_output=True, text=True, timeout=300)
    check("--flow alone is refused", r.returncode != 0 and "--exposed-address" in r.stderr, r.stderr)
    p = Program(args + ["--exposed-address", "http://localhost:%d" % port, "--setup-open", "--setup-pat"], port)
    s = Server(start=False)
    s.port = port
    body = json.dumps({"email": "owner@example.com", "password": "Long-enough-1", "name": "Owner",
                       "create_pat": True})
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    c.request("POST", "/api/setup", body, {"Content-Type": "application/json"})
    answer = json.loads(c.getresponse().read())
    s.token = answer["personal_access_token"]
    code, body, _ = settings(s, network_traffic_logs_enabled=True)
    check("management alone takes the setting", code == 200, body)
    st = Stream(grpc.insecure_channel("127.0.0.1:%d" % port), "a", "b")
    check("... and events of those who may", st.call.code() == Code.UNAUTHENTICATED, st.call.code())
    code, body = s.api("POST", "/api/groups", {"name": "told", "peers": []})
    check("... and brings events to a file", until(
        lambda: os.path.exists(folder + "/events.jsonl") and '"told"' in open(folder + "/events.jsonl").read()))
    p.stop()


def until(condition):
    end = time.time() + PATIENCE
    while not condition() and time.time() < end:
        time.sleep(0.05)
    return condition()


def store_begun_anew(s, a, b, path):
    """With the server stopped the file of events can be deleted: receivers get what comes then."""
    st = Stream(grpc.insecure_channel("127.0.0.1:%d" % s.port), a.config["signature"],
                a.config["payload"])
    told = lambda: [json.loads(l)["flow_id"] for l in open(path)] if os.path.exists(path) else []

    def more():  # what was before it knew its place is not told
        st.send(event(a.key, a.ip, b.ip))
        st.acks(1)
        return told()

    check("a receiver gets events", until(more))
    s.p.stop()
    for f in (s.db + ".traffic", s.db + ".traffic-wal", s.db + ".traffic-shm"):
        if os.path.exists(f):
            os.remove(f)
    s.start()
    check("... the list is empty then", listed(s)["total_records"] == 0)  # loads the account, too
    st = Stream(grpc.insecure_channel("127.0.0.1:%d" % s.port), a.config["signature"],
                a.config["payload"])
    flow = uuid.uuid4().bytes
    st.send(event(a.key, a.ip, b.ip, flow=flow))
    st.acks(1)
    check("... of a store that was begun anew, too", until(lambda: flow.hex() in told()), told()[-1:])


def main():
    switched_off()
    management_alone()
    pg = {}
    if sys.argv[2:] == ["pg"]:
        pg = {"ROOKERY_STORE_ENGINE": "postgres", "ROOKERY_STORE_DSN": os.environ["RK_TEST_PG"]}
    folder = tempfile.mkdtemp(prefix="rookery-traffic-")
    atexit.register(shutil.rmtree, folder, True)
    s = Server(ROOKERY_FLOW="true", ROOKERY_FLOW_INTERVAL="2s", ROOKERY_EXPORT_EVENTS="traffic",
               ROOKERY_EXPORT_FILE=folder + "/events.jsonl", **pg)
    s.setup()
    key = json.loads(s.api("POST", "/api/setup-keys", {
        "name": "k", "type": "reusable", "expires_in": 86400, "auto_groups": [],
        "usage_limit": 0})[1])["key"]
    overheard.remember(key, "setup key")
    channel = grpc.insecure_channel("127.0.0.1:%d" % s.port)
    a, b = Machine(s, channel, key, "alpha"), Machine(s, channel, key, "beta")
    check("the configuration names us and is off at first", a.config and not a.config["enabled"] and
          a.config["url"] == "http://localhost:%d" % s.port and a.config["interval"] == 2, a.config)
    overheard.remember(a.config["signature"], "traffic token")

    # Who records: the account's setting, and its groups.
    code, body, account = settings(s, network_traffic_logs_enabled=True,
                                   network_traffic_packet_counter_enabled=True)
    check("recording is switched on", code == 200 and
          json.loads(body)["settings"]["extra"]["network_traffic_logs_enabled"], body)
    check("agents are told at once", a.told(1) and b.told(1) and a.config["counters"] == 1)
    ids = {p["name"]: p["id"] for p in json.loads(s.api("GET", "/api/peers")[1])}
    code, body = s.api("POST", "/api/groups", {"name": "recorded", "peers": [ids["beta"]]})
    group = json.loads(body)["id"]
    code, body, _ = settings(s, network_traffic_logs_groups=["no-such-group"])
    check("an unknown group is refused", code == 422 and "no-such-group" in body, body)
    code, body, _ = settings(s, network_traffic_logs_groups=[group])
    check("groups limit it", code == 200 and a.told(0), body)
    code, body = s.api("DELETE", "/api/groups/" + group)
    check("a group that limits it is not deleted", code != 200 and "traffic logs" in body, body)
    code, body = s.api("PUT", "/api/groups/" + group, {"name": "recorded",
                                                       "peers": [ids["alpha"], ids["beta"]]})
    check("a machine that joins the group is told", a.told(1))

    # Tokens.
    t = a.config
    for what, sig, payload in (("a wrong signature", "x" * 43, t["payload"]),
                               ("no signature", "", t["payload"]),
                               ("another machine's name", t["signature"], b.config["payload"]),
                               ("a later expiry", t["signature"], t["payload"] + "0")):
        st = Stream(channel, sig, payload)
        check("%s is refused" % what, st.call.code() == Code.UNAUTHENTICATED, st.call.code())
    check("no authorization at all is refused",
          status(lambda: channel.stream_stream(EVENTS)(iter([number(5, 1)]), timeout=PATIENCE))[0]
          == Code.UNAUTHENTICATED)

    # Taken, acknowledged, kept once.
    st = Stream(channel, t["signature"], t["payload"])
    check("headers come before any event", len(st.headers) > 0, st.headers)
    flow, first = uuid.uuid4().bytes, uuid.uuid4().bytes
    now = time.time()
    one = event(a.key, a.ip, b.ip, id=first, flow=flow, rule="no-policy", at=now,
                window=(now - 2, now))
    st.send(one)
    check("an event is acknowledged", st.acks(1) == [first])
    st.send(one, one)
    check("... and again when it comes again", st.acks(2) == [first, first])
    st.send(event(a.key, a.ip, b.ip, flow=flow, counts=(0, 1, 0), at=now + 2,
                  window=(now, now + 2)))
    st.acks(1)
    l = listed(s)
    check("it is one flow", l["total_records"] == 1 and len(l["data"]) == 1, l)
    d = l["data"][0]
    check("... with both ends by name", d["source"]["name"] == "alpha" and
          d["destination"]["name"] == "beta" and d["source"]["type"] == "PEER" and
          d["source"]["id"] == ids["alpha"] and d["source"]["address"] == a.ip + ":40000" and
          d["destination"]["address"] == b.ip + ":443", d)
    check("... its counts summed up", (d["rx_packets"], d["tx_packets"], d["rx_bytes"],
          d["tx_bytes"], d["num_of_starts"], d["num_of_ends"]) == (20, 40, 2000, 4000, 1, 1), d)
    check("... and its events in order", [e["type"] for e in d["events"]] ==
          ["TYPE_START", "TYPE_END"], d["events"])
    check("the window spans both messages", d["window_start"] < d["window_end"], d)

    # Kinds of events: old agents, ICMP, drops, resources, other families.
    st.send(event(a.key, a.ip, "192.0.2.7", kind=DROP, counts=(0, 0, 0), direction=1),
            event(a.key, a.ip, b.ip, proto=1, ports=(8, 0)),
            event(a.key, "fd00::1", "fd00::2", proto=17, ports=(53, 53)),
            event(a.key, a.ip, "192.0.2.9", resource="no-such-resource"))
    st.acks(4)
    check("drops are found by type", [x["num_of_drops"] for x in listed(s, "?type=TYPE_DROP")["data"]]
          == [1])
    check("... starts too", listed(s, "?type=TYPE_START")["total_records"] == 4)
    check("by protocol", [x["icmp"] for x in listed(s, "?protocol=1")["data"]] ==
          [{"type": 8, "code": 0}])
    check("by direction", listed(s, "?direction=INGRESS")["total_records"] == 1)
    check("by way", (listed(s, "?connection_type=P2P")["total_records"],
                     listed(s, "?connection_type=ROUTED")["total_records"]) == (2, 3))
    check("by ends", listed(s, "?source_id=" + ids["alpha"])["total_records"] == 4 and
          listed(s, "?destination_id=" + ids["beta"])["total_records"] == 2)
    check("by who reports", listed(s, "?reporter_id=" + ids["beta"])["total_records"] == 0)
    check("by time", listed(s, "?end_date=2020-01-01T00:00:00Z")["total_records"] == 0 and
          listed(s, "?start_date=2020-01-01T00:00:00Z")["total_records"] == 5)
    check("by text", (listed(s, "?search=BET")["total_records"],
                      listed(s, "?search=192.0.2")["total_records"],
                      listed(s, "?search=nothing")["total_records"]) == (2, 2, 0))
    l = listed(s, "?page=2&page_size=2")
    check("page by page", (len(l["data"]), l["page"], l["total_pages"]) == (2, 2, 3), l)
    for q in ("type=START", "direction=up", "page=0", "page_size=0", "page_size=50001",
              "protocol=256", "start_date=soon", "connection_type=both"):
        code, body = s.api("GET", "/api/events/network-traffic?" + q)
        check("%s is refused" % q, code == 422 and q.split("=")[0] in body, body)

    flow = uuid.uuid4().bytes
    st.send(*[event(a.key, a.ip, b.ip, flow=flow, size=(2**64 - 1, 1, 2**63 - 1, 1), at=9223372036853,
                    proto=132) for _ in range(2)])
    st.acks(2)
    d = listed(s, "?protocol=132")["data"][0]
    check("counts beyond measure stop at the largest", (d["rx_packets"], d["rx_bytes"],
          d["tx_packets"]) == (2**63 - 1, 2**63 - 1, 2), d)

    # What is no event is not kept, and does not come again.
    bad = [event(b.key, a.ip, b.ip), event(a.key, a.ip, b.ip, flow=b"short"),
           event(a.key, a.ip, b.ip, proto=300)]
    st.send(*bad)
    check("foreign keys and odd identifiers are acknowledged, not kept",
          len(st.acks(3)) == 3 and listed(s)["total_records"] == 6)
    st.send(event(a.key, a.ip, b.ip, id=b"\0"))
    st.send(one)
    got = st.acks(2)
    check("the stream goes on", first in got, got)
    st.send(b"\xff\xff")
    check("what is no message ends it", st.call.code() == Code.INVALID_ARGUMENT, st.call.code())

    # A member sees none of it; an agent that shall no longer record is not heard.
    st = Stream(channel, t["signature"], t["payload"])
    settings(s, network_traffic_logs_enabled=False)
    check("agents are told to stop", a.told(0))
    st.send(event(a.key, a.ip, b.ip))
    check("what was on its way is acknowledged, not kept",
          len(st.acks(1)) == 1 and listed(s)["total_records"] == 6)

    # Many, and the server gone in between: everything acknowledged is there.
    settings(s, network_traffic_logs_enabled=True, network_traffic_logs_groups=[])
    a.told(1)
    for _ in range(3):
        st.send(*[event(a.key, a.ip, b.ip) for _ in range(1000)])
    acked = len(st.acks(1500))
    s.p.p.kill()
    s.p.p.wait()
    s.start()
    l = listed(s, "?page_size=1")
    check("kill -9: what was acknowledged is there", l["total_records"] >= 6 + acked, l)
    l = listed(s, "?page_size=1000")["data"]
    check("each flow of a long page is put together by itself", len(l) == 1000 and
          all(d["num_of_starts"] == 1 and len(d["events"]) == 1 and d["rx_bytes"] == 1000
              for d in l if d["protocol"] == 6 and d["num_of_starts"] < 2), l[-1])
    channel = grpc.insecure_channel("127.0.0.1:%d" % s.port)
    code, body = s.api("PUT", "/api/accounts/" + account, {})
    check("... and the server goes on", code == 422)
    r = s.command("admin", "backup", s.dir + "/b")
    check("a backup leaves them out", r.returncode == 0 and
          b"traffic_event" not in open(s.dir + "/b", "rb").read(), r.stderr)
    if not pg:
        store_begun_anew(s, a, b, folder + "/events.jsonl")
    s.p.stop()
    finish()


main()
