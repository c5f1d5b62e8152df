#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# run.sh SCRIPT.py [ARG…]: run a script of this folder against restd of this build, on SQLite and on a
# PostgreSQL of its own (that half is skipped where none is installed).
set -eu
src=${srcdir:-.}
script=$1
shift
export PYTHONDONTWRITEBYTECODE=1
echo "== sqlite"
STORE=sqlite python3 "$src/tests/contract/$script" tests/contract/restd "$@"
echo "== postgresql"
if [ -n "${RK_TEST_PG-}" ]; then
    STORE=pg python3 "$src/tests/contract/$script" tests/contract/restd "$@"
else
    STORE=pg sh "$src/tests/lib/pg.sh" python3 "$src/tests/contract/$script" \
        tests/contract/restd "$@" || {
        rc=$?
        [ $rc = 77 ] || exit $rc
        echo "skipped: no PostgreSQL"
    }
fi
