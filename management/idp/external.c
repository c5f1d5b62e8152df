/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Logging in at an external provider: we are its client (authorization code with PKCE, state and
 * nonce), and our own client gets our tokens.
 *
 *   login page ──▶ GET /auth/external ──▶ provider ──▶ GET /callback… ──▶ session, as after a
 *                                                                          password
 *
 * An answer must come from the provider that was asked (RFC 9700 4.4: a hostile one could send the
 * browser on to another one and be given its code): each has a callback address of its own, which
 * the sealed state names, and where a provider names itself in its answers (RFC 9207) that is
 * checked. A state works once.
 */
#include "config.h"

#include "management/idp/external.h"

#include "lib/base/enc.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/secret.h"
#include "lib/crypto/vault.h"
#include "management/identity/connectors.h"
#include "management/identity/discovery.h"
#include "management/identity/external_users.h"
#include "management/identity/local_users.h"
#include "management/idp/base.h"
#include "management/idp/external_token.h"
#include "management/idp/identity.h"
#include "management/idp/login_done.h"
#include "management/idp/page_forms.h"
#include "management/idp/pages.h"
#include "management/idp/reply.h"
#include "management/idp/request.h"

static enum rk_code trouble(struct http_req *req, struct http_resp *resp,
                            const struct idp_request *r, const struct rk_err *why)
{
    struct idp_request again = *r;

    again.connector = RK_STR("");
    rk_log(idp_of(req)->log, RK_WARN, "external login failed", kv_z("request", req->id),
           kv_str("connector", r->connector), KV_ERR(why));
    return idp_page_trouble(req, resp, 502, &again, "Signing in did not work",
                            "The identity provider could not be used. Try again, or ask your "
                            "administrator, who finds the reason in the log.");
}

/* Where this connector answers. The one that has the shared address keeps it; of the others those
 * may use it that name themselves in every answer. */
static struct rk_str callback_of(const struct idp *i, struct rk_arena *mem,
                                 const struct idp_connector *c, const struct disco *d)
{
    return c->shared_callback || d->sends_iss
               ? rk_arena_printf(mem, "%s/callback", i->issuer)
               : rk_arena_printf(mem, "%s/callback/%.*s", i->issuer, RK_STR_ARG(c->id));
}

static enum rk_code provider_of(struct http_req *req, struct db *db, struct rk_str id,
                                struct idp_provider *out, struct rk_err *err)
{
    struct idp *i = idp_of(req);
    struct idp_connectors t = {db, mgmt_vault(i->m), req->mem};
    enum rk_code rc = idp_connector_get(&t, id, &out->c, err);

    if (rc == RK_OK)
        rc = disco_get(i->discovery, req->mem, idp_connector_issuer(&out->c), &out->d, err);
    if (rc == RK_OK)
        rc = disco_check_login(&out->d, err);
    if (rc == RK_OK)
        out->callback = callback_of(i, req->mem, &out->c, &out->d);
    return rc;
}

static struct rk_str challenge_of(struct rk_arena *mem, struct rk_str verifier)
{
    uint8_t digest[HASH_SHA256_SIZE];

    hash_sha256(verifier, digest);
    return rk_base64url_encode(mem, rk_str_of(digest, sizeof digest));
}

#define ENC(s) rk_percent_encode(mem, (s))

static struct rk_str scope_of(struct rk_arena *mem, const struct idp_provider *p)
{
    const struct idp_connector *c = &p->c;
    bool groups =
        p->d.groups_scope || rk_str_eqz(c->type, "okta") || rk_str_eqz(c->type, "pocketid");
    /* Keycloak hands out refresh tokens without it, and needs a role for it. */
    bool offline = p->d.offline_scope && !rk_str_eqz(c->type, "keycloak");

    return rk_arena_printf(mem, "openid profile email%s%s%s", groups ? " groups" : "",
                           rk_str_eqz(c->type, "adfs") ? " allatclaims" : "",
                           offline ? " offline_access" : "");
}

