/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Token buckets, alone or keyed (per address, per key) in a bounded table that forgets the bucket
 * longest unused. One thread at a time; give each loop its own or lock around it.
 */
#ifndef RK_BASE_RATELIMIT_H
#define RK_BASE_RATELIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

struct rk_bucket {       /* zero-initialised means full at first use */
    int64_t level_micro; /* tokens * 1e6 missing from full */
    int64_t at_mono_ms;
};

/** Take one token: rate tokens per second, at most burst. false when empty. */
bool rk_bucket_take(struct rk_bucket *b, int64_t now_mono_ms, int64_t rate_milli_per_s,
                    int64_t burst);

/** The same for n tokens at once; takes none when they are not there. */
bool rk_bucket_take_n(struct rk_bucket *b, int64_t now_mono_ms, int64_t rate_milli_per_s,
                      int64_t burst, int64_t n);

struct rk_ratelimit;

/** Table of at most max_keys buckets. Owned: rk_ratelimit_free. */
struct rk_ratelimit *rk_ratelimit_new(size_t max_keys, int64_t rate_milli_per_s, int64_t burst);
void rk_ratelimit_free(struct rk_ratelimit *r);
bool rk_ratelimit_take(struct rk_ratelimit *r, struct rk_str key, int64_t now_mono_ms);
bool rk_ratelimit_take_n(struct rk_ratelimit *r, struct rk_str key, int64_t now_mono_ms, int64_t n);

/** Give back what take took: for limits that count failures only, where the token is taken before
 *  the outcome is known so that many tries at a time cannot pass together. */
void rk_ratelimit_give(struct rk_ratelimit *r, struct rk_str key);

#endif
