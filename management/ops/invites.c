/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on invite links; see invites.h. */
#include "config.h"

#include "management/ops/invites.h"

#include "lib/base/id.h"
#include "lib/crypto/pwhash.h"
#include "lib/crypto/token.h"
#include "management/identity/local_users.h"
#include "management/ops/users.h"

#define EXPIRES_DEFAULT_S ((int64_t)72 * 3600)
#define EXPIRES_MIN_S     ((int64_t)3600)
#define EXPIRES_MAX_S     ((int64_t)365 * 86400)

static const char SQL_BY_HASH[] = "SELECT id, account_id FROM invite WHERE token_hash = $1";

struct save {
    struct rk_arena *mem;
    struct rk_str id;
    struct invite invite;
    struct user user;
    struct local_user local;
    const struct invite *out;
};

static enum rk_code no_invite(struct rk_str id, struct rk_err *err)
{
    return rk_fail(err, RK_NOT_FOUND, "user invite: %.*s not found", RK_STR_ARG(id));
}

static enum rk_code event(struct tx *tx, struct rk_arena *mem, const struct invite *i, int activity,
                          struct rk_err *err)
{
    return tx_event(tx, activity, i->id, META(mem, {"email", i->email}), err);
}

static enum rk_code check_expiry(int64_t *seconds, struct rk_err *err)
{
    if (*seconds <= 0)
        *seconds = EXPIRES_DEFAULT_S;
    if (*seconds < EXPIRES_MIN_S)
        return rk_fail(err, RK_INVALID, "invite expiration must be at least 1 hour");
    if (*seconds > EXPIRES_MAX_S)
        return rk_fail(err, RK_INVALID, "invite expiration must be at most 365 days");
    return RK_OK;
}

static struct rk_str new_token(struct rk_arena *mem, struct rk_str *hash)
{
    char *token = rk_arena_alloc(mem, TOKEN_LEN + 1), stored[HASH_SHA256_TEXT + 1];

    token_new(TOKEN_INVITE, token);
    token_stored_form(rk_str_of(token, TOKEN_LEN), stored);
    *hash = rk_arena_dup(mem, rk_str_z(stored));
    return rk_str_of(token, TOKEN_LEN);
}

/* ---- by admins */

static enum rk_code create_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    struct snap_iter it = snap_iter(tx->snap, ENT_INVITE);
    const struct invite *o;
    enum rk_code rc;

    if (user_by_email(tx->snap, s->invite.email))
        return rk_fail(err, RK_EXISTS, "user with this email already exists");
    while ((o = snap_next(&it)) != NULL)
        if (rk_str_ieq(o->email, s->invite.email))
            return rk_fail(err, RK_EXISTS, "invite already exists for this email");
    rc = user_groups_check(tx, s->invite.name, &s->invite.auto_groups, err);
    if (!rc)
        rc = tx_put(tx, ENT_INVITE, &s->invite, err);
    return rc ? rc : event(tx, s->mem, &s->invite, ACT_USER_INVITE_LINK_CREATE, err);
}

enum rk_code invite_create(struct op *op, const struct invite_input *in, const struct invite **out,
                           struct rk_str *token, struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    int64_t seconds = in->expires_in_s, now = mgmt_now_us(op->m);
    enum rk_code rc;

    if (!in->email.n)
        return rk_fail(err, RK_INVALID, "email is required");
    if (!idp_email_ok(in->email))
        return rk_fail(err, RK_INVALID, "invalid email format");
    if (!in->name.n)
        return rk_fail(err, RK_INVALID, "name is required");
    s->invite = (struct invite){.account_id = op_account(op),
                                .email = in->email,
                                .name = in->name,
                                .auto_groups = in->auto_groups,
                                .created_at_us = now,
                                .created_by = rk_arena_dup(op->mem, op->user->id)};
    if (!user_role_parse(in->role, &s->invite.role))
        return rk_fail(err, RK_INVALID, "invalid user role");
    if (s->invite.role == ROLE_OWNER)
        return rk_fail(err, RK_INVALID, "cannot create invite for user with owner role");
    rc = check_expiry(&seconds, err);
    if (!rc)
        rc = op_may(op, PERM_USERS, PERM_CREATE, err);
    if (rc)
        return rc;
    s->mem = op->mem;
    s->invite.id = rk_xid_new(op->mem);
    s->invite.expires_at_us = now + seconds * 1000000;
    *token = new_token(op->mem, &s->invite.token_hash);
    rc = op_mutate(op, create_tx, s, err);
    if (!rc)
        *out = &s->invite;
    return rc;
}

