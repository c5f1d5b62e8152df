/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a set of changes means, as JSON for people: which objects, how many machines get a new map,
 * and who may send what to whom that could not before, or may no longer. The same for a mutation
 * that was only tried (?dry_run=true) and for two moments of the past.
 *
 *   {"changes": [{"kind", "id", "name", "op"}], "machines": 12,
 *    "flows": {"gained": 2, "lost": 0, "changed": 1, "complete": true,
 *              "list": [{"from", "to", "route"?, "before", "after"}]}}
 *
 * Pure; any thread.
 */
#ifndef MGMT_REVIEW_H
#define MGMT_REVIEW_H

#include "lib/base/buf.h"
#include "management/domain/change.h"
#include "management/snapshot/snapshot.h"

#define REVIEW_FLOWS     200   /* listed by default */
#define REVIEW_FLOWS_MAX 10000 /* counted; beyond them "complete" is false */

struct review {
    const struct snapshot *before, *after;
    const struct change *changes; /* from the one to the other; NULL with all: not known */
    size_t n_changes;
    bool all;          /* any machine may be affected */
    int64_t now_us;    /* unix time that login expiry is judged by */
    size_t list_flows; /* how many are listed; 0: REVIEW_FLOWS */
};

/** The members above, into the object that is open in out. */
void review_put(const struct review *r, struct rk_buf *out);

/** Name of an entity for people; empty where it has none. Lent. */
struct rk_str review_name(enum entity_kind kind, const void *entity);

#endif
