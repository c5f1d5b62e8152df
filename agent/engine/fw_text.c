/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a network map to nftables text; see fw_text.h. What differs in one thing only stands in a
 * set: peer rules in their address, or (when they are of many ports) in address and port, route
 * rules in their destination. So thousands of peers, ports or networks are a few rules.
 */
#include "config.h"

#include "agent/engine/fw_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/dns/forwarder.h"
#include "agent/engine/fw_rules.h"
#include "lib/base/num.h"

/* As many rules of single ports stand one by one: a set of them is found faster, but says less. */
#define SINGLE_PORTS_MAX 24

struct building {
    const struct fw_opts *o;
    struct rk_buf *out;
    const struct fw_rules *r;
    const struct fw_domain_sets *sets;
    bool served;          /* this host may route, and there was a map */
    bool packed[2][2][2]; /* family 6, drop, any source: single ports are in one set */
};

static void put(struct building *b, const char *line)
{
    rk_buf_addz(b->out, line);
}

static const char *family_word(uint8_t family)
{
    return family == 4 ? "ip" : "ip6";
}

static const char *proto_word(uint8_t proto)
{
    return proto == FW_TCP ? "tcp" : "udp";
}

static const char *addr_type(uint8_t family)
{
    return family == 4 ? "ipv4_addr" : "ipv6_addr";
}

/* "meta l4proto tcp tcp dport 80-90 " as far as the rule says. */
static void put_proto(struct building *b, uint8_t family, uint8_t proto, uint16_t lo, uint16_t hi)
{
    if (proto == FW_ALL)
        return;
    if (proto == FW_ICMP) {
        rk_buf_printf(b->out, "meta l4proto %s ", family == 4 ? "icmp" : "ipv6-icmp");
        return;
    }
    if (!hi)
        rk_buf_printf(b->out, "meta l4proto %s ", proto_word(proto));
    else if (lo == hi)
        rk_buf_printf(b->out, "%s dport %u ", proto_word(proto), lo);
    else
        rk_buf_printf(b->out, "%s dport %u-%u ", proto_word(proto), lo, hi);
}

/* ---- rules of peers */

static size_t group_end(const struct building *b, size_t i)
{
    size_t j = i + 1;

    while (j < b->r->n_peer && fw_same_group(&b->r->peer[i], &b->r->peer[j]))
        j++;
    return j;
}

static bool single_port(const struct fw_peer_rule *r)
{
    return r->port_hi && r->port_lo == r->port_hi;
}

static bool *packed_of(struct building *b, const struct fw_peer_rule *r)
{
    return &b->packed[r->family == 6][r->drop][r->any];
}

static bool is_packed(struct building *b, const struct fw_peer_rule *r)
{
    return single_port(r) && *packed_of(b, r);
}

static void choose_packed(struct building *b)
{
    size_t count[2][2][2] = {0};

    for (size_t i = 0; i < b->r->n_peer; i = group_end(b, i)) {
        const struct fw_peer_rule *r = &b->r->peer[i];

        if (single_port(r) && ++count[r->family == 6][r->drop][r->any] > SINGLE_PORTS_MAX)
            *packed_of(b, r) = true;
    }
}

static void packed_name(bool drop, bool any, char out[16])
{
    (void)snprintf(out, 16, "nb%c%c", drop ? 'd' : 'a', any ? 'p' : 'c');
}

static void put_packed_set(struct building *b, uint8_t family, bool drop, bool any)
{
    char name[16], text[RK_ADDR_TEXT];
    bool first = true;

    if (!b->packed[family == 6][drop][any])
        return;
    packed_name(drop, any, name);
    rk_buf_printf(b->out, "set %s {\ntype %s%sinet_proto . inet_service\nelements = { ", name,
                  any ? "" : addr_type(family), any ? "" : " . ");
    for (size_t i = 0; i < b->r->n_peer; i++) {
        const struct fw_peer_rule *r = &b->r->peer[i];

        if (r->family != family || r->drop != drop || r->any != any || !single_port(r))
            continue;
        if (!any)
            (void)rk_ip_format(&r->src, text);
        rk_buf_printf(b->out, "%s%s%s%s . %u", first ? "" : ",\n", any ? "" : text,
                      any ? "" : " . ", proto_word(r->proto), r->port_lo);
        first = false;
    }
    put(b, " }\n}\n");
}

