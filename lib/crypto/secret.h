/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keys as types, comparison in constant time, wiping, random bytes. Everything else in lib/crypto
 * builds on this; libsodium is set up before main() by linking it. Any thread.
 */
#ifndef RK_CRYPTO_SECRET_H
#define RK_CRYPTO_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#define RK_KEY_SIZE 32
#define RK_KEY_TEXT 44 /* characters of standard base64 with padding, without a NUL */

/* A Curve25519 key (private or public) or any other 32-byte key. Plain data, copied by value; who
 * holds a private one wipes it. */
struct rk_key {
    uint8_t b[RK_KEY_SIZE];
};

/** Compare n bytes in time that depends on n only. */
bool rk_secret_eq(const void *a, const void *b, size_t n);

/** As above for texts; the lengths are not secret. */
bool rk_secret_str_eq(struct rk_str a, struct rk_str b);

/** Overwrite n bytes so that the compiler cannot drop it. p may be NULL when n is 0. */
void rk_secret_wipe(void *p, size_t n);

/** Fill with random bytes that nobody can predict. Never fails (aborts without entropy). */
void rk_secret_random(void *p, size_t n);

/** Uniform number below limit (1 or more). */
uint32_t rk_secret_random_below(uint32_t limit);

/** Parse 44 characters of canonical base64. For keys that we or the admin wrote down. Constant time
 *  for a given length, so also for private keys. Errors: RK_BAD_REQUEST without the text. */
enum rk_code rk_key_parse(struct rk_str text, struct rk_key *out, struct rk_err *err) RK_MUST;

/** As rk_key_parse, but the two bits that base64 leaves over may be set, as official peers accept.
 *  Several texts then mean one key: look up by the bytes or by rk_key_format, not by the text. */
enum rk_code rk_key_parse_wire(struct rk_str text, struct rk_key *out, struct rk_err *err) RK_MUST;

/** Canonical text and a NUL. */
void rk_key_format(const struct rk_key *key, char out[RK_KEY_TEXT + 1]);

/** Canonical text in the arena. */
struct rk_str rk_key_text(struct rk_arena *a, const struct rk_key *key);

/** New clamped X25519 private key. */
void rk_key_generate(struct rk_key *out);

/** Public key of a private one (clamped or not). */
void rk_key_public(const struct rk_key *private_key, struct rk_key *out);

bool rk_key_eq(const struct rk_key *a, const struct rk_key *b); /* constant time */
bool rk_key_is_zero(const struct rk_key *key);                  /* constant time */
void rk_key_wipe(struct rk_key *key);                           /* for RK_CLEANUP too */

#endif
