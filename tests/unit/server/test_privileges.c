/* SPDX-License-Identifier: BSD-3-Clause */
/* Root becomes somebody else for good, with the data folder and the right to low ports. */
#include "config.h"

#include "server/privileges.h"

#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WHO = 65532 };

START_TEST(only_numbers_above_zero)
{
    static const char *const bad[] = {"",      "rookery", "0:0",  "1000",
                                      "1000:", "1000:0",  "-1:5", "1:2:3"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(privileges_check(rk_str_z(bad[i]), NULL), RK_INVALID);
    ck_assert_int_eq(privileges_check(RK_STR("65532:65532"), NULL), RK_OK);
}
END_TEST

START_TEST(nothing_without_being_asked)
{
    ck_assert_int_eq(privileges_drop(RK_STR(""), RK_STR("/nowhere"), NULL), RK_OK);
}
END_TEST

/* In a child: 0 when all is as it should be, else the number of what is not. */
static int drop_in_child(const char *dir)
{
    char file[200];
    struct stat st;
    uid_t r, e, s;

    (void)snprintf(file, sizeof file, "%s/a/b", dir);
    if (privileges_drop(RK_STR("65532:65532"), rk_str_z(dir), NULL))
        return 1;
    if (getresuid(&r, &e, &s) || r != WHO || e != WHO || s != WHO || getegid() != WHO)
        return 2;
    if (getgroups(0, NULL) != 0)
        return 3;
    if (lstat(file, &st) || st.st_uid != WHO || st.st_gid != WHO)
        return 4;
    if (setuid(0) == 0 || seteuid(0) == 0 || chown(file, 0, 0) == 0)
        return 5;
    if (stat("/etc/passwd", &st) || st.st_uid != 0)
        return 6; /* the link was followed */
    if (access("/etc/shadow", R_OK) == 0)
        return 7;
    return 0;
}

START_TEST(root_becomes_another)
{
    char dir[] = "/tmp/rookery-privileges-XXXXXX", path[200];
    int status = -1;
    pid_t pid;

    if (geteuid() != 0) {
        printf("skip: not root\n");
        return;
    }
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/a", dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/a/b", dir);
    ck_assert_int_eq(mknod(path, S_IFREG | 0600, 0), 0);
    (void)snprintf(path, sizeof path, "%s/a/link", dir);
    ck_assert_int_eq(symlink("/etc/passwd", path), 0);
    pid = fork();
    if (pid == 0)
        _exit(drop_in_child(dir));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child: %d", WEXITSTATUS(status));
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/a/b", dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/a", dir);
    (void)rmdir(path);
    (void)rmdir(dir);
}
END_TEST

/* Who owned the folder may have linked somebody's file into it. */
START_TEST(a_second_name_is_not_given_away)
{
    char dir[] = "/tmp/rookery-privileges-XXXXXX", theirs[] = "/tmp/rookery-theirs-XXXXXX";
    char path[200];
    struct stat st;
    int fd, status = -1;
    pid_t pid;

    if (geteuid() != 0) {
        printf("skip: not root\n");
        return;
    }
    ck_assert_ptr_nonnull(mkdtemp(dir));
    fd = mkstemp(theirs);
    ck_assert_int_ge(fd, 0);
    (void)snprintf(path, sizeof path, "%s/link", dir);
    ck_assert_int_eq(link(theirs, path), 0);
    pid = fork();
    if (pid == 0)
        _exit(privileges_drop(RK_STR("65532:65532"), rk_str_z(dir), NULL) == RK_FORBIDDEN ? 0 : 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(fstat(fd, &st), 0);
    ck_assert_uint_eq(st.st_uid, 0);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it was taken");
    (void)close(fd);
    (void)unlink(path);
    (void)unlink(theirs);
    (void)rmdir(dir);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("privileges");
    TCase *t = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_test(t, only_numbers_above_zero);
    tcase_add_test(t, nothing_without_being_asked);
    tcase_add_test(t, root_becomes_another);
    tcase_add_test(t, a_second_name_is_not_given_away);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
