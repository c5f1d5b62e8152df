/* SPDX-License-Identifier: BSD-3-Clause */
/* Signatures of tokens; see jws.h. */
#include "config.h"

#include "management/oidc/jws.h"

#include <jwt.h>
#include <limits.h>
#include <stdlib.h>

#include "lib/crypto/hash.h"

static const jwt_alg_t ALGS[] = {
    [JWK_RS256] = JWT_ALG_RS256, [JWK_RS384] = JWT_ALG_RS384, [JWK_RS512] = JWT_ALG_RS512,
    [JWK_ES256] = JWT_ALG_ES256, [JWK_ES384] = JWT_ALG_ES384, [JWK_ES512] = JWT_ALG_ES512,
};

/* libjwt takes no other types, though RFC 9068 wants at+jwt. */
static bool libjwt_takes(const struct jws *j)
{
    return (size_t)j->alg < RK_ARRAY_LEN(ALGS) && (!j->typ.n || rk_str_ieq(j->typ, RK_STR("JWT")));
}

enum rk_code jws_verify(const struct jws *j, const struct jwk *k, struct rk_arena *mem,
                        struct rk_err *err)
{
    struct rk_str pem = jwk_public_pem(k);
    uint8_t digest[HASH_SHA256_SIZE];
    jwt_t *t = NULL;
    bool ok;

    if (!jwk_fits(k, j->alg))
        return rk_fail(err, RK_UNAUTHENTICATED, "the token's algorithm is none of its key");
    if (!libjwt_takes(j))
        return jwk_verify(k, j->alg, j->signed_part, j->sig, err);
    hash_sha256(j->token, digest); /* the whole token, header included: the same question again */
    if (jwk_remembers(k, digest))
        return RK_OK;
    ok = pem.n <= INT_MAX && jwt_decode(&t, rk_arena_dupz(mem, j->token),
                                        (const unsigned char *)pem.p, (int)pem.n) == 0;
    ok = ok && jwt_get_alg(t) == ALGS[j->alg];
    jwt_free(t);
    if (ok)
        jwk_remember(k, digest);
    return ok ? RK_OK : rk_fail(err, RK_UNAUTHENTICATED, "the signature of the token is wrong");
}

enum rk_code jws_sign(const struct jwk *k, struct rk_str kid, const char *claims,
                      struct rk_arena *mem, struct rk_str *out, struct rk_err *err)
{
    struct rk_str pem = jwk_private_pem(k);
    char *text = NULL;
    jwt_t *t = NULL;
    bool ok = pem.n && pem.n <= INT_MAX && jwt_new(&t) == 0 &&
              jwt_add_grants_json(t, claims) == 0 &&
              jwt_add_header(t, "kid", rk_arena_dupz(mem, kid)) == 0 &&
              jwt_set_alg(t, JWT_ALG_RS256, (const unsigned char *)pem.p, (int)pem.n) == 0;

    if (ok)
        text = jwt_encode_str(t);
    jwt_free(t);
    if (!text)
        return rk_fail(err, RK_INTERNAL, "sign a token");
    *out = rk_arena_dup(mem, rk_str_z(text));
    free(text); /* libjwt allocates with malloc unless it is told otherwise */
    return RK_OK;
}
