/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/networks with resources and routers */
#include "config.h"

#include "management/ops/networks.h"

#include "management/rest/handlers.h"

/* How an empty list of ids is written: not the same at every endpoint. */
enum empty { EMPTY_LIST, EMPTY_NULL };

struct empties {
    enum empty routers, resources;
};

static void list_begin(struct rk_buf *b, bool *open)
{
    if (!*open)
        json_put_arr(b);
    *open = true;
}

static void list_end(struct rk_buf *b, bool open, enum empty how)
{
    if (open) {
        json_put_arr_end(b);
    } else if (how == EMPTY_NULL) {
        json_put_null(b);
    } else {
        json_put_arr(b);
        json_put_arr_end(b);
    }
}

static bool reaches(const struct snapshot *s, const struct rule *rule, struct rk_str network_id)
{
    const struct resource *r = snap_find(s, ENT_RESOURCE, rule->destination_resource.id);

    if (r && rk_str_eq(r->network_id, network_id))
        return true;
    for (size_t i = 0; i < rule->destinations.n; i++) {
        const struct group *g = snap_group(s, rule->destinations.v[i]);

        for (size_t k = 0; g && k < g->n_resources; k++) {
            r = snap_find(s, ENT_RESOURCE, g->resources[k].id);
            if (r && rk_str_eq(r->network_id, network_id))
                return true;
        }
    }
    return false;
}

static void put_policies(struct rk_buf *b, const struct snapshot *s, struct rk_str network_id)
{
    struct snap_iter it = snap_iter(s, ENT_POLICY);
    const struct policy *p;

    json_put_key_arr(b, "policies");
    while ((p = snap_next(&it)) != NULL) {
        bool hit = false;

        for (size_t i = 0; p->enabled && i < p->n_rules && !hit; i++)
            hit = p->rules[i].enabled && reaches(s, &p->rules[i], network_id);
        if (hit)
            json_put_str(b, p->id);
    }
    json_put_arr_end(b);
}

static int64_t put_router_ids(struct rk_buf *b, const struct snapshot *s, struct rk_str network_id,
                              enum empty how)
{
    struct snap_iter it = snap_iter(s, ENT_ROUTER);
    const struct router *r;
    bool open = false;
    int64_t peers = 0;

    json_put_key(b, "routers");
    while ((r = snap_next(&it)) != NULL) {
        if (!rk_str_eq(r->network_id, network_id))
            continue;
        list_begin(b, &open);
        json_put_str(b, r->id);
        peers += r->peer.n > 0;
        for (size_t i = 0; i < r->peer_groups.n; i++)
            peers += (int64_t)snap_group_size(s, r->peer_groups.v[i]);
    }
    list_end(b, open, how);
    return peers;
}

static void put_resource_ids(struct rk_buf *b, const struct snapshot *s, struct rk_str network_id,
                             enum empty how)
{
    struct snap_iter it = snap_iter(s, ENT_RESOURCE);
    const struct resource *r;
    bool open = false;

    json_put_key(b, "resources");
    while ((r = snap_next(&it)) != NULL)
        if (rk_str_eq(r->network_id, network_id)) {
            list_begin(b, &open);
            json_put_str(b, r->id);
        }
    list_end(b, open, how);
}

static void put_network(struct http_req *req, struct rk_buf *b, const struct network *n,
                        struct empties how)
{
    const struct snapshot *s = op_of(req)->snap;
    int64_t peers;

    json_put_obj(b);
    json_put_key_str(b, "id", n->id);
    json_put_key_str(b, "name", n->name);
    json_put_key_str(b, "description", n->description);
    peers = put_router_ids(b, s, n->id, how.routers);
    json_put_key_int(b, "routing_peers_count", peers);
    put_resource_ids(b, s, n->id, how.resources);
    put_policies(b, s, n->id);
    json_put_obj_end(b);
}

static void put_row_network(struct http_req *req, struct rk_buf *b, const void *row)
{
    put_network(req, b, row, (struct empties){EMPTY_LIST, EMPTY_NULL});
}

enum rk_code rest_networks_list(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_NETWORKS, PERM_READ, err);

    (void)db;
    if (!rc)
        rc = op_may(op_of(req), PERM_GROUPS, PERM_READ, err);
    return rc ? rc : answer_rows(req, resp, ENT_NETWORK, put_row_network);
}

