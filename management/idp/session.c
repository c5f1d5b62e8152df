/* SPDX-License-Identifier: BSD-3-Clause */
/* Browser sessions as the store keeps them: found, started, ended. */
#include "config.h"

#include "management/idp/session.h"

#include "management/identity/local_users.h"
#include "management/idp/base.h"
#include "management/idp/identity.h"
#include "management/idp/reply.h"
#include "management/idp/request.h"

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

enum rk_code idp_session_end(struct http_req *req, struct http_resp *resp, struct db *db,
                             struct rk_err *err)
{
    struct rk_str hash;
    enum rk_code rc;

    if (!cookie_hash(req, &hash))
        return RK_OK;
    rc = db_exec(db, err, NULL, SQL_END, DB_ARGS(db_text(hash)));
    idp_cookie_set(req, resp, IDP_COOKIE_SESSION, RK_STR(""), 0);
    return rc;
}
