#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Logins, codes, tokens and lock-outs over two processes.
export PYTHONDONTWRITEBYTECODE=1
exec "$SRC_DIR/tests/lib/pg.sh" /usr/bin/python3 "$SRC_DIR/tests/ha/identity.py" "$ROOKERY"
