/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes that strangers may make us keep; see budget.h. */
#include "config.h"

#include "lib/base/budget.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "lib/base/map.h"

struct rk_budget_key {
    _Atomic size_t used;
    size_t shares; /* guarded by the budget's lock */
    size_t name_n;
    char name[RK_BUDGET_KEY_MAX];
};

struct rk_budget {
    size_t max, max_key;
    _Atomic size_t used;
    atomic_bool high; /* more than an eighth was held since the last fall */
    void (*fell)(void *arg);
    void *fell_arg;
    pthread_mutex_t lock; /* guards keys and their number of shares */
    struct rk_map keys;
};

struct rk_budget *rk_budget_new(size_t max_bytes, size_t max_key_bytes)
{
    struct rk_budget *b = rk_calloc(1, sizeof *b);

    b->max = max_bytes;
    b->max_key = max_key_bytes;
    (void)pthread_mutex_init(&b->lock, NULL);
    rk_map_init(&b->keys, true);
    return b;
}

void rk_budget_free(struct rk_budget *b)
{
    struct rk_str key;
    size_t pos = 0;
    void *value;

    if (!b)
        return;
    while (rk_map_next(&b->keys, &pos, &key, &value))
        free(value);
    rk_map_done(&b->keys);
    (void)pthread_mutex_destroy(&b->lock);
    free(b);
}

void rk_budget_join(struct rk_budget *b, struct rk_str key, struct rk_budget_share *s)
{
    struct rk_budget_key *k;

    *s = (struct rk_budget_share){.budget = b};
    if (!b || !key.n || key.n > RK_BUDGET_KEY_MAX)
        return;
    (void)pthread_mutex_lock(&b->lock);
    k = rk_map_get(&b->keys, key);
    if (!k) {
        k = rk_calloc(1, sizeof *k);
        k->name_n = key.n;
        memcpy(k->name, key.p, key.n);
        (void)rk_map_put(&b->keys, rk_str_of(k->name, k->name_n), k);
    }
    k->shares++;
    (void)pthread_mutex_unlock(&b->lock);
    s->key = k;
}

void rk_budget_leave(struct rk_budget_share *s)
{
    struct rk_budget *b = s->budget;
    struct rk_budget_key *k = s->key;

    if (!b)
        return;
    (void)rk_budget_hold(s, 0);
    *s = (struct rk_budget_share){0};
    if (!k)
        return;
    (void)pthread_mutex_lock(&b->lock);
    if (--k->shares == 0)
        free(rk_map_del(&b->keys, rk_str_of(k->name, k->name_n)));
    (void)pthread_mutex_unlock(&b->lock);
}

static enum rk_budget_level level_of(size_t used, size_t max)
{
    return used >= max ? RK_BUDGET_FULL : used >= max / 2 ? RK_BUDGET_TIGHT : RK_BUDGET_ROOM;
}

enum rk_budget_level rk_budget_level(const struct rk_budget_share *s)
{
    enum rk_budget_level all, mine = RK_BUDGET_ROOM;

    if (!s->budget)
        return RK_BUDGET_ROOM;
    all = level_of(atomic_load(&s->budget->used), s->budget->max);
    if (s->key)
        mine = level_of(atomic_load(&s->key->used), s->budget->max_key);
    return all > mine ? all : mine;
}

void rk_budget_on_fall(struct rk_budget *b, void (*fell)(void *arg), void *arg)
{
    b->fell = fell;
    b->fell_arg = arg;
}

static void tell_fall(struct rk_budget *b, size_t used)
{
    if (used > b->max / 8)
        atomic_store_explicit(&b->high, true, memory_order_relaxed);
    else if (used < b->max / 32 && b->fell &&
             atomic_load_explicit(&b->high, memory_order_relaxed) &&
             atomic_exchange(&b->high, false))
        b->fell(b->fell_arg);
}

enum rk_budget_level rk_budget_hold(struct rk_budget_share *s, size_t n)
{
    size_t more = n - s->held; /* wraps around when it is less, and so does the sum */

    if (!s->budget)
        return RK_BUDGET_ROOM;
    if (more) {
        tell_fall(s->budget, atomic_fetch_add(&s->budget->used, more) + more);
        if (s->key)
            (void)atomic_fetch_add(&s->key->used, more);
        s->held = n;
    }
    return rk_budget_level(s);
}

bool rk_budget_short(const struct rk_budget_share *s)
{
    enum rk_budget_level level = rk_budget_level(s);

    return level == RK_BUDGET_FULL || (level == RK_BUDGET_TIGHT && s->held > RK_BUDGET_MUCH);
}

size_t rk_budget_used(const struct rk_budget *b)
{
    return b ? atomic_load(&b->used) : 0;
}
