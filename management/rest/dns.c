/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/dns: nameserver groups, settings, zones, records */
#include "config.h"

#include "management/ops/dns.h"

#include "management/rest/handlers.h"

/* ---- nameserver groups */

static void put_ns(struct rk_buf *b, const struct ns_group *g)
{
    json_put_obj(b);
    json_put_key_str(b, "id", g->id);
    json_put_key_str(b, "name", g->name);
    json_put_key_str(b, "description", g->description);
    json_put_key_arr(b, "nameservers");
    for (size_t i = 0; i < g->n_servers; i++) {
        json_put_obj(b);
        json_put_key(b, "ip");
        put_ip(b, &g->servers[i].ip);
        json_put_key_plain(b, "ns_type", RK_STR("udp"));
        json_put_key_int(b, "port", g->servers[i].port);
        json_put_obj_end(b);
    }
    json_put_arr_end(b);
    json_put_key_bool(b, "enabled", g->enabled);
    put_kstrs(b, "groups", &g->groups);
    json_put_key_bool(b, "primary", g->primary);
    json_put_key(b, "domains");
    put_strs_or_null(b, &g->domains);
    json_put_key_bool(b, "search_domains_enabled", g->search_domains);
    json_put_obj_end(b);
}

static void put_row_ns(struct http_req *req, struct rk_buf *b, const void *row)
{
    (void)req;
    put_ns(b, row);
}

enum rk_code rest_ns_groups_list(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_NAMESERVERS, PERM_READ, err);

    (void)db;
    return rc ? rc : answer_rows(req, resp, ENT_NS_GROUP, put_row_ns);
}

static enum rk_code find_ns(const struct http_req *req, const struct ns_group **out,
                            struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_NAMESERVERS, PERM_READ, err);

    if (rc)
        return rc;
    *out = snap_find(op_of(req)->snap, ENT_NS_GROUP, param(req, 0));
    return *out ? RK_OK
                : rk_fail(err, RK_NOT_FOUND, "nameserver group: %.*s not found",
                          RK_STR_ARG(param(req, 0)));
}

enum rk_code rest_ns_groups_get(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    const struct ns_group *g;
    enum rk_code rc = find_ns(req, &g, err);

    (void)db;
    if (rc)
        return rc;
    put_ns(&resp->body, g);
    return answer_done(resp);
}

struct ns_in {
    struct rk_str name, description;
    struct json_arr nameservers;
    bool enabled, primary, search_domains_enabled;
    struct str_list groups, domains;
};

static const struct json_field SERVER[] = {
    JSON_FIELD(struct nameserver_input, ip, JSON_STR),
    JSON_FIELD(struct nameserver_input, ns_type, JSON_STR),
    JSON_FIELD(struct nameserver_input, port, JSON_INT),
};
static const struct json_field NS_GROUP[] = {
    JSON_FIELD(struct ns_in, name, JSON_STR),
    JSON_FIELD(struct ns_in, description, JSON_STR),
    JSON_FIELD_SUB(struct ns_in, nameservers, "nameservers", JSON_ARR, struct nameserver_input,
                   SERVER),
    JSON_FIELD(struct ns_in, enabled, JSON_BOOL),
    JSON_FIELD(struct ns_in, primary, JSON_BOOL),
    JSON_FIELD(struct ns_in, search_domains_enabled, JSON_BOOL),
    JSON_FIELD(struct ns_in, groups, JSON_STRS),
    JSON_FIELD(struct ns_in, domains, JSON_STRS),
};

static enum rk_code save_ns(struct http_req *req, struct http_resp *resp, struct rk_str id,
                            struct rk_err *err)
{
    struct ns_in in = {0};
    struct ns_group_input g;
    const struct ns_group *saved;
    enum rk_code rc = BODY(req, NS_GROUP, &in, err);

    if (rc)
        return rc;
    g = (struct ns_group_input){.name = in.name,
                                .description = in.description,
                                .servers = in.nameservers.items,
                                .n_servers = in.nameservers.n,
                                .enabled = in.enabled,
                                .primary = in.primary,
                                .search_domains = in.search_domains_enabled,
                                .groups = in.groups,
                                .domains = in.domains};
    rc = ns_group_save(op_of(req), id, &g, &saved, err);
    if (rc)
        return rc;
    put_ns(&resp->body, saved);
    return answer_done(resp);
}

