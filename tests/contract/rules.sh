#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Refusals and consequences.
set -eu
exec sh "${srcdir:-.}/tests/contract/run.sh" rules.py