static struct rk_str auth_url(struct http_req *req, const struct idp_provider *p,
                              const struct idp_request *r, struct rk_str state)
{
    struct rk_arena *mem = req->mem;

    return RK_CAT(mem, rk_str_z(p->d.auth), rk_str_z(strchr(p->d.auth, '?') ? "&" : "?"),
                  RK_STR("response_type=code&client_id="), ENC(p->c.client_id),
                  RK_STR("&redirect_uri="), ENC(p->callback), RK_STR("&scope="),
                  ENC(scope_of(mem, p)), RK_STR("&state="), ENC(state), RK_STR("&nonce="),
                  ENC(r->ext_nonce), RK_STR("&code_challenge_method=S256&code_challenge="),
                  challenge_of(mem, r->ext_verifier));
}

enum rk_code idp_external_start(struct http_req *req, struct http_resp *resp, struct db *db,
                                struct rk_err *err)
{
    struct idp_request r;
    struct idp_provider p = {0};
    struct rk_str id = {0}, state;
    struct rk_err why = {0};
    bool bad = false;
    enum rk_code rc;

    if (idp_request_open(req, "request", &r, err) || r.subject.n ||
        (r.what != IDP_FOR_AUTH && r.what != IDP_FOR_DEVICE) ||
        !idp_param(req->mem, req->query, "connector", &id, &bad))
        return idp_page_stale(req, resp);
    if (provider_of(req, db, id, &p, &why)) {
        r.connector = id;
        return trouble(req, resp, &r, &why);
    }
    r.connector = p.c.id;
    r.ext_realm = p.c.realm;
    r.ext_callback = p.callback;
    r.ext_nonce = idp_secret(req->mem);
    r.ext_verifier = idp_secret(req->mem);
    rc = idp_request_seal(req, resp, &r, &state, err);
    return rc ? rc : idp_redirect(req, resp, auth_url(req, &p, &r, state));
}

/* ---- the way back */

/* The issuer in the answer: where it is announced it must be there, and it must always be right. */
static enum rk_code check_iss(struct http_req *req, const struct idp_provider *p,
                              struct rk_err *err)
{
    struct rk_str iss = {0};
    bool bad = false, given = idp_param(req->mem, req->query, "iss", &iss, &bad);

    if (bad || (given && !p->d.tenants && !rk_str_eqz(iss, p->d.issuer)))
        return rk_fail(err, RK_UNAUTHENTICATED,
                       "the answer is from another provider: iss is \"%.*s\", expected \"%s\"",
                       RK_STR_ARG(rk_str_sub(iss, 0, 100)), p->d.issuer);
    if (!given && p->d.sends_iss)
        return rk_fail(err, RK_UNAUTHENTICATED,
                       "the answer does not say from whom it is (iss), as \"%s\" always does",
                       p->d.issuer);
    return RK_OK;
}

/* A connector that was given another issuer meanwhile: the code is not for this one, which must not
 * even see it. */
static enum rk_code check_realm(const struct idp_request *r, const struct idp_provider *p,
                                struct rk_err *err)
{
    return rk_str_eq(r->ext_realm, p->c.realm)
               ? RK_OK
               : rk_fail(err, RK_UNAUTHENTICATED,
                         "the provider got another issuer while it was asked");
}

/* It arrived where the provider that was asked answers, and nowhere else. */
static enum rk_code check_address(struct http_req *req, const struct idp_request *r,
                                  const struct idp_provider *p, struct rk_err *err)
{
    struct rk_str here = RK_CAT(req->mem, rk_str_z(idp_of(req)->base), req->path);

    return rk_str_eq(here, r->ext_callback) && rk_str_eq(here, p->callback)
               ? RK_OK
               : rk_fail(err, RK_UNAUTHENTICATED,
                         "the answer came to %.*s, this provider answers at %.*s",
                         RK_STR_ARG(rk_str_sub(here, 0, 80)),
                         RK_STR_ARG(rk_str_sub(p->callback, 0, 80)));
}

