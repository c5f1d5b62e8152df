# SPDX-License-Identifier: BSD-3-Clause
# A network behind two routing peers, as its hosts see it. Sourced after scenario.sh.
#
#   la (a, the client)          lb (b) 10.99.0.1 --+
#                                                  +-- bridge 10.99.0.2 lan (a host that is no peer)
#                               lc (c) 10.99.0.3 --+
#   c stands in the middle network, without NAT.

ROUTING_HOST=10.99.0.2

routing_up() { # after topo_up
    local x
    for x in lan lc; do
        ip netns add "$TOPO-$x"
        topo_in $x ip link set lo up
    done
    ip -n "$TOPO-lan" link add br0 type bridge
    ip -n "$TOPO-lan" addr add $ROUTING_HOST/24 dev br0
    ip -n "$TOPO-lan" link set br0 up
    for x in b c; do
        ip -n "$TOPO-lan" link add "to$x" type veth peer name inner netns "$TOPO-l$x"
        ip -n "$TOPO-lan" link set "to$x" master br0 up
        ip -n "$TOPO-l$x" link set inner up
    done
    ip -n "$TOPO-lb" addr add 10.99.0.1/24 dev inner
    ip -n "$TOPO-lc" addr add 10.99.0.3/24 dev inner
    ip -n "$TOPO-mid" link add upc type veth peer name eth0 netns "$TOPO-lc"
    ip -n "$TOPO-mid" link set upc master br0 up
    ip -n "$TOPO-lc" addr add 198.18.0.13/24 dev eth0
    ip -n "$TOPO-lc" link set eth0 up
    topo_in lan nft -f - <<NFT
table ip seen {
    set from { type ipv4_addr; size 64; flags dynamic; }
    chain in {
        type filter hook input priority 0
        ip protocol { icmp, tcp } add @from { ip saddr }
    }
}
NFT
}

routing_down() { # before topo_down
    local x pids
    for x in lan lc; do
        pids=$(ip netns pids "$TOPO-$x" 2>/dev/null)
        # shellcheck disable=SC2086
        [ -z "$pids" ] || kill $pids 2>/dev/null
        for _ in $(seq 50); do
            [ -n "$(ip netns pids "$TOPO-$x" 2>/dev/null)" ] || break
            sleep 0.1
        done
        pids=$(ip netns pids "$TOPO-$x" 2>/dev/null)
        # shellcheck disable=SC2086
        [ -z "$pids" ] || kill -9 $pids 2>/dev/null
        [ ! -e "/run/netns/$TOPO-$x" ] || ip netns del "$TOPO-$x"
    done
}

routing_forget() { topo_in lan nft flush set ip seen from; }
routing_seen() { # addresses that the host was asked from
    topo_in lan nft -j list set ip seen from | jq -r '[.. | .elem? // empty | .[]?] | map(tostring) | sort | join(" ")'
}

# An echo from a reaches the host, and the host sees it come from there (and from nowhere else).
routing_from() { # ADDRESS [HOST]
    routing_forget
    nodes_ping la "${2:-$ROUTING_HOST}" && [ "$(routing_seen)" = "$1" ]
}
routing_not() { ! nodes_ping la "${1:-$ROUTING_HOST}"; }

routing_peer_id() { nodes_api GET /api/peers | jq -r --arg n "$1" '.[] | select(.name == $n) | .id'; }
routing_all() { nodes_api GET /api/groups | jq -r '.[] | select(.name == "All") | .id'; }

routing_network() { # NAME PREFIX GROUP: prints its id
    local net
    net=$(nodes_api POST /api/networks "{\"name\":\"$1\",\"description\":\"\"}" | jq -r .id)
    nodes_api POST "/api/networks/$net/resources" "{\"name\":\"$1\",\"description\":\"\",\"address\":\"$2\",
        \"enabled\":true,\"groups\":[\"$3\"]}" >/dev/null || return 1
    echo "$net"
}

routing_router() { # NETWORK PEER METRIC MASQUERADE [ROUTER]: prints its id
    if [ -n "${5-}" ]; then
        nodes_api PUT "/api/networks/$1/routers/$5" "{\"peer\":\"$2\",\"metric\":$3,\"masquerade\":$4,\"enabled\":true}"
    else
        nodes_api POST "/api/networks/$1/routers" "{\"peer\":\"$2\",\"metric\":$3,\"masquerade\":$4,\"enabled\":true}"
    fi | jq -r .id
}

routing_end() { # in the place of scenario_end
    local status=$?
    routing_down
    (exit $status)
    scenario_end
}
