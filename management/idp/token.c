/* SPDX-License-Identifier: BSD-3-Clause */
/* The token endpoint: codes, refresh tokens and device codes into tokens. RFC 6749, 7636, 8628. */
#include "config.h"

#include "management/idp/token.h"

#include <jansson.h>
#include <stdlib.h>

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/vault.h"
#include "management/identity/local_users.h"
#include "management/identity/logins.h"
#include "management/idp/base.h"
#include "management/idp/device.h"
#include "management/idp/external_refresh.h"
#include "management/idp/identity.h"
#include "management/idp/reply.h"
#include "management/idp/request.h"

#define VERIFIER_MIN 43
#define VERIFIER_MAX 128
#define GROUPS_MAX   4096 /* bytes of JSON in a token */

static const char SQL_CODE[] =
    "SELECT family, client_id, redirect_uri, subject, scope, nonce, "
    "challenge, auth_time, expires_at, gen FROM idp_code WHERE hash = $1";
static const char SQL_CODE_USE[] = "UPDATE idp_code SET used = 1 WHERE hash = $1 AND used = 0";
static const char SQL_REFRESH[] = "SELECT family, client_id, subject, scope, nonce, auth_time, "
                                  "expires_at, gen FROM idp_refresh WHERE hash = $1";
static const char SQL_REFRESH_WHOSE[] =
    "SELECT subject FROM idp_refresh WHERE hash = $1 AND client_id = $2 AND used = 0";
static const char SQL_REFRESH_USE[] =
    "UPDATE idp_refresh SET used = 1 WHERE hash = $1 AND used = 0";
static const char SQL_REFRESH_NEW[] =
    "INSERT INTO idp_refresh (hash, family, client_id, subject, scope, nonce, auth_time, "
    "expires_at, used, gen) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)";
static const char SQL_FAMILY_END[] = "DELETE FROM idp_refresh WHERE family = $1";

/* ---- grants: each on a transaction of its own */

struct use {
    struct http_req *req;
    const struct idp_client *client;
    struct rk_str hash; /* of the code or token */
    struct rk_str redirect_uri, verifier;
    struct rk_str refresh; /* the new refresh token, empty without the scope for it */
    struct idp_grant grant;
};

static enum rk_code deny(struct use *u, const char *error, const char *why)
{
    u->grant.error = error;
    u->grant.why = why;
    return RK_OK;
}

static bool verifier_ok(struct rk_arena *mem, struct rk_str verifier, struct rk_str challenge)
{
    uint8_t digest[HASH_SHA256_SIZE];

    if (!challenge.n)
        return !verifier.n; /* a verifier nobody asked for: a mixed-up flow (RFC 9700 4.8.2) */
    if (verifier.n < VERIFIER_MIN || verifier.n > VERIFIER_MAX)
        return false;
    hash_sha256(verifier, digest);
    return rk_secret_str_eq(rk_base64url_encode(mem, rk_str_of(digest, sizeof digest)), challenge);
}

/* In the transaction that uses up the grant: a replay that ends the family then finds this one too,
 * and no crash leaves a used grant without its successor. */
static enum rk_code new_refresh(struct use *u, struct db *db, struct rk_err *err)
{
    const struct idp_grant *g = &u->grant;
    int64_t until = rk_min_i64(idp_now_us(idp_of(u->req)) / 1000000 + IDP_REFRESH_LIFE_S,
                               g->auth_time_s + IDP_REFRESH_MAX_S);

    u->refresh = RK_STR("");
    if (!idp_has_word(g->scope, IDP_SCOPE_OFFLINE))
        return RK_OK;
    u->refresh = idp_secret(u->req->mem);
    return db_exec(db, err, NULL, SQL_REFRESH_NEW,
                   DB_ARGS(db_text(idp_hash(u->req->mem, u->refresh)), db_text(g->family),
                           db_text(g->client_id), db_text(g->subject), db_text(g->scope),
                           db_text(g->nonce), db_i64(g->auth_time_s), db_i64(until),
                           db_i64(g->gen)));
}

