/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device flow (RFC 8628): a device without a browser shows a code, a person enters it, signs in
 * and says yes.
 *
 *   GET /device ──▶ code ──▶ POST /device ──▶ [login] ──▶ confirm ──▶ POST /device/confirm
 */
#include "config.h"

#include "management/idp/device.h"

#include <jansson.h>
#include <stdlib.h>

#include "lib/base/num.h"
#include "lib/crypto/secret.h"
#include "management/idp/base.h"
#include "management/idp/limits.h"
#include "management/idp/page_forms.h"
#include "management/idp/pages.h"
#include "management/idp/reply.h"
#include "management/idp/request.h"
#include "management/idp/session.h"

#define CODE_LEN   8 /* characters: 34 bits, with few tries and ten minutes */
#define SLOWER_S   5
#define MAKE_TRIES 3

/* No vowels, nothing that looks like another (RFC 8628 6.1). */
static const char ALPHABET[] = "BCDFGHJKLMNPQRSTVWXZ";

enum { WAITING, ALLOWED, REFUSED };

static const char SQL_NEW[] =
    "INSERT INTO idp_device (hash, user_hash, client_id, scope, state, subject, auth_time, "
    "expires_at, last_poll, interval_s) VALUES ($1, $2, $3, $4, 0, '', 0, $5, 0, $6)";
static const char SQL_COUNT[] = "SELECT count(*) FROM idp_device WHERE expires_at >= $1";
static const char SQL_OLDEST[] =
    "DELETE FROM idp_device WHERE hash IN (SELECT hash FROM idp_device WHERE state = 0 "
    "ORDER BY expires_at LIMIT $1)";
static const char SQL_BY_USER[] = "SELECT client_id FROM idp_device WHERE user_hash = $1 AND "
                                  "state = 0 AND expires_at >= $2";
static const char SQL_ANSWER[] =
    "UPDATE idp_device SET state = $2, subject = $3, auth_time = $4, gen = $6 "
    "WHERE user_hash = $1 AND state = 0 AND expires_at >= $5";
static const char SQL_POLL[] = "SELECT client_id, scope, state, subject, auth_time, expires_at, "
                               "last_poll, interval_s, gen FROM idp_device WHERE hash = $1";
static const char SQL_POLLED[] =
    "UPDATE idp_device SET last_poll = $2, interval_s = $3 WHERE hash = $1";
static const char SQL_DROP[] = "DELETE FROM idp_device WHERE hash = $1";

static int64_t now_of(const struct http_req *req)
{
    return idp_now_us(idp_of(req)) / 1000000;
}

/* ---- the device */

static struct rk_str user_code(struct rk_arena *mem)
{
    char c[CODE_LEN + 2];
    size_t n = 0;

    for (int k = 0; k < CODE_LEN; k++) {
        if (k == CODE_LEN / 2)
            c[n++] = '-';
        c[n++] = ALPHABET[rk_secret_random_below(sizeof ALPHABET - 1)];
    }
    return rk_arena_dup(mem, rk_str_of(c, n));
}

static enum rk_code make(struct http_req *req, struct db *db, const struct idp_client *client,
                         struct rk_str scope, struct rk_str *device, struct rk_str *user,
                         struct rk_err *err)
{
    int64_t n = 0;
    enum rk_code rc = db_get_i64(db, &n, err, SQL_COUNT, DB_ARGS(db_i64(now_of(req))));

    if (rc)
        return rc;
    if (n >= IDP_DEVICES_MAX) /* those that nobody has confirmed for longest give way */
        rc = db_exec(db, err, NULL, SQL_OLDEST, DB_ARGS(db_i64(IDP_DEVICES_MAX / 100)));
    if (rc)
        return rc;
    for (int k = 0; k < MAKE_TRIES; k++) { /* the user code may be taken */
        *device = idp_secret(req->mem);
        *user = user_code(req->mem);
        rc = db_exec(db, err, NULL, SQL_NEW,
                     DB_ARGS(db_text(idp_hash(req->mem, *device)),
                             db_text(idp_hash(req->mem, *user)), db_textz(client->id),
                             db_text(scope), db_i64(now_of(req) + IDP_DEVICE_LIFE_S),
                             db_i64(IDP_DEVICE_WAIT_S)));
        if (rc != RK_EXISTS)
            break;
    }
    return rc;
}

enum rk_code idp_device_code(struct http_req *req, struct http_resp *resp, struct db *db,
                             struct rk_err *err)
{
    const struct idp *i = idp_of(req);
    const struct idp_client *client = idp_client_of(req);
    struct rk_str scope = RK_STR("openid"), device, user;
    bool bad = false;
    json_t *o;
    char *text;
    enum rk_code rc;

