/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel tells of connections, whose they are, and how they are summed up. */
#include "config.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>

#include "agent/os/conntrack.h"
#include "agent/traffic/places.h"
#include "agent/traffic/table.h"
#include "lib/base/num.h"
#include "tests/unit/run.h"

static struct rk_ip ip(const char *z)
{
    struct rk_ip out;

    ck_assert_int_eq(rk_ip_parse(rk_str_z(z), &out, NULL), RK_OK);
    return out;
}

static struct rk_prefix prefix(const char *z)
{
    struct rk_prefix out;

    ck_assert_int_eq(rk_prefix_parse(rk_str_z(z), &out, NULL), RK_OK);
    return out;
}

/* ---- the kernel's message */

struct news {
    _Alignas(8) char buf[1024];
    struct nlmsghdr *h;
};

static void news(struct news *n, unsigned what, uint64_t bytes)
{
    struct nfgenmsg *nf;
    struct nlattr *tuple, *part;

    memset(n, 0, sizeof *n);
    n->h = mnl_nlmsg_put_header(n->buf);
    n->h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | what);
    nf = mnl_nlmsg_put_extra_header(n->h, sizeof *nf);
    nf->nfgen_family = AF_INET;
    tuple = mnl_attr_nest_start(n->h, CTA_TUPLE_ORIG);
    part = mnl_attr_nest_start(n->h, CTA_TUPLE_IP);
    mnl_attr_put_u32(n->h, CTA_IP_V4_SRC, htonl(0x64400001));
    mnl_attr_put_u32(n->h, CTA_IP_V4_DST, htonl(0x64400002));
    mnl_attr_nest_end(n->h, part);
    part = mnl_attr_nest_start(n->h, CTA_TUPLE_PROTO);
    mnl_attr_put_u8(n->h, CTA_PROTO_NUM, IPPROTO_TCP);
    mnl_attr_put_u16(n->h, CTA_PROTO_SRC_PORT, htons(40000));
    mnl_attr_put_u16(n->h, CTA_PROTO_DST_PORT, htons(443));
    mnl_attr_nest_end(n->h, part);
    mnl_attr_nest_end(n->h, tuple);
    part = mnl_attr_nest_start(n->h, CTA_COUNTERS_REPLY);
    mnl_attr_put_u64(n->h, CTA_COUNTERS_PACKETS, htobe64(7));
    mnl_attr_put_u64(n->h, CTA_COUNTERS_BYTES, htobe64(bytes));
    mnl_attr_nest_end(n->h, part);
    mnl_attr_put_u32(n->h, CTA_ID, htonl(77));
}

START_TEST(connections_are_read)
{
    struct conntrack_event e;
    struct news n;

    news(&n, IPCTNL_MSG_CT_NEW, 1234);
    ck_assert(conntrack_parse(n.h, &e));
    ck_assert(!e.ended && e.protocol == IPPROTO_TCP && e.src_port == 40000 && e.dst_port == 443);
    ck_assert(e.src.family == 4 && e.src.b[0] == 100 && e.dst.b[3] == 2 && e.id == 77);
    ck_assert(e.reply_packets == 7 && e.reply_bytes == 1234 && e.packets == 0);
    news(&n, IPCTNL_MSG_CT_DELETE, 1);
    ck_assert(conntrack_parse(n.h, &e) && e.ended);
    news(&n, IPCTNL_MSG_CT_GET, 1);
    ck_assert(!conntrack_parse(n.h, &e));
    news(&n, IPCTNL_MSG_CT_NEW, 1);
    n.h->nlmsg_type = NFNL_SUBSYS_QUEUE << 8;
    ck_assert(!conntrack_parse(n.h, &e));
}
END_TEST

