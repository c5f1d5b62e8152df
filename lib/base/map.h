/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct rk_map: open hash table from a byte string to a pointer. Keys are copied into the table's
 * own memory unless they are borrowed from the value (rk_map_put_borrowed). One thread at a time.
 */
#ifndef RK_BASE_MAP_H
#define RK_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

struct rk_map_slot {
    uint64_t hash; /* 0 empty, 1 deleted, else the hash with bit 63 set */
    struct rk_str key;
    void *value;
};

struct rk_map { /* open so that it can be embedded; use the functions */
    struct rk_map_slot *slots;
    size_t cap; /* power of two or 0 */
    size_t n;   /* entries */
    size_t used;
    bool borrowed_keys;
};

/** borrowed_keys: the caller keeps each key's bytes alive while it is in the table. */
void rk_map_init(struct rk_map *m, bool borrowed_keys);
void rk_map_done(struct rk_map *m); /* frees slots and copied keys, not values */

/** Value of a key or NULL. Lends. */
void *rk_map_get(const struct rk_map *m, struct rk_str key);

/** Set a key; returns the value that was there before, or NULL. value must not be NULL. */
void *rk_map_put(struct rk_map *m, struct rk_str key, void *value);

/** Remove a key; returns its value or NULL. */
void *rk_map_del(struct rk_map *m, struct rk_str key);

/** Iterate: *pos starts at 0; false at the end. The current entry may be removed while iterating,
 *  nothing may be added. */
bool rk_map_next(const struct rk_map *m, size_t *pos, struct rk_str *key, void **value);

#endif
