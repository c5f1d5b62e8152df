/* SPDX-License-Identifier: BSD-3-Clause */
/* Between an engine and its name service (agent/dns): what it is told, what it asks. */
#include "config.h"

#include <string.h>

#include "agent/dns/forwarder.h"
#include "agent/engine/engine_priv.h"

#define URIS_MAX     64
#define NETWORKS_MAX 2048

/* Names of the control plane, which are never looked up through the overlay. */
void engine_names_config(struct engine *e, const Management__NetbirdConfig *nc)
{
    struct dns_resolver *r = e->o.resolver;
    const struct rk_strs *own = &e->o.daemon->home_relays;
    struct rk_str v[URIS_MAX];
    size_t n = 0;

    if (nc->signal) {
        v[0] = rk_str_z(nc->signal->uri);
        dns_resolver_names(r, DNS_ROLE_SIGNAL, v, 1);
    }
    for (size_t i = 0; i < nc->n_stuns && n < URIS_MAX; i++)
        v[n++] = rk_str_z(nc->stuns[i]->uri);
    if (n) /* an empty list keeps the old one */
        dns_resolver_names(r, DNS_ROLE_STUN, v, n);
    n = 0;
    for (size_t i = 0; i < nc->n_turns && n < URIS_MAX; i++)
        if (nc->turns[i]->hostconfig)
            v[n++] = rk_str_z(nc->turns[i]->hostconfig->uri);
    if (n)
        dns_resolver_names(r, DNS_ROLE_TURN, v, n);
    n = 0;
    for (size_t i = 0; i < own->n && n < URIS_MAX; i++)
        v[n++] = own->items[i];
    for (size_t i = 0; nc->relay && i < nc->relay->n_urls && n < URIS_MAX; i++)
        v[n++] = rk_str_z(nc->relay->urls[i]);
    dns_resolver_names(r, DNS_ROLE_RELAY, v, n);
    dns_service_names_changed(e->names);
}

/* ---- what the service asks */

static bool names_away(struct dns_service_user *u, const struct rk_ip *ip)
{
    return peers_away(rk_container_of(u, struct engine, names_user)->peers, ip);
}

static void names_changed(struct dns_service_user *u)
{
    engine_changed(rk_container_of(u, struct engine, names_user));
}

static void names_resolved(struct dns_service_user *u, struct rk_str id, struct rk_str name,
                           uint8_t family, const struct rk_ip *ips, size_t n)
{
    struct engine *e = rk_container_of(u, struct engine, names_user);

    if (e->phase == ENGINE_RUNNING)
        host_name_routed(e->host, id, name, family, ips, n);
}

static void names_forwarded(struct dns_service_user *u, struct rk_str domain,
                            const struct rk_ip *ip)
{
    struct engine *e = rk_container_of(u, struct engine, names_user);
    struct rk_err err = {0};

    if (e->phase == ENGINE_RUNNING && host_resolved(e->host, domain, ip, &err))
        rk_log(e->log, RK_WARN, "an address of a domain route is not let through",
               kv_str("domain", domain), KV_ERR(&err));
}

static bool names_redirect(struct dns_service_user *u, uint16_t port)
{
    struct engine *e = rk_container_of(u, struct engine, names_user);

    return host_names_redirect(e->host, port);
}

static const struct dns_service_ops NAMES_OPS = {.away = names_away,
                                                 .changed = names_changed,
                                                 .resolved = names_resolved,
                                                 .forwarded = names_forwarded,
                                                 .redirect = names_redirect};

/* ---- networks that are known by names */

void engine_names_carried(struct engine *e)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct dns_routes_opts o = {.by_peer = e->names_by_peer,
                                .port = e->names_port,
                                .interval_ms = e->o.profile->settings.dns_route_interval_ms};
    struct dns_route *v;
    struct routed_names net;
    struct rk_err err = {0};
    size_t n = 0, most = 0;

    while (e->names && most < NETWORKS_MAX && host_names(e->host, most, &net))
        most++;
    v = rk_new_n(mem, struct dns_route, most + 1);
    for (; n < most && host_names(e->host, n, &net); n++) {
        v[n] = (struct dns_route){.id = net.id, .domains = net.domains, .n_domains = net.n_domains};
        if (net.has_peer)
            (void)peers_address(e->peers, &net.peer, &v[n].peer);
    }
    if (e->names && dns_service_routes(e->names, v, n, o, &err))
        rk_log(e->log, RK_WARN, "names of networks are not announced to this host", KV_ERR(&err));
}

/* Domains that are ours to route: our forwarder answers peers that ask about them. */
static enum rk_code forward(struct engine *e, const Management__NetworkMap *map, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    const struct settings *s = &e->o.profile->settings;
    struct rk_str *v = rk_new_n(mem, struct rk_str, DNS_FORWARD_DOMAINS_MAX);
    bool serve = e->names_by_peer && !s->disable_server_routes && !s->block_inbound;
    size_t n = 0;

    for (size_t i = 0; serve && i < map->n_routes; i++) {
        const Management__Route *m = map->routes[i];

        if (strcmp(m->peer, e->own_text) != 0)
            continue;
        for (size_t j = 0; j < m->n_domains && n < DNS_FORWARD_DOMAINS_MAX; j++)
            v[n++] = rk_str_z(m->domains[j]);
    }
    return dns_service_forward(e->names, v, n, (uint16_t)e->o.daemon->dns_forwarder_port, err);
}

/* ---- life */

enum rk_code engine_names_up(struct engine *e, struct rk_err *err)
{
    const struct settings *s = &e->o.profile->settings;
    const struct wg_device *dev = peers_device(e->peers);
    struct dns_service_opts o = {.loop = e->o.loop,
                                 .log = e->log,
                                 .resolver = e->o.resolver,
                                 .state = e->o.state,
                                 .v4 = e->addr.v4,
                                 .v6 = e->addr.v6,
                                 .iface = wg_device_name(dev),
                                 .ifindex = wg_device_ifindex(dev),
                                 .mtu_bytes = (uint32_t)s->mtu_bytes,
                                 .address = s->dns_address,
                                 .leave_host = s->disable_dns};

    e->names_user.ops = &NAMES_OPS;
    return dns_service_new(&o, &e->names_user, &e->names, err);
}

enum rk_code engine_names_apply(struct engine *e, const Management__NetworkMap *map,
                                struct rk_err *err)
{
    enum rk_code rc, one;
    int64_t port = map->dnsconfig ? map->dnsconfig->forwarderport : 0;

    if (!e->names)
        return RK_OK;
    if (map->peerconfig)
        e->names_by_peer = map->peerconfig->routingpeerdnsresolutionenabled;
    e->names_port = port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0;
    rc = dns_service_apply(e->names, map->dnsconfig, err);
    one = forward(e, map, err);
    return one ? one : rc;
}

void engine_names_down(struct engine *e)
{
    dns_service_free(e->names);
    e->names = NULL;
}

json_t *engine_names_json(const struct engine *e)
{
    return dns_service_json(e->names);
}
