/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct dns_resolver: the agent's own name look-ups, outside its own tunnel. Names are asked of
 * the name servers that the host had before us, over sockets with the control-plane mark: an exit
 * node's default route cannot capture them, and reconnecting never depends on the tunnel that is to
 * be connected. What was once learnt about names of the control plane (names.h) is served as long
 * as nothing newer can be had.
 *
 *   clients (management, signal, relay, STUN) ── tcp_resolve_start ──┐
 *   our name server, names of the control plane ── dns_lookup ───────┤
 *                                                                    ▼
 *        /etc/hosts ► marked sockets to the host's own servers ► names, when the answer is late or
 *                fails ► without an overlay also the C library, which knows other sources
 *        (our name server answers from names first, and refreshes what is old beside it)
 *
 * Lives as long as the daemon and serves every tcp_resolve_start of its loop. Loop thread.
 * Callbacks never run inside the functions below.
 */
#ifndef RK_AGENT_DNS_RESOLVER_H
#define RK_AGENT_DNS_RESOLVER_H

#include "agent/dns/names.h"
#include "lib/base/arena.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"

struct dns_resolver;

struct dns_resolver_opts { /* open; texts borrowed for life; NULL: the usual places */
    struct rk_loop *loop;
    struct rk_log *log;
    const char *resolv_conf;  /* /etc/resolv.conf */
    const char *backup;       /* of that file while ours is in its place */
    const char *hosts;        /* /etc/hosts */
    const char *resolvconf;   /* the program; NULL: looked for */
    const char *const *local; /* lists of servers that a local daemon keeps, ends in NULL */
    int64_t ttl_ms;           /* of remembered names; 0: 5 minutes */
};

/** Owned: dns_resolver_free, after every client of the loop is closed. */
struct dns_resolver *dns_resolver_new(const struct dns_resolver_opts *opts);
void dns_resolver_free(struct dns_resolver *r); /* accepts NULL */

/** The servers of one role, as URIs or host:port; literals are left out. Names that are new are
 *  looked up at once when the overlay is up. */
void dns_resolver_names(struct dns_resolver *r, enum dns_role role, const struct rk_str *uris,
                        size_t n);

#define DNS_OWN_MAX 4 /* addresses under which our own name server is reached */

/** SO_MARK of the sockets; 0: none. */
void dns_resolver_mark(struct dns_resolver *r, uint32_t fwmark);

/** The overlay is up: no look-up may go through the C library from here on. own: addresses that
 *  are never asked, because it is us who answers there. */
void dns_resolver_overlay_up(struct dns_resolver *r, const struct rk_ip *own, size_t n);
void dns_resolver_overlay_down(struct dns_resolver *r);

/** Name servers that the host had before us, port 53. Kept when the host has none at the moment.
 *  Returns how many were written. */
size_t dns_resolver_servers(struct dns_resolver *r, struct rk_addr *out, size_t max);

/** Search domains of the host; texts in the arena. */
size_t dns_resolver_search(struct dns_resolver *r, struct rk_arena *mem, struct rk_str *out,
                           size_t max);

/** The file that the host's own configuration is read from, and where it is kept while ours is in
 *  its place; see host.h. */
const char *dns_resolver_file(const struct dns_resolver *r);
/** resolvconf(8); NULL: not on this host. */
const char *dns_resolver_resolvconf(const struct dns_resolver *r);
const char *dns_resolver_backup(const struct dns_resolver *r);

/** The hosts file. */
const char *dns_resolver_hosts(const struct dns_resolver *r);

struct dns_names *dns_resolver_cache(struct dns_resolver *r); /* lent */

/* A question about one name and family, of somebody who waits. Embed. */
struct dns_lookup {
    struct rk_list link; /* private */
    /** Once. ips n 0 without why: there is no such address. */
    void (*done)(struct dns_lookup *l, const struct rk_ip *ips, size_t n, const struct rk_err *why);
};

/** Ask the host's own servers for a name of the control plane; the answer is remembered. */
void dns_resolver_lookup(struct dns_resolver *r, struct dns_lookup *l, const struct dns_name *name,
                         uint16_t type);
void dns_lookup_cancel(struct dns_lookup *l);

/** As dns_resolver_lookup with nobody waiting, if it is due. */
void dns_resolver_refresh(struct dns_resolver *r, const struct dns_name *name, uint16_t type);

#endif
