/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sticky big-endian reader of network bytes: after the first shortage `bad` is set and every call
 * gives zero or NULL; check once at the end. Borrows its input.
 */
#ifndef RK_BASE_RD_H
#define RK_BASE_RD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

struct rk_rd {
    const uint8_t *p;
    size_t left;
    bool bad;
};

static inline struct rk_rd rk_rd_of(struct rk_str s)
{
    return (struct rk_rd){(const uint8_t *)s.p, s.n, false};
}

/** n bytes as a borrowed pointer; NULL once the reader has failed (n == 0 gives a non-NULL
 *  pointer only when the input has one). */
static inline const uint8_t *rk_rd_take(struct rk_rd *r, size_t n)
{
    const uint8_t *p = r->p;

    if (r->bad || n > r->left) {
        r->bad = true;
        return NULL;
    }
    if (n) {
        r->p += n;
        r->left -= n;
    }
    return p;
}

static inline uint8_t rk_rd_u8(struct rk_rd *r)
{
    const uint8_t *p = rk_rd_take(r, 1);

    return p ? p[0] : 0;
}

static inline uint16_t rk_rd_u16(struct rk_rd *r)
{
    const uint8_t *p = rk_rd_take(r, 2);

    return (uint16_t)(p ? p[0] << 8 | p[1] : 0);
}

static inline uint32_t rk_rd_u32(struct rk_rd *r)
{
    const uint8_t *p = rk_rd_take(r, 4);

    return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static inline uint64_t rk_rd_u64(struct rk_rd *r)
{
    uint64_t hi = rk_rd_u32(r);

    return hi << 32 | rk_rd_u32(r);
}

/** The next n bytes as a view (empty once failed). */
static inline struct rk_str rk_rd_str(struct rk_rd *r, size_t n)
{
    const uint8_t *p = rk_rd_take(r, n);

    return p ? rk_str_of(p, n) : (struct rk_str){0};
}

/** All that is left (may be empty). */
static inline struct rk_str rk_rd_rest(struct rk_rd *r)
{
    return rk_rd_str(r, r->bad ? 0 : r->left);
}

static inline void rk_rd_skip(struct rk_rd *r, size_t n)
{
    (void)rk_rd_take(r, n);
}

#endif
