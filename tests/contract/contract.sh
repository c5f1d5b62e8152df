#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Every operation of the contract.
set -eu
python3 -c 'import jsonschema' 2>/dev/null || {
    echo "SKIP: python3-jsonschema is not installed"
    exit 77
}
exec sh "${srcdir:-.}/tests/contract/run.sh" contract.py "${srcdir:-.}/tests/data/rest-contract.json"