static enum rk_code code_tx(struct db *db, void *arg, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct use *u = arg;
    struct rk_arena *mem = u->req->mem;
    struct rk_str uri = {0}, challenge = {0};
    struct idp_grant g = {0};
    int64_t until = 0, n = 0;
    enum rk_code rc = db_query(db, &rows, err, SQL_CODE, DB_ARGS(db_text(u->hash)));

    if (rc == RK_OK && db_next(rows)) {
        g = (struct idp_grant){.family = db_col_text(rows, 0, mem),
                               .client_id = db_col_text(rows, 1, mem),
                               .subject = db_col_text(rows, 3, mem),
                               .scope = db_col_text(rows, 4, mem),
                               .nonce = db_col_text(rows, 5, mem),
                               .auth_time_s = db_col_i64(rows, 7),
                               .gen = db_col_i64(rows, 9)};
        uri = db_col_text(rows, 2, mem);
        challenge = db_col_text(rows, 6, mem);
        until = db_col_i64(rows, 8);
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc)
        return rc;
    u->grant = g;
    if (!g.family.n || !rk_str_eqz(g.client_id, u->client->id))
        return deny(u, "invalid_grant", "the code is not valid");
    rc = db_exec(db, err, &n, SQL_CODE_USE, DB_ARGS(db_text(u->hash)));
    if (rc)
        return rc;
    if (n == 0) { /* somebody else has it too: all that it may have led to ends */
        rc = logins_end(db, g.subject, err);
        return rc ? rc : deny(u, "invalid_grant", "the code was used before");
    }
    if (until < idp_now_us(idp_of(u->req)) / 1000000)
        return deny(u, "invalid_grant", "the code has expired");
    if (!rk_str_eq(uri, u->redirect_uri))
        return deny(u, "invalid_grant", "redirect_uri is another than before");
    if (!verifier_ok(mem, u->verifier, challenge))
        return deny(u, "invalid_grant", "code_verifier does not fit the challenge");
    return new_refresh(u, db, err);
}

static enum rk_code refresh_tx(struct db *db, void *arg, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct use *u = arg;
    struct rk_arena *mem = u->req->mem;
    struct idp_grant g = {0};
    int64_t until = 0, n = 0;
    enum rk_code rc = db_query(db, &rows, err, SQL_REFRESH, DB_ARGS(db_text(u->hash)));

    if (rc == RK_OK && db_next(rows)) {
        g = (struct idp_grant){.family = db_col_text(rows, 0, mem),
                               .client_id = db_col_text(rows, 1, mem),
                               .subject = db_col_text(rows, 2, mem),
                               .scope = db_col_text(rows, 3, mem),
                               .nonce = db_col_text(rows, 4, mem),
                               .auth_time_s = db_col_i64(rows, 5),
                               .gen = db_col_i64(rows, 7)};
        until = db_col_i64(rows, 6);
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc)
        return rc;
    u->grant = g;
    if (!g.family.n || !rk_str_eqz(g.client_id, u->client->id))
        return deny(u, "invalid_grant", "the refresh token is not valid");
    rc = db_exec(db, err, &n, SQL_REFRESH_USE, DB_ARGS(db_text(u->hash)));
    if (rc)
        return rc;
    if (n == 0) {
        rc = db_exec(db, err, NULL, SQL_FAMILY_END, DB_ARGS(db_text(g.family)));
        return rc ? rc : deny(u, "invalid_grant", "the refresh token was used before");
    }
    if (until < idp_now_us(idp_of(u->req)) / 1000000)
        return deny(u, "invalid_grant", "the refresh token has expired");
    return new_refresh(u, db, err);
}

static enum rk_code use_code(struct use *u, struct db *db, struct rk_err *err)
{
    struct rk_arena *mem = u->req->mem;
    struct rk_str code = {0};
    bool bad = false;

    (void)idp_param(mem, u->req->body, "code", &code, &bad);
    (void)idp_param(mem, u->req->body, "redirect_uri", &u->redirect_uri, &bad);
    (void)idp_param(mem, u->req->body, "code_verifier", &u->verifier, &bad);
    if (bad || !code.n)
        return deny(u, "invalid_request", "code is missing or a parameter is malformed");
    u->hash = idp_hash(mem, code);
    return db_tx(db, code_tx, u, err);
}

static bool from_elsewhere(struct rk_arena *mem, struct rk_str subject)
{
    struct rk_str id, connector;

    return idp_subject_decode(mem, subject, &id, &connector) && !rk_str_eqz(connector, "local");
}

/* Before a refresh token of somebody from elsewhere is used up: does the provider still know them?
 * When it cannot be asked the token stays as it is. */
