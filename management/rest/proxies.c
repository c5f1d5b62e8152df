/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/reverse-proxies: clusters, domains, tokens of proxies */
#include "config.h"

#include "management/ops/proxy_domains.h"
#include "management/ops/proxy_tokens.h"
#include "management/rest/handlers.h"

static void put_tri(struct rk_buf *b, const char *key, enum tri t)
{
    if (t == TRI_UNKNOWN)
        return;
    json_put_key_n(b, key, strlen(key));
    json_put_bool(b, t == TRI_YES);
}

/* ---- clusters */

enum rk_code rest_clusters_list(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    struct proxy_clusters l;
    struct rk_buf *b = &resp->body;
    enum rk_code rc = proxy_clusters_list(op_of(req), &l, err);

    (void)db;
    if (rc)
        return rc;
    json_put_arr(b);
    for (size_t i = 0; i < l.n; i++) {
        const struct proxy_cluster *c = &l.v[i];

        json_put_obj(b);
        json_put_key_str(b, "id", c->id);
        json_put_key_str(b, "address", c->address);
        json_put_key_str(b, "type", c->own ? RK_STR("account") : RK_STR("shared"));
        json_put_key_bool(b, "online", c->online);
        json_put_key_int(b, "connected_proxies", c->connected);
        put_tri(b, "supports_custom_ports", c->custom_ports);
        put_tri(b, "require_subdomain", c->require_subdomain);
        put_tri(b, "supports_crowdsec", c->crowdsec);
        put_tri(b, "private", c->overlay);
        json_put_obj_end(b);
    }
    json_put_arr_end(b);
    return answer_done(resp);
}

enum rk_code rest_clusters_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                  struct rk_err *err)
{
    enum rk_code rc = proxy_cluster_delete(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}

/* ---- domains */

static void put_custom(struct rk_buf *b, const struct proxy_domain *d,
                       const struct proxy_clusters *l)
{
    const struct proxy_cluster *c = proxy_cluster_find(l, d->cluster);

    json_put_obj(b);
    json_put_key_str(b, "id", d->id);
    json_put_key_str(b, "domain", d->domain);
    json_put_key_bool(b, "validated", d->validated);
    json_put_key_str(b, "type", RK_STR("custom"));
    json_put_key_str(b, "target_cluster", d->cluster);
    if (c && c->online) {
        put_tri(b, "supports_custom_ports", c->custom_ports);
        put_tri(b, "supports_crowdsec", c->crowdsec);
        put_tri(b, "supports_private", c->overlay);
    }
    json_put_obj_end(b);
}

static void put_free(struct rk_buf *b, const struct proxy_cluster *c)
{
    json_put_obj(b);
    json_put_key_str(b, "id", RK_STR(""));
    json_put_key_str(b, "domain", c->address);
    json_put_key_bool(b, "validated", true);
    json_put_key_str(b, "type", RK_STR("free"));
    put_tri(b, "supports_custom_ports", c->custom_ports);
    put_tri(b, "require_subdomain", c->require_subdomain);
    put_tri(b, "supports_crowdsec", c->crowdsec);
    put_tri(b, "supports_private", c->overlay);
    json_put_obj_end(b);
}

enum rk_code rest_domains_list(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    struct snap_iter it = snap_iter(op_of(req)->snap, ENT_PROXY_DOMAIN);
    const struct proxy_domain *d;
    struct proxy_clusters l;
    enum rk_code rc = proxy_clusters_list(op_of(req), &l, err);

    (void)db;
    if (rc)
        return rc;
    json_put_arr(&resp->body);
    for (size_t i = 0; i < l.n; i++)
        if (l.v[i].online)
            put_free(&resp->body, &l.v[i]);
    while ((d = snap_next(&it)) != NULL)
        put_custom(&resp->body, d, &l);
    json_put_arr_end(&resp->body);
    return answer_done(resp);
}

struct domain_in {
    struct rk_str domain, target_cluster;
};

static const struct json_field DOMAIN[] = {
    JSON_FIELD(struct domain_in, domain, JSON_STR),
    JSON_FIELD(struct domain_in, target_cluster, JSON_STR),
};

static bool points(void *arg, struct rk_str domain, struct rk_str cluster)
{
    const struct rest *r = arg;

    return proxy_domain_points(domain, cluster, rk_str_z(r->o.resolver));
}

enum rk_code rest_domains_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    struct domain_in in = {0};
    const struct proxy_domain *d;
    struct proxy_clusters l;
    enum rk_code rc = BODY(req, DOMAIN, &in, err);

