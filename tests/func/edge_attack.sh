#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Strangers that take memory and places; skipped (77) without python3-grpcio and python3-nacl.
exec /usr/bin/python3 -B "${srcdir:-.}/tests/func/edge_attack.py" .
