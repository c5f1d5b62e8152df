/* SPDX-License-Identifier: BSD-3-Clause */
/* See sshauth.h. */
#include "config.h"

#include "management/netmap/sshauth.h"

#include <stdlib.h>

#include "lib/crypto/hash.h"
#include "management/netmap/view.h"
#include "management/snapshot/pb.h"
#include "management/snapshot/plan.h"
#include "management/snapshot/user_plan.h"

/* Local accounts and who may use them. Users are numbers below n_users; the id of a rule's single
 * user, who may be no active user any more, gets a number behind them. */
struct login {
    struct rk_str name;
    struct bits users;
};

struct logins {
    const struct snapshot *s;
    const struct user_plan *plan;
    struct login *v;
    uint32_t n;
    size_t cap;
    struct rk_str *strangers;
    uint32_t n_strangers;
    size_t cap_strangers;
    struct rk_arena *mem;
};

static struct bits *login_of(struct logins *l, struct rk_str name)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (rk_str_eq(l->v[i].name, name))
            return &l->v[i].users;
    l->v = rk_arena_grow(l->mem, l->v, l->n, &l->cap, sizeof *l->v);
    l->v[l->n] = (struct login){.name = name};
    return &l->v[l->n++].users;
}

static void admit_everybody(struct logins *l)
{
    struct bits *b = login_of(l, RK_STR("*"));

    bits_clear(b); /* replaces whom earlier rules named */
    for (uint32_t i = 0; i < l->plan->n_users; i++)
        bits_set(b, i);
}

static uint32_t number_of(struct logins *l, struct rk_str id)
{
    for (uint32_t i = 0; i < l->plan->n_users; i++)
        if (rk_str_eq(l->plan->users[i].u->id, id))
            return i;
    for (uint32_t i = 0; i < l->n_strangers; i++)
        if (rk_str_eq(l->strangers[i], id))
            return l->plan->n_users + i;
    l->strangers = rk_arena_grow(l->mem, l->strangers, l->n_strangers, &l->cap_strangers,
                                 sizeof *l->strangers);
    l->strangers[l->n_strangers++] = id;
    return l->plan->n_users + l->n_strangers - 1;
}

static void admit_group(struct logins *l, const struct authorized_group *g)
{
    static const struct rk_str ANY = {"*", 1};
    const struct rk_str *names = g->names.n ? g->names.v : &ANY;
    bool everybody = rk_str_eq(g->group_id, l->plan->all_id) && g->group_id.n > 0;
    uint32_t n;
    const uint32_t *users = user_plan_group(l->plan, g->group_id, &n);

    if (everybody)
        n = l->plan->n_users;
    if (n == 0 || !snap_group(l->s, g->group_id)) /* a deleted group authorises nobody */
        return;
    for (size_t i = 0; i < (g->names.n ? g->names.n : 1); i++) {
        struct bits *b = login_of(l, names[i]);

        for (uint32_t k = 0; k < n; k++)
            bits_set(b, everybody ? k : users[k]);
    }
}

static void admit_by_rule(struct logins *l, const struct rule *r)
{
    if (r->protocol != PROTO_SSH) {
        admit_everybody(l);
    } else if (r->n_authorized > 0) {
        for (size_t i = 0; i < r->n_authorized; i++)
            admit_group(l, &r->authorized[i]);
    } else if (r->authorized_user.n > 0) {
        bits_set(login_of(l, RK_STR("*")), number_of(l, r->authorized_user));
    } else {
        admit_everybody(l);
    }
}

/* AuthorizedUsers: the hashes of all users that occur; position[i] is where user i stands. */
static void put_hashes(const struct logins *l, const struct bits *all, uint32_t *position,
                       struct rk_buf *out)
{
    uint32_t n = 0;

    for (BITS_EACH(i, all)) {
        uint8_t hash[SSH_HASH_SIZE];

        if (i < l->plan->n_users)
            memcpy(hash, l->plan->users[i].hash, sizeof hash);
        else
            hash_blake2b128(l->strangers[i - l->plan->n_users], hash);
        pb_str_always(out, 2, rk_str_of(hash, sizeof hash));
        position[i] = n++;
    }
}

static void put_login(const struct login *login, const uint32_t *position, struct rk_buf *out)
{
    size_t entry = pb_begin(out, 3), indexes, packed;

    pb_str(out, 1, login->name);
    indexes = pb_begin(out, 2);
    if (bits_any(&login->users)) {
        packed = pb_begin(out, 1);
        for (BITS_EACH(i, &login->users))
            pb_varint(out, position[i]);
        pb_end(out, packed);
    }
    pb_end(out, indexes);
    pb_end(out, entry);
}

static int cmp_login(const void *a, const void *b)
{
    return rk_str_cmp(((const struct login *)a)->name, ((const struct login *)b)->name);
}

void sshauth_put(const struct view *v, struct rk_str user_claim, struct rk_buf *out)
{
    struct logins l = {.s = v->s, .plan = v->s->users, .mem = rk_arena_new(0)};
    size_t msg = pb_begin(out, 13);
    struct bits all = {0};
    uint32_t *position;

    for (uint32_t i = 0; i < v->n_hits; i++) {
        const struct plan_rule *r = &v->s->plan->rules[v->hits[i].rule];

        if (view_hit_ssh(v, &v->hits[i]))
            admit_by_rule(&l, r->r);
    }
    if (l.n > 0)
        qsort(l.v, l.n, sizeof *l.v, cmp_login);
    for (uint32_t i = 0; i < l.n; i++)
        bits_or(&all, &l.v[i].users);
    position = rk_new_n(l.mem, uint32_t, l.plan->n_users + l.n_strangers + 1);
    pb_str(out, 1, user_claim.n ? user_claim : RK_STR("sub"));
    put_hashes(&l, &all, position, out);
    for (uint32_t i = 0; i < l.n; i++) {
        put_login(&l.v[i], position, out);
        bits_done(&l.v[i].users);
    }
    pb_end(out, msg);
    bits_done(&all);
    rk_arena_free(l.mem);
}
