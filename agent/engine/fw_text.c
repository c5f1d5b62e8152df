/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a network map to nftables text; see fw_text.h. Peer rules that differ only in their address
 * share one set, so thousands of peers under one policy are one rule.
 */
#include "config.h"

#include "agent/engine/fw_text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/dns/forwarder.h"
#include "lib/base/num.h"

enum proto { P_ALL, P_TCP, P_UDP, P_ICMP };

/* A peer rule in comparable form. All unused bytes are zero. */
struct prule {
    uint8_t family;
    uint8_t drop;
    uint8_t proto;
    uint8_t any;               /* every source */
    uint16_t port_lo, port_hi; /* 0, 0: all */
    struct rk_ip src;
};

struct rrule { /* a route rule */
    uint8_t family;
    uint8_t drop;
    uint8_t proto;
    uint16_t port_lo, port_hi;
    const Management__RouteFirewallRule *msg;
    const struct fw_domain_set *names; /* or NULL: to dst */
    struct rk_prefix dst;
    struct rk_prefix *src; /* sorted */
    size_t n_src;          /* 0: every source */
};

struct building {
    const struct fw_opts *o;
    struct rk_arena *mem;  /* for the call */
    struct rk_arena *keep; /* the caller's: sets */
    struct rk_buf *out;
    struct fw_stats *stats;
    struct prule *prules; /* sorted */
    size_t n_prules;
    struct rrule *rrules;
    size_t n_rrules;
    bool open;          /* an old server: everything is allowed */
    bool legacy_routes; /* same for routed traffic */
    struct fw_domain_sets *sets;
    const Management__NetworkMap *map;
};

/* ---- reading the map */

static bool read_proto(Management__RuleProtocol p, uint8_t *out)
{
    switch (p) {
    case MANAGEMENT__RULE_PROTOCOL__ALL:
        *out = P_ALL;
        return true;
    case MANAGEMENT__RULE_PROTOCOL__TCP:
        *out = P_TCP;
        return true;
    case MANAGEMENT__RULE_PROTOCOL__UDP:
        *out = P_UDP;
        return true;
    case MANAGEMENT__RULE_PROTOCOL__ICMP:
        *out = P_ICMP;
        return true;
    default:
        return false; /* unknown kinds are refused one by one */
    }
}

static bool read_port_info(const Management__PortInfo *pi, uint16_t *lo, uint16_t *hi)
{
    uint32_t a = 0, b = 0;

    if (!pi)
        return true;
    if (pi->port_selection_case == MANAGEMENT__PORT_INFO__PORT_SELECTION_PORT)
        a = b = pi->port;
    else if (pi->port_selection_case == MANAGEMENT__PORT_INFO__PORT_SELECTION_RANGE && pi->range) {
        a = pi->range->start;
        b = pi->range->end;
    }
    if (a > b || b > 65535)
        return false;
    *lo = (uint16_t)a;
    *hi = (uint16_t)b;
    return true;
}

static bool read_source(const Management__FirewallRule *m, struct rk_prefix *out)
{
    struct rk_str raw;

    if (!m->n_sourceprefixes) {
        if (rk_ip_parse(rk_str_z(m->peerip), &out->ip, NULL))
            return false;
        out->bits = (uint8_t)(rk_ip_size(&out->ip) * 8);
        return true;
    }
    /* compact form: address bytes, then one byte of length, of which only the address counts */
    raw = rk_str_of(m->sourceprefixes[0].data, m->sourceprefixes[0].len);
    if (raw.n != 5 && raw.n != 17)
        return false;
    out->bits = (uint8_t)raw.p[raw.n - 1];
    return rk_ip_from_bytes(rk_str_sub(raw, 0, raw.n - 1), &out->ip, NULL) == RK_OK;
}

static bool read_prule(const struct fw_opts *o, const Management__FirewallRule *m,
                       struct prule *out)
{
    struct rk_prefix src = {0};
    int64_t port;

