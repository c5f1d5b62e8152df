#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What reverse proxies tell and are told, in PostgreSQL.
[ -z "${RK_QUICK-}" ] || { echo "skip: starts a PostgreSQL of its own"; exit 77; }
PYTHONDONTWRITEBYTECODE=1 exec sh "${srcdir:-.}/tests/lib/pg.sh" /usr/bin/python3 \
    "${srcdir:-.}/tests/func/proxy_service.py" ./rookery pg
