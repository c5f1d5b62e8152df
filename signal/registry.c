/* SPDX-License-Identifier: BSD-3-Clause */
/* Table of registered streams; see registry.h. */
#include "config.h"

#include "signal/registry.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/base/map.h"
#include "signal/stream.h"

enum { SHARDS = 64 };

struct shard {
    pthread_mutex_t lock; /* guards by_key */
    struct rk_map by_key; /* keys borrowed from the streams */
} __attribute__((aligned(64)));

struct sig_registry {
    struct shard shards[SHARDS];
    _Atomic size_t n;
};

static struct shard *shard_of(struct sig_registry *r, struct rk_str key)
{
    return &r->shards[(rk_str_hash(key) >> 32) % SHARDS]; /* the tables use the low bits */
}

struct sig_registry *sig_registry_new(void)
{
    struct sig_registry *r = aligned_alloc(64, sizeof *r);

    if (!r)
        abort();
    atomic_init(&r->n, 0);
    for (size_t i = 0; i < SHARDS; i++) {
        (void)pthread_mutex_init(&r->shards[i].lock, NULL);
        rk_map_init(&r->shards[i].by_key, true);
    }
    return r;
}

void sig_registry_free(struct sig_registry *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        rk_map_done(&r->shards[i].by_key);
        (void)pthread_mutex_destroy(&r->shards[i].lock);
    }
    free(r);
}

struct sig_stream *sig_registry_add(struct sig_registry *r, struct sig_stream *s)
{
    struct rk_str key = sig_stream_key(s);
    struct shard *sh = shard_of(r, key);
    struct sig_stream *old;

    (void)pthread_mutex_lock(&sh->lock);
    old = rk_map_del(&sh->by_key, key); /* its key goes with it */
    (void)rk_map_put(&sh->by_key, key, sig_stream_ref(s));
    (void)pthread_mutex_unlock(&sh->lock);
    if (!old)
        (void)atomic_fetch_add(&r->n, 1);
    return old;
}

bool sig_registry_remove(struct sig_registry *r, struct sig_stream *s)
{
    struct rk_str key = sig_stream_key(s);
    struct shard *sh = shard_of(r, key);
    bool mine;

    (void)pthread_mutex_lock(&sh->lock);
    mine = rk_map_get(&sh->by_key, key) == s;
    if (mine)
        (void)rk_map_del(&sh->by_key, key);
    (void)pthread_mutex_unlock(&sh->lock);
    if (mine) {
        (void)atomic_fetch_sub(&r->n, 1);
        sig_stream_unref(s);
    }
    return mine;
}

struct sig_stream *sig_registry_find(struct sig_registry *r, struct rk_str key)
{
    struct shard *sh = shard_of(r, key);
    struct sig_stream *s;

    (void)pthread_mutex_lock(&sh->lock);
    s = rk_map_get(&sh->by_key, key);
    if (s)
        (void)sig_stream_ref(s);
    (void)pthread_mutex_unlock(&sh->lock);
    return s;
}

size_t sig_registry_size(const struct sig_registry *r)
{
    return atomic_load(&r->n);
}