    *out = (struct prule){0};
    if (!read_proto(m->protocol, &out->proto) || !read_source(m, &src) ||
        !read_port_info(m->portinfo, &out->port_lo, &out->port_hi))
        return false;
    if (!out->port_hi && m->port[0]) { /* the older single port */
        if (rk_parse_i64(rk_str_z(m->port), 0, 65535, &port, NULL))
            return false;
        out->port_lo = out->port_hi = (uint16_t)port;
    }
    if (src.ip.family == 6 && !o->v6.ip.family)
        return false;
    if (out->proto != P_TCP && out->proto != P_UDP)
        out->port_lo = out->port_hi = 0;
    out->family = src.ip.family;
    out->drop = m->action == MANAGEMENT__RULE_ACTION__DROP;
    out->any = rk_ip_is_unspecified(&src.ip);
    if (!out->any)
        out->src = src.ip;
    return true;
}

/* Drops first, then by everything but the address, then by address. */
static int by_rule(const void *a, const void *b)
{
    const struct prule *x = a, *y = b;
    int c = (int)x->family - y->family;

    c = c ? c : (int)y->drop - x->drop;
    c = c ? c : (int)x->proto - y->proto;
    c = c ? c : (int)x->port_lo - y->port_lo;
    c = c ? c : (int)x->port_hi - y->port_hi;
    c = c ? c : (int)y->any - x->any;
    return c ? c : rk_ip_cmp(&x->src, &y->src);
}

static bool same_group(const struct prule *x, const struct prule *y)
{
    return x->family == y->family && x->drop == y->drop && x->proto == y->proto &&
           x->port_lo == y->port_lo && x->port_hi == y->port_hi && x->any == y->any;
}

static void read_prules(struct building *b)
{
    const Management__NetworkMap *map = b->map;
    size_t kept = 0;

    b->prules = rk_new_n(b->mem, struct prule, map->n_firewallrules + 1);
    for (size_t i = 0; i < map->n_firewallrules; i++) {
        const Management__FirewallRule *m = map->firewallrules[i];

        if (m->direction != MANAGEMENT__RULE_DIRECTION__IN)
            continue; /* what we send is not filtered, and answers come back by state */
        if (read_prule(b->o, m, &b->prules[b->n_prules]))
            b->n_prules++;
        else
            b->stats->skipped++;
    }
    qsort(b->prules, b->n_prules, sizeof *b->prules, by_rule);
    for (size_t i = 0; i < b->n_prules; i++)
        if (!kept || by_rule(&b->prules[kept - 1], &b->prules[i]) != 0)
            b->prules[kept++] = b->prules[i];
    b->n_prules = b->stats->peer_rules = kept;
}

/* ---- names */

static int by_text(const void *a, const void *b)
{
    return rk_str_cmp(*(const struct rk_str *)a, *(const struct rk_str *)b);
}

static int by_domains(const void *a, const void *b)
{
    const struct fw_domain_set *x = a, *y = b;

    for (size_t i = 0; i < x->n && i < y->n; i++) {
        int c = rk_str_cmp(x->domains[i], y->domains[i]);

        if (c)
            return c;
    }
    return x->n < y->n ? -1 : x->n > y->n;
}

/* A list of the map, sorted, each once. */
static struct fw_domain_set read_domains(struct rk_arena *mem, char **domains, size_t n)
{
    struct rk_str *list = rk_new_n(mem, struct rk_str, n + 1);
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        list[i] = rk_arena_dup(mem, rk_str_z(domains[i]));
    qsort(list, n, sizeof *list, by_text);
    for (size_t i = 0; i < n; i++)
        if (!kept || !rk_str_eq(list[kept - 1], list[i]))
            list[kept++] = list[i];
    return (struct fw_domain_set){.domains = list, .n = kept};
}

/* Every list of domains that routes of ours and rules name, numbered in their order. */
static void read_sets(struct building *b)
{
    const Management__NetworkMap *map = b->map;
    struct fw_domain_sets *s = b->sets;
    size_t n = 0;

    s->items =
        rk_new_n(b->keep, struct fw_domain_set, map->n_routes + map->n_routesfirewallrules + 1);
    for (size_t i = 0; i < map->n_routes; i++)
        if (map->routes[i]->n_domains && rk_str_eqz(b->o->own_key, map->routes[i]->peer))
            s->items[n++] =
                read_domains(b->keep, map->routes[i]->domains, map->routes[i]->n_domains);
    for (size_t i = 0; i < map->n_routesfirewallrules; i++)
        if (map->routesfirewallrules[i]->isdynamic)
            s->items[n++] = read_domains(b->keep, map->routesfirewallrules[i]->domains,
                                         map->routesfirewallrules[i]->n_domains);
    qsort(s->items, n, sizeof *s->items, by_domains);
    for (size_t i = 0; i < n; i++) {
        if (s->n && by_domains(&s->items[s->n - 1], &s->items[i]) == 0)
            continue;
        s->items[s->n] = s->items[i];
        (void)snprintf(s->items[s->n].name, sizeof s->items[s->n].name, "nbd%06zu", s->n);
        s->n++;
    }
}

