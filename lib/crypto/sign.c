/* SPDX-License-Identifier: BSD-3-Clause */
/* See sign.h. */
#include "config.h"

#include "lib/crypto/sign.h"

#include <sodium.h>

void sign_pair_new(uint8_t public_key[SIGN_PUBLIC_SIZE], uint8_t private_key[SIGN_PRIVATE_SIZE])
{
    (void)crypto_sign_keypair(public_key, private_key);
}

void sign_make(const uint8_t private_key[SIGN_PRIVATE_SIZE], struct rk_str in,
               uint8_t out[SIGN_SIZE])
{
    (void)crypto_sign_detached(out, NULL, (const unsigned char *)in.p, in.n, private_key);
}

bool sign_verify(const uint8_t public_key[SIGN_PUBLIC_SIZE], struct rk_str in,
                 const uint8_t sig[SIGN_SIZE])
{
    return crypto_sign_verify_detached(sig, (const unsigned char *)in.p, in.n, public_key) == 0;
}
