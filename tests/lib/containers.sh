# SPDX-License-Identifier: BSD-3-Clause
# A private container engine for tests: its own daemon, folder and socket, and a base image made by
# debootstrap from the machine's own package source, since nothing is pulled. Sourced.

# An engine has a bridge and packet filter rules of the machine: there is one at a time, whoever runs tests.
containers_start() { # FOLDER: daemon with everything under it; sets DOCKER_HOST
    local d=$1
    mkdir -p "$d" /run/lock
    exec {CONTAINERS_LOCK}>/run/lock/rookery-containers
    flock -w 1500 "$CONTAINERS_LOCK" || { echo "another container engine of tests runs for too long"; return 1; }
    export DOCKER_HOST=unix://$d/docker.sock
    iptables-save -t filter >"$d/rules" 2>/dev/null
    dockerd --data-root "$d/data" --exec-root "$d/exec" -H "$DOCKER_HOST" --pidfile "$d/pid" \
        --bip 172.31.249.1/24 >"$d/dockerd.log" 2>&1 {CONTAINERS_LOCK}>&- &
    CONTAINERS_PID=$!
    local i
    for i in $(seq 600); do
        docker info >/dev/null 2>&1 && return 0
        kill -0 $CONTAINERS_PID 2>/dev/null || break
        sleep 0.2
    done
    tail -5 "$d/dockerd.log"
    return 1
}

containers_stop() { # FOLDER
    [ -n "${CONTAINERS_PID-}" ] || return 0
    kill "$CONTAINERS_PID" 2>/dev/null
    wait "$CONTAINERS_PID" 2>/dev/null
    umount -R "$1/data/overlay2" 2>/dev/null
    CONTAINERS_PID=
    containers_rules_away "$1/rules"
    flock -u "$CONTAINERS_LOCK"
}

containers_rules_away() { # SAVED: what an engine leaves in the packet filter, unless there was one before
    local table rule chain
    iptables -P FORWARD "$(sed -n 's/^:FORWARD \([A-Z]*\) .*/\1/p' "$1" | grep . || echo ACCEPT)" 2>/dev/null
    ! grep -q DOCKER "$1" || return 0
    for table in filter nat; do
        iptables-save -t $table | sed -n '/docker0\|DOCKER\|172\.31\.249\./s/^-A //p' | while read -r rule; do
            # shellcheck disable=SC2086
            iptables -t $table -D $rule
        done
        for chain in $(iptables-save -t $table | sed -n 's/^:\(DOCKER[^ ]*\) .*/\1/p'); do
            iptables -t $table -F "$chain"
            iptables -t $table -X "$chain"
        done
    done
    ip link del docker0
} 2>/dev/null

containers_base() { # CACHE_FILE: make the base image "debian:bookworm-slim", from the cache if there
    local cache=$1 root site
    if [ ! -s "$cache" ]; then
        site=$(apt-get indextargets --format '$(SITE) $(RELEASE)' | awk '$2 == "bookworm" {print $1; exit}')
        [ -n "$site" ] || return 1
        root=$(mktemp -d /tmp/rookery-base-XXXXXX)
        debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "$site" >"$cache.log" 2>&1 || {
            tail -5 "$cache.log"
            return 1
        }
        tar -C "$root" --exclude='./var/cache/apt/archives/*.deb' --exclude='./proc/*' --exclude='./sys/*' \
            -cf "$cache.new" . && mv "$cache.new" "$cache"
        rm -rf "$root"
    fi
    docker import "$cache" debian:bookworm-slim >/dev/null
}

# The image out of programs that are built already: only its last stage is made.
containers_image() { # FOLDER NAME
    local ctx=$1/context p
    mkdir -p "$ctx/prebuilt/usr/bin" "$ctx/deploy"
    cp -r "$SRC_DIR/deploy/packages.sh" "$SRC_DIR/deploy/container" "$ctx/deploy/"
    for p in rookery rookery-management rookery-signal rookery-relay rook; do
        strip -o "$ctx/prebuilt/usr/bin/$p" "$BUILD_DIR/$p" || return 1
    done
    sh "$SRC_DIR/deploy/container/programs.sh" "$ctx/prebuilt" 2>"$ctx/programs.log" || { cat "$ctx/programs.log"; return 1; }
    docker build -q -f "$ctx/deploy/container/Dockerfile" -t "$2" "$ctx" >"$ctx.log" 2>&1 || { tail -20 "$ctx.log"; return 1; }
}
