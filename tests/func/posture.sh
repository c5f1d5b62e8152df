#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Verdicts of posture checks over REST; skipped (77) without python3-grpcio.
export PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 "${srcdir:-.}/tests/func/posture.py" ./rookery
