/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct bound: which interface the daemon's own sockets are bound to on macOS, so that they leave
 * through the machine's real default route while the overlay is the way to everything: IP_BOUND_IF
 * makes the kernel look at routes that are scoped to that interface (scoped.h). Loop thread.
 */
#ifndef RK_AGENT_OS_BSD_BOUND_H
#define RK_AGENT_OS_BSD_BOUND_H

#include <stdbool.h>
#include <stdint.h>

struct bound {       /* zeroed: nothing is bound */
    uint32_t v4, v6; /* interface indexes; 0: none */
};

void bound_clear(struct bound *b);
void bound_set(struct bound *b, uint8_t family, uint32_t ifindex);

struct bound_option { /* for setsockopt, with the index as an int */
    int level, name;
    uint32_t ifindex;
};

/** The option for a socket of a family (4, 6; others: none). zone: the index that the address
 *  itself names ("fe80::1%en0"), which wins; 0: none. False: no option. An IPv6 socket is bound by
 *  the IPv6 option alone, which also covers the IPv4 addresses it reaches. */
bool bound_option(const struct bound *b, uint8_t family, uint32_t zone, struct bound_option *out);

#endif
