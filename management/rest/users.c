/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/users, but for tokens and invites */
#include "config.h"

#include "management/ops/users.h"

#include "management/identity/local_users.h"
#include "management/rest/handlers.h"

static void put_permissions(const struct op *op, struct rk_buf *b)
{
    static const struct {
        const char *name;
        enum perm_op op;
    } OPS[] = {{"create", PERM_CREATE},
               {"read", PERM_READ},
               {"update", PERM_UPDATE},
               {"delete", PERM_DELETE}};
    const struct user *u = op->user;

    json_put_key_obj(b, "permissions");
    json_put_key_bool(b, "is_restricted",
                      perm_is_restricted(u, snap_settings(op->snap)->regular_users_view_blocked));
    json_put_key_obj(b, "modules");
    for (unsigned m = 0; m < PERM_MODULES && perm_role_known(u->role); m++) {
        unsigned may =
            perm_is_offered((enum perm_module)m) ? perm_of_user(u, (enum perm_module)m) : 0;

        json_put_key_any(b, rk_str_z(perm_module_name((enum perm_module)m)));
        json_put_obj(b);
        for (size_t i = 0; i < RK_ARRAY_LEN(OPS); i++) {
            json_put_key_n(b, OPS[i].name, strlen(OPS[i].name));
            json_put_bool(b, may & OPS[i].op);
        }
        json_put_obj_end(b);
    }
    json_put_obj_end(b);
    json_put_obj_end(b);
}

static void put_user(struct http_req *req, struct rk_buf *b, const struct user *u,
                     struct rk_str password, bool with_permissions)
{
    const struct op *op = op_of(req);
    struct rk_str local_id, connector;

    json_put_obj(b);
    json_put_key_str(b, "id", u->id);
    json_put_key_str(b, "email", u->email);
    if (password.n)
        json_put_key_str(b, "password", password);
    json_put_key_str(b, "name", user_shown_name(u));
    json_put_key_str(b, "role", rk_str_z(user_role_text(u->role)));
    json_put_key_plain(b, "status", u->blocked ? RK_STR("blocked") : RK_STR("active"));
    json_put_key_time(b, "last_login", u->last_login_us);
    put_kstrs(b, "auto_groups", &u->auto_groups);
    json_put_key_bool(b, "is_current", rk_str_eq(u->id, op->user->id));
    json_put_key_bool(b, "is_service_user", u->is_service);
    json_put_key_bool(b, "is_blocked", u->blocked);
    json_put_key_bool(b, "pending_approval", u->pending_approval);
    json_put_key_str(b, "issued", rk_str_z(issued_by_text(u->issued)));
    if (!u->is_service && !password.n && idp_subject_decode(req->mem, u->id, &local_id, &connector))
        json_put_key_str(b, "idp_id", connector);
    if (with_permissions)
        put_permissions(op, b);
    json_put_obj_end(b);
}

/* Go's ParseBool. */
static bool parse_bool(struct rk_str s, bool *out)
{
    static const char *const YES[] = {"1", "t", "T", "TRUE", "true", "True"};
    static const char *const NO[] = {"0", "f", "F", "FALSE", "false", "False"};

    for (size_t i = 0; i < RK_ARRAY_LEN(YES); i++) {
        *out = rk_str_eqz(s, YES[i]);
        if (*out || rk_str_eqz(s, NO[i]))
            return true;
    }
    return false;
}

enum rk_code rest_users_list(struct http_req *req, struct http_resp *resp, struct db *db,
                             struct rk_err *err)
{
    const struct op *op = op_of(req);
    struct snap_iter it = snap_iter(op->snap, ENT_USER);
    const struct user *u;
    struct rk_str filter;
    bool want = false, filtered = http_req_query(req, "service_user", &filter) && filter.n;
    bool all = op_may(op, PERM_USERS, PERM_READ, err) == RK_OK;

    (void)db;
    if (!all && (perm_check_active(op->user, NULL) || !perm_role_known(op->user->role)))
        return RK_FORBIDDEN;
    if (filtered && !parse_bool(filter, &want))
        return rk_fail(err, RK_INVALID, "invalid service_user query parameter");
    json_put_arr(&resp->body);
    while ((u = snap_next(&it)) != NULL)
        if ((all || rk_str_eq(u->id, op->user->id)) && !(u->is_service && u->non_deletable) &&
            (!filtered || u->is_service == want))
            put_user(req, &resp->body, u, RK_STR(""), false);
    json_put_arr_end(&resp->body);
    return answer_done(resp);
}