    if (rc == RK_OK)
        rc = proxy_domain_create(op_of(req), in.domain, in.target_cluster, points, rest_of(req), &d,
                                 err);
    if (rc == RK_OK)
        rc = proxy_clusters_read(db, req->mem, op_account(op_of(req)), mgmt_now_us(op_of(req)->m),
                                 &l, err);
    if (rc)
        return rc;
    put_custom(&resp->body, d, &l);
    return answer_done(resp);
}

enum rk_code rest_domains_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                 struct rk_err *err)
{
    enum rk_code rc = proxy_domain_delete(op_of(req), param(req, 0), err);

    (void)db;
    if (rc)
        return rc;
    resp->status = 204;
    resp->content_type = "";
    return RK_OK;
}

/* Asks DNS before it answers, so that who reads the domain afterwards sees what was found. */
enum rk_code rest_domains_validate(struct http_req *req, struct http_resp *resp, struct db *db,
                                   struct rk_err *err)
{
    struct op *op = op_of(req);
    const struct proxy_domain *d;
    enum rk_code rc = proxy_domain_get(op, param(req, 0), PERM_CREATE, &d, err);

    (void)db;
    if (rc == RK_OK && !d->validated && points(rest_of(req), d->domain, d->cluster))
        rc = proxy_domain_validated(op->m, op_account(op), op->user->id, d->id, err);
    if (rc)
        return rc;
    resp->status = 202;
    resp->content_type = "";
    return RK_OK;
}

/* ---- tokens */

static void put_token(struct rk_buf *b, const struct proxy_token *t, struct rk_str plain)
{
    json_put_obj(b);
    json_put_key_str(b, "id", t->id);
    json_put_key_str(b, "name", t->name);
    if (t->expires_at_us)
        json_put_key_time(b, "expires_at", t->expires_at_us);
    json_put_key_time(b, "created_at", t->created_at_us);
    if (t->last_used_us)
        json_put_key_time(b, "last_used", t->last_used_us);
    json_put_key_bool(b, "revoked", t->revoked);
    if (plain.n)
        json_put_key_str(b, "plain_token", plain);
    json_put_obj_end(b);
}

enum rk_code rest_proxy_tokens_list(struct http_req *req, struct http_resp *resp, struct db *db,
                                    struct rk_err *err)
{
    struct proxy_token_list l;
    enum rk_code rc = proxy_tokens_list(op_of(req), &l, err);

    (void)db;
    if (rc)
        return rc;
    json_put_arr(&resp->body);
    for (size_t i = 0; i < l.n; i++)
        put_token(&resp->body, &l.v[i], (struct rk_str){0});
    json_put_arr_end(&resp->body);
    return answer_done(resp);
}

struct token_in {
    struct rk_str name;
    int64_t expires_in;
};

static const struct json_field TOKEN[] = {
    JSON_FIELD(struct token_in, name, JSON_STR),
    JSON_FIELD(struct token_in, expires_in, JSON_INT),
};

enum rk_code rest_proxy_tokens_create(struct http_req *req, struct http_resp *resp, struct db *db,
                                      struct rk_err *err)
{
    struct token_in in = {0};
    struct proxy_token t;
    struct rk_str plain;
    enum rk_code rc = BODY(req, TOKEN, &in, err);

    (void)db;
    if (rc == RK_OK)
        rc = proxy_tokens_create(op_of(req), in.name, in.expires_in, &t, &plain, err);
    if (rc)
        return rc;
    put_token(&resp->body, &t, plain);
    return answer_done(resp);
}

enum rk_code rest_proxy_tokens_delete(struct http_req *req, struct http_resp *resp, struct db *db,
                                      struct rk_err *err)
{
    enum rk_code rc = proxy_tokens_revoke(op_of(req), param(req, 0), err);

    (void)db;
    return rc ? rc : answer_empty(resp);
}
