/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes of maps, classic ones and those of network resources, and their firewall rules. */
#ifndef MGMT_NETMAP_ROUTES_H
#define MGMT_NETMAP_ROUTES_H

#include "management/netmap/view.h"

/** The peer serves the route: named, or member of a peer group. */
bool routes_served_by(const struct snapshot *s, const struct plan_route *r, uint32_t peer);

/** Peers that serve the route. Replaces *out. */
void routes_servers(const struct snapshot *s, const struct plan_route *r, struct bits *out);

/** Add to v->connect what network resources need: routers for clients, sources for routers. Login
 *  expiry does not matter here, except that the offline list keeps whom it has. */
void routes_connect(struct view *v);

/** A route as the map of one receiver has it; texts borrow from rows. */
struct map_route {
    struct rk_str id, via; /* id, or id:via */
    struct rk_str net_id;
    struct rk_prefix network;
    enum route_kind kind;
    uint32_t peer; /* who routes: an index */
    struct rk_str peer_key;
    int64_t metric;
    bool masquerade, keep, skip_auto_apply;
    const struct rk_str *domains;
    size_t n_domains;
};

/** Everything that the receiver (v: after view_select) may route over, itself included, in the
 *  order of the map; IPv6 networks too when it cannot use them. The map and questions about it are
 *  answered from here alone. fn may not use v->tmp. */
typedef void routes_fn(void *arg, const struct view *v, const struct map_route *r);
void routes_each(struct view *v, routes_fn *fn, void *arg);

/** What the receiver lets through into one of its own routes. */
struct route_grant {
    const struct map_route *route;
    const struct rule *rule;  /* NULL: everything, from anybody */
    uint32_t policy;          /* into plan.policies; NO_INDEX without a rule */
    const struct bits *peers; /* sources; NULL: anybody */
    bool keep_empty;          /* listed even when nobody is a source */
};

/** All of them, in the order of the map. fn may not use v->tmp nor v->tmp2. */
typedef void routes_grant_fn(void *arg, const struct view *v, const struct route_grant *g);
void routes_each_grant(struct view *v, routes_grant_fn *fn, void *arg);

/** NetworkMap.Routes. */
void routes_put(struct view *v, struct rk_buf *out);

/** NetworkMap.routesFirewallRules; returns whether there were any. */
bool routes_put_firewall(struct view *v, struct rk_buf *out);

#endif
