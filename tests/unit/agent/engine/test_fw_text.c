/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests agent/engine/fw_text.c: its text by words, and by giving it to the kernel where that is
 * allowed.
 */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "agent/engine/fw_text.h"
#include "agent/os/firewall.h"
#include "tests/unit/agent/ns.h"
#include "tests/unit/run.h"

#define OWN "T1dOT1dOT1dOT1dOT1dOT1dOT1dOT1dOT1dOT1dOT1c="

static struct rk_arena *mem; /* of the sets of the last text */
static struct fw_domain_sets sets;
static bool kernel; /* we are in a namespace of our own */

static char *z(const char *s)
{
    return (char *)(uintptr_t)s;
}

static struct rk_prefix prefix_of(const char *text)
{
    struct rk_prefix p;

    ck_assert_int_eq(rk_prefix_parse(rk_str_z(text), &p, NULL), RK_OK);
    return p;
}

static struct fw_opts opts(void)
{
    return (struct fw_opts){.table = RK_STR("netbird"),
                            .iface = RK_STR("wt0"),
                            .mtu_bytes = 1280,
                            .v4 = prefix_of("100.64.0.9/16"),
                            .v6 = prefix_of("fd00::9/64"),
                            .own_key = RK_STR(OWN),
                            .serve_routes = true};
}

static Management__FirewallRule prule(const char *ip, Management__RuleProtocol proto,
                                      const char *port)
{
    Management__FirewallRule r = MANAGEMENT__FIREWALL_RULE__INIT;

    r.peerip = z(ip);
    r.protocol = proto;
    r.port = z(port);
    return r;
}

/* Text and statistics of one map; checked by the kernel too. Free the text. */
static char *build(const struct fw_opts *o, const Management__NetworkMap *map, struct fw_stats *st)
{
    struct rk_err err = {0};
    struct rk_buf b;

    rk_buf_init(&b, 8 << 20);
    rk_arena_free(mem);
    mem = rk_arena_new(0);
    ck_assert_msg(fw_text_build(o, map, mem, &sets, &b, st, &err) == RK_OK, "%s", err.msg);
    rk_buf_addc(&b, '\0');
    if (kernel)
        ck_assert_msg(firewall_run(b.p, &err) == RK_OK, "%s\n%s", err.msg, b.p);
    return b.p;
}

/* The part of the text from one word to the closing bracket of its block. */
static char *block(const char *text, const char *head)
{
    const char *at = strstr(text, head), *end;

    ck_assert_msg(at != NULL, "no \"%s\" in:\n%s", head, text);
    end = strstr(at, "\n}");
    ck_assert_ptr_nonnull(end);
    return strndup(at, (size_t)(end - at));
}

START_TEST(before_the_first_map_nothing_comes_in)
{
    struct fw_opts o = opts();
    struct fw_stats st;
    char *text = build(&o, NULL, &st);
    char *rules = block(text, "chain netbird-acl-input-rules {");

    ck_assert_str_eq(rules, "chain netbird-acl-input-rules {\n"
                            "ct state established,related counter accept");
    ck_assert_ptr_nonnull(strstr(text, "iifname \"wt0\" drop"));
    free(rules);
    free(text);
}
END_TEST

