# SPDX-License-Identifier: BSD-3-Clause
"""HTTP/2 by hand, for clients that misbehave: frames, and headers without compression."""
import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW_SIZE = 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(
        ">I", stream) + payload


def text(s):
    s = s.encode() if isinstance(s, str) else s
    n = len(s)
    if n < 127:
        return bytes([n]) + s
    out, n = bytes([127]), n - 127
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n]) + s


def headers(pairs):
    """Literal fields, never indexed."""
    return b"".join(b"\x10" + text(k) + text(v) for k, v in pairs)


def settings(**values):
    return frame(SETTINGS, 0, 0, b"".join(
        struct.pack(">HI", {"window": 4, "streams": 3}[k], v) for k, v in values.items()))


class Conn:
    """One connection; reads only when told to."""

    def __init__(self, port, host="127.0.0.1", **values):
        self.s = socket.create_connection((host, port), timeout=60)
        self.s.sendall(PREFACE + settings(**values))
        self.next = 1
        self.buf = b""

    def request(self, path, method="GET", end=True, more=(), authority="localhost"):
        """Send the head of a request; its stream."""
        sid, self.next = self.next, self.next + 2
        block = headers([(":method", method), (":scheme", "http"), (":path", path),
                         (":authority", authority)] + list(more))
        self.s.sendall(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), sid, block))
        return sid

    def grpc(self, path, end=False, more=()):
        return self.request(path, "POST", end, [("content-type", "application/grpc"),
                                                ("te", "trailers")] + list(more))

    def data(self, sid, payload, end=False):
        self.s.sendall(frame(DATA, END_STREAM if end else 0, sid, payload))

    def window(self, n, sid=0):
        self.s.sendall(frame(WINDOW, 0, sid, struct.pack(">I", n)))

    def read(self, timeout=60):
        """The next frame (kind, flags, stream, payload), or None at the end or after timeout."""
        self.s.settimeout(timeout)
        try:
            while True:
                if len(self.buf) >= 9:
                    n = int.from_bytes(self.buf[:3], "big")
                    if len(self.buf) >= 9 + n:
                        f = (self.buf[3], self.buf[4], int.from_bytes(self.buf[5:9], "big"),
                             self.buf[9:9 + n])
                        self.buf = self.buf[9 + n:]
                        return f
                more = self.s.recv(65536)
                if not more:
                    return None
                self.buf += more
        except (socket.timeout, ConnectionError):
            return None

    def close(self):
        self.s.close()
