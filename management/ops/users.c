/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on users; see users.h. */
#include "config.h"

#include "management/ops/users.h"

#include "lib/base/id.h"
#include "lib/crypto/pwhash.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/vault.h"
#include "management/identity/local_users.h"
#include "management/identity/logins.h"
#include "management/ops/addresses.h"
#include "management/ops/peers.h"

static const char SQL_DELETED_USER[] =
    "INSERT INTO deleted_user (id, email_sealed, name_sealed) VALUES ($1, $2, $3) "
    "ON CONFLICT (id) DO UPDATE SET email_sealed = excluded.email_sealed, "
    "name_sealed = excluded.name_sealed";

struct save {
    struct rk_arena *mem;
    struct rk_str id;
    struct user user; /* create */
    struct local_user *local;
    const struct user_update *in;
    enum user_role role;
};

static enum rk_code not_found(struct rk_str id, struct rk_err *err)
{
    return rk_fail(err, RK_NOT_FOUND, "user: %.*s not found", RK_STR_ARG(id));
}

const struct user *user_by_email(const struct snapshot *s, struct rk_str email)
{
    struct snap_iter it = snap_iter(s, ENT_USER);
    const struct user *u;

    while (email.n && (u = snap_next(&it)) != NULL)
        if (rk_str_ieq(u->email, email))
            return u;
    return NULL;
}

enum rk_code user_groups_check(struct tx *tx, struct rk_str who, const struct str_list *groups,
                               struct rk_err *err)
{
    for (size_t i = 0; i < groups->n; i++) {
        const struct group *g = tx_get(tx, ENT_GROUP, groups->v[i]);

        if (!g)
            return rk_fail(err, RK_INVALID,
                           "provided group ID %.*s in the user %.*s update doesn't exist",
                           RK_STR_ARG(groups->v[i]), RK_STR_ARG(who));
        if (group_is_all(g))
            return rk_fail(err, RK_INVALID, "can't add All group to the user");
    }
    return RK_OK;
}

/* ---- create */

static enum rk_code create_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    struct local_users l = {tx->db, mgmt_vault(tx->m), s->mem};
    enum rk_code rc;

    if (user_by_email(tx->snap, s->user.email))
        return rk_fail(err, RK_EXISTS, "can't invite a user with an existing NetBird account");
    rc = user_groups_check(tx, s->user.is_service ? s->user.service_name : s->user.name,
                           &s->user.auto_groups, err);
    if (rc)
        return rc;
    s->user.created_at_us = tx->now_us;
    rc = tx_put(tx, ENT_USER, &s->user, err);
    if (rc)
        return rc;
    if (s->local) {
        s->local->created_at_us = tx->now_us;
        rc = local_user_insert(&l, s->local, err);
        if (!rc)
            rc = tx_event(tx, ACT_USER_CREATE, s->user.id, RK_STR(""), err);
    } else {
        rc = tx_event(tx, ACT_SERVICE_USER_CREATE, s->user.id,
                      META(s->mem, {"name", s->user.service_name}), err);
    }
    if (!rc)
        tx_raise_serial(tx);
    return rc;
}

/* The identity of a new local user: id, random password and its hash. */
static enum rk_code make_local(struct save *s, const struct user_new *in, struct rk_str *password,
                               struct rk_err *err)
{
    char *plain = rk_arena_alloc(s->mem, 17), hash[PWHASH_TEXT_MAX + 1];
    enum rk_code rc;

    idp_password_new(plain);
    *password = rk_str_z(plain);
    rc = pwhash_make(PWHASH_COST_DEFAULT, *password, hash, err);
    if (rc)
        return rc;
    s->local = rk_new(s->mem, struct local_user);
    s->local->id = rk_uuid_new(s->mem);
    s->local->subject = idp_subject_encode(s->mem, s->local->id, RK_STR(IDP_LOCAL_CONNECTOR));
    s->local->email = in->email;
    s->local->name = in->name;
    s->local->pw_hash = rk_arena_dup(s->mem, rk_str_z(hash));
    s->user.id = s->local->subject;
    s->user.name = in->name;
    s->user.email = in->email;
    return RK_OK;
}

static enum rk_code check_local(const struct op *op, const struct user_new *in, bool local,
                                enum user_role role, struct rk_err *err)
{
    if (!local)
        return rk_fail(err, RK_PRECONDITION,
                       "local user creation is disabled - use an external identity provider");
    if (!in->name.n)
        return rk_fail(err, RK_INVALID, "name can't be empty");
    if (!in->email.n)
        return rk_fail(err, RK_INVALID, "email can't be empty");
    if (!idp_email_ok(in->email))
        return rk_fail(err, RK_INVALID, "invalid email format");
    if (role == ROLE_OWNER)
        return rk_fail(err, RK_INVALID, "can't invite a user with owner role");
    if (user_by_email(op->snap, in->email))
        return rk_fail(err, RK_EXISTS, "can't invite a user with an existing NetBird account");
    return RK_OK;
}

