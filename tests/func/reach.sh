#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Who can reach what, over REST and as `rookery reach`; skipped (77) without python3-grpcio.
export PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 "${srcdir:-.}/tests/func/reach.py" ./rookery