static enum rk_code redeem(struct http_req *req, const struct idp_provider *p,
                           const struct idp_request *r, struct rk_str code, struct idp_answer *out,
                           struct rk_err *err)
{
    struct rk_arena *mem = req->mem;
    struct rk_str form = RK_CAT(mem, RK_STR("grant_type=authorization_code&code="), ENC(code),
                                RK_STR("&redirect_uri="), ENC(p->callback),
                                RK_STR("&code_verifier="), ENC(r->ext_verifier));
    enum rk_code rc = idp_provider_post(req, p, form, out, err);

    if (rc)
        return rc;
    if (out->status != 200)
        return rk_fail(err, RK_UNAVAILABLE, "the provider answers %u to the code: %.*s",
                       out->status, RK_STR_ARG(rk_str_sub(out->error, 0, 100)));
    return out->id_token.n ? RK_OK : rk_fail(err, RK_UNAVAILABLE, "the provider sent no ID token");
}

static enum rk_code come_back(struct http_req *req, struct db *db, const struct idp_request *r,
                              struct rk_str code, struct local_user *u, struct rk_err *err)
{
    struct idp_provider p = {0};
    struct idp_answer a = {0};
    struct external_user x = {0};
    enum rk_code rc = provider_of(req, db, r->connector, &p, err);

    if (rc == RK_OK)
        rc = check_realm(r, &p, err);
    if (rc == RK_OK)
        rc = check_address(req, r, &p, err);
    if (rc == RK_OK)
        rc = check_iss(req, &p, err);
    if (rc == RK_OK)
        rc = redeem(req, &p, r, code, &a, err);
    if (rc == RK_OK)
        rc = idp_provider_person(req, &p, &a, r->ext_nonce, &x, err);
    if (rc)
        return rc;
    x.refresh = a.refresh_token;
    rc = idp_external_put(req, db, &x, err);
    /* with the generation of its logins; and the provider may be gone by now */
    return rc ? rc : idp_identity(req, db, x.user.subject, u, NULL, err);
}

/* Before anything is believed, refusals included: once, and while the provider may still answer. */
static enum rk_code open_state(struct http_req *req, struct db *db, struct idp_request *r,
                               bool *stale, struct rk_err *err)
{
    struct rk_str state = {0}, k, v;
    size_t pos = 0;
    bool first = false;
    enum rk_code rc;

    *stale = true;
    if (idp_request_open(req, "state", r, NULL) || !r->connector.n)
        return RK_OK;
    while (!state.n && http_form_next(req->mem, req->query, &pos, &k, &v))
        if (rk_str_eqz(k, "state"))
            state = v;
    rc = idp_first_use(req, db, state, &first, err);
    *stale = !first;
    return rc;
}

enum rk_code idp_external_back(struct http_req *req, struct http_resp *resp, struct db *db,
                               struct rk_err *err)
{
    struct idp_request r;
    struct local_user u;
    struct rk_str code = {0}, error = {0};
    struct rk_err why = {0};
    bool bad = false, stale;
    enum rk_code rc = open_state(req, db, &r, &stale, err);

    if (rc)
        return rc;
    if (stale)
        return idp_page_stale(req, resp);
    if (idp_param(req->mem, req->query, "error", &error, &bad)) {
        static struct rk_log_gate gate; /* anybody can do it */

        rk_log_every(&gate, IDP_LOG_EVERY_MS, idp_of(req)->log, RK_INFO,
                     "the identity provider refused a login", kv_z("request", req->id),
                     kv_str("connector", r.connector), kv_str("error", rk_str_sub(error, 0, 100)));
        r.connector = r.ext_realm = r.ext_callback = r.ext_nonce = r.ext_verifier = RK_STR("");
        return idp_page_login(req, resp, db, &r, 401, "The identity provider refused.", RK_STR(""),
                              err);
    }
    if (!idp_param(req->mem, req->query, "code", &code, &bad))
        return idp_page_stale(req, resp);
    if (come_back(req, db, &r, code, &u, &why))
        return trouble(req, resp, &r, &why);
    return idp_login_done(req, resp, db, &r, &u, err);
}