enum rk_code user_create(struct op *op, const struct user_new *in, bool local,
                         const struct user **out, struct rk_str *password, struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    enum user_role role;
    enum rk_code rc;

    *password = RK_STR("");
    if (!user_role_parse(in->role, &role))
        return rk_fail(err, RK_INVALID, "unknown user role %.*s", RK_STR_ARG(in->role));
    rc = op_may(op, PERM_USERS, PERM_CREATE, err);
    if (rc)
        return rc;
    s->mem = op->mem;
    s->user = (struct user){.account_id = op_account(op),
                            .role = role,
                            .is_service = in->is_service,
                            .auto_groups = in->auto_groups,
                            .issued = ISSUED_API};
    if (in->is_service) {
        if (role == ROLE_OWNER)
            return rk_fail(err, RK_INVALID, "can't create a service user with owner role");
        s->user.id = rk_uuid_new(op->mem);
        s->user.service_name = in->name;
    } else {
        rc = check_local(op, in, local, role, err);
        if (!rc)
            rc = make_local(s, in, password, err);
    }
    if (!rc)
        rc = op_mutate(op, create_tx, s, err);
    if (!rc)
        *out = &s->user;
    return rc;
}

/* ---- update */

static enum rk_code check_role_change(const struct user *by, const struct user *old,
                                      const struct user_update *in, enum user_role role,
                                      struct rk_err *err)
{
    bool self = rk_str_eq(by->id, old->id), owner = by->role == ROLE_OWNER;

    if (!perm_is_admin(by))
        return rk_fail(err, RK_FORBIDDEN, "only admins and owners can update users");
    if (self && old->blocked != in->is_blocked)
        return rk_fail(err, RK_FORBIDDEN, "admins can't block or unblock themselves");
    if (self && old->role != role)
        return rk_fail(err, RK_FORBIDDEN, "admins can't change their role");
    if (!owner && old->role == ROLE_OWNER && role != ROLE_OWNER)
        return rk_fail(err, RK_FORBIDDEN, "only owners can remove owner role from their user");
    if (!owner && old->role != ROLE_OWNER && role == ROLE_OWNER)
        return rk_fail(err, RK_FORBIDDEN, "only owners can add owner role to other users");
    if (old->role == ROLE_OWNER && in->is_blocked)
        return rk_fail(err, RK_FORBIDDEN, "unable to block owner user");
    if (old->is_service && role == ROLE_OWNER)
        return rk_fail(err, RK_FORBIDDEN, "can't update a service user with owner role");
    return RK_OK;
}

/* The owner who makes another one owner steps back. */
static enum rk_code step_back(struct tx *tx, struct save *s, const struct user *by,
                              struct rk_err *err)
{
    const struct user *now = tx_get(tx, ENT_USER, by->id);
    struct user *admin;

    if (!now)
        return not_found(by->id, err);
    admin = rk_new(s->mem, struct user);
    *admin = *now;
    admin->role = ROLE_ADMIN;
    return tx_put(tx, ENT_USER, admin, err);
}

static enum rk_code role_events(struct tx *tx, struct save *s, const struct user *old,
                                const struct user *u, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    if (old->blocked != u->blocked)
        rc = tx_event(tx, u->blocked ? ACT_USER_BLOCK : ACT_USER_UNBLOCK, u->id, RK_STR(""), err);
    if (rc || old->role == u->role)
        return rc;
    if (u->role == ROLE_OWNER) {
        rc = step_back(tx, s, tx->actor->user, err);
        return rc ? rc : tx_event(tx, ACT_TRANSFERRED_OWNER_ROLE, u->id, RK_STR(""), err);
    }
    return tx_event(tx, ACT_USER_ROLE_UPDATE, u->id,
                    META(s->mem, {"role", rk_str_z(user_role_text(u->role))}), err);
}

static enum rk_code group_event(struct tx *tx, struct rk_arena *mem, const struct user *u,
                                const struct group *g, int activity, struct rk_err *err)
{
    return tx_event(tx, activity, u->id,
                    META(mem, {"group", g->name}, {"group_id", g->id},
                         {"is_service_user", op_bool(u->is_service)},
                         {"user_name", user_shown_name(u)}),
                    err);
}

