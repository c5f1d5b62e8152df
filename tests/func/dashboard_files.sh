#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# deploy/compose/dashboard-files.sh on files as the dashboard's build leaves them, and the compose file of
# the dashboard against the table of docs/dashboard.md.
set -eu
src=${srcdir:-.}
command -v envsubst >/dev/null || { echo "SKIP: envsubst is not installed"; exit 77; }
work=$(mktemp -d /tmp/rookery-dashboard-XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/html/_next"
cat >"$work/html/_next/app.js" <<'EOF'
c={"auth0Auth":"$USE_AUTH0","authAuthority":"$AUTH_AUTHORITY","authClientSecret":"$AUTH_CLIENT_SECRET",
"authScopesSupported":"$AUTH_SUPPORTED_SCOPES","authAudience":"$AUTH_AUDIENCE","redirectURI":"$AUTH_REDIRECT_URI",
"apiOrigin":"$NETBIRD_MGMT_API_ENDPOINT"};price="$5";x=`${y}`;a.$HOME
EOF
echo 'const trustedDomains = {default: ["$AUTH_AUTHORITY", "$NETBIRD_MGMT_API_ENDPOINT"]}' \
    >"$work/html/OidcTrustedDomains.js.tmpl"
run() { "$src/deploy/compose/dashboard-files.sh" "$@"; }
fail() { echo "FAIL $*"; exit 1; }

run "$work/html" https://vpn.example.com/ >/dev/null || fail "does not fill"
grep -q '"auth0Auth":"false","authAuthority":"https://vpn.example.com/oauth2","authClientSecret":""' \
    "$work/html/_next/app.js" || fail "authority: $(cat "$work/html/_next/app.js")"
grep -q '"authScopesSupported":"openid profile email groups","authAudience":"netbird-dashboard"' \
    "$work/html/_next/app.js" || fail "scopes"
grep -q '"apiOrigin":"https://vpn.example.com"' "$work/html/_next/app.js" || fail "origin"
# shellcheck disable=SC2016
grep -qF 'price="$5";x=`${y}`;a.$HOME' "$work/html/_next/app.js" || fail "other dollars were touched"
grep -qF '["https://vpn.example.com/oauth2", "https://vpn.example.com"]' "$work/html/OidcTrustedDomains.js" ||
    fail "trusted domains"
run "$work/html" https://vpn.example.com >/dev/null 2>&1 && fail "filled a folder twice"
run "$work/html" vpn.example.com >/dev/null 2>&1 && fail "took a name without a scheme"

# The container gets what the script fills in.
for v in AUTH_CLIENT_ID AUTH_AUDIENCE AUTH_SUPPORTED_SCOPES AUTH_REDIRECT_URI AUTH_SILENT_REDIRECT_URI \
    USE_AUTH0 NETBIRD_TOKEN_SOURCE; do
    want=$(sed -n "s/.*$v=\"\{0,1\}\([a-zA-Z/ -]*\)\"\{0,1\}\( .*\)\{0,1\}$/\1/p" "$src/deploy/compose/dashboard-files.sh" | head -1)
    got=$(sed -n "s/^ *$v: \"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "$src/deploy/compose/docker-compose.dashboard.yml")
    [ -n "$got" ] && [ "${want%% USE_*}" != "" ] && case "$want" in "$got"*) ;; *) fail "$v: \"$want\", not \"$got\"" ;; esac
done
echo "ok"
