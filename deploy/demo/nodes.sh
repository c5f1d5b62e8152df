# SPDX-License-Identifier: BSD-3-Clause
# Machines of the demo and of the tests: a server in the middle network and agents in the LANs of
# topology.sh, ours or the official ones. Sourced after topology.sh.
#
# Needs: NODES_DIR, a private work folder. Programs: ROOK, ROOKERY, and for the
# official ones NETBIRD_BIN (client) and NETBIRD_SERVER_BIN (combined server).

nodes_log() { # print a step with the seconds since the start
    printf '%6.1fs  %s\n' "$(nodes_elapsed)" "$*"
}

nodes_now_ms() {
    date +%s%3N
}

nodes_elapsed() {
    echo "$(nodes_now_ms) ${NODES_T0:-$(nodes_now_ms)}" | awk '{printf "%.1f", ($1 - $2) / 1000}'
}

# NODES_PATIENCE: on a slow machine every limit is that many times as long.
nodes_wait() { # SECONDS COMMAND…: run it until it succeeds; status 1 when the time is over
    local end=$(($(nodes_now_ms) + $1 * 1000 * ${NODES_PATIENCE:-1}))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(nodes_now_ms)" -lt "$end" ] || return 1
        sleep 0.05
    done
}

# A command in a namespace that sees its own /run and state folders, so that two agents on one
# machine do not meet; DNS changes stay private too. The shell is replaced by the command, so call
# it in a subshell, whose pid then is the program's.
nodes_exec() { # NAMESPACE NODE COMMAND…
    local ns=$1 node=$2
    shift 2
    mkdir -p "$NODES_DIR/$node/run" "$NODES_DIR/$node/lib" "$NODES_DIR/$node/etc"
    [ -e "$NODES_DIR/$node/etc/resolv.conf" ] ||
        echo "# private to this node" >"$NODES_DIR/$node/etc/resolv.conf"
    [ -e "$NODES_DIR/$node/etc/rt_tables" ] || cp /etc/iproute2/rt_tables "$NODES_DIR/$node/etc/" 2>/dev/null ||
        : >"$NODES_DIR/$node/etc/rt_tables"
    mkdir -p "$NODES_DIR/$node/etc/ssh/ssh_config.d"
    [ -e "$NODES_DIR/$node/etc/ssh/ssh_config" ] ||
        echo "Include /etc/ssh/ssh_config.d/*.conf" >"$NODES_DIR/$node/etc/ssh/ssh_config"
    exec ip netns exec "$TOPO-$ns" unshare --mount --propagation private sh -c '
        d=$1; shift
        mkdir -p /var/lib/netbird /var/lib/rook
        mount --bind "$d/run" /run
        mount --bind "$d/lib" /var/lib/netbird
        mount --bind "$d/lib" /var/lib/rook
        mount --bind "$d/etc/resolv.conf" /etc/resolv.conf
        [ ! -e /etc/iproute2/rt_tables ] || mount --bind "$d/etc/rt_tables" /etc/iproute2/rt_tables
        [ ! -d /etc/ssh ] || mount --bind "$d/etc/ssh" /etc/ssh
        exec "$@"' nodes "$NODES_DIR/$node" "$@"
}

nodes_in() { # NAMESPACE NODE COMMAND…: the same, waiting for its end
    (nodes_exec "$@")
}

# ---- servers: set NODES_URL, then nodes_api METHOD PATH [JSON] works with NODES_TOKEN ----
# NODES_CONFIG_MORE: more lines of our server's configuration, below `server:`.
# NODES_NAME, when set, is the name under which agents know the server instead of its address;
# NODES_AGENT_URL all of the address.

nodes_agent_url() {
    echo "${NODES_AGENT_URL:-http://${NODES_NAME:-$TOPO_SERVER}:8080}"
}

nodes_api() {
    local method=$1 path=$2 body=${3-}
    topo_in mid curl -sS --fail-with-body --max-time $((10 * ${NODES_PATIENCE:-1})) -X "$method" \
        -H "Authorization: Token $NODES_TOKEN" -H 'Content-Type: application/json' \
        ${body:+--data "$body"} "$NODES_URL$path"
}

nodes_own_server() { # start `rookery run` in the middle network; sets NODES_URL, NODES_TOKEN
    local d=$NODES_DIR/server
    mkdir -p "$d"
    NODES_URL=http://$TOPO_SERVER:8080
    cat >"$d/config.yaml" <<EOF
server:
  listenAddress: ":8080"
  exposedAddress: "$(nodes_agent_url)"
  stunPorts: [3478]
  dataDir: "$d/data"
  logLevel: ${NODES_LOG_LEVEL:-info}
${NODES_CONFIG_MORE-}
EOF
    mkdir -p "$d/data"
    (exec ip netns exec "$TOPO-mid" "$ROOKERY" run --config "$d/config.yaml") >"$d/log" 2>&1 &
    NODES_SERVER_PID=$!
    nodes_wait 20 topo_in mid curl -sf "$NODES_URL/api/instance" || {
        echo "the server did not start; its log:" >&2
        tail -20 "$d/log" >&2
        return 1
    }
    nodes_own_owner "$d"
}

