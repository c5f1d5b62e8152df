/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests management/idp/totp.c with the vectors of RFC 6238 (their last six digits). */
#include "config.h"

#include "management/idp/totp.h"

#include <check.h>
#include <stdlib.h>

#include "lib/base/err.h"
#include "tests/unit/run.h"

#define SECRET RK_STR("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ") /* "12345678901234567890" */

static const struct {
    int64_t at_s;
    const char *code;
} VECTORS[] = {
    {59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
    {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"},
};

START_TEST(the_vectors_of_the_rfc)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(VECTORS); i++) {
        char code[TOTP_DIGITS + 1];

        ck_assert(totp_code(SECRET, VECTORS[i].at_s / TOTP_STEP_S, code));
        ck_assert_str_eq(code, VECTORS[i].code);
    }
}
END_TEST

START_TEST(a_code_fits_its_time_once)
{
    int64_t step = 0, at = 1111111109;
    struct rk_str code = RK_STR("081804");

    ck_assert(totp_check(SECRET, code, at, 0, &step));
    ck_assert_int_eq(step, at / TOTP_STEP_S);
    ck_assert(!totp_check(SECRET, code, at, step, &step)); /* used */
    ck_assert(totp_check(SECRET, code, at + TOTP_STEP_S, 0, &step));
    ck_assert(totp_check(SECRET, code, at - TOTP_STEP_S, 0, &step));
    ck_assert(!totp_check(SECRET, code, at + 3 * TOTP_STEP_S, 0, &step));
    ck_assert(!totp_check(SECRET, code, at - 3 * TOTP_STEP_S, 0, &step));
    ck_assert(!totp_check(SECRET, RK_STR("081805"), at, 0, &step));
    ck_assert(!totp_check(SECRET, RK_STR("81804"), at, 0, &step));
    ck_assert(!totp_check(SECRET, RK_STR(""), at, 0, &step));
    ck_assert(!totp_check(RK_STR(""), code, at, 0, &step));
    ck_assert(!totp_check(RK_STR("1EZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), code, at, 0, &step));
}
END_TEST

START_TEST(new_secrets_differ_and_work)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct rk_str a = totp_secret_new(mem), b = totp_secret_new(mem);
    char code[TOTP_DIGITS + 1];

    ck_assert(a.n == 32 && !rk_str_eq(a, b));
    ck_assert(totp_code(a, 1, code));
    rk_arena_free(mem);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("totp");
    TCase *t = tcase_create("totp");

    tcase_add_test(t, the_vectors_of_the_rfc);
    tcase_add_test(t, a_code_fits_its_time_once);
    tcase_add_test(t, new_secrets_differ_and_work);
    suite_add_tcase(s, t);
    return run_suite(s);
}
