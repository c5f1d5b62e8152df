/* SPDX-License-Identifier: BSD-3-Clause */
/* See routes.h. */
#include "config.h"

#include "management/netmap/routes.h"

#include <stdlib.h>

#include "management/snapshot/pb.h"

#define FIELD_ROUTES 5
#define V6_ID        "-v6-default"
#define V6_NET_ID    "-v6"

bool routes_served_by(const struct snapshot *s, const struct plan_route *r, uint32_t peer)
{
    if (r->r->peer.n > 0 && rk_str_eq(r->r->peer, state_peer(s, peer)->id))
        return true;
    for (uint32_t i = 0; i < r->peer_groups.n; i++)
        if (bits_has(state_members(s, r->peer_groups.g[i]), peer))
            return true;
    return false;
}

void routes_servers(const struct snapshot *s, const struct plan_route *r, struct bits *out)
{
    uint32_t peer = r->r->peer.n ? snap_index_of(s, r->r->peer) : SNAP_NO_PEER;

    view_members(s, &r->peer_groups, out);
    if (peer != SNAP_NO_PEER)
        bits_set(out, peer);
}

/* ---- connections of network resources */

/* Who reaches resources by the policy: component peers that pass, a directly named one too. */
static void policy_sources(const struct view *v, const struct plan_policy *p, struct bits *out)
{
    view_side(v, &p->sources, p, out);
    for (uint32_t i = 0; i < p->n_checks; i++)
        bits_andnot(out, &v->s->failing->check[p->checks[i]].peers);
}

void routes_connect(struct view *v)
{
    const struct plan *pl = v->s->plan;
    struct bits extra = {0};

    for (uint32_t i = 0; i < v->n_resources; i++) {
        const struct plan_resource *r = &pl->resources[v->resources[i].resource];

        if (!v->resources[i].router) {
            view_network_peers(v->s, &pl->networks[r->network], &v->tmp);
            bits_or_and(&extra, &v->tmp, &v->peers);
            continue;
        }
        for (uint32_t k = 0; k < r->n_policies; k++) {
            policy_sources(v, &pl->policies[r->policies[k]], &v->tmp);
            bits_or(&extra, &v->tmp);
        }
    }
    bits_andnot(&extra, &v->offline);
    bits_unset(&extra, v->self);
    bits_or(&v->connect, &extra);
    bits_done(&extra);
}

/* ---- one route on the wire */

static bool is_v6(const struct map_route *w)
{
    return w->network.ip.family == 6;
}

static bool is_default_v4(const struct map_route *w)
{
    return w->network.ip.family == 4 && w->network.bits == 0;
}

static struct rk_prefix placeholder(void)
{
    return (struct rk_prefix){.ip = rk_ip4(192, 0, 2, 0), .bits = 32};
}

/* The id as a text field; v6 adds the suffix of the IPv6 twin of a default route. */
static void put_id(struct rk_buf *out, unsigned field, const struct map_route *w, bool v6)
{
    pb_tag(out, field, PB_LEN);
    pb_varint(out, w->id.n + (w->via.n ? 1 + w->via.n : 0) + (v6 ? sizeof V6_ID - 1 : 0));
    rk_buf_add(out, w->id);
    if (w->via.n) {
        rk_buf_addc(out, ':');
        rk_buf_add(out, w->via);
    }
    if (v6)
        rk_buf_addz(out, V6_ID);
}

