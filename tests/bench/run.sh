#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# run.sh SCENARIO SHAPE N [OPTIONS] [SWARM FLAGS]: start a fresh rookery-management on a fresh SQLite
# store on loopback, run the swarm against it, stop it, print one JSON line.
#
#   --tls               with TLS (a certificate made for this run)
#   --server-bin PATH   measure the official combined server (netbird-server) too, in the same run
#   --vs URL            measure the server at URL too (fresh, its set-up open, or with --api-token)
#   --perf FILE         record our server with perf into FILE
# Scenario restart (ours only): kill -9 and start again with the agents in the store.
# Scenario ha (ours only, root): two processes on one PostgreSQL behind HAProxy; needs rookery,
# tests/ha/crowd and tests/ha/talk in the build folder.
# With a second server the line has its figures under "vs", and "ratio_wall", "ratio_cpu".
#
# Programs are taken from BUILD (the build folder; default: the current folder).
set -u
BUILD=${BUILD:-.}
[ $# -ge 3 ] || { sed -n '3,15s/^# \{0,1\}//p' "$0" >&2; exit 2; }
scenario=$1 shape=$2 agents=$3
shift 3
if [ "$scenario" = ha ]; then
    BUILD_DIR=$(cd "$BUILD" && pwd)
    ROOKERY=${ROOKERY:-$BUILD_DIR/rookery}
    SRC_DIR=$(cd "$(dirname "$0")/../.." && pwd)
    . "$SRC_DIR/tests/ha/lib_hub.sh"
    hub_run ha/bench.py "$agents"
    exit
fi
tls= vs_bin= vs_url= perf= flags=()
while [ $# -gt 0 ]; do
    case $1 in
    --tls) tls=1 ;;
    --server-bin) vs_bin=$2; shift ;;
    --vs) vs_url=$2; shift ;;
    --perf) perf=$2; shift ;;
    *) flags+=("$1") ;;
    esac
    shift
done
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

wait_up() { # URL PID
    local i
    for i in $(seq 3000); do
        curl -sfk "$1/api/instance" >/dev/null 2>&1 && return 0
        kill -0 "$2" 2>/dev/null || return 1
        sleep 0.01
    done
    return 1
}

swarm() { # URL PID: one line on standard output
    "$BUILD/tests/bench/swarm/swarm" --scenario "$scenario" --shape "$shape" --agents "$agents" \
        --url "$1" ${2:+--server-pid "$2"} ${tls:+--ca-file "$dir/cert.pem"} "${flags[@]}"
}

fail() {
    echo "run.sh: $1" >&2
    [ ! -s "${2-}" ] || tail -5 "$2" >&2
    exit 1
}

start_own() { # [PORT]: sets url, port and pid
    port=${1:-$(free_port)}
    url=http${tls:+s}://127.0.0.1:$port
    "$BUILD/rookery-management" --listen-address "127.0.0.1:$port" --datadir "$dir/own" \
        --signal http://127.0.0.1:1 --relay rel://127.0.0.1:2 --relay-secret bench --setup-open \
        --setup-pat --metrics-port 0 --health-listen-address '' --log-level warn \
        ${tls:+--cert-file "$dir/cert.pem" --cert-key "$dir/key.pem"} ${SERVER_ARGS-} 2>"$dir/own.log" &
    pid=$!
    pids+=("$pid")
    wait_up "$url" "$pid" || fail "our server did not start" "$dir/own.log"
}

start_official() { # sets url and pid
    local port
    port=$(free_port)
    url=http${tls:+s}://127.0.0.1:$port
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
    dashboardRedirectURIs: ["$url/nb-auth"]
    cliRedirectURIs: ["http://localhost:53000/"]
  store:
    engine: sqlite
    encryptionKey: "$(head -c 32 /dev/urandom | base64)"
END
    NB_SETUP_PAT_ENABLED=true NB_DISABLE_GEOLOCATION=true \
        "$vs_bin" --config "$dir/official.yaml" >"$dir/official.log" 2>&1 &
    pid=$!
    pids+=("$pid")
    wait_up "$url" "$pid" || fail "the official server did not start" "$dir/official.log"
}

# Enrol the agents, kill the server, start it again on the same store: how long until it serves?
run_restart() {
    local t0 t1
    scenario=register
    start_own
    own=$(swarm "$url" "$pid") || fail "swarm against our server" "$dir/own.log"
    kill -9 "$pid"
    wait "$pid" 2>/dev/null
    pids=()
    t0=$(date +%s%N)
    start_own "$port"
    t1=$(date +%s%N)
    sleep 1
    jq -nc --argjson n "$agents" --arg ns $((t1 - t0)) --argjson rss \
        "$(awk '/VmRSS/{print $2}' "/proc/$pid/status")" --argjson cpu \
        "$(awk '{print ($14 + $15) / 100}' "/proc/$pid/stat")" \
        '{scenario: "restart", agents: $n, start_to_serving_s: ($ns | tonumber / 1e9),
          rss_now_kb: $rss, server_cpu_s: $cpu}'
    kill "$pid"
    wait "$pid" || fail "our server did not end well" "$dir/own.log"
    pids=()
}

[ -z "$tls" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout "$dir/key.pem" \
    -out "$dir/cert.pem" 2>/dev/null || fail "openssl"

if [ "$scenario" = restart ]; then
    run_restart
    exit
fi
start_own
[ -z "$perf" ] || { perf record -q -g -o "$perf" -p "$pid" & perf_pid=$!; }
own=$(swarm "$url" "$pid") || fail "swarm against our server" "$dir/own.log"
[ -z "$perf" ] || { kill -INT "$perf_pid"; wait "$perf_pid"; }
kill "$pid"
wait "$pid" || fail "our server did not end well" "$dir/own.log"
pids=()
if [ -n "$vs_bin$vs_url" ]; then
    pid=
    url=$vs_url
    [ -z "$vs_bin" ] || start_official
    other=$(swarm "$url" "$pid") || fail "swarm against the other server" "$dir/official.log"
    own=$(jq -c --argjson vs "$other" '. + {vs: $vs,
        ratio_wall: (if .wall_last_s > 0 then $vs.wall_last_s / .wall_last_s else null end),
        ratio_cpu: (if .server_cpu_s > 0 then $vs.server_cpu_s / .server_cpu_s else null end)}' <<<"$own")
fi
echo "$own"
