/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sticky big-endian writer into a fixed buffer: once something does not fit `bad` is set and
 * nothing more is written; check once at the end.
 */
#ifndef RK_BASE_WR_H
#define RK_BASE_WR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/str.h"

struct rk_wr {
    uint8_t *p; /* borrowed start */
    size_t n;   /* bytes written */
    size_t cap;
    bool bad;
};

static inline struct rk_wr rk_wr_of(void *p, size_t cap)
{
    return (struct rk_wr){(uint8_t *)p, 0, cap, false};
}

/** n bytes to fill in; NULL once failed. */
static inline uint8_t *rk_wr_room(struct rk_wr *w, size_t n)
{
    uint8_t *p;

    if (w->bad || n > w->cap - w->n) {
        w->bad = true;
        return NULL;
    }
    p = w->p + w->n;
    w->n += n;
    return p;
}

static inline void rk_wr_u8(struct rk_wr *w, unsigned v)
{
    uint8_t *p = rk_wr_room(w, 1);

    if (p)
        p[0] = (uint8_t)v;
}

static inline void rk_wr_u16(struct rk_wr *w, unsigned v)
{
    uint8_t *p = rk_wr_room(w, 2);

    if (p) {
        p[0] = (uint8_t)(v >> 8);
        p[1] = (uint8_t)v;
    }
}

static inline void rk_wr_u32(struct rk_wr *w, uint32_t v)
{
    rk_wr_u16(w, v >> 16);
    rk_wr_u16(w, v & 0xffff);
}

static inline void rk_wr_u64(struct rk_wr *w, uint64_t v)
{
    rk_wr_u32(w, (uint32_t)(v >> 32));
    rk_wr_u32(w, (uint32_t)v);
}

static inline void rk_wr_mem(struct rk_wr *w, const void *p, size_t n)
{
    uint8_t *d = rk_wr_room(w, n);

    if (d && n)
        memcpy(d, p, n);
}

static inline void rk_wr_str(struct rk_wr *w, struct rk_str s)
{
    rk_wr_mem(w, s.p, s.n);
}

static inline struct rk_str rk_wr_done(const struct rk_wr *w)
{
    return w->bad ? (struct rk_str){0} : rk_str_of(w->p, w->n);
}

#endif
