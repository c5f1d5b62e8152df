#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Who is connected, whichever process is asked; migrations of processes that start together.
export PYTHONDONTWRITEBYTECODE=1
exec "$SRC_DIR/tests/lib/pg.sh" /usr/bin/python3 "$SRC_DIR/tests/ha/presence.py" "$ROOKERY"
