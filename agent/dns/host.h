/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct dns_host: telling this host to ask our name server, by whatever manages its names, and
 * giving back what was there. What is changed is in the state file before it is changed.
 *
 *   systemd-resolved, NetworkManager (D-Bus, per link) · resolvconf (program) · the file, whoever
 *   else writes it
 *
 * Loop thread. Small files are read and written at once; D-Bus and programs never hold the loop.
 */
#ifndef RK_AGENT_DNS_HOST_H
#define RK_AGENT_DNS_HOST_H

#include <jansson.h>

#include "agent/config/state.h"
#include "agent/dns/resolver.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"

struct dns_host;

enum dns_host_kind {
    DNS_HOST_FILE,
    DNS_HOST_RESOLVCONF,
    DNS_HOST_RESOLVED,
    DNS_HOST_NETWORKMANAGER,
};

struct dns_host_opts { /* open; texts borrowed for life */
    struct rk_loop *loop;
    struct rk_log *log;
    struct state *state;
    struct dns_resolver *resolver; /* knows the file */
    const char *iface;
    uint32_t ifindex;
};

#define DNS_HOST_DOMAINS_MAX 2048

struct dns_host_domain {
    struct rk_str name; /* without the final dot */
    bool search;        /* else only: ask us about names below it */
};

struct dns_host_config { /* open; borrowed for the call */
    struct rk_addr server;
    bool primary; /* every name comes to us */
    const struct dns_host_domain *domains;
    size_t n_domains;
};

/** What manages the names here, and why. Reads files and asks D-Bus for a second at most. */
enum dns_host_kind dns_host_detect(struct dns_resolver *r, const char **why);
const char *dns_host_kind_name(enum dns_host_kind kind);

/** Owned: dns_host_free. */
struct dns_host *dns_host_new(const struct dns_host_opts *opts);

/** Make it so; an equal configuration is done already. RK_PRECONDITION: this kind of host cannot
 *  express it (a port other than 53), and nothing was changed. Other errors: not changed. */
enum rk_code dns_host_apply(struct dns_host *h, const struct dns_host_config *c,
                            struct rk_err *err) RK_MUST;

/** Give back what was there before and free. Accepts NULL. */
void dns_host_free(struct dns_host *h);

enum dns_host_kind dns_host_kind_of(const struct dns_host *h);

/** For a state file that a killed agent left: undo. */
enum rk_code dns_host_recover(const json_t *v, struct rk_err *err) RK_MUST;

#endif
