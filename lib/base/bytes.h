/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct rk_bytes: immutable bytes with a reference count, so that one message can wait in many
 * send queues without a copy. Any thread; the bytes must not change once a second owner has them.
 */
#ifndef RK_BASE_BYTES_H
#define RK_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

struct rk_bytes { /* open for reading */
    _Atomic uint32_t refs;
    size_t n;
    char p[];
};

/** n bytes, not zeroed, to be filled by the caller before it is shared. One reference, owned. */
struct rk_bytes *rk_bytes_new(size_t n);

/** A copy of s. One reference, owned. */
struct rk_bytes *rk_bytes_dup(struct rk_str s);

struct rk_bytes *rk_bytes_ref(struct rk_bytes *b); /* returns b */
void rk_bytes_unref(struct rk_bytes *b);           /* accepts NULL */

static inline struct rk_str rk_bytes_str(const struct rk_bytes *b)
{
    return rk_str_of(b->p, b->n);
}

#endif