enum rk_code rest_ns_groups_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                   struct rk_err *err)
{
    (void)db;
    return save_ns(req, resp, (struct rk_str){0}, err);
}

enum rk_code rest_ns_groups_update(struct http_req *req, struct http_resp *resp, struct db *db,
                                   struct rk_err *err)
{
    const struct ns_group *g;
    enum rk_code rc = find_ns(req, &g, err);

    (void)db;
    return rc ? rc : save_ns(req, resp, param(req, 0), err);
}

enum rk_code rest_ns_groups_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                   struct rk_err *err)
{
    enum rk_code rc = ns_group_delete(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}

/* ---- settings */

static enum rk_code answer_settings(struct http_resp *resp, const struct str_list *disabled)
{
    json_put_obj(&resp->body);
    json_put_key(&resp->body, "disabled_management_groups");
    put_strs_or_null(&resp->body, disabled);
    json_put_obj_end(&resp->body);
    return answer_done(resp);
}

enum rk_code rest_dns_settings_get(struct http_req *req, struct http_resp *resp, struct db *db,
                                   struct rk_err *err)
{
    const struct dns_settings *s = snap_dns_settings(op_of(req)->snap);
    enum rk_code rc = op_may(op_of(req), PERM_DNS, PERM_READ, err);

    (void)db;
    return rc ? rc : answer_settings(resp, &s->disabled_management_groups);
}

static const struct json_field SETTINGS[] = {
    JSON_FIELD(struct dns_settings, disabled_management_groups, JSON_STRS),
};

enum rk_code rest_dns_settings_update(struct http_req *req, struct http_resp *resp, struct db *db,
                                      struct rk_err *err)
{
    struct dns_settings in = {0};
    enum rk_code rc = BODY(req, SETTINGS, &in, err);

    (void)db;
    /* null or absent leaves the list as it is, as with the official server */
    if (!rc && !in.disabled_management_groups.v)
        in = *snap_dns_settings(op_of(req)->snap);
    if (!rc)
        rc = dns_settings_update(op_of(req), &in.disabled_management_groups, err);
    return rc ? rc : answer_settings(resp, &in.disabled_management_groups);
}

/* ---- zones */

static void put_record(struct rk_buf *b, const struct record *r)
{
    json_put_obj(b);
    json_put_key_str(b, "id", r->id);
    json_put_key_str(b, "name", r->name);
    json_put_key_plain(b, "type", rk_str_z(record_type_text(r->type)));
    json_put_key_str(b, "content", r->content);
    json_put_key_int(b, "ttl", r->ttl_s);
    json_put_obj_end(b);
}

static void put_records(struct rk_buf *b, const struct snapshot *s, struct rk_str zone_id)
{
    struct snap_iter it = snap_iter(s, ENT_RECORD);
    const struct record *r;

    json_put_arr(b);
    while ((r = snap_next(&it)) != NULL)
        if (rk_str_eq(r->zone_id, zone_id))
            put_record(b, r);
    json_put_arr_end(b);
}

static void put_zone(struct http_req *req, struct rk_buf *b, const void *row)
{
    const struct zone *z = row;

    json_put_obj(b);
    json_put_key_str(b, "id", z->id);
    json_put_key_str(b, "name", z->name);
    json_put_key_str(b, "domain", z->domain);
    json_put_key_bool(b, "enabled", z->enabled);
    json_put_key_bool(b, "enable_search_domain", z->search_domain);
    put_kstrs(b, "distribution_groups", &z->groups);
    json_put_key(b, "records");
    put_records(b, op_of(req)->snap, z->id);
    json_put_obj_end(b);
}

enum rk_code rest_zones_list(struct http_req *req, struct http_resp *resp, struct db *db,
                             struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_DNS, PERM_READ, err);

    (void)db;
    return rc ? rc : answer_rows(req, resp, ENT_ZONE, put_zone);
}

