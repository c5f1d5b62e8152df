#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The second node from the first; who is seen; wrong keys; SQLite stays one process.
export PYTHONDONTWRITEBYTECODE=1
exec "$SRC_DIR/tests/lib/pg.sh" /usr/bin/python3 "$SRC_DIR/tests/ha/nodes.py" "$ROOKERY"