static void put_route(struct rk_buf *out, const struct map_route *w, bool v6)
{
    size_t msg = pb_begin(out, FIELD_ROUTES);
    char text[RK_ADDR_TEXT];

    put_id(out, 1, w, v6);
    pb_str(out, 2, v6 ? RK_STR("::/0") : rk_prefix_format(&w->network, text));
    pb_uint(out, 3, v6 ? ROUTE_IPV6 : w->kind);
    pb_str(out, 4, w->peer_key);
    pb_int(out, 5, w->metric);
    pb_bool(out, 6, w->masquerade);
    pb_tag(out, 7, PB_LEN);
    pb_varint(out, w->net_id.n + (v6 ? sizeof V6_NET_ID - 1 : 0));
    rk_buf_add(out, w->net_id);
    if (v6)
        rk_buf_addz(out, V6_NET_ID);
    for (size_t i = 0; i < w->n_domains; i++)
        pb_str_always(out, 8, w->domains[i]);
    pb_bool(out, 9, w->keep);
    pb_bool(out, 10, w->skip_auto_apply);
    pb_end(out, msg);
}

/* IPv6 networks only for receivers that can use them; those get a twin of every default route. */
static void put_route_pair(void *arg, const struct view *v, const struct map_route *w)
{
    struct rk_buf *out = arg;

    if (is_v6(w) && !v->ip6)
        return;
    put_route(out, w, false);
    if (v->ip6 && is_default_v4(w))
        put_route(out, w, true);
}

static struct map_route resource_route(const struct view *v, const struct resource *r,
                                       const struct router *router, uint32_t peer)
{
    const struct peer *p = state_peer(v->s, peer);
    struct map_route w = {.id = r->id,
                          .via = p->id,
                          .net_id = r->name,
                          .network = r->prefix,
                          .kind = r->prefix.ip.family == 6 ? ROUTE_IPV6 : ROUTE_IPV4,
                          .peer = peer,
                          .peer_key = p->key,
                          .metric = router->metric,
                          .masquerade = router->masquerade,
                          .keep = true};

    if (r->type == RESOURCE_DOMAIN) {
        w.network = placeholder();
        w.kind = ROUTE_DOMAIN;
        w.domains = &r->domain;
        w.n_domains = 1;
    }
    return w;
}

static struct map_route classic_route(const struct view *v, const struct route *r, uint32_t peer)
{
    const struct peer *p = state_peer(v->s, peer);
    bool direct = r->peer.n > 0 && rk_str_eq(r->peer, p->id);

    return (struct map_route){.id = r->id,
                              .via = direct ? (struct rk_str){0} : p->id,
                              .net_id = r->net_id,
                              .network = r->domains.n ? placeholder() : r->network,
                              .kind = r->kind,
                              .peer = peer,
                              .peer_key = p->key,
                              .metric = r->metric,
                              .masquerade = r->masquerade,
                              .keep = r->keep_route,
                              .skip_auto_apply = r->skip_auto_apply,
                              .domains = r->domains.v,
                              .n_domains = r->domains.n};
}

/* ---- lists of routes */

static void each_resource_route(struct view *v, routes_fn *fn, void *arg)
{
    const struct plan *pl = v->s->plan;

    for (uint32_t i = 0; i < v->n_resources; i++) {
        const struct plan_resource *r = &pl->resources[v->resources[i].resource];
        const struct plan_network *n = &pl->networks[r->network];

        if (v->resources[i].router) {
            bits_clear(&v->tmp);
            bits_set(&v->tmp, v->self);
        } else {
            view_network_peers(v->s, n, &v->tmp);
            bits_and(&v->tmp, &v->peers);
        }
        for (BITS_EACH(p, &v->tmp)) {
            struct map_route w = resource_route(v, r->r, view_router_of(v->s, n, p), p);

            fn(arg, v, &w);
        }
    }
}

static bool is_own(const struct view *v, uint32_t i)
{
    return routes_served_by(v->s, &v->s->plan->routes[v->routes[i]], v->self);
}

/* Self serves a route of this high-availability set, enabled or not. */
static bool own_ha(const struct view *v, struct rk_str ha)
{
    for (uint32_t i = 0; i < v->n_routes; i++)
        if (rk_str_eq(v->s->plan->routes[v->routes[i]].ha, ha) && is_own(v, i))
            return true;
    return false;
}

