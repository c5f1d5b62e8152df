/* SPDX-License-Identifier: BSD-3-Clause */
/* See places.h. */
#include "config.h"

#include "agent/traffic/places.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/map.h"
#include "schema/pb_arena.h"

/* A network behind a peer, or behind this host. */
struct place {
    struct rk_prefix net;
    struct rk_str resource;
    bool own;
};

struct rule {
    struct rule *next; /* of the same peer */
    bool out;          /* from this host */
    bool routed;       /* for what this host forwards: to dst */
    struct rk_prefix from, dst;
    uint8_t protocol;          /* 0: all */
    uint16_t port_lo, port_hi; /* 0, 0: all */
    struct rk_str policy;
};

struct places {
    struct rk_prefix own[2]; /* IPv4, IPv6 */
    bool exit_node, dns;
    struct rk_arena *mem; /* of what a map said */
    struct place *place;
    size_t n_places;
    struct rk_map by_peer; /* of one peer each: the first one, by its address */
    struct rule **wide;    /* all others */
    size_t n_wide, cap_wide;
};

static struct rk_str ip_key(const struct rk_ip *ip)
{
    return rk_str_of(ip->b, rk_ip_size(ip));
}

struct places *places_new(const struct rk_prefix *own4, const struct rk_prefix *own6)
{
    struct places *p = rk_calloc(1, sizeof *p);

    p->own[0] = *own4;
    p->own[1] = *own6;
    p->mem = rk_arena_new(0);
    rk_map_init(&p->by_peer, true);
    return p;
}

void places_free(struct places *p)
{
    if (!p)
        return;
    rk_map_done(&p->by_peer);
    rk_arena_free(p->mem);
    free(p);
}

void places_collect(struct places *p, bool exit_node, bool dns)
{
    p->exit_node = exit_node;
    p->dns = dns;
}

/* ---- out of the map */

static struct rk_str name_of(struct rk_arena *mem, struct rk_str s)
{
    return s.n <= TRAFFIC_NAME_MAX ? rk_arena_dup(mem, s) : RK_STR("");
}

/* A route of a network's resource is called "resource:router". */
static void take_routes(struct places *p, const Management__NetworkMap *map, struct rk_str own_key)
{
    p->place = rk_new_n(p->mem, struct place, map->n_routes);
    for (size_t i = 0; i < map->n_routes; i++) {
        const Management__Route *r = map->routes[i];
        struct place *to = &p->place[p->n_places];
        struct rk_str id = rk_str_z(r->id), rest;

        if (r->n_domains || rk_prefix_parse(rk_str_z(r->network), &to->net, NULL))
            continue;
        (void)rk_str_cut(id, ':', &id, &rest);
        to->resource = name_of(p->mem, id);
        to->own = rk_str_eqz(own_key, r->peer);
        p->n_places++;
    }
}

static uint8_t protocol_of(Management__RuleProtocol p, uint32_t custom, uint8_t family)
{
    switch (p) {
    case MANAGEMENT__RULE_PROTOCOL__TCP:
    case MANAGEMENT__RULE_PROTOCOL__NETBIRD_SSH:
        return IPPROTO_TCP;
    case MANAGEMENT__RULE_PROTOCOL__UDP:
        return IPPROTO_UDP;
    case MANAGEMENT__RULE_PROTOCOL__ICMP:
        return family == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    case MANAGEMENT__RULE_PROTOCOL__CUSTOM:
        return (uint8_t)custom;
    default:
        return 0;
    }
}

static void ports_of(const Management__PortInfo *info, struct rule *r)
{
    if (info && info->port_selection_case == MANAGEMENT__PORT_INFO__PORT_SELECTION_PORT) {
        r->port_lo = r->port_hi = (uint16_t)info->port;
    } else if (info && info->port_selection_case == MANAGEMENT__PORT_INFO__PORT_SELECTION_RANGE) {
        r->port_lo = (uint16_t)info->range->start;
        r->port_hi = (uint16_t)info->range->end;
    }
}

static void add_wide(struct places *p, struct rule *r)
{
    p->wide = rk_arena_grow(p->mem, p->wide, p->n_wide, &p->cap_wide, sizeof(struct rule *));
    p->wide[p->n_wide++] = r;
}

static void take_peer_rule(struct places *p, const Management__FirewallRule *f)
{
    struct rk_ip ip = {0};
    struct rule *r;

    if (!f->policyid.len || rk_ip_parse(rk_str_z(f->peerip), &ip, NULL))
        return;
    r = rk_new(p->mem, struct rule);
    r->out = f->direction == MANAGEMENT__RULE_DIRECTION__OUT;
    r->from = (struct rk_prefix){.ip = ip, .bits = ip.family == 6 ? 128 : 32};
    r->protocol = protocol_of(f->protocol, f->customprotocol, ip.family);
    ports_of(f->portinfo, r);
    r->policy = name_of(p->mem, pb_bytes(f->policyid));
    if (rk_ip_is_unspecified(&ip))
        add_wide(p, r);
    else
        r->next = rk_map_put(&p->by_peer, ip_key(&r->from.ip), r);
}

