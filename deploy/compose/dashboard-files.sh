#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Fills in the settings of the official dashboard's static files, as its container does at its start:
#   dashboard-files.sh FOLDER ORIGIN [API-ORIGIN]
# FOLDER holds a fresh copy of the files (docs/dashboard.md says how to get one), ORIGIN is the address
# that people type ("https://vpn.example.com"), API-ORIGIN that of the server where it is another one.
# Needs envsubst (package gettext-base). A folder that was filled already is refused.
set -eu

[ $# -ge 2 ] || { sed -n '3,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder=$1 origin=${2%/} api=${3:-$2}
api=${api%/}
command -v envsubst >/dev/null || { echo "dashboard-files: envsubst is missing (gettext-base)" >&2; exit 1; }
case $origin in
https://*) ;;
http://*) echo "dashboard-files: over plain http browsers offer no crypto.subtle: see docs/dashboard.md" >&2 ;;
*) echo "dashboard-files: \"$origin\" is not of the form https://name[:port]" >&2; exit 2 ;;
esac

export NETBIRD_MGMT_API_ENDPOINT="$api" NETBIRD_MGMT_GRPC_API_ENDPOINT="$api"
export AUTH_AUTHORITY="$api/oauth2" AUTH_CLIENT_ID=netbird-dashboard AUTH_CLIENT_SECRET=
export AUTH_AUDIENCE=netbird-dashboard AUTH_SUPPORTED_SCOPES="openid profile email groups"
export AUTH_REDIRECT_URI=/nb-auth AUTH_SILENT_REDIRECT_URI=/nb-silent-auth USE_AUTH0=false
export NETBIRD_TOKEN_SOURCE=accessToken NETBIRD_DRAG_QUERY_PARAMS=false NETBIRD_AUTH_SERVICE_URL=
export NETBIRD_WASM_PATH= NETBIRD_LICENSED=false NETBIRD_CLOUD=false NETBIRD_AGENT_NETWORK_ONLY=false
export NETBIRD_AGENT_NETWORK_ENABLED=false NETBIRD_HOTJAR_TRACK_ID= NETBIRD_GOOGLE_ANALYTICS_ID=
export NETBIRD_GOOGLE_TAG_MANAGER_ID= NETBIRD_HUBSPOT_PORTAL_ID= NETBIRD_HUBSPOT_SIGNUP_FORM_ID=
export NETBIRD_HUBSPOT_ONBOARDING_FORM_ID= NETBIRD_HUBSPOT_SURVEY_FORM_ID=
export NETBIRD_ANALYTICS_EXCLUDED_EMAILS=
# only these: the files are full of other dollar signs
names=$(env | sed -n 's/^\(AUTH_[A-Z0-9_]*\|NETBIRD_[A-Z0-9_]*\|USE_AUTH0\)=.*/$\1/p' | tr '\n' ' ')

fill() { # FROM TO
    envsubst "$names" <"$1" >"$2.new"
    mv "$2.new" "$2"
}

[ -d "$folder" ] || { echo "dashboard-files: there is no folder $folder" >&2; exit 1; }
files=$(grep -R -l '\$AUTH_SUPPORTED_SCOPES' "$folder" || true)
[ -n "$files" ] || {
    echo "dashboard-files: $folder has no \$AUTH_SUPPORTED_SCOPES: no fresh copy of the dashboard" >&2
    exit 1
}
printf '%s\n' "$files" | while IFS= read -r f; do
    fill "$f" "$f"
done
trusted=$folder/OidcTrustedDomains.js
[ ! -e "$trusted.tmpl" ] || fill "$trusted.tmpl" "$trusted"
echo "dashboard-files: filled $(printf '%s\n' "$files" | wc -l) files for $origin"
