#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# management.ProxyService as a proxy sees it; skipped (77) without python3-grpcio.
export PYTHONDONTWRITEBYTECODE=1
exec /usr/bin/python3 "${srcdir:-.}/tests/func/proxy_service.py" ./rookery
