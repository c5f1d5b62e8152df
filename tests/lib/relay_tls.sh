# SPDX-License-Identifier: BSD-3-Clause
# A relay of ours with a certificate in the middle network, and what it says of its peers. Sourced
# after scenario.sh. Needs RELAY, the program.

RELAY_TLS_ADDRESS=$TOPO_SERVER:33443
RELAY_CERT=$NODES_DIR/relay-cert.pem
RELAY_KEY=$NODES_DIR/relay-key.pem
RELAY_CA=$NODES_DIR/relay-ca.pem # what agents trust: SSL_CERT_FILE

relay_tls_cert() { # a new certificate and key in place of the old ones
    [ -s "$RELAY_CA" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 \
        -keyout "$RELAY_CA.key" -out "$RELAY_CA" -subj "/CN=test authority" 2>/dev/null || return 1
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$RELAY_KEY" -subj "/CN=relay $RANDOM" \
        -out "$RELAY_CERT.csr" 2>/dev/null &&
        openssl x509 -req -in "$RELAY_CERT.csr" -CA "$RELAY_CA" -CAkey "$RELAY_CA.key" -CAcreateserial -days 30 \
            -extfile <(echo "subjectAltName=IP:$TOPO_SERVER") -out "$RELAY_CERT" 2>/dev/null
}

relay_tls_start() { # OPTION…
    mkdir -p "$NODES_DIR/relay"
    [ -s "$RELAY_CERT" ] || relay_tls_cert || fail "no certificate"
    (exec ip netns exec "$TOPO-mid" "$RELAY" --listen-address "$RELAY_TLS_ADDRESS" \
        --exposed-address "rels://$RELAY_TLS_ADDRESS" --auth-secret shared-secret --tls-cert-file "$RELAY_CERT" \
        --tls-key-file "$RELAY_KEY" --health-listen-address "$TOPO_SERVER:33091" "$@") >>"$NODES_DIR/relay/log" 2>&1 &
    echo $! >"$NODES_DIR/relay/pid"
    nodes_wait 10 topo_in mid curl -sf "http://$TOPO_SERVER:33091/livez" || fail "the relay did not start"
}

relay_tls_stop() {
    kill "$(cat "$NODES_DIR/relay/pid")"
    nodes_wait 20 sh -c "! kill -0 $(cat "$NODES_DIR/relay/pid")"
}

# The network without direct paths, a server that names the relay, and agents a and b over QUIC; sets b, its address.
# BEFORE: a function that runs when the network and the server are there.
relay_quic_pair() { # BEFORE RELAY-OPTION…
    local before=$1 key
    shift
    topo_up
    relay_tls_start "$@"
    NODES_CONFIG_MORE=$(relay_tls_config)
    nodes_own_server || fail "server"
    key=$(nodes_setup_key)
    topo_udp_block
    export SSL_CERT_FILE=$RELAY_CA
    $before
    NB_RELAY_TRANSPORT=prefer-quic nodes_agent_start rook la a "$key" || fail "agent a: $(cat "$NODES_DIR/a/up.log")"
    NB_RELAY_TRANSPORT=prefer-quic nodes_agent_start rook lb b "$key" || fail "agent b: $(cat "$NODES_DIR/b/up.log")"
    for n in a b; do
        nodes_wait 30 has 'event="relay connected".*transport=quic' "$NODES_DIR/$n/log" || fail "$n was never over QUIC"
    done
    b=$(nodes_ip rook lb b)
    nodes_wait 30 nodes_ping la "$b" || fail "no ping over the relay"
}

relay_narrow() { # from now on, both ways for a; with it the bridge, so only towards b
    topo_in na ip link set wan mtu 1380
    topo_in mid ip link set upa mtu 1380
}

relay_full() { topo_in la ping -c3 -i0.2 -W"$((2 * ${NODES_PATIENCE:-1}))" -M do -s 1252 "$b"; } # packets that fill a tunnel's MTU

relay_tls_config() { # lines for the server
    printf '  relays:\n    addresses: ["rels://%s"]\n    secret: shared-secret\n' "$RELAY_TLS_ADDRESS"
}

relay_tls_metrics() { topo_in mid curl -sf "http://$TOPO_SERVER:33091/metrics"; }

relay_tls_peers() { relay_tls_metrics | grep '^relay_peers{'; }

relay_tls_has() { # TRANSPORT N: so many peers use it
    [ "$(relay_tls_metrics | sed -n "s/^relay_peers{transport=\"$1\"} //p")" = "$2" ]
}
