/* SPDX-License-Identifier: BSD-3-Clause */
/* The name server of one engine; see service.h. */
#include "config.h"

#include "agent/dns/service.h"

#include <stdlib.h>

#include "agent/dns/chain.h"
#include "agent/dns/forwarder.h"
#include "agent/dns/host.h"
#include "agent/dns/listen.h"
#include "agent/dns/local.h"
#include "agent/dns/upstream.h"
#include "lib/base/num.h"

#define PORT          53
#define FALLBACK_PORT 5053
#define CONFIG_MAX    ((size_t)64 << 20)
/* IPv6 header, UDP header and something for the way behind the peer. */
#define UDP_OVERHEAD 68

struct dns_service {
    struct dns_service_opts o;
    struct dns_service_user *user;
    struct rk_addr custom; /* family 0: choose */
    struct dns_chain *chain;
    struct dns_local *local;
    struct dns_upstreams *upstreams;
    struct dns_routes_user routes_user;
    struct dns_routes *routes;
    struct dns_forwarder_user forwarder_user;
    struct dns_forwarder *forwarder;
    struct dns_listener_user listener_user;
    struct dns_listener *listener;
    struct dns_listener *listener6; /* the same port on our IPv6 address; or NULL */
    struct dns_host *host;
    bool redirected; /* who asks port 53 of our address comes to the listener's */
    bool enabled;
    uint64_t applied; /* hash of the last configuration; 0: none */
};

static uint16_t udp_size(uint32_t mtu_bytes)
{
    return (uint16_t)rk_max_i64(DNS_UDP_SIZE, (int64_t)mtu_bytes - UDP_OVERHEAD);
}

/* ---- clients */

/* Peers have name servers of their own; answering them would lend them ours. */
static bool may_ask(const struct dns_service *s, const struct rk_addr *from)
{
    const struct rk_prefix *nets[] = {&s->o.v4, &s->o.v6};

    for (size_t i = 0; i < RK_ARRAY_LEN(nets); i++)
        if (nets[i]->ip.family && rk_prefix_contains(nets[i], &from->ip) &&
            !rk_ip_eq(&nets[i]->ip, &from->ip))
            return false;
    return true;
}

static void on_ask(struct dns_listener_user *u, const struct dns_msg *msg, bool tcp,
                   const struct rk_addr *from, struct dns_asker *asker, struct dns_query **out)
{
    struct dns_service *s = rk_container_of(u, struct dns_service, listener_user);
    uint8_t buf[DNS_HEADER_SIZE + DNS_NAME_MAX + 32];

    if (!may_ask(s, from))
        asker->answer(asker, buf, dns_reply_empty(msg, DNS_REFUSED, -1, buf, sizeof buf));
    else
        dns_chain_ask(s->chain, msg, tcp, DNS_PRIO_NAMES, asker, out);
}

static bool try_listen(struct dns_service *s, const struct rk_addr *a, struct rk_err *err)
{
    return dns_listener_open(s->o.loop, a, &s->listener_user, &s->listener, err) == RK_OK;
}

/* Beside it, for those who know this host by its IPv6 address; nobody is told of it. */
static void listen_up6(struct dns_service *s)
{
    struct rk_addr a = {s->o.v6.ip, dns_listener_addr(s->listener)->port};
    struct rk_err err = {0};

    if (!a.ip.family || s->custom.ip.family || s->listener6)
        return;
    if (dns_listener_open(s->o.loop, &a, &s->listener_user, &s->listener6, &err))
        rk_log(s->o.log, RK_INFO, "name server does not listen on IPv6", KV_ERR(&err));
}

static void listen_down(struct dns_service *s)
{
    if (s->redirected)
        (void)s->user->ops->redirect(s->user, 0);
    s->redirected = false;
    dns_listener_close(s->listener);
    dns_listener_close(s->listener6);
    s->listener = s->listener6 = NULL;
}

static enum rk_code listen_up(struct dns_service *s, struct rk_err *err)
{
    const struct rk_ip ips[] = {s->o.v4.ip, rk_ip4(127, 0, 0, 1), rk_ip4(127, 0, 0, 153)};
    static const uint16_t ports[] = {PORT, FALLBACK_PORT};
    char text[RK_ADDR_TEXT];

