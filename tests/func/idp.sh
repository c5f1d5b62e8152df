#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The identity provider of a running rookery with an independent client in Python.
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "${srcdir:-.}/tests/func/idp.py" ./rookery
