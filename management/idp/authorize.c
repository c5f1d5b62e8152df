/* SPDX-License-Identifier: BSD-3-Clause */
/* The authorization endpoint: RFC 6749 4.1, 7636, 9700, OpenID Connect Core 3.1.2. */
#include "config.h"

#include "management/idp/authorize.h"

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/crypto/hash.h"
#include "management/idp/base.h"
#include "management/idp/page_forms.h"
#include "management/idp/pages.h"
#include "management/idp/reply.h"
#include "management/idp/request.h"
#include "management/idp/session.h"

#define CHALLENGE_LEN 43 /* base64url of a SHA-256 */

static const char SQL_NEW[] =
    "INSERT INTO idp_code (hash, family, client_id, redirect_uri, subject, scope, nonce, "
    "challenge, auth_time, expires_at, used, gen) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11)";

/* The log has what the person cannot mend. */
static enum rk_code cannot_start(struct http_req *req, struct http_resp *resp,
                                 const struct idp_request *r, bool known)
{
    static struct rk_log_gate gate; /* anybody can do it */

    rk_log_every(&gate, IDP_LOG_EVERY_MS, idp_of(req)->log, RK_INFO,
                 known ? "sign-in refused: the redirect address is not registered"
                       : "sign-in refused: the client is not known",
                 kv_z("request", req->id), kv_str("client", rk_str_sub(r->client_id, 0, 100)),
                 kv_str("redirect_uri", rk_str_sub(r->redirect_uri, 0, 200)));
    return idp_page_trouble(req, resp, 400, NULL, "Sign-in cannot start",
                            known ? "The application wants to be called back at an address that is "
                                    "not registered for it. Its administrator can register it."
                                  : "The application is not known here.");
}

static enum rk_code refuse(struct http_req *req, struct http_resp *resp,
                           const struct idp_request *r, const char *error, const char *why)
{
    struct rk_str to = idp_uri_with(req->mem, r->redirect_uri, "error", rk_str_z(error));

    to = idp_uri_with(req->mem, to, "error_description", rk_str_z(why));
    to = idp_uri_with(req->mem, to, "iss", rk_str_z(idp_of(req)->issuer)); /* RFC 9207 */
    if (r->state.n)
        to = idp_uri_with(req->mem, to, "state", r->state);
    return idp_redirect(req, resp, to);
}

enum rk_code idp_grant_code(struct http_req *req, struct http_resp *resp, struct db *db,
                            const struct idp_request *r, const struct idp_session *s,
                            struct rk_err *err)
{
    struct rk_str code = idp_secret(req->mem), to;
    int64_t until = idp_now_us(idp_of(req)) / 1000000 + IDP_CODE_LIFE_S;
    enum rk_code rc =
        db_exec(db, err, NULL, SQL_NEW,
                DB_ARGS(db_text(idp_hash(req->mem, code)), db_text(idp_secret(req->mem)),
                        db_text(r->client_id), db_text(r->redirect_uri), db_text(s->subject),
                        db_text(r->scope), db_text(r->nonce), db_text(r->challenge),
                        db_i64(s->auth_time_s), db_i64(until), db_i64(s->gen)));

    if (rc)
        return rc;
    to = idp_uri_with(req->mem, r->redirect_uri, "code", code);
    to = idp_uri_with(req->mem, to, "iss", rk_str_z(idp_of(req)->issuer)); /* RFC 9207 */
    if (r->state.n)
        to = idp_uri_with(req->mem, to, "state", r->state);
    return idp_redirect(req, resp, to);
}

/* What the request says besides client and redirect URI. */
struct extra {
    struct rk_str response_type, method, prompt, max_age, response_mode, object, object_uri;
};

static void read_params(struct http_req *req, struct idp_request *r, struct extra *x, bool *bad)
{
    struct rk_str from = req->method == HTTP_POST ? req->body : req->query;
    const struct {
        const char *name;
        struct rk_str *to;
    } all[] = {
        {"client_id", &r->client_id},
        {"redirect_uri", &r->redirect_uri},
        {"state", &r->state},
        {"scope", &r->scope},
        {"nonce", &r->nonce},
        {"code_challenge", &r->challenge},
        {"login_hint", &r->login_hint},
        {"response_type", &x->response_type},
        {"code_challenge_method", &x->method},
        {"prompt", &x->prompt},
        {"max_age", &x->max_age},
        {"response_mode", &x->response_mode},
        {"request", &x->object},
        {"request_uri", &x->object_uri},
    };

    for (size_t k = 0; k < RK_ARRAY_LEN(all); k++)
        (void)idp_param(req->mem, from, all[k].name, all[k].to, bad);
}

static bool challenge_ok(struct rk_str c)
{
    uint8_t raw[HASH_SHA256_SIZE];
    size_t n;

    return c.n == CHALLENGE_LEN && rk_base64url_decode(c, raw, sizeof raw, &n, NULL) == RK_OK &&
           n == sizeof raw;
}