/* However much of it is missing, nothing behind its end is read (sanitizers). */
START_TEST(cut_messages_are_harmless)
{
    struct conntrack_event e;
    struct news n;
    uint32_t whole;

    news(&n, IPCTNL_MSG_CT_NEW, 1234);
    whole = n.h->nlmsg_len;
    for (uint32_t len = sizeof(struct nlmsghdr); len < whole; len++) {
        char *copy = rk_memdup(n.buf, len);
        struct nlmsghdr *h = (void *)copy;

        h->nlmsg_len = len;
        (void)conntrack_parse(h, &e);
        free(copy);
    }
}
END_TEST

/* ---- whose it is */

static char POLICY_ALL[] = "pol-all", POLICY_WEB[] = "pol-web", POLICY_LAN[] = "pol-lan";

static Management__FirewallRule peer_rule(char *from, Management__RuleDirection d, char *policy)
{
    Management__FirewallRule r = MANAGEMENT__FIREWALL_RULE__INIT;

    r.peerip = from;
    r.direction = d;
    r.protocol = MANAGEMENT__RULE_PROTOCOL__ALL;
    r.policyid = (ProtobufCBinaryData){strlen(policy), (uint8_t *)policy};
    return r;
}

static struct traffic_event event(const char *src, const char *dst, uint8_t protocol, uint16_t port)
{
    return (struct traffic_event){.src = ip(src),
                                  .dst = ip(dst),
                                  .protocol = protocol,
                                  .src_port = 40000,
                                  .dst_port = port,
                                  .starts = 1};
}

START_TEST(flows_are_named_by_the_map)
{
    Management__NetworkMap map = MANAGEMENT__NETWORK_MAP__INIT;
    Management__FirewallRule web = peer_rule((char[]){"100.64.0.2"}, MANAGEMENT__RULE_DIRECTION__IN,
                                             POLICY_WEB),
                             all = peer_rule((char[]){"0.0.0.0"}, MANAGEMENT__RULE_DIRECTION__OUT,
                                             POLICY_ALL);
    Management__PortInfo port = MANAGEMENT__PORT_INFO__INIT;
    Management__RouteFirewallRule lan = MANAGEMENT__ROUTE_FIREWALL_RULE__INIT;
    Management__Route route = MANAGEMENT__ROUTE__INIT, away = MANAGEMENT__ROUTE__INIT;
    char *ranges[] = {(char[]){"100.64.0.0/16"}};
    struct rk_prefix none = {0}, own = prefix("100.64.0.1/16");
    struct places *p = places_new(&own, &none);
    struct traffic_event e;

    port.port_selection_case = MANAGEMENT__PORT_INFO__PORT_SELECTION_PORT;
    port.port = 443;
    web.portinfo = &port;
    lan.sourceranges = ranges;
    lan.n_sourceranges = 1;
    lan.destination = (char[]){"192.168.0.0/24"};
    lan.policyid = (ProtobufCBinaryData){strlen(POLICY_LAN), (uint8_t *)POLICY_LAN};
    route.id = (char[]){"res-1:peer-1"};
    route.network = (char[]){"192.168.0.0/24"};
    route.peer = (char[]){"own-key"};
    away.id = (char[]){"exit"};
    away.network = (char[]){"0.0.0.0/0"};
    away.peer = (char[]){"other-key"};
    map.firewallrules = (Management__FirewallRule *[]){&web, &all};
    map.n_firewallrules = 2;
    map.routesfirewallrules = (Management__RouteFirewallRule *[]){&lan};
    map.n_routesfirewallrules = 1;
    map.routes = (Management__Route *[]){&away, &route};
    map.n_routes = 2;
    places_map(p, &map, RK_STR("own-key"));

    e = event("100.64.0.2", "100.64.0.1", IPPROTO_TCP, 443);
    ck_assert(places_find(p, &e) && e.direction == TRAFFIC_INGRESS);
    ck_assert_str_eq(e.policy, POLICY_WEB);
    e = event("100.64.0.2", "100.64.0.1", IPPROTO_TCP, 22); /* another port: no policy's */
    ck_assert(places_find(p, &e));
    ck_assert_str_eq(e.policy, "");
    e = event("100.64.0.1", "100.64.0.9", IPPROTO_UDP, 9);
    ck_assert(places_find(p, &e) && e.direction == TRAFFIC_EGRESS);
    ck_assert_str_eq(e.policy, POLICY_ALL);
    e = event("100.64.0.2", "192.168.0.7", IPPROTO_TCP, 80); /* forwarded to our LAN */
    ck_assert(places_find(p, &e) && e.direction == TRAFFIC_INGRESS);
    ck_assert_str_eq(e.dst_resource, "res-1");
    ck_assert_str_eq(e.policy, POLICY_LAN);

    e = event("192.0.2.1", "192.0.2.2", IPPROTO_TCP, 80); /* not over the tunnel */
    ck_assert(!places_find(p, &e));
    e = event("100.64.0.1", "192.0.2.2", IPPROTO_TCP, 80); /* through the exit node */
    ck_assert(!places_find(p, &e));
    e = event("100.64.0.1", "100.64.0.9", IPPROTO_UDP, 53); /* a question for a name */
    ck_assert(!places_find(p, &e));
    places_collect(p, true, true);
    ck_assert(places_find(p, &e));
    e = event("100.64.0.1", "192.0.2.2", IPPROTO_TCP, 80);
    ck_assert(places_find(p, &e));
    ck_assert_str_eq(e.dst_resource, "exit");

    map.n_firewallrules = map.n_routes = map.n_routesfirewallrules = 0; /* the next map */
    places_map(p, &map, RK_STR("own-key"));
    e = event("100.64.0.2", "100.64.0.1", IPPROTO_TCP, 443);
    ck_assert(places_find(p, &e));
    ck_assert_str_eq(e.policy, "");
    places_free(p);
}
END_TEST

