/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network map once more, written for obviousness: plain loops over the tables of a small
 * account, in the order in which the specification describes the official server's computation.
 * Shares no code with management/netmap.
 */
#ifndef RK_TESTS_PROPERTY_NAIVE_H
#define RK_TESTS_PROPERTY_NAIVE_H

#include "management/domain/account_data.h"
#include "tests/property/lines.h"

/** Lines of the map of d->peers[self], as lines_of_map() gives them for the engine's. */
void naive_map(struct lines *l, const struct account_data *d, size_t self, int64_t now_us);

#endif
