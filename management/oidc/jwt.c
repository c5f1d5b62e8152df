/* SPDX-License-Identifier: BSD-3-Clause */
/* Tokens; see jwt.h. */
#include "config.h"

#include "management/oidc/jwt.h"

#include <stdlib.h>

#include "lib/base/enc.h"

static const char EXPIRED[] = "the token has expired";
static const char NO_EXPIRY[] = "the token has no expiration";

static enum rk_code refuse(struct rk_err *err, const char *why)
{
    return rk_fail(err, RK_UNAUTHENTICATED, "%s", why);
}

struct rk_str jwt_text(const json_t *claims, const char *name)
{
    const json_t *v = json_object_get(claims, name);

    return rk_str_of(json_string_value(v), json_string_length(v));
}

static bool bytes_of(struct rk_arena *mem, struct rk_str base64url, struct rk_str *out)
{
    uint8_t *p = rk_arena_alloc(mem, base64url.n + 1);
    size_t n;

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

    if (token.n > JWT_MAX || !rk_str_cut(token, '.', &head, &rest) ||
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

static enum rk_code check_times(const json_t *claims, int64_t now_s, int64_t *exp,
                                struct rk_err *err)
{
    int64_t t;

    if (!time_of(claims, "exp", exp))
        return refuse(err, NO_EXPIRY);
    if (*exp < now_s - JWT_SKEW_S)
        return refuse(err, EXPIRED);
    if (json_object_get(claims, "nbf") && (!time_of(claims, "nbf", &t) || t > now_s + JWT_SKEW_S))
        return refuse(err, "the token is not valid yet");
    if (json_object_get(claims, "iat") && (!time_of(claims, "iat", &t) || t > now_s + JWT_SKEW_S))
        return refuse(err, "the token was issued in the future");
    return RK_OK;
}

bool jwt_is_expired(const struct rk_err *err)
{
    return strcmp(err->msg, EXPIRED) == 0 || strcmp(err->msg, NO_EXPIRY) == 0;
}

/* The signature first: nothing that a stranger wrote is believed before. */
static enum rk_code verify(const struct jwt_issuer *by, const json_t *header, const json_t *claims,
                           struct rk_str signed_part, struct rk_str sig, struct rk_err *err)
{
    struct jwk *key = NULL;
    enum jwk_alg alg;
    enum rk_code rc;

    if (!jwk_alg_parse(jwt_text(header, "alg"), &alg))
        return refuse(err, "the token's algorithm is not accepted");
    if (json_object_get(header, "crit"))
        return refuse(err, "the token demands an extension");
    rc = by->keys->find(by->keys, jwt_text(header, "kid"), &key, err);
    if (rc == RK_OK)
        rc = jwk_verify(key, alg, signed_part, sig, err);
    jwk_unref(key);
    if (rc == RK_OK && !audience_ok(by, claims))
        rc = refuse(err, "the token is for another audience");
    return rc;
}

enum rk_code jwt_verify(const struct jwt_issuer *issuers, size_t n, struct rk_arena *mem,
                        struct rk_str token, int64_t now_s, struct jwt *out, struct rk_err *err)
{
    json_t *header = NULL, *claims = NULL;
    struct rk_str signed_part, sig;
    const struct jwt_issuer *by = NULL;
    int64_t exp = 0;
    enum rk_code rc = jwt_split(mem, token, &header, &claims, &signed_part, &sig, err);

    if (rc)
        return rc;
    for (size_t i = 0; i < n && !by; i++)
        if (rk_str_eqz(jwt_text(claims, "iss"), issuers[i].issuer))
            by = &issuers[i];
    rc = by ? verify(by, header, claims, signed_part, sig, err)
            : refuse(err, "the token is from another issuer");
    if (rc == RK_OK && now_s != JWT_ANY_TIME)
        rc = check_times(claims, now_s, &exp, err);
    json_decref(header);
    if (rc) {
        json_decref(claims);
        return rc;
    }
    *out = (struct jwt){.claims = claims, .by = by, .expires_s = exp};
    return RK_OK;
}

void jwt_done(struct jwt *j)
{
    json_decref(j->claims);
    *j = (struct jwt){0};
}

static struct rk_str part_of(struct rk_arena *mem, const json_t *o)
{
    char *text = json_dumps(o, JSON_COMPACT);
    struct rk_str s = rk_base64url_encode(mem, rk_str_z(text));

    free(text);
    return s;
}

enum rk_code jwt_make(struct rk_arena *mem, const struct jwk *key, struct rk_str kid,
                      const json_t *claims, struct rk_str *out, struct rk_err *err)
{
    json_t *header =
        json_pack("{s:s, s:s%, s:s}", "alg", "RS256", "kid", kid.p, kid.n, "typ", "JWT");
    struct rk_str head = part_of(mem, header), body = part_of(mem, claims), sig, in;
    char *p = rk_arena_alloc(mem, head.n + 1 + body.n);
    enum rk_code rc;

    json_decref(header);
    memcpy(p, head.p, head.n);
    p[head.n] = '.';
    memcpy(p + head.n + 1, body.p, body.n);
    in = rk_str_of(p, head.n + 1 + body.n);
    rc = jwk_sign(key, mem, in, &sig, err);
    if (rc)
        return rc;
    p = rk_arena_alloc(mem, in.n + 1 + sig.n + 1);
    memcpy(p, in.p, in.n);
    p[in.n] = '.';
    memcpy(p + in.n + 1, sig.p, sig.n);
    p[in.n + 1 + sig.n] = '\0';
    *out = rk_str_of(p, in.n + 1 + sig.n);
    return RK_OK;
}
