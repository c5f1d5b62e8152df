#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What the operations of the reverse proxy refuse, keep and bring about.
exec "${srcdir:-.}/tests/contract/run.sh" services.py
