#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# A network as a file: plan, apply, export; skipped (77) without python3-grpcio.
export PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 "${srcdir:-.}/tests/func/plan.py" ./rookery
