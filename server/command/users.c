/* SPDX-License-Identifier: BSD-3-Clause */
/* Console commands on users. */
#include "config.h"

#include "lib/crypto/pwhash.h"
#include "management/identity/local_users.h"
#include "management/ops/settings.h"
#include "management/ops/users.h"
#include "server/command/call.h"

static json_t *user_json(const struct user *u)
{
    return json_pack("{s:o, s:o, s:o, s:s, s:b, s:b, s:b, s:o}", "id", j_text(u->id), "email",
                     j_text(u->email), "name", j_text(user_shown_name(u)), "role",
                     user_role_text(u->role), "service", u->is_service, "blocked", u->blocked,
                     "pending", u->pending_approval, "last_login", j_time(u->last_login_us));
}

static enum rk_code list(struct call *c, struct rk_err *err)
{
    struct snap_iter it = snap_iter(c->op.snap, ENT_USER);
    const struct user *u;

    (void)err;
    c->result = json_array();
    while ((u = snap_next(&it)) != NULL)
        (void)json_array_append_new(c->result, user_json(u));
    return RK_OK;
}

struct password_job {
    struct call *c;
    struct rk_str subject;
    const char *hash; /* NULL: the second factor is reset instead */
};

static enum rk_code local_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    const struct password_job *p = arg;
    struct local_users l = {.db = tx->db, .vault = mgmt_vault(tx->m), .mem = p->c->mem};

    enum rk_code rc;

    if (p->hash) {
        rc = local_user_change_password(&l, p->subject, rk_str_z(p->hash), tx->now_us, err);
        return rc ? rc : tx_event(tx, ACT_USER_PASSWORD_CHANGE, p->subject, RK_STR(""), err);
    }
    rc = local_user_reset_totp(&l, p->subject, err);
    if (rc == RK_OK)
        tx_raise_serial(tx); /* no entity changed, and there is no event for it: but commit */
    return rc;
}

/* Only somebody with a password of ours has one to set, and a second factor to reset. */
static enum rk_code local_subject(struct call *c, struct rk_str *out, struct rk_err *err)
{
    struct local_users l = {.db = c->db, .vault = mgmt_vault(c->commands->m), .mem = c->mem};
    const struct user *u;
    struct local_user found;
    enum rk_code rc = arg_user(c, &u, err);

    if (rc)
        return rc;
    rc = local_user_by_subject(&l, u->id, &found, err);
    if (rc == RK_NOT_FOUND)
        return rk_fail(err, RK_PRECONDITION,
                       "this user has no password here: they sign in at another provider");
    *out = u->id;
    return rc;
}

static enum rk_code password_set(struct call *c, struct rk_str subject, struct rk_str password,
                                 struct rk_err *err)
{
    char hash[PWHASH_TEXT_MAX + 1];
    struct password_job job = {.c = c, .subject = subject, .hash = hash};
    enum rk_code rc = idp_password_check(password, err);

    if (rc == RK_OK)
        rc = pwhash_make(PWHASH_COST_DEFAULT, password, hash, err);
    return rc ? rc : op_mutate(&c->op, local_tx, &job, err);
}

static enum rk_code set_password(struct call *c, struct rk_err *err)
{
    struct rk_str password = arg_text(c, "password"), subject;
    char made[17] = "";
    enum rk_code rc = local_subject(c, &subject, err);

    if (rc)
        return rc;
    if (!password.n) {
        idp_password_new(made);
        password = rk_str_z(made);
    }
    rc = password_set(c, subject, password, err);
    if (rc == RK_OK)
        c->result = json_pack("{s:o, s:s}", "id", j_text(subject), "password", made);
    return rc;
}

static enum rk_code reset_mfa(struct call *c, struct rk_err *err)
{
    struct password_job job = {.c = c};
    enum rk_code rc = local_subject(c, &job.subject, err);

    return rc ? rc : op_mutate(&c->op, local_tx, &job, err);
}

static enum rk_code create(struct call *c, struct rk_err *err)
{
    struct rk_str chosen = arg_text(c, "password"), password = {0};
    struct user_new in = {.name = arg_text(c, "name"),
                          .role = arg_text(c, "role"),
                          .is_service = arg_bool(c, "service")};
    const struct user *u = NULL;
    enum rk_code rc = RK_OK;

