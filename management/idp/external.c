/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logging in at an external provider: we are its client (authorization code with PKCE, state and
 * nonce), and our own client gets our tokens.
 *
 *   login page ──▶ GET /auth/external ──▶ provider ──▶ GET /callback ──▶ session, as after a
 * password
 */
#include "config.h"

#include <stdlib.h>

#include "lib/base/enc.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/vault.h"
#include "lib/http/client.h"
#include "management/identity/connectors.h"
#include "management/idp/idp_impl.h"

#define TIMEOUT_MS 5000
#define ID_MAX     127 /* bytes of a user id: see idp_subject_encode */
#define GROUPS_MAX 200

/* What the provider's discovery document says. arena */
struct where {
    const char *issuer, *auth, *token, *keys;
};

static enum rk_code fetch_json(struct rk_arena *mem, const struct http_fetch *f, json_t **out,
                               struct rk_err *err)
{
    struct http_fetched got = {0};
    enum rk_code rc = http_fetch(f, mem, &got, err);

    if (rc)
        return rc;
    *out = got.status == 200 ? json_loadb(got.body.p, got.body.n, 0, NULL) : NULL;
    if (json_is_object(*out))
        return RK_OK;
    json_decref(*out);
    return rk_fail(err, RK_UNAVAILABLE, "the provider answers %u", got.status);
}

static struct rk_str issuer_of(const struct idp_connector *c)
{
    return rk_str_eqz(c->type, "google") ? RK_STR("https://accounts.google.com") : c->issuer;
}

static enum rk_code discover(struct rk_arena *mem, const struct idp_connector *c, struct where *out,
                             struct rk_err *err)
{
    struct rk_str issuer = issuer_of(c), base = issuer;
    struct http_fetch f = {.timeout_ms = TIMEOUT_MS};
    json_t *doc = NULL;
    enum rk_code rc;

    while (rk_str_ends(base, RK_STR("/")))
        base.n--;
    f.url = rk_arena_printf(mem, "%.*s/.well-known/openid-configuration", RK_STR_ARG(base)).p;
    rc = fetch_json(mem, &f, &doc, err);
    if (rc)
        return rc;
    *out = (struct where){.issuer = rk_arena_dupz(mem, jwt_text(doc, "issuer")),
                          .auth = rk_arena_dupz(mem, jwt_text(doc, "authorization_endpoint")),
                          .token = rk_arena_dupz(mem, jwt_text(doc, "token_endpoint")),
                          .keys = rk_arena_dupz(mem, jwt_text(doc, "jwks_uri"))};
    json_decref(doc);
    if (!rk_str_eqz(issuer, out->issuer) || !*out->auth || !*out->token || !*out->keys)
        return rk_fail(err, RK_UNAVAILABLE, "the provider's discovery document does not fit");
    return RK_OK;
}

static enum rk_code trouble(struct http_req *req, struct http_resp *resp, const struct rk_err *why)
{
    rk_log(idp_of(req)->log, RK_WARN, "external login failed", kv_z("request", req->id),
           KV_ERR(why));
    return idp_page_end(req, resp, 502, 'n', "Signing in did not work",
                        "The identity provider could not be used. Try again, or ask your "
                        "administrator, who finds the reason in the log.");
}

static enum rk_code too_old(struct http_req *req, struct http_resp *resp)
{
    return idp_page_end(req, resp, 403, 'n', "This page is too old",
                        "Go back to the application and sign in again.");
}

static enum rk_code connector_of(struct http_req *req, struct db *db, struct rk_str id,
                                 struct idp_connector *out, struct rk_err *err)
{
    struct idp_connectors t = {db, mgmt_vault(idp_of(req)->m), req->mem};

    return idp_connector_get(&t, id, out, err);
}

static struct rk_str callback_of(const struct idp *i, struct rk_arena *mem)
{
    return rk_arena_printf(mem, "%s/callback", i->issuer);
}

static struct rk_str challenge_of(struct rk_arena *mem, struct rk_str verifier)
{
    uint8_t digest[HASH_SHA256_SIZE];

    hash_sha256(verifier, digest);
    return rk_base64url_encode(mem, rk_str_of(digest, sizeof digest));
}

