/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/reverse-proxies/services */
#include "config.h"

#include "management/ops/services.h"

#include "lib/base/num.h"
#include "management/rest/handlers.h"

/* ---- writing */

static void put_options(struct http_req *req, struct rk_buf *b, const struct service_target *t)
{
    json_put_key_obj(b, "options");
    if (t->skip_tls_verify)
        json_put_key_bool(b, "skip_tls_verify", true);
    if (t->request_timeout_ms)
        json_put_key_str(b, "request_timeout", service_duration(req->mem, t->request_timeout_ms));
    if (t->path_rewrite.n)
        json_put_key_str(b, "path_rewrite", t->path_rewrite);
    if (t->n_headers) {
        json_put_key_obj(b, "custom_headers");
        for (size_t i = 0; i < t->n_headers; i++) {
            json_put_key_any(b, t->headers[i].name);
            json_put_str(b, t->headers[i].value);
        }
        json_put_obj_end(b);
    }
    if (t->proxy_protocol)
        json_put_key_bool(b, "proxy_protocol", true);
    if (t->idle_timeout_ms)
        json_put_key_str(b, "session_idle_timeout", service_duration(req->mem, t->idle_timeout_ms));
    if (t->direct_upstream)
        json_put_key_bool(b, "direct_upstream", true);
    json_put_obj_end(b);
}

static void put_targets(struct http_req *req, struct rk_buf *b, const struct service *s)
{
    json_put_key_arr(b, "targets");
    for (size_t i = 0; i < s->n_targets; i++) {
        const struct service_target *t = &s->targets[i];

        json_put_obj(b);
        json_put_key_str(b, "target_id", t->target_id);
        json_put_key_str(b, "target_type", t->target_type);
        if (t->path.n)
            json_put_key_str(b, "path", t->path);
        json_put_key_str(b, "protocol", t->protocol);
        json_put_key_str(b, "host", service_target_host(req->mem, op_of(req)->snap, t));
        json_put_key_int(b, "port", t->port);
        json_put_key_bool(b, "enabled", t->enabled && !s->terminated);
        put_options(req, b, t);
        json_put_obj_end(b);
    }
    json_put_arr_end(b);
}

/* Secrets never come back. */
static void put_auth(struct rk_buf *b, const struct service *s)
{
    json_put_key_obj(b, "auth");
    if (s->password_given) {
        json_put_key_obj(b, "password_auth");
        json_put_key_bool(b, "enabled", s->password_on);
        json_put_key_str(b, "password", RK_STR(""));
        json_put_obj_end(b);
    }
    if (s->pin_given) {
        json_put_key_obj(b, "pin_auth");
        json_put_key_bool(b, "enabled", s->pin_on);
        json_put_key_str(b, "pin", RK_STR(""));
        json_put_obj_end(b);
    }
    if (s->bearer_given) {
        json_put_key_obj(b, "bearer_auth");
        json_put_key_bool(b, "enabled", s->bearer_on);
        json_put_key(b, "distribution_groups");
        put_strs_or_null(b, &s->bearer_groups);
        json_put_obj_end(b);
    }
    if (s->n_header_auths) {
        json_put_key_arr(b, "header_auths");
        for (size_t i = 0; i < s->n_header_auths; i++) {
            json_put_obj(b);
            json_put_key_bool(b, "enabled", s->header_auths[i].enabled);
            json_put_key_str(b, "header", s->header_auths[i].header);
            json_put_key_str(b, "value", RK_STR(""));
            json_put_obj_end(b);
        }
        json_put_arr_end(b);
    }
    json_put_obj_end(b);
}

static void put_list(struct rk_buf *b, const char *key, const struct str_list *l)
{
    if (!l->n)
        return;
    json_put_key_n(b, key, strlen(key));
    put_strs(b, l);
}