static enum rk_code regenerate_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct invite *old = tx_get(tx, ENT_INVITE, s->id);
    struct invite *i;
    enum rk_code rc;

    if (!old)
        return no_invite(s->id, err);
    i = entity_dup(s->mem, ENT_INVITE, old);
    i->token_hash = s->invite.token_hash;
    i->expires_at_us = s->invite.expires_at_us;
    i->created_by = s->invite.created_by;
    rc = tx_put(tx, ENT_INVITE, i, err);
    return rc ? rc : event(tx, s->mem, i, ACT_USER_INVITE_LINK_REGENERATE, err);
}

enum rk_code invite_regenerate(struct op *op, struct rk_str id, int64_t expires_in_s,
                               struct rk_str *token, int64_t *expires_at_us, struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    int64_t seconds = expires_in_s;
    enum rk_code rc = check_expiry(&seconds, err);

    if (!rc)
        rc = op_may(op, PERM_USERS, PERM_UPDATE, err);
    if (rc)
        return rc;
    s->mem = op->mem;
    s->id = id;
    s->invite.created_by = rk_arena_dup(op->mem, op->user->id);
    s->invite.expires_at_us = mgmt_now_us(op->m) + seconds * 1000000;
    *token = new_token(op->mem, &s->invite.token_hash);
    *expires_at_us = s->invite.expires_at_us;
    return op_mutate(op, regenerate_tx, s, err);
}

static enum rk_code delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct invite *i = tx_get(tx, ENT_INVITE, s->id);
    enum rk_code rc;

    if (!i)
        return no_invite(s->id, err);
    rc = event(tx, s->mem, i, ACT_USER_INVITE_LINK_DELETE, err);
    return rc ? rc : tx_del(tx, ENT_INVITE, s->id, err);
}

enum rk_code invite_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id};
    enum rk_code rc = op_may(op, PERM_USERS, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, delete_tx, &s, err);
}

/* ---- by whom is invited */

/* The invite of a token, with a reference to the snapshot that lends it. */
static enum rk_code find(struct mgmt *m, struct db *db, struct rk_arena *mem, struct rk_str token,
                         const struct snapshot **snap, const struct invite **out,
                         struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    char hash[HASH_SHA256_TEXT + 1];
    struct rk_str id = {0}, account_id = {0};
    enum rk_code rc;

    if (token_check(TOKEN_INVITE, token, NULL))
        return rk_fail(err, RK_INVALID, "invalid invite token");
    token_stored_form(token, hash);
    rc = db_query(db, &rows, err, SQL_BY_HASH, DB_ARGS(db_textz(hash)));
    if (!rc && db_next(rows)) {
        id = db_col_text(rows, 0, mem);
        account_id = db_col_text(rows, 1, mem);
    }
    if (!rc)
        rc = db_end(rows, err);
    if (rc)
        return rc;
    if (!id.n)
        return rk_fail(err, RK_NOT_FOUND, "user invite not found");
    rc = mgmt_refresh(m, db, account_id, NULL, err); /* it may be new, and made elsewhere */
    if (!rc)
        rc = mgmt_snapshot(m, account_id, snap, err);
    if (rc)
        return rc;
    *out = snap_find(*snap, ENT_INVITE, id);
    if (*out && rk_str_eqz((*out)->token_hash, hash))
        return RK_OK;
    snap_unref(*snap);
    return rk_fail(err, RK_NOT_FOUND, "user invite not found");
}

