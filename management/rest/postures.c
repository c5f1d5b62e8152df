/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/posture-checks */
#include "config.h"

#include "management/ops/postures.h"

#include "management/rest/handlers.h"

/* {"name":{"key":"value"}} when there is a value. */
static void put_one(struct rk_buf *b, const char *name, const char *key, struct rk_str value)
{
    if (!value.n)
        return;
    json_put_key_n(b, name, strlen(name));
    json_put_obj(b);
    json_put_key_n(b, key, strlen(key));
    json_put_str(b, value);
    json_put_obj_end(b);
}

static void put_versions(struct rk_buf *b, const struct posture *p)
{
    if (p->has_nb_version)
        put_one(b, "nb_version_check", "min_version", p->nb_min_version);
    if (!p->has_os_version)
        return;
    json_put_key_obj(b, "os_version_check");
    put_one(b, "android", "min_version", p->android_min_version);
    put_one(b, "darwin", "min_version", p->darwin_min_version);
    put_one(b, "ios", "min_version", p->ios_min_version);
    put_one(b, "linux", "min_kernel_version", p->linux_min_kernel);
    put_one(b, "windows", "min_kernel_version", p->windows_min_kernel);
    json_put_obj_end(b);
}

static void put_geo(struct rk_buf *b, const struct posture *p)
{
    if (!p->has_geo)
        return;
    json_put_key_obj(b, "geo_location_check");
    json_put_key_arr(b, "locations");
    for (size_t i = 0; i < p->n_geo; i++) {
        json_put_obj(b);
        json_put_key_str(b, "country_code", p->geo[i].country_code);
        if (p->geo[i].city_name.n)
            json_put_key_str(b, "city_name", p->geo[i].city_name);
        json_put_obj_end(b);
    }
    json_put_arr_end(b);
    json_put_key_plain(b, "action", rk_str_z(check_action_text(p->geo_action)));
    json_put_obj_end(b);
}

static void put_ranges(struct rk_buf *b, const struct posture *p)
{
    if (!p->has_net_range)
        return;
    json_put_key_obj(b, "peer_network_range_check");
    json_put_key_arr(b, "ranges");
    for (size_t i = 0; i < p->n_ranges; i++)
        put_prefix(b, &p->ranges[i]);
    json_put_arr_end(b);
    json_put_key_plain(b, "action", rk_str_z(check_action_text(p->net_action)));
    json_put_obj_end(b);
}

static void put_processes(struct rk_buf *b, const struct posture *p)
{
    if (!p->has_process)
        return;
    json_put_key_obj(b, "process_check");
    json_put_key_arr(b, "processes");
    for (size_t i = 0; i < p->n_processes; i++) {
        json_put_obj(b);
        json_put_key_str(b, "linux_path", p->processes[i].linux_path);
        json_put_key_str(b, "mac_path", p->processes[i].mac_path);
        json_put_key_str(b, "windows_path", p->processes[i].windows_path);
        json_put_obj_end(b);
    }
    json_put_arr_end(b);
    json_put_obj_end(b);
}

static void put_posture(struct http_req *req, struct rk_buf *b, const void *row)
{
    const struct posture *p = row;

    (void)req;
    json_put_obj(b);
    json_put_key_str(b, "id", p->id);
    json_put_key_str(b, "name", p->name);
    json_put_key_str(b, "description", p->description);
    json_put_key_obj(b, "checks");
    put_versions(b, p);
    put_geo(b, p);
    put_ranges(b, p);
    put_processes(b, p);
    json_put_obj_end(b);
    json_put_obj_end(b);
}

enum rk_code rest_postures_list(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_POLICIES, PERM_READ, err);

    (void)db;
    return rc ? rc : answer_rows(req, resp, ENT_POSTURE, put_posture);
}

