/* SPDX-License-Identifier: BSD-3-Clause */
/* See proxy.h. */
#include "config.h"

#include "management/snapshot/proxy.h"

uint32_t *proxy_peers(const struct snapshot *s, struct rk_arena *mem, struct rk_str cluster,
                      uint32_t *n)
{
    uint32_t *list = rk_new_n(mem, uint32_t, s->n_peers + 1);
    struct sorted_array_pos pos = sorted_array_lower(s->tab[ENT_PEER], NULL);
    struct row *const *item;

    *n = 0;
    while ((item = sorted_array_next(s->tab[ENT_PEER], &pos)) != NULL)
        if (row_peer(*item)->proxy_embedded && rk_str_eq(row_peer(*item)->proxy_cluster, cluster))
            list[(*n)++] = (*item)->index;
    return list;
}

struct policy_list {
    struct rk_arena *mem;
    const struct policy **v;
    uint32_t n;
    size_t cap;
};

/* A policy of one rule whose ids are the same. */
static struct rule *add_policy(struct policy_list *l, struct rk_str id)
{
    struct policy *p = rk_new(l->mem, struct policy);
    struct rule *r = rk_new(l->mem, struct rule);

    *p = (struct policy){.id = id, .enabled = true, .rules = r, .n_rules = 1};
    *r = (struct rule){.id = id, .policy_id = id, .enabled = true, .protocol = PROTO_TCP};
    l->v = rk_arena_grow(l->mem, l->v, l->n, &l->cap, sizeof *l->v);
    l->v[l->n++] = p;
    return r;
}

static void set_ranges(struct policy_list *l, struct rule *r, uint16_t a, uint16_t b)
{
    r->n_ranges = b ? 2 : 1;
    r->ranges = rk_new_n(l->mem, struct port_range, r->n_ranges);
    r->ranges[0] = (struct port_range){a, a};
    if (b)
        r->ranges[1] = (struct port_range){b, b};
}

static uint16_t target_port(const struct service_target *t)
{
    if (t->port)
        return t->port;
    if (rk_str_eqz(t->protocol, "https") || rk_str_eqz(t->protocol, "tls"))
        return 443;
    return rk_str_eqz(t->protocol, "http") ? 80 : 0;
}

static void add_target(struct policy_list *l, const struct service *svc,
                       const struct service_target *t, const struct peer *proxy)
{
    uint16_t port = target_port(t);
    struct rule *r;

    if (!t->enabled || port == 0)
        return;
    r = add_policy(l, rk_arena_printf(l->mem, "proxy-access-%.*s-%.*s-%.*s", RK_STR_ARG(svc->id),
                                      RK_STR_ARG(proxy->id), RK_STR_ARG(t->path)));
    if (rk_str_eqz(svc->mode, "udp"))
        r->protocol = PROTO_UDP;
    r->source_resource =
        (struct resource_ref){.id = rk_arena_dup(l->mem, proxy->id), .type = RESOURCE_PEER};
    r->destination_resource.id = t->target_id;
    if (!resource_type_parse(t->target_type, &r->destination_resource.type))
        r->destination_resource.type = RESOURCE_NONE;
    set_ranges(l, r, port, 0);
}

static void add_private(struct policy_list *l, const struct snapshot *s, const struct service *svc,
                        const struct peer *proxy)
{
    struct str_list sources = {.v = rk_new_n(l->mem, struct rk_str, svc->access_groups.n + 1)};
    struct rule *r;

    for (size_t i = 0; i < svc->access_groups.n; i++)
        if (snap_group(s, svc->access_groups.v[i]))
            sources.v[sources.n++] = svc->access_groups.v[i];
    if (!svc->is_private || sources.n == 0)
        return;
    r = add_policy(l, rk_arena_printf(l->mem, "private-access-%.*s-%.*s", RK_STR_ARG(svc->id),
                                      RK_STR_ARG(proxy->id)));
    r->sources = sources;
    r->destination_resource =
        (struct resource_ref){.id = rk_arena_dup(l->mem, proxy->id), .type = RESOURCE_PEER};
    set_ranges(l, r, 80, 443);
}

const struct policy *const *proxy_policies(const struct snapshot *s, struct rk_arena *mem,
                                           uint32_t *n)
{
    struct policy_list l = {.mem = mem};
    const struct service *svc;

    for (struct snap_iter it = snap_iter(s, ENT_SERVICE); (svc = snap_next(&it)) != NULL;) {
        uint32_t n_proxies, *proxies;

        if (!svc->enabled)
            continue;
        proxies = proxy_peers(s, mem, svc->proxy_cluster, &n_proxies);
        for (size_t t = 0; t < svc->n_targets; t++)
            for (uint32_t i = 0; i < n_proxies; i++)
                add_target(&l, svc, &svc->targets[t], snap_peer_at(s, proxies[i]));
        for (uint32_t i = 0; i < n_proxies; i++)
            add_private(&l, s, svc, snap_peer_at(s, proxies[i]));
    }
    *n = l.n;
    return l.v;
}

bool proxy_targets_domain(const struct snapshot *s, struct rk_str resource_id)
{
    const struct service *svc;

    for (struct snap_iter it = snap_iter(s, ENT_SERVICE); (svc = snap_next(&it)) != NULL;) {
        if (!svc->enabled || svc->terminated)
            continue;
        for (size_t t = 0; t < svc->n_targets; t++)
            if (svc->targets[t].enabled && rk_str_eqz(svc->targets[t].target_type, "domain") &&
                rk_str_eq(svc->targets[t].target_id, resource_id))
                return true;
    }
    return false;
}

static bool is_under(struct rk_str domain, struct rk_str apex)
{
    if (apex.n == 0 || !rk_str_ends(domain, apex))
        return false;
    return domain.n == apex.n || domain.p[domain.n - apex.n - 1] == '.';
}

struct rk_str proxy_zone_apex(const struct snapshot *s, const struct service *svc)
{
    const struct proxy_domain *d;
    struct rk_str best = {0};

    if (is_under(svc->domain, svc->proxy_cluster))
        return svc->proxy_cluster;
    for (struct snap_iter it = snap_iter(s, ENT_PROXY_DOMAIN); (d = snap_next(&it)) != NULL;)
        if (rk_str_eq(d->cluster, svc->proxy_cluster) && is_under(svc->domain, d->domain) &&
            d->domain.n > best.n)
            best = d->domain;
    return best;
}
