/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What only a BSD kernel can do for agent/os/bsd/: routing sockets, the routing table by sysctl,
 * whether a link is point-to-point, binding of sockets. Everything else there is above these.
 * Compiled into the agent on macOS and FreeBSD; on Linux it is compiled for its syntax alone, and
 * for those systems by tests/check-bsd.sh.
 */
#ifndef RK_AGENT_OS_BSD_KERNEL_H
#define RK_AGENT_OS_BSD_KERNEL_H

#include "agent/os/bsd/scoped.h"

struct bsd_kernel { /* open; bsd_kernel_init */
    struct rtsock sock;
    struct scoped scoped;
    struct bound bound;
    char *table; /* owned: the last one that was read */
};

/** Owned: bsd_kernel_done. layout: of this system. */
void bsd_kernel_init(struct bsd_kernel *k, const struct rtmsg_layout *layout);
void bsd_kernel_done(struct bsd_kernel *k);

/** Bind a socket as bound_option says; nothing to bind is fine. RK_UNAVAILABLE. */
enum rk_code bsd_kernel_bind(const struct bound *b, int fd, uint8_t family, uint32_t zone,
                             struct rk_err *err) RK_MUST;

#endif
