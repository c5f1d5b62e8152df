# SPDX-License-Identifier: BSD-3-Clause
# A relay of ours with a certificate in the middle network, and what it says of its peers. Sourced
# after scenario.sh. Needs RELAY, the program.

RELAY_TLS_ADDRESS=$TOPO_SERVER:33443
RELAY_CERT=$NODES_DIR/relay-cert.pem
RELAY_KEY=$NODES_DIR/relay-key.pem

relay_tls_cert() { # a new certificate in place of the old one; who trusts the old one's key trusts it
    [ -s "$RELAY_KEY" ] || openssl ecparam -name prime256v1 -genkey -noout -out "$RELAY_KEY" 2>/dev/null
    openssl req -x509 -key "$RELAY_KEY" -out "$RELAY_CERT.new" -days 30 -subj "/CN=relay $RANDOM" \
        -addext "subjectAltName=IP:$TOPO_SERVER" 2>/dev/null && mv "$RELAY_CERT.new" "$RELAY_CERT"
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