/* Ids in a that are not in b. */
static struct str_list minus(struct rk_arena *mem, const struct str_list *a,
                             const struct str_list *b)
{
    struct str_list to = {rk_new_n(mem, struct rk_str, a->n), 0};

    for (size_t i = 0; i < a->n; i++)
        if (!str_list_has(b, a->v[i]))
            to.v[to.n++] = a->v[i];
    return to;
}

enum rk_code user_move_peers(struct tx *tx, struct rk_arena *mem, struct rk_str user_id,
                             const struct str_list *join, const struct str_list *leave,
                             struct rk_err *err)
{
    const struct bits *all = snap_peers(tx->snap);
    struct str_list moved = {0};
    size_t cap = 0;
    enum rk_code rc = RK_OK;

    if (!join->n && !leave->n)
        return RK_OK;
    for (BITS_EACH(i, all)) {
        const struct peer *p = snap_peer_at(tx->snap, i);

        if (!rk_str_eq(p->user_id, user_id))
            continue;
        for (size_t k = 0; k < join->n && !rc; k++)
            if (tx_get(tx, ENT_GROUP, join->v[k]))
                rc = tx_group_add_peer(tx, join->v[k], p->id, err);
        for (size_t k = 0; k < leave->n && !rc; k++)
            if (tx_get(tx, ENT_GROUP, leave->v[k]))
                rc = tx_group_del_peer(tx, leave->v[k], p->id, err);
        if (rc)
            return rc;
        moved.v = rk_arena_grow(mem, moved.v, moved.n, &cap, sizeof *moved.v);
        moved.v[moved.n++] = p->id;
    }
    return addr6_reconcile(tx, mem, &moved, err);
}

static enum rk_code propagate(struct tx *tx, struct save *s, const struct user *old,
                              const struct user *u, struct rk_err *err)
{
    struct str_list join = minus(s->mem, &u->auto_groups, &old->auto_groups);
    struct str_list leave = minus(s->mem, &old->auto_groups, &u->auto_groups);
    enum rk_code rc = RK_OK;

    if (!snap_settings(tx->snap)->groups_propagation_enabled)
        return RK_OK;
    for (size_t i = 0; i < join.n + leave.n && !rc; i++) {
        bool added = i < join.n;
        const struct group *g = tx_get(tx, ENT_GROUP, added ? join.v[i] : leave.v[i - join.n]);

        if (g)
            rc = group_event(tx, s->mem, u, g, added ? ACT_USER_GROUP_ADD : ACT_USER_GROUP_DELETE,
                             err);
    }
    return rc ? rc : user_move_peers(tx, s->mem, u->id, &join, &leave, err);
}

/* A blocked user's devices leave all maps at once and must log in again, which the user cannot. */
static enum rk_code block_peer(struct tx *tx, struct rk_arena *mem, struct rk_str id, bool blocked,
                               struct rk_err *err)
{
    const struct peer *p = tx_get(tx, ENT_PEER, id);
    struct peer *now;
    enum rk_code rc;

    if (!p || p->status.owner_blocked == blocked)
        return RK_OK;
    now = rk_new(mem, struct peer);
    *now = *p;
    now->status.owner_blocked = blocked;
    rc = tx_put(tx, ENT_PEER, now, err);
    return rc || !blocked ? rc : peer_expire_tx(tx, mem, now, "blocked owner account", err);
}

static enum rk_code block_peers(struct tx *tx, struct rk_arena *mem, const struct user *u,
                                struct rk_err *err)
{
    const struct bits *all = snap_peers(tx->snap);
    enum rk_code rc = RK_OK;

    for (BITS_EACH(i, all)) {
        const struct peer *p = snap_peer_at(tx->snap, i);

        if (rk_str_eq(p->user_id, u->id))
            rc = block_peer(tx, mem, p->id, u->blocked, err);
        if (rc)
            break;
    }
    return rc;
}

/* What follows when a user was blocked or let in again. */
static enum rk_code blocked_changed(struct tx *tx, struct rk_arena *mem, const struct user *u,
                                    struct rk_err *err)
{
    enum rk_code rc = block_peers(tx, mem, u, err);

    return rc || !u->blocked ? rc : logins_end(tx->db, u->id, err);
}

