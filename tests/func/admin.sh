#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# rookery admin, backup and restore, between the engines where PostgreSQL is installed.
export PYTHONDONTWRITEBYTECODE=1
src=${srcdir:-.}
if [ -n "$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null)" ] || command -v pg_ctl >/dev/null; then
    exec "$src/tests/lib/pg.sh" /usr/bin/python3 "$src/tests/func/admin.py" ./rookery
fi
exec /usr/bin/python3 "$src/tests/func/admin.py" ./rookery
