/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests agent/engine/host*.c and agent/os/netmon.c against the kernel in a namespace of our own,
 * with a veth in the place of the WireGuard device and a fake owner that notes what it is told.
 */
#include "config.h"

#include <check.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine/host.h"
#include "agent/os/firewall.h"
#include "agent/os/link.h"
#include "agent/os/netmon.h"
#include "agent/os/route.h"
#include "lib/base/loop_uv.h"
#include "tests/unit/agent/ns.h"
#include "tests/unit/run.h"

static struct rk_loop *loop;
static struct nl_sock *nl;
static struct state *state;
static struct settings settings;
static struct daemon_opts daemon_opts;
static struct rk_key peer_key, own_key;
static char peer_text[RK_KEY_TEXT + 1], own_text[RK_KEY_TEXT + 1];

struct owner { /* the fake */
    struct host_user user;
    struct host *host;
    int carried, given, taken, lost, moved, troubles;
};
static struct owner own;

static struct route_peer on_peer(struct host_user *u RK_UNUSED, const struct rk_key *key)
{
    return (struct route_peer){.known = rk_key_eq(key, &peer_key), .connected = true};
}

static void on_carry(struct host_user *u, const struct rk_key *key RK_UNUSED,
                     const struct rk_prefix *p RK_UNUSED, bool on)
{
    struct owner *o = rk_container_of(u, struct owner, user);

    o->given += on;
    o->taken += !on;
}

static void on_carried(struct host_user *u)
{
    rk_container_of(u, struct owner, user)->carried++;
}

static void on_lost(struct host_user *u, const struct rk_err *why RK_UNUSED)
{
    rk_container_of(u, struct owner, user)->lost++;
}

static void on_moved(struct host_user *u, bool slept)
{
    ck_assert(!slept);
    rk_container_of(u, struct owner, user)->moved++;
}

static void on_trouble(struct host_user *u, const char *text RK_UNUSED)
{
    rk_container_of(u, struct owner, user)->troubles++;
}

static const struct host_ops OPS = {.peer = on_peer,
                                    .carry = on_carry,
                                    .carried = on_carried,
                                    .lost = on_lost,
                                    .moved = on_moved,
                                    .trouble = on_trouble};

static void make_key(struct rk_key *k, char *text)
{
    struct rk_key priv;

    rk_key_generate(&priv);
    rk_key_public(&priv, k);
    rk_key_format(k, text);
}

static uint32_t make_link(void)
{
    struct link l;

    ck_assert_int_eq(ns_run("ip", "link", "add", "wt0", "type", "veth", "peer", "wt0p", NULL), 0);
    ck_assert_int_eq(ns_run("ip", "link", "set", "wt0p", "up", NULL), 0);
    ck_assert_int_eq(link_find(nl, "wt0", &l, NULL), RK_OK);
    return l.index;
}

static void setup(void)
{
    struct rk_prefix v4, v6 = {0};
    struct rk_err err = {0};
    struct host_opts o = {.settings = &settings, .daemon = &daemon_opts, .marks = true};
    uint32_t index;

    ck_assert_int_eq(rk_loop_new(&loop, NULL), RK_OK);
    ck_assert_int_eq(nl_open(NETLINK_ROUTE, &nl, NULL), RK_OK);
    ck_assert_int_eq(ns_run("sh", "-c", "rm -rf /run/t; mkdir /run/t", NULL), 0);
    state = state_open("/run/t/state.json", NULL);
    settings = (struct settings){
        .interface_name = RK_STR("wt0"), .mtu_bytes = 1280, .network_monitor = true};
    daemon_opts = (struct daemon_opts){.nft_table = RK_STR("netbird")};
    make_key(&peer_key, peer_text);
    make_key(&own_key, own_text);
    o.loop = loop;
    o.route = nl;
    o.state = state;
    o.own_key = own_key;
    own = (struct owner){.user.ops = &OPS};
    own.host = host_new(&o, &own.user);
    index = make_link();
    ck_assert_int_eq(rk_prefix_parse(RK_STR("100.64.0.1/16"), &v4, NULL), RK_OK);
    ck_assert_msg(host_up(own.host, index, &v4, &v6, &err) == RK_OK, "%s", err.msg);
}