static void put_restrictions(struct rk_buf *b, const struct service *s)
{
    if (!s->allowed_cidrs.n && !s->blocked_cidrs.n && !s->allowed_countries.n &&
        !s->blocked_countries.n && !s->crowdsec_mode.n)
        return;
    json_put_key_obj(b, "access_restrictions");
    put_list(b, "allowed_cidrs", &s->allowed_cidrs);
    put_list(b, "blocked_cidrs", &s->blocked_cidrs);
    put_list(b, "allowed_countries", &s->allowed_countries);
    put_list(b, "blocked_countries", &s->blocked_countries);
    if (s->crowdsec_mode.n)
        json_put_key_str(b, "crowdsec_mode", s->crowdsec_mode);
    json_put_obj_end(b);
}

struct reported {
    struct service_status *v;
    size_t n;
};

static void put_meta(struct rk_buf *b, const struct service *s, const struct reported *r)
{
    const struct service_status *st = NULL;

    for (size_t i = 0; i < r->n && !st; i++)
        if (rk_str_eq(r->v[i].service_id, s->id))
            st = &r->v[i];
    json_put_key_obj(b, "meta");
    json_put_key_time(b, "created_at", s->created_at_us);
    if (st && st->issued_at_us)
        json_put_key_time(b, "certificate_issued_at", st->issued_at_us);
    json_put_key_str(b, "status", st ? st->status : RK_STR("pending"));
    json_put_obj_end(b);
}

static void put_service(struct http_req *req, struct rk_buf *b, const struct service *s,
                        const struct reported *r)
{
    json_put_obj(b);
    json_put_key_str(b, "id", s->id);
    json_put_key_str(b, "name", s->name);
    json_put_key_str(b, "domain", s->domain);
    json_put_key_str(b, "mode", s->mode);
    json_put_key_int(b, "listen_port", s->listen_port);
    json_put_key_bool(b, "port_auto_assigned", s->port_auto_assigned);
    if (s->proxy_cluster.n)
        json_put_key_str(b, "proxy_cluster", s->proxy_cluster);
    put_targets(req, b, s);
    json_put_key_bool(b, "enabled", s->enabled && !s->terminated);
    json_put_key_bool(b, "terminated", s->terminated);
    json_put_key_bool(b, "pass_host_header", s->pass_host_header);
    json_put_key_bool(b, "rewrite_redirects", s->rewrite_redirects);
    put_auth(b, s);
    put_restrictions(b, s);
    put_meta(b, s, r);
    json_put_key_bool(b, "private", s->is_private);
    put_list(b, "access_groups", &s->access_groups);
    json_put_obj_end(b);
}

static enum rk_code reported_read(struct http_req *req, struct db *db, struct reported *out,
                                  struct rk_err *err)
{
    return service_statuses(db, req->mem, op_account(op_of(req)), &out->v, &out->n, err);
}

enum rk_code rest_services_list(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    struct snap_iter it = snap_iter(op_of(req)->snap, ENT_SERVICE);
    const struct service *s;
    struct reported r;
    enum rk_code rc = op_may(op_of(req), PERM_SERVICES, PERM_READ, err);

    if (rc == RK_OK)
        rc = reported_read(req, db, &r, err);
    if (rc)
        return rc;
    json_put_arr(&resp->body);
    while ((s = snap_next(&it)) != NULL)
        put_service(req, &resp->body, s, &r);
    json_put_arr_end(&resp->body);
    return answer_done(resp);
}

enum rk_code rest_services_get(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    const struct service *s;
    struct reported r;
    enum rk_code rc = service_get(op_of(req), param(req, 0), &s, err);

    if (rc == RK_OK)
        rc = reported_read(req, db, &r, err);
    if (rc)
        return rc;
    put_service(req, &resp->body, s, &r);
    return answer_done(resp);
}

/* ---- reading */

