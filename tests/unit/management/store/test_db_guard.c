/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Other people's hands on a database in use (management/store/db_sqlite_guard): a process commits
 * and tells each acknowledged number through a pipe; files are removed, moved and replaced under
 * it; then it is killed, and every number that it told must be where it was promised.
 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "lib/base/num.h"
#include "lib/base/str.h"
#include "tests/unit/management/store_env.h"
/* after store_env.h: uses libcheck */
#include "tests/unit/run.h"

enum { WRITERS = 2, SOME = 20, ROUNDS = 8 };

static struct env e;
static char db_path[120];

/* ---- the process that writes */

struct writer {
    pthread_t thread;
    int fd;
    int64_t first;
};

static void tell(int fd, int64_t n)
{
    if (write(fd, &n, sizeof n) != sizeof n)
        _exit(4);
}

/* Commits number after number; tells those that were acknowledged, and once that one was not. */
static void *writer_main(void *arg)
{
    struct writer *w = arg;
    struct db_opts o = {.url = e.url, .writer = true};
    struct rk_err err = {0};
    struct db *db = NULL;
    int64_t said = 0, kind;

    if (db_open(&db, &o, &err))
        _exit(2);
    for (int64_t n = w->first;; n += WRITERS) {
        int64_t count;
        enum rk_code rc = db_begin(db, &err);

        if (rc == RK_OK)
            rc = db_exec(db, &err, NULL, "INSERT INTO t VALUES ($1)", DB_ARGS(db_i64(n)));
        if (rc == RK_OK)
            rc = db_commit(db, &err);
        else
            db_rollback(db);
        if (rc == RK_OK)
            rc = db_get_i64(db, &count, &err, "SELECT count(*) FROM t WHERE id = $1",
                            DB_ARGS(db_i64(n)));
        if (rc == RK_OK && count == 1) {
            said = 0;
            tell(w->fd, n);
            continue;
        }
        kind = strstr(err.msg, "restarted") ? -2 : -1;
        if (kind != said) {
            (void)fprintf(stderr, "writer: %s\n", err.msg);
            tell(w->fd, kind);
        }
        said = kind;
        (void)usleep(10000);
    }
    return NULL;
}

static pid_t writers_start(int *fd, int64_t first)
{
    int fds[2];
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        static struct writer w[WRITERS];

        (void)close(fds[0]);
        for (int i = 0; i < WRITERS; i++) {
            w[i] = (struct writer){.fd = fds[1], .first = first + i};
            if (pthread_create(&w[i].thread, NULL, writer_main, &w[i]))
                _exit(3);
        }
        for (;;)
            (void)pause();
    }
    (void)close(fds[1]);
    *fd = fds[0];
    return pid;
}

/* ---- what it told */

static int64_t *told;
static size_t n_told;
static int64_t bad; /* the last complaint */

static bool hear(int fd)
{
    int64_t n;
    ssize_t got = read(fd, &n, sizeof n);

    if (got <= 0)
        return false;
    ck_assert_int_eq(got, sizeof n);
    if (n < 0) {
        bad = n;
        return true;
    }
    told = rk_realloc(told, (n_told + 1) * sizeof *told, 1);
    told[n_told++] = n;
    return true;
}

static void hear_some(int fd, size_t n)
{
    for (size_t until = n_told + n; n_told < until;)
        ck_assert(hear(fd));
}

static void writers_kill(pid_t pid, int fd)
{
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    while (hear(fd))
        ;
    (void)close(fd);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void all_there(const char *path)
{
    char url[240];
    struct db_opts o = {.url = url};
    struct db *db = NULL;
    int64_t n = 0;

    (void)snprintf(url, sizeof url, "sqlite:%s", path);
    ck_ok(db_open(&db, &o, err));
    for (size_t i = 0; i < n_told; i++) {
        ck_ok(db_get_i64(db, &n, err, "SELECT count(*) FROM t WHERE id = $1",
                         DB_ARGS(db_i64(told[i]))));
        ck_assert_msg(n == 1, "acknowledged but lost: %lld of %zu", (long long)told[i], n_told);
    }
    ck_ok(db_get_i64(db, &n, err,
                     "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
                     DB_NOARGS));
    ck_assert_int_eq(n, 0);
    db_close(db);
}

/* ---- the hands */

static const char *at(const char *tail)
{
    static char path[4][160];
    static int next;
    char *p = path[next++ % 4];

    (void)snprintf(p, 160, "%s%s", db_path, tail);
    return p;
}

static void put_file(const char *path, size_t n)
{
    char block[4096] = {0};
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, block, n), (ssize_t)n);
    (void)close(fd);
}

