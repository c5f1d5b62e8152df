#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# rookery-signal against grpcio; skipped (77) without Debian's python3-grpcio.
exec /usr/bin/python3 "${srcdir:-.}/tests/func/signal_client.py" ./rookery-signal
