/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/identity-providers */
#include "config.h"

#include "management/ops/connectors.h"

#include "management/rest/handlers.h"

static enum rk_code available(const struct http_req *req, struct rk_err *err)
{
    return rest_of(req)->o.embedded_idp
               ? RK_OK
               : rk_fail(err, RK_PRECONDITION,
                         "identity providers need the embedded identity provider");
}

static struct idp_connectors table(struct http_req *req, struct db *db)
{
    return (struct idp_connectors){db, mgmt_vault(op_of(req)->m), req->mem};
}

static void put_connector(struct rk_buf *b, const struct idp_connector *c)
{
    json_put_obj(b);
    json_put_key_str(b, "id", c->id);
    json_put_key_str(b, "type", c->type);
    json_put_key_str(b, "name", c->name);
    json_put_key_str(b, "issuer", c->issuer);
    json_put_key_str(b, "client_id", c->client_id);
    json_put_obj_end(b);
}

enum rk_code rest_connectors_list(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    struct idp_connectors t = table(req, db);
    struct idp_connector_list l = {0};
    enum rk_code rc = op_may(op_of(req), PERM_IDENTITY_PROVIDERS, PERM_READ, err);

    if (!rc && rest_of(req)->o.embedded_idp)
        rc = idp_connectors_list(&t, &l, err);
    if (rc)
        return rc;
    json_put_arr(&resp->body);
    for (size_t i = 0; i < l.n; i++)
        put_connector(&resp->body, &l.v[i]);
    json_put_arr_end(&resp->body);
    return answer_done(resp);
}

enum rk_code rest_connectors_get(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    struct idp_connectors t = table(req, db);
    struct idp_connector c;
    enum rk_code rc = op_may(op_of(req), PERM_IDENTITY_PROVIDERS, PERM_READ, err);

    if (!rc)
        rc = available(req, err);
    if (!rc)
        rc = idp_connector_get(&t, param(req, 0), &c, err);
    if (rc)
        return rc;
    put_connector(&resp->body, &c);
    return answer_done(resp);
}

static const struct json_field CONNECTOR[] = {
    JSON_FIELD(struct idp_connector, type, JSON_STR),
    JSON_FIELD(struct idp_connector, name, JSON_STR),
    JSON_FIELD(struct idp_connector, issuer, JSON_STR),
    JSON_FIELD(struct idp_connector, client_id, JSON_STR),
    JSON_FIELD_AS(struct idp_connector, secret, "client_secret", JSON_STR),
};

static enum rk_code save(struct http_req *req, struct http_resp *resp, struct rk_str id,
                         struct rk_err *err)
{
    struct idp_connector in = {0}, c;
    enum rk_code rc = BODY(req, CONNECTOR, &in, err);

    if (!rc)
        rc = available(req, err);
    if (!rc)
        rc = connector_save(op_of(req), id, &in, &c, err);
    if (rc)
        return rc;
    put_connector(&resp->body, &c);
    return answer_done(resp);
}

enum rk_code rest_connectors_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                    struct rk_err *err)
{
    (void)db;
    return save(req, resp, (struct rk_str){0}, err);
}

enum rk_code rest_connectors_update(struct http_req *req, struct http_resp *resp, struct db *db,
                                    struct rk_err *err)
{
    (void)db;
    return save(req, resp, param(req, 0), err);
}

enum rk_code rest_connectors_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                    struct rk_err *err)
{
    enum rk_code rc = available(req, err);

    (void)db;
    if (!rc)
        rc = connector_delete(op_of(req), param(req, 0), err);
    return rc ? rc : answer_empty(resp);
}
