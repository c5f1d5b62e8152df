/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NaCl box, the envelope of management and signal bodies (X25519, XSalsa20-Poly1305).
 *
 *      +-----------+---------+------------------------+
 *      | nonce  24 | tag  16 | ciphertext, as long as |
 *      |           |         | the plain text         |
 *      +-----------+---------+------------------------+
 *
 * The shared key is the same in both directions and costs about 50 us to derive, so long-lived
 * peers keep a struct box_shared. Nothing here stops a replay: TLS does. Any thread.
 */
#ifndef RK_CRYPTO_BOX_H
#define RK_CRYPTO_BOX_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/crypto/secret.h"

#define BOX_NONCE_SIZE 24
#define BOX_TAG_SIZE   16
#define BOX_OVERHEAD   (BOX_NONCE_SIZE + BOX_TAG_SIZE)

/* Key of one pair of peers. Secret: wipe with box_shared_wipe. Plain data, copied by value. */
struct box_shared {
    uint8_t k[32];
};

/** Derive the key of the pair. Errors: RK_BAD_REQUEST for a public key of low order, which would
 *  give a key that everybody knows. */
enum rk_code box_shared_init(const struct rk_key *own_private, const struct rk_key *their_public,
                             struct box_shared *out, struct rk_err *err) RK_MUST;
void box_shared_wipe(struct box_shared *s); /* for RK_CLEANUP too */

/** Seal into out, which has plain.n + BOX_OVERHEAD bytes and does not overlap plain. */
void box_seal(const struct box_shared *s, struct rk_str plain, uint8_t *out);

/** Seal where the bytes are: body has body_size (at least BOX_OVERHEAD) bytes, of which the caller
 *  wrote the plain text behind the first BOX_OVERHEAD. The path of map pushes: no copy. */
void box_seal_in_place(const struct box_shared *s, uint8_t *body, size_t body_size);

/** Seal into the arena. Never fails: the caller decides the size. arena */
struct rk_str box_seal_new(const struct box_shared *s, struct rk_arena *a, struct rk_str plain);

/** box_seal with a given nonce: only for known-answer tests, since a nonce used twice under one
 *  key gives the plain text away. */
void box_seal_with_nonce(const struct box_shared *s, const uint8_t nonce[BOX_NONCE_SIZE],
                         struct rk_str plain, uint8_t *out);

/** Open into out, which has body.n - BOX_OVERHEAD bytes; *n tells how many. Without a valid tag
 *  nothing is written. Errors: RK_BAD_REQUEST (too short, or not for us). */
enum rk_code box_open(const struct box_shared *s, struct rk_str body, uint8_t *out, size_t *n,
                      struct rk_err *err) RK_MUST;

/** Open into the arena, with a NUL behind. Errors: as box_open; RK_LIMIT past the arena's
 *  ceiling. arena */
enum rk_code box_open_new(const struct box_shared *s, struct rk_arena *a, struct rk_str body,
                          struct rk_str *out, struct rk_err *err) RK_MUST;

/** Open where the bytes are; *plain is a view into body. Errors: as box_open, body then is as it
 *  was. */
enum rk_code box_open_in_place(const struct box_shared *s, uint8_t *body, size_t body_size,
                               struct rk_str *plain, struct rk_err *err) RK_MUST;

#endif
