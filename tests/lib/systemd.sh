# SPDX-License-Identifier: BSD-3-Clause
# A machine with a real systemd as its first process: this system's files under an overlay, in
# namespaces of its own. Sourced by tests; needs root. What is written there is gone at the end.
#
#   sd_boot || exit 77        start it (77: not possible here)
#   sd COMMAND…               run a command in it
#   sd_halt                   (also at exit)
#
# SD_LOWER: a folder with files of more packages, laid over this system's. SD_UNITS: units that are left
# to start by themselves, of those that do not belong into a test.

sd_dir= sd_pid= sd_job=

# Runs as the first process of the new namespaces.
sd_init() { # FOLDER KEEP…
    local dir=$1 root=$1/root m u
    shift
    set -e
    mount --make-rprivate /
    mount -t tmpfs tmpfs "$dir/up"
    mkdir "$dir/up/u" "$dir/up/w"
    # what lies below "/" cannot be a layer of its own beside it
    [ -z "${SD_LOWER-}" ] || cp -a "$SD_LOWER" "$dir/up/more"
    mount -t overlay overlay -o "lowerdir=${SD_LOWER:+$dir/up/more:}/,upperdir=$dir/up/u,workdir=$dir/up/w" "$root"
    mount -t proc proc "$root/proc"
    for m in sys dev; do mount --rbind "/$m" "$root/$m"; done
    # without udev, those who manage the network wait for it unless they see that there is none
    [ -z "${SD_UNITS-}" ] || mount -o remount,bind,ro "$root/sys"
    mount -t tmpfs tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    for m in "$@"; do
        mkdir -p "$root$m"
        mount --bind "$m" "$root$m"
    done
    mount --make-rshared "$root" # what units' credentials need, and systemd leaves to a container's maker
    ip link set lo up
    rm -rf "$root"/etc/systemd/system/*.wants "$root"/var/log/journal "$root"/usr/sbin/policy-rc.d
    for u in systemd-networkd systemd-resolved systemd-timesyncd systemd-logind systemd-udevd \
        getty@tty1 console-getty dbus postgresql docker containerd openipmi; do
        [[ " ${SD_UNITS-} " != *" $u "* ]] || continue
        ln -sf /dev/null "$root/etc/systemd/system/$u.service"
    done
    ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
    exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" \
        /lib/systemd/systemd --system --show-status=0 --log-target=journal
}

sd() {
    nsenter -t "$sd_pid" -m -p -n -i -u -C -r -w env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root "$@"
}

sd_halt() {
    [ -z "$sd_job" ] || kill -9 "$sd_job" 2>/dev/null || true
    [ -z "$sd_job" ] || wait "$sd_job" 2>/dev/null || true
    [ -z "$sd_dir" ] || rm -rf --one-file-system "$sd_dir"
    sd_job= sd_dir=
}

sd_boot() { # KEEP…: folders that are seen as they are (written to for real)
    local i
    [ "$(id -u)" = 0 ] || { echo "skip: not root"; return 77; }
    [ -x /lib/systemd/systemd ] || { echo "skip: no systemd here"; return 77; }
    sd_dir=$(mktemp -d /tmp/rookery-systemd.XXXXXX)
    mkdir "$sd_dir/up" "$sd_dir/root"
    trap sd_halt EXIT
    unshare -m -p -f -n -i -u -C --kill-child bash -c '. "$0"; sd_init "$@"' \
        "${BASH_SOURCE[0]}" "$sd_dir" "$@" >"$sd_dir/boot.log" 2>&1 </dev/null &
    sd_job=$!
    for ((i = 0; i < 1800; i++)); do
        sd_pid=$(pgrep -P "$sd_job" | head -1)
        if [ -n "$sd_pid" ] && grep -q systemd "/proc/$sd_pid/comm" 2>/dev/null &&
            [[ $(sd systemctl is-system-running 2>/dev/null) =~ ^(running|degraded)$ ]]; then
            return 0
        fi
        kill -0 "$sd_job" 2>/dev/null || break
        sleep 0.1
    done
    echo "skip: systemd does not start here: $(tail -3 "$sd_dir/boot.log" | tr '\n' ' ')"
    return 77
}
