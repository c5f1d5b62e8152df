/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/routes */
#include "config.h"

#include "management/ops/domains.h"
#include "management/ops/routes.h"
#include "management/rest/handlers.h"

static const char *kind_text(enum route_kind k)
{
    return k == ROUTE_DOMAIN ? "Domain" : k == ROUTE_IPV6 ? "IPv6" : "IPv4";
}

static void put_domains(struct http_req *req, struct rk_buf *b, const struct route *r)
{
    json_put_key(b, "domains");
    if (r->kind != ROUTE_DOMAIN) {
        json_put_null(b);
        return;
    }
    json_put_arr(b);
    for (size_t i = 0; i < r->domains.n; i++)
        json_put_str(b, dns_name_to_unicode(req->mem, r->domains.v[i]));
    json_put_arr_end(b);
}

static void put_route(struct http_req *req, struct rk_buf *b, const void *row)
{
    const struct route *r = row;

    json_put_obj(b);
    json_put_key_str(b, "id", r->id);
    json_put_key_str(b, "description", r->description);
    json_put_key_str(b, "network_id", r->net_id);
    json_put_key_bool(b, "enabled", r->enabled);
    json_put_key_str(b, "peer", r->peer);
    if (r->peer_groups.n)
        put_kstrs(b, "peer_groups", &r->peer_groups);
    json_put_key(b, "network");
    put_prefix(b, &r->network);
    json_put_key_plain(b, "network_type", rk_str_z(kind_text(r->kind)));
    put_domains(req, b, r);
    json_put_key_int(b, "metric", r->metric);
    json_put_key_bool(b, "masquerade", r->masquerade);
    put_kstrs(b, "groups", &r->groups);
    json_put_key_bool(b, "keep_route", r->keep_route);
    if (r->access_control_groups.n)
        put_kstrs(b, "access_control_groups", &r->access_control_groups);
    json_put_key_bool(b, "skip_auto_apply", r->skip_auto_apply);
    json_put_obj_end(b);
}

enum rk_code rest_routes_list(struct http_req *req, struct http_resp *resp, struct db *db,
                              struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_ROUTES, PERM_READ, err);

    (void)db;
    return rc ? rc : answer_rows(req, resp, ENT_ROUTE, put_route);
}

static enum rk_code find(const struct http_req *req, const struct route **out, struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_ROUTES, PERM_READ, err);

    if (rc)
        return rc;
    *out = snap_find(op_of(req)->snap, ENT_ROUTE, param(req, 0));
    return *out ? RK_OK
                : rk_fail(err, RK_NOT_FOUND, "route: %.*s not found", RK_STR_ARG(param(req, 0)));
}

enum rk_code rest_routes_get(struct http_req *req, struct http_resp *resp, struct db *db,
                             struct rk_err *err)
{
    const struct route *r;
    enum rk_code rc = find(req, &r, err);

    (void)db;
    if (rc)
        return rc;
    put_route(req, &resp->body, r);
    return answer_done(resp);
}

static const struct json_field ROUTE[] = {
    JSON_FIELD(struct route_input, description, JSON_STR),
    JSON_FIELD_AS(struct route_input, net_id, "network_id", JSON_STR),
    JSON_FIELD(struct route_input, network, JSON_STR),
    JSON_FIELD(struct route_input, peer, JSON_STR),
    JSON_FIELD(struct route_input, domains, JSON_STRS),
    JSON_FIELD(struct route_input, peer_groups, JSON_STRS),
    JSON_FIELD(struct route_input, groups, JSON_STRS),
    JSON_FIELD(struct route_input, access_control_groups, JSON_STRS),
    JSON_FIELD(struct route_input, metric, JSON_INT),
    JSON_FIELD(struct route_input, enabled, JSON_BOOL),
    JSON_FIELD(struct route_input, masquerade, JSON_BOOL),
    JSON_FIELD(struct route_input, keep_route, JSON_BOOL),
    JSON_FIELD(struct route_input, skip_auto_apply, JSON_BOOL),
};

static enum rk_code save(struct http_req *req, struct http_resp *resp, struct rk_str id,
                         struct rk_err *err)
{
    struct route_input in = {0};
    const struct route *r;
    enum rk_code rc = BODY(req, ROUTE, &in, err);

    if (!rc)
        rc = route_save(op_of(req), id, &in, &r, err);
    if (rc)
        return rc;
    put_route(req, &resp->body, r);
    return answer_done(resp);
}

enum rk_code rest_routes_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    (void)db;
    return save(req, resp, (struct rk_str){0}, err);
}

enum rk_code rest_routes_update(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    const struct route *r;
    enum rk_code rc = find(req, &r, err);

    (void)db;
    return rc ? rc : save(req, resp, param(req, 0), err);
}

enum rk_code rest_routes_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    enum rk_code rc = route_delete(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}
