#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What an operator sees of a running rookery: health, log, metrics, keys, journal.
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "${srcdir:-.}/tests/func/ops.py" ./rookery