/* ---- sums */

static struct traffic_event told[8];
static size_t n_told;

static void tell(void *arg, const struct traffic_event *sum)
{
    (void)arg;
    ck_assert_uint_lt(n_told, RK_ARRAY_LEN(told));
    told[n_told++] = *sum;
}

START_TEST(a_window_is_summed_up)
{
    struct traffic_table *t = traffic_table_new(4);
    struct traffic_event e = event("100.64.0.1", "100.64.0.2", IPPROTO_TCP, 443);

    e.at_us = 1;
    e.rx_bytes = 10;
    ck_assert_ptr_nonnull(traffic_table_add(t, &e));
    e.src_port = 40001; /* not a part of the key */
    e.at_us = 2;
    e.starts = 0;
    e.ends = 1;
    ck_assert_ptr_null(traffic_table_add(t, &e));
    e.direction = TRAFFIC_INGRESS;
    (void)traffic_table_add(t, &e);
    e.protocol = IPPROTO_GRE; /* stays single */
    (void)traffic_table_add(t, &e);
    ck_assert(!traffic_table_full(t));
    (void)traffic_table_add(t, &e);
    ck_assert(traffic_table_full(t));
    (void)traffic_table_add(t, &e);
    ck_assert_uint_eq(traffic_table_lost(t), 1);
    n_told = 0;
    traffic_table_take(t, tell, NULL);
    ck_assert_uint_eq(n_told, 4);
    ck_assert(told[0].at_us == 1 && told[0].src_port == 40000 && told[0].rx_bytes == 20 &&
              told[0].starts == 1 && told[0].ends == 1);
    n_told = 0;
    ck_assert(!traffic_table_full(t));
    traffic_table_take(t, tell, NULL);
    ck_assert_uint_eq(n_told, 0);
    traffic_table_free(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("agent/traffic");
    TCase *t = tcase_create("traffic");

    tcase_add_test(t, connections_are_read);
    tcase_add_test(t, cut_messages_are_harmless);
    tcase_add_test(t, flows_are_named_by_the_map);
    tcase_add_test(t, a_window_is_summed_up);
    suite_add_tcase(s, t);
    return run_suite(s);
}
