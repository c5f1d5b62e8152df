/* SPDX-License-Identifier: BSD-3-Clause */
/* Intrusive binary min-heap by an int64_t key (deadlines). One thread at a time. */
#ifndef RK_BASE_HEAP_H
#define RK_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rk_heap_node {
    int64_t key;
    size_t pos; /* 1-based index in the heap; 0: not in it */
};

struct rk_heap {
    struct rk_heap_node **v;
    size_t n, cap;
};

void rk_heap_init(struct rk_heap *h);
void rk_heap_done(struct rk_heap *h); /* nodes are the caller's */

/** Insert, or move a node that is in the heap already, to the given key. */
void rk_heap_set(struct rk_heap *h, struct rk_heap_node *node, int64_t key);

/** Take out; harmless when it is not in. */
void rk_heap_remove(struct rk_heap *h, struct rk_heap_node *node);

/** Smallest node or NULL; stays in. */
static inline struct rk_heap_node *rk_heap_min(const struct rk_heap *h)
{
    return h->n ? h->v[0] : NULL;
}

#endif
