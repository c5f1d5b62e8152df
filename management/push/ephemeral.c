/* SPDX-License-Identifier: BSD-3-Clause */
/* See ephemeral.h. */
#include "config.h"

#include "management/push/ephemeral.h"

void ephemeral_init(struct ephemeral_list *l)
{
    rk_heap_init(&l->by_deadline);
}

void ephemeral_done(struct ephemeral_list *l)
{
    rk_heap_done(&l->by_deadline);
}

void ephemeral_start(struct ephemeral_list *l, struct rk_heap_node *peer, int64_t now_ms)
{
    rk_heap_set(&l->by_deadline, peer, now_ms + EPHEMERAL_LIFETIME_MS);
}

void ephemeral_stop(struct ephemeral_list *l, struct rk_heap_node *peer)
{
    rk_heap_remove(&l->by_deadline, peer);
}

int64_t ephemeral_next_run(const struct ephemeral_list *l)
{
    const struct rk_heap_node *first = rk_heap_min(&l->by_deadline);

    return first ? first->key + EPHEMERAL_WINDOW_MS : INT64_MAX;
}

struct rk_heap_node *ephemeral_take(struct ephemeral_list *l, int64_t now_ms)
{
    struct rk_heap_node *first = rk_heap_min(&l->by_deadline);

    if (!first || first->key > now_ms)
        return NULL;
    rk_heap_remove(&l->by_deadline, first);
    return first;
}
