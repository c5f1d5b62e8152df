/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz what comes back from a database: sealed values and password hashes. */
#include "config.h"

#include "lib/crypto/pwhash.h"
#include "lib/crypto/vault.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new((size_t)4 << 20);
    RK_CLEANUP(vault_freep) struct vault *v = vault_new();
    const struct rk_key key = {{1, 2, 3}};
    struct rk_str in = rk_str_of(data, size), sealed, out;
    enum rk_code rc;

    FUZZ_CHECK(vault_add_key(v, &key, NULL) == RK_OK);
    rc = vault_open(v, a, RK_STR("fuzz"), in, &out, NULL);
    FUZZ_CHECK(rc == RK_OK || rc == RK_INTERNAL || rc == RK_LIMIT);
    (void)vault_is_current(v, in);
    if (size < 4096) {
        FUZZ_CHECK(vault_seal(v, a, RK_STR("fuzz"), in, &sealed, NULL) == RK_OK);
        FUZZ_CHECK(vault_open(v, a, RK_STR("fuzz"), sealed, &out, NULL) == RK_OK);
        FUZZ_CHECK(rk_str_eq(out, in));
    }
    /* Only the parsing: checking a hash that is well-formed is slow on purpose. */
    if (!pwhash_is_known(in))
        FUZZ_CHECK(pwhash_verify(in, RK_STR("x"), NULL) == RK_INTERNAL);
    else
        FUZZ_CHECK(size <= PWHASH_TEXT_MAX);
    return 0;
}
