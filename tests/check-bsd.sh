#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Compiles agent/os/bsd for macOS and FreeBSD, which Debian has no headers of: a few of tests/bsd/include
# say what those systems' headers say, and facts.c holds our own numbers against their layouts. Run by
# make check; skipped without clang.
cd "${srcdir:-$(dirname "$0")/..}" || exit 1
command -v clang >/dev/null || { echo "skip: no clang"; exit 77; }
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT

compile() { # TARGET FILE [OPTION…]
    target=$1 file=$2
    shift 2
    clang -target "$target" -std=gnu17 -O1 -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wundef -Werror \
        -Wno-gnu-statement-expression -ffreestanding -nostdlibinc -Itests/bsd/include -I. "$@" \
        -c "$file" -o "$out/object"
}

for target in x86_64-apple-macosx12 arm64-apple-macosx12 x86_64-unknown-freebsd13 aarch64-unknown-freebsd13; do
    for file in agent/os/bsd/*.c tests/bsd/facts.c; do
        compile "$target" "$file" || { echo "check-bsd: $file does not compile for $target"; exit 1; }
        [ -s "$out/object" ] || exit 1
    done
    # The check must be able to fail.
    if compile "$target" tests/bsd/facts.c -DNUDGE=1 2>/dev/null; then
        echo "check-bsd: does not notice a wrong number"
        exit 1
    fi
done
echo "agent/os/bsd compiles for macOS and FreeBSD, on both processors"
