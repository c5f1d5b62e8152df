/* SPDX-License-Identifier: BSD-3-Clause */
/* lib/grpc/frame: messages in every split, limits, flags. */
#include "config.h"

#include "lib/grpc/frame.h"
#include "tests/unit/run.h"

#include <check.h>
#include <stdlib.h>

enum { MAX = 100 };

static const uint8_t wire[] = {0, 0, 0, 0, 3, 'a', 'b', 'c', /**/
                               0, 0, 0, 0, 0,                /**/
                               0, 0, 0, 0, 1, 'd'};

/* All messages of the bytes, joined with '|', fed in pieces of `step` bytes of exact-size memory.
 */
static enum rk_code collect(const uint8_t *p, size_t n, size_t step, struct rk_buf *out,
                            bool *boundary)
{
    struct grpc_reader r;
    enum rk_code rc = RK_OK;

    grpc_reader_init(&r, MAX);
    for (size_t i = 0; i < n && rc == RK_OK; i += step) {
        size_t part = n - i < step ? n - i : step;
        RK_CLEANUP(rk_freep) char *exact = rk_memdup(p + i, part);
        struct rk_str in = rk_str_of(exact, part);

        while (in.n && rc == RK_OK) {
            struct rk_str msg;
            bool have;

            rc = grpc_reader_next(&r, &in, &msg, &have, NULL);
            if (rc == RK_OK && have) {
                rk_buf_add(out, msg);
                rk_buf_addc(out, '|');
            }
        }
    }
    *boundary = grpc_reader_at_boundary(&r);
    grpc_reader_done(&r);
    return rc;
}

START_TEST(every_split_gives_the_same)
{
    for (size_t step = 1; step <= sizeof wire; step++) {
        struct rk_buf out;
        bool boundary;

        rk_buf_init(&out, 100);
        ck_assert_int_eq(collect(wire, sizeof wire, step, &out, &boundary), RK_OK);
        ck_assert(boundary);
        ck_assert(rk_str_eqz(rk_buf_str(&out), "abc||d|"));
        rk_buf_done(&out);
    }
}
END_TEST

START_TEST(every_truncation_is_noticed)
{
    for (size_t n = 0; n < sizeof wire; n++) {
        struct rk_buf out;
        bool boundary;

        rk_buf_init(&out, 100);
        ck_assert_int_eq(collect(wire, n, 4, &out, &boundary), RK_OK);
        ck_assert_int_eq(boundary, n == 0 || n == 8 || n == 13);
        rk_buf_done(&out);
    }
}
END_TEST

START_TEST(limits_and_flags)
{
    static const struct {
        uint8_t head[5];
        enum rk_code want;
    } cases[] = {
        {{0, 0, 0, 0, MAX}, RK_OK},
        {{0, 0, 0, 0, MAX + 1}, RK_LIMIT},
        {{0, 0xff, 0xff, 0xff, 0xff}, RK_LIMIT},
        {{1, 0, 0, 0, 1}, RK_INVALID},
        {{2, 0, 0, 0, 1}, RK_BAD_REQUEST},
        {{0x80, 0, 0, 0, 1}, RK_BAD_REQUEST},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
        struct rk_buf out;
        bool boundary;

        rk_buf_init(&out, 100);
        ck_assert_int_eq(collect(cases[i].head, 5, 5, &out, &boundary), cases[i].want);
        rk_buf_done(&out);
    }
}
END_TEST

/* A length of 4 MiB in the prefix alone must not cost 4 MiB. */
START_TEST(memory_follows_the_bytes)
{
    struct grpc_reader r;
    static const uint8_t head[] = {0, 0, 0x40, 0, 0, 'x'};
    struct rk_str in = rk_str_of(head, sizeof head), msg;
    bool have;

    grpc_reader_init(&r, 4 << 20);
    ck_assert_int_eq(grpc_reader_next(&r, &in, &msg, &have, NULL), RK_OK);
    ck_assert(!have && in.n == 0);
    ck_assert_uint_eq(grpc_reader_held(&r), 1);
    ck_assert_uint_lt(r.body.cap, 64 * 1024);
    grpc_reader_done(&r);
}
END_TEST

START_TEST(prefix_is_read_back)
{
    uint8_t p[GRPC_PREFIX];

    grpc_prefix(p, 0x01020304);
    ck_assert(rk_str_eq(rk_str_of(p, 5), rk_str_of("\0\1\2\3\4", 5)));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("frame");
    TCase *t = tcase_create("all");

    tcase_add_test(t, every_split_gives_the_same);
    tcase_add_test(t, every_truncation_is_noticed);
    tcase_add_test(t, limits_and_flags);
    tcase_add_test(t, memory_follows_the_bytes);
    tcase_add_test(t, prefix_is_read_back);
    suite_add_tcase(s, t);
    return run_suite(s);
}