    if (s->listener)
        return RK_OK;
    if (s->custom.ip.family) {
        if (!try_listen(s, &s->custom, err))
            return rk_wrap(err, "--dns-resolver-address");
    }
    for (size_t p = 0; p < RK_ARRAY_LEN(ports) && !s->listener; p++)
        for (size_t i = 0; i < RK_ARRAY_LEN(ips) && !s->listener; i++)
            (void)try_listen(s, &(struct rk_addr){ips[i], ports[p]}, err);
    if (!s->listener)
        return rk_wrap(err, "no address is free for the name server");
    s->redirected = !s->custom.ip.family && dns_listener_addr(s->listener)->port != PORT &&
                    rk_ip_eq(&dns_listener_addr(s->listener)->ip, &s->o.v4.ip) &&
                    s->user->ops->redirect &&
                    s->user->ops->redirect(s->user, dns_listener_addr(s->listener)->port);
    (void)rk_addr_format(dns_listener_addr(s->listener), text);
    rk_log(s->o.log, RK_INFO, "name server listens", kv_z("address", text),
           kv_i64("asked_at_port", s->redirected ? PORT : dns_listener_addr(s->listener)->port));
    listen_up6(s);
    return RK_OK;
}

/* ---- addresses that are us */

static size_t own_addrs(const struct dns_service *s, struct rk_ip out[DNS_OWN_MAX])
{
    size_t n = 0;

    out[n++] = s->o.v4.ip;
    if (s->o.v6.ip.family)
        out[n++] = s->o.v6.ip;
    if (s->listener && dns_listener_addr(s->listener)->port == PORT)
        out[n++] = dns_listener_addr(s->listener)->ip;
    return n;
}

static void tell_resolver(struct dns_service *s)
{
    struct rk_ip own[DNS_OWN_MAX];
    size_t n = own_addrs(s, own);

    dns_resolver_overlay_up(s->o.resolver, own, n);
}

/* ---- the chain */

static void rebuild(struct dns_service *s)
{
    struct dns_handler **v;
    struct dns_handler *const *local;
    struct dns_handler *up;
    size_t n_local = 0, n = 0, n_up = 0, n_routes = 0;

    while (dns_upstreams_handler(s->upstreams, n_up))
        n_up++;
    while (dns_routes_handler(s->routes, n_routes))
        n_routes++;
    local = dns_local_handlers(s->local, &n_local);
    v = rk_calloc(n_local + n_up + n_routes, sizeof(struct dns_handler *));
    for (size_t i = 0; i < n_routes; i++)
        v[n++] = dns_routes_handler(s->routes, i);
    for (size_t i = 0; i < n_local; i++)
        v[n++] = local[i];
    for (size_t i = 0; (up = dns_upstreams_handler(s->upstreams, i)); i++)
        v[n++] = up;
    dns_chain_set(s->chain, v, n);
    free(v);
}

void dns_service_names_changed(struct dns_service *s)
{
    if (s)
        rebuild(s);
}

/* ---- the host */

struct domains {
    struct rk_arena *mem;
    struct dns_host_domain *v;
    size_t n, max;
};

static void add_domain(struct domains *d, const struct dns_name *name, bool search)
{
    char text[DNS_NAME_TEXT];

    if (d->n < d->max)
        d->v[d->n++] = (struct dns_host_domain){
            .name = rk_arena_dup(d->mem, dns_name_format(name, text)), .search = search};
}

static void host_domains(const struct dns_service *s, struct domains *d)
{
    const struct dns_domain *domain;
    const struct dns_zone *zone;
    const struct dns_name *name;
    size_t n = 0;

    for (size_t i = 0; dns_zones_at(dns_local_zones_get(s->local), i); i++)
        n++;
    for (size_t i = 0; dns_upstreams_domain(s->upstreams, i); i++)
        n++;
    for (size_t i = 0; dns_routes_domain(s->routes, i); i++)
        n++;
    d->max = rk_min_size(n, DNS_HOST_DOMAINS_MAX);
    d->v = rk_new_n(d->mem, struct dns_host_domain, d->max + 1);
    for (size_t i = 0; (zone = dns_zones_at(dns_local_zones_get(s->local), i)); i++)
        add_domain(d, &zone->apex, zone->search && !zone->reverse);
    for (size_t i = 0; (domain = dns_upstreams_domain(s->upstreams, i)); i++)
        add_domain(d, &domain->name, domain->search);
    for (size_t i = 0; (name = dns_routes_domain(s->routes, i)); i++)
        add_domain(d, name, false);
}

static void host_down(struct dns_service *s)
{
    dns_host_free(s->host);
    s->host = NULL;
}