/* NULL: fine. */
static const char *check(const struct idp *i, const struct idp_request *r, const struct extra *x,
                         bool bad, const char **error)
{
    *error = "invalid_request";
    if (bad)
        return "a parameter is repeated, too long or not text";
    if (x->object.n || x->object_uri.n) { /* OpenID Connect Core 6: what it says would not count */
        *error = x->object.n ? "request_not_supported" : "request_uri_not_supported";
        return "request objects are not supported";
    }
    if (!rk_str_eqz(x->response_type, "code")) {
        *error = "unsupported_response_type";
        return "only response_type=code is supported";
    }
    if (x->response_mode.n && !rk_str_eqz(x->response_mode, "query"))
        return "only response_mode=query is supported";
    if (!idp_has_word(r->scope, "openid")) {
        *error = "invalid_scope";
        return "the scope must contain openid";
    }
    if (!r->challenge.n) {
        /* Without TLS browsers have no crypto.subtle, so the dashboard cannot send one. */
        if (i->lan && rk_str_eqz(r->client_id, IDP_CLIENT_DASHBOARD) && !x->method.n)
            return NULL;
        return "code_challenge is required";
    }
    if (!rk_str_eqz(x->method, "S256"))
        return "only code_challenge_method=S256 is supported";
    return challenge_ok(r->challenge) ? NULL : "code_challenge is malformed";
}

/* Must the password be given again? */
static bool too_old(const struct idp *i, const struct extra *x, const struct idp_session *s)
{
    int64_t max;

    if (idp_has_word(x->prompt, "login") || idp_has_word(x->prompt, "select_account"))
        return true;
    if (!x->max_age.n || rk_parse_i64(x->max_age, 0, INT32_MAX, &max, NULL))
        return false;
    return idp_now_us(i) / 1000000 - s->auth_time_s >= max;
}

/* Any program on this computer can open our page and listen on localhost, so with a session, where
 * nothing was typed, the person is asked (RFC 8252 8.6). */
static enum rk_code with_session(struct http_req *req, struct http_resp *resp, struct db *db,
                                 const struct idp_request *r, const struct extra *x,
                                 const struct idp_session *s, struct rk_err *err)
{
    struct idp_request ask = *r;

    if (!rk_str_eqz(r->client_id, IDP_CLIENT_CLI))
        return idp_grant_code(req, resp, db, r, s, err);
    if (idp_has_word(x->prompt, "none"))
        return refuse(req, resp, r, "consent_required", "the person must be asked");
    ask.what = IDP_FOR_CONSENT;
    return idp_page_confirm(req, resp, &ask, s->user.email, err);
}

enum rk_code idp_consent(struct http_req *req, struct http_resp *resp, struct db *db,
                         struct rk_err *err)
{
    struct idp_request r;
    struct idp_session s;
    struct rk_str answer = {0};
    bool bad = false;
    enum rk_code rc;

    if (idp_request_open(req, "request", &r, err) || r.what != IDP_FOR_CONSENT)
        return idp_page_stale(req, resp);
    r.what = IDP_FOR_AUTH;
    (void)idp_param(req->mem, req->body, "answer", &answer, &bad);
    if (rk_str_eqz(answer, "deny"))
        return refuse(req, resp, &r, "access_denied", "the person said no");
    rc = idp_session_find(req, db, &s, err);
    if (rc && rc != RK_NOT_FOUND)
        return rc;
    if (rc == RK_NOT_FOUND || !rk_str_eqz(answer, "allow"))
        return idp_page_login(req, resp, db, &r, 200, NULL, r.login_hint, err);
    return idp_grant_code(req, resp, db, &r, &s, err);
}

enum rk_code idp_authorize(struct http_req *req, struct http_resp *resp, struct db *db,
                           struct rk_err *err)
{
    const struct idp *i = idp_of(req);
    struct idp_request r = {.what = IDP_FOR_AUTH};
    struct extra x = {0};
    const struct idp_client *client;
    struct idp_session s;
    const char *error, *why;
    bool bad = false;
    enum rk_code rc;

    read_params(req, &r, &x, &bad);
    client = idp_client(i, r.client_id);
    /* Until both are known to be ours nothing is sent anywhere. */
    if (!client || !idp_list_has(&client->redirects, r.redirect_uri))
        return cannot_start(req, resp, &r, client != NULL);
    why = check(i, &r, &x, bad, &error);
    if (why)
        return refuse(req, resp, &r, error, why);
    rc = idp_session_find(req, db, &s, err);
    if (rc && rc != RK_NOT_FOUND)
        return rc;
    if (rc == RK_OK && !too_old(i, &x, &s))
        return with_session(req, resp, db, &r, &x, &s, err);
    if (idp_has_word(x.prompt, "none"))
        return refuse(req, resp, &r, "login_required", "nobody is signed in");
    return idp_page_login(req, resp, db, &r, 200, NULL, r.login_hint, err);
}