static enum rk_code still_there(struct use *u, struct db *db, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct rk_str subject = {0};
    bool gone = false;
    enum rk_code rc = db_query(db, &rows, err, SQL_REFRESH_WHOSE,
                               DB_ARGS(db_text(u->hash), db_textz(u->client->id)));

    if (rc == RK_OK && db_next(rows))
        subject = db_col_text(rows, 0, u->req->mem);
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc || !subject.n)
        return rc;
    if (from_elsewhere(u->req->mem, subject) && http_req_move(u->req, HTTP_CALLS_OUT))
        return RK_OK;
    rc = idp_external_still(u->req, db, subject, &gone, err);
    return rc || !gone
               ? rc
               : deny(u, "invalid_grant", "the identity provider ended this person's login");
}

static enum rk_code use_refresh(struct use *u, struct db *db, struct rk_err *err)
{
    struct rk_str token = {0};
    bool bad = false;
    enum rk_code rc;

    (void)idp_param(u->req->mem, u->req->body, "refresh_token", &token, &bad);
    if (bad || !token.n)
        return deny(u, "invalid_request", "refresh_token is missing");
    u->hash = idp_hash(u->req->mem, token);
    rc = still_there(u, db, err);
    return rc || u->grant.error || u->req->move_to ? rc : db_tx(db, refresh_tx, u, err);
}

static enum rk_code use_device(struct use *u, struct db *db, struct rk_err *err)
{
    struct rk_str code = {0};
    bool bad = false;
    enum rk_code rc;

    (void)idp_param(u->req->mem, u->req->body, "device_code", &code, &bad);
    if (bad || !code.n)
        return deny(u, "invalid_request", "device_code is missing");
    rc = idp_device_poll(idp_of(u->req), db, u->req->mem, code, rk_str_z(u->client->id), &u->grant,
                         err);
    return rc || u->grant.error ? rc : new_refresh(u, db, err);
}

/* ---- tokens */

/* OpenID Connect Core 3.1.3.6: the left half of the hash. */
static struct rk_str half_hash(struct rk_arena *mem, struct rk_str token)
{
    uint8_t digest[HASH_SHA256_SIZE];

    hash_sha256(token, digest);
    return rk_base64url_encode(mem, rk_str_of(digest, sizeof digest / 2));
}

static void put_text(json_t *o, const char *name, struct rk_str v)
{
    if (v.n)
        (void)json_object_set_new(o, name, json_stringn(v.p, v.n));
}

static json_t *claims_of(const struct idp *i, const struct idp_grant *g, const struct local_user *u)
{
    int64_t now = idp_now_us(i) / 1000000;
    json_t *o = json_pack("{s:s, s:s%, s:s%, s:I, s:I, s:I}", "iss", i->issuer, "sub", g->subject.p,
                          g->subject.n, "aud", g->client_id.p, g->client_id.n, "exp",
                          (json_int_t)(now + i->token_life_s), "iat", (json_int_t)now, "auth_time",
                          (json_int_t)g->auth_time_s);

    if (idp_has_word(g->scope, "email")) {
        put_text(o, "email", u->email);
        if (u->email_verified >= 0) /* what the provider did not say we do not say either */
            (void)json_object_set_new(o, "email_verified", json_boolean(u->email_verified));
    }
    if (idp_has_word(g->scope, "profile")) {
        put_text(o, "name", u->name);
        put_text(o, "preferred_username", u->email);
    }
    /* The server looks them up where it needs them: a token of many groups fits no request. */
    if (g->groups.n && g->groups.n <= GROUPS_MAX && idp_has_word(g->scope, "groups"))
        (void)json_object_set_new(o, "groups", json_loadb(g->groups.p, g->groups.n, 0, NULL));
    return o;
}

static enum rk_code make_tokens(struct http_req *req, const struct idp_grant *g,
                                const struct local_user *u, struct rk_str *access,
                                struct rk_str *id, struct rk_err *err)
{
    struct idp *i = idp_of(req);
    char kid[KEYRING_ID_LEN + 1];
    struct jwk *key = NULL;
    json_t *o = claims_of(i, g, u);
    enum rk_code rc = keyring_signer(i->keys, &key, kid, err);

