#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The gRPC server against grpcio; skipped (77) without Debian's python3-grpcio.
exec /usr/bin/python3 "${srcdir:-.}/tests/func/grpc_client.py" tests/func/grpc_testd
