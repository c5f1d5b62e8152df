/* SPDX-License-Identifier: BSD-3-Clause */
/* The identity provider: options, routes, discovery; see provider.h. */
#include "config.h"

#include "management/idp/provider.h"

#include <jansson.h>
#include <stdlib.h>

#include "management/identity/discovery.h"
#include "management/idp/authorize.h"
#include "management/idp/base.h"
#include "management/idp/device.h"
#include "management/idp/external.h"
#include "management/idp/login.h"
#include "management/idp/logout.h"
#include "management/idp/page_static.h"
#include "management/idp/pages.h"
#include "management/idp/second.h"
#include "management/idp/session.h"
#include "management/idp/token.h"
#include "management/idp/userinfo.h"

#define TOKEN_LIFE_S     (24 * 3600)
#define TRIES_PER_MINUTE 10
#define LIMIT_KEYS_MAX   20000
#define CHORE_MS         600000
#define WIDE             10 /* how much more an address may fail, or a name from everywhere */

/* ---- documents */

static json_t *words(const char *const *v)
{
    json_t *a = json_array();

    for (; *v; v++)
        (void)json_array_append_new(a, json_string(*v));
    return a;
}

#define WORDS(...) words((const char *const[]){__VA_ARGS__, NULL})

static enum rk_code discovery(struct http_req *req, struct http_resp *resp, struct db *db,
                              struct rk_err *err)
{
    const struct idp *i = idp_of(req);
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s+, s:s, s:s+}", "issuer", i->issuer,
                          "authorization_endpoint", i->auth_url, "token_endpoint", i->token_url,
                          "jwks_uri", i->keys_url, "userinfo_endpoint", i->issuer, "/userinfo",
                          "device_authorization_endpoint", i->device_url, "end_session_endpoint",
                          i->issuer, "/logout");
    char *text;

    (void)db;
    (void)err;
    (void)json_object_set_new(o, "response_types_supported", WORDS("code"));
    (void)json_object_set_new(o, "grant_types_supported",
                              WORDS("authorization_code", "refresh_token",
                                    "urn:ietf:params:oauth:grant-type:device_code"));
    (void)json_object_set_new(o, "subject_types_supported", WORDS("public"));
    (void)json_object_set_new(o, "id_token_signing_alg_values_supported", WORDS("RS256"));
    (void)json_object_set_new(o, "code_challenge_methods_supported", WORDS("S256"));
    (void)json_object_set_new(o, "request_uri_parameter_supported",
                              json_false()); /* true if absent */
    (void)json_object_set_new(o, "scopes_supported",
                              WORDS("openid", "email", "groups", "profile", "offline_access"));
    (void)json_object_set_new(o, "token_endpoint_auth_methods_supported",
                              WORDS("none", "client_secret_basic", "client_secret_post"));
    (void)json_object_set_new(o, "claims_supported",
                              WORDS("iss", "sub", "aud", "iat", "exp", "auth_time", "nonce",
                                    "at_hash", "email", "email_verified", "name",
                                    "preferred_username", "groups"));
    (void)json_object_set_new(o, "authorization_response_iss_parameter_supported", json_true());
    text = json_dumps(o, JSON_INDENT(2));
    json_decref(o);
    rk_buf_addz(&resp->body, text);
    free(text);
    http_resp_header(resp, "Cache-Control", RK_STR("max-age=300"));
    return RK_OK;
}

static enum rk_code keys(struct http_req *req, struct http_resp *resp, struct db *db,
                         struct rk_err *err)
{
    struct rk_str text;
    int64_t age;
    enum rk_code rc = keyring_json(idp_of(req)->keys, req->mem, &text, &age, err);

    (void)db;
    if (rc)
        return rc;
    rk_buf_add(&resp->body, text);
    http_resp_header(resp, "Cache-Control",
                     rk_arena_printf(req->mem, "max-age=%lld, must-revalidate", (long long)age));
    return RK_OK;
}

