/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/setup-keys */
#include "config.h"

#include "management/ops/setup_keys.h"

#include "management/rest/handlers.h"

static void put_key(struct http_req *req, struct rk_buf *b, const struct setup_key *k,
                    struct rk_str shown)
{
    enum setup_key_state state = setup_key_state(k, mgmt_now_us(op_of(req)->m));

    json_put_obj(b);
    json_put_key_str(b, "id", k->id);
    json_put_key_str(b, "name", k->name);
    json_put_key_time(b, "expires", k->expires_at_us);
    json_put_key_str(b, "type", rk_str_z(setup_key_type_text(k->type)));
    json_put_key_bool(b, "valid", state == SETUP_KEY_VALID);
    json_put_key_bool(b, "revoked", k->revoked);
    json_put_key_int(b, "used_times", k->used);
    json_put_key_time(b, "last_used", k->last_used_us);
    json_put_key_str(b, "state", rk_str_z(setup_key_state_text(state)));
    put_kstrs(b, "auto_groups", &k->auto_groups);
    json_put_key_time(b, "updated_at", k->updated_at_us);
    json_put_key_int(b, "usage_limit", k->usage_limit);
    json_put_key_bool(b, "ephemeral", k->ephemeral);
    json_put_key_bool(b, "allow_extra_dns_labels", k->allow_extra_dns_labels);
    json_put_key_str(b, "key", shown);
    json_put_obj_end(b);
}

static void put_row_key(struct http_req *req, struct rk_buf *b, const void *row)
{
    const struct setup_key *k = row;

    put_key(req, b, k, k->display);
}

enum rk_code rest_setup_keys_list(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_SETUP_KEYS, PERM_READ, err);

    (void)db;
    return rc ? rc : answer_rows(req, resp, ENT_SETUP_KEY, put_row_key);
}

enum rk_code rest_setup_keys_get(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    const struct setup_key *k = snap_setup_key(op_of(req)->snap, param(req, 0));
    enum rk_code rc = op_may(op_of(req), PERM_SETUP_KEYS, PERM_READ, err);

    (void)db;
    if (rc)
        return rc;
    if (!k)
        return rk_fail(err, RK_NOT_FOUND, "setup key: %.*s not found", RK_STR_ARG(param(req, 0)));
    resp->content_type = "application/json"; /* as the official server, here and on update */
    put_key(req, &resp->body, k, k->display);
    return answer_done(resp);
}

static const struct json_field CREATE[] = {
    JSON_FIELD(struct setup_key_new, name, JSON_STR),
    JSON_FIELD(struct setup_key_new, type, JSON_STR),
    JSON_FIELD_AS(struct setup_key_new, expires_in_s, "expires_in", JSON_INT),
    JSON_FIELD(struct setup_key_new, auto_groups, JSON_STRS),
    JSON_FIELD(struct setup_key_new, usage_limit, JSON_INT),
    JSON_FIELD(struct setup_key_new, ephemeral, JSON_BOOL),
    JSON_FIELD(struct setup_key_new, allow_extra_dns_labels, JSON_BOOL),
};

enum rk_code rest_setup_keys_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                    struct rk_err *err)
{
    struct setup_key_new in = {0};
    const struct setup_key *k;
    struct rk_str plain;
    enum rk_code rc = BODY(req, CREATE, &in, err);

    (void)db;
    if (!rc)
        rc = setup_key_create(op_of(req), &in, &k, &plain, err);
    if (rc)
        return rc;
    put_key(req, &resp->body, k, plain);
    return answer_done(resp);
}

struct update {
    bool revoked;
    struct json_strs auto_groups;
};

static const struct json_field UPDATE[] = {
    JSON_FIELD(struct update, revoked, JSON_BOOL),
    JSON_FIELD(struct update, auto_groups, JSON_STRS),
};

enum rk_code rest_setup_keys_update(struct http_req *req, struct http_resp *resp, struct db *db,
                                    struct rk_err *err)
{
    struct update in = {0};
    const struct setup_key *k;
    struct str_list groups;
    enum rk_code rc = BODY(req, UPDATE, &in, err);

    (void)db;
    if (rc)
        return rc;
    if (!in.auto_groups.items)
        return rk_fail(err, RK_INVALID, "setup key AutoGroups field is invalid");
    groups = list_of(&in.auto_groups);
    rc = setup_key_update(op_of(req), param(req, 0), in.revoked, &groups, &k, err);
    if (rc)
        return rc;
    resp->content_type = "application/json";
    put_key(req, &resp->body, k, k->display);
    return answer_done(resp);
}

enum rk_code rest_setup_keys_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                    struct rk_err *err)
{
    enum rk_code rc = setup_key_delete(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}
