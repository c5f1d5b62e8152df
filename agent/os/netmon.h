/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct netmon: the kernel's news about links, addresses, routes, policy rules and firewall
 * tables. It says what kind of thing was touched, also by ourselves, and no more: the listener
 * compares with what it wants and mends what differs. News of one burst come as one call.
 *
 *   NETLINK_ROUTE groups ----.
 *                             >--> mask of kinds --NETMON_SETTLE_MS--> changed()
 *   NETLINK_NETFILTER group -'
 *
 * Loop thread. Callbacks never run inside the function that causes them.
 */
#ifndef RK_AGENT_OS_NETMON_H
#define RK_AGENT_OS_NETMON_H

#include <libmnl/libmnl.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/loop.h"

/* A burst is over when nothing came for so long; it is told after NETMON_WAIT_MAX_MS in any case.
 */
#define NETMON_SETTLE_MS   20
#define NETMON_WAIT_MAX_MS 500

enum {
    NETMON_LINK = 1,      /* some link came, went or changed */
    NETMON_ADDR = 2,      /* an address of a link other than ours */
    NETMON_OWN = 4,       /* link, or address of the link, that netmon_opts names */
    NETMON_ROUTE = 8,     /* a route of the table that netmon_opts names */
    NETMON_DEFAULT = 16,  /* a default route of the main table */
    NETMON_RULE = 32,     /* a policy rule */
    NETMON_FIREWALL = 64, /* the firewall, by another process than this one */
    NETMON_ALL = 127      /* also after news were lost */
};

struct netmon;

struct netmon_user { /* embedded in the owner's struct */
    void (*changed)(struct netmon_user *u, unsigned kinds);
};

struct netmon_opts {  /* copied */
    uint32_t ifindex; /* ours */
    uint32_t table;   /* ours */
};

/** Listen from now on. A kernel without nftables is fine. Owned: netmon_close. */
enum rk_code netmon_open(struct rk_loop *loop, const struct netmon_opts *o, struct netmon_user *u,
                         struct netmon **out, struct rk_err *err) RK_MUST;

/** No callback follows; handles die on later turns. Accepts NULL. */
void netmon_close(struct netmon *m);

/** The kind of one message of NETLINK_ROUTE; 0: of no interest. Pure. */
unsigned netmon_kind(const struct netmon_opts *o, const struct nlmsghdr *h);

#endif
