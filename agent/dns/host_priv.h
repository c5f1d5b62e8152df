/* SPDX-License-Identifier: BSD-3-Clause */
/* Between agent/dns/host.c and the kinds of hosts in agent/dns/host_*.c. */
#ifndef RK_AGENT_DNS_HOST_PRIV_H
#define RK_AGENT_DNS_HOST_PRIV_H

#include "agent/dns/host.h"
#include "agent/dns/resolvconf.h"
#include "lib/base/arena.h"

/* One way to configure a host. Embedded in the kind's own struct. */
struct dns_host_way {
    bool any_port; /* it can name a server on a port other than 53 */
    enum rk_code (*apply)(struct dns_host_way *w, const struct dns_host_config *c,
                          struct rk_err *err);
    void (*end)(struct dns_host_way *w); /* give back, free */
    /* Set by the host: this kind does not work here after all. Another one takes over on a later
     * turn. */
    void (*failed)(struct dns_host_way *w);
    struct dns_host *host;
};

/* Each returns an owned way, or NULL with the reason in err. */
struct dns_host_way *dns_host_file_new(const struct dns_host_opts *o);
struct dns_host_way *dns_host_resolved_new(const struct dns_host_opts *o);
struct dns_host_way *dns_host_resolvconf_new(const struct dns_host_opts *o);
struct dns_host_way *dns_host_nm_new(const struct dns_host_opts *o);

/** Does NetworkManager run, in a version that can be told, and does it manage names? */
bool dns_host_nm_usable(void);
/** arena */
void dns_host_config_dup(struct rk_arena *mem, const struct dns_host_config *c,
                         struct dns_host_config *out);

/* Undoing what a killed agent left. */
enum rk_code dns_host_file_recover(const json_t *v, struct rk_err *err);
enum rk_code dns_host_resolvconf_recover(const char *path, const char *iface, struct rk_err *err);

/** Search domains of a configuration, for files. Returns how many. */
size_t dns_host_search(const struct dns_host_config *c, struct rk_str *out, size_t max);

#endif
