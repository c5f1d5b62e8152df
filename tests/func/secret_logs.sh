#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# No secret in the logs of server and agents at debug level. Skipped (77) without root, grpcio or PyNaCl.
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "${srcdir:-.}/tests/func/secret_logs.py" ./rookery ./rook
