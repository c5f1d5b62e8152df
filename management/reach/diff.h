/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is different between two states of an account, as flows: which peer may send what to which
 * other one, and into which route or network resource its router lets it, before and after. For
 * "what will this change break?" (a mutation that was only tried) and "what was different on
 * Tuesday?" (a state of the past).
 *
 * Pure functions of two snapshots; any thread. The cost is that of the peers whose maps differ.
 */
#ifndef MGMT_REACH_DIFF_H
#define MGMT_REACH_DIFF_H

#include "management/reach/reach.h"

struct reach_diff {               /* one pair; borrowed for the call */
    const struct peer *from, *to; /* to: for a route its routing peer */
    struct rk_str route;          /* id of the route or resource; empty: to the peer itself */
    const struct flows *before, *after;
};

/** false: enough. */
typedef bool reach_diff_fn(void *arg, const struct reach_diff *d);

struct reach_diff_opts {
    int64_t now_us;              /* unix time that login expiry is judged by, on both sides */
    const struct bits *affected; /* peers of `now` whose maps may differ; NULL: all */
};

/** Call fn for each pair that differs, in the order of destinations. */
void reach_diff(const struct snapshot *old, const struct snapshot *now,
                const struct reach_diff_opts *opts, reach_diff_fn *fn, void *arg);

#endif
