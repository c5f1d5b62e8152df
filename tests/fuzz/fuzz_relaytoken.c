/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz relay tokens: foreign bytes, and payloads that are signed correctly but make no sense. */
#include "config.h"

#include "lib/crypto/hmac.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RK_CLEANUP(rk_freep) uint8_t *token = rk_malloc(1 + HMAC_SHA256_SIZE + size);
    struct hmac_relay_token built;
    struct rk_key key;
    int64_t expires = -1;
    enum rk_code rc;

    hmac_relay_key(RK_STR("supersecret"), &key);
    rc = hmac_relay_token_verify(&key, rk_str_of(data, size), 0, NULL, NULL);
    FUZZ_CHECK(rc == RK_OK || rc == RK_UNAUTHENTICATED);

    token[0] = HMAC_RELAY_ALGO_SHA256;
    hmac_sha256(rk_str_of(key.b, sizeof key.b), rk_str_of(data, size), token + 1);
    if (size)
        memcpy(token + 1 + HMAC_SHA256_SIZE, data, size);
    rc = hmac_relay_token_verify(&key, rk_str_of(token, 1 + HMAC_SHA256_SIZE + size), 0, &expires,
                                 NULL);
    FUZZ_CHECK(rc == RK_OK ? expires >= 0 && size >= HMAC_PAYLOAD_MIN : rc == RK_UNAUTHENTICATED);

    rc = hmac_relay_token_build(RK_STR("1893456000"), rk_str_of(data, size), &built, NULL);
    FUZZ_CHECK(rc == RK_OK || rc == RK_BAD_REQUEST);
    return 0;
}