enum rk_code rest_zones_get(struct http_req *req, struct http_resp *resp, struct db *db,
                            struct rk_err *err)
{
    const struct zone *z = snap_find(op_of(req)->snap, ENT_ZONE, param(req, 0));
    enum rk_code rc = op_may(op_of(req), PERM_DNS, PERM_READ, err);

    (void)db;
    if (rc)
        return rc;
    if (!z)
        return rk_fail(err, RK_NOT_FOUND, "zone: %.*s not found", RK_STR_ARG(param(req, 0)));
    put_zone(req, &resp->body, z);
    return answer_done(resp);
}

struct zone_in {
    struct rk_str name, domain;
    struct json_opt_bool enabled;
    bool enable_search_domain;
    struct str_list distribution_groups;
};

static const struct json_field ZONE[] = {
    JSON_FIELD(struct zone_in, name, JSON_STR),
    JSON_FIELD(struct zone_in, domain, JSON_STR),
    JSON_FIELD(struct zone_in, enabled, JSON_OPT_BOOL),
    JSON_FIELD(struct zone_in, enable_search_domain, JSON_BOOL),
    JSON_FIELD(struct zone_in, distribution_groups, JSON_STRS),
};

static enum rk_code save_zone(struct http_req *req, struct http_resp *resp, struct rk_str id,
                              struct rk_err *err)
{
    struct zone_in in = {0};
    struct zone_input z;
    const struct zone *saved;
    enum rk_code rc = BODY(req, ZONE, &in, err);

    if (rc)
        return rc;
    z = (struct zone_input){.name = in.name,
                            .domain = in.domain,
                            .enabled = !in.enabled.set || in.enabled.v,
                            .search_domain = in.enable_search_domain,
                            .groups = in.distribution_groups};
    rc = zone_save(op_of(req), id, &z, &saved, err);
    if (rc)
        return rc;
    put_zone(req, &resp->body, saved);
    return answer_done(resp);
}

enum rk_code rest_zones_create(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    (void)db;
    return save_zone(req, resp, (struct rk_str){0}, err);
}

enum rk_code rest_zones_update(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    (void)db;
    return save_zone(req, resp, param(req, 0), err);
}

enum rk_code rest_zones_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    enum rk_code rc = zone_delete(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}

/* ---- records */

enum rk_code rest_records_list(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_DNS, PERM_READ, err);

    (void)db;
    if (rc)
        return rc;
    put_records(&resp->body, op_of(req)->snap, param(req, 0));
    return answer_done(resp);
}

enum rk_code rest_records_get(struct http_req *req, struct http_resp *resp, struct db *db,
                              struct rk_err *err)
{
    const struct record *r = snap_find(op_of(req)->snap, ENT_RECORD, param(req, 1));
    enum rk_code rc = op_may(op_of(req), PERM_DNS, PERM_READ, err);

    (void)db;
    if (rc)
        return rc;
    if (!r || !rk_str_eq(r->zone_id, param(req, 0)))
        return rk_fail(err, RK_NOT_FOUND, "dns record: %.*s not found", RK_STR_ARG(param(req, 1)));
    put_record(&resp->body, r);
    return answer_done(resp);
}

static const struct json_field RECORD[] = {
    JSON_FIELD(struct record_input, name, JSON_STR),
    JSON_FIELD(struct record_input, type, JSON_STR),
    JSON_FIELD(struct record_input, content, JSON_STR),
    JSON_FIELD(struct record_input, ttl, JSON_INT),
};

static enum rk_code save_record(struct http_req *req, struct http_resp *resp, struct rk_str id,
                                struct rk_err *err)
{
    struct record_input in = {0};
    const struct record *r;
    enum rk_code rc = BODY(req, RECORD, &in, err);

    if (!rc)
        rc = record_save(op_of(req), param(req, 0), id, &in, &r, err);
    if (rc)
        return rc;
    put_record(&resp->body, r);
    return answer_done(resp);
}

enum rk_code rest_records_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    (void)db;
    return save_record(req, resp, (struct rk_str){0}, err);
}

enum rk_code rest_records_update(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    (void)db;
    return save_record(req, resp, param(req, 1), err);
}

enum rk_code rest_records_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    enum rk_code rc = record_delete(op_of(req), param(req, 0), param(req, 1), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}
