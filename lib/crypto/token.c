/* SPDX-License-Identifier: BSD-3-Clause */
/* Tokens with checksum, byte for byte as official servers make them. */
#include "config.h"

#include "lib/crypto/token.h"

#include <string.h>

#include "lib/crypto/secret.h"

static const char BASE62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static const char PREFIX[][TOKEN_PREFIX_LEN + 1] = {
    [TOKEN_PAT] = "nbp_", [TOKEN_INVITE] = "nbi_", [TOKEN_PROXY] = "nbx_"};

static int base62_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'Z')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 36;
    return -1;
}

void token_of_secret(enum token_kind kind, const char secret[TOKEN_SECRET_LEN],
                     char out[TOKEN_LEN + 1])
{
    uint32_t crc = hash_crc32(rk_str_of(secret, TOKEN_SECRET_LEN));

    memcpy(out, PREFIX[kind], TOKEN_PREFIX_LEN);
    memcpy(out + TOKEN_PREFIX_LEN, secret, TOKEN_SECRET_LEN);
    for (size_t i = 0; i < TOKEN_CHECKSUM_LEN; i++) { /* last digit first; zeros pad the front */
        out[TOKEN_LEN - 1 - i] = BASE62[crc % 62];
        crc /= 62;
    }
    out[TOKEN_LEN] = '\0';
}

void token_new(enum token_kind kind, char out[TOKEN_LEN + 1])
{
    char secret[TOKEN_SECRET_LEN];

    for (size_t i = 0; i < sizeof secret; i++)
        secret[i] = BASE62[rk_secret_random_below(62)];
    token_of_secret(kind, secret, out);
    rk_secret_wipe(secret, sizeof secret);
}

enum rk_code token_check(enum token_kind kind, struct rk_str token, struct rk_err *err)
{
    uint32_t crc = 0;

    if (token.n != TOKEN_LEN || memcmp(token.p, PREFIX[kind], TOKEN_PREFIX_LEN) != 0)
        return rk_fail(err, RK_UNAUTHENTICATED, "token has the wrong length or prefix");
    for (size_t i = TOKEN_PREFIX_LEN; i < TOKEN_LEN; i++) {
        int v = base62_value(token.p[i]);

        if (v < 0)
            return rk_fail(err, RK_UNAUTHENTICATED, "token has a character outside base62");
        if (i >= TOKEN_PREFIX_LEN + TOKEN_SECRET_LEN)
            crc = crc * 62 + (uint32_t)v; /* modulo 2^32, as official servers read it */
    }
    if (crc != hash_crc32(rk_str_sub(token, TOKEN_PREFIX_LEN, TOKEN_SECRET_LEN)))
        return rk_fail(err, RK_UNAUTHENTICATED, "token checksum does not match");
    return RK_OK;
}

void token_stored_form(struct rk_str token, char out[HASH_SHA256_TEXT + 1])
{
    hash_sha256_base64(token, out);
}

enum rk_code token_setup_key_stored_form(struct rk_str key, char out[HASH_SHA256_TEXT + 1],
                                         struct rk_err *err)
{
    char upper[TOKEN_SETUP_KEY_MAX];

    if (key.n > sizeof upper)
        return rk_fail(err, RK_BAD_REQUEST, "setup key of %zu characters is too long", key.n);
    for (size_t i = 0; i < key.n; i++)
        upper[i] = key.p[i] >= 'a' && key.p[i] <= 'z' ? (char)(key.p[i] - 'a' + 'A') : key.p[i];
    hash_sha256_base64(rk_str_of(upper, key.n), out);
    rk_secret_wipe(upper, sizeof upper);
    return RK_OK;
}
