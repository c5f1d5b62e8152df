#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Plain ssh beside rook reaches an official client's SSH server by the host key that our server
# gave, with and without a person's token, is stopped by another key, and knows nothing after `rook down`.
. "$(dirname "$0")/../lib/scenario.sh"
need_root
need_program ROOKERY
need_program ROOK
need_program NETBIRD_BIN
[ -x /usr/bin/ssh ] && [ -d /etc/ssh ] || skip "needs OpenSSH's client"

ssh_to() { # TARGET WORD…
    nodes_in la a timeout 60 ssh -F /etc/ssh/ssh_config -o BatchMode=yes -o ConnectTimeout=30 "$@"
}

says() { # TARGET TEXT: the far side says it
    [ "$(ssh_to "$1" echo "$2" 2>>"$NODES_DIR/ssh.log")" = "$2" ]
}

topo_up
nodes_own_server || fail "server"
key=$(nodes_setup_key)
nodes_agent_start rook la a "$key" || fail "rook does not come up"
NODES_NETBIRD_FLAGS="--disable-dns --allow-server-ssh --enable-ssh-root --disable-ssh-auth" \
    nodes_agent_start netbird lb b "$key" || fail "the official client does not come up"
id=$(nodes_api GET /api/peers | jq -r '.[] | select(.name == "b") | .id')
nodes_api PUT "/api/peers/$id" '{"name":"b","ssh_enabled":true,"login_expiration_enabled":false,
    "inactivity_expiration_enabled":false}' >/dev/null || fail "SSH was not switched on"
b=$(nodes_ip netbird lb b)
etc=$NODES_DIR/a/etc/ssh
nodes_wait 60 test -s "$etc/ssh_config.d/99-rook-wt0.conf" || fail "rook writes no drop-in"
nodes_wait 90 nodes_ping la "$b" || fail "no ping"
nodes_wait 90 says "root@$b" hello || fail "ssh does not get through: $(tail -3 "$NODES_DIR/ssh.log")"
ssh_to "root@$b" exit 7
[ $? = 7 ] || fail "the exit status is lost"
nodes_log "ssh by the host key of the map"

# With tokens: what our server says of them lets the official server take ours, and no other.
with_token() { # TOKEN WORD…: ssh to b gives it as the password
    printf '#!/bin/sh\necho "%s"\n' "$1" >"$NODES_DIR/askpass"
    chmod 700 "$NODES_DIR/askpass"
    shift
    nodes_in la a timeout 60 env SSH_ASKPASS="$NODES_DIR/askpass" SSH_ASKPASS_REQUIRE=force setsid -w \
        ssh -F /etc/ssh/ssh_config -o NumberOfPasswordPrompts=1 -o ConnectTimeout=30 "root@$b" "$@" \
        2>>"$NODES_DIR/ssh.log" </dev/null
}

token_of_person() { # prints the token of a device login by Chromium
    local ask
    ask=$(topo_in la curl -sS --fail-with-body -d "client_id=netbird-cli&scope=openid profile email offline_access" \
        "$NODES_URL/oauth2/device/code") || return 1
    topo_in la timeout 120 python3 "$SRC_DIR/tests/lib/browser.py" "$(jq -r .verification_uri_complete <<<"$ask")" \
        admin@example.com demo-Passw0rd! >&2 || return 1
    topo_in la curl -sS --fail-with-body -d "client_id=netbird-cli&device_code=$(jq -r .device_code <<<"$ask")" \
        -d "grant_type=urn:ietf:params:oauth:grant-type:device_code" "$NODES_URL/oauth2/token" | jq -er .access_token
}

says_with() { # TOKEN TEXT
    [ "$(with_token "$1" echo "$2")" = "$2" ]
}

detected() { # STATUS
    topo_in la "$ROOK" ssh detect "$b" 22
    [ $? = "$1" ]
}

if command -v chromedriver >/dev/null; then
    detected 1 || fail "a server without tokens is not known as one"
    nodes_in lb b "$NETBIRD_BIN" down --daemon-addr unix:///run/netbird.sock >/dev/null
    nodes_in lb b "$NETBIRD_BIN" up --daemon-addr unix:///run/netbird.sock --disable-ssh-auth=false >/dev/null ||
        fail "the official client does not come up with tokens"
    nodes_wait 90 detected 0 || fail "no SSH server that wants tokens"
    token=$(token_of_person 2>"$NODES_DIR/login.log") || fail "no token: $token $(cat "$NODES_DIR/login.log")"
    nodes_wait 90 says_with "$token" hello || fail "the token is not taken: $(tail -3 "$NODES_DIR/ssh.log")"
    says_with "${token%????????}AAAAAAAA" hello && fail "a forged token is taken"
    nodes_log "ssh with the token of a person, none with a forged one"
else
    echo "skip: chromedriver is not installed: tokens were not tried"
fi

sed -i -E 's/ ssh-ed25519 .*/ ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0nuGhPqmK5Ymd2wQhyVTS0mbF4D0tKRM8XvWUvNOeX/' \
    "$etc/rook_known_hosts-wt0"
ssh_to "root@$b" true >"$NODES_DIR/wrong.log" 2>&1 && fail "ssh believes another host key"
has -i "host key verification failed" <"$NODES_DIR/wrong.log" || fail "refused for another reason: $(cat "$NODES_DIR/wrong.log")"
nodes_log "another host key is refused"

nodes_in la a "$ROOK" down >/dev/null || fail "rook down"
[ ! -e "$etc/ssh_config.d/99-rook-wt0.conf" ] && [ ! -e "$etc/rook_known_hosts-wt0" ] || fail "files stay after rook down"
echo "plain ssh to an official client's server: all held"