enum rk_code rest_networks_get(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    const struct network *n = snap_find(op_of(req)->snap, ENT_NETWORK, param(req, 0));
    enum rk_code rc = op_may(op_of(req), PERM_NETWORKS, PERM_READ, err);

    (void)db;
    if (rc)
        return rc;
    if (!n)
        return rk_fail(err, RK_NOT_FOUND, "network: %.*s not found", RK_STR_ARG(param(req, 0)));
    put_network(req, &resp->body, n, (struct empties){EMPTY_NULL, EMPTY_NULL});
    return answer_done(resp);
}

struct network_in {
    struct rk_str name, description;
};

static const struct json_field NETWORK[] = {
    JSON_FIELD(struct network_in, name, JSON_STR),
    JSON_FIELD(struct network_in, description, JSON_STR),
};

static enum rk_code save_network(struct http_req *req, struct http_resp *resp, struct rk_str id,
                                 struct empties how, struct rk_err *err)
{
    struct network_in in = {0};
    const struct network *n;
    enum rk_code rc = BODY(req, NETWORK, &in, err);

    if (!rc)
        rc = network_save(op_of(req), id, in.name, in.description, &n, err);
    if (rc)
        return rc;
    put_network(req, &resp->body, n, how);
    return answer_done(resp);
}

enum rk_code rest_networks_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    (void)db;
    return save_network(req, resp, (struct rk_str){0}, (struct empties){EMPTY_LIST, EMPTY_LIST},
                        err);
}

enum rk_code rest_networks_update(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    (void)db;
    return save_network(req, resp, param(req, 0), (struct empties){EMPTY_NULL, EMPTY_NULL}, err);
}

enum rk_code rest_networks_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    enum rk_code rc = network_delete(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}

/* ---- resources */

static void put_resource(struct http_req *req, struct rk_buf *b, const void *row)
{
    const struct snapshot *s = op_of(req)->snap;
    struct snap_iter it = snap_iter(s, ENT_GROUP);
    const struct resource *r = row;
    const struct group *g;
    bool open = false;

    json_put_obj(b);
    json_put_key_str(b, "id", r->id);
    json_put_key_str(b, "type", rk_str_z(resource_type_text(r->type)));
    json_put_key_str(b, "name", r->name);
    json_put_key_str(b, "description", r->description);
    json_put_key(b, "address");
    if (r->type == RESOURCE_DOMAIN)
        json_put_str(b, r->address_given.n ? r->address_given : r->domain);
    else
        put_prefix(b, &r->prefix);
    json_put_key_bool(b, "enabled", r->enabled);
    json_put_key(b, "groups");
    while ((g = snap_next(&it)) != NULL)
        for (size_t i = 0; i < g->n_resources; i++)
            if (rk_str_eq(g->resources[i].id, r->id)) {
                list_begin(b, &open);
                put_group_min(b, s, g, false);
            }
    list_end(b, open, EMPTY_NULL);
    json_put_obj_end(b);
}

enum rk_code rest_resources_all(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_NETWORKS, PERM_READ, err);

    (void)db;
    return rc ? rc : answer_rows(req, resp, ENT_RESOURCE, put_resource);
}

enum rk_code rest_resources_list(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    struct snap_iter it = snap_iter(op_of(req)->snap, ENT_RESOURCE);
    const struct resource *r;
    bool open = false;
    enum rk_code rc = op_may(op_of(req), PERM_NETWORKS, PERM_READ, err);

    (void)db;
    if (rc)
        return rc;
    while ((r = snap_next(&it)) != NULL)
        if (rk_str_eq(r->network_id, param(req, 0))) {
            list_begin(&resp->body, &open);
            put_resource(req, &resp->body, r);
        }
    list_end(&resp->body, open, EMPTY_NULL);
    return answer_done(resp);
}

enum rk_code rest_resources_get(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    const struct resource *r;
    enum rk_code rc = op_may(op_of(req), PERM_NETWORKS, PERM_READ, err);

    (void)db;
    if (!rc)
        rc = resource_get(op_of(req), param(req, 0), param(req, 1), &r, err);
    if (rc)
        return rc;
    put_resource(req, &resp->body, r);
    return answer_done(resp);
}

static const struct json_field RESOURCE[] = {
    JSON_FIELD(struct resource_input, name, JSON_STR),
    JSON_FIELD(struct resource_input, description, JSON_STR),
    JSON_FIELD(struct resource_input, address, JSON_STR),
    JSON_FIELD(struct resource_input, enabled, JSON_BOOL),
    JSON_FIELD(struct resource_input, groups, JSON_STRS),
};

