/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The primitives of WireGuard (whitepaper section 5.4) behind one small handle, each from the
 * library that is faster for it: X25519 and the small boxes of the handshake from libsodium,
 * BLAKE2s and the bulk ChaCha20-Poly1305 from OpenSSL (BLAKE2s is there only; at 1280 bytes its
 * stitched cipher takes four fifths of libsodium's time). One handle per thread.
 */
#ifndef RK_AGENT_WG_CORE_CRYPT_H
#define RK_AGENT_WG_CORE_CRYPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/crypto/secret.h"

#define WGC_HASH_SIZE   32
#define WGC_MAC_SIZE    16
#define WGC_TAG_SIZE    16 /* of an AEAD */
#define WGC_XNONCE_SIZE 24

struct wgc_crypt;

/** RK_UNAVAILABLE when OpenSSL has no BLAKE2s or ChaCha20-Poly1305 (FIPS builds). Owned. */
enum rk_code wgc_crypt_new(struct wgc_crypt **out, struct rk_err *err) RK_MUST;
void wgc_crypt_free(struct wgc_crypt *c); /* accepts NULL; wipes */

/** Hash(a || b), BLAKE2s-256. out may be a. */
void wgc_hash(struct wgc_crypt *c, struct rk_str a, struct rk_str b, uint8_t out[WGC_HASH_SIZE]);

/** Mac(key, input): keyed BLAKE2s with 16 bytes of output. key has 1 to 32 bytes. */
void wgc_mac(struct wgc_crypt *c, struct rk_str key, struct rk_str in, uint8_t out[WGC_MAC_SIZE]);

/** Kdf1, Kdf2 or Kdf3 by how many outputs are not NULL. Outputs may be the chaining key. */
void wgc_kdf(struct wgc_crypt *c, const struct rk_key *chain, struct rk_str in, struct rk_key *o1,
             struct rk_key *o2, struct rk_key *o3);

/** X25519; false when the result is zero (a point of low order). */
RK_MUST bool wgc_dh(const struct rk_key *secret, const struct rk_key *public, struct rk_key *out);

/** Aead with nonce 0, as in the handshake: out gets in.n + WGC_TAG_SIZE bytes. */
void wgc_box(const struct rk_key *key, struct rk_str in, struct rk_str ad, uint8_t *out);
/** false: not authentic, out is not to be used. in.n must be at least WGC_TAG_SIZE. */
RK_MUST bool wgc_unbox(const struct rk_key *key, struct rk_str in, struct rk_str ad, uint8_t *out);

/** Xaead, for cookies. */
void wgc_xbox(const struct rk_key *key, const uint8_t nonce[WGC_XNONCE_SIZE], struct rk_str in,
              struct rk_str ad, uint8_t *out);
RK_MUST bool wgc_xunbox(const struct rk_key *key, const uint8_t nonce[WGC_XNONCE_SIZE],
                        struct rk_str in, struct rk_str ad, uint8_t *out);

/** Transport data in place: n bytes of plaintext, room for the tag behind them. The key of the call
 *  before is not set up again. */
void wgc_seal(struct wgc_crypt *c, const struct rk_key *key, uint64_t counter, uint8_t *p,
              size_t n);
/** n bytes with the tag; false: not authentic (then p is garbage). */
RK_MUST bool wgc_open(struct wgc_crypt *c, const struct rk_key *key, uint64_t counter, uint8_t *p,
                      size_t n);

#endif
