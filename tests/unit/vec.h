/* SPDX-License-Identifier: BSD-3-Clause */
/* Known-answer vectors in tests: hex text to bytes, bytes to hex, and a Check program's main. */
#ifndef RK_TESTS_UNIT_VEC_H
#define RK_TESTS_UNIT_VEC_H

#include <check.h>
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/enc.h"
#include "lib/base/str.h"
#include "tests/unit/run.h"

/** Bytes of a hex text; blanks and line ends in it are skipped. arena */
static inline RK_UNUSED struct rk_str vec_hex(struct rk_arena *a, const char *hex)
{
    char *packed = rk_arena_alloc(a, strlen(hex) + 1);
    uint8_t *out = rk_arena_alloc(a, strlen(hex) / 2 + 1);
    size_t n = 0, got = 0;

    for (; *hex; hex++)
        if (*hex != ' ' && *hex != '\n')
            packed[n++] = *hex;
    ck_assert_int_eq(rk_hex_decode(rk_str_of(packed, n), out, n / 2, &got, NULL), RK_OK);
    ck_assert_uint_eq(got, n / 2);
    return rk_str_of(out, got);
}

/** Fails the test unless the bytes are those of the hex text. */
static inline RK_UNUSED void vec_expect(struct rk_arena *a, struct rk_str got, const char *hex)
{
    struct rk_str want = vec_hex(a, hex);

    ck_assert_msg(rk_str_eq(got, want), "got %s\nwant %s", rk_hex_encode(a, got).p, hex);
}

/** Run one test case as a program; returns its exit status. */
static inline RK_UNUSED int vec_run(TCase *t, const char *name)
{
    Suite *s = suite_create(name);

    suite_add_tcase(s, t);
    return run_suite(s);
}

#endif
