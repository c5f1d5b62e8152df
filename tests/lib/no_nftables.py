#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs a program on what looks like a kernel without nftables: every socket of the netfilter
family is refused as by a kernel that was built without it. A filter of system calls does it, which
the program and all that it starts keep.

    no_nftables.py PROGRAM ARGUMENT…
"""
import ctypes
import errno
import os
import platform
import struct
import sys

AF_NETLINK, NETLINK_NETFILTER = 16, 12
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD, JUMP_EQ, RETURN = 0x20, 0x15, 0x06
SOCKET = {"x86_64": 41, "aarch64": 198}.get(platform.machine())


def instruction(code, k, yes=0, no=0):
    return struct.pack("HBBI", code, yes, no, k)


def main():
    if SOCKET is None:
        sys.exit("no_nftables.py: not written for this machine")
    program = b"".join([
        instruction(LOAD, 0),  # number of the system call
        instruction(JUMP_EQ, SOCKET, 0, 5),
        instruction(LOAD, 16),  # its first argument
        instruction(JUMP_EQ, AF_NETLINK, 0, 3),
        instruction(LOAD, 32),  # its third
        instruction(JUMP_EQ, NETLINK_NETFILTER, 0, 1),
        instruction(RETURN, ERRNO | errno.EPROTONOSUPPORT),
        instruction(RETURN, ALLOW),
    ])
    held = ctypes.create_string_buffer(program)
    fprog = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
            PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.create_string_buffer(fprog), 0, 0):
        sys.exit("no_nftables.py: " + os.strerror(ctypes.get_errno()))
    os.execvp(sys.argv[1], sys.argv[1:])


main()
