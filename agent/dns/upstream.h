/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct dns_upstreams: handlers that ask other name servers: the groups of management, one handler
 * for each of their domains (or the root), and what the host had before as the last resort. Groups
 * of one domain race; servers inside a group are tried in order, those that failed lately last.
 *
 *   query ─► group 1: server, server, server ─┐
 *         └► group 2: server                  ─┴─► the first answer wins; none: SERVFAIL
 *
 * Loop thread.
 */
#ifndef RK_AGENT_DNS_UPSTREAM_H
#define RK_AGENT_DNS_UPSTREAM_H

#include <jansson.h>

#include "agent/dns/chain.h"
#include "agent/dns/resolver.h"
#include "lib/base/log.h"
#include "schema/gen/management.pb-c.h"

#define DNS_GROUPS_MAX        256
#define DNS_GROUP_SERVERS_MAX 8
#define DNS_GROUP_DOMAINS_MAX 1024 /* of all groups together */

struct dns_upstreams;

struct dns_upstreams_opts { /* open; borrowed for life */
    struct rk_loop *loop;
    struct rk_log *log;
    struct dns_resolver *resolver; /* knows the host's servers */
    uint16_t udp_size;
};

/** Owned: dns_upstreams_free, after the chain. */
struct dns_upstreams *dns_upstreams_new(const struct dns_upstreams_opts *opts);
void dns_upstreams_free(struct dns_upstreams *u); /* accepts NULL */

/** The groups of a configuration in place of those before. own: servers that are us are left out.
 *  RK_INVALID (a group that is neither primary nor has domains), and nothing changes. */
enum rk_code dns_upstreams_set(struct dns_upstreams *u, const Management__DNSConfig *config,
                               const struct rk_ip *own, size_t n_own, struct rk_err *err) RK_MUST;

/** Handlers for the chain, the last resort included; lent until the next set. NULL at the end. */
struct dns_handler *dns_upstreams_handler(struct dns_upstreams *u, size_t i);

/** Is there a group for all names? */
bool dns_upstreams_primary(const struct dns_upstreams *u);

struct dns_domain { /* lent */
    struct dns_name name;
    bool search;
};
/** Domains of groups that are not primary; NULL at the end. */
const struct dns_domain *dns_upstreams_domain(const struct dns_upstreams *u, size_t i);

/** Groups for `rook status`: [{servers, domains, enabled, error}]. Owned by the caller. */
json_t *dns_upstreams_json(const struct dns_upstreams *u);

/** Ask servers for q and answer it; SERVFAIL when none answers. */
void dns_upstreams_forward(struct dns_upstreams *u, struct dns_query *q,
                           const struct rk_addr *servers, size_t n);

#endif
