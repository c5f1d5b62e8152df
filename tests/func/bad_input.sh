#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Bad input against `rookery run`; skipped (77) without Debian's python3-grpcio and python3-nacl.
exec /usr/bin/python3 -B "${srcdir:-.}/tests/func/bad_input.py" ./rookery
