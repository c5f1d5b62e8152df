/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's own way out on macOS: per family a second default route through the physical
 * interface, scoped to it (RTF_IFSCOPE), which only sockets bound to that interface see. Ours carry
 * a protocol flag, by which what a killed daemon left is found.
 *
 *   set up:  forget bound interfaces -> flush what carries our flag -> per family: the default's
 * next hop -> scoped default through it (one that is there is used) -> bind to its interface undo:
 * forget bound interfaces -> flush
 *
 * Blocks on the kernel; one thread at a time.
 */
#ifndef RK_AGENT_OS_BSD_SCOPED_H
#define RK_AGENT_OS_BSD_SCOPED_H

#include "agent/os/bsd/bound.h"
#include "agent/os/bsd/rtsock.h"

struct scoped { /* open; the owner fills it */
    struct rtsock *sock;
    uint32_t proto_flag; /* BSD_RTF_PROTO1, 2 or 3 */
    struct bound *bound;
    /** The whole routing table, in memory that lives until the next call; RK_UNAVAILABLE. */
    enum rk_code (*table)(struct scoped *s, struct rk_str *out, struct rk_err *err);
    /** Whether an interface leads to one other end, and needs no gateway for that. */
    bool (*point_to_point)(struct scoped *s, uint32_t ifindex);
};

/** RTF_PROTO… by NB_ROUTE_PROTO_FLAG: "2" and "3"; anything else is 1. */
uint32_t scoped_proto_flag(const char *text);

/** The default's next hop of a family out of a table: the first in use that is neither scoped nor
 *  ours. RK_NOT_FOUND. Pure. */
enum rk_code scoped_next_hop(const struct rtmsg_layout *l, struct rk_str table, uint8_t family,
                             uint32_t proto_flag, struct rtmsg *out, struct rk_err *err) RK_MUST;

/** A family without a default route is passed over. One that fails does not undo the other; an
 *  error only when none works. Errors: those of the kernel, and RK_PRECONDITION: the default route
 *  names an interface only, and that is no point-to-point link, so that every address would be
 *  looked for on it. */
enum rk_code scoped_set_up(struct scoped *s, struct rk_err *err) RK_MUST;

/** Remove our scoped defaults and routes of single addresses, and forget the bound interfaces. Goes
 * on after errors; the last one is returned. Also at the start of a daemon. */
enum rk_code scoped_undo(struct scoped *s, struct rk_err *err) RK_MUST;

/** Exclusion routes of legacy routing (other BSDs): must an address get one? Not inside a network
 *  that an interface is connected to: the route would lead nowhere. Pure. */
bool scoped_may_exclude(const struct rk_ip *ip, const struct rk_prefix *connected, size_t n);

/** News of the kernel that the default route has changed: not of scoped ones, which cannot be the
 *  way for everybody. Pure. */
bool scoped_is_default_news(const struct rtmsg *m);

#endif