static enum rk_code host_up(struct dns_service *s, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct domains d = {.mem = mem};
    struct dns_host_config c = {.primary = dns_upstreams_primary(s->upstreams)};
    struct dns_host_opts o = {.loop = s->o.loop,
                              .log = s->o.log,
                              .state = s->o.state,
                              .resolver = s->o.resolver,
                              .iface = s->o.iface,
                              .ifindex = s->o.ifindex};
    enum rk_code rc;

    if (s->o.leave_host || !s->listener)
        return RK_OK;
    host_domains(s, &d);
    if (!c.primary && !d.n) {
        host_down(s);
        return RK_OK;
    }
    c.server = *dns_listener_addr(s->listener);
    if (rk_ip_is_unspecified(&c.server.ip))
        c.server.ip = s->o.v4.ip;
    if (s->redirected)
        c.server.port = PORT;
    c.domains = d.v;
    c.n_domains = d.n;
    if (!s->host)
        s->host = dns_host_new(&o);
    rc = dns_host_apply(s->host, &c, err);
    if (rc != RK_PRECONDITION)
        return rc;
    /* no reason to try again with every map */
    rk_log(s->o.log, RK_WARN, "this host keeps its own name servers", KV_ERR(err));
    host_down(s);
    return RK_OK;
}

/* ---- configuration */

static uint64_t hash_of(const Management__DNSConfig *config)
{
    size_t n = config ? protobuf_c_message_get_packed_size(&config->base) : 0;
    uint8_t *bytes;
    uint64_t h;

    if (!n || n > CONFIG_MAX)
        return 0;
    bytes = rk_malloc(n);
    (void)protobuf_c_message_pack(&config->base, bytes);
    h = rk_str_hash(rk_str_of(bytes, n)) | 1;
    free(bytes);
    return h;
}

static void disable(struct dns_service *s)
{
    static const Management__DNSConfig none = MANAGEMENT__DNSCONFIG__INIT;

    if (!s->enabled)
        return;
    rk_log(s->o.log, RK_INFO, "name server is off");
    host_down(s);
    listen_down(s);
    s->enabled = false;
    dns_local_zones(s->local, NULL);
    RK_IGNORE(dns_upstreams_set(s->upstreams, &none, NULL, 0, NULL));
    rebuild(s);
    tell_resolver(s);
}

static enum rk_code enable(struct dns_service *s, const Management__DNSConfig *config,
                           struct rk_err *err)
{
    struct dns_zones_opts zo = {.v4 = s->o.v4, .v6 = s->o.v6};
    struct rk_ip own[DNS_OWN_MAX];
    size_t skipped = 0, n_own = own_addrs(s, own);
    enum rk_code rc;

    rc = dns_upstreams_set(s->upstreams, config, own, n_own, err);
    if (rc)
        return rc;
    dns_local_zones(s->local, dns_zones_new(config, &zo, &skipped));
    if (skipped)
        rk_log(s->o.log, RK_WARN, "some records of the map cannot be used",
               kv_i64("records", (int64_t)skipped));
    s->enabled = true;
    rebuild(s);
    rc = listen_up(s, err);
    tell_resolver(s);
    if (rc == RK_OK)
        rc = host_up(s, err);
    return rc;
}

enum rk_code dns_service_apply(struct dns_service *s, const Management__DNSConfig *config,
                               struct rk_err *err)
{
    uint64_t hash = hash_of(config);
    enum rk_code rc = RK_OK;

    if (hash && hash == s->applied)
        return RK_OK;
    if (!config || !config->serviceenable)
        disable(s);
    else
        rc = enable(s, config, err);
    s->applied = rc ? 0 : hash; /* a failure is tried again with the next map */
    if (s->user->ops->changed)
        s->user->ops->changed(s->user);
    return rc;
}

/* ---- names of networks */

enum rk_code dns_service_routes(struct dns_service *s, const struct dns_route *v, size_t n,
                                struct dns_routes_opts o, struct rk_err *err)
{
    o.udp_size = udp_size(s->o.mtu_bytes);
    if (!dns_routes_set(s->routes, v, n, &o))
        return RK_OK;
    rebuild(s);
    return s->enabled ? host_up(s, err) : RK_OK;
}

enum rk_code dns_service_forward(struct dns_service *s, const struct rk_str *domains, size_t n,
                                 uint16_t port, struct rk_err *err)
{
    return dns_forwarder_set(s->forwarder, &(struct rk_addr){s->o.v4.ip, port}, domains, n, err);
}

