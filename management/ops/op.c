/* SPDX-License-Identifier: BSD-3-Clause */
/* What all operations share; see op.h. */
#include "config.h"

#include "management/ops/op.h"

#include "lib/base/num.h"
#include "lib/json/json.h"

#define META_MAX ((size_t)64 << 10) /* an event is a line, not a document */

enum rk_code op_init(struct op *op, struct mgmt *m, struct db *db, struct rk_arena *mem,
                     const struct snapshot *snap, struct rk_str user_id, struct rk_err *err)
{
    const struct user *u = snap_user(snap, user_id);

    if (!u) {
        snap_unref(snap);
        return rk_fail(err, RK_NOT_FOUND, "user: %.*s not found", RK_STR_ARG(user_id));
    }
    *op = (struct op){.m = m, .db = db, .mem = mem, .snap = snap, .user = u};
    op->actor = (struct actor){.id = u->id, .user = u};
    op->needs = rk_new_n(mem, unsigned char, PERM_MODULES);
    return RK_OK;
}

void op_done(struct op *op)
{
    snap_unref(op->snap);
    *op = (struct op){0};
}

enum rk_code op_may(const struct op *op, enum perm_module m, enum perm_op what, struct rk_err *err)
{
    enum rk_code rc = op->pretend ? RK_OK : perm_check(op->user, m, what, err);

    if (rc == RK_OK && op->needs)
        op->needs[m] |= (unsigned char)what;
    return rc;
}

enum rk_code op_refresh(struct op *op, struct rk_err *err)
{
    const struct snapshot *now = NULL;
    const struct user *u;
    enum rk_code rc = RK_OK;

    if (op->tx) {
        tx_show_own(op->tx);
        now = snap_ref(op->tx->snap);
    } else if (op->trial && op->trial->after) {
        now = snap_ref(op->trial->after);
    } else {
        rc = mgmt_snapshot(op->m, op_account(op), &now, err);
    }
    if (rc)
        return rc;
    u = snap_user(now, op->user->id);
    if (!u) { /* the caller has just been deleted: finish the request as who they were */
        u = (const struct user *)entity_dup(op->mem, ENT_USER, op->user);
    }
    snap_unref(op->snap);
    op->snap = now;
    op->user = u;
    op->actor = (struct actor){.id = u->id, .user = u};
    return RK_OK;
}

struct guarded { /* arena: the engine may look at the actor until the commit */
    const struct op *op;
    mgmt_fn *fn;
    void *arg;
    struct actor actor;
};

static enum rk_code may_still(const struct op *op, const struct user *u, struct rk_err *err)
{
    enum rk_code rc = perm_check_active(u, err);

    for (unsigned m = 0; op->needs && !op->pretend && m < PERM_MODULES && rc == RK_OK; m++)
        for (unsigned bit = PERM_CREATE; bit <= PERM_DELETE && rc == RK_OK; bit <<= 1)
            if (op->needs[m] & bit)
                rc = perm_check(u, (enum perm_module)m, (enum perm_op)bit, err);
    return rc;
}

static enum rk_code guarded_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct guarded *g = arg;
    const struct user *now = tx_get(tx, ENT_USER, g->op->user->id);
    enum rk_code rc =
        now ? may_still(g->op, now, err) : rk_fail(err, RK_FORBIDDEN, "permission denied");

    if (rc)
        return rc;
    g->actor = (struct actor){.id = now->id, .user = now};
    tx->actor = &g->actor;
    return g->fn(tx, g->arg, err);
}

enum rk_code op_mutate_only(struct op *op, uint32_t flags, mgmt_fn *fn, void *arg,
                            struct rk_err *err)
{
    struct guarded *g = rk_new(op->mem, struct guarded);

    *g = (struct guarded){.op = op, .fn = fn, .arg = arg};
    if (op->tx)
        return guarded_tx(op->tx, g, err);
    if (op->trial && op->trial->after)
        return rk_fail(err, RK_PRECONDITION,
                       "this is done in several steps, which cannot be tried without doing them");
    if (op->trial && op->for_good)
        return mgmt_mutate_told(op->m, op_account(op), &op->actor, guarded_tx, g, op->mem,
                                op->trial, err);
    if (op->trial)
        return mgmt_try(op->m, op_account(op), &op->actor, guarded_tx, g, op->mem, op->trial, err);
    return mgmt_mutate(op->m, op_account(op), &op->actor, flags, guarded_tx, g, err);
}

enum rk_code op_mutate(struct op *op, mgmt_fn *fn, void *arg, struct rk_err *err)
{
    enum rk_code rc = op_mutate_only(op, 0, fn, arg, err);

    return rc ? rc : op_refresh(op, err);
}

struct rk_str op_meta(struct rk_arena *mem, const struct op_kv *kv, size_t n)
{
    struct rk_str text;
    struct rk_buf b;

    rk_buf_init(&b, META_MAX);
    json_put_obj(&b);
    for (size_t i = 0; i < n; i++) {
        json_put_key_n(&b, kv[i].key, strlen(kv[i].key));
        json_put_str(&b, kv[i].value);
    }
    json_put_obj_end(&b);
    text = b.full ? RK_STR("{}") : rk_arena_dup(mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return text;
}

struct rk_str op_time(struct rk_arena *mem, int64_t unix_us)
{
    char text[RK_TIME_TEXT];

    return rk_arena_dup(mem, unix_us ? rk_time_format_us(unix_us, text)
                                     : RK_STR("0001-01-01T00:00:00Z"));
}

struct rk_str op_list_text(struct rk_arena *mem, const struct str_list *l)
{
    struct rk_str text;
    struct rk_buf b;

    rk_buf_init(&b, META_MAX / 2);
    for (size_t i = 0; i < l->n; i++) {
        if (i)
            rk_buf_addz(&b, ", ");
        rk_buf_add(&b, l->v[i]);
    }
    text = rk_arena_dup(mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return text;
}

struct str_list str_list_plus(struct rk_arena *mem, const struct str_list *l, struct rk_str s)
{
    struct str_list to = {rk_new_n(mem, struct rk_str, l->n + 1), l->n + 1};

    if (l->n)
        memcpy(to.v, l->v, l->n * sizeof *l->v);
    to.v[l->n] = s;
    return to;
}

struct str_list str_list_minus(struct rk_arena *mem, const struct str_list *l, struct rk_str s)
{
    struct str_list to = {rk_new_n(mem, struct rk_str, l->n), 0};

    for (size_t i = 0; i < l->n; i++)
        if (!rk_str_eq(l->v[i], s))
            to.v[to.n++] = l->v[i];
    return to;
}

struct str_list str_list_dup(struct rk_arena *mem, const struct str_list *l)
{
    struct str_list to = {rk_new_n(mem, struct rk_str, l->n), l->n};

    for (size_t i = 0; i < l->n; i++)
        to.v[i] = rk_arena_dup(mem, l->v[i]);
    return to;
}

struct rk_str op_fqdn(struct rk_arena *mem, const struct snapshot *s, const struct peer *p)
{
    struct rk_str domain = snap_dns_domain(s);

    if (!domain.n || !p->dns_label.n)
        return p->dns_label;
    return rk_arena_printf(mem, "%.*s.%.*s", RK_STR_ARG(p->dns_label), RK_STR_ARG(domain));
}
