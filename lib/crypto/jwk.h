/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Signature keys of JSON web tokens (RFC 7517, 7518, 8037) on OpenSSL: RSA, the NIST curves,
 * Ed25519 and Ed448. Members of a JWK to keys, keys to PEM for libjwt (management/oidc/jws), and
 * the signatures that libjwt does not know. Knows no JSON. A struct jwk is reference-counted and,
 * but for its memory of what it has verified, immutable: any thread.
 */
#ifndef RK_CRYPTO_JWK_H
#define RK_CRYPTO_JWK_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct jwk;

/* What a token's header may ask for. HMAC and "none" are not in it on purpose. */
enum jwk_alg {
    JWK_RS256,
    JWK_RS384,
    JWK_RS512,
    JWK_ES256,
    JWK_ES384,
    JWK_ES512,
    JWK_PS256,
    JWK_PS384,
    JWK_PS512,
    JWK_EDDSA
};

/** false for any other text; exact, as RFC 7515 wants. */
bool jwk_alg_parse(struct rk_str name, enum jwk_alg *out);
const char *jwk_alg_name(enum jwk_alg alg);

#define JWK_RSA_BITS_MIN 2048
#define JWK_RSA_BITS_MAX 8192 /* larger ones only cost time */
#define JWK_SIG_MAX      (JWK_RSA_BITS_MAX / 8)

/** New RSA key of 2048 bits: takes tens to hundreds of milliseconds. RK_INTERNAL. */
enum rk_code jwk_rsa_new(struct jwk **out, struct rk_err *err) RK_MUST;

/** Private key as PKCS #8 PEM into mem (use a wiping arena), and back. RK_INTERNAL. */
enum rk_code jwk_to_pem(const struct jwk *k, struct rk_arena *mem, struct rk_str *out,
                        struct rk_err *err) RK_MUST;
enum rk_code jwk_of_pem(struct rk_str pem, struct jwk **out, struct rk_err *err) RK_MUST;

/** Public keys of others, by the members of a JWK as they stand there (base64url; x5c: base64 of
 *  DER). Errors: RK_INVALID (not such a key, too small or too large). */
enum rk_code jwk_of_rsa(struct rk_str n, struct rk_str e, struct jwk **out,
                        struct rk_err *err) RK_MUST;
enum rk_code jwk_of_ec(struct rk_str crv, struct rk_str x, struct rk_str y, struct jwk **out,
                       struct rk_err *err) RK_MUST;
enum rk_code jwk_of_okp(struct rk_str crv, struct rk_str x, struct jwk **out,
                        struct rk_err *err) RK_MUST;
enum rk_code jwk_of_x5c(struct rk_str cert, struct jwk **out, struct rk_err *err) RK_MUST;

struct jwk *jwk_ref(struct jwk *k);
void jwk_unref(struct jwk *k); /* accepts NULL */

/** Members n and e of an RSA key. arena */
enum rk_code jwk_rsa_public(const struct jwk *k, struct rk_arena *mem, struct rk_str *n,
                            struct rk_str *e, struct rk_err *err) RK_MUST;

/** Can this kind of key make signatures of that kind? The key decides, whatever a token says. */
bool jwk_fits(const struct jwk *k, enum jwk_alg alg);

/** The public key as PEM, made once when the key was. Lent by k. */
struct rk_str jwk_public_pem(const struct jwk *k);

/* Tokens whose signature this key was found to have made, by their SHA-256. The table is small;
 * what falls out of it is verified anew. A key that is withdrawn takes its memory with it. */
#define JWK_DIGEST_SIZE 32
bool jwk_remembers(const struct jwk *k, const uint8_t digest[JWK_DIGEST_SIZE]);
void jwk_remember(const struct jwk *k, const uint8_t digest[JWK_DIGEST_SIZE]);

/** The private key as PEM of one that was made by jwk_rsa_new or jwk_of_pem, else empty. Kept while
 * k lives, then wiped. Lent by k. */
struct rk_str jwk_private_pem(const struct jwk *k);

/** RS256 signature of `in`, base64url. arena */
enum rk_code jwk_sign(const struct jwk *k, struct rk_arena *mem, struct rk_str in,
                      struct rk_str *out, struct rk_err *err) RK_MUST;

/** sig: raw bytes. RK_UNAUTHENTICATED: it does not fit, or alg is none of this kind of key. */
enum rk_code jwk_verify(const struct jwk *k, enum jwk_alg alg, struct rk_str in, struct rk_str sig,
                        struct rk_err *err) RK_MUST;

#endif
