#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Events brought to syslog, a file and a webhook; skipped (77) without python3-grpcio.
export PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 "${srcdir:-.}/tests/func/export.py" ./rookery
