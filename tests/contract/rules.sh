#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Runs rules.py against tests/contract/restd of this build.
set -eu
PYTHONDONTWRITEBYTECODE=1 exec python3 "${srcdir:-.}/tests/contract/rules.py" tests/contract/restd