/* One set per group of more than one address, numbered by its first rule. */
static void put_peer_sets(struct building *b, uint8_t family)
{
    char text[RK_ADDR_TEXT];

    for (int i = 0; i < 4; i++)
        put_packed_set(b, family, i & 2, i & 1);
    for (size_t i = 0, j; i < b->r->n_peer; i = j) {
        const struct fw_peer_rule *r = &b->r->peer[i];

        j = group_end(b, i);
        if (r->family != family || r->any || j == i + 1 || is_packed(b, r))
            continue;
        rk_buf_printf(b->out, "set nb%07zu {\ntype %s\nelements = { ", i, addr_type(family));
        for (size_t k = i; k < j; k++) {
            (void)rk_ip_format(&b->r->peer[k].src, text);
            rk_buf_printf(b->out, "%s%s", k > i ? ", " : "", text);
        }
        put(b, " }\n}\n");
    }
}

static void put_peer_source(struct building *b, size_t i, size_t j)
{
    const struct fw_peer_rule *r = &b->r->peer[i];
    char text[RK_ADDR_TEXT];

    if (r->any)
        return;
    if (j > i + 1) {
        rk_buf_printf(b->out, "%s saddr @nb%07zu ", family_word(r->family), i);
        return;
    }
    (void)rk_ip_format(&r->src, text);
    rk_buf_printf(b->out, "%s saddr %s ", family_word(r->family), text);
}

static void put_iif(struct building *b, bool local)
{
    if (local)
        rk_buf_printf(b->out, "iifname \"%.*s\" ", RK_STR_ARG(b->o->iface));
}

/* What becomes of a packet: local: it is marked as allowed to this host. */
static void put_verdict(struct building *b, bool drop, bool local)
{
    if (local)
        rk_buf_printf(b->out, "fib daddr type local meta mark set 0x%x\n", FW_MARK_LOCAL);
    else
        rk_buf_printf(b->out, "%s\n", drop ? "drop" : "accept");
}

static void put_packed_rules(struct building *b, uint8_t family, bool drop, bool local)
{
    char name[16];

    for (int any = 1; any >= 0; any--) {
        if (!b->packed[family == 6][drop][any])
            continue;
        packed_name(drop, any, name);
        put_iif(b, local);
        if (!any)
            rk_buf_printf(b->out, "%s saddr . ", family_word(family));
        rk_buf_printf(b->out, "meta l4proto . th dport @%s ", name);
        put_verdict(b, drop, local);
    }
}

static void put_peer_rules_of(struct building *b, uint8_t family, bool drop, bool local)
{
    put_packed_rules(b, family, drop, local);
    for (size_t i = 0, j; i < b->r->n_peer; i = j) {
        const struct fw_peer_rule *r = &b->r->peer[i];

        j = group_end(b, i);
        if (r->family != family || r->drop != drop || is_packed(b, r))
            continue;
        put_iif(b, local);
        put_peer_source(b, i, j);
        put_proto(b, family, r->proto, r->port_lo, r->port_hi);
        put_verdict(b, drop, local);
    }
}

/* local: the copies in prerouting that mark what may reach this host. */
static void put_peer_rules(struct building *b, uint8_t family, bool local)
{
    if (!local)
        put_peer_rules_of(b, family, true, false);
    put_peer_rules_of(b, family, false, local);
    if (!b->r->open || b->o->block_inbound)
        return;
    put_iif(b, local);
    put_verdict(b, false, local);
}

