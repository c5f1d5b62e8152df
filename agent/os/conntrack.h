/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's connection tracking: which connections begin and end on this host (netlink
 * NETFILTER, subsystem CTNETLINK, groups NEW and DESTROY). Needs CAP_NET_ADMIN, and rules that make
 * the kernel track, which a stateful firewall has. Loop thread.
 */
#ifndef RK_AGENT_OS_CONNTRACK_H
#define RK_AGENT_OS_CONNTRACK_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/loop.h"
#include "lib/net/addr.h"

struct conntrack_event { /* open */
    bool ended;
    uint32_t id; /* the kernel's, the same at begin and end */
    uint8_t protocol;
    uint32_t mark;
    struct rk_ip src, dst; /* of the original direction */
    uint16_t src_port, dst_port;
    uint8_t icmp_type, icmp_code;
    uint64_t packets, bytes; /* of the original direction; 0 where they are not counted */
    uint64_t reply_packets, reply_bytes; /* of the other one */
};

struct conntrack_user { /* embedded in the owner's struct */
    void (*event)(struct conntrack_user *u, const struct conntrack_event *e);
};

struct conntrack;

/** Listen from now on. Owned: conntrack_close. Errors: RK_PRECONDITION (no such kernel module, or
 *  no right). */
enum rk_code conntrack_open(struct rk_loop *loop, struct conntrack_user *u, struct conntrack **out,
                            struct rk_err *err) RK_MUST;
void conntrack_close(struct conntrack *c); /* no callback follows; accepts NULL */

/** How often the kernel had more to tell than there was room for. */
uint64_t conntrack_lost(const struct conntrack *c);

/** One message; false: of no interest. Pure. */
bool conntrack_parse(const struct nlmsghdr *h, struct conntrack_event *out);

#endif
