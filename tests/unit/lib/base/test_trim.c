/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/base/trim.c: pages go, and nothing that they held is lost. */
#include "config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/num.h"
#include "lib/base/str.h"
#include "lib/base/trim.h"
#include "tests/unit/run.h"

enum { CONST_BYTES = 1 << 20 };

static const unsigned char constants[CONST_BYTES] = {1, [CONST_BYTES - 1] = 2};
static int counter = 3; /* written below: a page of the file that became ours */
static int (*const relocated[])(const char *, const char *) = {strcmp, strcasecmp};

static int64_t file_kb(void)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[200];
    long long kb = -1;

    ck_assert_ptr_nonnull(f);
    while (kb < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "RssFile: %lld", &kb) != 1)
            kb = -1;
    (void)fclose(f);
    ck_assert_int_ge(kb, 0);
    return kb;
}

static unsigned sum(void)
{
    const volatile unsigned char *p = constants;
    unsigned n = 0;

    for (size_t i = 0; i < CONST_BYTES; i++)
        n += p[i];
    return n;
}

START_TEST(code_and_constants_survive)
{
    char *heap = rk_str_dupz(RK_STR("kept"));
    int64_t before, after;

    ck_assert_uint_eq(sum(), 3);
    counter++;
    before = file_kb();
    rk_trim();
    after = file_kb();
#ifdef RK_SANITIZE
    (void)before;
    ck_assert_int_ge(after, 0);
#else
    ck_assert_int_le(after, before - CONST_BYTES / 1024 / 2);
#endif
    ck_assert_uint_eq(sum(), 3);
    ck_assert_int_eq(counter, 4);
    ck_assert_str_eq(heap, "kept");
    ck_assert_int_eq(relocated[0]("a", "A") != 0, 1);
    ck_assert_int_eq(relocated[1]("a", "A"), 0);
    free(heap);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("trim");
    TCase *t = tcase_create("trim");

    tcase_add_test(t, code_and_constants_survive);
    suite_add_tcase(s, t);
    return run_suite(s);
}
