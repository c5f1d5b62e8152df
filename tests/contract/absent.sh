#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# What is given in a list, a map or any other field comes back as it was given.
exec "${srcdir:-.}/tests/contract/run.sh" absent.py "${srcdir:-.}/tests/data/rest-fields.json"