START_TEST(rules_with_the_same_words_share_a_set)
{
    Management__FirewallRule r[] = {
        prule("100.64.0.3", MANAGEMENT__RULE_PROTOCOL__TCP, "80"),
        prule("100.64.0.1", MANAGEMENT__RULE_PROTOCOL__TCP, "80"),
        prule("100.64.0.2", MANAGEMENT__RULE_PROTOCOL__TCP, "80"),
        prule("100.64.0.2", MANAGEMENT__RULE_PROTOCOL__TCP, "80"), /* twice */
        prule("100.64.0.1", MANAGEMENT__RULE_PROTOCOL__ICMP, ""),
        prule("fd00::1", MANAGEMENT__RULE_PROTOCOL__ICMP, ""),
        prule("100.64.0.4", MANAGEMENT__RULE_PROTOCOL__UDP, ""),
        prule("100.64.0.5", MANAGEMENT__RULE_PROTOCOL__ALL, ""),
    };
    Management__FirewallRule *list[RK_ARRAY_LEN(r)];
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    struct fw_opts o = opts();
    struct fw_stats st;
    char *text, *rules;

    for (size_t i = 0; i < RK_ARRAY_LEN(r); i++)
        list[i] = &r[i];
    r[6].action = MANAGEMENT__RULE_ACTION__DROP;
    map.firewallrules = list;
    map.n_firewallrules = RK_ARRAY_LEN(r);
    text = build(&o, &map, &st);
    ck_assert_uint_eq(st.peer_rules, 7);
    ck_assert_ptr_nonnull(strstr(text, "elements = { 100.64.0.1, 100.64.0.2, 100.64.0.3 }"));
    rules = block(text, "chain netbird-acl-input-rules {");
    /* established, then drops, then accepts */
    ck_assert_ptr_nonnull(strstr(rules,
                                 "counter accept\nip saddr 100.64.0.4 meta l4proto udp drop\n"
                                 "ip saddr 100.64.0.5 accept\n"));
    ck_assert_ptr_nonnull(strstr(rules, " tcp dport 80 accept"));
    ck_assert_ptr_nonnull(strstr(rules, "ip saddr 100.64.0.1 meta l4proto icmp accept"));
    ck_assert_ptr_nonnull(strstr(text, "ip6 saddr fd00::1 meta l4proto ipv6-icmp accept"));
    /* what is dropped is not marked as local */
    ck_assert_ptr_null(strstr(text, "meta l4proto udp fib"));
    free(rules);
    free(text);
}
END_TEST

START_TEST(order_of_the_map_does_not_matter)
{
    Management__FirewallRule r[] = {
        prule("100.64.0.3", MANAGEMENT__RULE_PROTOCOL__TCP, "80"),
        prule("100.64.0.1", MANAGEMENT__RULE_PROTOCOL__UDP, "53"),
        prule("100.64.0.2", MANAGEMENT__RULE_PROTOCOL__TCP, "80"),
    };
    Management__FirewallRule *a[] = {&r[0], &r[1], &r[2]}, *b[] = {&r[2], &r[0], &r[1]};
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    struct fw_opts o = opts();
    struct fw_stats st;
    char *x, *y;

    map.n_firewallrules = 3;
    map.firewallrules = a;
    x = build(&o, &map, &st);
    map.firewallrules = b;
    y = build(&o, &map, &st);
    ck_assert_str_eq(x, y);
    free(x);
    free(y);
}
END_TEST

START_TEST(port_info_and_compact_prefixes)
{
    static uint8_t v4[5] = {100, 64, 0, 7, 32}, any4[5] = {0}, bad[3] = {1, 2, 3};
    ProtobufCBinaryData d4 = {5, v4}, dany = {5, any4}, dbad = {3, bad};
    Management__PortInfo__Range range = MANAGEMENT__PORT_INFO__RANGE__INIT;
    Management__PortInfo pi = MANAGEMENT__PORT_INFO__INIT;
    Management__FirewallRule r[] = {prule("1.1.1.1", MANAGEMENT__RULE_PROTOCOL__TCP, "9"),
                                    prule("", MANAGEMENT__RULE_PROTOCOL__UDP, ""),
                                    prule("", MANAGEMENT__RULE_PROTOCOL__UDP, ""),
                                    prule("100.64.0.1", MANAGEMENT__RULE_PROTOCOL__NETBIRD_SSH, ""),
                                    prule("100.64.0.1", MANAGEMENT__RULE_PROTOCOL__TCP, "x")};
    Management__FirewallRule *list[] = {&r[0], &r[1], &r[2], &r[3], &r[4]};
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    struct fw_opts o = opts();
    struct fw_stats st;
    char *text;

    range.start = 1000;
    range.end = 2000;
    pi.port_selection_case = MANAGEMENT__PORT_INFO__PORT_SELECTION_RANGE;
    pi.range = &range;
    r[0].portinfo = &pi;
    r[0].n_sourceprefixes = 1;
    r[0].sourceprefixes = &d4;
    r[1].n_sourceprefixes = 1;
    r[1].sourceprefixes = &dany;
    r[2].n_sourceprefixes = 1;
    r[2].sourceprefixes = &dbad;
    map.firewallrules = list;
    map.n_firewallrules = 5;
    text = build(&o, &map, &st);
    ck_assert_uint_eq(st.peer_rules, 2);
    ck_assert_uint_eq(st.skipped, 3); /* each alone; the others stand */
    ck_assert_ptr_nonnull(strstr(text, "ip saddr 100.64.0.7 tcp dport 1000-2000 accept"));
    ck_assert_ptr_nonnull(strstr(text, "\nmeta l4proto udp accept\n")); /* from everywhere */
    free(text);
}
END_TEST

