#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# News of the account as they come; skipped (77) without python3-grpcio.
export PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 "${srcdir:-.}/tests/func/changes.py" ./rookery
