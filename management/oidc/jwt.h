/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON web tokens in compact form (RFC 7519): verified against the issuers that are trusted, or
 * made by the embedded provider. RS and ES algorithms only; iss, aud and exp must be there.
 */
#ifndef MGMT_AUTH_JWT_H
#define MGMT_AUTH_JWT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "management/oidc/jwks.h"

#define JWT_MAX    ((size_t)16 << 10) /* bytes of a token: what a request's head can hold */
#define JWT_SKEW_S 60                 /* clocks that differ */

struct jwt_issuer { /* open; borrowed by who verifies */
    const char *issuer;
    const char *const *audiences; /* one of them must be in the token */
    size_t n_audiences;
    struct jwks_source *keys;
    bool embedded; /* ours */
};

struct jwt { /* open; jwt_done */
    json_t *claims;
    const struct jwt_issuer *by;
    int64_t expires_s; /* Unix */
};

/** Parts of a token, without looking at signature or claims: for tests and fuzzing too. *header and
 *  *claims are the caller's references. Errors: RK_UNAUTHENTICATED. */
enum rk_code jwt_split(struct rk_arena *mem, struct rk_str token, json_t **header, json_t **claims,
                       struct rk_str *signed_part, struct rk_str *sig, struct rk_err *err) RK_MUST;

/* For now_s: an old token will do as well (id_token_hint of a logout). */
#define JWT_ANY_TIME INT64_MIN

/** Store thread (keys may have to be fetched). Errors: RK_UNAUTHENTICATED with a text that may be
 *  shown and does not repeat the token; RK_UNAVAILABLE (keys). jwt_is_expired tells one reason. */
enum rk_code jwt_verify(const struct jwt_issuer *issuers, size_t n, struct rk_arena *mem,
                        struct rk_str token, int64_t now_s, struct jwt *out,
                        struct rk_err *err) RK_MUST;
void jwt_done(struct jwt *j);

/** Whether a failed jwt_verify failed because of the time. */
bool jwt_is_expired(const struct rk_err *err);

/** Text claim, or empty. Lent by the claims. */
struct rk_str jwt_text(const json_t *claims, const char *name);

/** Sign claims with RS256. arena */
enum rk_code jwt_make(struct rk_arena *mem, const struct jwk *key, struct rk_str kid,
                      const json_t *claims, struct rk_str *out, struct rk_err *err) RK_MUST;

#endif
