/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bearer texts that people copy: personal access, invite and proxy tokens with their checksum, and
 * how setup keys are stored. Any thread.
 *
 *      n b p _ | 30 characters of secret | 6 of checksum          (base62)
 *
 * The checksum is the CRC-32 of the secret in base62, so a typing error is found without asking the
 * database; the database knows base64(SHA-256(whole token)).
 */
#ifndef RK_CRYPTO_TOKEN_H
#define RK_CRYPTO_TOKEN_H

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/crypto/hash.h"

#define TOKEN_PREFIX_LEN   4
#define TOKEN_SECRET_LEN   30
#define TOKEN_CHECKSUM_LEN 6
#define TOKEN_LEN          (TOKEN_PREFIX_LEN + TOKEN_SECRET_LEN + TOKEN_CHECKSUM_LEN)

enum token_kind {
    TOKEN_PAT,    /* nbp_: personal access token */
    TOKEN_INVITE, /* nbi_: link to join an account */
    TOKEN_PROXY,  /* nbx_: reverse-proxy node */
};

/** New random token and a NUL. Secret: show once, store token_stored_form, wipe. */
void token_new(enum token_kind kind, char out[TOKEN_LEN + 1]);

/** The token of a given secret (TOKEN_SECRET_LEN base62 characters) and a NUL. */
void token_of_secret(enum token_kind kind, const char secret[TOKEN_SECRET_LEN],
                     char out[TOKEN_LEN + 1]);

/** Form and checksum, not whether anybody owns it. Errors: RK_UNAUTHENTICATED, with a text that
 * does not repeat the token. */
enum rk_code token_check(enum token_kind kind, struct rk_str token, struct rk_err *err) RK_MUST;

/** What the database holds for a token: base64 of its SHA-256, and a NUL. */
void token_stored_form(struct rk_str token, char out[HASH_SHA256_TEXT + 1]);

/** What the database holds for a setup key, whose case does not matter. key.n is at most
 *  TOKEN_SETUP_KEY_MAX. Errors: RK_BAD_REQUEST (longer). */
#define TOKEN_SETUP_KEY_MAX 128
enum rk_code token_setup_key_stored_form(struct rk_str key, char out[HASH_SHA256_TEXT + 1],
                                         struct rk_err *err) RK_MUST;

#endif