    if (!client)
        return idp_oauth_error(resp, 401, "invalid_client", "the client is not known");
    (void)idp_param(req->mem, req->body, "scope", &scope, &bad);
    if (bad || !idp_has_word(scope, "openid"))
        return idp_oauth_error(resp, 400, "invalid_scope", "the scope must contain openid");
    if (!idp_may_make_code(req))
        return idp_oauth_error(resp, 429, "slow_down", "too many requests from this address");
    rc = make(req, db, client, scope, &device, &user, err);
    if (rc == RK_LIMIT)
        return idp_oauth_error(resp, 503, "temporarily_unavailable", "too many devices wait");
    if (rc)
        return rc;
    o = json_pack("{s:s, s:s, s:s, s:s++, s:i, s:i}", "device_code", device.p, "user_code", user.p,
                  "verification_uri", i->verify_url, "verification_uri_complete", i->verify_url,
                  "?user_code=", user.p, "expires_in", IDP_DEVICE_LIFE_S, "interval",
                  IDP_DEVICE_WAIT_S);
    text = json_dumps(o, JSON_COMPACT);
    rk_buf_addz(&resp->body, text);
    free(text);
    json_decref(o);
    http_resp_header(resp, "Cache-Control", RK_STR("no-store"));
    return RK_OK;
}

struct poll {
    struct idp *i;
    struct rk_arena *mem;
    struct rk_str hash, client_id;
    struct idp_grant *out;
};

static enum rk_code say(struct poll *p, const char *error, const char *why)
{
    p->out->error = error;
    p->out->why = why;
    return RK_OK;
}

static enum rk_code wait_more(struct poll *p, struct db *db, int64_t last_s, int64_t interval_s,
                              struct rk_err *err)
{
    int64_t now = idp_now_us(p->i) / 1000000;
    bool fast = last_s && now - last_s < interval_s - 1; /* clocks round */
    enum rk_code rc;

    interval_s += fast ? SLOWER_S : 0;
    rc = db_exec(db, err, NULL, SQL_POLLED,
                 DB_ARGS(db_text(p->hash), db_i64(now), db_i64(rk_min_i64(interval_s, 60))));
    if (rc)
        return rc;
    return fast ? say(p, "slow_down", "the device asks too often")
                : say(p, "authorization_pending", "nobody has answered yet");
}

static enum rk_code poll_tx(struct db *db, void *arg, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct poll *p = arg;
    struct idp_grant g = {0};
    int64_t state = 0, until = 0, last = 0, interval = 0;
    enum rk_code rc = db_query(db, &rows, err, SQL_POLL, DB_ARGS(db_text(p->hash)));

    if (rc == RK_OK && db_next(rows)) {
        g = (struct idp_grant){.client_id = db_col_text(rows, 0, p->mem),
                               .scope = db_col_text(rows, 1, p->mem),
                               .subject = db_col_text(rows, 3, p->mem),
                               .auth_time_s = db_col_i64(rows, 4),
                               .gen = db_col_i64(rows, 8)};
        state = db_col_i64(rows, 2);
        until = db_col_i64(rows, 5);
        last = db_col_i64(rows, 6);
        interval = db_col_i64(rows, 7);
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc)
        return rc;
    *p->out = g;
    if (!g.client_id.n || !rk_str_eq(g.client_id, p->client_id))
        return say(p, "invalid_grant", "the device code is not valid");
    if (until < idp_now_us(p->i) / 1000000)
        return say(p, "expired_token", "the device code has expired");
    if (state == WAITING)
        return wait_more(p, db, last, interval, err);
    rc = db_exec(db, err, NULL, SQL_DROP, DB_ARGS(db_text(p->hash))); /* one answer */
    if (rc)
        return rc;
    if (state != ALLOWED)
        return say(p, "access_denied", "the device was refused");
    p->out->family = idp_secret(p->mem);
    return RK_OK;
}

enum rk_code idp_device_poll(struct idp *i, struct db *db, struct rk_arena *mem, struct rk_str code,
                             struct rk_str client_id, struct idp_grant *out, struct rk_err *err)
{
    struct poll p = {
        .i = i, .mem = mem, .hash = idp_hash(mem, code), .client_id = client_id, .out = out};

    return db_tx(db, poll_tx, &p, err);
}

/* ---- the person */

/* As shown: capitals with the dash in the middle. false: cannot be a code. */
static bool tidy(struct rk_arena *mem, struct rk_str in, struct rk_str *out)
{
    char c[CODE_LEN + 2];
    size_t n = 0;

    for (size_t k = 0; k < in.n; k++) {
        char up = (char)(in.p[k] >= 'a' && in.p[k] <= 'z' ? in.p[k] - 32 : in.p[k]);

        if (up == '-' || up == ' ')
            continue;
        if (n == CODE_LEN + 1 || !up || !strchr(ALPHABET, up))
            return false;
        if (n == CODE_LEN / 2)
            c[n++] = '-';
        c[n++] = up;
    }
    *out = rk_arena_dup(mem, rk_str_of(c, n));
    return n == CODE_LEN + 1;
}

