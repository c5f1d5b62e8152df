/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/groups */
#include "config.h"

#include "management/ops/groups.h"

#include "management/rest/handlers.h"

static int64_t put_members(struct http_req *req, struct rk_buf *b, const struct group *g)
{
    const struct op *op = op_of(req);
    const struct bits *members = snap_group_members(op->snap, g->id);
    int64_t n = 0;

    json_put_key(b, "peers");
    for (BITS_EACH(i, members)) {
        const struct peer *p = snap_peer_at(op->snap, i);

        if (!peer_visible(op, p))
            continue;
        if (!n++)
            json_put_arr(b);
        json_put_obj(b);
        json_put_key_str(b, "id", p->id);
        json_put_key_str(b, "name", p->name);
        json_put_obj_end(b);
    }
    if (n)
        json_put_arr_end(b);
    else
        json_put_null(b);
    return n;
}

static void put_group(struct http_req *req, struct rk_buf *b, const struct group *g)
{
    int64_t n;

    json_put_obj(b);
    json_put_key_str(b, "id", g->id);
    json_put_key_str(b, "name", g->name);
    json_put_key_str(b, "issued", rk_str_z(issued_by_text(g->issued)));
    n = put_members(req, b, g);
    json_put_key_int(b, "peers_count", n);
    json_put_key(b, "resources");
    if (g->n_resources) {
        json_put_arr(b);
        for (size_t i = 0; i < g->n_resources; i++)
            put_ref(b, &g->resources[i]);
        json_put_arr_end(b);
    } else {
        json_put_null(b);
    }
    json_put_key_int(b, "resources_count", (int64_t)g->n_resources);
    json_put_obj_end(b);
}

static void put_row_group(struct http_req *req, struct rk_buf *b, const void *row)
{
    put_group(req, b, row);
}

/* Groups report blocked users without the usual wrapping. */
static enum rk_code may_read(const struct op *op, struct rk_err *err)
{
    enum rk_code rc = perm_check_active(op->user, err);

    return rc ? rc : op_may(op, PERM_GROUPS, PERM_READ, err);
}

/* Of equal names the group with most peers. */
static const struct group *find_by_name(const struct snapshot *s, struct rk_str name)
{
    struct snap_iter it = snap_iter(s, ENT_GROUP);
    const struct group *g, *best = NULL;

    while ((g = snap_next(&it)) != NULL)
        if (rk_str_eq(g->name, name) &&
            (!best || snap_group_size(s, g->id) > snap_group_size(s, best->id)))
            best = g;
    return best;
}

enum rk_code rest_groups_list(struct http_req *req, struct http_resp *resp, struct db *db,
                              struct rk_err *err)
{
    const struct group *g;
    struct rk_str name;
    enum rk_code rc = may_read(op_of(req), err);

    (void)db;
    if (rc)
        return rc;
    if (!http_req_query(req, "name", &name) || !name.n)
        return answer_rows(req, resp, ENT_GROUP, put_row_group);
    g = find_by_name(op_of(req)->snap, name);
    if (!g)
        return rk_fail(err, RK_NOT_FOUND, "group: %.*s not found", RK_STR_ARG(name));
    json_put_arr(&resp->body);
    put_group(req, &resp->body, g);
    json_put_arr_end(&resp->body);
    return answer_done(resp);
}

static enum rk_code answer_group(struct http_req *req, struct http_resp *resp, struct rk_str id,
                                 struct rk_err *err)
{
    const struct group *g = snap_group(op_of(req)->snap, id);

    if (!g)
        return rk_fail(err, RK_NOT_FOUND, "group: %.*s not found", RK_STR_ARG(id));
    put_group(req, &resp->body, g);
    return answer_done(resp);
}

enum rk_code rest_groups_get(struct http_req *req, struct http_resp *resp, struct db *db,
                             struct rk_err *err)
{
    enum rk_code rc = may_read(op_of(req), err);

    (void)db;
    return rc ? rc : answer_group(req, resp, param(req, 0), err);
}

struct resource_in {
    struct rk_str id, type;
};

struct input {
    struct rk_str name;
    struct json_strs peers;
    struct json_arr resources;
};

static const struct json_field RESOURCE[] = {
    JSON_FIELD(struct resource_in, id, JSON_STR),
    JSON_FIELD(struct resource_in, type, JSON_STR),
};
static const struct json_field INPUT[] = {
    JSON_FIELD(struct input, name, JSON_STR),
    JSON_FIELD(struct input, peers, JSON_STRS),
    JSON_FIELD_SUB(struct input, resources, "resources", JSON_ARR, struct resource_in, RESOURCE),
};

static enum rk_code read_input(struct http_req *req, struct group_input *out, struct rk_err *err)
{
    struct input in = {0};
    const struct resource_in *r;
    enum rk_code rc = BODY(req, INPUT, &in, err);

    if (rc)
        return rc;
    r = in.resources.items;
    *out = (struct group_input){.name = in.name, .peers = list_of(&in.peers)};
    out->resources = rk_new_n(req->mem, struct resource_ref, in.resources.n);
    for (size_t i = 0; i < in.resources.n; i++) {
        struct resource_ref *to = &out->resources[out->n_resources++];

        to->id = r[i].id;
        if (!r[i].id.n || !resource_type_parse(r[i].type, &to->type) || to->type == RESOURCE_NONE)
            return rk_fail(err, RK_INVALID, "resources[%zu] needs an id and a type", i);
    }
    return RK_OK;
}

enum rk_code rest_groups_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    struct group_input in;
    struct rk_str id;
    enum rk_code rc = read_input(req, &in, err);

    (void)db;
    if (!rc)
        rc = group_create(op_of(req), &in, &id, err);
    return rc ? rc : answer_group(req, resp, id, err);
}

enum rk_code rest_groups_update(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    struct group_input in;
    enum rk_code rc = group_check_update(op_of(req), param(req, 0), err);

    (void)db;
    if (!rc)
        rc = read_input(req, &in, err);
    if (!rc)
        rc = group_update(op_of(req), param(req, 0), &in, err);
    return rc ? rc : answer_group(req, resp, param(req, 0), err);
}

enum rk_code rest_groups_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    enum rk_code rc = group_delete(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}
