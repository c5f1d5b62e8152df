# SPDX-License-Identifier: BSD-3-Clause
"""Two processes, each with a relay of its own: what agents are told."""
import os
import sys
import time

from cluster import Api, Crowd, Postgres, Process, haproxy, wait

RELAYS = ["rel://10.77.0.11:8080", "rel://10.77.0.12:8080"]


def say(name, ok, detail=""):
    print(("ok   " if ok else "FAIL ") + name + " " + str(detail), flush=True)
    if not ok:
        sys.exit(1)


def main():
    pg = Postgres()
    a = Process(1, pg)
    a.env["ROOKERY_RELAY_ADDRESS"] = RELAYS[0]
    a.start()
    b = Process(2, pg, a.dir)
    b.env["ROOKERY_RELAY_ADDRESS"] = RELAYS[1]
    haproxy([a.address, b.address])
    api = Api(a.setup())
    key = api.must("POST", "/api/setup-keys", {
        "name": "crowd", "type": "reusable", "expires_in": 86400, "auto_groups": [],
        "usage_limit": 0})["key"]
    crowd = Crowd(6, key)

    def told(relays):
        return all(x["relays"] == ",".join(relays) for x in crowd.dump()["agents"])
    wait("the only one", lambda: told(RELAYS[:1]))
    b.start()
    wait("both, in one order, on streams that are there", lambda: told(RELAYS))
    say("a relay comes", True)
    b.kill()
    t0 = time.time()
    time.sleep(12)  # longer than it takes to declare it dead
    say("a dead one stays for a while", told(RELAYS))
    if os.environ.get("HA_LONG"):
        wait("it leaves", lambda: told(RELAYS[:1]), 120)
        say("it leaves", time.time() - t0 >= 55, "%d s" % (time.time() - t0))
    b.start()
    wait("it is back", lambda: told(RELAYS))
    say("it is back", True)

    # one address for two would look like one relay: said, once
    b.stop()
    b.env["ROOKERY_RELAY_ADDRESS"] = RELAYS[0]
    b.start()
    wait("warning", lambda: "announces our relay" in open(b.dir + "/log").read())
    say("one address for two is warned of", True)
    crowd.end()
    for p in (a, b):
        p.stop()
    pg.stop(pg.data)


main()
