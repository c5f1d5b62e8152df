/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/policies */
#include "config.h"

#include "management/ops/policies.h"

#include "management/rest/handlers.h"

/* Groups of one side. A group that stood before (in `seen`) counts no resources, as the official
 * server answers, and stands once per side. */
static void put_side(struct rk_buf *b, const struct snapshot *s, const struct str_list *ids,
                     const struct str_list *seen, bool is_source)
{
    bool any = false;

    for (size_t i = 0; i < ids->n; i++) {
        const struct group *g = snap_group(s, ids->v[i]);
        bool known = str_list_has(seen, ids->v[i]);

        if (!g)
            continue;
        if (!any)
            json_put_arr(b);
        any = true;
        json_put_obj(b);
        json_put_key_str(b, "id", g->id);
        json_put_key_str(b, "name", g->name);
        json_put_key_int(b, "peers_count", (int64_t)snap_group_size(s, g->id));
        json_put_key_int(b, "resources_count", is_source || known ? 0 : (int64_t)g->n_resources);
        json_put_obj_end(b);
    }
    if (any)
        json_put_arr_end(b);
    else
        json_put_null(b);
}

static void put_authorized(struct rk_buf *b, const struct rule *r)
{
    if (!r->n_authorized)
        return;
    json_put_key_obj(b, "authorized_groups");
    for (size_t i = 0; i < r->n_authorized; i++) {
        json_put_key_any(b, r->authorized[i].group_id);
        put_strs(b, &r->authorized[i].names);
    }
    json_put_obj_end(b);
}

static void put_ports(struct rk_buf *b, const struct rule *r)
{
    if (r->ports.n)
        put_kstrs(b, "ports", &r->ports);
    if (!r->n_ranges)
        return;
    json_put_key_arr(b, "port_ranges");
    for (size_t i = 0; i < r->n_ranges; i++) {
        json_put_obj(b);
        json_put_key_int(b, "start", r->ranges[i].start);
        json_put_key_int(b, "end", r->ranges[i].end);
        json_put_obj_end(b);
    }
    json_put_arr_end(b);
}

static void put_rule(struct rk_buf *b, const struct snapshot *s, const struct rule *r)
{
    static const struct str_list none = {0};

    json_put_obj(b);
    json_put_key_str(b, "id", r->id);
    json_put_key_str(b, "name", r->name);
    json_put_key_str(b, "description", r->description);
    json_put_key_bool(b, "enabled", r->enabled);
    json_put_key_str(b, "action", rk_str_z(rule_action_text(r->action)));
    json_put_key_bool(b, "bidirectional", r->bidirectional);
    json_put_key_str(b, "protocol", rk_str_z(rule_protocol_text(r->protocol)));
    put_ports(b, r);
    put_authorized(b, r);
    json_put_key(b, "sources");
    put_side(b, s, &r->sources, &none, true);
    if (r->source_resource.id.n) {
        json_put_key(b, "sourceResource");
        put_ref(b, &r->source_resource);
    }
    json_put_key(b, "destinations");
    put_side(b, s, &r->destinations, &r->sources, false);
    if (r->destination_resource.id.n) {
        json_put_key(b, "destinationResource");
        put_ref(b, &r->destination_resource);
    }
    json_put_obj_end(b);
}

static void put_policy(struct http_req *req, struct rk_buf *b, const void *row)
{
    const struct policy *p = row;

    json_put_obj(b);
    json_put_key_str(b, "id", p->id);
    json_put_key_str(b, "name", p->name);
    json_put_key_str(b, "description", p->description);
    json_put_key_bool(b, "enabled", p->enabled);
    json_put_key(b, "source_posture_checks");
    put_strs_or_null(b, &p->posture_checks);
    json_put_key_arr(b, "rules");
    for (size_t i = 0; i < p->n_rules; i++)
        put_rule(b, op_of(req)->snap, &p->rules[i]);
    json_put_arr_end(b);
    json_put_obj_end(b);
}

enum rk_code rest_policies_list(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_POLICIES, PERM_READ, err);

    (void)db;
    return rc ? rc : answer_rows(req, resp, ENT_POLICY, put_policy);
}

/* Also the check before an update's body is read. */
static enum rk_code find(const struct http_req *req, enum perm_op what, const struct policy **out,
                         struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_POLICIES, what, err);

    if (rc)
        return rc;
    *out = snap_policy(op_of(req)->snap, param(req, 0));
    return *out ? RK_OK
                : rk_fail(err, RK_NOT_FOUND, "policy: %.*s not found", RK_STR_ARG(param(req, 0)));
}

enum rk_code rest_policies_get(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    const struct policy *p;
    enum rk_code rc = find(req, PERM_READ, &p, err);

    (void)db;
    if (rc)
        return rc;
    put_policy(req, &resp->body, p);
    return answer_done(resp);
}

struct ref_in {
    struct rk_str id, type;
};

struct rule_in {
    struct rk_str id, name, description, action, protocol;
    bool enabled, bidirectional;
    struct json_strs sources, destinations, ports;
    struct ref_in *source, *destination;
    struct json_arr ranges;
    struct json_map authorized;
};

struct policy_in {
    struct rk_str name, description;
    bool enabled;
    struct json_strs checks;
    struct json_arr rules;
};

