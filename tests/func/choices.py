#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What is stated has its effect or is refused: peer approval, location database, extra settings,
another product's data, a second server; and one machine cannot fill the disk.

Usage: choices.py PATH_OF_ROOKERY   (exit code 77: grpcio or PyNaCl is not installed)
"""
import hashlib
import os
import shutil
import signal
import sqlite3
import sys
import tempfile
import time

try:
    import grpc  # noqa: F401
    import nacl.public  # noqa: F401
except ImportError as e:
    print("SKIP: %s" % e)
    sys.exit(77)

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mmdb  # noqa: E402
import ws_peer  # noqa: E402
from proc import *  # noqa: E402,F403
from mgmt_peer import *  # noqa: E402,F403

ROOKERY = os.path.abspath(sys.argv[1])
TOKYO, PARIS, LIMA = "203.0.113.7", "198.51.100.9", "2001:db8:7::1"
PLACES = {"203.0.113.0/24": ("JP", "Japan", "Tokyo", 1850147),
          "198.51.100.0/24": ("FR", "France", "Paris", 2988507),
          "2001:db8:7::/48": ("PE", "Peru", "Lima", 3936456),
          "192.0.2.0/24": ("AX", "Åland Islands", "", 0)}


def peers_in(message):
    """WireGuard keys of the remote peers in a sync message."""
    net = fields(message[5][0])
    return {fields(p)[1][0].decode() for p in net.get(3, [])}


class From(Agent):
    """An agent behind the trusted proxy on this machine."""

    def __init__(self, ch, address, key=None):
        super().__init__(ch, key)
        self.meta = (("x-forwarded-for", address),)

    def raw(self, method, body, timeout=60):
        return self.ch.unary_unary(MGMT + method)(body, timeout=timeout, metadata=self.meta)

    def sync(self, plain=field(1, META), timeout=60):
        return self.ch.unary_stream(MGMT + "Sync")(self.envelope(plain), timeout=timeout,
                                                   metadata=self.meta)


def row(srv, agent):
    """The agent's entry in the list of peers; it is found by its own address in its map."""
    return [p for p in srv.rest("GET", "/api/peers")[1] if p["id"] == agent.id][0]


def enrol(srv, ch, key, cls=Agent, *more):
    before = {p["id"] for p in srv.rest("GET", "/api/peers")[1]}
    a = cls(ch, *more)
    a.login(key)
    a.id = ({p["id"] for p in srv.rest("GET", "/api/peers")[1]} - before).pop()
    return a


def settings(srv, **extra):
    acc = srv.rest("GET", "/api/accounts")[1][0]
    acc["settings"]["extra"].update(extra)
    return srv.rest("PUT", "/api/accounts/" + acc["id"], {"settings": acc["settings"]})


def put_peer(srv, agent, **more):
    p = row(srv, agent)
    body = {k: p[k] for k in ("name", "ssh_enabled", "login_expiration_enabled",
                              "inactivity_expiration_enabled")}
    return srv.rest("PUT", "/api/peers/" + agent.id, dict(body, **more))


def events(srv, code):
    return [e for e in srv.rest("GET", "/api/events")[1] if e["activity_code"] == code]


def approval(srv, ch, key):
    first = enrol(srv, ch, key)
    code, _ = settings(srv, peer_approval_enabled=True)
    check("approval is switched on", code == 200, code)
    check("that is an event", events(srv, "account.setting.peer.approval.enable"))
    check("who was there stays approved", not row(srv, first)["approval_required"])
    second = enrol(srv, ch, key)
    check("a new peer waits", row(srv, second)["approval_required"])
    check("its event says so", [e["target_id"] for e in events(srv, "peer.setupkey.add")
                                if e["meta"].get("pending_approval") == "true"] == [second.id],
          events(srv, "peer.setupkey.add"))
    check("its map is empty", peers_in(second.first_map()) == set())
    check("and it is in nobody's", second.pub not in peers_in(first.first_map()))
    code, p = srv.rest("POST", "/api/policies", {"name": "direct", "enabled": True, "rules": [{
        "name": "direct", "enabled": True, "action": "accept", "protocol": "all",
        "bidirectional": True, "sourceResource": {"id": first.id, "type": "peer"},
        "destinationResource": {"id": second.id, "type": "peer"}}]})
    check("also when a policy names it", code == 200 and
          second.pub not in peers_in(first.first_map()), (code, p))
    put_peer(srv, second, ssh_enabled=True)
    check("another update does not let it in", row(srv, second)["approval_required"])
    watch = first.sync(timeout=60)
    next(watch)
    code, p = put_peer(srv, second, approval_required=False)
    check("approve by REST", code == 200 and p["approval_required"] is False, (code, p))
    check("the others hear of it at once", second.pub in peers_in(first.open(next(watch))))
    watch.cancel()
    check("and it gets them", first.pub in peers_in(second.first_map()))
    check("that is an event", [e["target_id"] for e in events(srv, "peer.approve")] == [second.id])
    put_peer(srv, second, approval_required=True)
    check("approval can be taken back", peers_in(second.first_map()) == set() and
          second.pub not in peers_in(first.first_map()) and
          len(events(srv, "peer.approval.revoke")) == 1)
    settings(srv, peer_approval_enabled=False)
    check("switched off, whoever waits is let in", not row(srv, second)["approval_required"] and
          first.pub in peers_in(second.first_map()))
    check("new ones need nobody", not row(srv, enrol(srv, ch, key))["approval_required"])