static bool distributed_to(const struct view *v, const struct plan_route *r)
{
    for (uint32_t i = 0; i < r->groups.n; i++)
        if (gset_has(v->groups, r->groups.g[i]))
            return true;
    return false;
}

static void each_classic_route(struct view *v, routes_fn *fn, void *arg)
{
    const struct plan *pl = v->s->plan;

    for (uint32_t i = 0; i < v->n_routes; i++) {
        const struct plan_route *r = &pl->routes[v->routes[i]];

        if (!r->r->enabled)
            continue;
        if (is_own(v, i)) {
            struct map_route w = classic_route(v, r->r, v->self);

            fn(arg, v, &w);
            continue; /* siblings are of the same set */
        }
        if (!distributed_to(v, r) || own_ha(v, r->ha))
            continue;
        routes_servers(v->s, r, &v->tmp);
        bits_and(&v->tmp, &v->direct);
        for (BITS_EACH(p, &v->tmp)) {
            struct map_route w = classic_route(v, r->r, p);

            fn(arg, v, &w);
        }
    }
}

void routes_each(struct view *v, routes_fn *fn, void *arg)
{
    each_resource_route(v, fn, arg);
    each_classic_route(v, fn, arg);
}

void routes_put(struct view *v, struct rk_buf *out)
{
    routes_each(v, put_route_pair, out);
}

/* ---- firewall rules of routes */

struct sources {
    const struct bits *peers; /* NULL: anybody */
    bool v6;
};

static void put_sources(const struct view *v, struct rk_buf *out, const struct sources *src)
{
    char text[RK_ADDR_TEXT];

    if (!src->peers) {
        pb_str(out, 1, src->v6 ? RK_STR("::/0") : RK_STR("0.0.0.0/0"));
        return;
    }
    for (BITS_EACH(i, src->peers)) {
        const struct peer *p = state_peer(v->s, i);
        struct rk_prefix prefix = {.ip = src->v6 ? p->ip6 : p->ip, .bits = src->v6 ? 128 : 32};

        if (prefix.ip.family != 0)
            pb_str(out, 1, rk_prefix_format(&prefix, text));
    }
}

static unsigned route_protocol(const struct rule *r)
{
    switch (r ? r->protocol : PROTO_ALL) {
    case PROTO_ALL:
        return 1;
    case PROTO_TCP:
        return 2;
    case PROTO_UDP:
        return 3;
    case PROTO_ICMP:
        return 4;
    case PROTO_SSH:
        return 6; /* not translated to tcp here; agents refuse it */
    }
    return 0;
}

/* v6_route: the entry is for the IPv6 twin of a default route. */
static void put_entry(const struct view *v, struct rk_buf *out, const struct route_grant *f,
                      const struct sources *src, bool v6_route, uint16_t port,
                      struct port_range range)
{
    char text[RK_ADDR_TEXT];
    size_t msg = pb_begin(out, 10), info;

    put_sources(v, out, src);
    pb_uint(out, 2, f->rule && f->rule->action == ACTION_DROP);
    pb_str(out, 3, v6_route ? RK_STR("::/0") : rk_prefix_format(&f->route->network, text));
    pb_uint(out, 4, route_protocol(f->rule));
    info = pb_begin(out, 5);
    if (port) {
        pb_uint(out, 1, port);
    } else if (range.start && range.end) {
        size_t r = pb_begin(out, 2);

        pb_uint(out, 1, range.start);
        pb_uint(out, 2, range.end);
        pb_end(out, r);
    }
    pb_end(out, info);
    pb_bool(out, 6, f->route->kind == ROUTE_DOMAIN);
    for (size_t i = 0; i < f->route->n_domains; i++)
        pb_str_always(out, 7, f->route->domains[i]);
    if (f->policy != NO_INDEX)
        pb_str(out, 9, v->s->plan->policies[f->policy].p->id);
    put_id(out, 10, f->route, v6_route);
    pb_end(out, msg);
}