/* ---- rules of routes */

static void put_prefix_set(struct building *b, const char *name, size_t number, uint8_t family)
{
    rk_buf_printf(b->out, "set %s%06zu {\ntype %s\nflags interval\nauto-merge\nelements = { ", name,
                  number, addr_type(family));
}

static size_t way_end(const struct building *b, size_t i)
{
    size_t j = i + 1;

    while (j < b->r->n_route && fw_same_way(&b->r->route[i], &b->r->route[j]))
        j++;
    return j;
}

static void put_route_sets(struct building *b, uint8_t family)
{
    char text[RK_ADDR_TEXT];

    for (size_t i = 0; i < b->r->n_sources; i++) {
        const struct fw_sources *s = &b->r->sources[i];

        if (s->n < 2 || s->v[0].ip.family != family)
            continue;
        put_prefix_set(b, "nbr", i, family);
        for (size_t k = 0; k < s->n; k++)
            rk_buf_printf(b->out, "%s%.*s", k ? ", " : "",
                          RK_STR_ARG(rk_prefix_format(&s->v[k], text)));
        put(b, " }\n}\n");
    }
    for (size_t i = 0, j; i < b->r->n_route; i = j) {
        j = way_end(b, i);
        if (j == i + 1 || b->r->route[i].family != family)
            continue;
        put_prefix_set(b, "nbw", i, family);
        for (size_t k = i; k < j; k++)
            rk_buf_printf(b->out, "%s%.*s", k > i ? ", " : "",
                          RK_STR_ARG(rk_prefix_format(&b->r->route[k].dst, text)));
        put(b, " }\n}\n");
    }
}

/* One set per list of domains, with what its names have resolved to. */
static void put_domain_sets(struct building *b, uint8_t family)
{
    char text[RK_ADDR_TEXT];

    for (size_t i = 0; b->o->by_name && i < b->sets->n; i++) {
        const struct fw_domain_set *s = &b->sets->items[i];
        bool any = false;

        rk_buf_printf(b->out, "set %s {\ntype %s\n", s->name, addr_type(family));
        for (size_t j = 0; j < b->o->n_names; j++) {
            const struct fw_name *name = &b->o->names[j];

            for (size_t k = 0; k < name->n && fw_set_has(s, name->domain); k++) {
                if (name->ips[k].family != family)
                    continue;
                (void)rk_ip_format(&name->ips[k], text);
                rk_buf_printf(b->out, "%s%s", any ? ", " : "elements = { ", text);
                any = true;
            }
        }
        put(b, any ? " }\n}\n" : "}\n");
    }
}

/* "ip daddr 10.0.0.0/8 ", or the set; nothing for everywhere. */
static void put_dst(struct building *b, uint8_t family, const char *side,
                    const struct fw_domain_set *names, const struct rk_prefix *dst)
{
    char text[RK_ADDR_TEXT];

    if (names)
        rk_buf_printf(b->out, "%s %s @%s ", family_word(family), side, names->name);
    else if (dst->bits)
        rk_buf_printf(b->out, "%s %s %.*s ", family_word(family), side,
                      RK_STR_ARG(rk_prefix_format(dst, text)));
}

static void put_route_rule(struct building *b, size_t i, size_t j)
{
    const struct fw_route_rule *r = &b->r->route[i];
    const struct fw_sources *s = &b->r->sources[r->sources];
    char text[RK_ADDR_TEXT];

    if (s->n == 1)
        rk_buf_printf(b->out, "%s saddr %.*s ", family_word(r->family),
                      RK_STR_ARG(rk_prefix_format(&s->v[0], text)));
    else if (s->n)
        rk_buf_printf(b->out, "%s saddr @nbr%06zu ", family_word(r->family), r->sources);
    if (j > i + 1)
        rk_buf_printf(b->out, "%s daddr @nbw%06zu ", family_word(r->family), i);
    else
        put_dst(b, r->family, "daddr", r->names, &r->dst);
    put_proto(b, r->family, r->proto, r->port_lo, r->port_hi);
    rk_buf_printf(b->out, "counter %s\n", r->drop ? "drop" : "accept");
}