enum rk_code invite_look(struct mgmt *m, struct db *db, struct rk_arena *mem, struct rk_str token,
                         struct invite_info *out, struct rk_err *err)
{
    const struct snapshot *s;
    const struct invite *i;
    const struct user *by;
    enum rk_code rc = find(m, db, mem, token, &s, &i, err);

    if (rc)
        return rc;
    by = snap_user(s, i->created_by);
    *out =
        (struct invite_info){.email = rk_arena_dup(mem, i->email),
                             .name = rk_arena_dup(mem, i->name),
                             .invited_by = by ? rk_arena_dup(mem, user_shown_name(by)) : RK_STR(""),
                             .expires_at_us = i->expires_at_us,
                             .valid = mgmt_now_us(m) <= i->expires_at_us};
    snap_unref(s);
    return RK_OK;
}

static enum rk_code accept_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    struct local_users l = {tx->db, mgmt_vault(tx->m), s->mem};
    const struct invite *i = tx_get(tx, ENT_INVITE, s->id);
    enum rk_code rc;

    if (!i)
        return rk_fail(err, RK_NOT_FOUND, "user invite not found");
    if (tx->now_us > i->expires_at_us)
        return rk_fail(err, RK_INVALID, "invite has expired");
    if (user_by_email(tx->snap, i->email))
        return rk_fail(err, RK_EXISTS, "user with this email already exists");
    s->user.role = i->role;
    s->user.auto_groups = str_list_dup(s->mem, &i->auto_groups);
    s->user.email = s->local.email = rk_arena_dup(s->mem, i->email);
    s->user.name = s->local.name = rk_arena_dup(s->mem, i->name);
    s->user.created_at_us = s->local.created_at_us = tx->now_us;
    rc = tx_put(tx, ENT_USER, &s->user, err);
    if (!rc)
        rc = local_user_insert(&l, &s->local, err);
    if (!rc)
        rc = tx_del(tx, ENT_INVITE, s->id, err);
    if (!rc)
        tx_raise_serial(tx);
    return rc ? rc
              : tx_event(tx, ACT_USER_INVITE_LINK_ACCEPT, s->user.id,
                         META(s->mem, {"email", s->user.email}), err);
}

enum rk_code invite_accept(struct mgmt *m, struct db *db, struct rk_arena *mem, struct rk_str token,
                           struct rk_str password, struct rk_err *err)
{
    struct save *s = rk_new(mem, struct save);
    const struct snapshot *snap;
    const struct invite *i;
    struct rk_str account_id;
    struct actor actor;
    char hash[PWHASH_TEXT_MAX + 1];
    enum rk_code rc;

    if (!password.n)
        return rk_fail(err, RK_INVALID, "password is required");
    rc = idp_password_check(password, err);
    if (!rc)
        rc = find(m, db, mem, token, &snap, &i, err);
    if (rc)
        return rc;
    s->mem = mem;
    s->id = rk_arena_dup(mem, i->id);
    account_id = rk_arena_dup(mem, i->account_id);
    rc = mgmt_now_us(m) > i->expires_at_us ? rk_fail(err, RK_INVALID, "invite has expired") : RK_OK;
    snap_unref(snap);
    if (!rc)
        rc = pwhash_make(PWHASH_COST_DEFAULT, password, hash, err);
    if (rc)
        return rc;
    s->local.id = rk_uuid_new(mem);
    s->local.subject = idp_subject_encode(mem, s->local.id, RK_STR(IDP_LOCAL_CONNECTOR));
    s->local.pw_hash = rk_arena_dup(mem, rk_str_z(hash));
    s->user = (struct user){.id = s->local.subject, .account_id = account_id, .issued = ISSUED_API};
    actor = (struct actor){.id = s->user.id};
    return mgmt_mutate(m, account_id, &actor, 0, accept_tx, s, err);
}
