#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# signal.sh [FLAGS OF tests/bench/signal]: a fresh signal server on loopback under load, in clear
# text (h2c) and with TLS; one JSON line each.
#
#   NETBIRD_SIGNAL_BIN=PATH   the official signal server too, in the same run
#   NETBIRD_SERVER_BIN=PATH   the official combined server too (when the other is not named)
#   PERF=PREFIX               record our server with perf into PREFIX.h2c and PREFIX.tls
#
# Programs are taken from BUILD (the build folder; default: the current folder).
set -u
BUILD=${BUILD:-.}
dir=$(mktemp -d "${TMPDIR:-/tmp}/rookery-bench.XXXXXX")
pids=()
cleanup() {
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$dir"
}
trap cleanup EXIT
ulimit -n "$(ulimit -Hn)"

free_port() {
    local p
    while :; do
        p=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null || { echo "$p"; return; }
    done
}

fail() {
    echo "signal.sh: $1" >&2
    [ ! -s "${2-}" ] || tail -5 "$2" >&2
    exit 1
}

load() { # NAME PORT PID TLS FLAGS
    local name=$1 port=$2 pid=$3 tls=$4 i
    shift 4
    for i in $(seq 3000); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
        kill -0 "$pid" 2>/dev/null || fail "$name did not start" "$dir/$name.log"
        sleep 0.01
    done
    "$BUILD/tests/bench/signal" --name "$name" --address "127.0.0.1:$port" --pid "$pid" \
        ${tls:+--ca-file "$dir/cert.pem"} "$@" || fail "load on $name" "$dir/$name.log"
    kill "$pid"
    wait "$pid" 2>/dev/null
    pids=()
}

run_own() { # TLS FLAGS
    local tls=$1 port perf_pid=
    port=$(free_port)
    "$BUILD/rookery-signal" --listen-address "127.0.0.1:$port" --legacy-port 0 --metrics-port 0 \
        --health-listen-address '' --log-level warn \
        ${tls:+--cert-file "$dir/cert.pem" --cert-key "$dir/key.pem"} 2>"$dir/rookery.log" &
    pids=($!)
    [ -z "${PERF-}" ] || { perf record -q -g -o "$PERF.${tls:-h2c}" -p "${pids[0]}" & perf_pid=$!; }
    load rookery "$port" "${pids[0]}" "$@"
    [ -z "$perf_pid" ] || wait "$perf_pid"
}

run_official() { # TLS FLAGS
    local tls=$1 port url
    port=$(free_port)
    url=http${tls:+s}://127.0.0.1:$port
    if [ -n "${NETBIRD_SIGNAL_BIN-}" ]; then
        "$NETBIRD_SIGNAL_BIN" run --port "$port" --log-level error --log-file console \
            --metrics-port "$(free_port)" \
            ${tls:+--cert-file "$dir/cert.pem" --cert-key "$dir/key.pem"} >"$dir/official.log" 2>&1 &
    else
        mkdir -p "$dir/official"
        cat >"$dir/official.yaml" <<END
server:
  listenAddress: "127.0.0.1:$port"
  exposedAddress: "$url"
  stunPorts: [$(free_port)]
  metricsPort: $(free_port)
  healthcheckAddress: "127.0.0.1:$(free_port)"
  logLevel: error
  logFile: console
  authSecret: "bench"
  dataDir: "$dir/official"
  disableAnonymousMetrics: true
  disableGeoliteUpdate: true
${tls:+  tls:
    certFile: "$dir/cert.pem"
    keyFile: "$dir/key.pem"
}  auth:
    issuer: "$url/oauth2"
  store:
    engine: sqlite
    encryptionKey: "$(head -c 32 /dev/urandom | base64)"
END
        NB_DISABLE_GEOLOCATION=true "$NETBIRD_SERVER_BIN" --config "$dir/official.yaml" \
            >"$dir/official.log" 2>&1 &
    fi
    pids=($!)
    load official "$port" "${pids[0]}" "$@"
}

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$dir/key.pem" -out "$dir/cert.pem" 2>/dev/null ||
    fail "openssl"
for tls in "" tls; do
    run_own "$tls" "$@"
    [ -z "${NETBIRD_SIGNAL_BIN-}${NETBIRD_SERVER_BIN-}" ] || run_official "$tls" "$@"
done