static void put_routes(struct building *b, uint8_t family)
{
    char text[RK_ADDR_TEXT];

    for (size_t i = 0; b->o->block_lan && i < b->o->n_lan; i++) {
        if (b->o->lan[i].ip.family != family)
            continue;
        (void)rk_prefix_format(&b->o->lan[i], text);
        rk_buf_printf(b->out, "%s daddr %s drop\n", family_word(family), text);
    }
    for (size_t i = 0, j; i < b->r->n_route; i = j) { /* drops are in front */
        j = way_end(b, i);
        if (b->r->route[i].family == family)
            put_route_rule(b, i, j);
    }
    for (size_t i = 0; b->r->legacy_routes && i < b->r->n_served; i++) {
        const struct fw_served *s = &b->r->served[i];

        if (s->family != family)
            continue;
        put_dst(b, family, "daddr", s->names, &s->dst);
        put(b, "accept\n");
    }
}

/* Marks for masquerading, in both directions, for each route that wants it. */
static void put_masquerade_marks(struct building *b, uint8_t family)
{
    const struct rk_prefix *overlay = family == 4 ? &b->o->v4 : &b->o->v6;
    struct rk_prefix clients = rk_prefix_masked(overlay);
    char from[RK_ADDR_TEXT];

    (void)rk_prefix_format(&clients, from);
    for (size_t i = 0; i < b->r->n_served; i++) {
        const struct fw_served *s = &b->r->served[i];

        if (s->family != family || !s->masquerade)
            continue;
        rk_buf_printf(b->out, "iifname \"%.*s\" ct state new %s saddr %s ", RK_STR_ARG(b->o->iface),
                      family_word(family), from);
        put_dst(b, family, "daddr", s->names, &s->dst);
        rk_buf_printf(b->out, "meta mark set 0x%x\n", FW_MARK_MASQ);
        rk_buf_printf(b->out, "iifname != \"%.*s\" ct state new ", RK_STR_ARG(b->o->iface));
        put_dst(b, family, "saddr", s->names, &s->dst);
        rk_buf_printf(b->out, "%s daddr %s meta mark set 0x%x\n", family_word(family), from,
                      FW_MARK_MASQ_BACK);
    }
}

/* ---- ports of this host that lead to peers */

/* " to 100.64.0.7", with the port where it is another one. */
static void put_target(struct building *b, const struct fw_forward *f)
{
    char text[RK_ADDR_TEXT];

    (void)rk_ip_format(&f->to, text);
    if (f->to_lo == f->port_lo) {
        rk_buf_printf(b->out, "dnat to %s\n", text);
        return;
    }
    rk_buf_printf(b->out, f->to.family == 4 ? "dnat to %s" : "dnat to [%s]", text);
    if (f->port_lo == f->port_hi) {
        rk_buf_printf(b->out, ":%u\n", f->to_lo);
        return;
    }
    rk_buf_printf(b->out, " : %s dport map { ", proto_word(f->proto));
    for (uint32_t i = 0; i <= (uint32_t)(f->port_hi - f->port_lo); i++)
        rk_buf_printf(b->out, "%s%u : %u", i ? ", " : "", f->port_lo + i, f->to_lo + i);
    put(b, " }\n");
}

static void put_forwards(struct building *b, uint8_t family)
{
    put(b, "chain netbird-rt-redirect {\n"
           "type nat hook prerouting priority dstnat; policy accept;\n");
    for (size_t i = 0; i < b->r->n_forward; i++) {
        const struct fw_forward *f = &b->r->forward[i];

        if (f->to.family != family)
            continue;
        rk_buf_printf(b->out, "iifname != \"%.*s\" fib daddr type local ", RK_STR_ARG(b->o->iface));
        put_proto(b, family, f->proto, f->port_lo, f->port_hi);
        put_target(b, f);
    }
    put(b, "}\n");
}

