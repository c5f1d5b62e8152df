#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Attacks on sign-in and the end of trust, with fake providers (python3-nacl, python3-grpcio).
/usr/bin/python3 -c 'import grpc, nacl.signing' 2>/dev/null || {
    echo "SKIP: python3-nacl or python3-grpcio is not installed"
    exit 77
}
PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 "${srcdir:-.}/tests/func/idp_trust.py" ./rookery
