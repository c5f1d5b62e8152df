/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct rk_buf: a growing byte buffer with a maximum given at init. Past the maximum it stays
 * `full` and ignores further appends (sticky): check once at the end. One thread at a time.
 */
#ifndef RK_BASE_BUF_H
#define RK_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/str.h"

struct rk_buf { /* open: callers read p and n */
    char *p;
    size_t n;
    size_t cap;
    size_t max; /* bytes; 0 means no append ever fits */
    bool full;
};

void rk_buf_init(struct rk_buf *b, size_t max_bytes);
void rk_buf_done(struct rk_buf *b); /* frees the memory; b may be used again after init */

/** Room for n more bytes (not counted yet); NULL when full. Then rk_buf_added(b, used). */
char *rk_buf_room(struct rk_buf *b, size_t n);
void rk_buf_added(struct rk_buf *b, size_t n);

void rk_buf_add(struct rk_buf *b, struct rk_str s);
void rk_buf_addz(struct rk_buf *b, const char *z);
void rk_buf_addc(struct rk_buf *b, char c);
void rk_buf_printf(struct rk_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Drop n bytes from the front (n <= b->n). Moves the rest; O(rest). */
void rk_buf_drop(struct rk_buf *b, size_t n);

/** Empty, memory kept. */
void rk_buf_clear(struct rk_buf *b);

static inline struct rk_str rk_buf_str(const struct rk_buf *b)
{
    return rk_str_of(b->p, b->n);
}

#endif