/* The peer sees this host as who asks: it has no route back to the world. */
static void put_forwards_back(struct building *b, uint8_t family)
{
    char text[RK_ADDR_TEXT];

    for (size_t i = 0; i < b->r->n_forward; i++) {
        const struct fw_forward *f = &b->r->forward[i];

        if (f->to.family != family)
            continue;
        (void)rk_ip_format(&f->to, text);
        rk_buf_printf(b->out, "oifname \"%.*s\" ct status dnat %s daddr %s ",
                      RK_STR_ARG(b->o->iface), family_word(family), text);
        put_proto(b, family, f->proto, f->to_lo, (uint16_t)(f->to_lo + (f->port_hi - f->port_lo)));
        put(b, "masquerade\n");
    }
}

/* ---- chains */

static void put_filter(struct building *b, uint8_t family)
{
    put(b, "chain netbird-acl-input-rules {\nct state established,related counter accept\n");
    put_peer_rules(b, family, false);
    /* peers ask us what the domains resolve to that we route; behind the drops of peer rules */
    if (family == 4 && b->r->names_asked)
        rk_buf_printf(b->out, "udp dport { %u, %u } accept\ntcp dport { %u, %u } accept\n",
                      DNS_FORWARD_OLD_PORT, b->o->names_port, DNS_FORWARD_OLD_PORT,
                      b->o->names_port);
    rk_buf_printf(b->out,
                  "}\nchain netbird-acl-input-filter {\n"
                  "type filter hook input priority filter; policy accept;\n"
                  "iifname \"%.*s\" jump netbird-acl-input-rules\niifname \"%.*s\" drop\n}\n",
                  RK_STR_ARG(b->o->iface), RK_STR_ARG(b->o->iface));
    put(b, "chain netbird-rt-fwd {\nct state established,related accept\n");
    if (b->served)
        put_routes(b, family);
    rk_buf_printf(b->out,
                  "}\nchain netbird-acl-forward-filter {\n"
                  "type filter hook forward priority filter; policy accept;\n"
                  "meta mark 0x%x accept\niifname \"%.*s\" jump netbird-rt-fwd\n"
                  "iifname \"%.*s\" drop\n}\n",
                  FW_MARK_LOCAL, RK_STR_ARG(b->o->iface), RK_STR_ARG(b->o->iface));
}

static void put_mangle(struct building *b, uint8_t family)
{
    uint32_t mss = b->o->mtu_bytes - (family == 4 ? 40 : 60);

    rk_buf_printf(b->out,
                  "chain netbird-mangle-prerouting {\n"
                  "type filter hook prerouting priority mangle; policy accept;\n"
                  "iifname \"%.*s\" ct state new ct mark set 0x%x\n",
                  RK_STR_ARG(b->o->iface), FW_CT_IN);
    put_masquerade_marks(b, family);
    put_peer_rules(b, family, true);
    rk_buf_printf(b->out,
                  "}\nchain netbird-mangle-postrouting {\n"
                  "type filter hook postrouting priority mangle; policy accept;\n"
                  "oifname \"%.*s\" ct state new ct mark set 0x%x\n}\n",
                  RK_STR_ARG(b->o->iface), FW_CT_OUT);
    rk_buf_printf(b->out,
                  "chain netbird-mangle-forward {\n"
                  "type filter hook forward priority mangle; policy accept;\n"
                  "oifname \"%.*s\" tcp flags & (syn|rst) == syn tcp option maxseg size > %u "
                  "tcp option maxseg size set %u\n}\n",
                  RK_STR_ARG(b->o->iface), mss, mss);
}

