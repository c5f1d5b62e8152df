#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# deploy/monitoring with a real Prometheus.
for p in promtool prometheus; do
    command -v "$p" >/dev/null || { echo "skip: $p is not installed"; exit 77; }
done
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "${srcdir:-.}/tests/func/monitoring.py" ./rookery
