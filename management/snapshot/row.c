/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows: one entity each, in one block, counted; see state.h. */
#include "config.h"

#include <stdlib.h>

#include "management/snapshot/state.h"

struct row *row_new(enum entity_kind k, const void *entity)
{
    struct row *r;

    _Static_assert(sizeof(struct row) <= ROW_HEAD, "the head must hold a row");
    r = entity_dup_block(k, entity, ROW_HEAD);
    r->refs = 1;
    r->kind = k;
    r->index = NO_INDEX;
    r->id = entity_id(k, row_entity(r));
    return r;
}

struct row *row_ref(const struct row *r)
{
    struct row *w = (struct row *)(uintptr_t)r;

    atomic_fetch_add_explicit(&w->refs, 1, memory_order_relaxed);
    return w;
}

void row_unref(const struct row *r)
{
    struct row *w = (struct row *)(uintptr_t)r;

    if (w && atomic_fetch_sub_explicit(&w->refs, 1, memory_order_acq_rel) == 1)
        free(w);
}
