/* SPDX-License-Identifier: BSD-3-Clause */
/* Tokens; see jwt.h. */
#include "config.h"

#include "management/oidc/jwt.h"

#include <stdlib.h>

#include "lib/base/enc.h"
#include "management/oidc/jws.h"

#define SHOWN 100 /* bytes of a stranger's text in ours */

static enum rk_code refuse(struct rk_err *err, const char *why)
{
    return rk_fail(err, RK_UNAUTHENTICATED, "%s", why);
}

struct rk_str jwt_text(const json_t *claims, const char *name)
{
    const json_t *v = json_object_get(claims, name);

    return rk_str_of(json_string_value(v), json_string_length(v));
}

/* RFC 7515 2: without padding. Else one token would have several texts. */
static bool bytes_of(struct rk_arena *mem, struct rk_str base64url, struct rk_str *out)
{
    uint8_t *p = rk_arena_alloc(mem, base64url.n + 1);
    size_t n;

    if (rk_str_find_c(base64url, '=') < base64url.n)
        return false;
    if (rk_base64url_decode(base64url, p, base64url.n, &n, NULL))
        return false;
    *out = rk_str_of(p, n);
    return true;
}

static json_t *object_of(struct rk_arena *mem, struct rk_str base64url)
{
    struct rk_str text;
    json_t *o;

    if (!bytes_of(mem, base64url, &text))
        return NULL;
    o = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(o))
        return o;
    json_decref(o);
    return NULL;
}

enum rk_code jwt_split(struct rk_arena *mem, struct rk_str token, json_t **header, json_t **claims,
                       struct rk_str *signed_part, struct rk_str *sig, struct rk_err *err)
{
    struct rk_str head, body, rest, tail;
    json_t *h, *c;

    if (token.n > JWT_LONG_MAX || !rk_str_cut(token, '.', &head, &rest) ||
        !rk_str_cut(rest, '.', &body, &tail) || rk_str_find_c(tail, '.') < tail.n || !tail.n)
        return refuse(err, "not a signed token");
    h = object_of(mem, head);
    c = object_of(mem, body);
    if (!h || !c || !bytes_of(mem, tail, sig)) {
        json_decref(h);
        json_decref(c);
        return refuse(err, "the token is malformed");
    }
    *header = h;
    *claims = c;
    *signed_part = rk_str_of(token.p, head.n + 1 + body.n);
    return RK_OK;
}

/* A time of RFC 7519: seconds, maybe with a fraction. */
static bool time_of(const json_t *claims, const char *name, int64_t *out)
{
    const json_t *v = json_object_get(claims, name);

    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return true;
    }
    if (!json_is_real(v) || json_real_value(v) < 0 || json_real_value(v) > 1e15)
        return false;
    *out = (int64_t)json_real_value(v);
    return true;
}

static bool is_for(const struct jwt_issuer *i, struct rk_str aud)
{
    for (size_t k = 0; k < i->n_audiences; k++)
        if (rk_str_eqz(aud, i->audiences[k]))
            return true;
    return false;
}

static bool audience_ok(const struct jwt_issuer *i, const json_t *claims)
{
    const json_t *aud = json_object_get(claims, "aud");

    if (json_is_string(aud))
        return is_for(i, jwt_text(claims, "aud"));
    for (size_t k = 0; k < json_array_size(aud); k++) {
        const json_t *one = json_array_get(aud, k);

        if (is_for(i, rk_str_of(json_string_value(one), json_string_length(one))))
            return true;
    }
    return false;
}

static struct rk_str shown(struct rk_str s)
{
    return rk_str_sub(s, 0, SHOWN);
}

/* One check after the other; the first that fails says what it found. */
struct check { /* open */
    const struct jwt_issuer *issuers;
    size_t n_issuers;
    struct rk_arena *mem;
    int64_t now_s;
    const json_t *header, *claims;
    struct jws jws;
    const struct jwt_issuer *by;
    int64_t exp;
    enum jwt_fault fault;
};

static enum rk_code fail(struct check *c, enum jwt_fault fault, struct rk_str text,
                         struct rk_err *err)
{
    c->fault = fault;
    return rk_fail(err, RK_UNAUTHENTICATED, "%.*s", RK_STR_ARG(text));
}

static enum rk_code check_times(struct check *c, struct rk_err *err)
{
    long long now = c->now_s;
    int64_t t = 0;

    if (!time_of(c->claims, "exp", &c->exp))
        return fail(c, JWT_EXPIRED, RK_STR("the token has no expiration"), err);
    if (c->exp < c->now_s - JWT_SKEW_S)
        return fail(c, JWT_EXPIRED,
                    rk_arena_printf(c->mem, "the token has expired: exp is %lld, now is %lld",
                                    (long long)c->exp, now),
                    err);
    if (json_object_get(c->claims, "nbf") &&
        (!time_of(c->claims, "nbf", &t) || t > c->now_s + JWT_SKEW_S))
        return fail(c, JWT_EARLY,
                    rk_arena_printf(c->mem, "the token is not valid yet: nbf is %lld, now is %lld",
                                    (long long)t, now),
                    err);
    if (json_object_get(c->claims, "iat") &&
        (!time_of(c->claims, "iat", &t) || t > c->now_s + JWT_SKEW_S))
        return fail(c, JWT_EARLY,
                    rk_arena_printf(c->mem,
                                    "the token was issued in the future: iat is %lld, now is %lld",
                                    (long long)t, now),
                    err);
    return RK_OK;
}

/* "a", "b" */
static struct rk_str quoted(struct rk_arena *mem, struct rk_str list, const char *one)
{
    return list.n ? rk_arena_printf(mem, "%.*s, \"%s\"", RK_STR_ARG(list), one)
                  : rk_arena_printf(mem, "\"%s\"", one);
}

