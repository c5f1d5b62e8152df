# SPDX-License-Identifier: BSD-3-Clause
"""A relay peer on plain sockets, written from the protocol and sharing nothing with the C code.

Only the standard library: WebSocket frames, relay messages, tokens and STUN by hand.
"""
import base64
import hashlib
import hmac
import os
import socket
import ssl
import threading
import struct
import time

MAGIC = bytes.fromhex("2112a442")


def peer_id(key):
    return b"sha-" + hashlib.sha256(key.encode()).digest()


def token(secret, expires=None, algo=1):
    payload = str(int(time.time()) + 600 if expires is None else expires).encode()
    key = hashlib.sha256(secret.encode()).digest()
    return bytes([algo]) + hmac.new(key, payload, hashlib.sha256).digest() + payload


def auth(pid, tok):
    return b"\x01\x06" + MAGIC + pid + tok


class Closed(Exception):
    pass


class Peer:
    """One connection. recv() gives (opcode, payload), raises Closed at the end of the stream."""

    def __init__(self, port, host="127.0.0.1", tls=None, path="/relay", timeout=60, headers=()):
        self.sock = socket.create_connection((host, port), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="localhost")
        self.buf = b""
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET %s HTTP/1.1" % path, "Host: anything.example", "Upgrade: websocket",
                 "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + key]
        lines += list(headers)
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = self.until(b"\r\n\r\n")
        accept = base64.b64encode(hashlib.sha1(
            (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert accept in head and b"xtensions" not in head, head

    def more(self):
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        if not data:
            raise Closed()
        self.buf += data

    def until(self, mark):
        while mark not in self.buf:
            self.more()
        head, self.buf = self.buf.split(mark, 1)
        return head + mark

    def exactly(self, n):
        while len(self.buf) < n:
            self.more()
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def frame(self, payload, op=2, fin=True, masked=True):
        n = len(payload)
        head = bytes([(0x80 if fin else 0) | op])
        m = 0x80 if masked else 0
        head += (bytes([m | n]) if n < 126 else bytes([m | 126]) + struct.pack(">H", n)
                 if n < 65536 else bytes([m | 127]) + struct.pack(">Q", n))
        if not masked:
            return head + payload
        mask = os.urandom(4)
        return head + mask + bytes(c ^ mask[i & 3] for i, c in enumerate(payload))

    def send(self, payload, **kw):
        self.sock.sendall(self.frame(payload, **kw))

    def recv(self):
        b0, b1 = self.exactly(2)
        assert b0 & 0x80 and not b0 & 0x70, "one whole frame per message"
        assert not b1 & 0x80, "servers do not mask"
        n = b1 & 0x7f
        if n == 126:
            n = struct.unpack(">H", self.exactly(2))[0]
        elif n == 127:
            n = struct.unpack(">Q", self.exactly(8))[0]
        return b0 & 0x0f, self.exactly(n)

    def message(self):
        """The next relay message; answers health checks."""
        while True:
            op, p = self.recv()
            assert op == 2, (op, p)
            if p == b"\x01\x05":
                self.send(p)
                continue
            return p

    def quiet(self, seconds=0.2):
        """Nothing comes for a while."""
        self.sock.settimeout(seconds)
        try:
            p = self.message()
        except (socket.timeout, TimeoutError):
            return True
        finally:
            self.sock.settimeout(60)
        print("unexpected", p)
        return False

    def closed(self):
        """The relay closes without another binary message."""
        try:
            while True:
                op, p = self.recv()
                if op == 2 and p != b"\x01\x05":
                    print("unexpected", p)
                    return False
        except Closed:
            return True

    def close(self):
        self.sock.close()


def join(port, secret, key, **kw):
    """Connect and authenticate; .url is what the relay calls itself."""
    p = Peer(port, **kw)
    p.id = peer_id(key)
    p.send(auth(p.id, token(secret)))
    op, first = p.recv()
    assert op == 2 and first[:2] == b"\x01\x07", first
    p.url = first[2:].decode()
    return p


def transport(pid, payload):
    return b"\x01\x03" + pid + payload


def paced(a, b, n=100, size=8000):
    """Seconds that n datagrams from a to b took; all must come, in their order."""
    data = b"".join(a.frame(transport(b.id, b"%04d" % i + bytes(size - 4))) for i in range(n))
    sent = threading.Thread(target=a.sock.sendall, args=(data,))
    began = time.time()
    sent.start()
    got = [b.message()[38:42] for _ in range(n)]
    sent.join()
    assert got == [b"%04d" % i for i in range(n)], "lost or out of order"
    return time.time() - began


def stun_request(txid):
    return b"\x00\x01\x00\x00" + MAGIC + txid


def stun_parse(data, txid):
    """(ip, port) of a Binding success with a right fingerprint and nothing else in it."""
    import binascii
    assert data[:2] == b"\x01\x01" and data[4:8] == MAGIC and data[8:20] == txid, data
    assert struct.unpack(">H", data[2:4])[0] == len(data) - 20
    t, n = struct.unpack(">HH", data[20:24])
    assert t == 0x20
    family = data[25]
    port = struct.unpack(">H", data[26:28])[0] ^ 0x2112
    size = 4 if family == 1 else 16
    raw = bytes(a ^ b for a, b in zip(data[28:28 + size], (MAGIC + txid)))
    rest = data[24 + n:]
    assert rest[:4] == b"\x80\x28\x00\x04" and len(rest) == 8, rest
    crc = binascii.crc32(data[:-8]) ^ 0x5354554e
    assert struct.unpack(">I", rest[4:])[0] == crc
    return socket.inet_ntop(socket.AF_INET if size == 4 else socket.AF_INET6, raw), port
