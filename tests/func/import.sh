#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Moving in from a store of the official server.
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "${srcdir:-.}/tests/func/import.py" ./rookery
