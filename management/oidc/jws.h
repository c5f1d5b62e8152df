/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signatures of tokens: by libjwt in what it knows (RS, ES; typ "JWT"), by OpenSSL in what it does
 * not (PS, EdDSA, other types like at+jwt). docs/decisions/0008. The caller has looked at the
 * header: alg is the one in it, and the key fits it. Any thread.
 */
#ifndef MGMT_OIDC_JWS_H
#define MGMT_OIDC_JWS_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/crypto/jwk.h"

struct jws {                   /* open; a token in its parts; borrowed */
    struct rk_str token;       /* all of it */
    struct rk_str signed_part; /* header and claims as they stand there */
    struct rk_str sig;         /* decoded */
    struct rk_str typ;         /* of the header; may be empty */
    enum jwk_alg alg;          /* of the header */
};

/** Errors: RK_UNAUTHENTICATED (it does not fit, or alg is none of this key). */
enum rk_code jws_verify(const struct jws *j, const struct jwk *k, struct rk_arena *mem,
                        struct rk_err *err) RK_MUST;

/** The token of these claims (a JSON object as text), RS256. k: made by jwk_rsa_new or jwk_of_pem.
 *  Errors: RK_INTERNAL. arena */
enum rk_code jws_sign(const struct jwk *k, struct rk_str kid, const char *claims,
                      struct rk_arena *mem, struct rk_str *out, struct rk_err *err) RK_MUST;

#endif
