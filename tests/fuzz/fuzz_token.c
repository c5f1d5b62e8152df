/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz bearer tokens: at most one kind accepts a text, and only with the checksum of its secret. */
#include "config.h"

#include "lib/crypto/token.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rk_str in = rk_str_of(data, size);
    char token[TOKEN_LEN + 1], stored[HASH_SHA256_TEXT + 1];
    int accepted = 0;

    for (int kind = TOKEN_PAT; kind <= TOKEN_PROXY; kind++) {
        enum rk_code rc = token_check((enum token_kind)kind, in, NULL);

        FUZZ_CHECK(rc == RK_OK || rc == RK_UNAUTHENTICATED);
        accepted += rc == RK_OK;
        if (rc == RK_OK)
            FUZZ_CHECK(size == TOKEN_LEN);
        if (size >= TOKEN_SECRET_LEN) { /* any bytes as secret: base62 ones give a valid token */
            token_of_secret((enum token_kind)kind, in.p, token);
            FUZZ_CHECK(strlen(token) == TOKEN_LEN || memchr(in.p, '\0', TOKEN_SECRET_LEN));
        }
    }
    FUZZ_CHECK(accepted <= 1);
    FUZZ_CHECK((token_setup_key_stored_form(in, stored, NULL) == RK_OK) ==
               (size <= TOKEN_SETUP_KEY_MAX));
    return 0;
}
