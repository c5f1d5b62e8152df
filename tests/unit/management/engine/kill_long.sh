#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# 200 rounds of kill -9 in a write loop, on SQLite and PostgreSQL. Runs in the build folder.
set -eu
RK_KILL_ROUNDS=${RK_KILL_ROUNDS:-200}
export RK_KILL_ROUNDS
exec "${srcdir:-.}/tests/lib/pg.sh" tests/unit/management/engine/test_kill