/* This host's own questions only: peers have no business with our name server. */
static void put_names_redirect(struct building *b)
{
    char text[RK_ADDR_TEXT];

    (void)rk_ip_format(&b->o->v4.ip, text);
    put(b, "chain netbird-nat-output {\ntype nat hook output priority -100; policy accept;\n");
    for (int tcp = 0; tcp < 2; tcp++)
        rk_buf_printf(b->out, "ip daddr %s %s dport 53 dnat to %s:%u\n", text, tcp ? "tcp" : "udp",
                      text, b->o->names_redirect);
    put(b, "}\n");
}

static void put_nat(struct building *b, uint8_t family)
{
    if (b->o->names_redirect && family == 4)
        put_names_redirect(b);
    if (b->r->n_forward)
        put_forwards(b, family);
    rk_buf_printf(b->out,
                  "chain netbird-rt-postrouting {\n"
                  "type nat hook postrouting priority 99; policy accept;\n"
                  "meta mark 0x%x oifname != \"lo\" masquerade\n"
                  "meta mark 0x%x oifname \"%.*s\" masquerade\n",
                  FW_MARK_MASQ, FW_MARK_MASQ_BACK, RK_STR_ARG(b->o->iface));
    put_forwards_back(b, family);
    put(b, "}\n");
}

static void put_table(struct building *b, uint8_t family)
{
    rk_buf_printf(b->out, "table %s %.*s {\n", family_word(family), RK_STR_ARG(b->o->table));
    put_peer_sets(b, family);
    put_route_sets(b, family);
    put_domain_sets(b, family);
    put_filter(b, family);
    put_mangle(b, family);
    put_nat(b, family);
    put(b, "}\n");
}

enum rk_code fw_text_remove(struct rk_str table, struct rk_buf *out, struct rk_err *err)
{
    static const char *const families[] = {"ip", "ip6"};

    if (!fw_plain_name(table))
        return rk_fail(err, RK_INVALID, "\"%.*s\" cannot be the name of a firewall table",
                       RK_STR_ARG(rk_str_sub(table, 0, 40)));
    /* adding first makes the deletion work whether it existed or not */
    for (size_t i = 0; i < RK_ARRAY_LEN(families); i++)
        rk_buf_printf(out, "add table %s %.*s\ndelete table %s %.*s\n", families[i],
                      RK_STR_ARG(table), families[i], RK_STR_ARG(table));
    return RK_OK;
}

void fw_text_add(struct rk_str table, const struct fw_domain_sets *sets, struct rk_str domain,
                 const struct rk_ip *ip, struct rk_buf *out)
{
    char text[RK_ADDR_TEXT];

    (void)rk_ip_format(ip, text);
    for (size_t i = 0; i < sets->n; i++)
        if (fw_set_has(&sets->items[i], domain))
            rk_buf_printf(out, "add element %s %.*s %s { %s }\n", family_word(ip->family),
                          RK_STR_ARG(table), sets->items[i].name, text);
}

enum rk_code fw_text_build(const struct fw_opts *o, const Management__NetworkMap *map,
                           struct rk_arena *keep, struct fw_domain_sets *sets, struct rk_buf *out,
                           struct fw_stats *stats, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct fw_rules rules;
    struct building b = {.o = o, .out = out, .r = &rules, .sets = sets};
    enum rk_code rc = fw_rules_read(o, map, mem, keep, sets, &rules, stats, err);

    if (rc)
        return rc;
    b.served = map && o->serve_routes;
    choose_packed(&b);
    if (!fw_plain_name(o->iface))
        return rk_fail(err, RK_INVALID, "interface name \"%.*s\" cannot stand in firewall rules",
                       RK_STR_ARG(rk_str_sub(o->iface, 0, 40)));
    if (fw_text_remove(o->table, out, err))
        return RK_INVALID;
    put_table(&b, 4);
    if (o->v6.ip.family)
        put_table(&b, 6);
    return out->full ? rk_fail(err, RK_LIMIT, "firewall rules are too long") : RK_OK;
}
