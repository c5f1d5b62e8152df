/* SPDX-License-Identifier: BSD-3-Clause */
/* lib/grpc/status: the code table, message texts, timeouts. */
#include "config.h"

#include "lib/grpc/status.h"
#include "tests/unit/run.h"

#include <check.h>
#include <stdlib.h>

START_TEST(table_is_the_documented_one)
{
    static const int want[RK_CODE_COUNT] = {0, 3, 13, 7, 7, 5, 13, 9, 8, 4, 14, 1, 13};

    for (int c = 0; c < RK_CODE_COUNT; c++)
        ck_assert_int_eq((int)grpc_status_of((enum rk_code)c), want[c]);
    ck_assert_int_eq((int)grpc_status_of((enum rk_code)99), GRPC_INTERNAL);
}
END_TEST

START_TEST(names_and_numbers)
{
    ck_assert_str_eq(grpc_status_name(7), "PERMISSION_DENIED");
    ck_assert_str_eq(grpc_status_name(16), "UNAUTHENTICATED");
    ck_assert_str_eq(grpc_status_name(17), "UNKNOWN");
    ck_assert_str_eq(grpc_status_name(-1), "UNKNOWN");
    ck_assert_int_eq(grpc_status_parse(RK_STR("0")), 0);
    ck_assert_int_eq(grpc_status_parse(RK_STR("16")), 16);
    ck_assert_int_eq(grpc_status_parse(RK_STR("17")), GRPC_UNKNOWN);
    ck_assert_int_eq(grpc_status_parse(RK_STR("")), GRPC_UNKNOWN);
    ck_assert_int_eq(grpc_status_parse(RK_STR("-1")), GRPC_UNKNOWN);
    ck_assert_int_eq(grpc_status_code(99), RK_INTERNAL);
    ck_assert_int_eq(grpc_status_of_http(403), GRPC_PERMISSION_DENIED);
    ck_assert_int_eq(grpc_status_of_http(404), GRPC_UNIMPLEMENTED);
    ck_assert_int_eq(grpc_status_of_http(503), GRPC_UNAVAILABLE);
    ck_assert_int_eq(grpc_status_of_http(418), GRPC_UNKNOWN);
}
END_TEST

static void decodes(struct rk_str in, const char *want)
{
    RK_CLEANUP(rk_freep) char *exact = rk_memdup(in.p, in.n);
    struct rk_buf b;

    rk_buf_init(&b, 1000);
    grpc_message_decode(&b, rk_str_of(exact, in.n));
    ck_assert_msg(rk_str_eqz(rk_buf_str(&b), want), "%.*s", RK_STR_ARG(rk_buf_str(&b)));
    rk_buf_done(&b);
}

START_TEST(messages)
{
    struct rk_buf b, back;
    char all[256];

    rk_buf_init(&b, 1000);
    grpc_message_encode(&b, RK_STR("a b%\n\xc3\xa4~\x7f"));
    ck_assert(rk_str_eqz(rk_buf_str(&b), "a b%25%0A%C3%A4~%7F"));
    rk_buf_clear(&b);
    for (size_t i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    grpc_message_encode(&b, rk_str_of(all, sizeof all));
    rk_buf_init(&back, 1000);
    grpc_message_decode(&back, rk_buf_str(&b));
    ck_assert(rk_str_eq(rk_buf_str(&back), rk_str_of(all, sizeof all)));
    rk_buf_done(&back);
    rk_buf_done(&b);
    decodes(RK_STR("%"), "%");
    decodes(RK_STR("%4"), "%4");
    decodes(RK_STR("%41%4g%e2"), "A%4g\xe2");
    decodes(RK_STR("100%"), "100%");
}
END_TEST

START_TEST(timeouts)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } cases[] = {
        {"10S", 10000},
        {"1H", 3600000},
        {"2M", 120000},
        {"250m", 250},
        {"1u", 1},
        {"1n", 1},
        {"1500u", 2},
        {"0n", 0},
        {"", -1},
        {"S", -1},
        {"10", -1},
        {"10s", -1},
        {"-1S", -1},
        {" 1S", -1},
        {"123456789S", -1},
        {"1.5S", -1},
        {"99999999H", 359999996400000LL},
    };

    for (size_t i = 0; i < RK_ARRAY_LEN(cases); i++) {
        int64_t ms = -1;
        enum rk_code rc = grpc_timeout_parse(rk_str_z(cases[i].text), &ms, NULL);

        ck_assert_msg(ms == cases[i].ms, "%s gives %lld", cases[i].text, (long long)ms);
        ck_assert_int_eq(rc == RK_OK, cases[i].ms >= 0);
    }
    for (int64_t ms = 0; ms < INT64_C(100000000000000); ms = ms * 7 + 3) {
        char buf[GRPC_TIMEOUT_TEXT];
        int64_t back;

        ck_assert_int_eq(grpc_timeout_parse(grpc_timeout_format(ms, buf), &back, NULL), RK_OK);
        ck_assert_int_le(back - ms, 1000);
        if (ms < INT64_C(99999999000))
            ck_assert_int_ge(back, ms);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("status");
    TCase *t = tcase_create("all");

    tcase_add_test(t, table_is_the_documented_one);
    tcase_add_test(t, names_and_numbers);
    tcase_add_test(t, messages);
    tcase_add_test(t, timeouts);
    suite_add_tcase(s, t);
    return run_suite(s);
}
