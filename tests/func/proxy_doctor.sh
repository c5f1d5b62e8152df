#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# `rookery doctor` behind good and bad proxies. Skipped (77) without nginx, or without root for namespaces of its own.
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || { echo "skip: nginx is not installed"; exit 77; }
PATH=$PATH:/usr/sbin PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "${srcdir:-.}/tests/func/proxy_doctor.py" ./rookery
