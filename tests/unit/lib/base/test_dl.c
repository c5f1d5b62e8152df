/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/base/dl.c on libraries that every system has. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/dl.h"
#include "lib/base/num.h"
#include "tests/unit/run.h"

struct table {
    __typeof__(strlen) *strlen;
    __typeof__(nanosleep) *nanosleep;
};

static const struct rk_dl_sym SYMS[] = {{"strlen", offsetof(struct table, strlen)},
                                        {"nanosleep", offsetof(struct table, nanosleep)}};

START_TEST(a_library_fills_the_table)
{
    struct table t = {0};
    struct rk_dl dl = {.soname = "libc.so.6",
                       .purpose = "this test",
                       .syms = SYMS,
                       .n = RK_ARRAY_LEN(SYMS),
                       .table = &t,
                       .lock = PTHREAD_MUTEX_INITIALIZER};

    ck_assert_int_eq(rk_dl_load(&dl, NULL), RK_OK);
    ck_assert_uint_eq(t.strlen("four"), 4);
    ck_assert_ptr_nonnull(t.nanosleep);
    t.strlen = NULL;
    ck_assert_int_eq(rk_dl_load(&dl, NULL), RK_OK);
    ck_assert_ptr_null(t.strlen); /* once is enough */
}
END_TEST

START_TEST(a_missing_library_is_named_and_asked_for_again)
{
    struct table t = {0};
    struct rk_err err = {0};
    struct rk_dl dl = {.soname = "libnot-there.so.9",
                       .purpose = "this test",
                       .syms = SYMS,
                       .n = RK_ARRAY_LEN(SYMS),
                       .table = &t,
                       .lock = PTHREAD_MUTEX_INITIALIZER};

    ck_assert_int_eq(rk_dl_load(&dl, &err), RK_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.msg, "this test needs the library libnot-there.so.9"));
    ck_assert_ptr_null(t.strlen);
    dl.soname = "libc.so.6"; /* as if it had been installed by now */
    ck_assert_int_eq(rk_dl_load(&dl, &err), RK_OK);
    ck_assert_uint_eq(t.strlen(""), 0);
}
END_TEST

START_TEST(a_missing_function_is_named)
{
    static const struct rk_dl_sym other[] = {{"strlen_of_tomorrow", 0}};
    struct table t = {0};
    struct rk_err err = {0};
    struct rk_dl dl = {.soname = "libc.so.6",
                       .purpose = "this test",
                       .syms = other,
                       .n = 1,
                       .table = &t,
                       .lock = PTHREAD_MUTEX_INITIALIZER};

    ck_assert_int_eq(rk_dl_load(&dl, &err), RK_UNAVAILABLE);
    ck_assert_str_eq(err.msg, "this test: libc.so.6 has no strlen_of_tomorrow: too old");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dl");
    TCase *t = tcase_create("dl");

    tcase_add_test(t, a_library_fills_the_table);
    tcase_add_test(t, a_missing_library_is_named_and_asked_for_again);
    tcase_add_test(t, a_missing_function_is_named);
    suite_add_tcase(s, t);
    return run_suite(s);
}
