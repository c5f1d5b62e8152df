/* SPDX-License-Identifier: BSD-3-Clause */
/* Token buckets; see ratelimit.h. */
#include "config.h"

#include "lib/base/ratelimit.h"

#include <stdlib.h>

#include "lib/base/list.h"
#include "lib/base/map.h"

#define MICRO 1000000

bool rk_bucket_take(struct rk_bucket *b, int64_t now_mono_ms, int64_t rate_milli_per_s,
                    int64_t burst)
{
    return rk_bucket_take_n(b, now_mono_ms, rate_milli_per_s, burst, 1);
}

bool rk_bucket_take_n(struct rk_bucket *b, int64_t now_mono_ms, int64_t rate_milli_per_s,
                      int64_t burst, int64_t n)
{
    int64_t gone = now_mono_ms - b->at_mono_ms, back;

    /* milli-tokens per second times milliseconds is micro-tokens; capped against overflow */
    if (gone < 0)
        gone = 0;
    back = rate_milli_per_s > 0 && gone > b->level_micro / rate_milli_per_s
               ? b->level_micro
               : gone * rate_milli_per_s;
    b->level_micro -= back;
    b->at_mono_ms = now_mono_ms;
    if (b->level_micro > (burst - n) * MICRO)
        return false;
    b->level_micro += n * MICRO;
    return true;
}

struct entry {
    struct rk_list lru;
    struct rk_bucket bucket;
    struct rk_str key; /* owned copy */
};

struct rk_ratelimit {
    struct rk_map by_key; /* keys borrowed from the entries */
    struct rk_list lru;   /* longest unused first */
    size_t max_keys;
    int64_t rate, burst;
};

struct rk_ratelimit *rk_ratelimit_new(size_t max_keys, int64_t rate_milli_per_s, int64_t burst)
{
    struct rk_ratelimit *r = rk_calloc(1, sizeof *r);

    rk_map_init(&r->by_key, true);
    rk_list_init(&r->lru);
    r->max_keys = max_keys ? max_keys : 1;
    r->rate = rate_milli_per_s;
    r->burst = burst;
    return r;
}

static void forget(struct rk_ratelimit *r, struct entry *e)
{
    rk_list_remove(&e->lru);
    (void)rk_map_del(&r->by_key, e->key);
    rk_freep(&e->key.p);
    free(e);
}

void rk_ratelimit_free(struct rk_ratelimit *r)
{
    if (!r)
        return;
    while (!rk_list_empty(&r->lru))
        forget(r, rk_container_of(r->lru.next, struct entry, lru));
    rk_map_done(&r->by_key);
    free(r);
}

bool rk_ratelimit_take(struct rk_ratelimit *r, struct rk_str key, int64_t now_mono_ms)
{
    return rk_ratelimit_take_n(r, key, now_mono_ms, 1);
}

bool rk_ratelimit_take_n(struct rk_ratelimit *r, struct rk_str key, int64_t now_mono_ms, int64_t n)
{
    struct entry *e = rk_map_get(&r->by_key, key);

    if (e) {
        rk_list_remove(&e->lru);
    } else {
        if (r->by_key.n >= r->max_keys)
            forget(r, rk_container_of(r->lru.next, struct entry, lru));
        e = rk_calloc(1, sizeof *e);
        e->key = rk_str_of(rk_str_dupz(key), key.n);
        (void)rk_map_put(&r->by_key, e->key, e);
    }
    rk_list_push_back(&r->lru, &e->lru);
    return rk_bucket_take_n(&e->bucket, now_mono_ms, r->rate, r->burst, n);
}

void rk_ratelimit_give(struct rk_ratelimit *r, struct rk_str key)
{
    struct entry *e = rk_map_get(&r->by_key, key);

    if (e)
        e->bucket.level_micro = e->bucket.level_micro > MICRO ? e->bucket.level_micro - MICRO : 0;
}
