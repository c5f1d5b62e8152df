/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/users/invites */
#include "config.h"

#include "management/ops/invites.h"

#include "management/rest/handlers.h"
#include "management/rest/tried.h"

static enum rk_code available(const struct http_req *req, struct rk_err *err)
{
    const struct rest_opts *o = &rest_of(req)->o;

    if (!o->embedded_idp)
        return rk_fail(err, RK_PRECONDITION,
                       "invite links are only available with embedded identity provider");
    if (o->local_auth_disabled)
        return rk_fail(err, RK_PRECONDITION,
                       "local user creation is disabled - use an external identity provider");
    return RK_OK;
}

static void put_invite(struct http_req *req, struct rk_buf *b, const struct invite *i,
                       struct rk_str token)
{
    json_put_obj(b);
    json_put_key_str(b, "id", i->id);
    json_put_key_str(b, "email", i->email);
    json_put_key_str(b, "name", i->name);
    json_put_key_str(b, "role", rk_str_z(user_role_text(i->role)));
    put_kstrs(b, "auto_groups", &i->auto_groups);
    json_put_key_time(b, "expires_at", i->expires_at_us);
    json_put_key_time(b, "created_at", i->created_at_us);
    json_put_key_bool(b, "expired", mgmt_now_us(op_of(req)->m) > i->expires_at_us);
    if (token.n)
        json_put_key_str(b, "invite_token", token);
    json_put_obj_end(b);
}

static void put_row_invite(struct http_req *req, struct rk_buf *b, const void *row)
{
    put_invite(req, b, row, RK_STR(""));
}

enum rk_code rest_invites_list(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    enum rk_code rc = rest_of(req)->o.embedded_idp ? RK_OK : available(req, err);

    (void)db;
    if (!rc)
        rc = op_may(op_of(req), PERM_USERS, PERM_READ, err);
    return rc ? rc : answer_rows(req, resp, ENT_INVITE, put_row_invite);
}

static const struct json_field CREATE[] = {
    JSON_FIELD(struct invite_input, email, JSON_STR),
    JSON_FIELD(struct invite_input, name, JSON_STR),
    JSON_FIELD(struct invite_input, role, JSON_STR),
    JSON_FIELD(struct invite_input, auto_groups, JSON_STRS),
    JSON_FIELD_AS(struct invite_input, expires_in_s, "expires_in", JSON_INT),
};

enum rk_code rest_invites_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    struct invite_input in = {0};
    const struct invite *i;
    struct rk_str token;
    enum rk_code rc = BODY(req, CREATE, &in, err);

    (void)db;
    if (!rc)
        rc = available(req, err);
    if (!rc)
        rc = invite_create(op_of(req), &in, &i, &token, err);
    if (rc)
        return rc;
    put_invite(req, &resp->body, i, token);
    return answer_done(resp);
}

static const struct json_field REGENERATE[] = {
    JSON_FIELD_AS(struct invite_input, expires_in_s, "expires_in", JSON_INT),
};

enum rk_code rest_invites_regenerate(struct http_req *req, struct http_resp *resp, struct db *db,
                                     struct rk_err *err)
{
    struct invite_input in = {0};
    struct rk_str token;
    int64_t expires_at_us;
    enum rk_code rc = req->body.n ? BODY(req, REGENERATE, &in, err) : RK_OK;

    (void)db;
    if (!rc)
        rc = available(req, err);
    if (!rc)
        rc = invite_regenerate(op_of(req), param(req, 0), in.expires_in_s, &token, &expires_at_us,
                               err);
    if (rc)
        return rc;
    json_put_obj(&resp->body);
    json_put_key_str(&resp->body, "invite_token", token);
    json_put_key_time(&resp->body, "invite_expires_at", expires_at_us);
    json_put_obj_end(&resp->body);
    return answer_done(resp);
}

enum rk_code rest_invites_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    enum rk_code rc = rest_of(req)->o.embedded_idp ? RK_OK : available(req, err);

    (void)db;
    if (!rc)
        rc = invite_delete(op_of(req), param(req, 0), err);
    return rc ? rc : answer_empty(resp);
}

/* ---- public */

static enum rk_code too_many(struct rk_err *err)
{
    return rk_fail(err, RK_LIMIT, "rate limit exceeded, please try again later");
}

/* Only tokens of the right kind are public; anything else needs a login, as on every path. */
static enum rk_code check_public(struct http_req *req, struct rk_err *err)
{
    if (!rk_str_starts(param(req, 0), RK_STR("nbi_")))
        return rk_fail(err, RK_UNAUTHENTICATED, "no valid authentication provided");
    if (!rest_public_limit(req))
        return too_many(err);
    return RK_OK;
}

enum rk_code rest_invites_look(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    struct invite_info i;
    enum rk_code rc = check_public(req, err);

    if (!rc)
        rc = rest_of(req)->o.embedded_idp ? RK_OK : available(req, err);
    if (!rc)
        rc = invite_look(rest_of(req)->o.m, db, req->mem, param(req, 0), &i, err);
    if (rc)
        return rc;
    json_put_obj(&resp->body);
    json_put_key_str(&resp->body, "email", i.email);
    json_put_key_str(&resp->body, "name", i.name);
    json_put_key_time(&resp->body, "expires_at", i.expires_at_us);
    json_put_key_bool(&resp->body, "valid", i.valid);
    json_put_key_str(&resp->body, "invited_by", i.invited_by);
    json_put_obj_end(&resp->body);
    return answer_done(resp);
}

struct accept {
    struct rk_str password;
};

static const struct json_field ACCEPT[] = {JSON_FIELD(struct accept, password, JSON_STR)};

enum rk_code rest_invites_accept(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    struct accept in = {0};
    bool trial;
    enum rk_code rc = check_public(req, err);

    if (!rc)
        rc = rest_wants_trial(req, &trial, err);
    if (!rc)
        rc = BODY(req, ACCEPT, &in, err);
    if (!rc)
        rc = available(req, err);
    if (!rc)
        rc = invite_accept(rest_of(req)->o.m, db, req->mem, param(req, 0), in.password, err);
    if (rc)
        return rc;
    json_put_obj(&resp->body);
    json_put_key_bool(&resp->body, "success", true);
    json_put_obj_end(&resp->body);
    return answer_done(resp);
}
