/* SPDX-License-Identifier: BSD-3-Clause */
/* See bits.h. */
#include "config.h"

#include "management/snapshot/bits.h"

#include <stdlib.h>
#include <string.h>

static uint32_t min_words(const struct bits *a, const struct bits *b)
{
    return a->n < b->n ? a->n : b->n;
}

void bits_done(struct bits *b)
{
    free(b->w);
    *b = (struct bits){0};
}

void bits_reserve(struct bits *b, size_t n_bits)
{
    size_t words = n_bits / 64 + (n_bits % 64 != 0);

    if (words <= b->n)
        return;
    b->w = rk_realloc(b->w, words, sizeof *b->w);
    memset(b->w + b->n, 0, (words - b->n) * sizeof *b->w);
    b->n = (uint32_t)words;
}

void bits_clear(struct bits *b)
{
    if (b->n > 0)
        memset(b->w, 0, b->n * sizeof *b->w);
}

void bits_set(struct bits *b, uint32_t i)
{
    if (i / 64 >= b->n)
        bits_reserve(b, (size_t)i + 1);
    b->w[i / 64] |= UINT64_C(1) << (i % 64);
}

void bits_unset(struct bits *b, uint32_t i)
{
    if (i / 64 < b->n)
        b->w[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

void bits_or(struct bits *b, const struct bits *other)
{
    bits_reserve(b, (size_t)other->n * 64);
    for (uint32_t i = 0; i < other->n; i++)
        b->w[i] |= other->w[i];
}

void bits_or_and(struct bits *b, const struct bits *x, const struct bits *y)
{
    uint32_t n = min_words(x, y);

    bits_reserve(b, (size_t)n * 64);
    for (uint32_t i = 0; i < n; i++)
        b->w[i] |= x->w[i] & y->w[i];
}

void bits_and(struct bits *b, const struct bits *other)
{
    uint32_t n = min_words(b, other);

    for (uint32_t i = 0; i < n; i++)
        b->w[i] &= other->w[i];
    for (uint32_t i = n; i < b->n; i++)
        b->w[i] = 0;
}

void bits_andnot(struct bits *b, const struct bits *other)
{
    uint32_t n = min_words(b, other);

    for (uint32_t i = 0; i < n; i++)
        b->w[i] &= ~other->w[i];
}

void bits_copy(struct bits *to, const struct bits *from)
{
    bits_reserve(to, (size_t)from->n * 64);
    if (from->n > 0)
        memcpy(to->w, from->w, from->n * sizeof *to->w);
    for (uint32_t i = from->n; i < to->n; i++)
        to->w[i] = 0;
}

bool bits_any(const struct bits *b)
{
    for (uint32_t i = 0; i < b->n; i++)
        if (b->w[i])
            return true;
    return false;
}

bool bits_meet(const struct bits *a, const struct bits *b)
{
    uint32_t n = min_words(a, b);

    for (uint32_t i = 0; i < n; i++)
        if (a->w[i] & b->w[i])
            return true;
    return false;
}

static bool zero_from(const struct bits *b, uint32_t i)
{
    for (; i < b->n; i++)
        if (b->w[i])
            return false;
    return true;
}

bool bits_eq(const struct bits *a, const struct bits *b)
{
    uint32_t n = min_words(a, b);

    if (n > 0 && memcmp(a->w, b->w, n * sizeof *a->w) != 0)
        return false;
    return zero_from(a, n) && zero_from(b, n);
}

bool bits_within(const struct bits *a, const struct bits *b)
{
    uint32_t n = min_words(a, b);

    for (uint32_t i = 0; i < n; i++)
        if (a->w[i] & ~b->w[i])
            return false;
    return zero_from(a, n);
}

size_t bits_count(const struct bits *b)
{
    size_t count = 0;

    for (uint32_t i = 0; i < b->n; i++)
        count += (size_t)__builtin_popcountll(b->w[i]);
    return count;
}

uint32_t bits_next(const struct bits *b, uint32_t from)
{
    uint32_t i = from / 64;
    uint64_t w;

    if (from == BITS_END || i >= b->n)
        return BITS_END;
    w = b->w[i] & (~UINT64_C(0) << (from % 64));
    while (w == 0) {
        if (++i >= b->n)
            return BITS_END;
        w = b->w[i];
    }
    return i * 64 + (uint32_t)__builtin_ctzll(w);
}
