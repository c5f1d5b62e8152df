#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# sql2c.sh ARRAY FILE…: print C source that embeds NNNN_name.sql files in the order of their numbers.
set -eu
array=$1
shift
echo '/* Made by schema/sql2c.sh from SQL files; do not edit. */'
echo '#include "schema/sql.h"'
echo 'const struct schema_sql '"$array"'[] = {'
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
echo "const size_t ${array}_N = $n;"