static enum rk_code check_issuer(struct check *c, struct rk_err *err)
{
    struct rk_str iss = jwt_text(c->claims, "iss"), all = RK_STR("");

    for (size_t i = 0; i < c->n_issuers; i++) {
        if (rk_str_eqz(iss, c->issuers[i].issuer)) {
            c->by = &c->issuers[i];
            return RK_OK;
        }
        all = quoted(c->mem, all, c->issuers[i].issuer);
    }
    return fail(c, JWT_ISSUER,
                rk_arena_printf(c->mem,
                                "the token is from another issuer: iss is \"%.*s\", expected %.*s",
                                RK_STR_ARG(shown(iss)), RK_STR_ARG(all)),
                err);
}

static enum rk_code check_audience(struct check *c, struct rk_err *err)
{
    struct rk_str all = RK_STR(""), found;
    char *text;

    if (audience_ok(c->by, c->claims))
        return RK_OK;
    for (size_t i = 0; i < c->by->n_audiences; i++)
        all = quoted(c->mem, all, c->by->audiences[i]);
    text = json_dumps(json_object_get(c->claims, "aud"), JSON_COMPACT | JSON_ENCODE_ANY);
    found = rk_arena_dup(c->mem, shown(rk_str_z(text)));
    free(text);
    return fail(c, JWT_AUDIENCE,
                rk_arena_printf(c->mem,
                                "the token is for another audience: aud is %.*s, expected %.*s",
                                RK_STR_ARG(found), RK_STR_ARG(all)),
                err);
}

/* The signature before what it covers: nothing that a stranger wrote is believed before. The key
 * set decides the algorithm: only keys that are of the kind that the header names are tried. */
static enum rk_code check_signature(struct check *c, struct rk_err *err)
{
    struct rk_str alg = jwt_text(c->header, "alg");
    struct jwks_found keys = {0};
    enum rk_code rc;

    if (!jwk_alg_parse(alg, &c->jws.alg))
        return fail(c, JWT_ALGORITHM,
                    rk_arena_printf(c->mem, "the token's algorithm is not accepted: \"%.*s\"",
                                    RK_STR_ARG(shown(alg))),
                    err);
    if (json_object_get(c->header, "crit"))
        return fail(c, JWT_ALGORITHM, RK_STR("the token demands an extension"), err);
    rc = c->by->keys->find(c->by->keys, jwt_text(c->header, "kid"), c->jws.alg, &keys, err);
    if (rc) {
        c->fault = rc == RK_UNAVAILABLE ? JWT_NO_KEYS : JWT_KEY;
        return rc;
    }
    rc = RK_UNAUTHENTICATED;
    for (size_t i = 0; i < keys.n && rc; i++)
        rc = jws_verify(&c->jws, keys.v[i], c->mem, err);
    jwks_found_done(&keys);
    if (rc)
        c->fault = JWT_SIGNATURE;
    return rc;
}

static enum rk_code check_all(struct check *c, struct rk_err *err)
{
    enum rk_code rc = check_issuer(c, err);

    if (rc == RK_OK)
        rc = check_signature(c, err);
    if (rc == RK_OK)
        rc = check_audience(c, err);
    if (rc == RK_OK && c->now_s != JWT_ANY_TIME)
        rc = check_times(c, err);
    return rc;
}

static enum rk_code verify(struct check *c, struct rk_str token, struct jwt *out,
                           struct rk_err *err)
{
    json_t *header = NULL, *claims = NULL;
    enum rk_code rc =
        jwt_split(c->mem, token, &header, &claims, &c->jws.signed_part, &c->jws.sig, err);

    if (rc) {
        c->fault = JWT_MALFORMED;
        return rc;
    }
    c->header = header;
    c->claims = claims;
    c->jws.token = token;
    c->jws.typ = jwt_text(header, "typ");
    rc = check_all(c, err);
    json_decref(header);
    if (rc) {
        json_decref(claims);
        return rc;
    }
    *out = (struct jwt){.claims = claims, .by = c->by, .expires_s = c->exp};
    return RK_OK;
}

enum rk_code jwt_verify(const struct jwt_issuer *issuers, size_t n, struct rk_arena *mem,
                        struct rk_str token, int64_t now_s, struct jwt *out, enum jwt_fault *fault,
                        struct rk_err *err)
{
    struct check c = {.issuers = issuers, .n_issuers = n, .mem = mem, .now_s = now_s};
    enum rk_code rc = token.n > JWT_MAX
                          ? fail(&c, JWT_MALFORMED, RK_STR("the token is too long"), err)
                          : verify(&c, token, out, err);

    if (fault)
        *fault = c.fault;
    return rc;
}

enum rk_code jwt_verify_long(const struct jwt_issuer *issuers, size_t n, struct rk_arena *mem,
                             struct rk_str token, int64_t now_s, struct jwt *out,
                             struct rk_err *err)
{
    struct check c = {.issuers = issuers, .n_issuers = n, .mem = mem, .now_s = now_s};

    return verify(&c, token, out, err);
}

void jwt_done(struct jwt *j)
{
    json_decref(j->claims);
    *j = (struct jwt){0};
}

enum rk_code jwt_make(struct rk_arena *mem, const struct jwk *key, struct rk_str kid,
                      const json_t *claims, struct rk_str *out, struct rk_err *err)
{
    char *text = json_dumps(claims, JSON_COMPACT);
    enum rk_code rc = text ? jws_sign(key, kid, text, mem, out, err)
                           : rk_fail(err, RK_INTERNAL, "claims of a token");

    free(text);
    return rc;
}
