#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What the console costs, in a headless Chromium: tests/bench/console.py ./rookery

Bytes on the wire, the first paint, the server's memory with and without it, and, with 10,000
machines, the processor time that a frame takes while their list is scrolled: of our script, and of
all that the page's thread does (styles, layout and painting in it). Processor time, since on a
busy machine clocks measure the others.
"""
import gzip
import http.client
import json
import os
import re
import sys
import time

FUNC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../func")
sys.path.insert(0, FUNC)
from console_here import Here  # noqa: E402
from console_people import many  # noqa: E402
from page import Page  # noqa: E402

PAINTS, FRAMES, SETTLE_S = 5, 300, 10
TRACE = {"browser": "ALL", "performance": "ALL"}
SCRIPT = ("FunctionCall", "EventDispatch", "EvaluateScript", "RunMicrotasks", "TimerFire")
SCROLL = """
const el = document.querySelector('.list-scroll'), done = arguments[arguments.length - 1];
let frames = 0;
const start = performance.now();
function step(now) {
  performance.mark('step');
  el.scrollTop = 120 * frames; // more than two rows a frame
  if (++frames < %d) requestAnimationFrame(step);
  else done({seconds: (performance.now() - start) / 1000, top: el.scrollTop});
}
requestAnimationFrame(step);
""" % FRAMES


def size(here):
    def get(path):
        c = http.client.HTTPConnection("127.0.0.1", here.s.port, timeout=60)
        c.request("GET", path, None, {"Accept-Encoding": "gzip"})
        a = c.getresponse()
        body = a.read()
        return body, gzip.decompress(body) if a.headers["Content-Encoding"] == "gzip" else body
    wire, page = get("/")
    for name in re.findall(r'(?:src|href)="(/console/[^"]+)"', page.decode()):
        wire += get(name)[0]
    print("on the wire: %d bytes" % len(wire))


def first_paint(here):
    """Of the sign-in page, nothing cached."""
    p, times = here.page, []
    p.ask("POST", "/goog/cdp/execute", {"cmd": "Network.setCacheDisabled", "params": {"cacheDisabled": True}})
    for _ in range(PAINTS):
        p.open(here.base + "/")
        times.append(p.until("painted", lambda: p.run(
            "return performance.getEntriesByName('first-contentful-paint').map(e => e.startTime)[0]")))
    print("first paint: %s ms" % " ".join("%.0f" % t for t in sorted(times)))


def memory(here):
    time.sleep(SETTLE_S)  # what setting up took is given back
    with open("/proc/%d/smaps_rollup" % here.s.p.p.pid) as f:
        return {m[1]: int(m[2]) for m in re.finditer(r"(\w+):\s+(\d+) kB", f.read())}


def outermost(events):
    """Their processor time, each piece of it once."""
    end, total = 0, 0
    for e in sorted(events, key=lambda e: e["ts"]):
        if e["ts"] >= end:
            end, total = e["ts"] + e.get("dur", 0), total + e.get("tdur", 0)
    return total / 1000


def per_frame(events):
    """(script, all) milliseconds of each frame of the page's main thread."""
    marks = [e for e in events if e["name"] == "step"]
    thread = (marks[0]["pid"], marks[0]["tid"])
    mine = sorted((e for e in events if (e["pid"], e["tid"]) == thread and e["ph"] == "X"), key=lambda e: e["ts"])
    starts = sorted(e["ts"] for e in marks)
    frames, at = [[] for _ in starts], 0
    for e in mine:
        while at + 1 < len(starts) and e["ts"] >= starts[at + 1]:
            at += 1
        if e["ts"] >= starts[0]:
            frames[at].append(e)
    return [(outermost([e for e in f if e["name"] in SCRIPT]),
             outermost([e for e in f if e["name"] == "RunTask"])) for f in frames][1:-1]


def trace(p):
    for line in p.ask("POST", "/se/log", {"type": "performance"}):
        m = json.loads(line["message"])["message"]
        if m["method"] == "Tracing.dataCollected":
            yield m["params"]


def scrolling(here):
    here.enrol("server-1", here.key())
    many(here)
    here.page.close()
    p = here.page = Page(log=TRACE)
    p.size(1280, 860)
    here.sign_in()
    p.go("#/peers")
    p.shows("10,000 peers")
    p.ask("POST", "/timeouts", {"script": 60000})
    got = p.ask("POST", "/execute/async", {"script": SCROLL, "args": []})
    frames = per_frame(list(trace(p)))
    assert got["top"] > 1000 and len(frames) > FRAMES / 2, (got, len(frames))
    print("scrolling 10,000 peers, %d frames, %.0f a second:" % (len(frames), FRAMES / got["seconds"]))
    for name, all_ in zip(("script", "all of the page's thread"), zip(*frames)):
        all_ = sorted(all_)
        print("  %s: %.1f ms of CPU a frame, 99 %% below %.1f, worst %.1f" % (
            name, sum(all_) / len(all_), all_[len(all_) * 99 // 100], all_[-1]))


def main():
    here = Here()
    try:
        before = memory(here)
        size(here)
        first_paint(here)
        after = memory(here)
        scrolling(here)
    finally:
        here.close()
    off = Here(ROOKERY_CONSOLE="false")
    without = memory(off)
    off.close()
    for name in ("Rss", "Private_Dirty"):
        print("server, %s: %d kB with the console, %d kB after it was served, %d kB without it" % (
            name, before[name], after[name], without[name]))


if __name__ == "__main__":
    main()
