#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Inside the virtual machine: the scenarios of tests/netns, unchanged, on the kernel's WireGuard.
# Everything is emulated, so each limit is a multiple of the usual one.
. /src/programs
export ROOK ROOKERY NODES_PATIENCE=10 SRC_DIR=/src
export DEVICE_A=own DEVICE_B=kernel MEGABYTES=3 # two_devices: our own WireGuard against the kernel's
uname -r
ip link set lo up
modprobe wireguard || { echo "VM-FAILED: no wireguard module"; exit 1; }
failed=0
for t in two_agents two_devices host_changes agent_recovery; do
    echo "== $t"
    if bash "/src/tests/netns/$t.sh"; then
        echo "VM-PASSED $t"
    else
        echo "VM-FAILED $t"
        failed=1
    fi
done
exit $failed
