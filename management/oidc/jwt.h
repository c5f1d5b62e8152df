/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON web tokens in compact form (RFC 7519): verified against the issuers that are trusted, or
 * made by the embedded provider. Signatures of public keys only; iss, aud and exp must be there.
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

#define JWT_MAX ((size_t)16 << 10) /* bytes of a token: what a request's head can hold */
#define JWT_LONG_MAX                                                                               \
    ((size_t)512 << 10) /* of one that a provider hands out: groups of thousands                   \
                         */
#define JWT_SKEW_S 60   /* clocks that differ */
#define JWT_CLAIM_GEN                                                                              \
    "rk_gen" /* in our tokens: generation of the logins, identity/logins.h; 0: none */

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

/** Parts of a token of up to JWT_LONG_MAX bytes, without looking at signature or claims: for tests
 *  and fuzzing too. *header and *claims are the caller's references. Errors: RK_UNAUTHENTICATED. */
enum rk_code jwt_split(struct rk_arena *mem, struct rk_str token, json_t **header, json_t **claims,
                       struct rk_str *signed_part, struct rk_str *sig, struct rk_err *err) RK_MUST;

/* For now_s: an old token will do as well (id_token_hint of a logout). */
#define JWT_ANY_TIME INT64_MIN

/* What is wrong with a token. */
enum jwt_fault {
    JWT_FINE,
    JWT_MALFORMED,
    JWT_ISSUER,    /* nobody whom we trust */
    JWT_ALGORITHM, /* not accepted, or not for this key */
    JWT_KEY,       /* not known */
    JWT_SIGNATURE,
    JWT_AUDIENCE, /* for somebody else */
    JWT_EXPIRED,  /* or without an end */
    JWT_EARLY,    /* not valid yet */
    JWT_NO_KEYS   /* they cannot be had now: nothing is said about the token */
};

/** Store thread (keys may have to be fetched). *fault (may be NULL) is always set. Errors:
 *  RK_UNAUTHENTICATED with a text that says what was found and what was expected, for the log; it
 *  does not repeat the token. RK_UNAVAILABLE (JWT_NO_KEYS). */
enum rk_code jwt_verify(const struct jwt_issuer *issuers, size_t n, struct rk_arena *mem,
                        struct rk_str token, int64_t now_s, struct jwt *out, enum jwt_fault *fault,
                        struct rk_err *err) RK_MUST;
/** The same for a token of up to JWT_LONG_MAX bytes, as a provider hands out. */
enum rk_code jwt_verify_long(const struct jwt_issuer *issuers, size_t n, struct rk_arena *mem,
                             struct rk_str token, int64_t now_s, struct jwt *out,
                             struct rk_err *err) RK_MUST;
void jwt_done(struct jwt *j);

/** Text claim, or empty. Lent by the claims. */
struct rk_str jwt_text(const json_t *claims, const char *name);

/** Sign claims with RS256. arena */
enum rk_code jwt_make(struct rk_arena *mem, const struct jwk *key, struct rk_str kid,
                      const json_t *claims, struct rk_str *out, struct rk_err *err) RK_MUST;

#endif
