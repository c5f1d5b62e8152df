/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of struct dns_resolver, for agent/dns/resolver*.c only. */
#ifndef RK_AGENT_DNS_RESOLVER_PRIV_H
#define RK_AGENT_DNS_RESOLVER_PRIV_H

#include "agent/dns/resolvconf.h"
#include "agent/dns/resolver.h"
#include "lib/net/tcp.h"

struct dns_resolver {
    struct rk_loop *loop;
    struct rk_log *log;
    const char *resolv_conf, *backup, *hosts, *resolvconf;
    const char *const *local;
    struct dns_names *names;
    bool overlay;
    struct rk_ip own[DNS_OWN_MAX];
    size_t n_own;
    uint32_t fwmark;
    int64_t read_ms; /* of the files; 0: not yet */
    struct rk_addr servers[RESOLVCONF_SERVERS_MAX];
    size_t n_servers;
    struct rk_arena *search_mem;
    struct rk_str search[RESOLVCONF_SEARCH_MAX];
    size_t n_search;
    int ndots;
    struct rk_list jobs;
    struct tcp_resolver hook;
    struct rk_list owns; /* look-ups of the loop's clients */
};

/* resolver.c: whoever waits is told why. */
void dns_resolver_end_jobs(struct dns_resolver *r, const struct rk_err *why);

/* resolver_own.c: every tcp_resolve_start of the loop comes to us. */
void dns_resolver_serve_loop(struct dns_resolver *r);
void dns_resolver_leave_loop(struct dns_resolver *r);

#endif