enum rk_code idp_device_page(struct http_req *req, struct http_resp *resp, struct db *db,
                             struct rk_err *err)
{
    struct rk_str given, code = RK_STR(""), hint = RK_STR("");
    bool bad = false;

    (void)db;
    if (idp_param(req->mem, req->query, "user_code", &given, &bad) && !tidy(req->mem, given, &code))
        code = RK_STR("");
    (void)idp_param(req->mem, req->query, "login_hint", &hint, &bad);
    return idp_page_code(req, resp, 200, NULL, code, bad ? RK_STR("") : hint, err);
}

static enum rk_code is_waiting(struct http_req *req, struct db *db, struct rk_str code, bool *out,
                               struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, SQL_BY_USER,
                               DB_ARGS(db_text(idp_hash(req->mem, code)), db_i64(now_of(req))));

    *out = rc == RK_OK && db_next(rows);
    return rc ? rc : db_end(rows, err);
}

enum rk_code idp_device_ask(struct http_req *req, struct http_resp *resp, struct db *db,
                            const struct idp_request *r, const struct idp_session *s,
                            struct rk_err *err)
{
    struct idp_request next = {.what = IDP_FOR_CONFIRM, .user_code = r->user_code};
    bool waiting;
    enum rk_code rc = is_waiting(req, db, r->user_code, &waiting, err);

    if (rc)
        return rc;
    if (!waiting)
        return idp_page_code(req, resp, 400, "This code is not valid, or no longer.", RK_STR(""),
                             RK_STR(""), err);
    return idp_page_confirm(req, resp, &next, s->user.email, err);
}

enum rk_code idp_device_entered(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    struct idp_request r;
    struct rk_str given = {0}, code;
    struct idp_session s;
    struct idp_try t;
    bool bad = false, waiting = false;
    enum rk_code rc;

    if (idp_request_open(req, "request", &r, err) || r.what != IDP_FOR_CODE)
        return idp_page_stale(req, resp);
    if (idp_try_begin(req, RK_STR(""), &t, err))
        return idp_page_code(req, resp, 429, "Too many attempts. Wait a minute and try again.",
                             RK_STR(""), RK_STR(""), err);
    if (idp_param(req->mem, req->body, "user_code", &given, &bad) && tidy(req->mem, given, &code)) {
        rc = is_waiting(req, db, code, &waiting, err);
        if (rc)
            return rc;
    }
    if (!waiting)
        return idp_page_code(req, resp, 400, "This code is not valid, or no longer.", RK_STR(""),
                             RK_STR(""), err);
    idp_try_right(req, &t);
    r.what = IDP_FOR_DEVICE;
    r.user_code = code;
    rc = idp_session_find(req, db, &s, err);
    if (rc == RK_NOT_FOUND)
        return idp_page_login(req, resp, db, &r, 200, NULL, r.login_hint, err);
    return rc ? rc : idp_device_ask(req, resp, db, &r, &s, err);
}

enum rk_code idp_device_answer(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    struct idp *i = idp_of(req);
    struct idp_request r;
    struct idp_session s;
    struct rk_str answer = {0};
    bool bad = false, allow;
    int64_t n = 0;
    enum rk_code rc;

    if (idp_request_open(req, "request", &r, err) || r.what != IDP_FOR_CONFIRM)
        return idp_page_stale(req, resp);
    rc = idp_session_find(req, db, &s, err);
    if (rc == RK_NOT_FOUND)
        return idp_page_stale(req, resp);
    if (rc)
        return rc;
    (void)idp_param(req->mem, req->body, "answer", &answer, &bad);
    if (rk_str_eqz(answer, "other")) { /* somebody else sits here */
        r.what = IDP_FOR_DEVICE;
        return idp_page_login(req, resp, db, &r, 200, NULL, RK_STR(""), err);
    }
    allow = rk_str_eqz(answer, "allow");
    rc = db_exec(db, err, &n, SQL_ANSWER,
                 DB_ARGS(db_text(idp_hash(req->mem, r.user_code)),
                         db_i64(allow ? ALLOWED : REFUSED), db_text(s.subject),
                         db_i64(s.auth_time_s), db_i64(now_of(req)), db_i64(s.gen)));
    if (rc)
        return rc;
    if (!n)
        return idp_page_code(req, resp, 400, "This code is not valid, or no longer.", RK_STR(""),
                             RK_STR(""), err);
    rk_log(i->log, allow ? RK_DEBUG : RK_INFO, allow ? "device allowed" : "device refused",
           kv_str("user", s.subject));
    return allow ? idp_page_end(req, resp, 200, 'y', "Device connected",
                                "You can close this page and go back to your device.")
                 : idp_page_end(req, resp, 200, 'n', "Device refused",
                                "It was not connected. You can close this page.");
}
