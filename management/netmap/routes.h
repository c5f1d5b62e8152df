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

/** NetworkMap.Routes. */
void routes_put(struct view *v, struct rk_buf *out);

/** NetworkMap.routesFirewallRules; returns whether there were any. */
bool routes_put_firewall(struct view *v, struct rk_buf *out);

#endif
