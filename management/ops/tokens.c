/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on personal access tokens; see tokens.h. */
#include "config.h"

#include "management/ops/tokens.h"

#include "lib/base/id.h"
#include "lib/crypto/token.h"
#include "management/ops/users.h"

#define DAY_US ((int64_t)86400 * 1000000)

struct save {
    struct rk_arena *mem;
    const struct user *user; /* of the snapshot the caller holds */
    struct pat pat;
};

/* One's own tokens, or as an admin those of service users. */
static enum rk_code check_target(const struct user *by, const struct user *u, struct rk_err *err)
{
    if (rk_str_eq(u->id, by->id) || (u->is_service && perm_is_admin(by)))
        return RK_OK;
    return rk_fail(err, RK_FORBIDDEN, "admin role required to perform this action");
}

enum rk_code token_check_target(const struct op *op, struct rk_str user_id, enum perm_op what,
                                const struct user **out, struct rk_err *err)
{
    const struct user *u = snap_user(op->snap, user_id);
    enum rk_code rc = op_may(op, PERM_PATS, what, err);

    if (rc)
        return rc;
    if (!u)
        return rk_fail(err, RK_NOT_FOUND, "user: %.*s not found", RK_STR_ARG(user_id));
    rc = check_target(op->user, u, err);
    if (rc)
        return rc;
    *out = u;
    return RK_OK;
}

struct rk_str token_build(struct rk_arena *mem, struct rk_str user_id, struct rk_str name,
                          int64_t days, struct rk_str created_by, int64_t now_us, struct pat *out)
{
    char *plain = rk_arena_alloc(mem, TOKEN_LEN + 1), hash[HASH_SHA256_TEXT + 1];

    token_new(TOKEN_PAT, plain);
    token_stored_form(rk_str_of(plain, TOKEN_LEN), hash);
    *out = (struct pat){.id = rk_xid_new(mem),
                        .user_id = user_id,
                        .name = name,
                        .hash = rk_arena_dup(mem, rk_str_z(hash)),
                        .expires_at_us = now_us + days * DAY_US,
                        .created_by = created_by,
                        .created_at_us = now_us};
    return rk_str_of(plain, TOKEN_LEN);
}

static enum rk_code event(struct tx *tx, const struct save *s, int activity, struct rk_err *err)
{
    return tx_event(tx, activity, s->user->id,
                    META(s->mem, {"name", s->pat.name},
                         {"is_service_user", op_bool(s->user->is_service)},
                         {"user_name", user_shown_name(s->user)}),
                    err);
}

/* As of now: who asks may have lost the role, the user may be gone. */
static enum rk_code target_still(struct tx *tx, const struct save *s, struct rk_err *err)
{
    const struct user *u = tx_get(tx, ENT_USER, s->user->id);

    if (!u)
        return rk_fail(err, RK_NOT_FOUND, "user: %.*s not found", RK_STR_ARG(s->user->id));
    return check_target(tx->actor->user, u, err);
}

static enum rk_code create_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    enum rk_code rc = target_still(tx, s, err);

    if (rc)
        return rc;
    rc = tx_put(tx, ENT_PAT, &s->pat, err);
    return rc ? rc : event(tx, s, ACT_PERSONAL_ACCESS_TOKEN_CREATE, err);
}

enum rk_code token_create(struct op *op, struct rk_str user_id, struct rk_str name, int64_t days,
                          const struct pat **out, struct rk_str *plain, struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    const struct user *u;
    enum rk_code rc;

    if (!name.n)
        return rk_fail(err, RK_INVALID, "token name can't be empty");
    if (days < PAT_DAYS_MIN || days > PAT_DAYS_MAX)
        return rk_fail(err, RK_INVALID, "expiration has to be between %d and %d", PAT_DAYS_MIN,
                       PAT_DAYS_MAX);
    rc = token_check_target(op, user_id, PERM_CREATE, &u, err);
    if (rc)
        return rc;
    s->mem = op->mem;
    s->user = entity_dup(op->mem, ENT_USER, u); /* the snapshot changes under us */
    *plain = token_build(op->mem, s->user->id, name, days, rk_arena_dup(op->mem, op->user->id),
                         mgmt_now_us(op->m), &s->pat);
    rc = op_mutate(op, create_tx, s, err);
    if (!rc)
        *out = &s->pat;
    return rc;
}

enum rk_code token_get(const struct op *op, struct rk_str user_id, struct rk_str id,
                       const struct pat **out, struct rk_err *err)
{
    const struct pat *p = snap_find(op->snap, ENT_PAT, id);

    if (!p || !rk_str_eq(p->user_id, user_id))
        return rk_fail(err, RK_NOT_FOUND, "PAT: %.*s not found", RK_STR_ARG(id));
    *out = p;
    return RK_OK;
}

static enum rk_code delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    enum rk_code rc = target_still(tx, s, err);

    if (rc == RK_OK)
        rc = event(tx, s, ACT_PERSONAL_ACCESS_TOKEN_DELETE, err);
    return rc ? rc : tx_del(tx, ENT_PAT, s->pat.id, err);
}

enum rk_code token_delete(struct op *op, struct rk_str user_id, struct rk_str id,
                          struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    const struct user *u;
    const struct pat *p = NULL;
    enum rk_code rc = token_check_target(op, user_id, PERM_DELETE, &u, err);

    if (!rc)
        rc = token_get(op, user_id, id, &p, err);
    if (rc)
        return rc;
    s->mem = op->mem;
    s->user = entity_dup(op->mem, ENT_USER, u);
    s->pat = *(const struct pat *)entity_dup(op->mem, ENT_PAT, p);
    return op_mutate(op, delete_tx, s, err);
}