def extras(srv):
    for name, value in (("network_traffic_logs_enabled", True),
                        ("network_traffic_packet_counter_enabled", True),
                        ("network_traffic_logs_groups", ["x"])):
        code, a = settings(srv, **{name: value})
        check("%s is refused with a reason" % name,
              code == 422 and "no traffic logs" in a["message"], (code, a))
    acc = srv.rest("GET", "/api/accounts")[1][0]
    acc["settings"]["local_auth_disabled"] = True
    code, a = srv.rest("PUT", "/api/accounts/" + acc["id"], {"settings": acc["settings"]})
    check("what the configuration decides is refused, too", code == 422 and
          "localauthdisabled" in a["message"].lower(), (code, a))
    code, a = settings(srv, network_traffic_logs_enabled=False, network_traffic_logs_groups=[])
    check("off and empty is fine", code == 200, (code, a))


def places(srv, ch, key, db):
    code, c = srv.rest("GET", "/api/locations/countries")
    check("countries by name, from the database", code == 200 and c == [
        {"country_code": a, "country_name": b} for a, b in
        sorted(((v[0], v[1]) for v in PLACES.values()), key=lambda x: x[1].encode())], c)
    code, c = srv.rest("GET", "/api/locations/countries/FR/cities")
    check("cities", code == 200 and c == [{"geoname_id": 2988507, "city_name": "Paris"}], c)
    jp = enrol(srv, ch, key, From, TOKYO)
    fr = enrol(srv, ch, key, From, PARIS)
    pe = enrol(srv, ch, key, From, LIMA)
    for a, want in ((jp, ("JP", "Tokyo", 1850147)), (fr, ("FR", "Paris", 2988507)),
                    (pe, ("PE", "Lima", 3936456))):
        p = row(srv, a)
        check("a peer in %s" % want[1], (p["country_code"], p["city_name"], p["geoname_id"]) == want
              and p["connection_ip"] == a.meta[0][1], p)
    code, check_ = srv.rest("POST", "/api/posture-checks", {
        "name": "japan", "description": "", "checks": {"geo_location_check": {
            "action": "allow", "locations": [{"country_code": "JP"}]}}})
    check("a posture check by country", code == 200, (code, check_))
    policy = srv.rest("GET", "/api/policies")[1][0]
    policy["source_posture_checks"] = [check_["id"]]
    for rule in policy["rules"]:
        rule["sources"] = [g["id"] for g in rule["sources"]]
        rule["destinations"] = [g["id"] for g in rule["destinations"]]
    code, answer = srv.rest("PUT", "/api/policies/" + policy["id"], policy)
    check("which a policy uses", code == 200, (code, answer))
    check("who is there gets through", fr.pub in peers_in(jp.first_map()))
    check("who is elsewhere does not", peers_in(fr.first_map()) <= {jp.pub})
    moved = From(ch, TOKYO, fr.key)
    moved.id = fr.id
    moved.first_map()
    check("a peer that moves is found again", row(srv, moved)["country_code"] == "JP")
    # Another database in the same place: SIGHUP opens it; a bad one changes nothing.
    mmdb.write(db + ".new", {"203.0.113.0/24": ("DE", "Germany", "Berlin", 2950159)})
    os.rename(db + ".new", db)
    srv.p.p.send_signal(signal.SIGHUP)
    end = time.time() + 120
    while time.time() < end and "Germany" not in str(srv.rest("GET", "/api/locations/countries")):
        time.sleep(0.05)
    check("reloaded on SIGHUP", srv.rest("GET", "/api/locations/countries")[1] ==
          [{"country_code": "DE", "country_name": "Germany"}])
    b = enrol(srv, ch, key, From, TOKYO)
    check("look-ups too", row(srv, b)["city_name"] == "Berlin", row(srv, b))
    with open(db + ".new", "w") as f:
        f.write("not a database")
    os.rename(db + ".new", db)
    srv.p.p.send_signal(signal.SIGHUP)
    while time.time() < end and "no MaxMind database" not in srv.p.text():
        time.sleep(0.05)
    check("a bad file leaves the old one in force", row(
        srv, enrol(srv, ch, key, From, TOKYO))["city_name"] == "Berlin")


def big_meta(i):
    files = b"".join(field(16, field(1, "/opt/%03d/%s/%d" % (i, "x" * 80, k))) for k in range(2500))
    return field(1, "greedy") + field(2, "linux") + field(7, "0.77.1") + files


def store_bytes(srv):
    with sqlite3.connect(srv.folder + "/data/rookery.db") as c:
        c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    c.close()
    return os.path.getsize(srv.folder + "/data/rookery.db")