static const struct fw_domain_set *set_of(const struct building *b, char **domains, size_t n)
{
    struct fw_domain_set key = read_domains(b->mem, domains, n);

    return b->sets->n ? bsearch(&key, b->sets->items, b->sets->n, sizeof key, by_domains) : NULL;
}

static bool set_has(const struct fw_domain_set *s, struct rk_str domain)
{
    return s->n && bsearch(&domain, s->domains, s->n, sizeof domain, by_text) != NULL;
}

static int by_prefix(const void *a, const void *b)
{
    return rk_prefix_cmp(a, b);
}

static bool read_rrule(struct building *b, const Management__RouteFirewallRule *m,
                       struct rrule *out)
{
    bool any = false;

    *out = (struct rrule){.msg = m};
    if (!m->n_sourceranges || !read_proto(m->protocol, &out->proto) ||
        !read_port_info(m->portinfo, &out->port_lo, &out->port_hi))
        return false;
    if (out->proto != P_TCP && out->proto != P_UDP)
        out->port_lo = out->port_hi = 0;
    out->drop = m->action == MANAGEMENT__RULE_ACTION__DROP;
    out->src = rk_new_n(b->mem, struct rk_prefix, m->n_sourceranges);
    for (size_t i = 0; i < m->n_sourceranges; i++) {
        struct rk_prefix p;

        if (rk_prefix_parse(rk_str_z(m->sourceranges[i]), &p, NULL))
            return false;
        if (!out->family)
            out->family = p.ip.family;
        if (p.ip.family != out->family)
            return false;
        any = any || p.bits == 0;
        out->src[out->n_src++] = rk_prefix_masked(&p);
    }
    if (any)
        out->n_src = 0;
    qsort(out->src, out->n_src, sizeof *out->src, by_prefix);
    if (out->family == 6 && !b->o->v6.ip.family)
        return false;
    if (m->isdynamic && b->o->by_name)
        out->names = set_of(b, m->domains, m->n_domains);
    if (m->isdynamic)
        out->dst = (struct rk_prefix){.ip.family = out->family};
    else if (rk_prefix_parse(rk_str_z(m->destination), &out->dst, NULL) ||
             out->dst.ip.family != out->family)
        return false;
    out->dst = rk_prefix_masked(&out->dst);
    return true;
}

static void read_rrules(struct building *b)
{
    const Management__NetworkMap *map = b->map;

    b->rrules = rk_new_n(b->mem, struct rrule, map->n_routesfirewallrules + 1);
    for (size_t i = 0; i < map->n_routesfirewallrules; i++) {
        if (read_rrule(b, map->routesfirewallrules[i], &b->rrules[b->n_rrules]))
            b->n_rrules++;
        else
            b->stats->skipped++;
    }
    b->stats->route_rules = b->n_rrules;
}

/* ---- writing */

static void put(struct building *b, const char *line)
{
    rk_buf_addz(b->out, line);
}

static const char *family_word(uint8_t family)
{
    return family == 4 ? "ip" : "ip6";
}

/* "meta l4proto tcp tcp dport 80-90 " as far as the rule says. */
static void put_proto(struct building *b, uint8_t family, uint8_t proto, uint16_t lo, uint16_t hi)
{
    const char *word = proto == P_TCP ? "tcp" : "udp";

    if (proto == P_ALL)
        return;
    if (proto == P_ICMP) {
        rk_buf_printf(b->out, "meta l4proto %s ", family == 4 ? "icmp" : "ipv6-icmp");
        return;
    }
    if (!hi)
        rk_buf_printf(b->out, "meta l4proto %s ", word);
    else if (lo == hi)
        rk_buf_printf(b->out, "%s dport %u ", word, lo);
    else
        rk_buf_printf(b->out, "%s dport %u-%u ", word, lo, hi);
}

