/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answers of management/reach against the maps that the same machines are sent: decoded, and read
 * as an agent reads them. Shares no code with management/reach.
 */
#ifndef RK_TESTS_PROPERTY_REACH_H
#define RK_TESTS_PROPERTY_REACH_H

#include "management/domain/account_data.h"
#include "management/snapshot/snapshot.h"
#include "tests/property/random.h"

/** Ask about some pairs of peers and some addresses and names; how many answers were compared in
 *  *asked, and how many said yes in *yes. False: printed. */
bool reach_check(struct rng *r, const struct account_data *d, const struct snapshot *s,
                 struct rk_arena *mem, size_t *asked, size_t *yes);

/** The pairs of peers that reach_diff finds between two states are those whose flows differ. How
 *  many there were is added to *found. False: printed. */
bool reach_diff_check(const struct snapshot *old, const struct snapshot *now,
                      const struct bits *affected, size_t *found);

#endif
