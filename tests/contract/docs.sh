#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The commands of docs/api.md.
set -eu
command -v curl >/dev/null || {
    echo "SKIP: curl is not installed"
    exit 77
}
PYTHONDONTWRITEBYTECODE=1 exec python3 "${srcdir:-.}/tests/contract/docs.py" tests/contract/restd \
    "${srcdir:-.}/docs/api.md"
