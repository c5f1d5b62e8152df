/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of what stands around an SQLite file: who may serve from it, and what is refused. */
#include "config.h"

#include "management/store/db_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "management/store/db.h"
#include "tests/unit/management/store_env.h"

#define NOBODY 65534

static struct env e;

static void setup(void)
{
    env_open(&e, 0);
}

static void teardown(void)
{
    env_close(&e);
}

static bool says(const struct rk_err *err, const char *what)
{
    return strstr(err->msg, what) != NULL;
}

static void assert_held(const char *url, long pid)
{
    struct db_lock *l = NULL;
    struct rk_err err = {0};
    char who[40];

    (void)snprintf(who, sizeof who, "process %ld on ", pid);
    ck_assert_int_eq(db_lock_take(url, &l, &err), RK_PRECONDITION);
    ck_assert_ptr_null(l);
    ck_assert_msg(says(&err, who), "%s", err.msg);
    ck_assert_msg(says(&err, "store.db is in use by another server"), "%s", err.msg);
}

START_TEST(a_second_server_is_refused_and_told_who_is_first)
{
    struct db_lock *l = NULL;
    char link[200], url[220];

    ck_ok(db_lock_take(e.url, &l, err));
    assert_held(e.url, getpid());
    (void)snprintf(url, sizeof url, "sqlite:%s/../%s/store.db", e.dir, strrchr(e.dir, '/') + 1);
    assert_held(url, getpid());

    { /* the same file by another name */
        struct db_opts o = {.url = e.url};
        struct db *db = NULL;

        ck_ok(db_open(&db, &o, err));
        db_close(db);
    }
    (void)snprintf(link, sizeof link, "%s/link", e.dir);
    ck_assert_int_eq(symlink("store.db", link), 0);
    (void)snprintf(url, sizeof url, "sqlite:%s", link);
    assert_held(url, getpid());
    ck_assert_int_eq(unlink(link), 0);

    db_lock_free(l);
    ck_ok(db_lock_take(e.url, &l, err)); /* let go: free for the next */
    db_lock_free(l);
}
END_TEST

START_TEST(the_lock_outlives_foreign_closes_and_ends_with_its_process)
{
    struct db_lock *l = NULL;
    int fds[2], status;
    char path[200], byte;
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)snprintf(path, sizeof path, "%s/store.db.lock", e.dir);
        if (db_lock_take(e.url, &l, NULL) || close(open(path, O_RDONLY | O_CLOEXEC)) ||
            write(fds[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    (void)close(fds[1]);
    ck_assert_int_eq(read(fds[0], &byte, 1), 1);
    (void)close(fds[0]);
    assert_held(e.url, pid);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_ok(db_lock_take(e.url, &l, err));
    assert_held(e.url, getpid()); /* not the dead one's number */
    db_lock_free(l);
}
END_TEST

/* In a process of its own without root's rights: what db_lock_take and db_open say. */
static enum rk_code as_nobody(const char *url, bool lock, struct rk_err *err)
{
    struct rk_err *shared = err;
    struct {
        enum rk_code rc;
        struct rk_err err;
    } answer = {0};
    int fds[2], status;
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct db_opts o = {.url = url};
        struct db_lock *l = NULL;
        struct db *db = NULL;

        if (geteuid() == 0 && (setegid(NOBODY) || seteuid(NOBODY)))
            _exit(1);
        answer.rc = lock ? db_lock_take(url, &l, &answer.err) : db_open(&db, &o, &answer.err);
        _exit(write(fds[1], &answer, sizeof answer) != (ssize_t)sizeof answer);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(read(fds[0], &answer, sizeof answer), (ssize_t)sizeof answer);
    (void)close(fds[0]);
    (void)close(fds[1]);
    *shared = answer.err;
    return answer.rc;
}

START_TEST(a_place_that_cannot_be_written_is_named)
{
    struct db_opts o = {.url = e.url};
    struct rk_err why = {0};
    struct db_lock *l = NULL;
    struct db *db = NULL;
    char path[200];

    ck_assert_int_eq(chmod(e.dir, 0555), 0);
    ck_assert_int_eq(as_nobody(e.url, true, &why), RK_UNAVAILABLE);
    ck_assert_msg(says(&why, "may not write there"), "%s", why.msg);
    ck_assert_msg(says(&why, e.dir), "%s", why.msg);
    ck_assert_int_eq(chmod(e.dir, 0755), 0);

    ck_ok(db_open(&db, &o, err));
    db_close(db);
    (void)snprintf(path, sizeof path, "%s/store.db", e.dir);
    ck_assert_int_eq(chmod(path, 0444), 0);
    ck_assert_int_eq(as_nobody(e.url, false, &why), RK_UNAVAILABLE);
    ck_assert_msg(says(&why, "cannot be written by user"), "%s", why.msg);

    ck_assert_int_eq(db_lock_take("sqlite:/nonexistent/x/a.db", &l, &why), RK_UNAVAILABLE);
    ck_assert_msg(says(&why, "/nonexistent/x/"), "%s", why.msg);
    ck_assert_int_eq(db_lock_take("sqlite:", &l, &why), RK_INVALID);
    ck_ok(db_lock_take("postgres://host/name", &l, err));
    ck_assert_ptr_null(l); /* shared on purpose */
}
END_TEST

START_TEST(file_systems_of_several_machines_are_known)
{
    ck_assert_str_eq(db_lock_network_name(0x6969), "NFS");
    ck_assert_str_eq(db_lock_network_name(0xff534d42), "CIFS");
    ck_assert_ptr_null(db_lock_network_name(0xef53));     /* ext4 */
    ck_assert_ptr_null(db_lock_network_name(0x794c7630)); /* overlayfs */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("db_file");
    TCase *tc = tcase_create("lock");
    SRunner *sr;
    int failed;

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_second_server_is_refused_and_told_who_is_first);
    tcase_add_test(tc, the_lock_outlives_foreign_closes_and_ends_with_its_process);
    tcase_add_test(tc, a_place_that_cannot_be_written_is_named);
    tcase_add_test(tc, file_systems_of_several_machines_are_known);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
