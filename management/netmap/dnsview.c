/* SPDX-License-Identifier: BSD-3-Clause */
/* See dnsview.h. */
#include "config.h"

#include "management/netmap/dnsview.h"

#include "management/netmap/netmap.h"
#include "management/netmap/streams.h"
#include "management/netmap/view.h"
#include "management/snapshot/dns_plan.h"
#include "management/snapshot/pb.h"

#define PORT_DNS_NEW 22054
#define PORT_DNS_OLD 5353

/* fields of DNSConfig beside those of dns_plan.h */
enum { CONFIG_ENABLE = 1, CONFIG_PORT = 4 };

int64_t netmap_forwarder_port(const struct snapshot *s)
{
    return s->n_peers > 0 && s->n_old_dns == 0 ? PORT_DNS_NEW : PORT_DNS_OLD;
}

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
