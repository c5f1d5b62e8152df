/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The work on one account in the batch that runs: its changes, the overlay that finds the latest
 * state of an entity among those that no snapshot shows yet, and the snapshots made from them.
 */
#include "config.h"

#include <assert.h>

#include "management/engine/engine_impl.h"

/* ---- snapshots of the batch */

void work_keep(struct lane *l, struct work *w, const struct snapshot *s)
{
    w->snaps =
        rk_arena_grow(l->mem, w->snaps, w->n_snaps, &w->cap_snaps, sizeof(const struct snapshot *));
    w->snaps[w->n_snaps++] = s;
    w->cur = s;
}

void work_apply(struct lane *l, struct work *w, size_t n)
{
    if (!w->cur || (w->n_applied == n && w->serial_applied == w->serial))
        return;
    work_keep(l, w, snap_apply(w->cur, w->changes + w->n_applied, n - w->n_applied, w->serial));
    w->n_applied = n;
    w->serial_applied = w->serial;
}

/* ---- the overlay */

/* Kind, id and, for memberships, the peer: unique among entities of an account. */
static struct rk_str overlay_key(struct rk_arena *mem, enum entity_kind kind, struct rk_str id,
                                 struct rk_str member)
{
    char *p = rk_arena_alloc(mem, id.n + member.n + 2);

    p[0] = (char)('A' + (int)kind);
    if (id.n)
        memcpy(p + 1, id.p, id.n);
    p[1 + id.n] = 0;
    if (member.n)
        memcpy(p + 2 + id.n, member.p, member.n);
    return rk_str_of(p, id.n + member.n + 2);
}

static struct rk_str change_key(struct rk_arena *mem, const struct change *c)
{
    const struct group_peer *gp = c->after ? c->after : c->before;

    return overlay_key(mem, c->kind, c->id,
                       c->kind == ENT_GROUP_PEER ? gp->peer_id : rk_str_of(NULL, 0));
}

static void overlay_set(struct work *w, struct rk_str key, size_t index)
{
    (void)rk_map_put(&w->overlay, key, (void *)(uintptr_t)(index + 1));
}

const struct change *work_latest(struct work *w, struct rk_arena *mem, enum entity_kind kind,
                                 struct rk_str id, struct rk_str member)
{
    uintptr_t index;

    if (w->n == 0)
        return NULL;
    index = (uintptr_t)rk_map_get(&w->overlay, overlay_key(mem, kind, id, member));
    return index ? &w->changes[index - 1] : NULL;
}

void work_truncate(struct work *w, struct rk_arena *mem, size_t n)
{
    if (n == w->n)
        return;
    assert(w->n_applied <= n);
    w->n = n;
    rk_map_done(&w->overlay);
    rk_map_init(&w->overlay, true);
    for (size_t i = 0; i < n; i++)
        overlay_set(w, change_key(mem, &w->changes[i]), i);
}

void work_record(struct work *w, struct rk_arena *mem, enum entity_kind kind, struct rk_str id,
                 const void *before, const void *after)
{
    w->changes = rk_arena_grow(mem, w->changes, w->n, &w->cap, sizeof *w->changes);
    w->changes[w->n] = (struct change){.kind = kind, .id = id, .before = before, .after = after};
    overlay_set(w, change_key(mem, &w->changes[w->n]), w->n);
    w->n++;
}
