/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Routes and policy rules over rtnetlink. Every call is one question to the kernel on the caller's
 * socket; same thread rule as that socket.
 */
#ifndef RK_AGENT_OS_ROUTE_H
#define RK_AGENT_OS_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/os/nl.h"
#include "lib/base/arena.h"
#include "lib/net/addr.h"

/* What the overlay owns in the kernel, the same numbers on every agent of this network. */
#define ROUTE_TABLE_OVERLAY 0x1BD0u  /* 7120 */
#define ROUTE_TABLE_MAIN    254u     /* RT_TABLE_MAIN */
#define ROUTE_MARK_CONTROL  0x1BD00u /* sockets that must never enter the tunnel */
#define ROUTE_PRIO_MAIN     105u
#define ROUTE_PRIO_OVERLAY  110u
#define ROUTE_PRIO_PROBE    32321u
#define ROUTE_TABLE_NAME    "netbird"
/* rtm_protocol of our routes in tables of others, by which they are found again. Of the numbers
 * that nobody has registered. */
#define ROUTE_PROTOCOL_OWN 27u

struct kernel_route { /* open */
    struct rk_prefix dst;
    uint32_t table;
    uint32_t ifindex;     /* 0 for unreachable routes */
    struct rk_ip gateway; /* family 0: none */
    uint32_t metric;      /* 0: the kernel's default */
    bool unreachable;     /* RTN_UNREACHABLE instead of unicast */
    uint8_t protocol;     /* RTPROT_…; 0 when adding: static, when deleting: any */
};

struct kernel_route_list {
    struct kernel_route *items;
    size_t n, cap;
};

/** RK_EXISTS, RK_PRECONDITION (no such address family here). */
enum rk_code kernel_route_add(struct nl_sock *s, const struct kernel_route *r,
                              struct rk_err *err) RK_MUST;
/** RK_NOT_FOUND when it is gone already. */
enum rk_code kernel_route_delete(struct nl_sock *s, const struct kernel_route *r,
                                 struct rk_err *err) RK_MUST;

/** Unicast and unreachable routes of one table and family (4 or 6). arena */
enum rk_code kernel_route_list(struct nl_sock *s, uint8_t family, uint32_t table,
                               struct rk_arena *mem, struct kernel_route_list *out,
                               struct rk_err *err) RK_MUST;

/** Delete every route of a table in both families. Goes on after errors; the last one is
 *  returned. */
enum rk_code kernel_route_flush(struct nl_sock *s, uint32_t table, struct rk_err *err) RK_MUST;

/** Delete the routes of ROUTE_PROTOCOL_OWN from the main table, as route_flush. */
enum rk_code kernel_route_flush_own(struct nl_sock *s, struct rk_err *err) RK_MUST;

/** Give a table a name for people, where iproute2 keeps such names and has none for it yet. Errors:
 *  RK_EXISTS (it has another name), RK_INTERNAL. */
enum rk_code kernel_route_table_name(uint32_t table, const char *name, struct rk_err *err) RK_MUST;

/** The source address, interface and gateway that a packet with this mark would get. */
struct kernel_route_lookup {
    struct rk_ip source;
    struct rk_ip gateway;
    uint32_t ifindex;
};
enum rk_code kernel_route_get(struct nl_sock *s, const struct rk_ip *dst, uint32_t mark,
                              struct kernel_route_lookup *out, struct rk_err *err) RK_MUST;

struct rule {       /* open */
    uint8_t family; /* 4 or 6 */
    uint32_t priority;
    uint32_t table;
    uint32_t mark;         /* 0: any */
    bool invert;           /* "not" */
    bool suppress_default; /* suppress_prefixlength 0 */
};

/** RK_EXISTS, RK_PRECONDITION. */
enum rk_code rule_add(struct nl_sock *s, const struct rule *r, struct rk_err *err) RK_MUST;
/** One of possibly several equal rules. RK_NOT_FOUND when there is none (left). */
enum rk_code rule_delete(struct nl_sock *s, const struct rule *r, struct rk_err *err) RK_MUST;

/** The four rules of the overlay (two per family): add those that are missing, and count them. A
 *  missing IPv6 is fine; any other error removes what was added. */
enum rk_code rule_overlay_install(struct nl_sock *s, size_t *added, struct rk_err *err) RK_MUST;
/** Remove every copy, also duplicates from crashes. Goes on after errors. */
enum rk_code rule_overlay_remove(struct nl_sock *s, struct rk_err *err) RK_MUST;

/** Can this process mark sockets and use rules? (Else routes must go to the main table.) */
bool rule_marks_work(struct nl_sock *s);

#endif