START_TEST(empty_list_with_and_without_its_flag)
{
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    struct fw_opts o = opts();
    struct fw_stats st;
    char *text = build(&o, &map, &st), *rules = block(text, "chain netbird-acl-input-rules {");

    ck_assert_ptr_nonnull(strstr(rules, "\naccept")); /* an old server */
    free(rules);
    free(text);
    map.firewallrulesisempty = true;
    text = build(&o, &map, &st);
    rules = block(text, "chain netbird-acl-input-rules {");
    ck_assert_ptr_null(strstr(rules, "\naccept"));
    free(rules);
    free(text);
    map.firewallrulesisempty = false;
    o.block_inbound = true;
    text = build(&o, &map, &st);
    rules = block(text, "chain netbird-acl-input-rules {");
    ck_assert_ptr_null(strstr(rules, "\naccept"));
    free(rules);
    free(text);
}
END_TEST

START_TEST(routing_peer)
{
    Management__Route own = MANAGEMENT__ROUTE__INIT, other = MANAGEMENT__ROUTE__INIT;
    Management__Route *routes[] = {&own, &other};
    Management__RouteFirewallRule a = MANAGEMENT__ROUTE_FIREWALL_RULE__INIT;
    Management__RouteFirewallRule b = MANAGEMENT__ROUTE_FIREWALL_RULE__INIT;
    Management__RouteFirewallRule none = MANAGEMENT__ROUTE_FIREWALL_RULE__INIT;
    Management__RouteFirewallRule *rules[] = {&a, &b, &none};
    char *src[] = {z("100.64.0.1/32"), z("100.64.0.2/32")}, *every[] = {z("0.0.0.0/0")};
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    struct fw_opts o = opts();
    struct fw_stats st;
    char *text, *fwd;

    own.peer = z(OWN);
    own.network = z("10.1.0.0/16");
    own.masquerade = true;
    other = own;
    other.peer = z("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    other.network = z("10.2.0.0/16");
    a.sourceranges = src;
    a.n_sourceranges = 2;
    a.destination = z("10.1.0.0/16");
    a.protocol = MANAGEMENT__RULE_PROTOCOL__TCP;
    b.sourceranges = every;
    b.n_sourceranges = 1;
    b.destination = z("10.1.5.0/24");
    b.protocol = MANAGEMENT__RULE_PROTOCOL__ALL;
    b.action = MANAGEMENT__RULE_ACTION__DROP;
    none.destination = z("10.1.0.0/16");
    none.protocol = MANAGEMENT__RULE_PROTOCOL__ALL;
    map.routes = routes;
    map.n_routes = 2;
    map.routesfirewallrules = rules;
    map.n_routesfirewallrules = 3;
    map.firewallrulesisempty = true;
    text = build(&o, &map, &st);
    ck_assert(st.routes);
    ck_assert_uint_eq(st.route_rules, 2);
    ck_assert_uint_eq(st.skipped, 1); /* without a source it would be for everybody */
    fwd = block(text, "chain netbird-rt-fwd {");
    ck_assert_ptr_nonnull(strstr(fwd, "ip daddr 10.1.5.0/24 counter drop\nip saddr @nbr000001 ip "
                                      "daddr 10.1.0.0/16 meta l4proto tcp counter accept"));
    ck_assert_ptr_nonnull(strstr(text, "ip saddr 100.64.0.0/16 ip daddr 10.1.0.0/16 meta mark set "
                                       "0x1bd21"));
    ck_assert_ptr_nonnull(strstr(text, "ip saddr 10.1.0.0/16 ip daddr 100.64.0.0/16 meta mark set "
                                       "0x1bd22"));
    ck_assert_ptr_null(strstr(text, "10.2.0.0"));
    free(fwd);
    free(text);
    o.serve_routes = false;
    text = build(&o, &map, &st);
    ck_assert(!st.routes);
    ck_assert_ptr_null(strstr(text, "10.1.0.0"));
    free(text);
}
END_TEST

/* Domain routes: nothing resolved, nothing forwarded; then only to what was resolved. */
START_TEST(domains_lead_to_what_they_resolved_to)
{
    Management__Route own = MANAGEMENT__ROUTE__INIT;
    Management__Route *routes[] = {&own};
    Management__RouteFirewallRule a = MANAGEMENT__ROUTE_FIREWALL_RULE__INIT;
    Management__RouteFirewallRule c = MANAGEMENT__ROUTE_FIREWALL_RULE__INIT;
    Management__RouteFirewallRule bare = MANAGEMENT__ROUTE_FIREWALL_RULE__INIT;
    Management__RouteFirewallRule *rules[] = {&a, &c, &bare};
    char *src[] = {z("100.64.0.0/16")}, *domains[] = {z("b.test"), z("*.a.test")};
    char *swapped[] = {z("*.a.test"), z("b.test")}, *one[] = {z("c.test")};
    const struct rk_ip ips[] = {rk_ip4(10, 1, 2, 3), rk_ip4(10, 1, 2, 4)};
    struct fw_name names[] = {{RK_STR("*.a.test"), ips, 2}, {RK_STR("gone.test"), ips, 1}};
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    struct fw_opts o = opts();
    struct fw_stats st;
    char *text, *fwd;
    struct rk_buf b;

    own.peer = z(OWN);
    own.network = z("192.0.2.0/32");
    own.masquerade = true;
    own.domains = swapped;
    own.n_domains = 2;
    a.sourceranges = src;
    a.n_sourceranges = 1;
    a.protocol = MANAGEMENT__RULE_PROTOCOL__TCP;
    a.isdynamic = true;
    c = bare = a;
    a.domains = domains;
    a.n_domains = 2;
    c.domains = one;
    c.n_domains = 1;
    map.routes = routes;
    map.n_routes = 1;
    map.routesfirewallrules = rules;
    map.n_routesfirewallrules = 3;
    map.firewallrulesisempty = true;
    o.names_port = 22054; /* whatever it says: without the switch nobody may ask */
    text = build(&o, &map, &st);
    ck_assert_ptr_null(strstr(text, "dport { 5353, 22054 } accept"));
    free(text);
    o.by_name = true;
    text = build(&o, &map, &st);
    ck_assert_ptr_nonnull(strstr(text, "udp dport { 5353, 22054 } accept\n"
                                       "tcp dport { 5353, 22054 } accept\n}\nchain "
                                       "netbird-acl-input-filter"));
    fwd = block(text, "chain netbird-rt-fwd {");
    ck_assert_uint_eq(sets.n, 3); /* none, {*.a.test, b.test}, {c.test} */
    ck_assert_ptr_nonnull(strstr(fwd, "ip saddr 100.64.0.0/16 ip daddr @nbd000000 meta l4proto tcp "
                                      "counter accept\nip saddr 100.64.0.0/16 ip daddr @nbd000001 "
                                      "meta l4proto tcp counter accept\nip saddr 100.64.0.0/16 ip "
                                      "daddr @nbd000002 meta l4proto tcp counter accept"));
    ck_assert_ptr_null(strstr(text, "elements"));
    ck_assert_ptr_nonnull(strstr(text, "ip saddr 100.64.0.0/16 ip daddr @nbd000001 meta mark set"));
    ck_assert_ptr_nonnull(strstr(text, "ip saddr @nbd000001 ip daddr 100.64.0.0/16 meta mark set"));
    free(fwd);
    free(text);
    o.names = names;
    o.n_names = 2;
    text = build(&o, &map, &st);
    ck_assert_ptr_nonnull(strstr(text, "set nbd000001 {\ntype ipv4_addr\nelements = { 10.1.2.3, "
                                       "10.1.2.4 }"));
    free(text);
    rk_buf_init(&b, 65536);
    fw_text_add(o.table, &sets, RK_STR("b.test"), &ips[0], &b);
    fw_text_add(o.table, &sets, RK_STR("gone.test"), &ips[0], &b);
    rk_buf_addc(&b, '\0');
    ck_assert_str_eq(b.p, "add element ip netbird nbd000001 { 10.1.2.3 }\n");
    if (kernel)
        ck_assert_int_eq(firewall_run(b.p, NULL), RK_OK);
    rk_buf_done(&b);
    /* an old server sends no route rules: the same holds */
    map.n_routesfirewallrules = 0;
    o.n_names = 0;
    text = build(&o, &map, &st);
    fwd = block(text, "chain netbird-rt-fwd {");
    ck_assert_str_eq(fwd, "chain netbird-rt-fwd {\nct state established,related accept\n"
                          "ip daddr @nbd000000 accept");
    free(fwd);
    free(text);
}
END_TEST

START_TEST(lan_is_kept_out)
{
    struct rk_prefix lan[] = {prefix_of("192.168.1.0/24")};
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    struct fw_opts o = opts();
    struct fw_stats st;
    char *text;

    o.block_lan = true;
    o.lan = lan;
    o.n_lan = 1;
    text = build(&o, &map, &st);
    ck_assert_ptr_nonnull(strstr(text, "ip daddr 192.168.1.0/24 drop"));
    free(text);
}
END_TEST

START_TEST(names_that_would_change_the_text_are_refused)
{
    static const char *const bad[] = {"", "a b", "x;drop", "t\"", "1x", "a\nb", "a{"};
    struct fw_stats st;
    struct rk_buf b;

    rk_buf_init(&b, 65536);
    for (size_t i = 0; i < RK_ARRAY_LEN(bad); i++) {
        struct fw_opts o = opts();

        o.table = rk_str_z(bad[i]);
        ck_assert_int_eq(fw_text_build(&o, NULL, mem, &sets, &b, &st, NULL), RK_INVALID);
        o = opts();
        o.iface = rk_str_z(bad[i]);
        ck_assert_int_eq(fw_text_build(&o, NULL, mem, &sets, &b, &st, NULL), RK_INVALID);
        ck_assert_int_eq(fw_text_remove(rk_str_z(bad[i]), &b, NULL), RK_INVALID);
    }
    rk_buf_done(&b);
}
END_TEST

START_TEST(removal_works_with_and_without_the_tables)
{
    struct fw_opts o = opts();
    struct fw_stats st;
    struct rk_buf b;

    if (!kernel)
        return;
    free(build(&o, NULL, &st));
    rk_buf_init(&b, 65536);
    ck_assert_int_eq(fw_text_remove(RK_STR("netbird"), &b, NULL), RK_OK);
    rk_buf_addc(&b, '\0');
    ck_assert_int_eq(firewall_run(b.p, NULL), RK_OK);
    ck_assert_int_eq(firewall_run(b.p, NULL), RK_OK);
    ck_assert_int_eq(ns_run("sh", "-c", "test -z \"$(nft list tables)\"", NULL), 0);
    rk_buf_done(&b);
}
END_TEST

START_TEST(large_map_is_small_text)
{
    enum { N = 20000 };
    static Management__FirewallRule r[N];
    static Management__FirewallRule *list[N];
    static char ips[N][16];
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    struct fw_opts o = opts();
    struct fw_stats st;
    char *text, *rules;

    for (unsigned i = 0; i < N; i++) {
        (void)snprintf(ips[i], sizeof ips[i], "100.64.%u.%u", i / 250, i % 250 + 1);
        r[i] = prule(ips[i], MANAGEMENT__RULE_PROTOCOL__ALL, "");
        list[i] = &r[i];
    }
    map.firewallrules = list;
    map.n_firewallrules = N;
    text = build(&o, &map, &st);
    rules = block(text, "chain netbird-acl-input-rules {");
    ck_assert_uint_lt(strlen(rules), 200); /* one rule, one set */
    free(rules);
    free(text);
}
END_TEST

/* Fifty thousand rules, each of a port and an address of its own. */
START_TEST(many_ports_are_one_set)
{
    enum { N = 50000 };
    static Management__FirewallRule r[N];
    static Management__FirewallRule *list[N];
    static char ips[N][16], ports[N][8];
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    struct fw_opts o = opts();
    struct fw_stats st;
    char *text, *rules;

    for (unsigned i = 0; i < N; i++) {
        (void)snprintf(ips[i], sizeof ips[i], i % 7 ? "100.64.%u.%u" : "0.0.0.0", i / 250,
                       i % 250 + 1);
        (void)snprintf(ports[i], sizeof ports[i], "%u", 1 + i);
        r[i] =
            prule(ips[i], i % 2 ? MANAGEMENT__RULE_PROTOCOL__TCP : MANAGEMENT__RULE_PROTOCOL__UDP,
                  ports[i]);
        r[i].action = i % 5 ? MANAGEMENT__RULE_ACTION__ACCEPT : MANAGEMENT__RULE_ACTION__DROP;
        list[i] = &r[i];
    }
    map.firewallrules = list;
    map.n_firewallrules = N;
    text = build(&o, &map, &st);
    ck_assert_uint_eq(st.peer_rules, N);
    rules = block(text, "chain netbird-acl-input-rules {");
    ck_assert_str_eq(rules, "chain netbird-acl-input-rules {\n"
                            "ct state established,related counter accept\n"
                            "meta l4proto . th dport @nbdp drop\n"
                            "ip saddr . meta l4proto . th dport @nbdc drop\n"
                            "meta l4proto . th dport @nbap accept\n"
                            "ip saddr . meta l4proto . th dport @nbac accept");
    ck_assert_ptr_nonnull(strstr(text, "100.64.0.2 . tcp . 2,"));
    free(rules);
    free(text);
}
END_TEST

START_TEST(names_on_another_port)
{
    struct fw_opts o = opts();
    struct fw_stats st;
    char *text = build(&o, NULL, &st);

    ck_assert_ptr_null(strstr(text, "netbird-nat-output"));
    free(text);
    o.names_redirect = 5053;
    text = build(&o, NULL, &st);
    ck_assert_ptr_nonnull(strstr(text,
                                 "ip daddr 100.64.0.9 udp dport 53 dnat to 100.64.0.9:5053\n"
                                 "ip daddr 100.64.0.9 tcp dport 53 dnat to 100.64.0.9:5053\n}"));
    free(text);
}
END_TEST

/* What is not understood is left out: it never becomes something wider. */
START_TEST(unknown_kinds_are_left_out)
{
    Management__FirewallRule r[] = {prule("100.64.0.1", MANAGEMENT__RULE_PROTOCOL__TCP, "1"),
                                    prule("100.64.0.2", MANAGEMENT__RULE_PROTOCOL__TCP, "2"),
                                    prule("100.64.0.3", (Management__RuleProtocol)77, "3"),
                                    prule("100.64.0.4", MANAGEMENT__RULE_PROTOCOL__TCP, "4"),
                                    prule("not an address", MANAGEMENT__RULE_PROTOCOL__TCP, "5"),
                                    prule("100.64.0.6", MANAGEMENT__RULE_PROTOCOL__TCP, "70000")};
    Management__FirewallRule *list[] = {&r[0], &r[1], &r[2], &r[3], &r[4], &r[5]};
    Management__RouteFirewallRule f[3], *rules[] = {&f[0], &f[1], &f[2]};
    char *sources[] = {z("100.64.0.0/16")}, *bad[] = {z("100.64.0.0/33")};
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    struct fw_opts o = opts();
    struct fw_stats st;
    char *text;

    r[1].action = (Management__RuleAction)9;
    r[3].direction = (Management__RuleDirection)9;
    map.firewallrules = list;
    map.n_firewallrules = RK_ARRAY_LEN(r);
    for (size_t i = 0; i < RK_ARRAY_LEN(f); i++) {
        management__route_firewall_rule__init(&f[i]);
        f[i].sourceranges = i == 1 ? bad : sources;
        f[i].n_sourceranges = 1;
        f[i].destination = z(i == 2 ? "10.0.0.0/99" : "10.7.0.0/16");
        f[i].protocol = MANAGEMENT__RULE_PROTOCOL__ALL;
    }
    f[0].action = (Management__RuleAction)9;
    map.routesfirewallrules = rules;
    map.n_routesfirewallrules = RK_ARRAY_LEN(f);
    text = build(&o, &map, &st);
    ck_assert_uint_eq(st.peer_rules, 1);
    ck_assert_uint_eq(st.route_rules, 0);
    ck_assert_uint_eq(st.skipped, 8);
    ck_assert_ptr_nonnull(strstr(text, "ip saddr 100.64.0.1 tcp dport 1 accept"));
    ck_assert_ptr_null(strstr(text, "10.7.0.0"));
    ck_assert_ptr_null(strstr(text, "100.64.0.2"));
    free(text);
}
END_TEST

START_TEST(route_rules_share_sources_and_destinations)
{
    enum { N = 3000 };
    static Management__RouteFirewallRule f[N], *rules[N];
    static char dst[N][20];
    char *sources[] = {z("100.64.0.2/32"), z("100.64.0.1/32"), z("100.64.0.2/32")};
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    struct fw_opts o = opts();
    struct fw_stats st;
    char *text, *fwd;

    for (unsigned i = 0; i < N; i++) {
        management__route_firewall_rule__init(&f[i]);
        (void)snprintf(dst[i], sizeof dst[i], "10.%u.%u.0/24", i / 250, i % 250);
        f[i].sourceranges = sources;
        f[i].n_sourceranges = 3;
        f[i].destination = dst[i];
        f[i].protocol = MANAGEMENT__RULE_PROTOCOL__ALL;
        rules[i] = &f[i];
    }
    map.routesfirewallrules = rules;
    map.n_routesfirewallrules = N;
    text = build(&o, &map, &st);
    ck_assert_uint_eq(st.route_rules, N);
    fwd = block(text, "chain netbird-rt-fwd {");
    ck_assert_str_eq(fwd, "chain netbird-rt-fwd {\nct state established,related accept\n"
                          "ip saddr @nbr000000 ip daddr @nbw000000 counter accept");
    ck_assert_ptr_nonnull(strstr(text, "elements = { 100.64.0.1/32, 100.64.0.2/32 }"));
    free(fwd);
    free(text);
}
END_TEST

/* Ports of this host that lead to peers: one, a range, a range to other ports. */
START_TEST(forwarded_ports)
{
    static uint8_t to4[] = {100, 64, 0, 7}, short_to[] = {1, 2};
    Management__PortInfo port[4] = {MANAGEMENT__PORT_INFO__INIT, MANAGEMENT__PORT_INFO__INIT,
                                    MANAGEMENT__PORT_INFO__INIT, MANAGEMENT__PORT_INFO__INIT};
    Management__PortInfo__Range range[2] = {MANAGEMENT__PORT_INFO__RANGE__INIT,
                                            MANAGEMENT__PORT_INFO__RANGE__INIT};
    Management__ForwardingRule f[5], *list[5];
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    struct fw_opts o = opts();
    struct fw_stats st;
    char *text;

    for (size_t i = 0; i < 2; i++) {
        port[i].port_selection_case = MANAGEMENT__PORT_INFO__PORT_SELECTION_PORT;
        port[i + 2].port_selection_case = MANAGEMENT__PORT_INFO__PORT_SELECTION_RANGE;
        port[i + 2].range = &range[i];
    }
    port[0].port = 8080;
    port[1].port = 80;
    range[0].start = 5000;
    range[0].end = 5002;
    range[1].start = 6000;
    range[1].end = 6002;
    for (size_t i = 0; i < RK_ARRAY_LEN(f); i++) {
        management__forwarding_rule__init(&f[i]);
        f[i].protocol = i == 1 ? MANAGEMENT__RULE_PROTOCOL__UDP : MANAGEMENT__RULE_PROTOCOL__TCP;
        f[i].translatedaddress = (ProtobufCBinaryData){i == 4 ? 2 : 4, i == 4 ? short_to : to4};
        f[i].destinationport = &port[i == 0 ? 0 : 2];
        f[i].translatedport = &port[i == 0 ? 1 : i == 2 ? 3 : i == 3 ? 1 : 2];
        list[i] = &f[i];
    }
    map.forwardingrules = list;
    map.n_forwardingrules = RK_ARRAY_LEN(f);
    text = build(&o, &map, &st);
    ck_assert(st.forwards);
    ck_assert_uint_eq(st.skipped, 2); /* three ports to one, half an address */
    ck_assert_ptr_nonnull(strstr(text,
                                 "iifname != \"wt0\" fib daddr type local tcp dport 8080 dnat "
                                 "to 100.64.0.7:80\n"));
    ck_assert_ptr_nonnull(strstr(text, "udp dport 5000-5002 dnat to 100.64.0.7\n"));
    ck_assert_ptr_nonnull(strstr(text, "tcp dport map { 5000 : 6000, 5001 : 6001, 5002 : 6002 }"));
    ck_assert_ptr_nonnull(strstr(text,
                                 "oifname \"wt0\" ct status dnat ip daddr 100.64.0.7 tcp dport "
                                 "80 masquerade"));
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fw_text");
    TCase *t = tcase_create("text");
    int failed;

    kernel = ns_run("sh", "-c", "command -v nft ip >/dev/null", NULL) == 0 && ns_enter();
    tcase_set_timeout(t, 60);
    tcase_add_test(t, before_the_first_map_nothing_comes_in);
    tcase_add_test(t, rules_with_the_same_words_share_a_set);
    tcase_add_test(t, order_of_the_map_does_not_matter);
    tcase_add_test(t, port_info_and_compact_prefixes);
    tcase_add_test(t, empty_list_with_and_without_its_flag);
    tcase_add_test(t, routing_peer);
    tcase_add_test(t, domains_lead_to_what_they_resolved_to);
    tcase_add_test(t, lan_is_kept_out);
    tcase_add_test(t, names_that_would_change_the_text_are_refused);
    tcase_add_test(t, removal_works_with_and_without_the_tables);
    tcase_add_test(t, large_map_is_small_text);
    tcase_add_test(t, many_ports_are_one_set);
    tcase_add_test(t, names_on_another_port);
    tcase_add_test(t, unknown_kinds_are_left_out);
    tcase_add_test(t, route_rules_share_sources_and_destinations);
    tcase_add_test(t, forwarded_ports);
    suite_add_tcase(s, t);
    failed = run_suite(s);
    rk_arena_free(mem);
    return failed;
}