    if (!in.role.n)
        in.role = RK_STR("user");
    if (chosen.n)
        rc = idp_password_check(chosen, err);
    if (rc == RK_OK && !in.is_service)
        rc = arg_need(c, "email", &in.email, err);
    if (rc == RK_OK)
        rc = arg_groups(c, "groups", &in.auto_groups, err);
    if (rc == RK_OK && !in.name.n)
        in.name = in.email;
    if (rc == RK_OK)
        rc = user_create(&c->op, &in, true, &u, &password, err);
    if (rc == RK_OK && chosen.n && !in.is_service) {
        rc = password_set(c, rk_arena_dup(c->mem, u->id), chosen, err);
        u = user_by_email(c->op.snap, in.email);
        password = (struct rk_str){0};
    }
    if (rc)
        return rc;
    c->result = user_json(u);
    if (password.n)
        (void)json_object_set_new(c->result, "password", j_text(password));
    return RK_OK;
}

static enum rk_code update(struct call *c, struct rk_str role, const bool *blocked,
                           struct rk_err *err)
{
    const struct user *u;
    struct user_update in;
    enum rk_code rc = arg_user(c, &u, err);

    if (rc)
        return rc;
    in = (struct user_update){.role = role.n ? role : rk_str_z(user_role_text(u->role)),
                              .auto_groups = str_list_dup(c->mem, &u->auto_groups),
                              .is_blocked = blocked ? *blocked : u->blocked};
    rc = user_update(&c->op, rk_arena_dup(c->mem, u->id), &in, err);
    if (rc == RK_OK && arg_user(c, &u, NULL) == RK_OK)
        c->result = user_json(u);
    return rc;
}

static enum rk_code set_role(struct call *c, struct rk_err *err)
{
    struct rk_str role;
    enum rk_code rc = arg_need(c, "role", &role, err);

    return rc ? rc : update(c, role, NULL, err);
}

static enum rk_code block(struct call *c, struct rk_err *err)
{
    bool yes = true;

    return update(c, (struct rk_str){0}, &yes, err);
}

static enum rk_code unblock(struct call *c, struct rk_err *err)
{
    bool no = false;

    return update(c, (struct rk_str){0}, &no, err);
}

static enum rk_code approve(struct call *c, struct rk_err *err)
{
    const struct user *u;
    enum rk_code rc = arg_user(c, &u, err);

    return rc ? rc : user_approve(&c->op, rk_arena_dup(c->mem, u->id), err);
}

static enum rk_code delete_user(struct call *c, struct rk_err *err)
{
    const struct user *u;
    enum rk_code rc = arg_user(c, &u, err);

    return rc ? rc : user_delete(&c->op, rk_arena_dup(c->mem, u->id), err);
}

/* ---- the second factor of everybody */

static enum rk_code mfa_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct settings s = *snap_settings(tx->snap);

    bool on = *(const bool *)arg;
    enum rk_code rc;

    if (s.local_mfa == on)
        return RK_OK;
    s.local_mfa = on;
    rc = tx_put(tx, ENT_SETTINGS, &s, err);
    if (rc == RK_OK && on)
        rc = settings_second_factor_on(tx, tx->mem, err);
    return rc ? rc
              : tx_event(tx,
                         on ? ACT_ACCOUNT_SETTING_LOCAL_MFA_ENABLE
                            : ACT_ACCOUNT_SETTING_LOCAL_MFA_DISABLE,
                         tx->account_id, RK_STR(""), err);
}

static enum rk_code mfa_status(struct call *c, struct rk_err *err)
{
    (void)err;
    c->result = json_pack("{s:b}", "enabled", snap_settings(c->op.snap)->local_mfa);
    return RK_OK;
}

static enum rk_code mfa_set(struct call *c, bool on, struct rk_err *err)
{
    enum rk_code rc = op_mutate(&c->op, mfa_tx, &on, err);

    return rc ? rc : mfa_status(c, err);
}

static enum rk_code mfa_enable(struct call *c, struct rk_err *err)
{
    return mfa_set(c, true, err);
}

static enum rk_code mfa_disable(struct call *c, struct rk_err *err)
{
    return mfa_set(c, false, err);
}

const struct command_row COMMAND_USERS[] = {{"user list", list, false},
                                            {"user create", create, true},
                                            {"user set-password", set_password, true},
                                            {"user reset-mfa", reset_mfa, true},
                                            {"user set-role", set_role, true},
                                            {"user block", block, true},
                                            {"user unblock", unblock, true},
                                            {"user approve", approve, true},
                                            {"user delete", delete_user, true},
                                            {"mfa status", mfa_status, false},
                                            {"mfa enable", mfa_enable, true},
                                            {"mfa disable", mfa_disable, true},
                                            {NULL, NULL, false}};
