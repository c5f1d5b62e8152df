/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/users/{userId}/tokens */
#include "config.h"

#include "management/ops/tokens.h"

#include "management/engine/presence.h"
#include "management/rest/handlers.h"

static void put_token(struct http_req *req, struct rk_buf *b, const struct pat *p)
{
    int64_t used = pat_last_used_us(op_of(req)->m, p);

    json_put_obj(b);
    json_put_key_str(b, "id", p->id);
    json_put_key_str(b, "name", p->name);
    json_put_key_time(b, "expiration_date", p->expires_at_us);
    json_put_key_str(b, "created_by", p->created_by);
    json_put_key_time(b, "created_at", p->created_at_us);
    if (used)
        json_put_key_time(b, "last_used", used);
    json_put_obj_end(b);
}

enum rk_code rest_tokens_list(struct http_req *req, struct http_resp *resp, struct db *db,
                              struct rk_err *err)
{
    struct snap_iter it = snap_iter(op_of(req)->snap, ENT_PAT);
    const struct user *u;
    const struct pat *p;
    bool any = false;
    enum rk_code rc = token_check_target(op_of(req), param(req, 0), PERM_READ, &u, err);

    (void)db;
    if (rc)
        return rc;
    while ((p = snap_next(&it)) != NULL) {
        if (!rk_str_eq(p->user_id, u->id))
            continue;
        if (!any)
            json_put_arr(&resp->body);
        any = true;
        put_token(req, &resp->body, p);
    }
    if (any)
        json_put_arr_end(&resp->body);
    else
        json_put_null(&resp->body);
    return answer_done(resp);
}

enum rk_code rest_tokens_get(struct http_req *req, struct http_resp *resp, struct db *db,
                             struct rk_err *err)
{
    const struct user *u;
    const struct pat *p = NULL;
    enum rk_code rc = token_check_target(op_of(req), param(req, 0), PERM_READ, &u, err);

    (void)db;
    if (!rc)
        rc = token_get(op_of(req), param(req, 0), param(req, 1), &p, err);
    if (rc)
        return rc;
    put_token(req, &resp->body, p);
    return answer_done(resp);
}

struct create {
    struct rk_str name;
    int64_t expires_in;
};

static const struct json_field CREATE[] = {
    JSON_FIELD(struct create, name, JSON_STR),
    JSON_FIELD(struct create, expires_in, JSON_INT),
};

enum rk_code rest_tokens_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    struct create in = {0};
    struct rk_str plain;
    const struct pat *p;
    enum rk_code rc = BODY(req, CREATE, &in, err);

    (void)db;
    if (!rc)
        rc = token_create(op_of(req), param(req, 0), in.name, in.expires_in, &p, &plain, err);
    if (rc)
        return rc;
    json_put_obj(&resp->body);
    json_put_key_str(&resp->body, "plain_token", plain);
    json_put_key(&resp->body, "personal_access_token");
    put_token(req, &resp->body, p);
    json_put_obj_end(&resp->body);
    return answer_done(resp);
}

enum rk_code rest_tokens_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    enum rk_code rc = token_delete(op_of(req), param(req, 0), param(req, 1), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}
