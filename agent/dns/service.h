/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct dns_service: the name server of one engine, and what belongs to it on this host.
 *
 *   map ─► dns_service_apply ─► zones, groups ─► handlers ─► chain ◄── listener ◄── this host
 *                              └► host integration (resolved, resolvconf, file)
 *   routes ─► dns_service_routes ─► names behind routing peers ─► resolved() ─► engine: routes
 *   own routes ─► dns_service_forward ─► forwarder for other peers ─► forwarded() ─► firewall
 *
 * The engine makes it when its device is up and frees it before the device goes: nothing of it is
 * left on the host then. Loop thread. Callbacks may run inside the functions below.
 */
#ifndef RK_AGENT_DNS_SERVICE_H
#define RK_AGENT_DNS_SERVICE_H

#include <jansson.h>

#include "agent/config/state.h"
#include "agent/dns/resolver.h"
#include "agent/dns/route.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "lib/net/addr.h"
#include "schema/gen/management.pb-c.h"

struct dns_service;
struct dns_service_user;

struct dns_service_ops { /* any may be NULL */
    /** Is this the address of a peer that is known and not connected? */
    bool (*away)(struct dns_service_user *u, const struct rk_ip *ip);
    /** Something that status shows has changed. */
    void (*changed)(struct dns_service_user *u);
    /** A name of a domain route has these addresses of one family: see dns_routes_user. */
    void (*resolved)(struct dns_service_user *u, struct rk_str id, struct rk_str name,
                     uint8_t family, const struct rk_ip *ips, size_t n);
    /** A domain that this host routes has this address: see dns_forwarder_user. */
    void (*forwarded)(struct dns_service_user *u, struct rk_str domain, const struct rk_ip *ip);
    /** Port 53 is somebody else's here, and we listen on this one of our overlay address: lead what
     *  this host sends to port 53 of it there (0: no longer). False: that cannot be done. */
    bool (*redirect)(struct dns_service_user *u, uint16_t port);
};

struct dns_service_user { /* embed */
    const struct dns_service_ops *ops;
};

struct dns_service_opts { /* open; texts and pointers borrowed for life */
    struct rk_loop *loop;
    struct rk_log *log;
    struct dns_resolver *resolver;
    struct state *state;
    struct rk_prefix v4, v6; /* of the overlay; v6 family 0: none */
    const char *iface;
    uint32_t ifindex, mtu_bytes;
    struct rk_str address; /* "ip:port" to listen on instead; empty: choose */
    bool leave_host;       /* answer, but do not tell the host to ask us */
};

/** Owned: dns_service_free. RK_INVALID (an address that cannot be understood). */
enum rk_code dns_service_new(const struct dns_service_opts *opts, struct dns_service_user *user,
                             struct dns_service **out, struct rk_err *err) RK_MUST;

/** Gives the host back what it had, and closes. Accepts NULL. */
void dns_service_free(struct dns_service *s);

/** The DNS part of a map; NULL or disabled: no service, the host is as it was. An equal one changes
 *  nothing. Errors: RK_INVALID (nothing changes), RK_UNAVAILABLE (no address to listen on; what
 *  needs none works). */
enum rk_code dns_service_apply(struct dns_service *s, const Management__DNSConfig *config,
                               struct rk_err *err) RK_MUST;

/** Names of networks behind peers, as they are carried now; see route.h. Errors: the host is not
 *  told about new domains. */
enum rk_code dns_service_routes(struct dns_service *s, const struct dns_route *v, size_t n,
                                struct dns_routes_opts o, struct rk_err *err) RK_MUST;

/** Domains that this host routes for peers; none: no forwarder. See forwarder.h. */
enum rk_code dns_service_forward(struct dns_service *s, const struct rk_str *domains, size_t n,
                                 uint16_t port, struct rk_err *err) RK_MUST;

/** Names of the control plane have changed in the resolver. */
void dns_service_names_changed(struct dns_service *s);

/** For `rook status`: groups of servers. Owned by the caller. */
json_t *dns_service_json(const struct dns_service *s);

/** Where it listens; NULL while it does not. Lent. */
const struct rk_addr *dns_service_addr(const struct dns_service *s);

#endif