struct options_in {
    bool skip_tls_verify, proxy_protocol, direct_upstream;
    struct rk_str request_timeout, session_idle_timeout, path_rewrite;
    struct json_map custom_headers;
};
struct target_in {
    struct rk_str target_id, target_type, path, protocol, host;
    int64_t port;
    bool enabled;
    struct options_in *options;
};
struct secret_in {
    bool enabled;
    struct rk_str password, pin;
};
struct bearer_in {
    bool enabled;
    struct str_list distribution_groups;
};
struct header_in {
    bool enabled;
    struct rk_str header, value;
};
struct auth_in {
    struct secret_in *password_auth, *pin_auth, *link_auth;
    struct bearer_in *bearer_auth;
    struct json_arr header_auths;
};
struct restrictions_in {
    struct str_list allowed_cidrs, blocked_cidrs, allowed_countries, blocked_countries;
    struct rk_str crowdsec_mode;
};
struct service_in {
    struct rk_str name, domain, mode;
    int64_t listen_port;
    bool enabled, pass_host_header, rewrite_redirects, is_private;
    struct json_arr targets;
    struct auth_in *auth;
    struct restrictions_in *access_restrictions;
    struct str_list access_groups;
};

static const struct json_field OPTIONS[] = {
    JSON_FIELD(struct options_in, skip_tls_verify, JSON_BOOL),
    JSON_FIELD(struct options_in, request_timeout, JSON_STR),
    JSON_FIELD(struct options_in, path_rewrite, JSON_STR),
    JSON_FIELD(struct options_in, custom_headers, JSON_MAP_STR),
    JSON_FIELD(struct options_in, proxy_protocol, JSON_BOOL),
    JSON_FIELD(struct options_in, session_idle_timeout, JSON_STR),
    JSON_FIELD(struct options_in, direct_upstream, JSON_BOOL),
};
static const struct json_field TARGET[] = {
    JSON_FIELD(struct target_in, target_id, JSON_STR),
    JSON_FIELD(struct target_in, target_type, JSON_STR),
    JSON_FIELD(struct target_in, path, JSON_STR),
    JSON_FIELD(struct target_in, protocol, JSON_STR),
    JSON_FIELD(struct target_in, host, JSON_STR),
    JSON_FIELD(struct target_in, port, JSON_INT),
    JSON_FIELD(struct target_in, enabled, JSON_BOOL),
    JSON_FIELD_SUB(struct target_in, options, "options", JSON_OPT_OBJ, struct options_in, OPTIONS),
};
static const struct json_field PASSWORD[] = {
    JSON_FIELD(struct secret_in, enabled, JSON_BOOL),
    JSON_FIELD(struct secret_in, password, JSON_STR),
};
static const struct json_field PIN[] = {
    JSON_FIELD(struct secret_in, enabled, JSON_BOOL),
    JSON_FIELD(struct secret_in, pin, JSON_STR),
};
static const struct json_field LINK[] = {JSON_FIELD(struct secret_in, enabled, JSON_BOOL)};
static const struct json_field BEARER[] = {
    JSON_FIELD(struct bearer_in, enabled, JSON_BOOL),
    JSON_FIELD(struct bearer_in, distribution_groups, JSON_STRS),
};
static const struct json_field HEADER[] = {
    JSON_FIELD(struct header_in, enabled, JSON_BOOL),
    JSON_FIELD(struct header_in, header, JSON_STR),
    JSON_FIELD(struct header_in, value, JSON_STR),
};
static const struct json_field AUTH[] = {
    JSON_FIELD_SUB(struct auth_in, password_auth, "password_auth", JSON_OPT_OBJ, struct secret_in,
                   PASSWORD),
    JSON_FIELD_SUB(struct auth_in, pin_auth, "pin_auth", JSON_OPT_OBJ, struct secret_in, PIN),
    JSON_FIELD_SUB(struct auth_in, bearer_auth, "bearer_auth", JSON_OPT_OBJ, struct bearer_in,
                   BEARER),
    JSON_FIELD_SUB(struct auth_in, link_auth, "link_auth", JSON_OPT_OBJ, struct secret_in, LINK),
    JSON_FIELD_SUB(struct auth_in, header_auths, "header_auths", JSON_ARR, struct header_in,
                   HEADER),
};
static const struct json_field RESTRICTIONS[] = {
    JSON_FIELD(struct restrictions_in, allowed_cidrs, JSON_STRS),
    JSON_FIELD(struct restrictions_in, blocked_cidrs, JSON_STRS),
    JSON_FIELD(struct restrictions_in, allowed_countries, JSON_STRS),
    JSON_FIELD(struct restrictions_in, blocked_countries, JSON_STRS),
    JSON_FIELD(struct restrictions_in, crowdsec_mode, JSON_STR),
};
static const struct json_field SERVICE[] = {
    JSON_FIELD(struct service_in, name, JSON_STR),
    JSON_FIELD(struct service_in, domain, JSON_STR),
    JSON_FIELD(struct service_in, mode, JSON_STR),
    JSON_FIELD(struct service_in, listen_port, JSON_INT),
    JSON_FIELD_SUB(struct service_in, targets, "targets", JSON_ARR, struct target_in, TARGET),
    JSON_FIELD(struct service_in, enabled, JSON_BOOL),
    JSON_FIELD(struct service_in, pass_host_header, JSON_BOOL),
    JSON_FIELD(struct service_in, rewrite_redirects, JSON_BOOL),
    JSON_FIELD_SUB(struct service_in, auth, "auth", JSON_OPT_OBJ, struct auth_in, AUTH),
    JSON_FIELD_SUB(struct service_in, access_restrictions, "access_restrictions", JSON_OPT_OBJ,
                   struct restrictions_in, RESTRICTIONS),
    JSON_FIELD_AS(struct service_in, is_private, "private", JSON_BOOL),
    JSON_FIELD(struct service_in, access_groups, JSON_STRS),
};

