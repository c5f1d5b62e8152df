#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A name server for tests: dnsd.py ADDRESS NAME=IPV4… ("*.x=IP" for every name below x).

Answers A questions over UDP; other types of known names are empty, other names do not exist. Each
question is one line on stdout: client, name, type."""
import socket
import struct
import sys


def main() -> None:
    table = dict(a.lower().split("=") for a in sys.argv[2:])
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((sys.argv[1], 53))
    print("ready", flush=True)
    while True:
        data, client = sock.recvfrom(4096)
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode("latin-1").lower())
            at += 1 + data[at]
        question = data[12:at + 5]
        kind = struct.unpack(">H", data[at + 1:at + 3])[0]
        name = ".".join(labels)
        ip = table.get(name)
        for i in range(1, len(labels)):
            ip = ip or table.get("*." + ".".join(labels[i:]))
        print(client[0], name, kind, flush=True)
        answers = b""
        if ip and kind == 1:
            answers = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 30, 4) + socket.inet_aton(ip)
        flags = 0x8180 if ip else 0x8183
        sock.sendto(data[:2] + struct.pack(">HHHHH", flags, 1, 1 if answers else 0, 0, 0) +
                    question + answers, client)


main()
