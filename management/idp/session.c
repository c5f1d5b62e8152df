/* SPDX-License-Identifier: BSD-3-Clause */
/* Browser sessions, who is logged in, and logging out. */
#include "config.h"

#include <stdlib.h>

#include "lib/base/enc.h"
#include "lib/crypto/vault.h"
#include "management/idp/idp_impl.h"

#define SEEN_EVERY_S 60 /* how exact last_seen is */

static const char SQL_NEW[] =
    "INSERT INTO idp_session (hash, subject, auth_time, last_seen, expires_at, gen) "
    "VALUES ($1, $2, $3, $4, $5, $6)";
static const char SQL_GET[] =
    "SELECT subject, auth_time, last_seen, expires_at, gen FROM idp_session WHERE hash = $1";
static const char SQL_SEEN[] = "UPDATE idp_session SET last_seen = $2 WHERE hash = $1";
static const char SQL_END[] = "DELETE FROM idp_session WHERE hash = $1";

static int64_t now_of(const struct http_req *req)
{
    return idp_now_us(idp_of(req)) / 1000000;
}

static bool cookie_hash(struct http_req *req, struct rk_str *out)
{
    struct rk_str c;

    if (!http_req_cookie(req, IDP_COOKIE_SESSION, &c) || c.n != IDP_SECRET_LEN)
        return false;
    *out = idp_hash(req->mem, c);
    return true;
}

enum rk_code idp_session_find(struct http_req *req, struct db *db, struct idp_session *out,
                              struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    int64_t now = now_of(req), seen = 0, until = 0;
    struct rk_str hash;
    struct idp_session s = {0};
    enum rk_code rc;

    if (!cookie_hash(req, &hash))
        return rk_fail(err, RK_NOT_FOUND, "no session");
    rc = db_query(db, &rows, err, SQL_GET, DB_ARGS(db_text(hash)));
    if (rc == RK_OK && db_next(rows)) {
        s.subject = db_col_text(rows, 0, req->mem);
        s.auth_time_s = db_col_i64(rows, 1);
        seen = db_col_i64(rows, 2);
        until = db_col_i64(rows, 3);
        s.gen = db_col_i64(rows, 4);
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc)
        return rc;
    if (!s.subject.n || until < now || seen + IDP_SESSION_IDLE_S < now)
        return rk_fail(err, RK_NOT_FOUND, "no session");
    rc = idp_identity(req, db, s.subject, &s.user, NULL, err);
    if (rc == RK_OK && s.user.gen != s.gen) /* all older logins were ended */
        rc = rk_fail(err, RK_NOT_FOUND, "no session");
    if (rc == RK_OK && seen + SEEN_EVERY_S < now)
        rc = db_exec(db, err, NULL, SQL_SEEN, DB_ARGS(db_text(hash), db_i64(now)));
    if (rc == RK_OK)
        *out = s;
    return rc;
}

enum rk_code idp_session_start(struct http_req *req, struct http_resp *resp, struct db *db,
                               const struct local_user *u, struct rk_err *err)
{
    struct rk_str secret = idp_secret(req->mem), old;
    int64_t now = now_of(req);
    enum rk_code rc = RK_OK;

    if (cookie_hash(req, &old))
        rc = db_exec(db, err, NULL, SQL_END, DB_ARGS(db_text(old)));
    if (rc == RK_OK)
        rc = db_exec(db, err, NULL, SQL_NEW,
                     DB_ARGS(db_text(idp_hash(req->mem, secret)), db_text(u->subject), db_i64(now),
                             db_i64(now), db_i64(now + IDP_SESSION_LIFE_S), db_i64(u->gen)));
    if (rc == RK_OK)
        idp_cookie_set(req, resp, IDP_COOKIE_SESSION, secret, IDP_SESSION_LIFE_S);
    return rc;
}

/* ---- userinfo */

static enum rk_code unauthorized(struct http_resp *resp)
{
    http_resp_header(resp, "WWW-Authenticate", RK_STR("Bearer error=\"invalid_token\""));
    return idp_oauth_error(resp, 401, "invalid_token", "the access token is not valid");
}