enum rk_code rest_users_current(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    const struct user *u = op_of(req)->user;

    (void)db;
    if (u->blocked)
        return rk_fail(err, RK_FORBIDDEN, "user is blocked");
    if (u->is_service)
        return rk_fail(err, RK_FORBIDDEN, "permission denied");
    put_user(req, &resp->body, u, RK_STR(""), true);
    return answer_done(resp);
}

static const struct json_field CREATE[] = {
    JSON_FIELD(struct user_new, email, JSON_STR),
    JSON_FIELD(struct user_new, name, JSON_STR),
    JSON_FIELD(struct user_new, role, JSON_STR),
    JSON_FIELD(struct user_new, auto_groups, JSON_STRS),
    JSON_FIELD_AS(struct user_new, is_service, "is_service_user", JSON_BOOL),
};

enum rk_code rest_users_create(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    const struct rest_opts *o = &rest_of(req)->o;
    struct user_new in = {0};
    const struct user *u;
    struct rk_str password;
    enum rk_code rc = BODY(req, CREATE, &in, err);

    (void)db;
    if (!rc)
        rc = user_create(op_of(req), &in, o->embedded_idp && !o->local_auth_disabled, &u, &password,
                         err);
    if (rc)
        return rc;
    put_user(req, &resp->body, u, password, false);
    return answer_done(resp);
}

static enum rk_code answer_user(struct http_req *req, struct http_resp *resp, struct rk_err *err)
{
    const struct user *u = snap_user(op_of(req)->snap, param(req, 0));

    if (!u)
        return rk_fail(err, RK_NOT_FOUND, "user: %.*s not found", RK_STR_ARG(param(req, 0)));
    put_user(req, &resp->body, u, RK_STR(""), false);
    return answer_done(resp);
}

struct update {
    struct rk_str role;
    struct json_strs auto_groups;
    bool is_blocked;
};

static const struct json_field UPDATE[] = {
    JSON_FIELD(struct update, role, JSON_STR),
    JSON_FIELD(struct update, auto_groups, JSON_STRS),
    JSON_FIELD(struct update, is_blocked, JSON_BOOL),
};

enum rk_code rest_users_update(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    struct update in = {0};
    struct user_update u;
    enum rk_code rc;

    (void)db;
    if (!snap_user(op_of(req)->snap, param(req, 0)))
        return rk_fail(err, RK_NOT_FOUND, "user: %.*s not found", RK_STR_ARG(param(req, 0)));
    rc = BODY(req, UPDATE, &in, err);
    if (rc)
        return rc;
    if (!in.auto_groups.items)
        return rk_fail(err, RK_BAD_REQUEST, "auto_groups field can't be absent");
    u = (struct user_update){in.role, list_of(&in.auto_groups), in.is_blocked};
    rc = user_update(op_of(req), param(req, 0), &u, err);
    return rc ? rc : answer_user(req, resp, err);
}

enum rk_code rest_users_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    enum rk_code rc = user_delete(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}

/* Invitations by mail are an external provider's; with our own there are invite links. */
enum rk_code rest_users_invite(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_USERS, PERM_CREATE, err);

    (void)db;
    (void)resp;
    if (rc)
        return rc;
    if (!snap_user(op_of(req)->snap, param(req, 0)))
        return rk_fail(err, RK_NOT_FOUND, "user account %.*s doesn't exist",
                       RK_STR_ARG(param(req, 0)));
    return rk_fail(err, RK_PRECONDITION, "IdP manager must be enabled to send user invites");
}

enum rk_code rest_users_approve(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    enum rk_code rc = user_approve(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_user(req, resp, err);
}

enum rk_code rest_users_reject(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    enum rk_code rc = user_reject(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}

struct password_in {
    struct rk_str old_password, new_password;
};

static const struct json_field PASSWORD[] = {
    JSON_FIELD(struct password_in, old_password, JSON_STR),
    JSON_FIELD(struct password_in, new_password, JSON_STR),
};

enum rk_code rest_users_password(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    struct password_in in = {0};
    enum rk_code rc = BODY(req, PASSWORD, &in, err);

    (void)db;
    if (!rc && !rest_of(req)->o.embedded_idp)
        rc = rk_fail(err, RK_PRECONDITION,
                     "password change is only available with embedded identity provider");
    if (!rc)
        rc = user_change_password(op_of(req), param(req, 0), in.old_password, in.new_password, err);
    return rc ? rc : answer_empty(resp);
}
