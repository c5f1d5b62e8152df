#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A wire with a delay: copies frames between two interfaces, both ways, and holds each back for the
milliseconds that the named file says (read again all the time; missing or empty: none).

    delay.py FIRST_INTERFACE SECOND_INTERFACE FILE
"""
import collections
import select
import socket
import struct
import sys
import time

SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_VNET_HDR, PACKET_OUTGOING = 263, 1, 15, 4
PACKET_MR_PROMISC = 1
ETH_P_ALL = 3


def wire_end(name):
    """A raw socket whose frames carry virtio headers: checksums and segmentation stay as they are."""
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    s.bind((name, 0))
    request = struct.pack("IHH8s", socket.if_nametoindex(name), PACKET_MR_PROMISC, 0, b"")
    s.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)
    s.setblocking(False)
    return s


def delay_s(path):
    try:
        with open(path, encoding="ascii") as f:
            return int(f.read() or 0) / 1000
    except FileNotFoundError:
        return 0


def main():
    ends = [wire_end(sys.argv[1]), wire_end(sys.argv[2])]
    waiting = collections.deque()  # (when, socket to send to, frame), in the order they came
    while True:
        wait = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        for s in select.select(ends, [], [], wait)[0]:
            try:
                frame, where = s.recvfrom(1 << 17)
            except OSError:
                continue  # the interface was down for a moment
            if where[2] != PACKET_OUTGOING:
                waiting.append((time.monotonic() + delay_s(sys.argv[3]), ends[s is ends[0]], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, to, frame = waiting.popleft()
            try:
                to.send(frame)
            except OSError:
                pass  # as on a wire: full, or down


if __name__ == "__main__":
    main()