static enum rk_code healthz(struct http_req *req, struct http_resp *resp, struct db *db,
                            struct rk_err *err)
{
    (void)req;
    (void)db;
    (void)err;
    resp->content_type = HTTP_TEXT;
    rk_buf_addz(&resp->body, "ok\n");
    return RK_OK;
}

static const struct {
    enum http_method method;
    const char *path;
    http_handler *handler;
    unsigned flags;
} ROUTES[] = {
    {HTTP_GET, "/.well-known/openid-configuration", discovery, HTTP_CORS},
    {HTTP_GET, "/keys", keys, HTTP_CORS},
    {HTTP_GET, "/auth", idp_authorize, 0},
    {HTTP_POST, "/auth", idp_authorize, 0},
    {HTTP_GET, "/auth/external", idp_external_start, HTTP_CALLS_OUT},
    {HTTP_GET, "/callback", idp_external_back, HTTP_CALLS_OUT},
    {HTTP_GET, "/callback/{connector}", idp_external_back, HTTP_CALLS_OUT},
    {HTTP_POST, "/login", idp_login, HTTP_HASHES},
    {HTTP_GET, "/login", idp_page_back, 0},
    {HTTP_POST, "/consent", idp_consent, 0},
    {HTTP_GET, "/consent", idp_page_back, 0},
    {HTTP_POST, "/totp/verify", idp_second, 0},
    {HTTP_GET, "/totp/verify", idp_page_back, 0},
    {HTTP_POST, "/token", idp_token, HTTP_CORS},
    {HTTP_POST, "/device/token", idp_token, HTTP_CORS},
    {HTTP_GET, "/userinfo", idp_userinfo, HTTP_CORS},
    {HTTP_POST, "/userinfo", idp_userinfo, HTTP_CORS},
    {HTTP_POST, "/device/code", idp_device_code, HTTP_CORS},
    {HTTP_GET, "/device", idp_device_page, 0},
    {HTTP_POST, "/device", idp_device_entered, 0},
    {HTTP_POST, "/device/confirm", idp_device_answer, 0},
    {HTTP_GET, "/device/confirm", idp_page_back, 0},
    {HTTP_GET, "/logout", idp_logout, 0},
    {HTTP_POST, "/logout", idp_logout, 0},
    {HTTP_GET, "/logout/callback", idp_logged_out, 0},
    {HTTP_POST, "/logout/callback", idp_logged_out, 0},
    {HTTP_GET, "/static/style.css", idp_style, 0},
    {HTTP_GET, "/static/page.js", idp_script, 0},
    {HTTP_GET, "/healthz", healthz, 0},
};
_Static_assert(RK_ARRAY_LEN(ROUTES) <= IDP_ROUTES_MAX, "room for all routes");

void idp_attach(struct idp *i, struct http_router *router)
{
    i->n_routes = RK_ARRAY_LEN(ROUTES);
    for (size_t k = 0; k < i->n_routes; k++)
        i->routes[k] =
            (struct http_route){.method = ROUTES[k].method,
                                .path = rk_arena_printf(i->mem, "%s%s", i->path, ROUTES[k].path).p,
                                .handler = ROUTES[k].handler,
                                .flags = HTTP_PUBLIC | ROUTES[k].flags,
                                .arg = i};
    http_router_add(router, i->routes, i->n_routes);
}

/* ---- what has expired */

static const char SQL_OLD_SESSIONS[] =
    "DELETE FROM idp_session WHERE expires_at < $1 OR last_seen < $2";
static const char SQL_OLD_CODES[] = "DELETE FROM idp_code WHERE expires_at < $1";
static const char SQL_OLD_REFRESH[] = "DELETE FROM idp_refresh WHERE expires_at < $1";
static const char SQL_OLD_DEVICES[] = "DELETE FROM idp_device WHERE expires_at < $1";

static enum rk_code forget_tx(struct db *db, void *arg, struct rk_err *err)
{
    int64_t now = *(const int64_t *)arg;
    /* used and expired ones stay for an hour: a second use and "expired" can be told */
    int64_t old = now - 3600;
    enum rk_code rc = db_exec(db, err, NULL, SQL_OLD_SESSIONS,
                              DB_ARGS(db_i64(now), db_i64(now - IDP_SESSION_IDLE_S)));