static enum rk_code save_resource(struct http_req *req, struct http_resp *resp, struct rk_str id,
                                  struct rk_err *err)
{
    struct resource_input in = {0};
    const struct resource *r;
    enum rk_code rc = BODY(req, RESOURCE, &in, err);

    if (!rc)
        rc = resource_save(op_of(req), param(req, 0), id, &in, &r, err);
    if (rc)
        return rc;
    put_resource(req, &resp->body, r);
    return answer_done(resp);
}

enum rk_code rest_resources_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                   struct rk_err *err)
{
    (void)db;
    return save_resource(req, resp, (struct rk_str){0}, err);
}

enum rk_code rest_resources_update(struct http_req *req, struct http_resp *resp, struct db *db,
                                   struct rk_err *err)
{
    (void)db;
    return save_resource(req, resp, param(req, 1), err);
}

enum rk_code rest_resources_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                   struct rk_err *err)
{
    enum rk_code rc = resource_delete(op_of(req), param(req, 0), param(req, 1), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}

/* ---- routers */

static void put_router(struct http_req *req, struct rk_buf *b, const void *row)
{
    const struct router *r = row;

    (void)req;
    json_put_obj(b);
    json_put_key_str(b, "id", r->id);
    json_put_key_str(b, "peer", r->peer);
    json_put_key(b, "peer_groups");
    put_strs_or_null(b, &r->peer_groups);
    json_put_key_int(b, "metric", r->metric);
    json_put_key_bool(b, "masquerade", r->masquerade);
    json_put_key_bool(b, "enabled", r->enabled);
    json_put_obj_end(b);
}

enum rk_code rest_routers_all(struct http_req *req, struct http_resp *resp, struct db *db,
                              struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_NETWORKS, PERM_READ, err);

    (void)db;
    return rc ? rc : answer_rows(req, resp, ENT_ROUTER, put_router);
}

enum rk_code rest_routers_list(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    struct snap_iter it = snap_iter(op_of(req)->snap, ENT_ROUTER);
    const struct router *r;
    enum rk_code rc = op_may(op_of(req), PERM_NETWORKS, PERM_READ, err);

    (void)db;
    if (rc)
        return rc;
    json_put_arr(&resp->body);
    while ((r = snap_next(&it)) != NULL)
        if (rk_str_eq(r->network_id, param(req, 0)))
            put_router(req, &resp->body, r);
    json_put_arr_end(&resp->body);
    return answer_done(resp);
}

enum rk_code rest_routers_get(struct http_req *req, struct http_resp *resp, struct db *db,
                              struct rk_err *err)
{
    const struct router *r;
    enum rk_code rc = op_may(op_of(req), PERM_NETWORKS, PERM_READ, err);

    (void)db;
    if (!rc)
        rc = router_get(op_of(req), param(req, 0), param(req, 1), &r, err);
    if (rc)
        return rc;
    put_router(req, &resp->body, r);
    return answer_done(resp);
}

static const struct json_field ROUTER[] = {
    JSON_FIELD(struct router_input, peer, JSON_STR),
    JSON_FIELD(struct router_input, peer_groups, JSON_STRS),
    JSON_FIELD(struct router_input, metric, JSON_INT),
    JSON_FIELD(struct router_input, masquerade, JSON_BOOL),
    JSON_FIELD(struct router_input, enabled, JSON_BOOL),
};

static enum rk_code save_router(struct http_req *req, struct http_resp *resp, struct rk_str id,
                                struct rk_err *err)
{
    struct router_input in = {0};
    const struct router *r;
    enum rk_code rc = BODY(req, ROUTER, &in, err);

    if (!rc)
        rc = router_save(op_of(req), param(req, 0), id, &in, &r, err);
    if (rc)
        return rc;
    put_router(req, &resp->body, r);
    return answer_done(resp);
}

enum rk_code rest_routers_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    (void)db;
    return save_router(req, resp, (struct rk_str){0}, err);
}

enum rk_code rest_routers_update(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    (void)db;
    return save_router(req, resp, param(req, 1), err);
}

enum rk_code rest_routers_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    enum rk_code rc = router_delete(op_of(req), param(req, 0), param(req, 1), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}
