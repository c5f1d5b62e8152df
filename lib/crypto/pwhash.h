/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Password hashes: argon2id for new ones, bcrypt accepted for imported users. Slow and hungry on
 * purpose (tens of milliseconds, PWHASH memory): store or build threads only, never a loop.
 */
#ifndef RK_CRYPTO_PWHASH_H
#define RK_CRYPTO_PWHASH_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

#define PWHASH_TEXT_MAX     127 /* characters of a stored hash, without the NUL */
#define PWHASH_PASSWORD_MAX 128 /* bytes; bcrypt reads the first 72 */

/* What one hash costs. Plain data. */
struct pwhash_cost {
    unsigned passes;
    size_t memory_bytes;
};

/* RFC 9106 asks for 3 passes; 32 MiB is above OWASP's 19 MiB and lets a small host log in a few
 * people at once. */
#define PWHASH_COST_DEFAULT ((struct pwhash_cost){3, (size_t)32 << 20})

/** Hash a password with a fresh salt into out (NUL-terminated).
 *  Errors: RK_LIMIT (password too long), RK_UNAVAILABLE (memory). */
enum rk_code pwhash_make(struct pwhash_cost cost, struct rk_str password,
                         char out[PWHASH_TEXT_MAX + 1], struct rk_err *err) RK_MUST;

/** Compare a password with a stored hash.
 *  Errors: RK_UNAUTHENTICATED (does not match), RK_INTERNAL (the stored hash is of no known kind or
 *  asks for more than the ceilings below), RK_UNAVAILABLE (memory). */
enum rk_code pwhash_verify(struct rk_str hash, struct rk_str password, struct rk_err *err) RK_MUST;

/** Spend what pwhash_verify would: for unknown users, so that the time does not tell who exists. */
void pwhash_burn(struct pwhash_cost cost, struct rk_str password);

/** True when a hash should be made anew after the next successful login: other algorithm or other
 *  cost. */
bool pwhash_is_stale(struct pwhash_cost cost, struct rk_str hash);

/** True for a hash that pwhash_verify understands: for checking imports and configuration. */
bool pwhash_is_known(struct rk_str hash);

/* Ceilings for stored hashes: an imported one must not be a way to stop the server. */
#define PWHASH_ARGON2_PASSES_MAX 16
#define PWHASH_ARGON2_KIB_MAX    (256 * 1024)
#define PWHASH_BCRYPT_ROUNDS_MAX 14 /* 2^14: about a second */

#endif