static enum rk_code duration_of(const char *name, struct rk_str text, int64_t *out,
                                struct rk_err *err)
{
    if (text.n && rk_parse_duration_ms(text, out, NULL))
        return rk_fail(err, RK_INVALID, "%s: \"%.*s\" is no duration like 30s or 1m30s", name,
                       RK_STR_ARG(rk_str_sub(text, 0, 40)));
    return RK_OK;
}

static enum rk_code options_of(struct rk_arena *mem, const struct options_in *in,
                               struct service_target *t, struct rk_err *err)
{
    enum rk_code rc =
        duration_of("request_timeout", in->request_timeout, &t->request_timeout_ms, err);

    t->skip_tls_verify = in->skip_tls_verify;
    t->proxy_protocol = in->proxy_protocol;
    t->direct_upstream = in->direct_upstream;
    t->path_rewrite = in->path_rewrite;
    t->headers = rk_new_n(mem, struct service_header, in->custom_headers.n + 1);
    for (size_t i = 0; i < in->custom_headers.n; i++)
        t->headers[t->n_headers++] = (struct service_header){in->custom_headers.items[i].key,
                                                             in->custom_headers.items[i].str};
    return rc ? rc
              : duration_of("session_idle_timeout", in->session_idle_timeout, &t->idle_timeout_ms,
                            err);
}

static enum rk_code targets_of(struct rk_arena *mem, const struct json_arr *l, struct service *s,
                               struct rk_err *err)
{
    const struct target_in *in = l->items;
    enum rk_code rc = RK_OK;

