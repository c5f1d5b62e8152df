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

relay_tls_config() { # lines for the server
    printf '  relays:\n    addresses: ["rels://%s"]\n    secret: shared-secret\n' "$RELAY_TLS_ADDRESS"
}

relay_tls_metrics() { topo_in mid curl -sf "http://$TOPO_SERVER:33091/metrics"; }

relay_tls_peers() { relay_tls_metrics | grep '^relay_peers{'; }

relay_tls_has() { # TRANSPORT N: so many peers use it
    [ "$(relay_tls_metrics | sed -n "s/^relay_peers{transport=\"$1\"} //p")" = "$2" ]
}
