#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What is stated has its effect or is refused, against a running rookery.
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "${srcdir:-.}/tests/func/choices.py" ./rookery
