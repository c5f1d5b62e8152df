/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HMAC, and the two kinds of time-limited credentials made from it. Any thread.
 *
 *   TURN    user = expiry as decimal Unix seconds, password = base64(HMAC-SHA1(secret, user))
 *   relay   payload = expiry likewise, signature = HMAC-SHA256(SHA-256(secret), payload)
 *
 * A relay token on the wire:
 *      +-----+--------------+----------------------+
 *      |  1  | signature 32 | payload, 10 or more  |
 *      +-----+--------------+----------------------+
 * Both name no peer and live until they expire; who holds one may use it.
 */
#ifndef RK_CRYPTO_HMAC_H
#define RK_CRYPTO_HMAC_H

#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/crypto/secret.h"

#define HMAC_SHA1_SIZE         20
#define HMAC_SHA256_SIZE       32
#define HMAC_PAYLOAD_MIN       10 /* characters of a relay payload, as official relays demand */
#define HMAC_PAYLOAD_MAX       20 /* characters of any 64-bit number */
#define HMAC_RELAY_TOKEN_MAX   (1 + HMAC_SHA256_SIZE + HMAC_PAYLOAD_MAX)
#define HMAC_RELAY_ALGO_SHA256 1

void hmac_sha1(struct rk_str key, struct rk_str msg, uint8_t out[HMAC_SHA1_SIZE]);
void hmac_sha256(struct rk_str key, struct rk_str msg, uint8_t out[HMAC_SHA256_SIZE]);

/* A credential as management hands it out; both texts end in a NUL. Plain data. */
struct hmac_credential {
    char payload[HMAC_PAYLOAD_MAX + 1]; /* decimal Unix seconds of the expiry */
    char signature[48];                 /* standard base64 with padding */
};

/* A relay token in the binary form that the agent presents. Plain data. */
struct hmac_relay_token {
    uint8_t b[HMAC_RELAY_TOKEN_MAX];
    size_t n;
};

/** TURN user and password for the configured secret. */
void hmac_turn_credential(struct rk_str secret, int64_t expires_unix_s,
                          struct hmac_credential *out);

/** Key of a relay secret; derive it once. Wipe with rk_key_wipe. */
void hmac_relay_key(struct rk_str secret, struct rk_key *out);

/** Relay payload and signature. */
void hmac_relay_credential(const struct rk_key *relay_key, int64_t expires_unix_s,
                           struct hmac_credential *out);

/** The binary form of what management sent. Errors: RK_BAD_REQUEST (signature is not base64 of 32
 *  bytes, payload longer than HMAC_PAYLOAD_MAX). */
enum rk_code hmac_relay_token_build(struct rk_str payload, struct rk_str signature,
                                    struct hmac_relay_token *out, struct rk_err *err) RK_MUST;

/** Check a presented binary token at a given wall-clock time; *expires_unix_s may be NULL. The
 *  signature is compared in constant time. Errors: RK_UNAUTHENTICATED for whatever is wrong. */
enum rk_code hmac_relay_token_verify(const struct rk_key *relay_key, struct rk_str token,
                                     int64_t now_unix_s, int64_t *expires_unix_s,
                                     struct rk_err *err) RK_MUST;

#endif
