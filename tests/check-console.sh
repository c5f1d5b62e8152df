#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The console's sources: types (tsc), no way to put HTML or code into the page, all files in
# console.am. Run by make check; the types are skipped without tsc (node-typescript).
cd "${srcdir:-$(dirname "$0")/..}" || exit 1
src=server/console

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

unsafe() { # FOLDER: lines that would make text into HTML or code
    grep -rnE '\.(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(|new Function|style="' \
        --include='*.ts' --include='*.tsx' "$1"
}
echo 'el.innerHTML = name;' >"$tmp/bad.ts"
unsafe "$tmp" >/dev/null || {
    echo "check-console: does not notice innerHTML"
    exit 1
}
! unsafe $src || exit 1

for f in $(find $src -name '*.ts' -o -name '*.tsx' -o -name '*.css'); do
    grep -qF "%D%/${f#"$src"/} " $src/console.am || {
        echo "$f is not in $src/console.am"
        exit 1
    }
done

command -v tsc >/dev/null || {
    echo "SKIPPED: types of the console need tsc (node-typescript), which is not installed; they were NOT checked" >&2
    exit 77
}
cp -r $src "$tmp/console" && echo 'export const n: number = "text";' >"$tmp/console/bad.ts" || exit 1
if tsc -p "$tmp/console" >/dev/null; then
    echo "check-console: tsc does not notice a wrong type"
    exit 1
fi
rm "$tmp/console/bad.ts"
tsc -p "$tmp/console"