static enum rk_code find(const struct http_req *req, const struct posture **out, struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_POLICIES, PERM_READ, err);

    if (rc)
        return rc;
    *out = snap_find(op_of(req)->snap, ENT_POSTURE, param(req, 0));
    return *out ? RK_OK
                : rk_fail(err, RK_NOT_FOUND, "posture checks: %.*s not found",
                          RK_STR_ARG(param(req, 0)));
}

enum rk_code rest_postures_get(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    const struct posture *p;
    enum rk_code rc = find(req, &p, err);

    (void)db;
    if (rc)
        return rc;
    put_posture(req, &resp->body, p);
    return answer_done(resp);
}

struct min_in { /* one of the two names */
    struct rk_str min_version, min_kernel_version;
};

struct os_in {
    struct min_in *android, *darwin, *ios, *linux_, *windows;
};

struct geo_in {
    struct json_arr locations;
    struct rk_str action;
};

struct range_in {
    struct str_list ranges;
    struct rk_str action;
};

struct process_in {
    struct json_arr processes;
};

struct checks_in {
    struct min_in *nb;
    struct os_in *os;
    struct geo_in *geo;
    struct range_in *range;
    struct process_in *process;
};

struct posture_in {
    struct rk_str name, description;
    struct checks_in *checks;
};

static const struct json_field MIN[] = {
    JSON_FIELD(struct min_in, min_version, JSON_STR),
    JSON_FIELD(struct min_in, min_kernel_version, JSON_STR),
};
static const struct json_field OS[] = {
    JSON_FIELD_SUB(struct os_in, android, "android", JSON_OPT_OBJ, struct min_in, MIN),
    JSON_FIELD_SUB(struct os_in, darwin, "darwin", JSON_OPT_OBJ, struct min_in, MIN),
    JSON_FIELD_SUB(struct os_in, ios, "ios", JSON_OPT_OBJ, struct min_in, MIN),
    JSON_FIELD_SUB(struct os_in, linux_, "linux", JSON_OPT_OBJ, struct min_in, MIN),
    JSON_FIELD_SUB(struct os_in, windows, "windows", JSON_OPT_OBJ, struct min_in, MIN),
};
static const struct json_field LOCATION[] = {
    JSON_FIELD(struct geo_location, country_code, JSON_STR),
    JSON_FIELD(struct geo_location, city_name, JSON_STR),
};
static const struct json_field GEO[] = {
    JSON_FIELD_SUB(struct geo_in, locations, "locations", JSON_ARR, struct geo_location, LOCATION),
    JSON_FIELD(struct geo_in, action, JSON_STR),
};
static const struct json_field RANGE[] = {
    JSON_FIELD(struct range_in, ranges, JSON_STRS),
    JSON_FIELD(struct range_in, action, JSON_STR),
};
static const struct json_field PATHS[] = {
    JSON_FIELD(struct check_process, linux_path, JSON_STR),
    JSON_FIELD(struct check_process, mac_path, JSON_STR),
    JSON_FIELD(struct check_process, windows_path, JSON_STR),
};
static const struct json_field PROCESS[] = {
    JSON_FIELD_SUB(struct process_in, processes, "processes", JSON_ARR, struct check_process,
                   PATHS),
};
static const struct json_field CHECKS[] = {
    JSON_FIELD_SUB(struct checks_in, nb, "nb_version_check", JSON_OPT_OBJ, struct min_in, MIN),
    JSON_FIELD_SUB(struct checks_in, os, "os_version_check", JSON_OPT_OBJ, struct os_in, OS),
    JSON_FIELD_SUB(struct checks_in, geo, "geo_location_check", JSON_OPT_OBJ, struct geo_in, GEO),
    JSON_FIELD_SUB(struct checks_in, range, "peer_network_range_check", JSON_OPT_OBJ,
                   struct range_in, RANGE),
    JSON_FIELD_SUB(struct checks_in, process, "process_check", JSON_OPT_OBJ, struct process_in,
                   PROCESS),
};
static const struct json_field POSTURE[] = {
    JSON_FIELD(struct posture_in, name, JSON_STR),
    JSON_FIELD(struct posture_in, description, JSON_STR),
    JSON_FIELD_SUB(struct posture_in, checks, "checks", JSON_OPT_OBJ, struct checks_in, CHECKS),
};

