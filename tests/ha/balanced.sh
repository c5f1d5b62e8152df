#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# deploy/compose/haproxy.cfg in front of two processes.
export PYTHONDONTWRITEBYTECODE=1
command -v haproxy >/dev/null || { echo "SKIP: haproxy is not installed"; exit 77; }
exec "$SRC_DIR/tests/lib/pg.sh" /usr/bin/python3 "$SRC_DIR/tests/ha/balanced.py" "$ROOKERY" \
    "$SRC_DIR/deploy/compose/haproxy.cfg"
