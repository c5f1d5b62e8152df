/* SPDX-License-Identifier: BSD-3-Clause */
/* Binary min-heap of embedded nodes; see heap.h. */
#include "config.h"

#include "lib/base/heap.h"

#include <stdlib.h>

#include "lib/base/str.h"

void rk_heap_init(struct rk_heap *h)
{
    *h = (struct rk_heap){0};
}

void rk_heap_done(struct rk_heap *h)
{
    for (size_t i = 0; i < h->n; i++)
        h->v[i]->pos = 0;
    free(h->v);
    rk_heap_init(h);
}

static void place(struct rk_heap *h, size_t i, struct rk_heap_node *node)
{
    h->v[i] = node;
    node->pos = i + 1;
}

static void sift_up(struct rk_heap *h, size_t i, struct rk_heap_node *node)
{
    while (i > 0 && h->v[(i - 1) / 2]->key > node->key) {
        place(h, i, h->v[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(h, i, node);
}

static void sift_down(struct rk_heap *h, size_t i, struct rk_heap_node *node)
{
    for (;;) {
        size_t c = 2 * i + 1;

        if (c + 1 < h->n && h->v[c + 1]->key < h->v[c]->key)
            c++;
        if (c >= h->n || h->v[c]->key >= node->key)
            break;
        place(h, i, h->v[c]);
        i = c;
    }
    place(h, i, node);
}

/* Put node where it belongs, given that slot i is free for it. */
static void settle(struct rk_heap *h, size_t i, struct rk_heap_node *node)
{
    if (i > 0 && h->v[(i - 1) / 2]->key > node->key)
        sift_up(h, i, node);
    else
        sift_down(h, i, node);
}

void rk_heap_set(struct rk_heap *h, struct rk_heap_node *node, int64_t key)
{
    node->key = key;
    if (node->pos) {
        settle(h, node->pos - 1, node);
        return;
    }
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->v = rk_realloc(h->v, h->cap, sizeof(struct rk_heap_node *));
    }
    h->n++;
    sift_up(h, h->n - 1, node);
}

void rk_heap_remove(struct rk_heap *h, struct rk_heap_node *node)
{
    size_t i = node->pos;
    struct rk_heap_node *last;

    if (!i)
        return;
    node->pos = 0;
    last = h->v[--h->n];
    if (last != node)
        settle(h, i - 1, last);
}