    if (rc == RK_OK)
        rc = db_exec(db, err, NULL, SQL_OLD_CODES, DB_ARGS(db_i64(old)));
    if (rc == RK_OK)
        rc = db_exec(db, err, NULL, SQL_OLD_REFRESH, DB_ARGS(db_i64(old)));
    return rc ? rc : db_exec(db, err, NULL, SQL_OLD_DEVICES, DB_ARGS(db_i64(old)));
}

static enum rk_code forget(struct mgmt_chore *c, struct mgmt *m, struct db *db, struct rk_err *err)
{
    int64_t now_s = mgmt_now_us(m) / 1000000;

    (void)c;
    return mgmt_chore_tx(m, db, forget_tx, &now_s, err);
}

/* ---- life */

static struct idp_list copy(struct idp *i, const struct idp_list *l, const struct idp_list *other)
{
    const struct idp_list *from = l->n ? l : other;
    const char **v = rk_new_n(i->mem, const char *, from->n + 1);

    for (size_t k = 0; k < from->n; k++)
        v[k] = rk_arena_dupz(i->mem, rk_str_z(from->v[k]));
    return (struct idp_list){v, from->n};
}

/* Each with and without a slash at the end, as the official server does. */
static struct idp_list logout_list(struct idp *i, const struct idp_list *l)
{
    const char **v = rk_new_n(i->mem, const char *, 2 * (l->n + 1));
    size_t n = 0;

    for (size_t k = 0; k <= l->n; k++) {
        struct rk_str s = rk_str_z(k < l->n ? l->v[k] : i->base);

        while (rk_str_ends(s, RK_STR("/")))
            s.n--;
        v[n++] = rk_arena_dupz(i->mem, s);
        v[n++] = rk_arena_printf(i->mem, "%.*s/", RK_STR_ARG(s)).p;
    }
    return (struct idp_list){v, n};
}

static const char *below(struct idp *i, const char *base, const char *path)
{
    return rk_arena_printf(i->mem, "%s%s", base, path).p;
}

static enum rk_code take_issuer(struct idp *i, const char *issuer, struct rk_err *err)
{
    struct rk_str s = rk_str_z(issuer), host;
    size_t at = rk_str_find(s, RK_STR("://")), slash;

    while (rk_str_ends(s, RK_STR("/")))
        s.n--;
    host = rk_str_sub(s, at + 3, s.n);
    slash = rk_str_find_c(host, '/');
    i->https = rk_str_starts(s, RK_STR("https://"));
    if ((!i->https && !rk_str_starts(s, RK_STR("http://"))) || !slash || slash == host.n)
        return rk_fail(err, RK_INVALID,
                       "the issuer must be an http or https URL with a path: \"%.*s\"",
                       RK_STR_ARG(s));
    i->issuer = rk_arena_dupz(i->mem, s);
    i->base = rk_arena_dupz(i->mem, rk_str_sub(s, 0, at + 3 + slash));
    i->path = rk_arena_dupz(i->mem, rk_str_sub(host, slash, host.n));
    host = rk_str_sub(host, 0, slash);
    i->lan = !i->https && !rk_str_starts(host, RK_STR("localhost")) &&
             !rk_str_starts(host, RK_STR("127.")) && !rk_str_starts(host, RK_STR("[::1]"));
    i->auth_url = below(i, i->issuer, "/auth");
    i->token_url = below(i, i->issuer, "/token");
    i->device_url = below(i, i->issuer, "/device/code");
    i->keys_url = below(i, i->issuer, "/keys");
    i->verify_url = below(i, i->issuer, "/device");
    return RK_OK;
}