enum rk_code idp_userinfo(struct http_req *req, struct http_resp *resp, struct db *db,
                          struct rk_err *err)
{
    static const char *const SHOWN[] = {"sub", "email", "email_verified", "name",
                                        "preferred_username"};
    struct idp *i = idp_of(req);
    struct jwt_issuer by = idp_issuer(i);
    struct local_user u;
    struct rk_str header, scheme, token;
    struct jwt t;
    json_t *o;
    char *text;

    if (!http_req_header(req, "Authorization", &header) ||
        !rk_str_cut(header, ' ', &scheme, &token) || !rk_str_ieq(scheme, RK_STR("Bearer")) ||
        jwt_verify(&by, 1, req->mem, token, now_of(req), &t, NULL, err))
        return unauthorized(resp);
    if (idp_identity(req, db, jwt_text(t.claims, "sub"), &u, NULL, err)) {
        jwt_done(&t);
        return unauthorized(resp);
    }
    o = json_object();
    for (size_t k = 0; k < RK_ARRAY_LEN(SHOWN); k++) {
        json_t *v = json_object_get(t.claims, SHOWN[k]);

        if (v)
            (void)json_object_set(o, SHOWN[k], v);
    }
    text = json_dumps(o, JSON_COMPACT);
    rk_buf_addz(&resp->body, text);
    free(text);
    json_decref(o);
    jwt_done(&t);
    http_resp_header(resp, "Cache-Control", RK_STR("no-store"));
    return RK_OK;
}

/* ---- logout */

/* A form or link of another site must not log anybody out. */
static bool from_elsewhere(const struct http_req *req)
{
    struct rk_str site;

    return http_req_header(req, "Sec-Fetch-Site", &site) && rk_str_eqz(site, "cross-site");
}

static bool hint_ok(struct http_req *req, struct rk_str token)
{
    struct jwt_issuer by = idp_issuer(idp_of(req));
    struct jwt t;

    if (jwt_verify(&by, 1, req->mem, token, JWT_ANY_TIME, &t, NULL, NULL))
        return false;
    jwt_done(&t);
    return true;
}

enum rk_code idp_logout(struct http_req *req, struct http_resp *resp, struct db *db,
                        struct rk_err *err)
{
    const struct idp *i = idp_of(req);
    const struct idp_list *allowed = &i->clients[IDP_DASHBOARD].logout_redirects;
    struct rk_str from = req->method == HTTP_POST ? req->body : req->query;
    struct rk_str hint = {0}, to = {0}, state = {0}, hash;
    bool bad = false, hinted;
    enum rk_code rc = RK_OK;

    /* longer than other parameters: a whole token */
    size_t pos = 0;
    struct rk_str k, v;

    while (http_form_next(req->mem, from, &pos, &k, &v))
        if (rk_str_eqz(k, "id_token_hint"))
            hint = v;
    (void)idp_param(req->mem, from, "post_logout_redirect_uri", &to, &bad);
    (void)idp_param(req->mem, from, "state", &state, &bad);
    hinted = hint.n && hint_ok(req, hint);
    if ((hinted || !from_elsewhere(req)) && cookie_hash(req, &hash)) {
        rc = db_exec(db, err, NULL, SQL_END, DB_ARGS(db_text(hash)));
        idp_cookie_set(req, resp, IDP_COOKIE_SESSION, RK_STR(""), 0);
    }
    if (rc)
        return rc;
    if (!hinted || !to.n || bad)
        return idp_redirect(req, resp, RK_STR("/"));
    if (!idp_list_has(allowed, to))
        return idp_page_trouble(req, resp, 400, NULL, "Signed out",
                                "The address to go on to is not registered for the application.");
    if (state.n)
        to = idp_uri_with(req->mem, to, "state", state);
    return idp_redirect(req, resp, to);
}

/* Where a provider sends people after its own logout. */
enum rk_code idp_logged_out(struct http_req *req, struct http_resp *resp, struct db *db,
                            struct rk_err *err)
{
    (void)db;
    (void)err;
    return idp_redirect(req, resp, RK_STR("/"));
}
