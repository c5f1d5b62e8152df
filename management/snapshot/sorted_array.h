/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct parr: a persistent sorted array. Versions share chunks by reference count; a change copies
 * one chunk and the directory. Nodes that the current edit has made itself (`owner`) are changed in
 * place, so many changes in one edit cost little. Immutable and shareable once the edit is over.
 *
 *   parr ->  [chunk][chunk][chunk]   each: up to per_chunk items, all sorted by ops->cmp
 */
#ifndef MGMT_NETMAP_PARR_H
#define MGMT_NETMAP_PARR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct parr_ops {
    size_t item_size;
    uint32_t per_chunk;
    int (*cmp)(const void *key, const void *item);
    void (*ref)(const void *item);   /* NULL: items own nothing */
    void (*unref)(const void *item); /* NULL likewise */
};

struct parr_chunk;

struct parr { /* NULL is the empty array */
    _Atomic uint32_t refs;
    uint32_t n_chunks, cap;
    uint64_t owner;
    size_t count;
    const struct parr_ops *ops;
    struct parr_chunk *chunk[];
};

struct parr *parr_ref(struct parr *a); /* accepts NULL */
void parr_unref(struct parr *a);       /* accepts NULL */

static inline size_t parr_count(const struct parr *a)
{
    return a ? a->count : 0;
}

/** Item equal to key, or NULL; lent as long as the version lives. */
const void *parr_find(const struct parr *a, const void *key);

/** Position for walking: first item not less than key (NULL key: the first of all). */
struct parr_pos {
    uint32_t chunk, at;
};
struct parr_pos parr_lower(const struct parr *a, const void *key);
/** Item at the position, which then moves on; NULL at the end. */
const void *parr_next(const struct parr *a, struct parr_pos *pos);

/** Insert, or replace the item equal to key. The item is copied and its reference taken over (the
 *  caller's). *a may move. owner: number of this edit, never 0. */
void parr_put(struct parr **a, const struct parr_ops *ops, uint64_t owner, const void *key,
              const void *item);

/** Remove; false when it was not in. */
bool parr_del(struct parr **a, uint64_t owner, const void *key);

#endif
