/* SPDX-License-Identifier: BSD-3-Clause */
/* Begin and end of the resolver: its look-ups (resolver.c) and, above them, those of the loop's
 * clients (resolver_own.c); see resolver.h. */
#include "config.h"

#include <stdlib.h>

#include "agent/dns/resolver_priv.h"

/* Real servers behind a resolver on this host, which asks with sockets of its own: those would be
 * captured by an exit node. */
static const char *const LOCAL[] = {"/run/systemd/resolve/resolv.conf",
                                    "/run/NetworkManager/no-stub-resolv.conf", NULL};

struct dns_resolver *dns_resolver_new(const struct dns_resolver_opts *opts)
{
    struct dns_resolver *r = rk_calloc(1, sizeof *r);

    r->loop = opts->loop;
    r->log = opts->log;
    r->resolv_conf = opts->resolv_conf ? opts->resolv_conf : "/etc/resolv.conf";
    r->backup = opts->backup ? opts->backup : "/var/lib/rook/resolv.conf.original";
    r->resolvconf = opts->resolvconf;
    r->hosts = opts->hosts ? opts->hosts : "/etc/hosts";
    r->local = opts->local ? opts->local : LOCAL;
    r->names = dns_names_new(opts->ttl_ms);
    r->search_mem = rk_arena_new(0);
    r->ndots = 1;
    rk_list_init(&r->jobs);
    rk_list_init(&r->owns);
    dns_resolver_serve_loop(r);
    return r;
}

void dns_resolver_free(struct dns_resolver *r)
{
    struct rk_err err = {0};

    if (!r)
        return;
    (void)rk_fail(&err, RK_CANCELLED, "cancelled");
    dns_resolver_end_jobs(r, &err);
    dns_resolver_leave_loop(r);
    dns_names_free(r->names);
    rk_arena_free(r->search_mem);
    free(r);
}
