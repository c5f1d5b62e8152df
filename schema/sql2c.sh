#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Print C source that embeds the given NNNN_name.sql files in the order of their numbers.
set -eu
echo '/* Made by schema/sql2c.sh from schema/sql; do not edit. */'
echo '#include "schema/sql.h"'
echo 'const struct schema_sql SCHEMA_SQL[] = {'
n=0
for f in $(printf '%s\n' "$@" | sort); do
    base=$(basename "$f" .sql)
    n=$((n + 1))
    [ "${base%%_*}" = "$(printf %04d $n)" ] || {
        echo "sql2c: $base: expected number $n" >&2
        exit 1
    }
    echo "{$n, \"$base\","
    sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/\\n"/' "$f"
    echo '},'
done
echo '};'
echo "const size_t SCHEMA_SQL_N = $n;"
