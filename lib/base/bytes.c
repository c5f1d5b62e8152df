/* SPDX-License-Identifier: BSD-3-Clause */
/* Reference-counted bytes; see bytes.h. */
#include "config.h"

#include "lib/base/bytes.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/num.h"

struct rk_bytes *rk_bytes_new(size_t n)
{
    struct rk_bytes *b;
    size_t size;

    if (!rk_add_size(sizeof *b, n, &size))
        abort();
    b = rk_malloc(size);
    atomic_init(&b->refs, 1);
    b->n = n;
    return b;
}

struct rk_bytes *rk_bytes_dup(struct rk_str s)
{
    struct rk_bytes *b = rk_bytes_new(s.n);

    if (s.n)
        memcpy(b->p, s.p, s.n);
    return b;
}

struct rk_bytes *rk_bytes_ref(struct rk_bytes *b)
{
    (void)atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void rk_bytes_unref(struct rk_bytes *b)
{
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        free(b);
}
