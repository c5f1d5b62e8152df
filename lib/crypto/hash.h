/* SPDX-License-Identifier: BSD-3-Clause */
/* Unkeyed digests: SHA-256, SHA-1 (WebSocket only), BLAKE2b-128 and CRC-32. Any thread, no
 * failure. */
#ifndef RK_CRYPTO_HASH_H
#define RK_CRYPTO_HASH_H

#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#define HASH_SHA256_SIZE     32
#define HASH_SHA256_TEXT     44 /* characters of base64, without a NUL */
#define HASH_BLAKE2B128_SIZE 16
#define HASH_MD5_SIZE        16
#define HASH_SHA1_SIZE       20

void hash_sha256(struct rk_str in, uint8_t out[HASH_SHA256_SIZE]);

/* The same piece by piece. Plain data of libsodium, in a form that needs no header of it. */
struct hash_sha256_state {
    uint64_t opaque[14];
};
void hash_sha256_init(struct hash_sha256_state *s);
void hash_sha256_add(struct hash_sha256_state *s, struct rk_str in);
void hash_sha256_end(struct hash_sha256_state *s, uint8_t out[HASH_SHA256_SIZE]);

/** Standard base64 of the digest and a NUL: the form in which tokens are stored. */
void hash_sha256_base64(struct rk_str in, char out[HASH_SHA256_TEXT + 1]);
struct rk_str hash_sha256_base64_new(struct rk_arena *a, struct rk_str in);

/** BLAKE2b without key, 16 bytes: how SSH authorization names users on the wire. */
void hash_blake2b128(struct rk_str in, uint8_t out[HASH_BLAKE2B128_SIZE]);

/** SHA-1, broken for signatures: only for the accept key of RFC 6455. */
void hash_sha1(struct rk_str in, uint8_t out[HASH_SHA1_SIZE]);

/** MD5, broken for everything: only for the keys that TURN's long-term credentials are made into
 *  (RFC 8489 section 9.2.2). Errors: RK_UNAVAILABLE where OpenSSL refuses it (FIPS). */
enum rk_code hash_md5(struct rk_str in, uint8_t out[HASH_MD5_SIZE], struct rk_err *err) RK_MUST;

/** CRC-32 (IEEE 802.3), as in zip. Finds typing errors, not attackers. */
uint32_t hash_crc32(struct rk_str in);

#endif