    s->targets = rk_new_n(mem, struct service_target, l->n + 1);
    for (s->n_targets = 0; s->n_targets < l->n && rc == RK_OK; s->n_targets++, in++) {
        if (in->port < 0 || in->port > UINT16_MAX)
            return rk_fail(err, RK_INVALID, "port %lld is not between 0 and %d",
                           (long long)in->port, UINT16_MAX);
        s->targets[s->n_targets] = (struct service_target){.path = in->path,
                                                           .target_type = in->target_type,
                                                           .target_id = in->target_id,
                                                           .protocol = in->protocol,
                                                           .port = (uint16_t)in->port,
                                                           .enabled = in->enabled,
                                                           .host = in->host};
        if (in->options)
            rc = options_of(mem, in->options, &s->targets[s->n_targets], err);
    }
    return rc;
}

static void auth_of(struct rk_arena *mem, const struct auth_in *in, struct service_input *out)
{
    struct service *s = &out->s;
    const struct header_in *h = in->header_auths.items;

    if (in->password_auth) {
        s->password_given = true;
        s->password_on = in->password_auth->enabled;
        out->password = in->password_auth->password;
    }
    if (in->pin_auth) {
        s->pin_given = true;
        s->pin_on = in->pin_auth->enabled;
        out->pin = in->pin_auth->pin;
    }
    if (in->bearer_auth) {
        s->bearer_given = true;
        s->bearer_on = in->bearer_auth->enabled;
        s->bearer_groups = in->bearer_auth->distribution_groups;
    }
    s->header_auths = rk_new_n(mem, struct service_header_auth, in->header_auths.n + 1);
    out->header_values = rk_new_n(mem, struct rk_str, in->header_auths.n + 1);
    for (size_t i = 0; i < in->header_auths.n; i++) {
        s->header_auths[i] =
            (struct service_header_auth){.enabled = h[i].enabled, .header = h[i].header};
        out->header_values[i] = h[i].value;
    }
    s->n_header_auths = in->header_auths.n;
}

static enum rk_code input_of(struct http_req *req, struct service_input *out, struct rk_err *err)
{
    struct service_in in = {0};
    struct service *s = &out->s;
    enum rk_code rc = BODY(req, SERVICE, &in, err);

    if (rc)
        return rc;
    if (in.listen_port < 0 || in.listen_port > UINT16_MAX)
        return rk_fail(err, RK_INVALID, "listen_port %lld is not between 0 and %d",
                       (long long)in.listen_port, UINT16_MAX);
    *s = (struct service){.name = in.name,
                          .domain = in.domain,
                          .mode = in.mode,
                          .listen_port = (uint16_t)in.listen_port,
                          .enabled = in.enabled,
                          .pass_host_header = in.pass_host_header,
                          .rewrite_redirects = in.rewrite_redirects,
                          .is_private = in.is_private,
                          .access_groups = in.access_groups};
    if (in.auth)
        auth_of(req->mem, in.auth, out);
    if (in.access_restrictions) {
        s->allowed_cidrs = in.access_restrictions->allowed_cidrs;
        s->blocked_cidrs = in.access_restrictions->blocked_cidrs;
        s->allowed_countries = in.access_restrictions->allowed_countries;
        s->blocked_countries = in.access_restrictions->blocked_countries;
        s->crowdsec_mode = in.access_restrictions->crowdsec_mode;
    }
    return targets_of(req->mem, &in.targets, s, err);
}

static enum rk_code save(struct http_req *req, struct http_resp *resp, struct db *db,
                         struct rk_str id, struct rk_err *err)
{
    struct service_input in = {0};
    const struct service *s;
    struct reported r;
    enum rk_code rc = input_of(req, &in, err);

    if (rc == RK_OK)
        rc = service_save(op_of(req), id, &in, &s, err);
    if (rc == RK_OK)
        rc = reported_read(req, db, &r, err);
    if (rc)
        return rc;
    put_service(req, &resp->body, s, &r);
    return answer_done(resp);
}

enum rk_code rest_services_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    return save(req, resp, db, (struct rk_str){0}, err);
}

enum rk_code rest_services_update(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    return save(req, resp, db, param(req, 0), err);
}

enum rk_code rest_services_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    enum rk_code rc = service_delete(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}