static void make_clients(struct idp *i, const struct idp_opts *o)
{
    const char *dash[] = {below(i, i->base, "/nb-auth"), below(i, i->base, "/nb-silent-auth")};
    const char *console[] = {below(i, i->base, "/console/signed-in")};
    const char *console_home[] = {below(i, i->base, "/console/")};
    static const char *const CLI[] = {"http://localhost:53000/", "http://localhost:54000/"};

    i->clients[IDP_DASHBOARD] = (struct idp_client){
        .id = IDP_CLIENT_DASHBOARD,
        .name = "Dashboard",
        .redirects = copy(i, &o->dashboard_redirects, &(struct idp_list){dash, 2}),
        .logout_redirects = logout_list(i, &o->logout_redirects)};
    i->clients[IDP_CLI] =
        (struct idp_client){.id = IDP_CLIENT_CLI,
                            .name = "Agent",
                            .redirects = copy(i, &o->cli_redirects, &(struct idp_list){CLI, 2})};
    i->clients[IDP_CONSOLE] =
        (struct idp_client){.id = IDP_CLIENT_CONSOLE,
                            .name = "Console",
                            .redirects = copy(i, &(struct idp_list){console, 1}, NULL),
                            .logout_redirects = copy(i, &(struct idp_list){console_home, 1}, NULL)};
    for (size_t k = 0; k < IDP_N_CLIENTS; k++)
        i->client_ids[k] = i->clients[k].id;
}

static struct rk_ratelimit *limit_new(unsigned per_minute)
{
    return rk_ratelimit_new(LIMIT_KEYS_MAX, (int64_t)per_minute * 1000 / 60, per_minute);
}

enum rk_code idp_new(struct mgmt *m, const struct idp_opts *o, struct idp **out, struct rk_err *err)
{
    struct idp *i = rk_calloc(1, sizeof *i);
    unsigned tries = o->tries_per_minute ? o->tries_per_minute : TRIES_PER_MINUTE;
    enum rk_code rc;

    i->m = m;
    i->log = o->log;
    i->mem = rk_arena_new(0);
    i->local_auth_disabled = o->local_auth_disabled;
    i->token_life_s = o->token_life_s ? o->token_life_s : TOKEN_LIFE_S;
    (void)pthread_mutex_init(&i->lock, NULL);
    i->by_pair = limit_new(tries);
    i->by_browser = limit_new(tries);
    i->by_address = limit_new(WIDE * tries);
    i->by_name = limit_new(WIDE * tries);
    i->by_code = limit_new(4 * tries);
    i->discovery = disco_cache_new();
    for (size_t k = 0; k < IDP_EXTERNAL_LOCKS; k++)
        (void)pthread_mutex_init(&i->external[k], NULL);
    i->server_name = rk_arena_dupz(
        i->mem, rk_str_z(o->server_name && *o->server_name ? o->server_name : "Rookery"));
    i->help_text = rk_arena_dupz(i->mem, rk_str_z(o->help_text));
    rc = take_issuer(i, o->issuer, err);
    if (rc == RK_OK) {
        make_clients(i, o);
        rc = keyring_open(m, &o->keys, &i->keys, err);
    }
    if (rc) {
        idp_free(i);
        return rc;
    }
    i->chore = (struct mgmt_chore){.what = "expired logins were not forgotten",
                                   .run = forget,
                                   .first_ms = CHORE_MS,
                                   .every_ms = CHORE_MS,
                                   .once = true};
    mgmt_chore_add(m, &i->chore);
    *out = i;
    return RK_OK;
}

void idp_free(struct idp *i)
{
    if (!i)
        return;
    keyring_free(i->keys);
    rk_ratelimit_free(i->by_pair);
    rk_ratelimit_free(i->by_browser);
    rk_ratelimit_free(i->by_address);
    rk_ratelimit_free(i->by_name);
    rk_ratelimit_free(i->by_code);
    disco_cache_free(i->discovery);
    for (size_t k = 0; k < IDP_EXTERNAL_LOCKS; k++)
        (void)pthread_mutex_destroy(&i->external[k]);
    (void)pthread_mutex_destroy(&i->lock);
    rk_arena_free(i->mem);
    free(i);
}