static void setup(void)
{
    struct db_opts o = {0};
    struct db *db = NULL;

    env_open(&e, 0);
    (void)snprintf(db_path, sizeof db_path, "%s/store.db", e.dir);
    o.url = e.url;
    ck_ok(db_open(&db, &o, err));
    ck_ok(db_script(db, "CREATE TABLE t (id INTEGER PRIMARY KEY)", err));
    db_close(db);
    told = NULL;
    n_told = 0;
    bad = 0;
}

static void teardown(void)
{
    DIR *d = opendir(e.dir);
    struct dirent *f;

    while (d && (f = readdir(d)))
        if (f->d_name[0] != '.')
            (void)unlinkat(dirfd(d), f->d_name, 0);
    if (d)
        (void)closedir(d);
    env_close(&e);
    free(told);
}

/* ---- the tests */

START_TEST(a_lost_write_ahead_log_costs_nothing)
{
    for (int round = 0; round < ROUNDS; round++) {
        int fd, waiting;
        pid_t pid = writers_start(&fd, (int64_t)round * 1000000);

        for (int again = 0; again < 3; again++) {
            hear_some(fd, SOME);
            if (_i == 0)
                (void)unlink(at("-wal"));
            else if (_i == 1)
                (void)rename(at("-wal"), at("-elsewhere"));
            else {
                put_file(at("-other"), 4096);
                (void)rename(at("-other"), at("-wal"));
            }
            /* What was in the pipe by then, and what was on its way into it, says nothing; whoever
             * was acknowledged after that has brought home what stood in the lost one. */
            ck_assert_int_eq(ioctl(fd, FIONREAD, &waiting), 0);
            hear_some(fd, (size_t)waiting / sizeof(int64_t) + WRITERS + 1);
        }
        writers_kill(pid, fd);
        all_there(db_path);
    }
}
END_TEST

START_TEST(without_the_shared_memory_nothing_more_is_acknowledged)
{
    int fd;
    pid_t pid = writers_start(&fd, 0);
    size_t before;

    hear_some(fd, SOME);
    ck_assert_int_eq(unlink(at("-shm")), 0);
    if (_i == 1)
        (void)unlink(at("-wal"));
    while (bad != -2) /* it says what helps */
        ck_assert(hear(fd));
    (void)usleep(100000);
    before = n_told;
    writers_kill(pid, fd);
    ck_assert_uint_le(n_told, before + WRITERS); /* those that were under way */
    all_there(db_path);
}
END_TEST

START_TEST(a_removed_database_is_saved_beside)
{
    int fd, copies = 0;
    pid_t pid = writers_start(&fd, 0);
    char copy[400] = "";
    struct dirent *f;
    DIR *d;

    hear_some(fd, SOME);
    if (_i == 0) {
        ck_assert_int_eq(unlink(db_path), 0);
    } else { /* another one in its place */
        put_file(at("-other"), 0);
        ck_assert_int_eq(rename(at("-other"), db_path), 0);
    }
    while (bad == 0)
        ck_assert(hear(fd));
    writers_kill(pid, fd);
    d = opendir(e.dir);
    ck_assert_ptr_nonnull(d);
    while ((f = readdir(d)))
        if (strstr(f->d_name, ".saved-")) {
            (void)snprintf(copy, sizeof copy, "%s/%s", e.dir, f->d_name);
            copies++;
        }
    (void)closedir(d);
    ck_assert_int_eq(copies, 1);
    all_there(copy);
}
END_TEST

START_TEST(a_moved_database_is_complete_and_may_come_back)
{
    int fd;
    pid_t pid = writers_start(&fd, 0);

    hear_some(fd, SOME);
    ck_assert_int_eq(rename(db_path, at("-away")), 0);
    while (bad == 0)
        ck_assert(hear(fd));
    (void)usleep(50000);
    ck_assert_int_ne(access(db_path, F_OK), 0); /* nothing was made in its place */
    ck_assert_int_eq(rename(at("-away"), db_path), 0);
    hear_some(fd, SOME);
    writers_kill(pid, fd);
    all_there(db_path);
}
END_TEST

int main(void)
{
    Suite *s;
    TCase *tc;

    if (env_first()) /* on_pg.sh: nothing of it is about PostgreSQL */
        return EXIT_SUCCESS;
    s = suite_create("db_guard");
    tc = tcase_create("hands");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_lost_write_ahead_log_costs_nothing, 0, 3);
    tcase_add_loop_test(tc, without_the_shared_memory_nothing_more_is_acknowledged, 0, 2);
    tcase_add_loop_test(tc, a_removed_database_is_saved_beside, 0, 2);
    tcase_add_test(tc, a_moved_database_is_complete_and_may_come_back);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
