/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct dns_routes: names of networks behind peers. Two ways, as management decides for the whole
 * account:
 *
 *   by peer: the question goes to the routing peer's forwarder, and its addresses are routed before
 *            the answer is given, so that the first packet finds its way
 *   by us:   every name is looked up here again and again, and what is found is routed; wildcards
 *            cannot work so
 *
 * Loop thread.
 */
#ifndef RK_AGENT_DNS_ROUTE_H
#define RK_AGENT_DNS_ROUTE_H

#include "agent/dns/chain.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define DNS_ROUTES_MAX     4096 /* domains of all routes */
#define DNS_ROUTE_IPS_MAX  64   /* addresses of one answer that are routed */
#define DNS_ROUTE_RETRY_MS 5000
#define DNS_FORWARDER_PORT 5353 /* where clients ask unless management says another */

struct dns_route {                /* borrowed for the call */
    struct rk_str id;             /* of the network and its domains, given back with addresses */
    const struct rk_str *domains; /* "example.com", "*.example.com" */
    size_t n_domains;
    struct rk_ip peer; /* who carries it now; family 0: nobody */
};

struct dns_routes_user { /* embed */
    /** A name of a route has these addresses of one family; what it had before and has no more may
     *  go. Routes stand when this returns. */
    void (*resolved)(struct dns_routes_user *u, struct rk_str id, struct rk_str name,
                     uint8_t family, const struct rk_ip *ips, size_t n);
    /** Answer a question as this host would without the route. */
    void (*ask)(struct dns_routes_user *u, const struct dns_msg *msg, struct dns_asker *asker,
                struct dns_query **out);
};

struct dns_routes;

/** Owned: dns_routes_free, after the chain. */
struct dns_routes *dns_routes_new(struct rk_loop *loop, struct rk_log *log,
                                  struct dns_routes_user *user);
void dns_routes_free(struct dns_routes *r); /* accepts NULL */

struct dns_routes_opts {
    bool by_peer;
    uint16_t port; /* of forwarders; 0: DNS_FORWARDER_PORT */
    uint16_t udp_size;
    int64_t interval_ms; /* of own look-ups */
};

/** The routes from now on; true when the handlers have changed. */
bool dns_routes_set(struct dns_routes *r, const struct dns_route *v, size_t n,
                    const struct dns_routes_opts *o);

/** Handlers for the chain; lent until the next set. NULL at the end. */
struct dns_handler *dns_routes_handler(struct dns_routes *r, size_t i);

/** Domains that this host must ask us about; NULL at the end. */
const struct dns_name *dns_routes_domain(const struct dns_routes *r, size_t i);

#endif
