#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The REST API against the official server's, field by field; see rest_verdicts.py.
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "$(dirname "$0")/rest_verdicts.py" \
    "${RESTD:-${BUILD_DIR:-.}/tests/contract/restd}" "$@"
