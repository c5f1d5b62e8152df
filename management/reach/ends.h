/* SPDX-License-Identifier: BSD-3-Clause */
/* The ends of a question as people name them; the order of meanings stands in report.h. Pure; any
 * thread. */
#ifndef MGMT_REACH_ENDS_H
#define MGMT_REACH_ENDS_H

#include "lib/base/err.h"
#include "management/snapshot/snapshot.h"

struct resource; /* management/domain/network.h */

enum reach_end_kind {
    REACH_END_NONE, /* nothing was said */
    REACH_END_PEER,
    REACH_END_GROUP,
    REACH_END_RESOURCE,
    REACH_END_ADDRESS,
    REACH_END_NAME,
};

struct reach_end {
    enum reach_end_kind kind;
    struct rk_str text;
    uint32_t peer;
    const struct group *group;
    const struct resource *resource;
    struct rk_ip addr;
    struct rk_str name;
};

/** What a text means; empty: REACH_END_NONE. which: "from" or "to", for errors. Borrows text and s.
 *  Errors: RK_NOT_FOUND. */
enum rk_code reach_end_of(const struct snapshot *s, const char *which, struct rk_str text,
                          struct reach_end *e, struct rk_err *err) RK_MUST;

/** A text as a domain; false when it is none. */
bool reach_end_name(struct rk_str text, struct reach_end *e);

/** The error of reach_end_of. */
enum rk_code reach_end_unknown(const char *which, struct rk_str text, struct rk_err *err);

#endif
