#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The official client's recorded Login and Sync, sealed anew, against `rookery run`.

Its answers, read by the protobuf library and not by our decoder, must have the shape and the values
of the official server's recorded answers; only what is made up per account (addresses, keys, tokens,
ids, ports) may differ.

Usage: replay.py PATH_OF_ROOKERY SOURCE_TREE   (exit code 77: a Python package is not installed)
"""
import base64
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

try:
    import grpc
    import nacl.public
    from google.protobuf import json_format
except ImportError as e:
    print("SKIP: %s" % e)
    sys.exit(77)

SRC = os.path.abspath(sys.argv[2])
sys.path.insert(0, os.path.join(SRC, "tests", "func"))
from proc import *  # noqa: E402,F403
from mgmt_peer import *  # noqa: E402,F403


def recorded(name):
    with open(os.path.join(SRC, "tests", "wire", "data", name + ".bin"), "rb") as f:
        return f.read()


def schema(folder):
    if not shutil.which("protoc"):
        print("SKIP: protoc is not installed")
        sys.exit(77)
    subprocess.run(["protoc", "-I", SRC + "/schema/proto", "--python_out", folder,
                    SRC + "/schema/proto/management.proto"], check=True)
    sys.path.insert(0, folder)
    import management_pb2
    return management_pb2


MADE_UP = [  # what differs from one installation to the next
    (r"^\d+\.\d+\.\d+\.\d+(/\d+)?$", r"IPv4\1"),
    (r"^[0-9a-f:]+:[0-9a-f:]*(/\d+)?$", r"IPv6\1"),
    (r"^(stun:|rel://|)127\.0\.0\.1:\d+$", r"\1HOST:PORT"),
    (r"^[A-Za-z0-9+/]{43}=$", "32 BYTES"),
    (r"^\d{10}$", "UNIX TIME")]


def normal(value, key=""):
    if isinstance(value, dict):
        return {k: normal(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [normal(v, key) for v in value]
    if key in ("PolicyID", "addressV6", "sourcePrefixes"):
        raw = base64.b64decode(value)
        return "TEXT" if key == "PolicyID" else "%d bytes, ends in %d" % (len(raw), raw[-1])
    if key == "Serial":
        return "SERIAL"
    for pattern, name in MADE_UP:
        if isinstance(value, str) and re.match(pattern, value):
            return re.sub(pattern, name, value)
    return value


def text(message):
    return json.dumps(normal(json_format.MessageToDict(message)), indent=1, sort_keys=True)


def same(name, kind, ours, official):
    a, b = kind(), kind()
    a.ParseFromString(official)
    b.ParseFromString(ours)
    diff = list(difflib.unified_diff(text(a).splitlines(), text(b).splitlines(), "official", "ours",
                                     lineterm="", n=6))
    check(name, not diff, "\n" + "\n".join(diff))


def main():
    folder = tempfile.mkdtemp(prefix="rookery-replay-")
    try:
        pb = schema(folder)
        srv = Server(sys.argv[1], folder)
        ch = srv.channel()
        agent = Agent(ch)
        expect("login without a key", lambda: agent.call("Login", recorded("client-login")),
               Code.PERMISSION_DENIED,
               "no peer auth method provided, please use a setup key or interactive SSO login")
        login = recorded("client-login-setup-key")
        old = pb.LoginRequest.FromString(login).setupKey.encode()
        key = srv.setup_key("reusable")[1]
        check("the setup key is as long", len(old) == len(key))
        same("LoginResponse", pb.LoginResponse,
             agent.plain("Login", login.replace(old, key.encode())), recorded("server-login"))
        same("LoginResponse of a known peer", pb.LoginResponse,
             agent.plain("Login", recorded("client-login")), recorded("server-login"))
        sync = agent.sync(recorded("client-sync"), timeout=20)
        same("first SyncResponse", pb.SyncResponse, agent.unseal(next(sync)),
             recorded("server-sync-alone"))
        other = Agent(ch)  # as the recorder's second peer
        other.login(key, field(1, "other") + field(2, "linux") + field(7, "0.77.1"))
        same("SyncResponse after a second peer", pb.SyncResponse, agent.unseal(next(sync)),
             recorded("server-sync-two"))
        sync.cancel()
        ch.close()
        log = srv.p.stop()
        check("no sanitizer report", not re.search(r"Sanitizer|runtime error", log), log[-3000:])
    finally:
        shutil.rmtree(folder)
    finish()


main()
