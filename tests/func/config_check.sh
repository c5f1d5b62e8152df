#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What "rookery config check" finds, and "rookery run" with it.
PYTHONDONTWRITEBYTECODE=1 exec python3 "${srcdir:-.}/tests/func/config_check.py" ./rookery
