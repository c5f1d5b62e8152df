/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct bits: a set of small numbers (dense peer indexes) as 64-bit words. Grows on set; reading
 * past the end gives "not in". Plain memory, one thread at a time unless nobody writes.
 */
#ifndef MGMT_NETMAP_BITS_H
#define MGMT_NETMAP_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

struct bits { /* zero-initialised: empty */
    uint64_t *w;
    uint32_t n; /* words */
};

void bits_done(struct bits *b); /* frees; b is empty afterwards */

/** Make room for the numbers below n_bits (never shrinks). */
void bits_reserve(struct bits *b, size_t n_bits);

void bits_clear(struct bits *b); /* empty, memory kept */
void bits_set(struct bits *b, uint32_t i);
void bits_unset(struct bits *b, uint32_t i);

static inline bool bits_has(const struct bits *b, uint32_t i)
{
    return i / 64 < b->n && (b->w[i / 64] >> (i % 64) & 1);
}

void bits_or(struct bits *b, const struct bits *other);
void bits_or_and(struct bits *b, const struct bits *x, const struct bits *y); /* b |= x & y */
void bits_and(struct bits *b, const struct bits *other);
void bits_andnot(struct bits *b, const struct bits *other);
void bits_copy(struct bits *to, const struct bits *from);
bool bits_any(const struct bits *b);
bool bits_meet(const struct bits *a, const struct bits *b);   /* some number is in both */
bool bits_eq(const struct bits *a, const struct bits *b);     /* same numbers */
bool bits_within(const struct bits *a, const struct bits *b); /* a is a subset of b */
size_t bits_count(const struct bits *b);

#define BITS_END UINT32_MAX

/** Smallest member >= from, or BITS_END. */
uint32_t bits_next(const struct bits *b, uint32_t from);

/** for (BITS_EACH(i, b)) …; b must not change. */
#define BITS_EACH(i, b)                                                                            \
    uint32_t i = bits_next((b), 0);                                                                \
    i != BITS_END;                                                                                 \
    i = bits_next((b), i + 1)

#endif
