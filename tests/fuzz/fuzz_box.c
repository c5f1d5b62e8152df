/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzz lib/crypto/box: opening foreign bytes, and sealing and opening our own. */
#include "config.h"

#include "lib/crypto/box.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *a = rk_arena_new((size_t)1 << 20);
    RK_CLEANUP(rk_freep) uint8_t *copy = rk_memdup(data, size);
    static const struct box_shared KEY = {
        /* the pair of the known-answer bodies */
        {0xba, 0xba, 0x24, 0x6e, 0xb1, 0x3d, 0xcd, 0x2f, 0x83, 0xd6, 0xdf,
         0xe5, 0xe6, 0xd2, 0x54, 0xd9, 0xf9, 0x6c, 0x77, 0x05, 0xd1, 0x41,
         0xa7, 0x71, 0x9b, 0x62, 0x68, 0x5d, 0x90, 0x40, 0x5e, 0x03}};
    struct rk_str in = rk_str_of(data, size), one, two;
    struct rk_err err = {0};
    enum rk_code rc = box_open_new(&KEY, a, in, &one, &err);

    FUZZ_CHECK(rc == RK_OK || rc == RK_BAD_REQUEST || rc == RK_LIMIT);
    FUZZ_CHECK(rc == err.code);
    FUZZ_CHECK(rc == RK_LIMIT || rc == box_open_in_place(&KEY, copy, size, &two, NULL));
    if (rc == RK_OK)
        FUZZ_CHECK(rk_str_eq(one, two) && one.n + BOX_OVERHEAD == size);
    if (size < 4096) {
        one = box_seal_new(&KEY, a, in);
        FUZZ_CHECK(box_open_new(&KEY, a, one, &two, NULL) == RK_OK);
        FUZZ_CHECK(rk_str_eq(two, in));
    }
    return 0;
}
