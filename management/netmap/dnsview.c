/* SPDX-License-Identifier: BSD-3-Clause */
/* See dnsview.h. */
#include "config.h"

#include "management/netmap/dnsview.h"

#include <stdlib.h>

#include "management/netmap/netmap.h"
#include "management/netmap/pb.h"
#include "management/netmap/streams.h"
#include "management/netmap/view.h"
#include "management/snapshot/proxy.h"

#define PRIVATE_TTL_S 5

/* fields of the messages */
enum { ZONE_DOMAIN = 1, ZONE_RECORDS, ZONE_SEARCH_DISABLED, ZONE_NON_AUTHORITATIVE };
enum { CONFIG_ENABLE = 1, CONFIG_SERVERS, CONFIG_ZONES, CONFIG_PORT };

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

/* ---- one receiver */

static bool serves_itself(const struct ns_group *g, const struct peer *p)
{
    for (size_t i = 0; i < g->n_servers; i++)
        if (rk_ip_eq(&g->servers[i].ip, &p->ip))
            return true;
    return false;
}

/* Services of one apex share a zone. */
static void put_service_zones(const struct view *v, unsigned field, struct rk_buf *out)
{
    const struct dns_plan *d = v->s->dns;
    size_t zone = 0;
    struct rk_str open = {0};

    for (uint32_t i = 0; i < d->n_services; i++) {
        const struct dns_service *svc = &d->services[i];

        if (!gset_meets(v->groups, &svc->groups))
            continue;
        if (zone && !rk_str_eq(open, svc->apex)) {
            pb_bool(out, ZONE_SEARCH_DISABLED, true);
            pb_bool(out, ZONE_NON_AUTHORITATIVE, true);
            pb_end(out, zone);
            zone = 0;
        }
        if (!zone) {
            zone = pb_begin(out, field);
            pb_str(out, ZONE_DOMAIN, svc->apex);
            open = svc->apex;
        }
        rk_buf_add(out, svc->records);
    }
    if (zone) {
        pb_bool(out, ZONE_SEARCH_DISABLED, true);
        pb_bool(out, ZONE_NON_AUTHORITATIVE, true);
        pb_end(out, zone);
    }
}

void dnsview_put_zones(const struct view *v, unsigned field, struct rk_buf *out)
{
    const struct dns_plan *d = v->s->dns;

    for (uint32_t i = 0; i < d->n_zones; i++) {
        if (!gset_meets(v->groups, &d->zones[i].groups))
            continue;
        if (field == CONFIG_ZONES)
            rk_buf_add(out, d->zones[i].field);
        else
            pb_str_always(out, field, d->zones[i].body);
    }
    put_service_zones(v, field, out);
}

void dnsview_put_records(const struct view *v, const struct bits *peers, struct rk_buf *out)
{
    streams_put(v->s, v->ip6 ? STREAM_DNS6 : STREAM_DNS, peers, out);
}

static void put_peer_zone(const struct view *v, struct rk_buf *out)
{
    enum stream_kind k = v->ip6 ? STREAM_DNS6 : STREAM_DNS;
    struct rk_str domain = snap_dns_domain(v->s);
    size_t records = streams_size(v->s, k, &v->dns_peers);
    size_t head = 1 + pb_varint_size(domain.n + 1) + domain.n + 1;

    if (records == 0)
        return;
    pb_tag(out, CONFIG_ZONES, PB_LEN);
    pb_varint(out, head + records);
    pb_tag(out, ZONE_DOMAIN, PB_LEN);
    pb_varint(out, domain.n + 1);
    rk_buf_add(out, domain);
    rk_buf_addc(out, '.');
    streams_put(v->s, k, &v->dns_peers, out);
}

void dnsview_put(const struct view *v, struct rk_buf *out)
{
    const struct dns_plan *d = v->s->dns;
    bool enabled = v->validated && !gset_meets(v->groups, &d->disabled);
    size_t msg = pb_begin(out, 6);

    pb_bool(out, CONFIG_ENABLE, enabled);
    for (uint32_t i = 0; enabled && i < d->n_servers; i++)
        if (gset_meets(v->groups, &d->servers[i].groups) && !serves_itself(d->servers[i].g, v->p))
            rk_buf_add(out, d->servers[i].field);
    if (enabled) {
        put_peer_zone(v, out);
        dnsview_put_zones(v, CONFIG_ZONES, out);
    }
    pb_int(out, CONFIG_PORT, netmap_forwarder_port(v->s));
    pb_end(out, msg);
}