static enum rk_code update_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct user *old = tx_get(tx, ENT_USER, s->id), *by = tx->actor->user;
    struct user *u = rk_new(s->mem, struct user);
    enum rk_code rc;

    if (!old)
        return not_found(s->id, err);
    rc = check_role_change(by, old, s->in, s->role, err);
    if (!rc)
        rc = user_groups_check(tx, s->id, &s->in->auto_groups, err);
    if (rc)
        return rc;
    *u = *old;
    u->role = s->role;
    u->auto_groups = s->in->auto_groups;
    u->blocked = s->in->is_blocked;
    rc = tx_put(tx, ENT_USER, u, err);
    if (!rc)
        rc = role_events(tx, s, old, u, err);
    if (!rc)
        rc = propagate(tx, s, old, u, err);
    if (!rc && old->blocked != u->blocked)
        rc = blocked_changed(tx, s->mem, u, err);
    if (!rc)
        tx_raise_serial(tx);
    return rc;
}

enum rk_code user_update(struct op *op, struct rk_str id, const struct user_update *in,
                         struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id, .in = in};
    enum rk_code rc;

    if (!user_role_parse(in->role, &s.role))
        return rk_fail(err, RK_INVALID, "invalid user role");
    rc = op_may(op, PERM_USERS, PERM_CREATE, err); /* as the official server, not "update" */
    return rc ? rc : op_mutate(op, update_tx, &s, err);
}

/* ---- delete, approve, reject */

/* The audit log goes on showing who it was. */
static enum rk_code keep_name(struct tx *tx, struct rk_arena *mem, const struct user *u,
                              struct rk_err *err)
{
    struct rk_str email, name, context;
    enum rk_code rc;

    context = rk_arena_printf(mem, "deleted_user.email/%.*s", RK_STR_ARG(u->id));
    rc = vault_seal(mgmt_vault(tx->m), mem, context, u->email, &email, err);
    context = rk_arena_printf(mem, "deleted_user.name/%.*s", RK_STR_ARG(u->id));
    if (!rc)
        rc = vault_seal(mgmt_vault(tx->m), mem, context, user_shown_name(u), &name, err);
    return rc ? rc
              : db_exec(tx->db, err, NULL, SQL_DELETED_USER,
                        DB_ARGS(db_text(u->id), db_text(email), db_text(name)));
}

static enum rk_code check_delete(const struct user *by, const struct user *u, struct rk_err *err)
{
    if (u->role == ROLE_OWNER)
        return rk_fail(err, RK_FORBIDDEN, "can't delete a user with the owner role");
    if (u->issued == ISSUED_INTEGRATION && !by->is_service)
        return rk_fail(err, RK_FORBIDDEN, "only integration service user can delete this user");
    if (u->is_service && u->non_deletable)
        return rk_fail(err, RK_FORBIDDEN, "service user is marked as non-deletable");
    return RK_OK;
}

static enum rk_code delete_peers(struct tx *tx, struct rk_arena *mem, const struct user *u,
                                 struct rk_err *err)
{
    const struct bits *all = snap_peers(tx->snap);
    enum rk_code rc = RK_OK;

    for (BITS_EACH(i, all)) {
        const struct peer *p = snap_peer_at(tx->snap, i);

        if (!rk_str_eq(p->user_id, u->id) || !tx_get(tx, ENT_PEER, p->id))
            continue;
        rc = peer_delete_tx(tx, mem, p, err);
        if (rc)
            break;
    }
    return rc;
}

static enum rk_code delete_human(struct tx *tx, struct rk_arena *mem, const struct user *u,
                                 struct rk_err *err)
{
    struct local_users l = {tx->db, mgmt_vault(tx->m), mem};
    enum rk_code rc = delete_peers(tx, mem, u, err);

    if (!rc)
        rc = local_user_delete(&l, u->id, err);
    if (!rc)
        rc = logins_end(tx->db, u->id, err);
    return rc ? rc
              : tx_event(tx, ACT_USER_DELETE, u->id,
                         META(mem, {"created_at", op_time(mem, u->created_at_us)},
                              {"issued", rk_str_z(issued_by_text(u->issued))}),
                         err);
}

static enum rk_code remove_user(struct tx *tx, struct rk_arena *mem, const struct user *u,
                                struct rk_err *err)
{
    enum rk_code rc = check_delete(tx->actor->user, u, err);

    if (!rc)
        rc = keep_name(tx, mem, u, err);
    if (rc)
        return rc;
    if (u->is_service)
        rc = tx_event(
            tx, ACT_SERVICE_USER_DELETE, u->id,
            META(mem, {"name", u->service_name}, {"created_at", op_time(mem, u->created_at_us)}),
            err);
    else
        rc = delete_human(tx, mem, u, err);
    return rc ? rc : tx_del(tx, ENT_USER, u->id, err);
}

static enum rk_code delete_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct user *u = tx_get(tx, ENT_USER, s->id);

    return u ? remove_user(tx, s->mem, u, err) : not_found(s->id, err);
}

