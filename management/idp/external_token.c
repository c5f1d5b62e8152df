/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a provider hands out: its token endpoint's answer, the ID token, and the userinfo endpoint
 * for what the token lacks (OpenID Connect Core 1.0). Providers differ in everything that the
 * standard leaves open, so all of it is read: the ways to send the secret, groups as text, list or
 * list of objects, flags as booleans or texts.
 */
#include "config.h"

#include "management/idp/external_token.h"

#include <jansson.h>
#include <stdlib.h>

#include "lib/base/enc.h"
#include "lib/crypto/secret.h"
#include "lib/http/client.h"
#include "management/identity/discovery.h"
#include "management/identity/external_users.h"
#include "management/identity/local_users.h"
#include "management/idp/base.h"

#define TIMEOUT_MS 10000
#define GROUPS_MAX 20000 /* of one person; directories allow some thousands */

#define ENC(s) rk_percent_encode(mem, (s))

/* ---- token endpoint */

static enum rk_code post_once(struct http_req *req, const struct idp_provider *p,
                              struct rk_str form, bool basic, struct idp_answer *out,
                              struct rk_err *err)
{
    struct rk_arena *mem = req->mem;
    struct http_fetch f = {.url = p->d.token, .timeout_ms = TIMEOUT_MS, .form = form};
    struct http_fetched got = {0};
    json_t *o;
    enum rk_code rc;

    if (p->c.secret.n && basic) { /* RFC 6749 2.3.1 */
        f.user = rk_arena_dupz(mem, rk_percent_encode(mem, p->c.client_id));
        f.password = rk_arena_dupz(mem, rk_percent_encode(mem, p->c.secret));
    } else {
        f.form = RK_CAT(mem, form, RK_STR("&client_id="), ENC(p->c.client_id));
        if (p->c.secret.n)
            f.form = RK_CAT(mem, f.form, RK_STR("&client_secret="), ENC(p->c.secret));
    }
    rc = http_fetch(&f, mem, &got, err);
    if (rc)
        return rk_wrap(err, "token endpoint");
    o = json_loadb(got.body.p, got.body.n, 0, NULL);
    *out = (struct idp_answer){.status = got.status,
                               .error = rk_arena_dup(mem, jwt_text(o, "error")),
                               .id_token = rk_arena_dup(mem, jwt_text(o, "id_token")),
                               .access_token = rk_arena_dup(mem, jwt_text(o, "access_token")),
                               .refresh_token = rk_arena_dup(mem, jwt_text(o, "refresh_token"))};
    json_decref(o);
    return RK_OK;
}

/* The client was not accepted; the grant is untouched then. */
static bool client_refused(const struct idp_answer *a)
{
    return rk_str_eqz(a->error, "invalid_client") || rk_str_eqz(a->error, "unauthorized_client") ||
           (a->status == 401 && !a->error.n);
}

enum rk_code idp_provider_post(struct http_req *req, const struct idp_provider *p,
                               struct rk_str form, struct idp_answer *out, struct rk_err *err)
{
    enum rk_code rc = post_once(req, p, form, p->d.basic, out, err);

    if (rc == RK_OK && p->c.secret.n && client_refused(out))
        rc = post_once(req, p, form, !p->d.basic, out, err);
    return rc;
}

/* ---- ID token */

static struct rk_str unverified(struct http_req *req, struct rk_str token, const char *claim)
{
    json_t *header = NULL, *claims = NULL;
    struct rk_str part, sig, text = RK_STR("");

    if (jwt_split(req->mem, token, &header, &claims, &part, &sig, NULL))
        return text;
    text = rk_arena_dup(req->mem, jwt_text(claims, claim));
    json_decref(header);
    json_decref(claims);
    return text;
}

/* OpenID Connect Core 3.1.3.7: of several audiences the one that it was made for is us. */
static enum rk_code check_party(const struct idp_provider *p, const json_t *claims,
                                struct rk_err *err)
{
    struct rk_str azp = jwt_text(claims, "azp");

    if (json_array_size(json_object_get(claims, "aud")) > 1 && azp.n &&
        !rk_str_eq(azp, p->c.client_id))
        return rk_fail(err, RK_UNAUTHENTICATED,
                       "the ID token was made for another client: azp is \"%.*s\", expected "
                       "\"%.*s\"",
                       RK_STR_ARG(rk_str_sub(azp, 0, 80)),
                       RK_STR_ARG(rk_str_sub(p->c.client_id, 0, 80)));
    return RK_OK;
}

