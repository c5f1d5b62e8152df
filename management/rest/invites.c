/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/users/invites */
#include "config.h"

#include "management/ops/invites.h"

#include "management/rest/handlers.h"

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
    jw_obj(b);
    jw_kstr(b, "id", i->id);
    jw_kstr(b, "email", i->email);
    jw_kstr(b, "name", i->name);
    jw_kstr(b, "role", rk_str_z(user_role_text(i->role)));
    put_kstrs(b, "auto_groups", &i->auto_groups);
    jw_ktime(b, "expires_at", i->expires_at_us);
    jw_ktime(b, "created_at", i->created_at_us);
    jw_kbool(b, "expired", mgmt_now_us(op_of(req)->m) > i->expires_at_us);
    if (token.n)
        jw_kstr(b, "invite_token", token);
    jw_obj_end(b);
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

static const struct jr_field CREATE[] = {
    JR(struct invite_input, email, JR_STR),
    JR(struct invite_input, name, JR_STR),
    JR(struct invite_input, role, JR_STR),
    JR(struct invite_input, auto_groups, JR_STRS),
    JR_AS(struct invite_input, expires_in_s, "expires_in", JR_INT),
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

static const struct jr_field REGENERATE[] = {
    JR_AS(struct invite_input, expires_in_s, "expires_in", JR_INT),
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
    jw_obj(&resp->body);
    jw_kstr(&resp->body, "invite_token", token);
    jw_ktime(&resp->body, "invite_expires_at", expires_at_us);
    jw_obj_end(&resp->body);
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

/* ---- public ---- */

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
    jw_obj(&resp->body);
    jw_kstr(&resp->body, "email", i.email);
    jw_kstr(&resp->body, "name", i.name);
    jw_ktime(&resp->body, "expires_at", i.expires_at_us);
    jw_kbool(&resp->body, "valid", i.valid);
    jw_kstr(&resp->body, "invited_by", i.invited_by);
    jw_obj_end(&resp->body);
    return answer_done(resp);
}

struct accept {
    struct rk_str password;
};

static const struct jr_field ACCEPT[] = {JR(struct accept, password, JR_STR)};

enum rk_code rest_invites_accept(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    struct accept in = {0};
    enum rk_code rc = check_public(req, err);

    if (!rc)
        rc = BODY(req, ACCEPT, &in, err);
    if (!rc)
        rc = available(req, err);
    if (!rc)
        rc = invite_accept(rest_of(req)->o.m, db, req->mem, param(req, 0), in.password, err);
    if (rc)
        return rc;
    jw_obj(&resp->body);
    jw_kbool(&resp->body, "success", true);
    jw_obj_end(&resp->body);
    return answer_done(resp);
}
