/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct sorted_array: a persistent sorted array. Versions share chunks by reference count; a
 * change copies one chunk and the directory. Nodes that the current edit has made itself (`owner`)
 * are changed in place, so many changes in one edit cost little. Immutable and shareable once the
 * edit is over.
 *
 *   parr ->  [chunk][chunk][chunk]   each: up to per_chunk items, all sorted by ops->cmp
 */
#ifndef MGMT_NETMAP_PARR_H
#define MGMT_NETMAP_PARR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sorted_array_ops {
    size_t item_size;
    uint32_t per_chunk;
    int (*cmp)(const void *key, const void *item);
    void (*ref)(const void *item);   /* NULL: items own nothing */
    void (*unref)(const void *item); /* NULL likewise */
};

struct sorted_array_chunk;

struct sorted_array { /* NULL is the empty array */
    _Atomic uint32_t refs;
    uint32_t n_chunks, cap;
    uint64_t owner;
    size_t count;
    const struct sorted_array_ops *ops;
    struct sorted_array_chunk *chunk[];
};

struct sorted_array *sorted_array_ref(struct sorted_array *a); /* accepts NULL */
void sorted_array_unref(struct sorted_array *a);               /* accepts NULL */

static inline size_t sorted_array_count(const struct sorted_array *a)
{
    return a ? a->count : 0;
}

/** Item equal to key, or NULL; lent as long as the version lives. */
const void *sorted_array_find(const struct sorted_array *a, const void *key);

/** Position for walking: first item not less than key (NULL key: the first of all). */
struct sorted_array_pos {
    uint32_t chunk, at;
};
struct sorted_array_pos sorted_array_lower(const struct sorted_array *a, const void *key);
/** Item at the position, which then moves on; NULL at the end. */
const void *sorted_array_next(const struct sorted_array *a, struct sorted_array_pos *pos);

/** Insert, or replace the item equal to key. The item is copied and its reference taken over (the
 *  caller's). *a may move. owner: number of this edit, never 0. */
void sorted_array_put(struct sorted_array **a, const struct sorted_array_ops *ops, uint64_t owner,
                      const void *key, const void *item);

/** Remove; false when it was not in. */
bool sorted_array_del(struct sorted_array **a, uint64_t owner, const void *key);

#endif