static enum rk_code verify(struct http_req *req, const struct idp_provider *p, struct rk_str token,
                           struct jwt *out, struct rk_err *err)
{
    const char *audience = rk_arena_dupz(req->mem, p->c.client_id);
    struct jwks_remote_opts o = {.issuer = p->d.issuer, .keys_url = p->d.keys};
    struct jwks_remote *keys = jwks_remote_new(&o);
    struct jwt_issuer by[] = {
        {.issuer = p->d.tenants ? disco_issuer_of(&p->d, req->mem, unverified(req, token, "tid"))
                                : p->d.issuer,
         .audiences = &audience,
         .n_audiences = 1,
         .keys = jwks_remote_source(keys)},
        /* Google's tokens name it in either form, as its documentation says. */
        {.issuer = "accounts.google.com",
         .audiences = &audience,
         .n_audiences = 1,
         .keys = jwks_remote_source(keys)},
    };
    size_t n = rk_str_eqz(p->c.type, "google") ? 2 : 1;
    enum rk_code rc =
        jwt_verify_long(by, n, req->mem, token, idp_now_us(idp_of(req)) / 1000000, out, err);

    jwks_remote_free(keys);
    if (rc == RK_OK) {
        rc = check_party(p, out->claims, err);
        if (rc)
            jwt_done(out);
    }
    return rc;
}

/* ---- claims */

static struct rk_str group_name(const json_t *v)
{
    static const char *const KEYS[] = {"name", "displayName", "display", "value", "id"};
    struct rk_str s = {0};

    if (json_is_string(v))
        return rk_str_of(json_string_value(v), json_string_length(v));
    for (size_t k = 0; k < RK_ARRAY_LEN(KEYS) && !s.n; k++)
        s = jwt_text(v, KEYS[k]);
    return s;
}

static enum rk_code groups_of(struct rk_arena *mem, const json_t *claims, struct rk_str *out,
                              struct rk_err *err)
{
    const json_t *list = json_object_get(claims, "groups");
    size_t n = json_is_array(list) ? json_array_size(list) : list != NULL;
    json_t *clean;
    char *text;

    *out = RK_STR("");
    if (n > GROUPS_MAX)
        return rk_fail(err, RK_UNAUTHENTICATED, "the ID token has %zu groups, at most %d are taken",
                       n, GROUPS_MAX);
    clean = json_array();
    for (size_t i = 0; i < n; i++) {
        struct rk_str s = group_name(json_is_array(list) ? json_array_get(list, i) : list);

        if (s.n)
            (void)json_array_append_new(clean, json_stringn(s.p, s.n));
    }
    text = json_dumps(clean, JSON_COMPACT);
    if (json_array_size(clean))
        *out = rk_arena_dup(mem, rk_str_z(text));
    free(text);
    json_decref(clean);
    return RK_OK;
}

/* Some write the flag as a text. */
static int flag_of(const json_t *claims, const char *name)
{
    const json_t *v = json_object_get(claims, name);

    if (json_is_boolean(v))
        return json_is_true(v);
    if (rk_str_eqz(jwt_text(claims, name), "true"))
        return 1;
    return rk_str_eqz(jwt_text(claims, name), "false") ? 0 : -1;
}

static struct rk_str name_of(struct rk_arena *mem, const json_t *claims)
{
    struct rk_str name = jwt_text(claims, "name"), given = jwt_text(claims, "given_name");
    struct rk_str family = jwt_text(claims, "family_name");

    if (!name.n && (given.n || family.n))
        name = RK_CAT(mem, given, given.n && family.n ? RK_STR(" ") : RK_STR(""), family);
    if (!name.n)
        name = jwt_text(claims, "nickname");
    return name.n ? name : jwt_text(claims, "preferred_username");
}

/* ---- userinfo */

/* Not in the token, and worth asking for. */
static bool lacks(const json_t *claims)
{
    return !jwt_text(claims, "email").n || !json_object_get(claims, "groups") ||
           (!jwt_text(claims, "name").n && !jwt_text(claims, "given_name").n);
}