def greedy(srv, ch, key):
    a = enrol(srv, ch, key)
    before, codes = store_bytes(srv), []
    for i in range(40):
        codes.append(status(lambda: a.call("SyncMeta", field(1, big_meta(i))))[0])
    grown = store_bytes(srv) - before
    print("40 reports of %d bytes: the database grew by %d bytes" % (len(big_meta(0)), grown))
    check("40 changing reports of 250 kB stay below 3 MB", grown < 3 << 20, grown)
    check("beyond the budget it is told to wait", codes[0] == Code.OK and
          set(codes) == {Code.OK, Code.RESOURCE_EXHAUSTED}, codes)
    check("and still gets its map", 5 in a.first_map())
    check("a long SSH key is refused", status(lambda: a.open(a.call("Login", field(2, META) + field(
        4, field(1, b"k" * 9000)))))[0] == Code.INTERNAL)
    check("other machines are not held up", 5 in enrol(srv, ch, key).first_map())


def bandwidth(srv):
    a, b = (ws_peer.join(srv.port, srv.secret, name) for name in ("a", "b"))
    took = ws_peer.paced(a, b)
    check("a machine's bandwidth through the relay: 800 kB at 1 MB/s", took > 0.6, took)
    a.close()
    b.close()
    code, text = refused([ROOKERY, "run", "--config", srv.config],
                         clean_env(ROOKERY_RELAY_MAX_BANDWIDTH="fast"))
    check("a bandwidth without a number", code != 0 and "ROOKERY_RELAY_MAX_BANDWIDTH" in text, text)


def sums(folder):
    return {f: hashlib.sha256(open(os.path.join(folder, f), "rb").read()).hexdigest()
            for f in sorted(os.listdir(folder))}


def foreign(folder):
    os.mkdir(folder)
    for name in ("store.db", "events.db"):
        c = sqlite3.connect(os.path.join(folder, name))
        c.executescript("PRAGMA journal_mode=WAL; CREATE TABLE accounts (id text); CREATE TABLE "
                        "peers (id text); CREATE TABLE setup_keys (id text)")
        c.close()
    before = sums(folder)
    env = clean_env(ROOKERY_DATA_DIR=folder, ROOKERY_LISTEN_ADDRESS="127.0.0.1:%d" % free_port(),
                    ROOKERY_STUN_PORTS="%d" % free_port())
    code, text = refused([ROOKERY, "run"], env)
    check("another server's folder is refused", code != 0 and "NetBird server" in text and
          "choose another folder" in text, text)
    code, text = refused([ROOKERY, "run"], dict(env, ROOKERY_STORE_FILE="store.db"))
    check("and its database", code != 0 and "NetBird server" in text, text)
    check("nothing of it has changed", sums(folder) == before, (sums(folder), before))


def stated(folder, srv):
    env = clean_env(ROOKERY_DATA_DIR=folder, ROOKERY_LISTEN_ADDRESS="127.0.0.1:%d" % free_port(),
                    ROOKERY_STUN_PORTS="%d" % free_port())
    for dsn in ("host = /nonexistent password = tops3cret", "tops3cret", "/tmp/tops3cret",
                "postgres://u:p@tops3cret@localhost/d"):
        code, text = refused([ROOKERY, "run"], dict(env, ROOKERY_STORE_ENGINE="postgres",
                                                    ROOKERY_STORE_DSN=dsn))
        check("engine postgres never opens a file: %s" % dsn.replace("tops3cret", "..."),
              code != 0 and "tops3cret" not in text, text)
    check("and none is made", not [f for f in os.listdir(".") if "tops3cret" in f])
    for name in ("/nonexistent/GeoLite2-City.mmdb", __file__):
        code, text = refused([ROOKERY, "run"], dict(env, ROOKERY_GEO_DATABASE=name))
        check("a location database that is none: %s" % os.path.basename(name),
              code != 0 and name in text, text)
    code, text = refused([ROOKERY, "run"], dict(env, ROOKERY_DATA_DIR=srv.folder + "/data"))
    check("a second server is told who is first", code != 0 and "in use by another server" in text
          and "process %d " % srv.p.p.pid in text, text)
    check("and ends so that a service manager tries again", code == 1, code)


def main():
    folder = tempfile.mkdtemp(prefix="rookery-choices-")
    try:
        db = os.path.join(folder, "places.mmdb")
        mmdb.write(db, PLACES)
        srv = Server(ROOKERY, folder, "  reverseProxy: {trustedHTTPProxies: [127.0.0.1]}\n"
                     "  x: {geoDatabase: \"%s\", relayMaxPeerBandwidth: 8mbit}\n" % db)
        ch = srv.channel()
        _, key = srv.setup_key("reusable")
        approval(srv, ch, key)
        extras(srv)
        greedy(srv, ch, key)
        places(srv, ch, key, db)
        bandwidth(srv)
        foreign(folder + "/theirs")
        stated(folder + "/new", srv)
        ch.close()
        text = srv.p.stop()
        check("no sanitizer report", "Sanitizer" not in text and "runtime error" not in text,
              text[-3000:])
    finally:
        if FAILED and "-v" in sys.argv:
            print(srv.p.text()[-20000:])
        shutil.rmtree(folder)
    finish()


main()
