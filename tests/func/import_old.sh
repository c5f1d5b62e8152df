#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Moving in from stores of older official servers.
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "${srcdir:-.}/tests/func/import_old.py" ./rookery
