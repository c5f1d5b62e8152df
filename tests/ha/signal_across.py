# SPDX-License-Identifier: BSD-3-Clause
"""Signal messages between two processes on one PostgreSQL."""
import sys
import threading
import time

import grpc

from cluster import Postgres, Process, talk, wait


def say(name, ok, detail=""):
    print(("ok   " if ok else "FAIL ") + name + " " + str(detail), flush=True)
    if not ok:
        sys.exit(1)


def arrives(name, a, b, *numbers):
    got = talk(a, b, *numbers)
    say(name, got["lost"] == 0 and got["refused"] == 0, got)


def register(p, key):
    channel = grpc.insecure_channel("%s:8080" % p.address)
    over = threading.Event()

    def nothing():
        over.wait()
        yield b""
    call = channel.stream_stream("/signalexchange.SignalExchange/ConnectStream", bytes, bytes)(
        nothing(), metadata=(("x-wiretrustee-peer-id", key),), timeout=120)
    assert dict(call.initial_metadata())["x-wiretrustee-peer-registered"] == "1"
    return channel, call, over


def registered_again(a, b):
    """The newest stream of a key wins, whichever process has it."""
    kept = []
    for n, p in enumerate((a, b, a)):
        kept.append(register(p, "the-one"))
        if n == 0:
            continue
        try:
            next(kept[n - 1][1])
            say("the older stream ends", False)
        except grpc.RpcError as e:
            say("the older stream ends", e.code() == grpc.StatusCode.UNKNOWN and
                e.details() == "peer registered again", e)
    body = b"\x12\x01x\x1a\x07the-one\x22\x02hi"
    grpc.insecure_channel("%s:8080" % b.address).unary_unary(
        "/signalexchange.SignalExchange/Send", bytes, bytes)(body)
    say("the newest one gets it", next(kept[2][1]) == body)
    for channel, _, over in kept:
        over.set()
        channel.close()


def main():
    pg = Postgres()
    a = Process(1, pg)
    a.start()
    b = Process(2, pg, a.dir)
    b.start()
    wait("they know each other", lambda: len(pg.sql("SELECT id FROM node").split()) == 2)
    time.sleep(2)
    arrives("one process", a, a, 20, 200, 2, 600)
    arrives("two processes", a, b, 50, 500, 4, 600)
    arrives("and back", b, a, 50, 500, 4, 600)
    arrives("larger than a notification", a, b, 5, 20, 3, 200000)
    say("parcels are swept", int(pg.sql("SELECT count(*) FROM signal_parcel")) <= 70)

    # whom nobody knows costs nobody anything, and the answer is the same
    ghosts = talk(a, b, 10, 300, 2, 600, "ghosts")
    say("destinations that nobody knows", ghosts["refused"] == 0 and ghosts["arrived"] == 0, ghosts)
    sent = b.metrics()["signal_bus_messages_total{type=\"delivered\"}"]
    say("counted", sent >= 2000, sent)

    registered_again(a, b)

    # a database that goes away loses what is under way, and nothing more
    result = {}
    t = threading.Thread(target=lambda: result.update(talk(a, b, 20, 200, 12, 600)))
    t.start()
    time.sleep(3)
    pg.cut_all()
    t.join()
    say("cut connections", result["refused"] == 0 and result["lost"] < 1200, result)
    arrives("all again", a, b, 20, 200, 2, 600)

    # who is dead gets no messages any more, and who comes gets them
    b.kill()
    wait("b is declared dead", lambda: len(pg.sql("SELECT id FROM node").split()) == 1)
    b.start()
    wait("b is back", lambda: len(pg.sql("SELECT id FROM node").split()) == 2)
    time.sleep(2)
    arrives("after a restart", a, b, 20, 200, 2, 600)
    for p in (a, b):
        p.stop()
    pg.stop(pg.data)


main()