static bool port_seen(const struct rule *r, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (rk_str_eq(r->ports.v[k], r->ports.v[i]))
            return true;
    return false;
}

static bool range_seen(const struct rule *r, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (r->ranges[k].start == r->ranges[i].start && r->ranges[k].end == r->ranges[i].end)
            return true;
    return false;
}

/* One entry per distinct port or range, whatever the receiver's version. */
static void put_expanded(const struct view *v, struct rk_buf *out, const struct route_grant *f,
                         const struct sources *src, bool v6_route)
{
    const struct rule *r = f->rule;
    const struct port_range none = {0, 0};
    uint16_t port;

    for (size_t i = 0; i < r->ports.n; i++)
        if (!port_seen(r, i) && port_parse(r->ports.v[i], &port))
            put_entry(v, out, f, src, v6_route, port, none);
    if (r->ports.n > 0)
        return;
    for (size_t i = 0; i < r->n_ranges; i++)
        if (!range_seen(r, i))
            put_entry(v, out, f, src, v6_route, 0, r->ranges[i]);
    if (r->n_ranges == 0)
        put_entry(v, out, f, src, v6_route, 0, none);
}

static bool any_v6(const struct view *v, const struct bits *peers)
{
    for (BITS_EACH(i, peers))
        if (state_peer(v->s, i)->ip6.family == 6)
            return true;
    return false;
}

/* Entries of one rule for one own route. */
static void put_rule(const struct view *v, struct rk_buf *out, const struct route_grant *f)
{
    struct sources src = {.peers = f->peers, .v6 = is_v6(f->route)};
    bool with_v6;

    if (is_v6(f->route) && !v->ip6)
        return;
    with_v6 = v->ip6 && any_v6(v, f->peers);
    if (f->keep_empty || (src.v6 ? with_v6 : bits_any(f->peers)))
        put_expanded(v, out, f, &src, false);
    src.v6 = true;
    if (with_v6 && (f->route->kind == ROUTE_DOMAIN || is_default_v4(f->route)))
        put_expanded(v, out, f, &src, is_default_v4(f->route));
}

static void put_permit(const struct view *v, struct rk_buf *out, const struct route_grant *f)
{
    struct sources src = {.v6 = is_v6(f->route)};
    const struct port_range none = {0, 0};

    if (is_v6(f->route) && !v->ip6)
        return;
    put_entry(v, out, f, &src, false, 0, none);
    src.v6 = true;
    if (v->ip6 && (f->route->kind == ROUTE_DOMAIN || is_default_v4(f->route)))
        put_entry(v, out, f, &src, is_default_v4(f->route), 0, none);
}

static void put_grant(void *arg, const struct view *v, const struct route_grant *g)
{
    if (g->rule)
        put_rule(v, arg, g);
    else
        put_permit(v, arg, g);
}

/* Sources of a rule: members of its groups without self, and a directly named peer; all within
 * `within` and the component peers, and passing the checks. */
static void rule_sources(const struct view *v, const struct plan_rule *r,
                         const struct plan_policy *p, const struct bits *within, struct bits *out)
{
    uint32_t peer = r->src.peer.n ? snap_index_of(v->s, r->src.peer) : SNAP_NO_PEER;

    view_members(v->s, &r->sources, out);
    bits_unset(out, v->self);
    if (peer != SNAP_NO_PEER)
        bits_set(out, peer);
    bits_and(out, within);
    bits_and(out, &v->peers);
    for (uint32_t i = 0; i < p->n_checks; i++)
        bits_andnot(out, &v->s->failing->check[p->checks[i]].peers);
}

/* All enabled rules of a policy for one own route. */
static void each_rule(struct view *v, struct route_grant *g, const struct bits *within,
                      routes_grant_fn *fn, void *arg)
{
    const struct plan *pl = v->s->plan;
    const struct plan_policy *p = &pl->policies[g->policy];

    for (uint32_t i = 0; i < p->n_rules; i++) {
        const struct plan_rule *r = &pl->rules[p->rule0 + i];

        if (!r->active)
            continue;
        rule_sources(v, r, p, within, &v->tmp);
        g->rule = r->r;
        g->peers = &v->tmp;
        fn(arg, v, g);
    }
}

