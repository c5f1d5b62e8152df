#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Recorded messages of the official client against `rookery run`; skipped (77) without Debian's
# python3-grpcio, python3-nacl or protobuf compiler.
exec /usr/bin/python3 -B "${srcdir:-.}/tests/wire/replay.py" ./rookery "${srcdir:-.}"
