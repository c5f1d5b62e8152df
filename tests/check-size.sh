#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Refuses functions above 100 lines or above complexity 20 (pmccabe's modified count, where a switch
# counts once) outside tests and generated code. Run by make check; skipped without pmccabe.

srcdir=${srcdir:-$(dirname "$0")/..}
lines_max=100
paths_max=20

if ! command -v pmccabe >/dev/null 2>&1; then
    echo "SKIPPED: check-size needs pmccabe, which is not installed; sizes were NOT checked" >&2
    exit 77
fi

judge() { # reads pmccabe's table: modified traditional statements first-line lines place: name
    awk -v lines_max=$lines_max -v paths_max=$paths_max -F '\t' '
        $5 > lines_max { print $6 ": " $5 " lines, at most " lines_max " are allowed"; bad = 1 }
        $1 > paths_max { print $6 ": complexity " $1 ", at most " paths_max " is allowed"; bad = 1 }
        { seen++ }
        END {
            if (!seen) { print "check-size: no functions found"; exit 1 }
            exit bad
        }'
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# The check must be able to fail: a long and a branchy function.
awk 'BEGIN { print "int f(int a)\n{"; for (i = 0; i < 101; i++) print "    a++;"; print "    return a;\n}" }' >"$tmp/long.c"
awk 'BEGIN { print "int f(int a)\n{"; for (i = 0; i < 21; i++) print "    if (a == " i ") a++;"; print "    return a;\n}" }' >"$tmp/branchy.c"
for f in long branchy; do
    if pmccabe "$tmp/$f.c" | judge >/dev/null; then
        echo "check-size: does not notice $f functions"
        exit 1
    fi
done

cd "$srcdir" || exit 1
find lib management signal relay agent server schema -path schema/gen -prune -o -name '*.c' -print \
    >"$tmp/list" || exit 1
xargs pmccabe <"$tmp/list" >"$tmp/table" || exit 1
judge <"$tmp/table"
