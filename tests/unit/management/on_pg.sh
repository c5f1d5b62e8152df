#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The store tests with a real PostgreSQL. Runs in the build folder; skipped (77) without one.
set -eu
src=${srcdir:-.}
RK_TEST_PG_ONLY=1 exec "$src/tests/lib/pg.sh" sh -c '
    for t in tests/unit/management/test_* tests/unit/management/*/test_*; do
        case $t in *.o | *.log | *.trs | *.sh | *.c) continue ;; esac
        if [ -f "$t" ] && [ -x "$t" ] && grep -q RK_TEST_PG "$t"; then
            echo "== $t on PostgreSQL"
            "$t" || exit 1
        fi
    done'
