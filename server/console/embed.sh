#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# embed.sh SOURCES OUT: bundle the console with $ESBUILD and print it as C source. The name of each
# file carries a hash of its content, and index.html names them. Fails above 150 kB compressed.
set -eu
src=$1 out=$2 max=150000 total=0
hash() { sha256sum "$1" | cut -c1-12; }
bytes() { od -An -v -tu1 | sed 's/  */,/g; s/^,//; s/$/,/'; }

"$ESBUILD" "$src/app.tsx" --bundle --minify --format=iife --target=es2020 --jsx-factory=h \
    --jsx-fragment=Fragment --log-level=warning --outfile="$out/app.js"
"$ESBUILD" "$src/console.css" --bundle --minify --target=chrome100,firefox100,safari15 \
    --log-level=warning --outfile="$out/console.css"

echo '/* Made by server/console/embed.sh; do not edit. */'
echo '#include "management/console/assets.h"'
table='' shell=$src/index.html names=''
for asset in app:js:text/javascript console:css:text/css icon:svg:image/svg+xml; do
    IFS=: read -r name ext type <<EOF
$asset
EOF
    file=$out/$name.$ext
    [ -e "$file" ] || file=$src/$name.$ext
    h=$(hash "$file")
    n=$(wc -c <"$file")
    z=$(gzip -9nc "$file" | wc -c)
    total=$((total + z))
    echo "static const unsigned char ${name}_plain[] = {" && bytes <"$file" && echo '};'
    echo "static const unsigned char ${name}_gzip[] = {" && gzip -9nc "$file" | bytes && echo '};'
    table="$table{\"$name-$h.$ext\", \"\\\"$h\\\"\", \"$type; charset=utf-8\", ${name}_plain, ${name}_gzip, $((n)), $((z))},
"
    names="$names;s|@$name.$ext@|/console/$name-$h.$ext|g"
done
[ "$total" -lt "$max" ] || {
    echo "embed: the console is $total bytes compressed, at most $max are allowed" >&2
    exit 1
}
printf 'const struct console_asset CONSOLE_ASSETS[] = {\n%s};\n' "$table"
echo 'const size_t CONSOLE_N_ASSETS = sizeof CONSOLE_ASSETS / sizeof CONSOLE_ASSETS[0];'
echo 'const char CONSOLE_SHELL[] ='
sed "${names#;}; s/^ *//; s/\\\\/\\\\\\\\/g; s/\"/\\\\\"/g; s/^/\"/; s/\$/\\\\n\"/" "$shell"
echo ';'