/* Core 5.3.2: its sub must be the token's. What the token says stays. */
static enum rk_code merge(json_t *claims, const json_t *more, struct rk_err *err)
{
    if (!rk_str_eq(jwt_text(claims, "sub"), jwt_text(more, "sub")))
        return rk_fail(err, RK_UNAUTHENTICATED, "the userinfo endpoint tells of another person");
    if (jwt_text(claims, "email").n) { /* a flag is about the address beside it */
        json_t *own = json_deep_copy(more);

        (void)json_object_del(own, "email_verified");
        (void)json_object_update_missing(claims, own);
        json_decref(own);
    } else {
        (void)json_object_update_missing(claims, (json_t *)(uintptr_t)more);
    }
    return RK_OK;
}

static enum rk_code userinfo(struct http_req *req, const struct idp_provider *p,
                             const struct idp_answer *a, json_t *claims, struct rk_err *err)
{
    struct http_fetch f = {.url = p->d.userinfo, .timeout_ms = TIMEOUT_MS};
    struct http_fetched got = {0};
    json_t *more;
    enum rk_code rc;

    if (!*p->d.userinfo || !a->access_token.n || !lacks(claims))
        return RK_OK;
    f.bearer = rk_arena_dupz(req->mem, a->access_token);
    rc = http_fetch(&f, req->mem, &got, err);
    if (rc)
        return rk_wrap(err, "userinfo endpoint");
    more = got.status == 200 ? json_loadb(got.body.p, got.body.n, 0, NULL) : NULL;
    if (json_is_object(more))
        rc = merge(claims, more, err);
    else if (got.status >= 500)
        rc = rk_fail(err, RK_UNAVAILABLE, "the userinfo endpoint answers %u", got.status);
    else /* some have none for such tokens */
        rk_log(idp_of(req)->log, RK_DEBUG, "the userinfo endpoint does not help",
               kv_str("connector", p->c.id), kv_i64("status", got.status));
    json_decref(more);
    return rc;
}

/* ---- the person */

static enum rk_code id_of(struct rk_arena *mem, const struct idp_provider *p, const json_t *claims,
                          struct rk_str *out, struct rk_err *err)
{
    struct rk_str oid = jwt_text(claims, "oid"), id = jwt_text(claims, "sub");

    if (p->d.tenants && oid.n) /* unique within the tenant only */
        id = RK_CAT(mem, jwt_text(claims, "tid"), RK_STR("/"), oid);
    else if (rk_str_eqz(p->c.type, "entra") && oid.n)
        id = oid;
    if (!id.n || id.n > IDP_SUBJECT_PART)
        return rk_fail(err, RK_UNAUTHENTICATED, "the ID token names no user (sub has %zu bytes)",
                       id.n);
    *out = id;
    return RK_OK;
}

static enum rk_code person_of(struct http_req *req, const struct idp_provider *p,
                              const json_t *claims, struct external_user *out, struct rk_err *err)
{
    struct rk_arena *mem = req->mem;
    bool ms = rk_str_eqz(p->c.type, "entra") || rk_str_eqz(p->c.type, "microsoft");
    struct rk_str id, email = jwt_text(claims, "email");
    enum rk_code rc = id_of(mem, p, claims, &id, err);

    if (rc == RK_OK)
        rc = groups_of(mem, claims, &out->groups, err);
    if (rc)
        return rc;
    if (json_object_get(json_object_get(claims, "_claim_names"), "groups"))
        rk_log(idp_of(req)->log, RK_WARN,
               "the provider left the groups out of the token, since there are too many: let it "
               "send only those that are assigned to this application",
               kv_str("connector", p->c.id));
    if (ms && !email.n)
        email = jwt_text(claims, "preferred_username");
    out->user = (struct local_user){.subject = idp_subject_encode(mem, id, p->c.realm),
                                    .email = rk_arena_dup(mem, email),
                                    .name = rk_arena_dup(mem, name_of(mem, claims)),
                                    .email_verified = flag_of(claims, "email_verified")};
    return RK_OK;
}

enum rk_code idp_provider_person(struct http_req *req, const struct idp_provider *p,
                                 const struct idp_answer *a, struct rk_str nonce,
                                 struct external_user *out, struct rk_err *err)
{
    struct jwt t = {0};
    enum rk_code rc = verify(req, p, a->id_token, &t, err);

    if (rc)
        return rc;
    if (nonce.n && !rk_secret_str_eq(jwt_text(t.claims, "nonce"), nonce))
        rc = rk_fail(err, RK_UNAUTHENTICATED, "the ID token is for another login (nonce)");
    if (rc == RK_OK)
        rc = userinfo(req, p, a, t.claims, err);
    if (rc == RK_OK)
        rc = person_of(req, p, t.claims, out, err);
    jwt_done(&t);
    return rc;
}