#define ENC(s) rk_percent_encode(mem, (s))

static struct rk_str auth_url(struct http_req *req, const struct idp_connector *c,
                              const struct where *w, const struct idp_request *r,
                              struct rk_str state)
{
    struct rk_arena *mem = req->mem;
    const char *groups =
        rk_str_eqz(c->type, "okta") || rk_str_eqz(c->type, "pocketid") ? " groups" : "";

    return RK_CAT(mem, rk_str_z(w->auth), rk_str_z(strchr(w->auth, '?') ? "&" : "?"),
                  RK_STR("response_type=code&client_id="), ENC(c->client_id),
                  RK_STR("&redirect_uri="), ENC(callback_of(idp_of(req), mem)), RK_STR("&scope="),
                  ENC(rk_arena_printf(mem, "openid profile email%s", groups)), RK_STR("&state="),
                  ENC(state), RK_STR("&nonce="), ENC(r->ext_nonce),
                  RK_STR("&code_challenge_method=S256&code_challenge="),
                  challenge_of(mem, r->ext_verifier));
}

enum rk_code idp_external_start(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    struct idp_request r;
    struct idp_connector c;
    struct where w;
    struct rk_str id = {0}, state;
    struct rk_err why = {0};
    bool bad = false;
    enum rk_code rc;

    if (idp_request_open(req, "request", &r, err) || r.subject.n ||
        (r.what != IDP_FOR_AUTH && r.what != IDP_FOR_DEVICE) ||
        !idp_param(req->mem, req->query, "connector", &id, &bad))
        return too_old(req, resp);
    rc = connector_of(req, db, id, &c, &why);
    if (rc == RK_OK && idp_try_address(req, &why)) /* each makes us call somebody */
        return idp_page_login(req, resp, db, &r, 429,
                              "Too many attempts. Wait a minute and try again.", RK_STR(""), err);
    if (rc == RK_OK)
        rc = discover(req->mem, &c, &w, &why);
    if (rc)
        return trouble(req, resp, &why);
    r.connector = c.id;
    r.ext_nonce = idp_secret(req->mem);
    r.ext_verifier = idp_secret(req->mem);
    rc = idp_request_seal(req, resp, &r, &state, err);
    return rc ? rc : idp_redirect(req, resp, auth_url(req, &c, &w, &r, state));
}

/* ---- the way back ---- */

static enum rk_code redeem(struct http_req *req, const struct idp_connector *c,
                           const struct where *w, const struct idp_request *r, struct rk_str code,
                           struct rk_str *id_token, struct rk_err *err)
{
    struct rk_arena *mem = req->mem;
    struct http_fetch f = {.url = w->token, .timeout_ms = TIMEOUT_MS};
    json_t *answer = NULL;
    enum rk_code rc;

    f.form = RK_CAT(mem, RK_STR("grant_type=authorization_code&code="), ENC(code),
                    RK_STR("&redirect_uri="), ENC(callback_of(idp_of(req), mem)),
                    RK_STR("&code_verifier="), ENC(r->ext_verifier));
    if (c->secret.n) {
        f.user = rk_arena_dupz(mem, rk_percent_encode(mem, c->client_id)); /* RFC 6749 2.3.1 */
        f.password = rk_arena_dupz(mem, rk_percent_encode(mem, c->secret));
    } else {
        f.form = RK_CAT(mem, f.form, RK_STR("&client_id="), ENC(c->client_id));
    }
    rc = fetch_json(mem, &f, &answer, err);
    if (rc)
        return rk_wrap(err, "code");
    *id_token = rk_arena_dup(mem, jwt_text(answer, "id_token"));
    json_decref(answer);
    return id_token->n ? RK_OK : rk_fail(err, RK_UNAVAILABLE, "the provider sent no ID token");
}