static void take_route_rule(struct places *p, const Management__RouteFirewallRule *f)
{
    struct rk_prefix dst;

    if (!f->policyid.len || rk_prefix_parse(rk_str_z(f->destination), &dst, NULL))
        return;
    for (size_t i = 0; i < f->n_sourceranges; i++) {
        struct rk_prefix from;
        struct rule *r;

        if (rk_prefix_parse(rk_str_z(f->sourceranges[i]), &from, NULL))
            continue;
        r = rk_new(p->mem, struct rule);
        r->routed = true;
        r->from = from;
        r->dst = dst;
        r->protocol = protocol_of(f->protocol, f->customprotocol, dst.ip.family);
        ports_of(f->portinfo, r);
        r->policy = name_of(p->mem, pb_bytes(f->policyid));
        add_wide(p, r);
    }
}

void places_map(struct places *p, const Management__NetworkMap *map, struct rk_str own_key)
{
    rk_map_done(&p->by_peer);
    rk_map_init(&p->by_peer, true);
    rk_arena_free(p->mem);
    p->mem = rk_arena_new(0);
    p->wide = NULL;
    p->n_places = p->n_wide = p->cap_wide = 0;
    take_routes(p, map, own_key);
    for (size_t i = 0; i < map->n_firewallrules; i++)
        take_peer_rule(p, map->firewallrules[i]);
    for (size_t i = 0; i < map->n_routesfirewallrules; i++)
        take_route_rule(p, map->routesfirewallrules[i]);
}

/* ---- one flow */

static bool is_overlay(const struct places *p, const struct rk_ip *ip)
{
    for (int i = 0; i < 2; i++)
        if (p->own[i].ip.family == ip->family && rk_prefix_contains(&p->own[i], ip))
            return true;
    return false;
}

static bool is_own(const struct places *p, const struct rk_ip *ip)
{
    return rk_ip_eq(&p->own[0].ip, ip) || rk_ip_eq(&p->own[1].ip, ip);
}

/* Networks of this host first, then those of others; the narrowest. */
static const struct place *place_of(const struct places *p, const struct rk_ip *ip)
{
    const struct place *best = NULL;

    for (size_t i = 0; i < p->n_places; i++) {
        const struct place *at = &p->place[i];

        if (!rk_prefix_contains(&at->net, ip))
            continue;
        if (!best || at->own > best->own || (at->own == best->own && at->net.bits > best->net.bits))
            best = at;
    }
    return best;
}

static void put_name(char out[TRAFFIC_NAME_MAX + 1], struct rk_str name)
{
    memcpy(out, name.p, name.n);
    out[name.n] = '\0';
}

/* Through an exit node? */
static bool name_end(const struct places *p, const struct rk_ip *ip, char out[TRAFFIC_NAME_MAX + 1])
{
    const struct place *at = is_overlay(p, ip) ? NULL : place_of(p, ip);

    if (at)
        put_name(out, at->resource);
    return at && at->net.bits == 0;
}

static enum traffic_direction direction_of(const struct places *p, const struct traffic_event *e)
{
    if (is_own(p, &e->src))
        return TRAFFIC_EGRESS;
    if (is_own(p, &e->dst))
        return TRAFFIC_INGRESS;
    return is_overlay(p, &e->src) ? TRAFFIC_INGRESS : TRAFFIC_EGRESS;
}

static bool rule_is_for(const struct rule *r, const struct traffic_event *e, bool forwarded)
{
    if (r->routed != forwarded || (!forwarded && r->out != (e->direction == TRAFFIC_EGRESS)) ||
        (r->protocol && r->protocol != e->protocol) || r->from.ip.family != e->src.family)
        return false;
    if (r->port_hi && (e->dst_port < r->port_lo || e->dst_port > r->port_hi))
        return false;
    return !forwarded ||
           (rk_prefix_contains(&r->from, &e->src) && rk_prefix_contains(&r->dst, &e->dst));
}

static void name_policy(const struct places *p, struct traffic_event *e)
{
    const struct rk_ip *other = e->direction == TRAFFIC_EGRESS ? &e->dst : &e->src;
    bool forwarded = !is_own(p, &e->src) && !is_own(p, &e->dst);
    const struct rule *r = rk_map_get(&p->by_peer, ip_key(other));

    while (r && (forwarded || !rule_is_for(r, e, false)))
        r = r->next;
    for (size_t i = 0; !r && i < p->n_wide; i++)
        if (rule_is_for(p->wide[i], e, forwarded))
            r = p->wide[i];
    if (r)
        put_name(e->policy, r->policy);
}

static bool is_name_question(const struct traffic_event *e)
{
    return e->protocol == IPPROTO_UDP &&
           (e->dst_port == 53 || e->dst_port == 5353 || e->dst_port == 22054);
}

bool places_find(const struct places *p, struct traffic_event *e)
{
    bool exit_node;

    if ((!is_overlay(p, &e->src) && !is_overlay(p, &e->dst)) || (is_name_question(e) && !p->dns))
        return false;
    exit_node = name_end(p, &e->src, e->src_resource);
    exit_node |= name_end(p, &e->dst, e->dst_resource);
    if (exit_node && !p->exit_node)
        return false;
    e->direction = direction_of(p, e);
    name_policy(p, e);
    return true;
}