/* Everybody whom some rule of the resource's policies names as source. */
static void all_sources(const struct view *v, const struct plan_resource *r, struct bits *out)
{
    const struct plan *pl = v->s->plan;

    bits_clear(out);
    for (uint32_t i = 0; i < r->n_policies; i++) {
        const struct plan_policy *p = &pl->policies[r->policies[i]];

        for (uint32_t k = 0; k < p->n_rules; k++) {
            const struct plan_rule *rule = &pl->rules[p->rule0 + k];
            uint32_t peer = rule->src.peer.n ? snap_index_of(v->s, rule->src.peer) : SNAP_NO_PEER;

            if (peer != SNAP_NO_PEER)
                bits_set(out, peer);
            for (uint32_t g = 0; g < rule->sources.n; g++)
                bits_or(out, state_members(v->s, rule->sources.g[g]));
        }
    }
}

static void each_resource_grant(struct view *v, routes_grant_fn *fn, void *arg)
{
    const struct plan *pl = v->s->plan;

    for (uint32_t i = 0; i < v->n_resources; i++) {
        const struct plan_resource *r = &pl->resources[v->resources[i].resource];
        struct map_route w;

        if (!v->resources[i].router)
            continue;
        w = resource_route(v, r->r, view_router_of(v->s, &pl->networks[r->network], v->self),
                           v->self);
        all_sources(v, r, &v->tmp2);
        for (uint32_t k = 0; k < r->n_policies; k++) {
            struct route_grant g = {.route = &w, .policy = r->policies[k]};

            each_rule(v, &g, &v->tmp2, fn, arg);
        }
    }
}

/* A policy that only a disabled rule aims at the route's groups counts when it concerns the
 * receiver for another reason. */
static bool policy_relevant(const struct view *v, uint32_t policy)
{
    const struct plan *pl = v->s->plan;

    for (uint32_t i = 0; i < v->n_hits; i++)
        if (pl->rules[v->hits[i].rule].policy == policy)
            return true;
    for (uint32_t i = 0; i < v->n_routes; i++) {
        const struct plan_route *r = &pl->routes[v->routes[i]];

        for (uint32_t k = 0; k < r->n_acl; k++)
            if (r->acl[k].policy == policy && r->acl[k].by_enabled)
                return true;
    }
    return false;
}

static void each_classic_grant(struct view *v, routes_grant_fn *fn, void *arg)
{
    const struct plan *pl = v->s->plan;

    for (uint32_t i = 0; i < v->n_routes; i++) {
        const struct plan_route *r = &pl->routes[v->routes[i]];
        struct map_route w;

        if (!r->r->enabled || !is_own(v, i))
            continue;
        w = classic_route(v, r->r, v->self);
        if (r->r->access_control_groups.n == 0) {
            fn(arg, v, &(struct route_grant){.route = &w, .policy = NO_INDEX});
            continue;
        }
        view_members(v->s, &r->groups, &v->tmp2);
        for (uint32_t k = 0; k < r->n_acl; k++) {
            struct route_grant g = {.route = &w, .policy = r->acl[k].policy, .keep_empty = true};

            if (r->acl[k].by_enabled || policy_relevant(v, r->acl[k].policy))
                each_rule(v, &g, &v->tmp2, fn, arg);
        }
    }
}

void routes_each_grant(struct view *v, routes_grant_fn *fn, void *arg)
{
    each_resource_grant(v, fn, arg);
    each_classic_grant(v, fn, arg);
}

bool routes_put_firewall(struct view *v, struct rk_buf *out)
{
    size_t before = out->n;

    routes_each_grant(v, put_grant, out);
    return out->n > before;
}