static size_t group_end(const struct building *b, size_t i)
{
    size_t j = i + 1;

    while (j < b->n_prules && same_group(&b->prules[i], &b->prules[j]))
        j++;
    return j;
}

/* One set per group of more than one address, numbered by its first rule. */
static void put_peer_sets(struct building *b, uint8_t family)
{
    char text[RK_ADDR_TEXT];

    for (size_t i = 0, j; i < b->n_prules; i = j) {
        j = group_end(b, i);
        if (b->prules[i].family != family || b->prules[i].any || j == i + 1)
            continue;
        rk_buf_printf(b->out, "set nb%07zu {\ntype %s\nelements = { ", i,
                      family == 4 ? "ipv4_addr" : "ipv6_addr");
        for (size_t k = i; k < j; k++) {
            (void)rk_ip_format(&b->prules[k].src, text);
            rk_buf_printf(b->out, "%s%s", k > i ? ", " : "", text);
        }
        put(b, " }\n}\n");
    }
}

static void put_peer_source(struct building *b, size_t i, size_t j)
{
    const struct prule *r = &b->prules[i];
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

/* local: the copies in prerouting that mark what may reach this host. */
static void put_peer_rules(struct building *b, uint8_t family, bool local)
{
    for (size_t i = 0, j; i < b->n_prules; i = j) {
        const struct prule *r = &b->prules[i];

        j = group_end(b, i);
        if (r->family != family || (local && r->drop))
            continue;
        if (local)
            rk_buf_printf(b->out, "iifname \"%.*s\" ", RK_STR_ARG(b->o->iface));
        put_peer_source(b, i, j);
        put_proto(b, family, r->proto, r->port_lo, r->port_hi);
        if (local)
            rk_buf_printf(b->out, "fib daddr type local meta mark set 0x%x\n", FW_MARK_LOCAL);
        else
            rk_buf_printf(b->out, "%s\n", r->drop ? "drop" : "accept");
    }
    if (!b->open || b->o->block_inbound)
        return;
    if (local)
        rk_buf_printf(b->out, "iifname \"%.*s\" fib daddr type local meta mark set 0x%x\n",
                      RK_STR_ARG(b->o->iface), FW_MARK_LOCAL);
    else
        put(b, "accept\n");
}

static void put_prefixes(struct building *b, const struct rk_prefix *p, size_t n)
{
    char text[RK_ADDR_TEXT];

    put(b, "{ ");
    for (size_t i = 0; i < n; i++) {
        (void)rk_prefix_format(&p[i], text);
        rk_buf_printf(b->out, "%s%s", i ? ", " : "", text);
    }
    put(b, " }");
}

static void put_route_sets(struct building *b, uint8_t family)
{
    for (size_t i = 0; i < b->n_rrules; i++) {
        const struct rrule *r = &b->rrules[i];

        if (r->family != family || r->n_src < 2)
            continue;
        rk_buf_printf(b->out, "set nbr%06zu {\ntype %s\nflags interval\nauto-merge\nelements = ", i,
                      family == 4 ? "ipv4_addr" : "ipv6_addr");
        put_prefixes(b, r->src, r->n_src);
        put(b, "\n}\n");
    }
}

/* One set per list of domains, with what its names have resolved to. */
static void put_domain_sets(struct building *b, uint8_t family)
{
    char text[RK_ADDR_TEXT];

    for (size_t i = 0; b->o->by_name && i < b->sets->n; i++) {
        const struct fw_domain_set *s = &b->sets->items[i];
        bool any = false;

        rk_buf_printf(b->out, "set %s {\ntype %s\n", s->name,
                      family == 4 ? "ipv4_addr" : "ipv6_addr");
        for (size_t j = 0; j < b->o->n_names; j++) {
            const struct fw_name *name = &b->o->names[j];

            for (size_t k = 0; k < name->n && set_has(s, name->domain); k++) {
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

static void put_route_rule(struct building *b, size_t i)
{
    const struct rrule *r = &b->rrules[i];
    char text[RK_ADDR_TEXT];

    if (r->n_src == 1) {
        (void)rk_prefix_format(&r->src[0], text);
        rk_buf_printf(b->out, "%s saddr %s ", family_word(r->family), text);
    } else if (r->n_src) {
        rk_buf_printf(b->out, "%s saddr @nbr%06zu ", family_word(r->family), i);
    }
    put_dst(b, r->family, "daddr", r->names, &r->dst);
    put_proto(b, r->family, r->proto, r->port_lo, r->port_hi);
    rk_buf_printf(b->out, "counter %s\n", r->drop ? "drop" : "accept");
}

/* Is this route of the map ours to serve, in this family? Where it leads to. */
static bool own_route(const struct building *b, const Management__Route *m, uint8_t family,
                      struct rk_prefix *dst, const struct fw_domain_set **names)
{
    *names = NULL;
    if (!rk_str_eqz(b->o->own_key, m->peer))
        return false;
    if (m->n_domains) {
        if (b->o->by_name)
            *names = set_of(b, m->domains, m->n_domains);
        *dst = (struct rk_prefix){.ip.family = family};
        return family == 4 || b->o->v6.ip.family;
    }
    if (rk_prefix_parse(rk_str_z(m->network), dst, NULL) || dst->ip.family != family)
        return false;
    *dst = rk_prefix_masked(dst);
    return true;
}

static void put_routes(struct building *b, uint8_t family)
{
    const struct fw_domain_set *names;
    char text[RK_ADDR_TEXT];
    struct rk_prefix dst;

    for (size_t i = 0; b->o->block_lan && i < b->o->n_lan; i++) {
        if (b->o->lan[i].ip.family != family)
            continue;
        (void)rk_prefix_format(&b->o->lan[i], text);
        rk_buf_printf(b->out, "%s daddr %s drop\n", family_word(family), text);
    }
    for (int drop = 1; drop >= 0; drop--) /* drops in front */
        for (size_t i = 0; i < b->n_rrules; i++)
            if (b->rrules[i].family == family && b->rrules[i].drop == drop)
                put_route_rule(b, i);
    for (size_t i = 0; b->legacy_routes && i < b->map->n_routes; i++) {
        if (!own_route(b, b->map->routes[i], family, &dst, &names))
            continue;
        put_dst(b, family, "daddr", names, &dst);
        put(b, "accept\n");
    }
}

/* Marks for masquerading, in both directions, for each route that wants it. */
static void put_masquerade_marks(struct building *b, uint8_t family)
{
    const struct rk_prefix *overlay = family == 4 ? &b->o->v4 : &b->o->v6;
    struct rk_prefix clients = rk_prefix_masked(overlay), dst;
    const struct fw_domain_set *names;
    char from[RK_ADDR_TEXT];

    (void)rk_prefix_format(&clients, from);
    for (size_t i = 0; b->map && b->o->serve_routes && i < b->map->n_routes; i++) {
        const Management__Route *m = b->map->routes[i];

        if (!own_route(b, m, family, &dst, &names))
            continue;
        b->stats->routes = true;
        if (!m->masquerade)
            continue;
        rk_buf_printf(b->out, "iifname \"%.*s\" ct state new %s saddr %s ", RK_STR_ARG(b->o->iface),
                      family_word(family), from);
        put_dst(b, family, "daddr", names, &dst);
        rk_buf_printf(b->out, "meta mark set 0x%x\n", FW_MARK_MASQ);
        rk_buf_printf(b->out, "iifname != \"%.*s\" ct state new ", RK_STR_ARG(b->o->iface));
        put_dst(b, family, "saddr", names, &dst);
        rk_buf_printf(b->out, "%s daddr %s meta mark set 0x%x\n", family_word(family), from,
                      FW_MARK_MASQ_BACK);
    }
}

/* Peers ask us what the domains resolve to that we route. Behind the drops of peer rules. */
static void put_forwarder(struct building *b)
{
    static const char *const protos[] = {"udp", "tcp"};
    bool any = false;

    for (size_t i = 0; b->map && i < b->map->n_routes && !any; i++)
        any = b->map->routes[i]->n_domains && rk_str_eqz(b->o->own_key, b->map->routes[i]->peer);
    for (size_t i = 0; any && i < RK_ARRAY_LEN(protos); i++)
        rk_buf_printf(b->out, "%s dport { %u, %u } accept\n", protos[i], DNS_FORWARD_OLD_PORT,
                      b->o->names_port);
}

static void put_filter(struct building *b, uint8_t family)
{
    put(b, "chain netbird-acl-input-rules {\nct state established,related counter accept\n");
    put_peer_rules(b, family, false);
    if (family == 4 && b->o->by_name && b->o->serve_routes && b->o->names_port)
        put_forwarder(b);
    rk_buf_printf(b->out,
                  "}\nchain netbird-acl-input-filter {\n"
                  "type filter hook input priority filter; policy accept;\n"
                  "iifname \"%.*s\" jump netbird-acl-input-rules\niifname \"%.*s\" drop\n}\n",
                  RK_STR_ARG(b->o->iface), RK_STR_ARG(b->o->iface));
    put(b, "chain netbird-rt-fwd {\nct state established,related accept\n");
    if (b->map && b->o->serve_routes)
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
    rk_buf_printf(b->out,
                  "chain netbird-rt-postrouting {\n"
                  "type nat hook postrouting priority 99; policy accept;\n"
                  "meta mark 0x%x oifname != \"lo\" masquerade\n"
                  "meta mark 0x%x oifname \"%.*s\" masquerade\n}\n",
                  FW_MARK_MASQ, FW_MARK_MASQ_BACK, RK_STR_ARG(b->o->iface));
}

static void put_table(struct building *b, uint8_t family)
{
    rk_buf_printf(b->out, "table %s %.*s {\n", family_word(family), RK_STR_ARG(b->o->table));
    put_peer_sets(b, family);
    put_route_sets(b, family);
    put_domain_sets(b, family);
    put_filter(b, family);
    put_mangle(b, family);
    put(b, "}\n");
}

/* Names go into the text as they are: only letters that cannot end a word or begin another. */
static bool plain_name(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && !strchr("_.-", s.p[i]))
            return false;
    return s.n > 0 && isalpha((unsigned char)s.p[0]);
}

enum rk_code fw_text_remove(struct rk_str table, struct rk_buf *out, struct rk_err *err)
{
    static const char *const families[] = {"ip", "ip6"};

    if (!plain_name(table))
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
        if (set_has(&sets->items[i], domain))
            rk_buf_printf(out, "add element %s %.*s %s { %s }\n", family_word(ip->family),
                          RK_STR_ARG(table), sets->items[i].name, text);
}

enum rk_code fw_text_build(const struct fw_opts *o, const Management__NetworkMap *map,
                           struct rk_arena *keep, struct fw_domain_sets *sets, struct rk_buf *out,
                           struct fw_stats *stats, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct building b = {
        .o = o, .mem = mem, .keep = keep, .out = out, .stats = stats, .sets = sets, .map = map};

    *stats = (struct fw_stats){0};
    *sets = (struct fw_domain_sets){0};
    if (map && (map->n_firewallrules > FW_RULES_MAX || map->n_routesfirewallrules > FW_RULES_MAX))
        return rk_fail(err, RK_LIMIT, "the map has more than %u firewall rules", FW_RULES_MAX);
    if (map && !o->block_inbound) {
        b.open = !map->n_firewallrules && !map->firewallrulesisempty;
        read_prules(&b);
    }
    if (map && o->serve_routes) {
        b.legacy_routes = !map->n_routesfirewallrules && !map->routesfirewallrulesisempty;
        if (o->by_name)
            read_sets(&b);
        read_rrules(&b);
    }
    if (!plain_name(o->iface))
        return rk_fail(err, RK_INVALID, "interface name \"%.*s\" cannot stand in firewall rules",
                       RK_STR_ARG(rk_str_sub(o->iface, 0, 40)));
    if (fw_text_remove(o->table, out, err))
        return RK_INVALID;
    put_table(&b, 4);
    if (o->v6.ip.family)
        put_table(&b, 6);
    return out->full ? rk_fail(err, RK_LIMIT, "firewall rules are too long") : RK_OK;
}
