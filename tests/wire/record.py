#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Record what an official client and an official server say to each other, opened.

Stands between the two with keys of its own: the client seals for us, we seal for the server under a
key of our own. Writes one file per message into FOLDER, named <side>-<method>[-<n>].bin: the
protobuf bytes as they came out of the box. test_recorded.c replays them. Needed only for a new
version of the official programs.

Usage: record.py FOLDER NETBIRD NETBIRD_SERVER
"""
import base64
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent import futures

import grpc
import nacl.public

FOLDER, CLIENT, SERVER = sys.argv[1:4]
SERVICE = "/management.ManagementService/"


def field(number, data):
    n, out = len(data), bytes([number << 3 | 2])
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n]) + data


def envelope(data):
    """(key, body) of an EncryptedMessage or ServerKeyResponse"""
    out, at = {}, 0
    while at < len(data):
        tag, n, shift, at = data[at], 0, 0, at + 1
        while True:
            b = data[at]
            at += 1
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                break
        if tag & 7 == 2:
            out[tag >> 3], at = data[at:at + n], at + n
    return out.get(1, b""), out.get(2, b"")


class Between:
    def __init__(self, target):
        self.to = grpc.insecure_channel(target)
        self.as_server, self.as_client = (nacl.public.PrivateKey.generate() for _ in range(2))
        self.count = {}

    def save(self, side, method, data):
        n = self.count[side, method] = self.count.get((side, method), 0) + 1
        name = "%s-%s-%d.bin" % (side, method.lower(), n)
        with open(os.path.join(FOLDER, name), "wb") as f:
            f.write(data)
        print(name, len(data), flush=True)

    def server_key(self, request, context):
        return field(1, base64.b64encode(bytes(self.as_server.public_key)))

    def boxes(self, request):
        key, body = envelope(request)
        client = nacl.public.Box(self.as_server, nacl.public.PublicKey(base64.b64decode(key)))
        theirs = self.to.unary_unary(SERVICE + "GetServerKey")(b"", timeout=5)
        server = nacl.public.Box(self.as_client, nacl.public.PublicKey(
            base64.b64decode(envelope(theirs)[0])))
        return client, server, client.decrypt(body)

    def wrap(self, key, box, plain):
        return field(1, base64.b64encode(bytes(key.public_key))) + field(2, bytes(box.encrypt(plain)))

    def unary(self, method, clear_answer=False):
        def handle(request, context):
            client, server, plain = self.boxes(request)
            self.save("client", method, plain)
            try:
                out = self.to.unary_unary(SERVICE + method)(
                    self.wrap(self.as_client, server, plain), timeout=10)
            except grpc.RpcError as e:
                print(method, e.code(), e.details(), flush=True)
                context.abort(e.code(), e.details())
            if clear_answer:
                return out
            plain = server.decrypt(envelope(out)[1])
            self.save("server", method, plain)
            return self.wrap(self.as_server, client, plain)
        return grpc.unary_unary_rpc_method_handler(handle)

    def stream(self, method):
        def handle(request, context):
            client, server, plain = self.boxes(request)
            self.save("client", method, plain)
            for out in self.to.unary_stream(SERVICE + method)(
                    self.wrap(self.as_client, server, plain)):
                plain = server.decrypt(envelope(out)[1])
                self.save("server", method, plain)
                yield self.wrap(self.as_server, client, plain)
        return grpc.unary_stream_rpc_method_handler(handle)

    def serve(self, port):
        s = grpc.server(futures.ThreadPoolExecutor(20))
        s.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
            "management.ManagementService", {
                "GetServerKey": grpc.unary_unary_rpc_method_handler(self.server_key),
                "isHealthy": grpc.unary_unary_rpc_method_handler(lambda r, c: b""),
                "Login": self.unary("Login"), "Sync": self.stream("Sync"),
                "SyncMeta": self.unary("SyncMeta", True)}),))
        s.add_insecure_port("127.0.0.1:%d" % port)
        s.start()
        return s


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def rest(port, path, body, token=None):
    r = urllib.request.Request("http://127.0.0.1:%d%s" % (port, path), json.dumps(body).encode(),
                               {"Content-Type": "application/json"})
    if token:
        r.add_header("Authorization", "Token " + token)
    with urllib.request.urlopen(r, timeout=20) as a:
        return json.loads(a.read())


def main():
    d = tempfile.mkdtemp(prefix="rookery-record-")
    port, front = free_port(), free_port()
    with open(d + "/config.yaml", "w") as f:
        f.write("""server:
  listenAddress: ":%d"
  exposedAddress: "http://127.0.0.1:%d"
  stunPorts: [%d]
  metricsPort: %d
  healthcheckAddress: ":%d"
  logFile: console
  authSecret: "recorded"
  dataDir: "%s/data"
  disableAnonymousMetrics: true
  disableGeoliteUpdate: true
  auth: {issuer: "http://127.0.0.1:%d/oauth2", dashboardRedirectURIs: ["http://127.0.0.1/x"]}
  store: {engine: sqlite, encryptionKey: "%s"}
""" % (port, port, free_port(), free_port(), free_port(), d, port,
            base64.b64encode(bytes(32)).decode()))
    os.mkdir(d + "/data")
    env = dict(os.environ, NB_SETUP_PAT_ENABLED="true", NB_DISABLE_GEOLOCATION="true")
    server = subprocess.Popen([SERVER, "--config", d + "/config.yaml"], env=env,
                              stdout=open(d + "/server.log", "w"), stderr=subprocess.STDOUT)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen("http://127.0.0.1:%d/api/instance" % port, timeout=2).close()
                break
            except OSError:
                time.sleep(0.1)
        token = rest(port, "/api/setup", {"email": "a@example.com", "password": "Recorded-1!",
                                          "name": "A", "create_pat": True})["personal_access_token"]
        key = rest(port, "/api/setup-keys", {"name": "k", "type": "reusable", "expires_in": 86400,
                                             "auto_groups": [], "usage_limit": 0}, token)["key"]
        between = Between("127.0.0.1:%d" % port)
        listening = between.serve(front)  # until the reference is gone
        client = subprocess.Popen(
            [CLIENT, "up", "-F", "--config", d + "/client.json", "--log-file", "console",
             "--management-url", "http://127.0.0.1:%d" % front, "--setup-key", key, "--hostname",
             "recorded-host", "--disable-dns"],
            env=dict(os.environ, NB_USE_NETSTACK_MODE="true", NB_STATE_DIR=d),
            stdout=open(d + "/client.log", "w"), stderr=subprocess.STDOUT)
        time.sleep(8)
        other = Between("127.0.0.1:%d" % port)  # a second peer, so that the map changes
        other.save = lambda *a: None
        theirs = other.to.unary_unary(SERVICE + "GetServerKey")(b"", timeout=5)
        box = nacl.public.Box(other.as_client, nacl.public.PublicKey(
            base64.b64decode(envelope(theirs)[0])))
        other.to.unary_unary(SERVICE + "Login")(other.wrap(other.as_client, box, field(
            1, key.encode()) + field(2, field(1, b"other") + field(2, b"linux") +
                                     field(7, b"0.77.1"))), timeout=10)
        time.sleep(4)
        client.terminate()
        client.wait()
        listening.stop(0)
    finally:
        server.kill()
        server.wait()
        print("logs in", d, flush=True)


main()
os._exit(0)