static enum rk_code verify(struct http_req *req, const struct idp_connector *c,
                           const struct where *w, struct rk_str token, struct jwt *out,
                           struct rk_err *err)
{
    const char *audience = rk_arena_dupz(req->mem, c->client_id);
    struct jwks_remote_opts o = {.issuer = w->issuer, .keys_url = w->keys};
    struct jwks_remote *keys = jwks_remote_new(&o);
    struct jwt_issuer by = {.issuer = w->issuer,
                            .audiences = &audience,
                            .n_audiences = 1,
                            .keys = jwks_remote_source(keys)};
    enum rk_code rc =
        jwt_verify(&by, 1, req->mem, token, idp_now_us(idp_of(req)) / 1000000, out, err);

    jwks_remote_free(keys);
    return rc;
}

static struct rk_str groups_of(struct rk_arena *mem, const json_t *claims)
{
    const json_t *list = json_object_get(claims, "groups"), *one;
    json_t *clean = json_array();
    struct rk_str out = RK_STR("");
    char *text;
    size_t i;

    json_array_foreach(list, i, one)
    {
        if (json_is_string(one) && json_array_size(clean) < GROUPS_MAX)
            (void)json_array_append(clean, (json_t *)(uintptr_t)one);
    }
    text = json_dumps(clean, JSON_COMPACT);
    if (json_array_size(clean))
        out = rk_arena_dup(mem, rk_str_z(text));
    free(text);
    json_decref(clean);
    return out;
}

static enum rk_code person_of(struct http_req *req, const struct idp_connector *c,
                              const struct idp_request *r, const json_t *claims,
                              struct local_user *u, struct rk_err *err)
{
    bool entra = rk_str_eqz(c->type, "entra");
    struct rk_str id = jwt_text(claims, entra && jwt_text(claims, "oid").n ? "oid" : "sub");
    struct rk_str email = jwt_text(claims, "email"), name = jwt_text(claims, "name");

    if (!rk_secret_str_eq(jwt_text(claims, "nonce"), r->ext_nonce))
        return rk_fail(err, RK_UNAUTHENTICATED, "the ID token is for another login (nonce)");
    if (!id.n || id.n > ID_MAX || c->id.n > ID_MAX)
        return rk_fail(err, RK_UNAUTHENTICATED, "the ID token names no usable user");
    if (entra && !email.n)
        email = jwt_text(claims, "preferred_username");
    if (json_is_false(json_object_get(claims, "email_verified")))
        email = RK_STR("");
    if (!name.n)
        name = jwt_text(claims, "preferred_username");
    *u = (struct local_user){.subject = idp_subject_encode(req->mem, id, c->id),
                             .email = rk_arena_dup(req->mem, email),
                             .name = rk_arena_dup(req->mem, name)};
    return RK_OK;
}

static enum rk_code come_back(struct http_req *req, struct db *db, const struct idp_request *r,
                              struct rk_str code, struct local_user *u, struct rk_err *err)
{
    struct idp_connector c;
    struct where w;
    struct rk_str token, groups;
    struct jwt t = {0};
    enum rk_code rc = connector_of(req, db, r->connector, &c, err);

    if (rc == RK_OK)
        rc = discover(req->mem, &c, &w, err);
    if (rc == RK_OK)
        rc = redeem(req, &c, &w, r, code, &token, err);
    if (rc == RK_OK)
        rc = verify(req, &c, &w, token, &t, err);
    if (rc)
        return rc;
    rc = person_of(req, &c, r, t.claims, u, err);
    groups = groups_of(req->mem, t.claims);
    jwt_done(&t);
    return rc ? rc : idp_external_put(req, db, u, groups, err);
}

enum rk_code idp_external_back(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    struct idp_request r;
    struct local_user u;
    struct rk_str code = {0}, error = {0};
    struct rk_err why = {0};
    bool bad = false;

    if (idp_request_open(req, "state", &r, err) || !r.connector.n)
        return too_old(req, resp);
    if (idp_param(req->mem, req->query, "error", &error, &bad)) {
        r.connector = r.ext_nonce = r.ext_verifier = RK_STR("");
        return idp_page_login(req, resp, db, &r, 401, "The identity provider refused.", RK_STR(""),
                              err);
    }
    if (!idp_param(req->mem, req->query, "code", &code, &bad))
        return too_old(req, resp);
    if (come_back(req, db, &r, code, &u, &why))
        return trouble(req, resp, &why);
    return idp_login_done(req, resp, db, &r, &u, err);
}