nodes_own_owner() { # the first owner by the setup token, and a personal access token
    local answer
    answer=$(topo_in mid curl -sS --fail-with-body --max-time $((10 * ${NODES_PATIENCE:-1})) -X POST \
        -H "X-Setup-Token: $(cat "$1/data/setup-token")" -H 'Content-Type: application/json' \
        --data '{"email":"admin@example.com","password":"demo-Passw0rd!","name":"Admin","create_pat":true}' \
        "$NODES_URL/api/setup") || {
        echo "setup was refused: $answer" >&2
        return 1
    }
    NODES_TOKEN=$(printf '%s' "$answer" | jq -r .personal_access_token)
    [ -n "$NODES_TOKEN" ] && [ "$NODES_TOKEN" != null ]
}

nodes_official_server() { # the official combined server in the same place
    local d=$NODES_DIR/server answer
    mkdir -p "$d/data"
    NODES_URL=http://$TOPO_SERVER:8080
    cat >"$d/config.yaml" <<EOF
server:
  listenAddress: ":8080"
  exposedAddress: "$NODES_URL"
  stunPorts: [3478]
  metricsPort: 9090
  healthcheckAddress: ":9000"
  logLevel: info
  logFile: console
  authSecret: "demo-secret-of-this-run"
  dataDir: "$d/data"
  disableAnonymousMetrics: true
  disableGeoliteUpdate: true
  auth:
    issuer: "$NODES_URL/oauth2"
    dashboardRedirectURIs: ["$NODES_URL/nb-auth"]
    cliRedirectURIs: ["http://localhost:53000/"]
  store:
    engine: sqlite
    encryptionKey: "$(head -c 32 /dev/urandom | base64)"
EOF
    (exec ip netns exec "$TOPO-mid" env NB_SETUP_PAT_ENABLED=true NB_DISABLE_GEOLOCATION=true \
        "$NETBIRD_SERVER_BIN" --config "$d/config.yaml") >"$d/log" 2>&1 &
    NODES_SERVER_PID=$!
    nodes_wait 60 topo_in mid curl -sf "$NODES_URL/api/instance" || return 1
    answer=$(topo_in mid curl -sS --fail-with-body --max-time $((20 * ${NODES_PATIENCE:-1})) -X POST -H 'Content-Type: application/json' \
        --data '{"email":"admin@example.com","password":"demo-Passw0rd!","name":"Admin","create_pat":true}' \
        "$NODES_URL/api/setup") || return 1
    NODES_TOKEN=$(printf '%s' "$answer" | jq -r .personal_access_token)
    [ -n "$NODES_TOKEN" ] && [ "$NODES_TOKEN" != null ]
}

nodes_setup_key() { # print a new reusable setup key
    nodes_api POST /api/setup-keys \
        '{"name":"demo","type":"reusable","expires_in":86400,"auto_groups":[],"usage_limit":0}' | jq -r .key
}

# ---- agents: KIND is rook or netbird, NODE a name, NS la or lb ----

nodes_agent_start() { # KIND NS NODE SETUP_KEY: start the daemon, enrol, connect
    local kind=$1 ns=$2 node=$3 key=$4 d=$NODES_DIR/$3
    mkdir -p "$d"
    case $kind in
    rook)
        (nodes_exec "$ns" "$node" "$ROOK" service run) >"$d/log" 2>&1 &
        echo $! >"$d/pid"
        nodes_wait 10 test -S "$d/run/rook/rook.sock" || return 1
        nodes_in "$ns" "$node" "$ROOK" up --management-url "$(nodes_agent_url)" --setup-key "$key" \
            --hostname "$node" >"$d/up.log" 2>&1
        ;;
    netbird)
        # The daemon looks for updates, and uploads nothing, only with network access; there is none.
        (nodes_exec "$ns" "$node" env NB_STATE_DIR=/var/lib/netbird NB_LOG_LEVEL="${NODES_LOG_LEVEL:-info}" \
            "$NETBIRD_BIN" service run --log-file console --daemon-addr unix:///run/netbird.sock) >"$d/log" 2>&1 &
        echo $! >"$d/pid"
        nodes_wait 15 test -S "$d/run/netbird.sock" || return 1
        nodes_in "$ns" "$node" "$NETBIRD_BIN" up --daemon-addr unix:///run/netbird.sock \
            --management-url "$(nodes_agent_url)" --setup-key "$key" --hostname "$node" ${NODES_NETBIRD_FLAGS---disable-dns} >"$d/up.log" 2>&1
        ;;
    esac
}

nodes_agent_stop() { # NODE: stop its daemon by SIGTERM (KILL with a second argument)
    local pid
    pid=$(cat "$NODES_DIR/$1/pid") || return 0
    kill "-${2:-TERM}" "$pid" 2>/dev/null || true
    nodes_wait 10 sh -c "! kill -0 $pid" || true
}

nodes_status() { # KIND NS NODE: the agent's status as JSON
    case $1 in
    rook) nodes_in "$2" "$3" "$ROOK" status --json ;;
    netbird) nodes_in "$2" "$3" "$NETBIRD_BIN" status --json --daemon-addr unix:///run/netbird.sock ;;
    esac
}

nodes_ip() { # KIND NS NODE: its overlay IPv4 address
    nodes_status "$@" | jq -r '.netbirdIp | split("/")[0]'
}

nodes_path_is() { # WANTED(P2P|Relayed) KIND NS NODE: is every connected peer reached that way?
    local want=$1
    shift
    nodes_status "$@" | jq -e --arg w "$want" \
        '.peers.details | length > 0 and all(.status == "Connected" and .connectionType == $w)' >/dev/null
}

nodes_ping() { # NS ADDRESS: one echo within a second
    topo_in "$1" ping -c1 -W"${NODES_PATIENCE:-1}" "$2"
}
