/* SPDX-License-Identifier: BSD-3-Clause */
/* Random small accounts and mutations, reproducible by seed. */
#ifndef RK_TESTS_PROPERTY_RANDOM_H
#define RK_TESTS_PROPERTY_RANDOM_H

#include "management/domain/account_data.h"

struct rng {
    uint64_t state;
};

uint64_t rng_next(struct rng *r);
size_t rng_below(struct rng *r, size_t n); /* 0 when n is 0 */
bool rng_chance(struct rng *r, unsigned percent);

#define NOW_US ((int64_t)1800000000 * 1000000) /* the evaluation time of all maps */

/** A new account. Everything in it is in the arena; arrays have room for a few more rows. */
struct account_data *random_account(struct rng *r, struct rk_arena *mem);

/** Change *d in place (rows are replaced, never edited) and say what was changed, as the engine
 *  would: *n changes, arena. Sometimes nothing. */
struct change *random_mutation(struct rng *r, struct rk_arena *mem, struct account_data *d,
                               size_t *n);

/** Print what decides about maps, for the reader of a failure. */
void random_print(const struct account_data *d);

#endif
