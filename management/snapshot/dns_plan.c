/* SPDX-License-Identifier: BSD-3-Clause */
/* See dns_plan.h. */
#include "config.h"

#include "management/snapshot/dns_plan.h"

#include <stdlib.h>

#include "management/snapshot/pb.h"
#include "management/snapshot/proxy.h"

#define PRIVATE_TTL_S 5

bool gset_meets(const struct gset *set, const struct glist *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (gset_has(set, l->g[i]))
            return true;
    return false;
}

/* ---- the plan */

static struct rk_str qualified(struct rk_arena *mem, struct rk_str name)
{
    if (name.n > 0 && name.p[name.n - 1] == '.')
        return name;
    return rk_arena_printf(mem, "%.*s.", RK_STR_ARG(name));
}

static void put_record(struct rk_buf *b, struct rk_str name, uint64_t type, int64_t ttl,
                       struct rk_str data)
{
    size_t msg = pb_begin(b, ZONE_RECORDS);

    pb_str(b, 1, name);
    pb_uint(b, 2, type);
    pb_str(b, 3, RK_STR("IN"));
    pb_int(b, 4, ttl);
    pb_str(b, 5, data);
    pb_end(b, msg);
}

/* Records of a zone in stored order, which is that of their ids. */
static uint32_t put_zone_records(struct rk_buf *b, const struct snapshot *s, struct rk_arena *mem,
                                 struct rk_str zone_id)
{
    const struct record *r;
    uint32_t n = 0;

    for (struct snap_iter it = snap_iter(s, ENT_RECORD); (r = snap_next(&it)) != NULL;) {
        if (!rk_str_eq(r->zone_id, zone_id))
            continue;
        put_record(b, qualified(mem, r->name), r->type, r->ttl_s,
                   r->type == RECORD_CNAME ? qualified(mem, r->content) : r->content);
        n++;
    }
    return n;
}

/* Copy what is in b from `start` on as a field of DNSConfig; b is left empty. */
static struct rk_str wrapped(struct rk_arena *mem, struct rk_buf *b, unsigned field,
                             struct rk_str *body)
{
    struct rk_buf w;
    struct rk_str out;

    rk_buf_init(&w, SIZE_MAX / 2);
    pb_str_always(&w, field, rk_buf_str(b));
    out = rk_arena_dup(mem, rk_buf_str(&w));
    if (body)
        *body = rk_str_sub(out, out.n - b->n, b->n);
    rk_buf_done(&w);
    rk_buf_clear(b);
    return out;
}

static void add_zones(struct dns_plan *d, const struct snapshot *s, struct rk_buf *b)
{
    const struct zone *z;

    d->zones = rk_new_n(d->mem, struct dns_zone, snap_count(s, ENT_ZONE) + 1);
    for (struct snap_iter it = snap_iter(s, ENT_ZONE); (z = snap_next(&it)) != NULL;) {
        struct dns_zone *dz = &d->zones[d->n_zones];

        rk_buf_clear(b);
        pb_str(b, ZONE_DOMAIN, qualified(d->mem, z->domain));
        if (!z->enabled || put_zone_records(b, s, d->mem, z->id) == 0)
            continue;
        pb_bool(b, ZONE_SEARCH_DISABLED, !z->search_domain);
        pb_bool(b, ZONE_NON_AUTHORITATIVE, true);
        dz->groups = plan_groups_plain(s, d->mem, &z->groups);
        dz->field = wrapped(d->mem, b, CONFIG_ZONES, &dz->body);
        d->n_zones++;
    }
}

static void put_servers(struct rk_buf *b, const struct ns_group *g)
{
    char text[RK_ADDR_TEXT];

    for (size_t i = 0; i < g->n_servers; i++) {
        size_t msg = pb_begin(b, 1);

        pb_str(b, 1, rk_ip_format(&g->servers[i].ip, text));
        pb_int(b, 2, g->servers[i].ns_type);
        pb_int(b, 3, g->servers[i].port);
        pb_end(b, msg);
    }
    pb_bool(b, 2, g->primary);
    for (size_t i = 0; i < g->domains.n; i++)
        pb_str_always(b, 3, g->domains.v[i]);
    pb_bool(b, 4, g->search_domains);
}

