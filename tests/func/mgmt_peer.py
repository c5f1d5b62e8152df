# SPDX-License-Identifier: BSD-3-Clause
"""An agent's side of the management protocol and a `rookery run` to talk to, for functional tests.

Protobuf by hand, boxes by PyNaCl, gRPC by grpcio: nothing of it is our C code.
"""
import base64
import json
import os
import socket
import urllib.error
import urllib.request

import grpc
import nacl.public

import overheard
from proc import Program, check, clean_env, free_port

MGMT = "/management.ManagementService/"
Code = grpc.StatusCode


# ---- protobuf and the sealed envelope by hand ----

def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields(data):
    """{number: [values]} of one message; raises on malformed input."""
    out, at = {}, 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            b = data[at]
            at += 1
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                return n

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            value = number()
        elif tag & 7 == 2:
            n = number()
            value, at = data[at:at + n], at + n
            assert len(value) == n, "cut field"
        else:
            raise AssertionError("wire type %d" % (tag & 7))
        out.setdefault(tag >> 3, []).append(value)
    return out


def overhear(plain):
    """The secrets of a message that has servers (Login, Sync): TURN passwords, tokens of relays and of traffic."""
    try:
        for servers in fields(plain).get(1, []):
            servers = fields(servers)
            for turn in servers.get(2, []):
                overheard.sent("TURN password", fields(turn).get(3, []))
            for number, name in ((4, "relay token"), (5, "traffic token")):
                for token in servers.get(number, []):
                    overheard.sent(name, fields(token).get(3, []))
    except (AssertionError, IndexError, TypeError):  # a message of another form
        pass


META = field(1, "bad-input") + field(2, "linux") + field(6, "Debian") + field(7, "0.77.1")


class Agent:
    """The client's side of the management protocol, with a key of its own."""

    def __init__(self, ch, key=None):
        self.ch = ch
        self.key = key or nacl.public.PrivateKey.generate()
        self.pub = base64.b64encode(bytes(self.key.public_key)).decode()
        answer = fields(ch.unary_unary(MGMT + "GetServerKey")(b"", timeout=60))
        self.server = nacl.public.PublicKey(base64.b64decode(answer[1][0]))
        self.box = nacl.public.Box(self.key, self.server)

    def envelope(self, plain):
        return field(1, self.pub) + field(2, bytes(self.box.encrypt(plain)))

    def unseal(self, answer):
        plain = self.box.decrypt(fields(answer)[2][0])
        overhear(plain)
        return plain

    def open(self, answer):
        return fields(self.unseal(answer))

    def raw(self, method, body, timeout=60):
        return self.ch.unary_unary(MGMT + method)(body, timeout=timeout)

    def call(self, method, plain):
        return self.raw(method, self.envelope(plain))

    def plain(self, method, plain):
        return self.unseal(self.call(method, plain))

    def login(self, key=None, meta=META, jwt=None):
        overheard.sent("setup key", [key])
        overheard.sent("JWT", [jwt])
        return self.open(self.call("Login", (field(1, key) if key else b"") +
                                   (field(2, meta) if meta is not None else b"") +
                                   (field(3, jwt) if jwt else b"")))

    def sync(self, plain=field(1, META), timeout=60):
        return self.ch.unary_stream(MGMT + "Sync")(self.envelope(plain), timeout=timeout)

    def first_map(self):
        call = self.sync()
        m = self.open(next(call))
        call.cancel()
        return m


def status(call):
    try:
        r = call()
        if hasattr(r, "__next__"):
            list(r)
        return Code.OK, ""
    except grpc.RpcError as e:
        return e.code(), e.details()


def expect(name, call, code, text=None):
    got = status(call)
    check(name, got[0] == code and (text is None or text == got[1]), "%s: %s" % got)


# ---- the server and its REST API ----

class Server:
    """`rookery run` on loopback with an owner."""

    def __init__(self, program, folder, more=""):
        self.folder = folder
        self.port, self.stun = free_port(), free_port(socket.SOCK_DGRAM)
        self.config = os.path.join(folder, "config.yaml")
        self.secret = "bad-input-secret"
        overheard.remember(self.secret, "secret of the relay tokens")
        with open(self.config, "w") as f:
            f.write("server:\n  listenAddress: \"127.0.0.1:%d\"\n  exposedAddress: "
                    "\"http://127.0.0.1:%d\"\n  stunPorts: [%d]\n  dataDir: \"%s/data\"\n"
                    "  authSecret: \"%s\"\n  logLevel: debug\n%s"
                    % (self.port, self.port, self.stun, folder, self.secret, more))
        os.mkdir(folder + "/data", 0o700)
        # What is given back must leave the process, or memory could not be judged: ASan holds it
        # in quarantine, and glibc keeps the largest message that each thread has seen.
        asan = os.environ.get("ASAN_OPTIONS", "")
        self.p = Program([os.path.abspath(program), "run", "--config", self.config], self.port, clean_env(
            MALLOC_MMAP_THRESHOLD_="131072", ASAN_OPTIONS=asan + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=16"))
        with open(folder + "/data/setup-token") as f:
            token = f.read().strip()
        self.token = self.rest("POST", "/api/setup", {
            "email": "a@example.com", "name": "A", "password": "bad-Input-1!",
            "create_pat": True}, {"X-Setup-Token": token})[1]["personal_access_token"]

    def rest(self, method, path, body=None, headers=None, raw=None):
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if headers is None:
            headers = {"Authorization": "Token " + self.token}
        r = urllib.request.Request("http://127.0.0.1:%d%s" % (self.port, path), data=data,
                                   method=method,
                                   headers=dict({"Content-Type": "application/json"}, **headers))
        try:
            with urllib.request.urlopen(r, timeout=60) as a:
                text, code = a.read(), a.status
        except urllib.error.HTTPError as e:
            text, code = e.read(), e.code
        try:
            return code, json.loads(text)
        except ValueError:
            return code, text

    def setup_key(self, kind, uses=0):
        code, key = self.rest("POST", "/api/setup-keys", {
            "name": kind, "type": kind, "expires_in": 86400, "auto_groups": [],
            "usage_limit": uses})
        assert code == 200, (code, key)
        return key["id"], key["key"]

    def sockets(self):
        """How many open descriptors are no files of the data folder (the store opens those as it
        needs more connections)."""
        n, fds = 0, "/proc/%d/fd/" % self.p.p.pid
        for fd in os.listdir(fds):
            try:
                n += not os.readlink(fds + fd).startswith(self.folder)
            except OSError:
                pass
        return n

    def channel(self):
        return grpc.insecure_channel("127.0.0.1:%d" % self.port, [
            ("grpc.use_local_subchannel_pool", 1)])

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)
