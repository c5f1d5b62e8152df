#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Signal messages between two processes: they arrive, large ones too, whatever dies meanwhile.
. "$(dirname "$0")/lib_hub.sh"
hub_run ha/signal_across.py
