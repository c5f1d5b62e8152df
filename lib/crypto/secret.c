/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys, constant-time helpers and random bytes over libsodium. */
#include "config.h"

#include "lib/crypto/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Runs before main: libsodium picks its fast implementations here and opens its random source.
 * All of lib/crypto calls into this file, so the linker never leaves it out. */
__attribute__((constructor)) static void secret_setup(void)
{
    if (sodium_init() < 0) {
        fputs("libsodium cannot start: no source of random bytes\n", stderr);
        abort();
    }
}

bool rk_secret_eq(const void *a, const void *b, size_t n)
{
    return n == 0 || sodium_memcmp(a, b, n) == 0;
}

bool rk_secret_str_eq(struct rk_str a, struct rk_str b)
{
    return a.n == b.n && rk_secret_eq(a.p, b.p, a.n);
}

void rk_secret_wipe(void *p, size_t n)
{
    if (n)
        sodium_memzero(p, n);
}

void rk_secret_random(void *p, size_t n)
{
    if (n)
        randombytes_buf(p, n);
}

uint32_t rk_secret_random_below(uint32_t limit)
{
    return randombytes_uniform(limit);
}

enum rk_code rk_key_parse(struct rk_str text, struct rk_key *out, struct rk_err *err)
{
    RK_CLEANUP(rk_key_wipe) struct rk_key key = {0};
    size_t n = 0;
    const char *end = NULL;
    unsigned high = 0;

    for (size_t i = 0; i < text.n && i < RK_KEY_TEXT; i++)
        high |= (uint8_t)text.p[i] & 0x80; /* libsodium 1.0.18 decodes some of these */
    if (text.n != RK_KEY_TEXT || high ||
        sodium_base642bin(key.b, sizeof key.b, text.p, text.n, NULL, &n, &end,
                          sodium_base64_VARIANT_ORIGINAL) ||
        n != sizeof key.b || end != text.p + text.n)
        return rk_fail(err, RK_BAD_REQUEST, "key is not 32 bytes in base64 (%d characters)",
                       RK_KEY_TEXT);
    *out = key;
    return RK_OK;
}

enum rk_code rk_key_parse_wire(struct rk_str text, struct rk_key *out, struct rk_err *err)
{
    RK_CLEANUP(rk_key_wipe) struct rk_key spare = {0};
    char canonical[RK_KEY_TEXT];
    const char *last;
    enum rk_code rc;

    /* The character before the '=' carries 4 bits of the key and 2 of nothing. Only public keys
     * come this way, so looking it up need not be constant time. */
    if (text.n != RK_KEY_TEXT || text.p[RK_KEY_TEXT - 2] == '\0')
        return rk_key_parse(text, out, err);
    memcpy(canonical, text.p, sizeof canonical);
    last = strchr(ALPHABET, canonical[RK_KEY_TEXT - 2]);
    if (last)
        canonical[RK_KEY_TEXT - 2] = ALPHABET[(last - ALPHABET) & ~3];
    rc = rk_key_parse(rk_str_of(canonical, sizeof canonical), &spare, err);
    if (rc == RK_OK)
        *out = spare;
    return rc;
}

void rk_key_format(const struct rk_key *key, char out[RK_KEY_TEXT + 1])
{
    sodium_bin2base64(out, RK_KEY_TEXT + 1, key->b, sizeof key->b, sodium_base64_VARIANT_ORIGINAL);
}

struct rk_str rk_key_text(struct rk_arena *a, const struct rk_key *key)
{
    char *out = rk_new_n(a, char, RK_KEY_TEXT + 1);

    rk_key_format(key, out);
    return rk_str_of(out, RK_KEY_TEXT);
}

void rk_key_generate(struct rk_key *out)
{
    rk_secret_random(out->b, sizeof out->b);
    out->b[0] &= 0xf8; /* RFC 7748, section 5 */
    out->b[31] &= 0x7f;
    out->b[31] |= 0x40;
}

void rk_key_public(const struct rk_key *private_key, struct rk_key *out)
{
    struct rk_key pub;

    (void)crypto_scalarmult_base(pub.b, private_key->b); /* cannot fail for the base point */
    *out = pub;
}

bool rk_key_eq(const struct rk_key *a, const struct rk_key *b)
{
    return rk_secret_eq(a->b, b->b, sizeof a->b);
}

bool rk_key_is_zero(const struct rk_key *key)
{
    return sodium_is_zero(key->b, sizeof key->b) == 1;
}

void rk_key_wipe(struct rk_key *key)
{
    rk_secret_wipe(key->b, sizeof key->b);
}