static void add_servers(struct dns_plan *d, const struct snapshot *s, struct rk_buf *b)
{
    const struct ns_group *g;

    d->servers = rk_new_n(d->mem, struct dns_servers, snap_count(s, ENT_NS_GROUP) + 1);
    for (struct snap_iter it = snap_iter(s, ENT_NS_GROUP); (g = snap_next(&it)) != NULL;) {
        if (!g->enabled)
            continue;
        put_servers(b, g);
        d->servers[d->n_servers++] =
            (struct dns_servers){.g = g,
                                 .groups = plan_groups_plain(s, d->mem, &g->groups),
                                 .field = wrapped(d->mem, b, CONFIG_SERVERS, NULL)};
    }
}

static int cmp_apex(const void *a, const void *b)
{
    return rk_str_cmp(((const struct dns_service *)a)->apex, ((const struct dns_service *)b)->apex);
}

static void add_services(struct dns_plan *d, const struct snapshot *s, struct rk_buf *b)
{
    const struct service *svc;
    char text[RK_ADDR_TEXT];

    d->services = rk_new_n(d->mem, struct dns_service, snap_count(s, ENT_SERVICE) + 1);
    for (struct snap_iter it = snap_iter(s, ENT_SERVICE); (svc = snap_next(&it)) != NULL;) {
        struct rk_str apex = proxy_zone_apex(s, svc);
        uint32_t n = 0, *proxies;

        if (!svc->enabled || !svc->is_private || svc->access_groups.n == 0 || apex.n == 0)
            continue;
        proxies = proxy_peers(s, d->mem, svc->proxy_cluster, &n);
        for (uint32_t i = 0; i < n; i++) {
            const struct peer *p = snap_peer_at(s, proxies[i]);

            if (p->status.connected)
                put_record(b, qualified(d->mem, svc->domain), RECORD_A, PRIVATE_TTL_S,
                           rk_ip_format(&p->ip, text));
        }
        if (b->n > 0)
            d->services[d->n_services++] =
                (struct dns_service){.groups = plan_groups_plain(s, d->mem, &svc->access_groups),
                                     .apex = qualified(d->mem, rk_arena_dup(d->mem, apex)),
                                     .records = rk_arena_dup(d->mem, rk_buf_str(b))};
        rk_buf_clear(b);
    }
    if (d->n_services > 0)
        qsort(d->services, d->n_services, sizeof *d->services, cmp_apex);
}

struct dns_plan *dns_plan_new(const struct snapshot *s)
{
    struct dns_plan *d = rk_calloc(1, sizeof *d);
    struct rk_buf b;

    rk_buf_init(&b, SIZE_MAX / 2);
    d->refs = 1;
    d->mem = rk_arena_new(0);
    d->keep_ns = sorted_array_ref(s->tab[ENT_NS_GROUP]);
    d->keep_zones = sorted_array_ref(s->tab[ENT_ZONE]);
    d->disabled = plan_groups_plain(s, d->mem, &snap_dns_settings(s)->disabled_management_groups);
    add_zones(d, s, &b);
    rk_buf_clear(&b);
    add_servers(d, s, &b);
    add_services(d, s, &b);
    rk_buf_done(&b);
    return d;
}

struct dns_plan *dns_plan_ref(struct dns_plan *d)
{
    atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    return d;
}

void dns_plan_unref(struct dns_plan *d)
{
    if (!d || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
        return;
    sorted_array_unref(d->keep_ns);
    sorted_array_unref(d->keep_zones);
    rk_arena_free(d->mem);
    free(d);
}
