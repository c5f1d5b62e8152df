/* SPDX-License-Identifier: BSD-3-Clause */
/* Digests over libsodium, SHA-1 by OpenSSL (libsodium has none), and a bitwise CRC-32 (its inputs
 * are 30 bytes). */
#include "config.h"

#include "lib/crypto/hash.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <sodium.h>

#include "lib/base/enc.h"

_Static_assert(HASH_SHA256_SIZE == crypto_hash_sha256_BYTES, "digest");
_Static_assert(HASH_SHA256_TEXT == RK_BASE64_LEN(HASH_SHA256_SIZE), "text");
_Static_assert(HASH_BLAKE2B128_SIZE == crypto_generichash_BYTES_MIN, "digest");

void hash_sha256(struct rk_str in, uint8_t out[HASH_SHA256_SIZE])
{
    (void)crypto_hash_sha256(out, (const uint8_t *)in.p, in.n);
}

_Static_assert(sizeof(struct hash_sha256_state) >= sizeof(crypto_hash_sha256_state), "state");

static crypto_hash_sha256_state *sha_of(struct hash_sha256_state *s)
{
    return (crypto_hash_sha256_state *)(void *)s->opaque;
}

void hash_sha256_init(struct hash_sha256_state *s)
{
    (void)crypto_hash_sha256_init(sha_of(s));
}

void hash_sha256_add(struct hash_sha256_state *s, struct rk_str in)
{
    (void)crypto_hash_sha256_update(sha_of(s), (const uint8_t *)in.p, in.n);
}

void hash_sha256_end(struct hash_sha256_state *s, uint8_t out[HASH_SHA256_SIZE])
{
    (void)crypto_hash_sha256_final(sha_of(s), out);
}

void hash_sha256_base64(struct rk_str in, char out[HASH_SHA256_TEXT + 1])
{
    uint8_t digest[HASH_SHA256_SIZE];

    hash_sha256(in, digest);
    rk_base64_encode_to(out, rk_str_of(digest, sizeof digest));
}

struct rk_str hash_sha256_base64_new(struct rk_arena *a, struct rk_str in)
{
    char *out = rk_new_n(a, char, HASH_SHA256_TEXT + 1);

    hash_sha256_base64(in, out);
    return rk_str_of(out, HASH_SHA256_TEXT);
}

void hash_blake2b128(struct rk_str in, uint8_t out[HASH_BLAKE2B128_SIZE])
{
    (void)crypto_generichash(out, HASH_BLAKE2B128_SIZE, (const uint8_t *)in.p, in.n, NULL, 0);
}

void hash_sha1(struct rk_str in, uint8_t out[HASH_SHA1_SIZE])
{
    unsigned n = 0;

    if (!EVP_Digest(in.n ? in.p : "", in.n, out, &n, EVP_sha1(), NULL) || n != HASH_SHA1_SIZE) {
        fputs("hash_sha1: OpenSSL refuses SHA-1 on this system\n", stderr);
        abort();
    }
}

enum rk_code hash_md5(struct rk_str in, uint8_t out[HASH_MD5_SIZE], struct rk_err *err)
{
    unsigned n = 0;

    if (!EVP_Digest(in.n ? in.p : "", in.n, out, &n, EVP_md5(), NULL) || n != HASH_MD5_SIZE)
        return rk_fail(err, RK_UNAVAILABLE, "MD5 is refused on this system");
    return RK_OK;
}

uint32_t hash_crc32(struct rk_str in)
{
    static const uint32_t nibble[16] = {/* of the reflected polynomial 0xedb88320 */
                                        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                        0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < in.n; i++) {
        crc ^= (uint8_t)in.p[i];
        crc = (crc >> 4) ^ nibble[crc & 15];
        crc = (crc >> 4) ^ nibble[crc & 15];
    }
    return ~crc;
}