/* What this host would answer without routes: zones, groups, what it had before. */
static void ask_inside(struct dns_service *s, const struct dns_msg *msg, struct dns_asker *asker,
                       struct dns_query **out)
{
    dns_chain_ask(s->chain, msg, false, DNS_PRIO_LOCAL, asker, out);
}

static void routes_ask(struct dns_routes_user *u, const struct dns_msg *msg,
                       struct dns_asker *asker, struct dns_query **out)
{
    ask_inside(rk_container_of(u, struct dns_service, routes_user), msg, asker, out);
}

static void routes_resolved(struct dns_routes_user *u, struct rk_str id, struct rk_str name,
                            uint8_t family, const struct rk_ip *ips, size_t n)
{
    struct dns_service *s = rk_container_of(u, struct dns_service, routes_user);

    if (s->user->ops->resolved)
        s->user->ops->resolved(s->user, id, name, family, ips, n);
}

static void forwarder_ask(struct dns_forwarder_user *u, const struct dns_msg *msg,
                          struct dns_asker *asker, struct dns_query **out)
{
    ask_inside(rk_container_of(u, struct dns_service, forwarder_user), msg, asker, out);
}

static void forwarder_forwarded(struct dns_forwarder_user *u, struct rk_str domain,
                                const struct rk_ip *ip)
{
    struct dns_service *s = rk_container_of(u, struct dns_service, forwarder_user);

    if (s->user->ops->forwarded)
        s->user->ops->forwarded(s->user, domain, ip);
}

json_t *dns_service_json(const struct dns_service *s)
{
    return s && s->enabled ? dns_upstreams_json(s->upstreams) : json_array();
}

const struct rk_addr *dns_service_addr(const struct dns_service *s)
{
    return s->listener ? dns_listener_addr(s->listener) : NULL;
}

/* ---- life */

static bool is_away(void *arg, const struct rk_ip *ip)
{
    struct dns_service *s = arg;

    return s->user->ops->away && s->user->ops->away(s->user, ip);
}

enum rk_code dns_service_new(const struct dns_service_opts *opts, struct dns_service_user *user,
                             struct dns_service **out, struct rk_err *err)
{
    struct dns_service *s;
    struct rk_addr custom = {0};
    struct dns_local_opts lo = {.loop = opts->loop, .resolver = opts->resolver, .away = is_away};
    struct dns_upstreams_opts uo = {.loop = opts->loop,
                                    .log = opts->log,
                                    .resolver = opts->resolver,
                                    .udp_size = udp_size(opts->mtu_bytes)};
    struct dns_forwarder_opts fo = {
        .loop = opts->loop, .log = opts->log, .hosts = dns_resolver_hosts(opts->resolver)};

    if (opts->address.n && (rk_addr_parse(opts->address, &custom, err) || !custom.port))
        return rk_fail(err, RK_INVALID, "--dns-resolver-address \"%.*s\" is not IP:PORT",
                       RK_STR_ARG(rk_str_sub(opts->address, 0, 80)));
    s = rk_calloc(1, sizeof *s);
    s->o = *opts;
    s->user = user;
    s->custom = custom;
    s->listener_user.ask = on_ask;
    s->chain = lo.chain = dns_chain_new(opts->loop);
    lo.away_arg = s;
    s->local = dns_local_new(&lo);
    s->upstreams = dns_upstreams_new(&uo);
    s->routes_user = (struct dns_routes_user){.resolved = routes_resolved, .ask = routes_ask};
    s->routes = dns_routes_new(opts->loop, opts->log, &s->routes_user);
    s->forwarder_user =
        (struct dns_forwarder_user){.forwarded = forwarder_forwarded, .ask = forwarder_ask};
    s->forwarder = dns_forwarder_new(&fo, &s->forwarder_user);
    rebuild(s);
    tell_resolver(s);
    *out = s;
    return RK_OK;
}

void dns_service_free(struct dns_service *s)
{
    if (!s)
        return;
    host_down(s);
    listen_down(s);
    dns_forwarder_free(s->forwarder); /* its questions are in the chain */
    dns_chain_free(s->chain);
    dns_routes_free(s->routes);
    dns_local_free(s->local);
    dns_upstreams_free(s->upstreams);
    dns_resolver_overlay_down(s->o.resolver);
    free(s);
}
