/* SPDX-License-Identifier: BSD-3-Clause */
/* See user_plan.h. */
#include "config.h"

#include "management/snapshot/user_plan.h"

#include <stdlib.h>

#include "lib/crypto/hash.h"
#include "management/snapshot/plan.h"

_Static_assert(SSH_HASH_SIZE == HASH_BLAKE2B128_SIZE, "the wire form of user ids");

static void add_to_group(struct user_plan *u, struct rk_str group, uint32_t user)
{
    struct ssh_members *m = rk_map_get(&u->by_group, group);

    if (!m) {
        m = rk_new(u->mem, struct ssh_members);
        rk_map_put(&u->by_group, group, m);
    }
    if (m->n > 0 && m->v[m->n - 1] == user)
        return;
    m->v = rk_arena_grow(u->mem, m->v, m->n, &m->cap, sizeof *m->v);
    m->v[m->n++] = user;
}

static struct user_plan *user_plan_new(const struct snapshot *s)
{
    struct user_plan *u = rk_calloc(1, sizeof *u);
    const struct user *user;

    u->refs = 1;
    u->mem = rk_arena_new(0);
    u->keep = sorted_array_ref(s->tab[ENT_USER]);
    rk_map_init(&u->by_group, true);
    if (s->all_group != NO_INDEX)
        u->all_id = rk_arena_dup(u->mem, s->groups->g[s->all_group]->row->id);
    u->users = rk_new_n(u->mem, struct ssh_user, snap_count(s, ENT_USER) + 1);
    for (struct snap_iter it = snap_iter(s, ENT_USER); (user = snap_next(&it)) != NULL;) {
        uint32_t i = u->n_users;

        if (!user_is_active_human(user))
            continue;
        u->users[u->n_users++].u = user;
        hash_blake2b128(user->id, u->users[i].hash);
        for (size_t k = 0; k < user->auto_groups.n; k++)
            add_to_group(u, user->auto_groups.v[k], i);
    }
    return u;
}

void user_plan_update(struct snapshot *s)
{
    struct user_plan *old = s->users;
    struct rk_str all = {0};

    if (s->all_group != NO_INDEX)
        all = s->groups->g[s->all_group]->row->id;
    if (old && old->keep == s->tab[ENT_USER] && rk_str_eq(old->all_id, all))
        return;
    s->users = user_plan_new(s);
    user_plan_unref(old);
}

struct user_plan *user_plan_ref(struct user_plan *u)
{
    atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed);
    return u;
}

void user_plan_unref(struct user_plan *u)
{
    if (!u || atomic_fetch_sub_explicit(&u->refs, 1, memory_order_acq_rel) != 1)
        return;
    rk_map_done(&u->by_group);
    sorted_array_unref(u->keep);
    rk_arena_free(u->mem);
    free(u);
}

const uint32_t *user_plan_group(const struct user_plan *u, struct rk_str group_id, uint32_t *n)
{
    const struct ssh_members *m = rk_map_get(&u->by_group, group_id);

    *n = m ? m->n : 0;
    return m ? m->v : NULL;
}
