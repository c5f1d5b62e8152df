/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct dns_local: handlers that answer by themselves: the zones of the map (zone.h), and the
 * names of the control plane (names.h), which never depend on any name server of the overlay.
 *
 * Loop thread.
 */
#ifndef RK_AGENT_DNS_LOCAL_H
#define RK_AGENT_DNS_LOCAL_H

#include "agent/dns/chain.h"
#include "agent/dns/resolver.h"
#include "agent/dns/zone.h"

struct dns_local;

struct dns_local_opts { /* open; lent for life */
    struct rk_loop *loop;
    struct dns_chain *chain;
    struct dns_resolver *resolver;
    dns_away_fn *away; /* may be NULL */
    void *away_arg;
};

/** Owned: dns_local_free, after the chain. */
struct dns_local *dns_local_new(const struct dns_local_opts *opts);
void dns_local_free(struct dns_local *l); /* accepts NULL */

/** Zones are taken; NULL: none. */
void dns_local_zones(struct dns_local *l, struct dns_zones *zones);
const struct dns_zones *dns_local_zones_get(const struct dns_local *l);

/** Make the handlers anew from zones and names; lent until the next time. */
struct dns_handler *const *dns_local_handlers(struct dns_local *l, size_t *n);

#endif
