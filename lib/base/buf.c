/* SPDX-License-Identifier: BSD-3-Clause */
/* Growing byte buffer with a maximum; see buf.h. */
#include "config.h"

#include "lib/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void rk_buf_init(struct rk_buf *b, size_t max_bytes)
{
    *b = (struct rk_buf){.max = max_bytes};
}

void rk_buf_done(struct rk_buf *b)
{
    free(b->p);
    *b = (struct rk_buf){.max = b->max};
}

char *rk_buf_room(struct rk_buf *b, size_t n)
{
    if (b->full || n > b->max - b->n) {
        b->full = true;
        return NULL;
    }
    if (n > b->cap - b->n) {
        size_t cap = b->cap ? b->cap : 256;

        while (cap - b->n < n)
            cap = cap > b->max / 2 ? b->max : cap * 2;
        b->p = rk_realloc(b->p, cap, 1);
        b->cap = cap;
    }
    return b->p + b->n;
}

void rk_buf_added(struct rk_buf *b, size_t n)
{
    b->n += n;
}

void rk_buf_add(struct rk_buf *b, struct rk_str s)
{
    char *p = s.n ? rk_buf_room(b, s.n) : NULL;

    if (p) {
        memcpy(p, s.p, s.n);
        b->n += s.n;
    }
}

void rk_buf_addz(struct rk_buf *b, const char *z)
{
    rk_buf_add(b, rk_str_z(z));
}

void rk_buf_addc(struct rk_buf *b, char c)
{
    rk_buf_add(b, rk_str_of(&c, 1));
}

void rk_buf_printf(struct rk_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    char *p;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    p = n < 0 ? NULL : rk_buf_room(b, (size_t)n + 1); /* vsnprintf writes a NUL behind */
    if (p) {
        (void)vsnprintf(p, (size_t)n + 1, fmt, again);
        b->n += (size_t)n;
    }
    va_end(again);
}

void rk_buf_drop(struct rk_buf *b, size_t n)
{
    b->n -= n;
    if (b->n)
        memmove(b->p, b->p + n, b->n);
}

void rk_buf_clear(struct rk_buf *b)
{
    b->n = 0;
    b->full = false;
}
