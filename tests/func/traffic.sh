#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Traffic events of agents: taken, kept once, read; skipped (77) without python3-grpcio.
export PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 "${srcdir:-.}/tests/func/traffic.py" ./rookery
