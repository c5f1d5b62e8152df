#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Runs contract.py against tests/contract/restd of this build.
set -eu
here=${srcdir:-.}/tests/contract
python3 -c 'import jsonschema' 2>/dev/null || {
    echo "SKIP: python3-jsonschema is not installed"
    exit 77
}
PYTHONDONTWRITEBYTECODE=1 exec python3 "$here/contract.py" tests/contract/restd \
    "${srcdir:-.}/tests/data/rest-contract.json"
