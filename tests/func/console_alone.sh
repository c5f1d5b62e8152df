#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The console of rookery-management in a headless Chromium. Skipped without one, and in builds without the console.
grep -q '^#define HAVE_CONSOLE 1' config.h || { echo "SKIPPED: built without the console"; exit 77; }
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "${srcdir:-.}/tests/func/console_alone.py" ./rookery-management
