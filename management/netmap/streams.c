/* SPDX-License-Identifier: BSD-3-Clause */
/* See streams.h. */
#include "config.h"

#include "management/netmap/streams.h"

static uint32_t n_words(const struct snapshot *s, const struct bits *peers)
{
    uint32_t pages = s->pages ? s->pages->n : 0;

    return peers->n < pages ? peers->n : pages;
}

/* The next run of set bits of w: *from … *to; w loses them. Free slots between them have no bytes,
 * so the caller may treat them as set. */
static void next_run(uint64_t *w, uint64_t used, unsigned *from, unsigned *to)
{
    uint64_t gaps;

    *from = (unsigned)__builtin_ctzll(*w);
    gaps = ~(*w | ~used) & (~UINT64_C(0) << *from);
    *to = gaps ? (unsigned)__builtin_ctzll(gaps) : 64;
    *w = *to == 64 ? 0 : *w & (~UINT64_C(0) << *to);
}

size_t streams_size(const struct snapshot *s, enum stream_kind k, const struct bits *peers)
{
    size_t size = 0;

    for (uint32_t i = 0, n = n_words(s, peers); i < n; i++) {
        const struct page *p = s->pages->page[i];
        uint64_t w = peers->w[i] & p->used;

        while (w) {
            const struct stream *st = &p->derived->stream[k];
            unsigned from, to;

            next_run(&w, p->used, &from, &to);
            size += st->off[to] - st->off[from];
        }
    }
    return size;
}

void streams_put(const struct snapshot *s, enum stream_kind k, const struct bits *peers,
                 struct rk_buf *out)
{
    for (uint32_t i = 0, n = n_words(s, peers); i < n; i++) {
        const struct page *p = s->pages->page[i];
        uint64_t w = peers->w[i] & p->used;

        while (w) {
            const struct stream *st = &p->derived->stream[k];
            unsigned from, to;

            next_run(&w, p->used, &from, &to);
            rk_buf_add(out, rk_str_of(st->p + st->off[from], st->off[to] - st->off[from]));
        }
    }
}
