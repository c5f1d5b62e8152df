#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Reads what the agent is made of with the headers of musl: nothing of it may need glibc. The libraries
# around it are Debian's, so nothing is linked. Run by make check in a build folder (for config.h and the
# messages); skipped without musl-gcc.
top=${srcdir:-$(dirname "$0")/..}
command -v musl-gcc >/dev/null || { echo "skip: no musl-gcc (musl-tools)"; exit 77; }
[ -f config.h ] && [ -d schema/gen ] || { echo "skip: not in a build folder"; exit 77; }
arch=$(cc -print-multiarch)

read_files() { # FILE…: a gcc for each
    printf '%s\0' "$@" | xargs -0 -n 8 -P 2 musl-gcc -std=gnu17 -fsyntax-only -Werror=implicit-function-declaration \
        -Werror=int-conversion -Werror=builtin-declaration-mismatch -DHAVE_CONFIG_H -D_GNU_SOURCE -I. -I"$top" \
        -idirafter /usr/include -idirafter "/usr/include/$arch"
}

log=$(mktemp /tmp/check-musl-XXXXXX) probe=$(mktemp /tmp/check-musl-XXXXXX.c) || exit 1
trap 'rm -f "$log" "$probe"' EXIT

# lib/crypto/pwhash.c is the servers': libxcrypt's header wants that of glibc
files=$(cd "$top" && find agent lib/base lib/json lib/crypto lib/net lib/quic lib/http lib/grpc lib/serve -name '*.c' |
    grep -v '^lib/crypto/pwhash\.c$')
# shellcheck disable=SC2046
read_files $(for f in $files; do echo "$top/$f"; done) 2>"$log" ||
    { grep 'error:' "$log"; echo "check-musl: this needs glibc"; exit 1; }

# The check must be able to fail.
printf '#include <malloc.h>\nint main(void) { return malloc_trim(0); }\n' >"$probe"
if read_files "$probe" 2>/dev/null; then
    echo "check-musl: does not notice what is glibc's alone"
    exit 1
fi
echo "$(echo "$files" | wc -l) files compile with the headers of musl"
