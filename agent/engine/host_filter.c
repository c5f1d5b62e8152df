/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of a map for the filter of our own data path, where this host has no firewall to carry
 * them out. It passes or drops; masquerading and redirecting need a firewall.
 */
#include "config.h"

#include <string.h>

#include "agent/dns/forwarder.h"
#include "agent/engine/host_priv.h"
#include "lib/base/num.h"

/* Rules of routes are multiplied by their sources and addresses. */
#define RULES_MAX 1000000u

struct list {
    struct rk_arena *mem;
    struct wgo_filter_rule *v;
    size_t n, cap;
};

static void add(struct list *l, const struct wgo_filter_rule *r)
{
    if (l->n == RULES_MAX)
        return;
    l->v = rk_arena_grow(l->mem, l->v, l->n, &l->cap, sizeof *l->v);
    l->v[l->n++] = *r;
}

static struct rk_prefix everywhere(uint8_t family)
{
    return (struct rk_prefix){.ip.family = family};
}

static struct rk_prefix host_prefix(const struct rk_ip *ip)
{
    return (struct rk_prefix){*ip, (uint8_t)(rk_ip_size(ip) * 8)};
}

/* The two count alike. */
static enum wgo_filter_proto proto_of(uint8_t proto)
{
    static const enum wgo_filter_proto same[] = {
        [FW_ALL] = WGO_ALL, [FW_TCP] = WGO_TCP, [FW_UDP] = WGO_UDP, [FW_ICMP] = WGO_ICMP};

    return same[proto];
}

static void add_local(const struct host *h, struct list *l)
{
    const struct fw_rules *r = &h->f.rules;

    for (size_t i = 0; i < r->n_peer; i++)
        add(l, &(struct wgo_filter_rule){.drop = r->peer[i].drop,
                                         .proto = proto_of(r->peer[i].proto),
                                         .port_lo = r->peer[i].port_lo,
                                         .port_hi = r->peer[i].port_hi,
                                         .src = r->peer[i].any ? everywhere(r->peer[i].family)
                                                               : host_prefix(&r->peer[i].src),
                                         .dst = everywhere(r->peer[i].family)});
    for (uint8_t family = 4; family <= 6 && r->open; family += 2)
        add(l, &(struct wgo_filter_rule){.src = everywhere(family), .dst = everywhere(family)});
    for (int i = 0; i < 4 && r->names_asked; i++) {
        uint16_t port = i & 1 ? DNS_FORWARD_OLD_PORT : (uint16_t)h->o.daemon->dns_forwarder_port;

        add(l, &(struct wgo_filter_rule){.proto = i & 2 ? WGO_TCP : WGO_UDP,
                                         .port_lo = port,
                                         .port_hi = port,
                                         .src = everywhere(4),
                                         .dst = everywhere(4)});
    }
}

/* One rule per destination: the prefix, or what the names of a set have resolved to. */
static void add_dst(const struct host *h, struct list *l, struct wgo_filter_rule *r,
                    const struct fw_domain_set *names, const struct rk_prefix *dst)
{
    if (!names) {
        r->dst = *dst;
        add(l, r);
        return;
    }
    for (size_t i = 0; i < h->f.n_names; i++)
        for (size_t k = 0; k < h->f.names[i].n; k++) {
            if (h->f.names[i].ips[k].family != dst->ip.family ||
                !fw_set_has(names, rk_str_z(h->f.names[i].domain)))
                continue;
            r->dst = host_prefix(&h->f.names[i].ips[k]);
            add(l, r);
        }
}

static void add_routed(const struct host *h, struct list *l, const struct rk_prefix *lan,
                       size_t n_lan)
{
    const struct fw_rules *r = &h->f.rules;

    for (size_t i = 0; i < n_lan; i++)
        add(l, &(struct wgo_filter_rule){
                   .drop = true, .src = everywhere(lan[i].ip.family), .dst = lan[i]});
    for (size_t i = 0; i < r->n_route; i++) {
        const struct fw_route_rule *m = &r->route[i];
        const struct fw_sources *s = &r->sources[m->sources];
        struct wgo_filter_rule one = {.drop = m->drop,
                                      .proto = proto_of(m->proto),
                                      .port_lo = m->port_lo,
                                      .port_hi = m->port_hi};

        for (size_t k = 0; k < (s->n ? s->n : 1); k++) {
            one.src = s->n ? s->v[k] : everywhere(m->family);
            add_dst(h, l, &one, m->names, &m->dst);
        }
    }
    for (size_t i = 0; i < r->n_served && r->legacy_routes; i++) {
        struct wgo_filter_rule one = {.src = everywhere(r->served[i].family)};

        add_dst(h, l, &one, r->served[i].names, &r->served[i].dst);
    }
}

static void tell_limits(struct host *h)
{
    bool any = h->f.rules.n_forward > 0;

    for (size_t i = 0; i < h->f.rules.n_served; i++)
        any = any || h->f.rules.served[i].masquerade;
    if (any && !h->f.told_masquerade)
        host_trouble(h, "this host has no firewall: networks behind it are routed without "
                        "masquerading, ports are not forwarded");
    h->f.told_masquerade = any;
}

static enum rk_code apply(struct host *h, struct rk_arena *mem, const struct rk_prefix *lan,
                          size_t n_lan, struct rk_err *err)
{
    struct list local = {.mem = mem}, routed = {.mem = mem};
    struct wgo_filter_rules r = {.own = {h->v4.ip, h->v6.ip}};

    add_local(h, &local);
    add_routed(h, &routed, lan, n_lan);
    if (local.n == RULES_MAX || routed.n == RULES_MAX)
        return rk_fail(err, RK_LIMIT, "more than %u firewall rules", RULES_MAX);
    r.local = local.v;
    r.n_local = local.n;
    r.routed = routed.v;
    r.n_routed = routed.n;
    return h->user->ops->filter(h->user, &r, err);
}

enum rk_code host_filter_again(struct host *h, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);

    return apply(h, mem, h->f.lan, h->f.n_lan, err);
}

enum rk_code host_filter_set(struct host *h, const struct fw_opts *o,
                             const Management__NetworkMap *map, struct fw_stats *stats,
                             struct rk_err *err)
{
    struct rk_arena *keep = rk_arena_new(0);
    struct fw_domain_sets sets;
    struct fw_rules rules;
    enum rk_code rc = fw_rules_read(o, map, keep, keep, &sets, &rules, stats, err);

    if (rc) {
        rk_arena_free(keep);
        return rc;
    }
    rk_arena_free(h->f.mem);
    h->f.mem = keep;
    h->f.sets = sets;
    h->f.rules = rules;
    h->f.lan = NULL;
    h->f.n_lan = 0;
    if (o->block_lan && o->n_lan) {
        struct rk_prefix *lan = rk_new_n(keep, struct rk_prefix, o->n_lan);

        memcpy(lan, o->lan, o->n_lan * sizeof *lan);
        h->f.lan = lan;
        h->f.n_lan = o->n_lan;
    }
    host_fw_names_prune(&h->f);
    tell_limits(h);
    return host_filter_again(h, err);
}
