# SPDX-License-Identifier: BSD-3-Clause
# Network namespaces for demo and tests: two private LANs, each behind its own NAT router, and a
# middle network with the server. Sourced, not run. Everything made here is named ${TOPO}-…
#
#   ${TOPO}-la 10.81.1.2 -- 10.81.1.1 ${TOPO}-na 198.18.0.11 --+
#                                                              +-- bridge 198.18.0.1 ${TOPO}-mid
#   ${TOPO}-lb 10.81.2.2 -- 10.81.2.1 ${TOPO}-nb 198.18.0.12 --+

TOPO=${TOPO:-rkdemo}
TOPO_SERVER=198.18.0.1
TOPO_NAT_A=198.18.0.11
TOPO_NAT_B=198.18.0.12
TOPO_LAN_A=10.81.1.2
TOPO_LAN_B=10.81.2.2

topo_in() { # NAME COMMAND…: run in a namespace
    local ns=$1
    shift
    ip netns exec "$TOPO-$ns" "$@"
}

topo_router() { # LETTER MIDDLE_ADDRESS LAN_ROUTER LAN_HOST: one NAT router and the LAN behind it
    local x=$1 mid=$2 gw=$3 host=$4 ns
    for ns in "n$x" "l$x"; do
        ip netns add "$TOPO-$ns"
        topo_in "$ns" ip link set lo up
    done
    ip -n "$TOPO-mid" link add "up$x" type veth peer name wan netns "$TOPO-n$x"
    ip -n "$TOPO-mid" link set "up$x" master br0 up
    ip -n "$TOPO-n$x" addr add "$mid/24" dev wan
    ip -n "$TOPO-n$x" link set wan up
    ip -n "$TOPO-n$x" link add lan type veth peer name eth0 netns "$TOPO-l$x"
    ip -n "$TOPO-n$x" addr add "$gw/24" dev lan
    ip -n "$TOPO-n$x" link set lan up
    ip -n "$TOPO-l$x" addr add "$host/24" dev eth0
    ip -n "$TOPO-l$x" link set eth0 up
    ip -n "$TOPO-l$x" route add default via "$gw"
    topo_in "n$x" sysctl -qw net.ipv4.ip_forward=1
    # A home router: addresses are translated, and nothing comes in that was not asked for.
    topo_in "n$x" nft -f - <<EOF
table ip nat {
    chain post {
        type nat hook postrouting priority srcnat
        oifname "wan" masquerade
    }
}
table ip filter {
    chain forward {
        type filter hook forward priority filter; policy drop
        iifname "lan" accept
        ct state established,related accept
    }
    chain input {
        type filter hook input priority filter; policy drop
        iifname { "lan", "lo" } accept
        ct state established,related accept
        icmp type echo-request accept
    }
}
EOF
}

topo_up() { # make everything; what an earlier run left is removed first
    topo_down
    ip netns add "$TOPO-mid"
    topo_in mid ip link set lo up
    ip -n "$TOPO-mid" link add br0 type bridge
    ip -n "$TOPO-mid" addr add "$TOPO_SERVER/24" dev br0
    ip -n "$TOPO-mid" link set br0 up
    topo_router a "$TOPO_NAT_A" 10.81.1.1 "$TOPO_LAN_A"
    topo_router b "$TOPO_NAT_B" 10.81.2.1 "$TOPO_LAN_B"
}

topo_udp_block() { # drop UDP between the two routers; the server stays reachable
    topo_in na nft -f - <<EOF
table ip block {
    chain forward {
        type filter hook forward priority -10
        ip daddr $TOPO_NAT_B meta l4proto udp drop
        ct original ip daddr $TOPO_NAT_B meta l4proto udp drop
    }
}
EOF
    topo_in nb nft -f - <<EOF
table ip block {
    chain forward {
        type filter hook forward priority -10
        ip daddr $TOPO_NAT_A meta l4proto udp drop
        ct original ip daddr $TOPO_NAT_A meta l4proto udp drop
    }
}
EOF
}

topo_udp_unblock() {
    local ns
    for ns in na nb; do
        topo_in "$ns" nft delete table ip block 2>/dev/null || true
    done
}

topo_pids() { # pids of everything that runs in our namespaces
    local ns
    for ns in mid na nb la lb; do
        ip netns pids "$TOPO-$ns" 2>/dev/null || true
    done
}

topo_down() { # stop what runs inside, remove the namespaces; harmless when there are none
    local ns pids i
    pids=$(topo_pids)
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill $pids 2>/dev/null || true
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
        pids=$(topo_pids)
        [ -n "$pids" ] || break
        sleep 0.2
    done
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill -9 $pids 2>/dev/null || true
    for ns in la lb na nb mid; do
        [ ! -e "/run/netns/$TOPO-$ns" ] || ip netns del "$TOPO-$ns"
    done
}
