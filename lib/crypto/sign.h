/* SPDX-License-Identifier: BSD-3-Clause */
/* Ed25519 signatures with keys as bytes (RFC 8032), by libsodium. Any thread. */
#ifndef RK_CRYPTO_SIGN_H
#define RK_CRYPTO_SIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

#define SIGN_PUBLIC_SIZE  32
#define SIGN_PRIVATE_SIZE 64 /* seed, then the public key */
#define SIGN_SIZE         64

/** A new pair. Wipe the private half. */
void sign_pair_new(uint8_t public_key[SIGN_PUBLIC_SIZE], uint8_t private_key[SIGN_PRIVATE_SIZE]);

void sign_make(const uint8_t private_key[SIGN_PRIVATE_SIZE], struct rk_str in,
               uint8_t out[SIGN_SIZE]);

bool sign_verify(const uint8_t public_key[SIGN_PUBLIC_SIZE], struct rk_str in,
                 const uint8_t sig[SIGN_SIZE]);

#endif
