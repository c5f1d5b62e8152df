#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The database goes away, comes back, and moves to another host.
export PYTHONDONTWRITEBYTECODE=1
exec "$SRC_DIR/tests/lib/pg.sh" /usr/bin/python3 "$SRC_DIR/tests/ha/away.py" "$ROOKERY"
