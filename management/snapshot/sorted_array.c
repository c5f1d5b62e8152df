/* SPDX-License-Identifier: BSD-3-Clause */
/* See sorted_array.h. */
#include "config.h"

#include "management/snapshot/sorted_array.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"

struct sorted_array_chunk {
    _Atomic uint32_t refs;
    uint32_t n;
    uint64_t owner;
    _Alignas(16) unsigned char items[];
};

static void *item_at(const struct sorted_array *a, const struct sorted_array_chunk *c, uint32_t i)
{
    return (void *)(uintptr_t)(c->items + i * a->ops->item_size);
}

static struct sorted_array_chunk *chunk_new(const struct sorted_array_ops *ops, uint64_t owner)
{
    struct sorted_array_chunk *c = rk_malloc(sizeof *c + ops->per_chunk * ops->item_size);

    c->refs = 1;
    c->n = 0;
    c->owner = owner;
    return c;
}

static void chunk_unref(const struct sorted_array *a, struct sorted_array_chunk *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (a->ops->unref)
        for (uint32_t i = 0; i < c->n; i++)
            a->ops->unref(item_at(a, c, i));
    free(c);
}

struct sorted_array *sorted_array_ref(struct sorted_array *a)
{
    if (a)
        atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

void sorted_array_unref(struct sorted_array *a)
{
    if (!a || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < a->n_chunks; i++)
        chunk_unref(a, a->chunk[i]);
    free(a);
}

/* First item of the chunk not less than key. */
static uint32_t lower_in(const struct sorted_array *a, const struct sorted_array_chunk *c,
                         const void *key)
{
    uint32_t lo = 0, hi = c->n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (a->ops->cmp(key, item_at(a, c, mid)) > 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* First chunk whose last item is not less than key; n_chunks when all are less. */
static uint32_t find_chunk(const struct sorted_array *a, const void *key)
{
    uint32_t lo = 0, hi = a->n_chunks;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct sorted_array_chunk *c = a->chunk[mid];

        if (a->ops->cmp(key, item_at(a, c, c->n - 1)) > 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct sorted_array_pos sorted_array_lower(const struct sorted_array *a, const void *key)
{
    struct sorted_array_pos pos = {0, 0};

    if (!a || !key)
        return pos;
    pos.chunk = find_chunk(a, key);
    if (pos.chunk < a->n_chunks)
        pos.at = lower_in(a, a->chunk[pos.chunk], key);
    return pos;
}

const void *sorted_array_next(const struct sorted_array *a, struct sorted_array_pos *pos)
{
    const void *item;

    if (!a || pos->chunk >= a->n_chunks)
        return NULL;
    item = item_at(a, a->chunk[pos->chunk], pos->at);
    if (++pos->at >= a->chunk[pos->chunk]->n)
        *pos = (struct sorted_array_pos){pos->chunk + 1, 0};
    return item;
}

const void *sorted_array_find(const struct sorted_array *a, const void *key)
{
    struct sorted_array_pos pos = sorted_array_lower(a, key);
    const void *item = sorted_array_next(a, &pos);

    return item && a->ops->cmp(key, item) == 0 ? item : NULL;
}

/* A directory of our own with room for one more chunk. */
static struct sorted_array *own(struct sorted_array *a, const struct sorted_array_ops *ops,
                                uint64_t owner)
{
    uint32_t n = a ? a->n_chunks : 0, cap = n + n / 2 + 4;
    struct sorted_array *b;

    if (a && a->owner == owner && a->n_chunks < a->cap)
        return a;
    b = rk_malloc(sizeof *b + cap * sizeof b->chunk[0]);
    b->refs = 1;
    b->n_chunks = n;
    b->cap = cap;
    b->owner = owner;
    b->count = a ? a->count : 0;
    b->ops = ops;
    for (uint32_t i = 0; i < n; i++) {
        b->chunk[i] = a->chunk[i];
        atomic_fetch_add_explicit(&b->chunk[i]->refs, 1, memory_order_relaxed);
    }
    sorted_array_unref(a);
    return b;
}

/* The i-th chunk as one of our own; a is ours. */
static struct sorted_array_chunk *own_chunk(struct sorted_array *a, uint32_t i)
{
    struct sorted_array_chunk *c = a->chunk[i], *copy;

    if (c->owner == a->owner)
        return c;
    copy = chunk_new(a->ops, a->owner);
    copy->n = c->n;
    memcpy(copy->items, c->items, c->n * a->ops->item_size);
    if (a->ops->ref)
        for (uint32_t k = 0; k < copy->n; k++)
            a->ops->ref(item_at(a, copy, k));
    chunk_unref(a, c);
    a->chunk[i] = copy;
    return copy;
}

static void insert_chunk(struct sorted_array *a, uint32_t at, struct sorted_array_chunk *c)
{
    memmove(a->chunk + at + 1, a->chunk + at, (a->n_chunks - at) * sizeof a->chunk[0]);
    a->chunk[at] = c;
    a->n_chunks++;
}

/* Split a full chunk of our own. A full last chunk that grows at its end stays full: ids mostly
 * ascend. */
static void split(struct sorted_array *a, uint32_t i, bool at_end)
{
    struct sorted_array_chunk *c = a->chunk[i], *d = chunk_new(a->ops, a->owner);
    uint32_t keep = at_end ? c->n : c->n / 2;

    d->n = c->n - keep;
    memcpy(d->items, item_at(a, c, keep), d->n * a->ops->item_size);
    c->n = keep;
    insert_chunk(a, i + 1, d);
}

void sorted_array_put(struct sorted_array **pa, const struct sorted_array_ops *ops, uint64_t owner,
                      const void *key, const void *item)
{
    struct sorted_array *a = *pa = own(*pa, ops, owner);
    uint32_t i = find_chunk(a, key), at;
    struct sorted_array_chunk *c;

    if (i == a->n_chunks) {
        if (i == 0)
            insert_chunk(a, 0, chunk_new(ops, owner));
        else
            i--;
    }
    c = own_chunk(a, i);
    at = lower_in(a, c, key);
    if (at < c->n && ops->cmp(key, item_at(a, c, at)) == 0) {
        if (ops->unref)
            ops->unref(item_at(a, c, at));
        memcpy(item_at(a, c, at), item, ops->item_size);
        return;
    }
    if (c->n == ops->per_chunk) {
        split(a, i, i + 1 == a->n_chunks && at == c->n);
        if (at > c->n || (at == c->n && a->chunk[i + 1]->n == 0)) {
            at -= c->n;
            c = a->chunk[i + 1];
        }
    }
    memmove(item_at(a, c, at + 1), item_at(a, c, at), (c->n - at) * ops->item_size);
    memcpy(item_at(a, c, at), item, ops->item_size);
    c->n++;
    a->count++;
}

bool sorted_array_del(struct sorted_array **pa, uint64_t owner, const void *key)
{
    struct sorted_array *a = *pa;
    struct sorted_array_chunk *c;
    struct sorted_array_pos pos;

    if (!sorted_array_find(a, key))
        return false;
    a = *pa = own(a, a->ops, owner);
    pos = sorted_array_lower(a, key);
    c = own_chunk(a, pos.chunk);
    if (a->ops->unref)
        a->ops->unref(item_at(a, c, pos.at));
    c->n--;
    memmove(item_at(a, c, pos.at), item_at(a, c, pos.at + 1), (c->n - pos.at) * a->ops->item_size);
    a->count--;
    if (c->n == 0) {
        chunk_unref(a, c);
        a->n_chunks--;
        memmove(a->chunk + pos.chunk, a->chunk + pos.chunk + 1,
                (a->n_chunks - pos.chunk) * sizeof a->chunk[0]);
    }
    return true;
}
