#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# rookery-relay with an independent client in Python, standard library only.
exec /usr/bin/python3 "${srcdir:-.}/tests/func/relay_client.py" ./rookery-relay
