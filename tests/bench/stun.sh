#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# stun.sh [SECONDS]: a fresh STUN server on loopback under load over IPv4 and IPv6, beside a process
# that only sends datagrams back; one JSON line each.
#
#   NETBIRD_SERVER_BIN=PATH   the official combined server too, in the same run
#   PERF=FILE                 record our server with perf (IPv4)
#
# Programs are taken from BUILD (the build folder; default: the current folder).
set -u
BUILD=${BUILD:-.}
dir=$(mktemp -d "${TMPDIR:-/tmp}/rookery-bench.XXXXXX")
pid=
cleanup() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$dir"
}
trap cleanup EXIT

port() { echo $((20000 + RANDOM % 12000)); }

load() { # NAME PORT SECONDS
    local ip
    sleep 1
    for ip in 127.0.0.1 ::1; do
        "$BUILD/tests/bench/stun" "$1" "$pid" $ip "$2" "$3" || { tail -5 "$dir/log" >&2; exit 1; }
    done
    kill "$pid"
    wait "$pid" 2>/dev/null
    pid=
}

stun=$(port)
"$BUILD/tests/bench/stun" bare "$stun" &
pid=$!
load bare "$stun" "${1:-3}"

stun=$(port)
"$BUILD/rookery-relay" --listen-address "127.0.0.1:$(port)" --exposed-address rel://127.0.0.1:1 \
    --auth-secret bench --enable-stun --stun-ports "$stun" --metrics-port 0 \
    --health-listen-address '' --log-level warn 2>"$dir/log" &
pid=$!
[ -z "${PERF-}" ] || perf record -q -g -o "$PERF" -p "$pid" -- sleep 3 &
load rookery "$stun" "${1:-3}"

if [ -n "${NETBIRD_SERVER_BIN-}" ]; then
    stun=$(port) http=$(port)
    cat >"$dir/official.yaml" <<END
server:
  listenAddress: "127.0.0.1:$http"
  exposedAddress: "http://127.0.0.1:$http"
  stunPorts: [$stun]
  metricsPort: $(port)
  healthcheckAddress: "127.0.0.1:$(port)"
  logLevel: error
  logFile: console
  authSecret: "bench"
  dataDir: "$dir/official"
  disableAnonymousMetrics: true
  disableGeoliteUpdate: true
  auth:
    issuer: "http://127.0.0.1:$http/oauth2"
  store:
    engine: sqlite
    encryptionKey: "$(head -c 32 /dev/urandom | base64)"
END
    mkdir -p "$dir/official"
    NB_DISABLE_GEOLOCATION=true "$NETBIRD_SERVER_BIN" --config "$dir/official.yaml" >"$dir/log" 2>&1 &
    pid=$!
    load official "$stun" "${1:-3}"
fi
