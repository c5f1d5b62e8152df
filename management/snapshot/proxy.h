/* SPDX-License-Identifier: BSD-3-Clause */
/* What reverse-proxy services add to an account's maps: policies and DNS zones made up in memory.
 */
#ifndef MGMT_NETMAP_PROXY_H
#define MGMT_NETMAP_PROXY_H

#include "lib/base/buf.h"
#include "management/snapshot/state.h"

/** Policies of enabled services: proxy peers reach targets, access groups reach proxy peers.
 *  Arena array of *n. */
const struct policy *const *proxy_policies(const struct snapshot *s, struct rk_arena *mem,
                                           uint32_t *n);

/** A domain resource that an enabled, running service targets: its routers must resolve names. */
bool proxy_targets_domain(const struct snapshot *s, struct rk_str resource_id);

/** Embedded proxy peers of a cluster, in id order (indexes depend on history): arena array of *n
 *  indexes. */
uint32_t *proxy_peers(const struct snapshot *s, struct rk_arena *mem, struct rk_str cluster,
                      uint32_t *n);

/** Apex of the zone that a private service's domain belongs to; empty: none. */
struct rk_str proxy_zone_apex(const struct snapshot *s, const struct service *svc);

#endif