static void teardown(void)
{
    host_down(own.host, false);
    host_free(own.host);
    (void)ns_run("sh", "-c", "ip link del wt0 2>/dev/null", NULL);
    (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
    ck_assert_int_eq(
        ns_run("sh", "-c", "test $(ip rule | wc -l) = 3 && test -z \"$(ip route show table 7120)\"",
               NULL),
        0);
    state_free(state);
    nl_close(nl);
    rk_loop_free(loop); /* aborts when a handle is left */
}

static bool holds(const char *command)
{
    return ns_run("sh", "-c", command, NULL) == 0;
}

/* Turn the loop until a shell command succeeds; the test's own limit ends it otherwise. */
static void until(const char *command)
{
    while (!holds(command))
        (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
}

static char *z(const char *s)
{
    return (char *)(uintptr_t)s;
}

static void apply(const char *const *nets, size_t n)
{
    Management__Route routes[4], *list[4];
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    struct rk_err err = {0};

    for (size_t i = 0; i < n; i++) {
        management__route__init(&routes[i]);
        routes[i].id = routes[i].netid = routes[i].network = z(nets[i]);
        routes[i].peer = peer_text;
        list[i] = &routes[i];
    }
    map.routes = list;
    map.n_routes = n;
    map.firewallrulesisempty = map.routesfirewallrulesisempty = true;
    ck_assert_msg(host_apply(own.host, &map, &err) == RK_OK, "%s", err.msg);
    host_routes_update(own.host);
}

START_TEST(routes_follow_the_map_and_the_peer)
{
    static const char *const both[] = {"10.1.0.0/16", "0.0.0.0/0"}, *const one[] = {"10.1.0.0/16"};

    apply(both, 2);
    ck_assert(holds("ip route show table 7120 | grep -q '^10.1.0.0/16 dev wt0'"));
    ck_assert(holds("ip route show table 7120 | grep -q '^default dev wt0'"));
    ck_assert(holds("ip route show table 7120 | grep -q '^unreachable default'"));
    ck_assert(holds("ip -6 route show table 7120 | grep -q '^unreachable default'"));
    ck_assert_int_eq(own.given, 2);
    apply(one, 1);
    ck_assert(!holds("ip route show table 7120 | grep -q default"));
    ck_assert(!holds("ip -6 route show table 7120 | grep -q default"));
    ck_assert_int_eq(own.taken, 1);
    ck_assert_int_ge(own.carried, 2);
}
END_TEST

START_TEST(what_others_remove_is_put_back)
{
    static const char *const nets[] = {"0.0.0.0/0"};

    apply(nets, 1);
    ck_assert(holds("ip rule del priority 110; ip -6 rule del priority 105"));
    until("ip rule | grep -q ^110: && ip -6 rule | grep -q ^105:");
    ck_assert(holds("ip route flush table 7120"));
    until("ip route show table 7120 | grep -q '^default dev wt0' && "
          "ip route show table 7120 | grep -q '^unreachable'");
    ck_assert(holds("ip link set wt0 down"));
    ck_assert(holds("ip route show table 7120 | grep -q '^unreachable'")); /* nothing leaks */
    until("ip -br link show wt0 | grep -q ',UP' && ip route show table 7120 | grep -q 'dev wt0'");
    ck_assert(holds("ip addr flush dev wt0"));
    until("ip -br addr show wt0 | grep -q 100.64.0.1/16");
    ck_assert(holds("nft flush ruleset"));
    until("nft list chain ip netbird netbird-acl-input-filter 2>/dev/null | grep -q drop");
    ck_assert(holds("nft flush chain ip netbird netbird-acl-input-filter"));
    until("nft list chain ip netbird netbird-acl-input-filter 2>/dev/null | grep -q drop");
    ck_assert_int_ge(own.troubles, 4);
    ck_assert_int_eq(own.lost, 0);
}
END_TEST

START_TEST(a_link_that_is_gone_is_told_once_and_leaks_nothing)
{
    static const char *const nets[] = {"0.0.0.0/0"};

    apply(nets, 1);
    ck_assert(holds("ip link del wt0"));
    ck_assert(holds("ip route show table 7120 | grep -q '^unreachable default'"));
    while (!own.lost)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_ONCE);
    ck_assert(holds("ip link add x0 type veth peer x1 && ip link del x0"));
    for (int i = 0; i < 50; i++)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
    ck_assert_int_eq(own.lost, 1);
    host_down(own.host, true); /* another engine follows */
    ck_assert(holds("ip rule | grep -q ^110:"));
    ck_assert(holds("ip route show table 7120 | grep -q '^unreachable default'"));
    host_release(nl, state, NULL);
    ck_assert_ptr_null(state_get(state, STATE_ROUTES));
}
END_TEST

START_TEST(names_open_the_firewall_one_by_one)
{
    Management__Route r = MANAGEMENT__ROUTE__INIT, *routes[] = {&r};
    Management__RouteFirewallRule f = MANAGEMENT__ROUTE_FIREWALL_RULE__INIT, *rules[] = {&f};
    Management__PeerConfig pc = MANAGEMENT__PEER_CONFIG__INIT;
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    char *domains[] = {z("a.test")}, *sources[] = {z("100.64.0.0/16")};
    const struct rk_ip ip = rk_ip4(10, 1, 2, 3), other = rk_ip4(10, 1, 2, 4);

    r.peer = own_text;
    r.network = z("192.0.2.0/32");
    r.domains = f.domains = domains;
    r.n_domains = f.n_domains = 1;
    f.sourceranges = sources;
    f.n_sourceranges = 1;
    f.isdynamic = true;
    f.protocol = MANAGEMENT__RULE_PROTOCOL__ALL;
    pc.routingpeerdnsresolutionenabled = true;
    map.peerconfig = &pc;
    map.routes = routes;
    map.n_routes = 1;
    map.routesfirewallrules = rules;
    map.n_routesfirewallrules = 1;
    map.firewallrulesisempty = true;
    ck_assert_int_eq(host_apply(own.host, &map, NULL), RK_OK);
    ck_assert(!holds("nft list table ip netbird | grep -q 'elements = .*10.1'"));
    ck_assert(holds("nft list chain ip netbird netbird-rt-fwd | grep -q 'daddr @nbd'"));
    ck_assert_int_eq(host_resolved(own.host, RK_STR("a.test"), &ip, NULL), RK_OK);
    ck_assert_int_eq(host_resolved(own.host, RK_STR("b.test"), &other, NULL), RK_OK);
    ck_assert(holds("nft list table ip netbird | grep -q 10.1.2.3"));
    ck_assert(!holds("nft list table ip netbird | grep -q 10.1.2.4"));
    /* kept with the next map, and put back after a flush */
    f.protocol = MANAGEMENT__RULE_PROTOCOL__TCP;
    ck_assert_int_eq(host_apply(own.host, &map, NULL), RK_OK);
    ck_assert(holds("nft list table ip netbird | grep -q 10.1.2.3"));
    ck_assert(holds("nft flush ruleset"));
    until("nft list table ip netbird 2>/dev/null | grep -q 10.1.2.3");
    /* a domain that the map routes no more is forgotten */
    map.n_routes = map.n_routesfirewallrules = 0;
    map.routesfirewallrulesisempty = true;
    ck_assert_int_eq(host_apply(own.host, &map, NULL), RK_OK);
    ck_assert(!holds("nft list table ip netbird | grep -q 10.1.2.3"));
}
END_TEST

/* ---- many rules */

enum { MANY = 5000 };
static Management__FirewallRule many[MANY], *many_list[MANY];
static char many_ips[MANY][48], many_ports[MANY][24];

static Management__NetworkMap many_rules(size_t n)
{
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;

    for (size_t i = 0; i < n; i++) {
        management__firewall_rule__init(&many[i]);
        (void)snprintf(many_ips[i], sizeof many_ips[i], "100.64.%zu.%zu", i / 250, i % 250 + 1);
        (void)snprintf(many_ports[i], sizeof many_ports[i], "%zu", 1 + i);
        many[i].peerip = many_ips[i];
        many[i].port = many_ports[i];
        many[i].protocol = MANAGEMENT__RULE_PROTOCOL__TCP;
        many_list[i] = &many[i];
    }
    map.firewallrules = many_list;
    map.n_firewallrules = n;
    map.routesfirewallrulesisempty = true;
    return map;
}

/* What takes the kernel long is not waited for; the newest map stands in the end. */
START_TEST(many_rules_do_not_hold_the_loop)
{
    Management__NetworkMap map = many_rules(MANY);

    ck_assert_int_eq(host_apply(own.host, &map, NULL), RK_OK);
    until("nft list set ip netbird nbac | grep -q '100.64.19.250 . tcp . 5000'");
    /* taken away by somebody: put back */
    ck_assert(holds("nft flush set ip netbird nbac"));
    until("nft list set ip netbird nbac | grep -q '100.64.19.250 . tcp . 5000'");
    /* a burst: none of it is waited for, the last one stands */
    for (size_t n = MANY - 3; n < MANY; n++) {
        map = many_rules(n);
        ck_assert_int_eq(host_apply(own.host, &map, NULL), RK_OK);
    }
    map = many_rules(3);
    ck_assert_int_eq(host_apply(own.host, &map, NULL), RK_OK);
    until(
        "nft list chain ip netbird netbird-acl-input-rules | grep -q 'saddr 100.64.0.3 tcp dport 3 "
        "accept' && ! nft list set ip netbird nbac 2>/dev/null");
    /* and an end amidst it leaves nothing: see teardown */
    map = many_rules(MANY);
    ck_assert_int_eq(host_apply(own.host, &map, NULL), RK_OK);
    host_down(own.host, false);
    ck_assert(!holds("nft list table ip netbird 2>/dev/null"));
    (void)uv_run(rk_loop_uv(loop), UV_RUN_NOWAIT);
}
END_TEST

/* ---- other people's chains */

#define OTHERS                                                                                     \
    "nft 'table inet other { chain theirs_fwd { type filter hook forward priority 10; policy "     \
    "drop; }; "                                                                                    \
    "chain theirs_in { type filter hook input priority 10; policy drop; ip saddr 10.0.0.1 drop; "  \
    "}; "                                                                                          \
    "chain theirs_out { type filter hook output priority 10; }; chain plain { accept; }; }'"

START_TEST(chains_of_others_let_the_overlay_through)
{
    ck_assert(holds(OTHERS));
    until("nft list chain inet other theirs_fwd | grep -q 'oifname \"wt0\" ct state "
          "established,related' && "
          "nft list chain inet other theirs_fwd | grep -q 'iifname \"wt0\" counter .* accept' && "
          "nft list chain inet other theirs_in | grep -q 'iifname \"wt0\" counter .* accept'");
    /* in front of theirs, once, and nowhere else */
    ck_assert(
        holds("nft list chain inet other theirs_in | grep -A1 rook-wt0-in | grep -q 10.0.0.1"));
    ck_assert(holds("test $(nft list table inet other | grep -c rook-wt0) = 3"));
    ck_assert(holds("nft add rule inet other plain drop"));
    ck_assert(holds("nft add table ip another && nft add chain ip another f '{ type filter hook "
                    "forward priority 0; policy drop; }'"));
    until("nft list chain ip another f | grep -q rook-wt0-out");
    ck_assert(holds("test $(nft list table inet other | grep -c rook-wt0) = 3"));
    /* taken away: put back */
    ck_assert(holds("nft flush chain inet other theirs_fwd"));
    until("test $(nft list chain inet other theirs_fwd | grep -c rook-wt0) = 2");
    /* those of agents mind themselves */
    ck_assert(
        holds("nft add table ip rook2 && nft add chain ip rook2 netbird-acl-forward-filter '{ type "
              "filter hook forward priority 0; }' && nft add chain ip another g '{ type filter "
              "hook input priority 5; }'"));
    until("nft list chain ip another g | grep -q rook-wt0-in");
    ck_assert(!holds("nft list table ip rook2 | grep -q rook-wt0"));
    host_down(own.host, false);
    ck_assert(!holds("nft list ruleset | grep -q rook-wt0"));
    ck_assert(holds("nft list chain inet other theirs_in | grep -q 10.0.0.1")); /* theirs stand */
    ck_assert(holds("nft flush ruleset"));
}
END_TEST

/* What a killed agent has left there is removed by its successor. */
START_TEST(chains_of_others_after_a_crash)
{
    const json_t *left;

    ck_assert(holds(OTHERS));
    until("test $(nft list table inet other | grep -c rook-wt0) = 3");
    left = state_get(state, STATE_FIREWALL);
    ck_assert(json_is_true(json_object_get(left, "others")));
    ck_assert_str_eq(json_string_value(json_object_get(left, "iface")), "wt0");
    ck_assert(holds(
        "nft insert rule inet other theirs_fwd iifname wt0 accept comment rook-wt0-in")); /* twice
                                                                                           */
    ck_assert_int_eq(host_firewall_remove(left, NULL), RK_OK);
    ck_assert(!holds("nft list ruleset | grep -q rook-wt0"));
    ck_assert(!holds("nft list table ip netbird 2>/dev/null"));
    ck_assert(holds("nft list chain inet other theirs_in | grep -q 10.0.0.1"));
    ck_assert(holds("nft flush ruleset"));
}
END_TEST

START_TEST(the_hosts_own_network)
{
    ck_assert(holds("ip link add e0 type veth peer e1 && ip link set e0 up && ip link set e1 up && "
                    "ip addr add 192.0.2.7/24 dev e0 && ip route add default via 192.0.2.1"));
    while (!own.moved)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_ONCE);
    ck_assert_int_eq(own.moved, 1); /* one burst, one call */
    ck_assert(holds("ip link del e0"));
    while (own.moved < 2)
        (void)uv_run(rk_loop_uv(loop), UV_RUN_ONCE);
}
END_TEST

