#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# rounds.sh [ROUNDS]: three processes on one PostgreSQL behind one HAProxy, agents on all of them, a
# writer that notes each acknowledged change; rounds of faults, and after each nothing is lost, twice
# or stale. Environment: HA_SEED repeats a run, HA_ONLY=kill,pause some faults, HA_KEEP keeps files.
. "$(dirname "$0")/lib_hub.sh"
hub_run ha/rounds.py "${1:-20}"
