/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct dns_forwarder: the name server of a routing peer. Peers ask it about the domains that this
 * host routes; it resolves them as this host would, tells the firewall what they resolved to, and
 * only then answers. Everything else is refused, and record types that could name an address past
 * the firewall are answered as absent.
 *
 *   peer ─► overlay address, our port and 5353 ─► a domain of ours? ─► hosts file, this host's
 *   servers ─► forwarded(domain, address) for every match ─► answer
 *
 * Loop thread.
 */
#ifndef RK_AGENT_DNS_FORWARDER_H
#define RK_AGENT_DNS_FORWARDER_H

#include "agent/dns/chain.h"
#include "lib/base/log.h"
#include "lib/net/addr.h"

#define DNS_FORWARD_DOMAINS_MAX 4096
#define DNS_FORWARD_KEPT_MAX    2048 /* last good answers */
#define DNS_FORWARD_TTL_S       60
#define DNS_FORWARD_OLD_PORT    5353 /* where clients ask that know no other */

struct dns_forwarder_user { /* embed */
    /** This address belongs to this domain, as the route writes it, from now on; the firewall has
     * it when this returns. */
    void (*forwarded)(struct dns_forwarder_user *u, struct rk_str domain, const struct rk_ip *ip);
    /** Resolve as this host does. */
    void (*ask)(struct dns_forwarder_user *u, const struct dns_msg *msg, struct dns_asker *asker,
                struct dns_query **out);
};

struct dns_forwarder;

struct dns_forwarder_opts { /* open; borrowed for life */
    struct rk_loop *loop;
    struct rk_log *log;
    const char *hosts; /* the hosts file */
};

/** Owned: dns_forwarder_free. */
struct dns_forwarder *dns_forwarder_new(const struct dns_forwarder_opts *opts,
                                        struct dns_forwarder_user *user);
void dns_forwarder_free(struct dns_forwarder *f); /* accepts NULL */

/** The domains from now on; none: it does not listen. addr: address and port. RK_UNAVAILABLE: no
 *  port is free. */
enum rk_code dns_forwarder_set(struct dns_forwarder *f, const struct rk_addr *addr,
                               const struct rk_str *domains, size_t n, struct rk_err *err) RK_MUST;

#endif