static const struct json_field REF[] = {
    JSON_FIELD(struct ref_in, id, JSON_STR),
    JSON_FIELD(struct ref_in, type, JSON_STR),
};
static const struct json_field RANGE[] = {
    JSON_FIELD(struct rule_range, start, JSON_INT),
    JSON_FIELD(struct rule_range, end, JSON_INT),
};
static const struct json_field RULE[] = {
    JSON_FIELD(struct rule_in, id, JSON_STR),
    JSON_FIELD(struct rule_in, name, JSON_STR),
    JSON_FIELD(struct rule_in, description, JSON_STR),
    JSON_FIELD(struct rule_in, action, JSON_STR),
    JSON_FIELD(struct rule_in, protocol, JSON_STR),
    JSON_FIELD(struct rule_in, enabled, JSON_BOOL),
    JSON_FIELD(struct rule_in, bidirectional, JSON_BOOL),
    JSON_FIELD(struct rule_in, sources, JSON_STRS),
    JSON_FIELD(struct rule_in, destinations, JSON_STRS),
    JSON_FIELD(struct rule_in, ports, JSON_STRS),
    JSON_FIELD_SUB(struct rule_in, source, "sourceResource", JSON_OPT_OBJ, struct ref_in, REF),
    JSON_FIELD_SUB(struct rule_in, destination, "destinationResource", JSON_OPT_OBJ, struct ref_in,
                   REF),
    JSON_FIELD_SUB(struct rule_in, ranges, "port_ranges", JSON_ARR, struct rule_range, RANGE),
    JSON_FIELD_AS(struct rule_in, authorized, "authorized_groups", JSON_MAP_STRS),
};
static const struct json_field POLICY[] = {
    JSON_FIELD(struct policy_in, name, JSON_STR),
    JSON_FIELD(struct policy_in, description, JSON_STR),
    JSON_FIELD(struct policy_in, enabled, JSON_BOOL),
    JSON_FIELD_AS(struct policy_in, checks, "source_posture_checks", JSON_STRS),
    JSON_FIELD_SUB(struct policy_in, rules, "rules", JSON_ARR, struct rule_in, RULE),
};

static enum rk_code read_side(const struct json_strs *groups, const struct ref_in *ref,
                              struct rule_side *out, struct rk_err *err)
{
    out->has_groups = groups->items != NULL;
    out->groups = list_of(groups);
    out->has_resource = ref != NULL;
    if (!ref)
        return RK_OK;
    out->resource.id = ref->id;
    if (!ref->id.n || !resource_type_parse(ref->type, &out->resource.type) ||
        out->resource.type == RESOURCE_NONE)
        return rk_fail(err, RK_INVALID, "a resource of a rule needs an id and a type");
    return RK_OK;
}

static enum rk_code read_rule(struct http_req *req, const struct rule_in *in,
                              struct rule_input *out, struct rk_err *err)
{
    enum rk_code rc;

    *out = (struct rule_input){.id = in->id,
                               .name = in->name,
                               .description = in->description,
                               .action = in->action,
                               .protocol = in->protocol,
                               .enabled = in->enabled,
                               .bidirectional = in->bidirectional,
                               .ports = list_of(&in->ports),
                               .ranges = in->ranges.items,
                               .n_ranges = in->ranges.n};
    out->authorized = rk_new_n(req->mem, struct authorized_group, in->authorized.n);
    for (size_t i = 0; i < in->authorized.n; i++)
        out->authorized[out->n_authorized++] = (struct authorized_group){
            in->authorized.items[i].key, list_of(&in->authorized.items[i].strs)};
    rc = read_side(&in->sources, in->source, &out->source, err);
    return rc ? rc : read_side(&in->destinations, in->destination, &out->destination, err);
}

static enum rk_code save(struct http_req *req, struct http_resp *resp, struct rk_str id,
                         struct rk_err *err)
{
    struct policy_in in = {0};
    struct policy_input p;
    const struct policy *saved;
    enum rk_code rc = BODY(req, POLICY, &in, err);

    if (rc)
        return rc;
    p = (struct policy_input){.name = in.name,
                              .description = in.description,
                              .enabled = in.enabled,
                              .posture_checks = list_of(&in.checks),
                              .rules = rk_new_n(req->mem, struct rule_input, in.rules.n),
                              .n_rules = in.rules.n,
                              .several_new = op_of(req)->tx != NULL}; /* from a file */
    for (size_t i = 0; i < in.rules.n && !rc; i++)
        rc = read_rule(req, &((const struct rule_in *)in.rules.items)[i], &p.rules[i], err);
    if (!rc)
        rc = policy_save(op_of(req), id, &p, &saved, err);
    if (rc)
        return rc;
    put_policy(req, &resp->body, saved);
    return answer_done(resp);
}

enum rk_code rest_policies_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    (void)db;
    return save(req, resp, (struct rk_str){0}, err);
}

enum rk_code rest_policies_update(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    const struct policy *p;
    enum rk_code rc = find(req, PERM_READ, &p, err);

    (void)db;
    return rc ? rc : save(req, resp, param(req, 0), err);
}

enum rk_code rest_policies_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    enum rk_code rc = policy_delete(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}