START_TEST(damaged_state_has_a_copy)
{
    struct state *s;

    ck_assert(holds("rm -rf /run/s; mkdir /run/s"));
    s = state_open("/run/s/state.json", NULL);
    ck_assert(!state_damaged(s)); /* there is none yet */
    state_set(s, "x", json_integer(7));
    state_free(s);
    ck_assert(holds("echo '{\"x\":' >/run/s/state.json"));
    s = state_open("/run/s/state.json", NULL);
    ck_assert(!state_damaged(s));
    ck_assert_int_eq(json_integer_value(state_get(s, "x")), 7);
    state_free(s);
    ck_assert(holds("echo '[]' >/run/s/state.json; echo x >/run/s/state.json.copy"));
    s = state_open("/run/s/state.json", NULL);
    ck_assert(state_damaged(s));
    state_free(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("host");
    TCase *t = tcase_create("kernel");

    if (ns_run("sh", "-c", "command -v ip nft >/dev/null", NULL) || !ns_enter()) {
        (void)fprintf(stderr, "skipped: needs root, iproute2 and nftables\n");
        return NS_SKIP;
    }
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, routes_follow_the_map_and_the_peer);
    tcase_add_test(t, what_others_remove_is_put_back);
    tcase_add_test(t, a_link_that_is_gone_is_told_once_and_leaks_nothing);
    tcase_add_test(t, names_open_the_firewall_one_by_one);
    tcase_add_test(t, many_rules_do_not_hold_the_loop);
    tcase_add_test(t, chains_of_others_let_the_overlay_through);
    tcase_add_test(t, chains_of_others_after_a_crash);
    tcase_add_test(t, the_hosts_own_network);
    suite_add_tcase(s, t);
    t = tcase_create("state");
    tcase_add_test(t, damaged_state_has_a_copy);
    suite_add_tcase(s, t);
    return run_suite(s);
}
