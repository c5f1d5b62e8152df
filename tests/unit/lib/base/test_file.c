/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading whole files: every size around a chunk, the ceiling, and what may not be read. */
#include "config.h"

#include "lib/base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/vec.h"

static char path[] = "/tmp/rookery-file-XXXXXX";

static void put(size_t n)
{
    FILE *f = fopen(path, "w");

    ck_assert_ptr_nonnull(f);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_ne(fputc('a' + (int)(i % 26), f), EOF);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(every_size_is_read_whole)
{
    static const size_t SIZES[] = {0, 1, 4095, 4096, 4097, 8192, 20000};

    for (size_t i = 0; i < RK_ARRAY_LEN(SIZES); i++) {
        struct rk_buf b;

        put(SIZES[i]);
        rk_buf_init(&b, 20000);
        ck_assert_int_eq(rk_file_read(path, 0, &b, NULL), RK_OK);
        ck_assert_uint_eq(b.n, SIZES[i]);
        for (size_t k = 0; k < b.n; k++)
            ck_assert_int_eq(b.p[k], 'a' + (int)(k % 26));
        rk_buf_done(&b);
    }
}
END_TEST

START_TEST(what_is_too_large_is_refused)
{
    struct rk_err err = {0};
    struct rk_buf b;

    put(4097);
    rk_buf_init(&b, 4096);
    ck_assert_int_eq(rk_file_read(path, 0, &b, &err), RK_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.msg, path));
    rk_buf_done(&b);
    put(4096); /* exactly as much as may be */
    rk_buf_init(&b, 4096);
    ck_assert_int_eq(rk_file_read(path, 0, &b, &err), RK_OK);
    rk_buf_done(&b);
}
END_TEST

START_TEST(faults_name_the_path)
{
    struct rk_err err = {0};
    struct rk_buf b;
    char few[4];

    rk_buf_init(&b, 100);
    ck_assert_int_eq(rk_file_read("/nonexistent/file", 0, &b, &err), RK_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.msg, "/nonexistent/file"));
    ck_assert_int_eq(rk_file_read("/proc", 0, &b, &err), RK_UNAVAILABLE); /* a folder */
    put(10);
    ck_assert_int_eq(chmod(path, 0640), 0);
    ck_assert_int_eq(rk_file_read(path, RK_FILE_PRIVATE, &b, &err), RK_FORBIDDEN);
    ck_assert_ptr_nonnull(strstr(err.msg, "chmod 600"));
    ck_assert_int_eq(chmod(path, 0600), 0);
    ck_assert_int_eq(rk_file_read(path, RK_FILE_PRIVATE, &b, &err), RK_OK);
    rk_buf_done(&b);
    ck_assert_uint_eq(rk_file_peek(path, few, sizeof few), sizeof few);
    ck_assert_uint_eq(rk_file_peek("/nonexistent/file", few, sizeof few), 0);
}
END_TEST

START_TEST(a_link_and_a_pipe_are_refused_where_asked)
{
    struct rk_err err = {0};
    struct rk_buf b;
    char other[sizeof path + 2];

    (void)snprintf(other, sizeof other, "%s.b", path);
    rk_buf_init(&b, 100);
    put(10);
    ck_assert_int_eq(rk_file_read(path, RK_FILE_PLAIN, &b, &err), RK_OK);
    ck_assert_int_eq(symlink(path, other), 0);
    ck_assert_int_eq(rk_file_read(other, 0, &b, &err), RK_OK);
    ck_assert_int_eq(rk_file_read(other, RK_FILE_PLAIN, &b, &err), RK_FORBIDDEN);
    ck_assert_int_eq(unlink(other), 0);
    ck_assert_int_eq(mkfifo(other, 0600), 0); /* nobody writes: must not be waited for */
    ck_assert_int_eq(rk_file_read(other, RK_FILE_PLAIN, &b, &err), RK_FORBIDDEN);
    ck_assert_int_eq(unlink(other), 0);
    rk_buf_done(&b);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("file");
    int fd = mkstemp(path), status;

    if (fd < 0 || close(fd))
        return EXIT_FAILURE;
    tcase_add_test(t, every_size_is_read_whole);
    tcase_add_test(t, what_is_too_large_is_refused);
    tcase_add_test(t, faults_name_the_path);
    tcase_add_test(t, a_link_and_a_pipe_are_refused_where_asked);
    status = vec_run(t, "file");
    (void)unlink(path);
    return status;
}
