/* SPDX-License-Identifier: BSD-3-Clause */
/* See keycache.h. */
#include "config.h"

#include "management/rpc/keycache.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/map.h"

struct entry {
    struct rk_key peer;
    struct box_shared shared;
};

struct keycache {
    pthread_mutex_t lock; /* guards young and old */
    struct rk_map young, old;
    size_t max;
};

static struct rk_str key_of(const struct rk_key *peer)
{
    return rk_str_of(peer->b, sizeof peer->b);
}

static void entry_free(struct entry *e)
{
    if (e) {
        box_shared_wipe(&e->shared);
        free(e);
    }
}

static void drop_all(struct rk_map *m)
{
    struct rk_str key;
    void *value;

    for (size_t pos = 0; rk_map_next(m, &pos, &key, &value);)
        entry_free(value);
    rk_map_done(m);
    rk_map_init(m, true);
}

struct keycache *keycache_new(size_t max)
{
    struct keycache *c = rk_calloc(1, sizeof *c);

    (void)pthread_mutex_init(&c->lock, NULL);
    rk_map_init(&c->young, true);
    rk_map_init(&c->old, true);
    c->max = max ? max : 1;
    return c;
}

void keycache_free(struct keycache *c)
{
    if (!c)
        return;
    drop_all(&c->young);
    drop_all(&c->old);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

static void insert(struct keycache *c, struct entry *e)
{
    if (c->young.n >= c->max) {
        drop_all(&c->old);
        c->old = c->young;
        rk_map_init(&c->young, true);
    }
    (void)rk_map_put(&c->young, key_of(&e->peer), e);
}

bool keycache_get(struct keycache *c, const struct rk_key *peer, struct box_shared *out)
{
    struct entry *e;

    (void)pthread_mutex_lock(&c->lock);
    e = rk_map_get(&c->young, key_of(peer));
    if (!e && (e = rk_map_del(&c->old, key_of(peer))))
        insert(c, e);
    if (e)
        *out = e->shared;
    (void)pthread_mutex_unlock(&c->lock);
    return e != NULL;
}

void keycache_put(struct keycache *c, const struct rk_key *peer, const struct box_shared *shared)
{
    struct entry *e;

    (void)pthread_mutex_lock(&c->lock);
    e = rk_map_get(&c->young, key_of(peer));
    if (e) {
        e->shared = *shared;
    } else {
        entry_free(rk_map_del(&c->old, key_of(peer)));
        e = rk_malloc(sizeof *e);
        *e = (struct entry){.peer = *peer, .shared = *shared};
        insert(c, e);
    }
    (void)pthread_mutex_unlock(&c->lock);
}
