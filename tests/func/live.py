# SPDX-License-Identifier: BSD-3-Clause
"""Server-sent events by hand: one stream of /api/x/changes over HTTP/1.1 or HTTP/2."""
import json
import queue
import socket
import threading

import h2_raw


class Live:
    """Read by a thread of its own; events are (name, id, data)."""

    def __init__(self, port, authorization, path="/api/x/changes", last=None, h2=False):
        self.events, self.text, self.ended = queue.Queue(), b"", threading.Event()
        self.status, self.head, self.all = None, "", []
        more = [("authorization", authorization), ("accept", "text/event-stream")]
        if last:
            more.append(("last-event-id", last))
        self.answered = threading.Event()
        if h2:
            self.c = h2_raw.Conn(port)
            self.sid = self.c.request(path, more=more)
            run = self.read_h2
        else:
            self.s = socket.create_connection(("127.0.0.1", port), timeout=300)
            self.s.sendall(("GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (path, "".join(
                "%s: %s\r\n" % kv for kv in more))).encode())
            run = self.read_h1
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def read_h1(self):
        f = self.s.makefile("rb")
        try:
            self.status = int(f.readline().split()[1])
            while (line := f.readline().strip()):
                self.head += line.decode().lower() + "\n"
            self.answered.set()
            while "chunked" in self.head and (n := int(f.readline() or b"0", 16)):
                self.feed(f.read(n))
                f.readline()
        except (OSError, ValueError, IndexError):
            pass
        self.answered.set()
        self.ended.set()

    def read_h2(self):
        try:
            self.frames()
        except OSError:
            pass
        self.answered.set()
        self.ended.set()

    def frames(self):
        while (frame := self.c.read(300)):
            kind, flags, sid, payload = frame
            if sid == 0 and kind == h2_raw.SETTINGS and not flags & h2_raw.ACK:
                self.c.s.sendall(h2_raw.frame(h2_raw.SETTINGS, h2_raw.ACK, 0))
            if kind == h2_raw.PING and not flags & h2_raw.ACK:
                self.c.s.sendall(h2_raw.frame(h2_raw.PING, h2_raw.ACK, 0, payload))
            if sid != self.sid:
                continue
            if kind == h2_raw.HEADERS:
                self.answered.set()
            if kind == h2_raw.DATA:
                self.feed(payload)
            if kind == h2_raw.RST or flags & h2_raw.END_STREAM:
                break

    def feed(self, data):
        self.text += data
        while b"\n\n" in self.text:
            block, self.text = self.text.split(b"\n\n", 1)
            got = dict(line.split(": ", 1) for line in block.decode().split("\n")
                       if not line.startswith(":"))
            if got:
                self.all.append((got["event"], got["id"], json.loads(got["data"])))
                self.events.put(self.all[-1])

    def next(self, event=None, timeout=120):
        """The next event (of that name)."""
        while True:
            got = self.events.get(timeout=timeout)
            if event in (None, got[0]):
                return got

    def until(self, event, test):
        while not test((got := self.next(event))[2]):
            pass
        return got

    def close(self):
        s = self.c.s if hasattr(self, "c") else self.s
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        s.close()
