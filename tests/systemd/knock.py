#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""knock.py TCP_PORT UDP_PORT STOP_FILE: connects and asks a STUN server, again and again until the file is
there. Fails when a connection was refused, when one was never answered (nor closed), or when the longest row of
unanswered STUN requests shows a closed port."""
import os, socket, struct, sys, time

tcp, udp, stop = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
refused = answered = cut = stun = stun_refused = 0
longest = 0.0
while not os.path.exists(stop):
    try:
        began = time.monotonic()
        s = socket.create_connection(("127.0.0.1", tcp), timeout=60)
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        if s.recv(100):
            answered += 1
        else:
            cut += 1  # by the process that was stopping
        longest = max(longest, time.monotonic() - began)
        s.close()
    except ConnectionRefusedError:
        refused += 1
    except (ConnectionResetError, BrokenPipeError):
        cut += 1
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.settimeout(60)
    u.connect(("127.0.0.1", udp))
    try:
        u.send(struct.pack("!HHI12s", 1, 0, 0x2112A442, os.urandom(12)))
        u.recv(100)
        stun += 1
    except ConnectionRefusedError:
        stun_refused += 1
    u.close()
    time.sleep(0.005)
print(f"{answered} answered, {cut} cut by the stopping process, {refused} refused; longest {longest * 1000:.0f} ms; "
      f"STUN: {stun} answered, {stun_refused} refused")
sys.exit(bool(refused or stun_refused or not answered or not stun))
