#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Agents are told the relays of all living processes; HA_LONG waits for the minute after which a dead
# one leaves.
. "$(dirname "$0")/lib_hub.sh"
hub_run ha/relays.py