/* A named system without a version is kept as wrong: the form check then refuses it. */
static struct rk_str version_of(const struct min_in *m, bool kernel)
{
    struct rk_str v = !m ? RK_STR("") : kernel ? m->min_kernel_version : m->min_version;

    return m && !v.n ? RK_STR("(none)") : v;
}

static void read_os(const struct os_in *in, struct posture *p)
{
    p->has_os_version = true;
    p->android_min_version = version_of(in->android, false);
    p->darwin_min_version = version_of(in->darwin, false);
    p->ios_min_version = version_of(in->ios, false);
    p->linux_min_kernel = version_of(in->linux_, true);
    p->windows_min_kernel = version_of(in->windows, true);
}

static enum rk_code read_action(const char *check, struct rk_str text, enum check_action *out,
                                struct rk_err *err)
{
    if (!text.n)
        return rk_fail(err, RK_INVALID, "%s action shouldn't be empty", check);
    return check_action_parse(text, out)
               ? RK_OK
               : rk_fail(err, RK_INVALID, "%s action is not valid", check);
}

static enum rk_code read_ranges(struct rk_arena *mem, const struct range_in *in, struct posture *p,
                                struct rk_err *err)
{
    p->has_net_range = true;
    p->ranges = rk_new_n(mem, struct rk_prefix, in->ranges.n);
    for (size_t i = 0; i < in->ranges.n; i++)
        if (rk_prefix_parse(in->ranges.v[i], &p->ranges[p->n_ranges++], NULL))
            return rk_fail(err, RK_INVALID, "invalid network prefix %.*s",
                           RK_STR_ARG(in->ranges.v[i]));
    return read_action("PeerNetworkRangeCheck", in->action, &p->net_action, err);
}

static enum rk_code read_posture(struct http_req *req, struct posture *p, struct rk_err *err)
{
    struct posture_in in = {0};
    const struct checks_in *c;
    enum rk_code rc = BODY(req, POSTURE, &in, err);

    if (rc)
        return rc;
    *p = (struct posture){.name = in.name, .description = in.description};
    c = in.checks;
    if (!c)
        return RK_OK; /* the form check says what is missing */
    if (c->geo && !rest_has_geo(rest_of(req)))
        return rk_fail(err, RK_PRECONDITION,
                       "Geo location database is not initialized. "
                       "Check the self-hosted Geo database documentation");
    if (c->nb) {
        p->has_nb_version = true;
        p->nb_min_version = c->nb->min_version;
    }
    if (c->os)
        read_os(c->os, p);
    if (c->range)
        rc = read_ranges(req->mem, c->range, p, err);
    if (!rc && c->geo) {
        p->has_geo = true;
        p->geo = c->geo->locations.items;
        p->n_geo = c->geo->locations.n;
        rc = read_action("GeoLocationCheck", c->geo->action, &p->geo_action, err);
    }
    if (c->process) {
        p->has_process = true;
        p->processes = c->process->processes.items;
        p->n_processes = c->process->processes.n;
    }
    return rc;
}

static enum rk_code save(struct http_req *req, struct http_resp *resp, struct rk_str id,
                         struct rk_err *err)
{
    struct posture in;
    const struct posture *p;
    enum rk_code rc = read_posture(req, &in, err);

    if (!rc)
        rc = posture_save(op_of(req), id, &in, &p, err);
    if (rc)
        return rc;
    put_posture(req, &resp->body, p);
    return answer_done(resp);
}

enum rk_code rest_postures_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    (void)db;
    return save(req, resp, (struct rk_str){0}, err);
}

enum rk_code rest_postures_update(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    const struct posture *p;
    enum rk_code rc = find(req, &p, err);

    (void)db;
    return rc ? rc : save(req, resp, param(req, 0), err);
}

enum rk_code rest_postures_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    enum rk_code rc = posture_delete(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}
