/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests lib/crypto/keyfile.c on real files. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/crypto/keyfile.h"
#include "tests/unit/run.h"

static char base[] = "/tmp/rookery-test-keyfile-XXXXXX";

START_TEST(a_secret_is_made_once_and_kept)
{
    struct rk_arena *mem = rk_arena_new_wiping(0);
    struct rk_str dir = rk_arena_printf(mem, "%s/data", base), a, b;
    struct rk_err err = {0};
    bool made = false;
    struct stat st;

    ck_assert_int_eq(keyfile_read(mem, dir, "k", &a, &err), RK_NOT_FOUND);
    ck_assert_int_eq(keyfile_get(mem, dir, "k", 32, &a, &made, &err), RK_NOT_FOUND);
    ck_assert_int_eq(keyfile_dir(dir, &err), RK_OK);
    ck_assert_int_eq(keyfile_dir(dir, &err), RK_OK);
    ck_assert_msg(keyfile_get(mem, dir, "k", 32, &a, &made, &err) == RK_OK, "%s", err.msg);
    ck_assert(made && a.n == 44);
    ck_assert_int_eq(keyfile_get(mem, dir, "k", 32, &b, &made, &err), RK_OK);
    ck_assert(!made && rk_str_eq(a, b));
    ck_assert_int_eq(stat(rk_arena_printf(mem, "%s/data/k", base).p, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    keyfile_remove(dir, "k");
    keyfile_remove(dir, "k");
    ck_assert_int_eq(keyfile_read(mem, dir, "k", &a, &err), RK_NOT_FOUND);
    (void)rmdir(rk_arena_dupz(mem, dir));
    rk_arena_free(mem);
}
END_TEST

START_TEST(open_and_empty_files_are_refused)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct rk_str dir = rk_str_z(base), s = RK_STR("untouched");
    char *path = rk_arena_dupz(mem, rk_arena_printf(mem, "%s/x", base));
    struct rk_err err = {0};
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(keyfile_get(mem, dir, "x", 32, &s, NULL, &err), RK_INVALID);
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(keyfile_get(mem, dir, "x", 32, &s, NULL, &err), RK_FORBIDDEN);
    ck_assert_ptr_nonnull(strstr(err.msg, "chmod 600"));
    ck_assert(rk_str_eqz(s, "untouched"));
    keyfile_remove(dir, "x");
    rk_arena_free(mem);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("keyfile");
    TCase *t = tcase_create("keyfile");
    int failed;

    if (!mkdtemp(base))
        return EXIT_FAILURE;
    tcase_add_test(t, a_secret_is_made_once_and_kept);
    tcase_add_test(t, open_and_empty_files_are_refused);
    suite_add_tcase(s, t);
    failed = run_suite(s);
    (void)rmdir(base);
    return failed;
}