enum rk_code user_delete(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id};
    enum rk_code rc;

    if (rk_str_eq(id, op->user->id))
        return rk_fail(err, RK_INVALID, "self deletion is not allowed");
    rc = op_may(op, PERM_USERS, PERM_DELETE, err);
    return rc ? rc : op_mutate(op, delete_tx, &s, err);
}

static enum rk_code approve_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct user *old = tx_get(tx, ENT_USER, s->id);
    struct user *u = rk_new(s->mem, struct user);
    enum rk_code rc;

    if (!old)
        return not_found(s->id, err);
    if (!old->pending_approval)
        return rk_fail(err, RK_INVALID, "user %.*s is not pending approval", RK_STR_ARG(s->id));
    *u = *old;
    u->pending_approval = u->blocked = false;
    rc = tx_put(tx, ENT_USER, u, err);
    if (!rc && old->blocked)
        rc = blocked_changed(tx, s->mem, u, err);
    if (!rc)
        tx_raise_serial(tx); /* one more who may use SSH */
    return rc ? rc : tx_event(tx, ACT_USER_APPROVE, u->id, RK_STR(""), err);
}

enum rk_code user_approve(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id};
    enum rk_code rc = op_may(op, PERM_USERS, PERM_UPDATE, err);

    return rc ? rc : op_mutate(op, approve_tx, &s, err);
}

static enum rk_code reject_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct user *u = tx_get(tx, ENT_USER, s->id);
    enum rk_code rc;

    if (!u)
        return not_found(s->id, err);
    if (!u->pending_approval)
        return rk_fail(err, RK_INVALID, "user %.*s is not pending approval", RK_STR_ARG(s->id));
    rc = remove_user(tx, s->mem, u, err);
    return rc ? rc : tx_event(tx, ACT_USER_REJECT, s->id, RK_STR(""), err);
}

enum rk_code user_reject(struct op *op, struct rk_str id, struct rk_err *err)
{
    struct save s = {.mem = op->mem, .id = id};
    enum rk_code rc = op_may(op, PERM_USERS, PERM_DELETE, err);

    return rc ? rc : op_mutate(op, reject_tx, &s, err);
}

/* ---- password */

struct password {
    struct rk_arena *mem;
    struct rk_str subject, hash;
};

static enum rk_code password_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct password *p = arg;
    struct local_users l = {tx->db, mgmt_vault(tx->m), p->mem};
    enum rk_code rc = local_user_change_password(&l, p->subject, p->hash, tx->now_us, err);

    return rc ? rc : tx_event(tx, ACT_USER_PASSWORD_CHANGE, p->subject, RK_STR(""), err);
}

static enum rk_code check_passwords(struct op *op, struct rk_str old_password,
                                    struct rk_str new_password, struct rk_err *err)
{
    struct local_users l = {op->db, mgmt_vault(op->m), op->mem};
    struct local_user u;
    struct rk_err why = {0};

    if (rk_secret_str_eq(old_password, new_password))
        return rk_fail(err, RK_INVALID,
                       "failed to update password: new password must be "
                       "different from current password");
    if (idp_password_check(new_password, &why))
        return rk_fail(err, RK_INVALID, "failed to update password: %s", why.msg);
    if (local_user_by_subject(&l, op->user->id, &u, NULL) ||
        pwhash_verify(u.pw_hash, old_password, NULL))
        return rk_fail(err, RK_INVALID, "failed to update password: current password is incorrect");
    return RK_OK;
}

enum rk_code user_change_password(struct op *op, struct rk_str id, struct rk_str old_password,
                                  struct rk_str new_password, struct rk_err *err)
{
    struct password *p = rk_new(op->mem, struct password);
    char hash[PWHASH_TEXT_MAX + 1];
    enum rk_code rc;

    if (!old_password.n)
        return rk_fail(err, RK_INVALID, "old password is required");
    if (!new_password.n)
        return rk_fail(err, RK_INVALID, "new password is required");
    if (!rk_str_eq(id, op->user->id))
        return rk_fail(err, RK_INVALID,
                       "failed to update password: users can only change their own password");
    rc = perm_check_active(op->user, err);
    if (!rc)
        rc = check_passwords(op, old_password, new_password, err);
    if (!rc)
        rc = pwhash_make(PWHASH_COST_DEFAULT, new_password, hash, err);
    if (rc)
        return rc;
    *p = (struct password){op->mem, op->user->id, rk_arena_dup(op->mem, rk_str_z(hash))};
    return op_mutate(op, password_tx, p, err);
}
