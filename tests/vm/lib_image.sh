# SPDX-License-Identifier: BSD-3-Clause
# A Debian kernel and an initramfs with our programs, our test scripts and the tools that they need,
# for qemu. Sourced; VM_DIR is the work folder, kept between runs for the kernel package.

VM_TOOLS="bash busybox kmod ip nft wg curl jq ping date sed awk timeout sleep grep mktemp unshare sysctl
xargs ps nsenter dpkg iperf3"

vm_kernel() { # the package that linux-image-amd64 stands for, unpacked to $VM_DIR/kernel
    local package
    package=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ {print $2; exit}')
    [ -n "$package" ] || { echo "skip: apt knows no linux-image-amd64"; return 77; }
    VM_RELEASE=${package#linux-image-}
    [ -e "$VM_DIR/kernel/boot/vmlinuz-$VM_RELEASE" ] && return 0
    rm -rf "$VM_DIR/kernel" "$VM_DIR"/linux-image-*.deb
    (cd "$VM_DIR" && apt-get download -qq "$package") ||
        { echo "skip: $package cannot be downloaded"; return 77; }
    dpkg -x "$VM_DIR"/linux-image-*.deb "$VM_DIR/kernel.new" && rm -f "$VM_DIR"/linux-image-*.deb &&
        mv "$VM_DIR/kernel.new" "$VM_DIR/kernel"
}

vm_add() { # FILE…: programs or libraries with the libraries that they need, in their places
    local f lib
    for f in "$@"; do
        [ -e "$f" ] || continue
        mkdir -p "$VM_ROOT$(dirname "$f")"
        cp -L "$f" "$VM_ROOT$f"
        for lib in $(ldd "$f" 2>/dev/null | awk '/=> \//{print $3} /^\t\//{print $1}'); do
            [ -e "$VM_ROOT$lib" ] || { mkdir -p "$VM_ROOT$(dirname "$lib")"; cp -L "$lib" "$VM_ROOT$lib"; }
        done
    done
}

vm_modules() { # what networking and WireGuard need, with their index
    local to=$VM_ROOT/lib/modules/$VM_RELEASE from=$VM_DIR/kernel/lib/modules/$VM_RELEASE
    mkdir -p "$to/kernel/drivers/net"
    cp -r "$from/kernel/net" "$from/kernel/crypto" "$from/kernel/lib" "$from/kernel/arch" "$to/kernel/"
    (cd "$from/kernel/drivers/net" && cp -r wireguard veth.ko tun.ko dummy.ko "$to/kernel/drivers/net/")
    cp "$from"/modules.* "$to/"
    depmod -b "$VM_ROOT" "$VM_RELEASE"
}

vm_iptables() { # the older form of iptables: one program with many names, and what it loads
    local program f plugins
    program=$(command -v iptables-legacy) || { echo "skip: no iptables-legacy here"; return 77; }
    program=$(readlink -f "$program")
    plugins=$(dirname "$(readlink -f "$(ldd "$program" | awk '/libxtables/{print $3}')")")/xtables
    vm_add "$program" "$plugins"/libxt_*.so "$plugins"/libipt_*.so "$plugins"/libip6t_*.so
    for f in iptables ip6tables; do
        for f in "$f-legacy" "$f-legacy-save" "$f-legacy-restore"; do
            ln -sf "$program" "$VM_ROOT/usr/sbin/$f"
        done
    done
}

vm_image() { # GUEST_SCRIPT: the initramfs $VM_DIR/initrd, which runs /src/guest.sh or what guest=… says
    local tool path
    VM_ROOT=$VM_DIR/root
    rm -rf "$VM_ROOT"
    mkdir -p "$VM_ROOT"/{bin,sbin,usr/bin,usr/sbin,lib,lib64,etc/iproute2,proc,sys,dev,run,tmp,var/lib,root,src}
    ln -s /run "$VM_ROOT/var/run"
    for tool in $VM_TOOLS; do
        path=$(command -v "$tool") || { echo "skip: no $tool here"; return 77; }
        vm_add "$path"
    done
    ln -s "$(command -v bash)" "$VM_ROOT/bin/sh" # busybox's would take its own ip for ours
    vm_iptables || return 77
    vm_add /sbin/modprobe "$ROOK" "$ROOKERY" /lib/x86_64-linux-gnu/libnss_files.so.2 \
        /lib/x86_64-linux-gnu/libgcc_s.so.1
    cp /etc/iproute2/rt_* "$VM_ROOT/etc/iproute2/" 2>/dev/null || true
    echo "root:x:0:0::/root:/bin/sh" >"$VM_ROOT/etc/passwd"
    echo "127.0.0.1 localhost" >"$VM_ROOT/etc/hosts"
    echo "hosts: files" >"$VM_ROOT/etc/nsswitch.conf"
    : >"$VM_ROOT/etc/resolv.conf"
    (cd "$SRC_DIR" && cp -r --parents deploy/demo tests/lib tests/netns tests/vm "$VM_ROOT/src/")
    printf 'ROOK=%s\nROOKERY=%s\n' "$ROOK" "$ROOKERY" >"$VM_ROOT/src/programs"
    cp "$1" "$VM_ROOT/src/guest.sh"
    cat >"$VM_ROOT/init" <<'INIT'
#!/usr/bin/busybox sh
for c in $(/usr/bin/busybox --list); do
    [ -e "/usr/bin/$c" ] || [ -e "/bin/$c" ] || [ -e "/sbin/$c" ] || [ -e "/usr/sbin/$c" ] ||
        /usr/bin/busybox ln -s /usr/bin/busybox "/bin/$c"
done
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
mkdir -p /dev/pts /dev/shm; mount -t devpts p /dev/pts; mount -t tmpfs t /run
ln -sf /proc/self/fd /dev/fd
mkdir -p /run/netns /run/rook /var/lib/netbird /var/lib/rook
for m in veth bridge nf_tables nft_chain_nat nft_masq nft_ct nft_fib_ipv4 nft_fib_ipv6 nft_counter tun; do
    modprobe $m 2>/dev/null
done
guest=$(sed -n 's/.*guest=\([^ ]*\).*/\1/p' /proc/cmdline)
bash "${guest:-/src/guest.sh}" 2>&1
echo "GUEST-ENDS $?"
poweroff -f
INIT
    chmod +x "$VM_ROOT/init"
    vm_modules || return 1
    (cd "$VM_ROOT" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$VM_DIR/initrd"
    rm -rf "$VM_ROOT"
}

# no_timer_check: on a busy machine the emulated timer may be late, and the kernel then gives up.
vm_run() { # SECONDS LOG [KERNEL_ARGUMENTS]: boot it; software emulation, so that it runs wherever qemu does
    timeout --kill-after=10 "$1" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 1500 -smp 2 \
        -nographic -no-reboot -nic none -kernel "$VM_DIR/kernel/boot/vmlinuz-$VM_RELEASE" \
        -initrd "$VM_DIR/initrd" -append "console=ttyS0 quiet panic=1 no_timer_check ${3-}" </dev/null >"$2" 2>&1
}