    /* so that no two tokens are equal: each logs an agent in once */
    put_text(o, "jti", idp_secret(req->mem));
    if (g->gen)
        (void)json_object_set_new(o, JWT_CLAIM_GEN, json_integer(g->gen));
    if (rc == RK_OK)
        rc = jwt_make(req->mem, key, rk_str_z(kid), o, access, err);
    if (rc == RK_OK) {
        put_text(o, "nonce", g->nonce);
        put_text(o, "at_hash", half_hash(req->mem, *access));
        rc = jwt_make(req->mem, key, rk_str_z(kid), o, id, err);
    }
    jwk_unref(key);
    json_decref(o);
    return rc;
}

static enum rk_code answer(struct http_req *req, struct http_resp *resp, const struct idp_grant *g,
                           struct rk_str refresh, const struct local_user *u, struct rk_err *err)
{
    struct idp *i = idp_of(req);
    struct rk_str access, id;
    json_t *o;
    char *text;
    enum rk_code rc = make_tokens(req, g, u, &access, &id, err);

    if (rc)
        return rc;
    o = json_object();
    put_text(o, "access_token", access);
    put_text(o, "token_type", RK_STR("bearer"));
    (void)json_object_set_new(o, "expires_in", json_integer(i->token_life_s));
    put_text(o, "refresh_token", refresh);
    put_text(o, "id_token", id);
    put_text(o, "scope", g->scope);
    text = json_dumps(o, JSON_COMPACT);
    rk_buf_addz(&resp->body, text);
    rk_secret_wipe(text, strlen(text));
    free(text);
    json_decref(o);
    http_resp_header(resp, "Cache-Control", RK_STR("no-store"));
    http_resp_header(resp, "Pragma", RK_STR("no-cache"));
    return RK_OK;
}

/* The user as of now: gone, or with another password since, means no tokens. */
static enum rk_code user_of(struct http_req *req, struct db *db, struct idp_grant *g,
                            struct local_user *u, struct rk_err *err)
{
    enum rk_code rc = idp_identity(req, db, g->subject, u, &g->groups, err);

    if (rc == RK_OK && u->gen != g->gen)
        rc = rk_fail(err, RK_NOT_FOUND, "all older logins were ended");
    return rc;
}

enum rk_code idp_token(struct http_req *req, struct http_resp *resp, struct db *db,
                       struct rk_err *err)
{
    struct use u = {.req = req, .client = idp_client_of(req)};
    struct rk_str kind = {0};
    struct local_user user;
    bool bad = false;
    enum rk_code rc;

    if (!u.client) {
        http_resp_header(resp, "WWW-Authenticate", RK_STR("Basic realm=\"token\""));
        return idp_oauth_error(resp, 401, "invalid_client", "the client is not known");
    }
    (void)idp_param(req->mem, req->body, "grant_type", &kind, &bad);
    if (rk_str_eqz(kind, "authorization_code"))
        rc = use_code(&u, db, err);
    else if (rk_str_eqz(kind, "refresh_token"))
        rc = use_refresh(&u, db, err);
    else if (rk_str_eqz(kind, "urn:ietf:params:oauth:grant-type:device_code"))
        rc = use_device(&u, db, err);
    else
        rc = deny(&u, kind.n ? "unsupported_grant_type" : "invalid_request",
                  "grant_type is not supported");
    if (req->move_to) /* called again where one may wait for other servers */
        return RK_OK;
    if (rc == RK_UNAVAILABLE ||
        rc == RK_TIMEOUT) { /* not final: the same request may be sent again */
        rk_log(idp_of(req)->log, RK_WARN, "no tokens now", kv_z("request", req->id), KV_ERR(err));
        http_resp_header(resp, "Retry-After", RK_STR("5"));
        return idp_oauth_error(resp, 503, "temporarily_unavailable", "try again later");
    }
    if (rc)
        return rc;
    if (u.grant.error)
        return idp_oauth_error(resp, 400, u.grant.error, u.grant.why);
    rc = user_of(req, db, &u.grant, &user, err);
    if (rc == RK_NOT_FOUND)
        return idp_oauth_error(resp, 400, "invalid_grant", "the user must sign in again");
    if (rc == RK_OK)
        rc = answer(req, resp, &u.grant, u.refresh, &user, err);
    if (rc == RK_OK) /* that it goes on is no news */
        rk_log(idp_of(req)->log, rk_str_eqz(kind, "refresh_token") ? RK_DEBUG : RK_INFO,
               "token issued", kv_str("client", u.grant.client_id),
               kv_str("user", u.grant.subject));
    return rc;
}
