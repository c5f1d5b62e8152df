#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The two-agents scenarios with kernel WireGuard, in a Debian kernel under qemu: direct, relayed,
# back, policy changes, an exit node with everything around it taken away, kill -9, clean-up; and an
# agent with our own device against one with the kernel's, whose rook sleeps while data goes by. The
# server runs inside too. Then two agents on the same kernel without its nftables, and two that sleep
# with their machine.
set -uo pipefail
SRC_DIR=${SRC_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
. "$SRC_DIR/tests/vm/lib_image.sh"

skip() {
    echo "SKIP: $*"
    exit 77
}
for p in qemu-system-x86_64 cpio busybox depmod dpkg apt-get; do
    command -v $p >/dev/null || skip "no $p: kernel WireGuard is not tested"
done
[ "$(uname -m)" = x86_64 ] || skip "only written for x86_64"
[ -x "${ROOK-}" ] && [ -x "${ROOKERY-}" ] || skip "ROOK and ROOKERY are not set to programs"
VM_DIR=${VM_DIR:-${BUILD_DIR:-$SRC_DIR/_check}/vm}
mkdir -p "$VM_DIR"

vm_kernel
case $? in 0) ;; 77) skip "no kernel: kernel WireGuard is not tested" ;; *) exit 1 ;; esac
vm_image "$SRC_DIR/tests/vm/lib_guest.sh"
case $? in 0) ;; 77) skip "a tool is missing: kernel WireGuard is not tested" ;; *) exit 1 ;; esac
vm_run "${VM_TIMEOUT:-1700}" "$VM_DIR/console"
tr -d '\r' <"$VM_DIR/console"
for t in two_agents two_devices host_changes agent_recovery; do
    tr -d '\r' <"$VM_DIR/console" | grep -q "^VM-PASSED $t" || { echo "FAILED: $t"; exit 1; }
done
another() { # NAME KERNEL_ARGUMENTS: a boot of its own, with lib_guest_NAME.sh
    vm_run "${VM_TIMEOUT:-1700}" "$VM_DIR/console.$1" "$2 guest=/src/tests/vm/lib_guest_$1.sh"
    tr -d '\r' <"$VM_DIR/console.$1"
    tr -d '\r' <"$VM_DIR/console.$1" | grep -q "^VM-PASSED $1" || { echo "FAILED: $1"; exit 1; }
}
another no_nftables module_blacklist=nf_tables
another suspend no_console_suspend
echo "kernel WireGuard: all held"
