/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading the firewall's part of a network map; see fw_rules.h. */
#include "config.h"

#include "agent/engine/fw_rules.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/dns/forwarder.h"
#include "lib/base/num.h"

struct reading {
    const struct fw_opts *o;
    const Management__NetworkMap *map;
    struct rk_arena *mem;  /* for the rules */
    struct rk_arena *keep; /* the caller's: sets */
    struct fw_domain_sets *sets;
    struct fw_rules *out;
    struct fw_stats *stats;
};

/* ---- reading the map */

static bool read_proto(Management__RuleProtocol p, uint8_t *out)
{
    switch (p) {
    case MANAGEMENT__RULE_PROTOCOL__ALL:
        *out = FW_ALL;
        return true;
    case MANAGEMENT__RULE_PROTOCOL__TCP:
        *out = FW_TCP;
        return true;
    case MANAGEMENT__RULE_PROTOCOL__UDP:
        *out = FW_UDP;
        return true;
    case MANAGEMENT__RULE_PROTOCOL__ICMP:
        *out = FW_ICMP;
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

static bool read_action(Management__RuleAction a, uint8_t *drop)
{
    *drop = a == MANAGEMENT__RULE_ACTION__DROP;
    return a == MANAGEMENT__RULE_ACTION__DROP || a == MANAGEMENT__RULE_ACTION__ACCEPT;
}

static bool read_prule(const struct fw_opts *o, const Management__FirewallRule *m,
                       struct fw_peer_rule *out)
{
    struct rk_prefix src = {0};
    int64_t port;

    *out = (struct fw_peer_rule){0};
    if (!read_proto(m->protocol, &out->proto) || !read_action(m->action, &out->drop) ||
        !read_source(m, &src) || !read_port_info(m->portinfo, &out->port_lo, &out->port_hi))
        return false;
    if (!out->port_hi && m->port[0]) { /* the older single port */
        if (rk_parse_i64(rk_str_z(m->port), 0, 65535, &port, NULL))
            return false;
        out->port_lo = out->port_hi = (uint16_t)port;
    }
    if (src.ip.family == 6 && !o->v6.ip.family)
        return false;
    if (out->proto != FW_TCP && out->proto != FW_UDP)
        out->port_lo = out->port_hi = 0;
    out->family = src.ip.family;
    out->any = rk_ip_is_unspecified(&src.ip);
    if (!out->any)
        out->src = src.ip;
    return true;
}

/* Drops first, then by everything but the address, then by address. */
static int by_rule(const void *a, const void *b)
{
    const struct fw_peer_rule *x = a, *y = b;
    int c = (int)x->family - y->family;

    c = c ? c : (int)y->drop - x->drop;
    c = c ? c : (int)x->proto - y->proto;
    c = c ? c : (int)x->port_lo - y->port_lo;
    c = c ? c : (int)x->port_hi - y->port_hi;
    c = c ? c : (int)y->any - x->any;
    return c ? c : rk_ip_cmp(&x->src, &y->src);
}

bool fw_same_group(const struct fw_peer_rule *x, const struct fw_peer_rule *y)
{
    return x->family == y->family && x->drop == y->drop && x->proto == y->proto &&
           x->port_lo == y->port_lo && x->port_hi == y->port_hi && x->any == y->any;
}

static void read_prules(struct reading *r)
{
    const Management__NetworkMap *map = r->map;
    struct fw_peer_rule *v = rk_new_n(r->mem, struct fw_peer_rule, map->n_firewallrules + 1);
    size_t n = 0, kept = 0;

    for (size_t i = 0; i < map->n_firewallrules; i++) {
        const Management__FirewallRule *m = map->firewallrules[i];

        if (m->direction == MANAGEMENT__RULE_DIRECTION__OUT)
            continue; /* what we send is not filtered, and answers come back by state */
        if (m->direction == MANAGEMENT__RULE_DIRECTION__IN && read_prule(r->o, m, &v[n]))
            n++;
        else
            r->stats->skipped++;
    }
    qsort(v, n, sizeof *v, by_rule);
    for (size_t i = 0; i < n; i++)
        if (!kept || by_rule(&v[kept - 1], &v[i]) != 0)
            v[kept++] = v[i];
    r->out->peer = v;
    r->out->n_peer = r->stats->peer_rules = kept;
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
static void read_sets(struct reading *r)
{
    const Management__NetworkMap *map = r->map;
    struct fw_domain_sets *s = r->sets;
    size_t n = 0;

    s->items =
        rk_new_n(r->keep, struct fw_domain_set, map->n_routes + map->n_routesfirewallrules + 1);
    for (size_t i = 0; i < map->n_routes; i++)
        if (map->routes[i]->n_domains && rk_str_eqz(r->o->own_key, map->routes[i]->peer))
            s->items[n++] =
                read_domains(r->keep, map->routes[i]->domains, map->routes[i]->n_domains);
    for (size_t i = 0; i < map->n_routesfirewallrules; i++)
        if (map->routesfirewallrules[i]->isdynamic)
            s->items[n++] = read_domains(r->keep, map->routesfirewallrules[i]->domains,
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

static const struct fw_domain_set *set_of(const struct reading *r, char **domains, size_t n)
{
    struct fw_domain_set key = read_domains(r->mem, domains, n);

    return r->sets->n ? bsearch(&key, r->sets->items, r->sets->n, sizeof key, by_domains) : NULL;
}

bool fw_set_has(const struct fw_domain_set *s, struct rk_str domain)
{
    return s->n && bsearch(&domain, s->domains, s->n, sizeof domain, by_text) != NULL;
}

/* ---- rules of routes */

/* A rule while its sources are its own. */
struct rrule {
    struct fw_route_rule rule;
    struct fw_sources src;
};

static int by_prefix(const void *a, const void *b)
{
    return rk_prefix_cmp(a, b);
}

static bool read_sources(struct reading *r, const Management__RouteFirewallRule *m,
                         struct rrule *out)
{
    struct rk_prefix *v = rk_new_n(r->mem, struct rk_prefix, m->n_sourceranges + 1);
    size_t n = 0, kept = 0;
    bool any = false;

    for (size_t i = 0; i < m->n_sourceranges; i++) {
        if (rk_prefix_parse(rk_str_z(m->sourceranges[i]), &v[n], NULL))
            return false;
        if (v[n].ip.family != v[0].ip.family)
            return false;
        any = any || v[n].bits == 0;
        v[n] = rk_prefix_masked(&v[n]);
        n++;
    }
    out->rule.family = n ? v[0].ip.family : 0;
    qsort(v, n, sizeof *v, by_prefix);
    for (size_t i = 0; i < n && !any; i++)
        if (!kept || by_prefix(&v[kept - 1], &v[i]) != 0)
            v[kept++] = v[i];
    out->src = (struct fw_sources){.v = v, .n = kept};
    return n > 0; /* without a source it would be for everybody */
}

static bool read_rrule(struct reading *r, const Management__RouteFirewallRule *m, struct rrule *out)
{
    struct fw_route_rule *rule = &out->rule;

    *out = (struct rrule){0};
    if (!read_proto(m->protocol, &rule->proto) || !read_action(m->action, &rule->drop) ||
        !read_port_info(m->portinfo, &rule->port_lo, &rule->port_hi) || !read_sources(r, m, out))
        return false;
    if (rule->proto != FW_TCP && rule->proto != FW_UDP)
        rule->port_lo = rule->port_hi = 0;
    if (rule->family == 6 && !r->o->v6.ip.family)
        return false;
    if (m->isdynamic && r->o->by_name)
        rule->names = set_of(r, m->domains, m->n_domains);
    if (m->isdynamic)
        rule->dst = (struct rk_prefix){.ip.family = rule->family};
    else if (rk_prefix_parse(rk_str_z(m->destination), &rule->dst, NULL) ||
             rule->dst.ip.family != rule->family)
        return false;
    rule->dst = rk_prefix_masked(&rule->dst);
    return true;
}

static int by_sources(const struct fw_sources *x, const struct fw_sources *y)
{
    for (size_t i = 0; i < x->n && i < y->n; i++) {
        int c = rk_prefix_cmp(&x->v[i], &y->v[i]);

        if (c)
            return c;
    }
    return x->n < y->n ? -1 : x->n > y->n;
}

static int by_rrule_sources(const void *a, const void *b)
{
    const struct rrule *x = a, *y = b;
    int c = (int)x->rule.family - y->rule.family;

    return c ? c : by_sources(&x->src, &y->src);
}

static int by_route_rule(const void *a, const void *b)
{
    const struct fw_route_rule *x = a, *y = b;
    int c = (int)y->drop - x->drop; /* drops in front */

    c = c ? c : (int)x->family - y->family;
    c = c ? c : (x->sources > y->sources) - (x->sources < y->sources);
    c = c ? c : (int)x->proto - y->proto;
    c = c ? c : (int)x->port_lo - y->port_lo;
    c = c ? c : (int)x->port_hi - y->port_hi;
    c = c ? c : (x->names > y->names) - (x->names < y->names);
    return c ? c : rk_prefix_cmp(&x->dst, &y->dst);
}

bool fw_same_way(const struct fw_route_rule *x, const struct fw_route_rule *y)
{
    return !x->names && !y->names && x->dst.bits && y->dst.bits && x->drop == y->drop &&
           x->family == y->family && x->sources == y->sources && x->proto == y->proto &&
           x->port_lo == y->port_lo && x->port_hi == y->port_hi;
}

static void read_rrules(struct reading *r)
{
    const Management__NetworkMap *map = r->map;
    struct rrule *v = rk_new_n(r->mem, struct rrule, map->n_routesfirewallrules + 1);
    struct fw_rules *out = r->out;
    size_t n = 0, kept = 0;

    for (size_t i = 0; i < map->n_routesfirewallrules; i++) {
        if (read_rrule(r, map->routesfirewallrules[i], &v[n]))
            n++;
        else
            r->stats->skipped++;
    }
    qsort(v, n, sizeof *v, by_rrule_sources);
    out->sources = rk_new_n(r->mem, struct fw_sources, n + 1);
    out->route = rk_new_n(r->mem, struct fw_route_rule, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (!i || by_rrule_sources(&v[i - 1], &v[i]) != 0)
            out->sources[out->n_sources++] = v[i].src;
        out->route[i] = v[i].rule;
        out->route[i].sources = out->n_sources - 1;
    }
    qsort(out->route, n, sizeof *out->route, by_route_rule);
    for (size_t i = 0; i < n; i++)
        if (!kept || by_route_rule(&out->route[kept - 1], &out->route[i]) != 0)
            out->route[kept++] = out->route[i];
    out->n_route = r->stats->route_rules = kept;
}

/* ---- what is served */

/* Is this route of the map ours to serve, in this family? Where it leads to. */
static bool own_route(const struct reading *r, const Management__Route *m, uint8_t family,
                      struct fw_served *out)
{
    *out = (struct fw_served){.family = family, .masquerade = m->masquerade};
    if (!rk_str_eqz(r->o->own_key, m->peer) || (family == 6 && !r->o->v6.ip.family))
        return false;
    if (m->n_domains) {
        if (r->o->by_name)
            out->names = set_of(r, m->domains, m->n_domains);
        out->dst = (struct rk_prefix){.ip.family = family};
        return true;
    }
    if (rk_prefix_parse(rk_str_z(m->network), &out->dst, NULL) || out->dst.ip.family != family)
        return false;
    out->dst = rk_prefix_masked(&out->dst);
    return true;
}

static void read_served(struct reading *r)
{
    const Management__NetworkMap *map = r->map;
    struct fw_rules *out = r->out;

    out->served = rk_new_n(r->mem, struct fw_served, 2 * map->n_routes + 1);
    for (size_t i = 0; i < map->n_routes; i++) {
        for (uint8_t family = 4; family <= 6; family += 2)
            out->n_served += own_route(r, map->routes[i], family, &out->served[out->n_served]);
        if (map->routes[i]->n_domains && rk_str_eqz(r->o->own_key, map->routes[i]->peer))
            out->names_asked = r->o->by_name && r->o->names_port;
    }
    r->stats->routes = out->n_served > 0;
}

static bool read_forward(const struct reading *r, const Management__ForwardingRule *m,
                         struct fw_forward *out)
{
    struct rk_str to = rk_str_of(m->translatedaddress.data, m->translatedaddress.len);
    uint16_t to_hi = 0;

    *out = (struct fw_forward){0};
    if (!read_proto(m->protocol, &out->proto) || (out->proto != FW_TCP && out->proto != FW_UDP) ||
        !read_port_info(m->destinationport, &out->port_lo, &out->port_hi) ||
        !read_port_info(m->translatedport, &out->to_lo, &to_hi) || !out->port_lo || !out->to_lo ||
        rk_ip_from_bytes(to, &out->to, NULL))
        return false;
    if (out->to.family == 6 && !r->o->v6.ip.family)
        return false;
    return to_hi - out->to_lo == out->port_hi - out->port_lo;
}

static void read_forwards(struct reading *r)
{
    const Management__NetworkMap *map = r->map;
    struct fw_rules *out = r->out;

    out->forward = rk_new_n(r->mem, struct fw_forward, map->n_forwardingrules + 1);
    for (size_t i = 0; i < map->n_forwardingrules; i++) {
        if (read_forward(r, map->forwardingrules[i], &out->forward[out->n_forward]))
            out->n_forward++;
        else
            r->stats->skipped++;
    }
    r->stats->forwards = out->n_forward > 0;
}

/* ---- all of it */

bool fw_plain_name(struct rk_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && !strchr("_.-", s.p[i]))
            return false;
    return s.n > 0 && isalpha((unsigned char)s.p[0]);
}

enum rk_code fw_rules_read(const struct fw_opts *o, const Management__NetworkMap *map,
                           struct rk_arena *mem, struct rk_arena *keep, struct fw_domain_sets *sets,
                           struct fw_rules *out, struct fw_stats *stats, struct rk_err *err)
{
    struct reading r = {
        .o = o, .map = map, .mem = mem, .keep = keep, .sets = sets, .out = out, .stats = stats};

    *stats = (struct fw_stats){0};
    *sets = (struct fw_domain_sets){0};
    *out = (struct fw_rules){0};
    if (map && (map->n_firewallrules > FW_RULES_MAX || map->n_routesfirewallrules > FW_RULES_MAX))
        return rk_fail(err, RK_LIMIT, "the map has more than %u firewall rules", FW_RULES_MAX);
    if (map && !o->block_inbound) {
        out->open = !map->n_firewallrules && !map->firewallrulesisempty;
        read_prules(&r);
    }
    if (map && o->serve_routes) {
        out->legacy_routes = !map->n_routesfirewallrules && !map->routesfirewallrulesisempty;
        if (o->by_name)
            read_sets(&r);
        read_rrules(&r);
        read_served(&r);
        read_forwards(&r);
    }
    return RK_OK;
}
