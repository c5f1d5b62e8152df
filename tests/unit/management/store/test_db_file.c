/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of what stands around an SQLite file: who may serve from it, and what is refused. */
#include "config.h"

#include "management/store/db_lock.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include "management/store/db.h"
#include "management/store/db_origin.h"
#include "management/store/migrate.h"
#include "tests/unit/management/store_env.h"
#include "tests/unit/run.h"

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
    ck_assert_int_eq(db_lock_take(url, &l, &err), RK_UNAVAILABLE);
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

/* A hard link in another folder has another lock file: the inode is what counts, from the start or,
 * for a database that was made later, from then on. */
START_TEST(another_name_in_another_folder_is_no_other_database)
{
    struct db_opts o = {.url = e.url};
    struct db_lock *l = NULL, *other = NULL;
    char dir[200], path[220], own[200], url[240];
    struct rk_err why = {0};
    struct db *db = NULL;

    (void)snprintf(dir, sizeof dir, "%s/elsewhere", e.dir);
    (void)snprintf(path, sizeof path, "%s/other.db", dir);
    (void)snprintf(own, sizeof own, "%s/store.db", e.dir);
    (void)snprintf(url, sizeof url, "sqlite:%s", path);
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    if (_i == 1) {
        ck_ok(db_open(&db, &o, err));
        db_close(db);
    }
    ck_ok(db_lock_take(e.url, &l, err));
    ck_ok(db_open(&db, &o, err));
    ck_ok(db_lock_hold(l, err));
    ck_assert_int_eq(link(own, path), 0);
    ck_assert_int_eq(db_lock_take(url, &other, &why), RK_UNAVAILABLE);
    ck_assert_ptr_null(other);
    ck_assert_msg(says(&why, "under another name"), "%s", why.msg);
    db_close(db);
    db_lock_free(l);
    ck_ok(db_lock_take(url, &other, err));
    db_lock_free(other);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(dir), 0);
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

/* ---- whose file it is */

/* Names, sizes and bytes of all files in the folder, as one number (FNV-1a). */
static uint64_t folder_sum(void)
{
    struct dirent **list;
    int n = scandir(e.dir, &list, NULL, alphasort), c;
    uint64_t sum = UINT64_C(14695981039346656037);

    ck_assert_int_ge(n, 2);
    for (int i = 0; i < n; i++) {
        char path[400];
        FILE *f;

        for (const char *p = list[i]->d_name; *p; p++)
            sum = (sum ^ (uint8_t)*p) * UINT64_C(1099511628211);
        (void)snprintf(path, sizeof path, "%s/%s", e.dir, list[i]->d_name);
        f = list[i]->d_name[0] == '.' ? NULL : fopen(path, "r");
        while (f && (c = getc(f)) != EOF)
            sum = (sum ^ (uint8_t)c) * UINT64_C(1099511628211);
        if (f)
            (void)fclose(f);
        free(list[i]);
    }
    free((void *)list);
    return sum;
}

/* Make a database as another program would, in a process of its own that dies without closing it:
 * what is in a WAL stays there. */
static void made_elsewhere(const char *name, const char *sql)
{
    pid_t pid = fork();
    int status;

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        char path[200];
        sqlite3 *h;

        (void)snprintf(path, sizeof path, "%s/%s", e.dir, name);
        _exit(sqlite3_open(path, &h) != SQLITE_OK ||
              sqlite3_exec(h, sql, NULL, NULL, NULL) != SQLITE_OK);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static const char NETBIRD[] =
    "CREATE TABLE accounts (id text PRIMARY KEY); CREATE TABLE peers (id text PRIMARY KEY);"
    "CREATE TABLE setup_keys (id text PRIMARY KEY); CREATE TABLE users (id text PRIMARY KEY);"
    "INSERT INTO accounts VALUES ('a')";

static const struct {
    const char *sql, *says;
    bool wal_only; /* the main file shows nothing: SQLite has to look into the WAL */
} FOREIGN[] = {
    {NETBIRD, "belongs to a NetBird server (tables accounts, peers, setup_keys, ...)", false},
    {"PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=1; CREATE TABLE moz_places (id)",
     "belongs to another program (tables moz_places)", false},
    {"PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE events (id)",
     "belongs to another program (tables events)", true},
    {"CREATE TABLE schema_migration (version text)", "another program (tables schema_migration)",
     false},
    {"PRAGMA application_id=7; CREATE TABLE t (x)", "another program (tables t)", false},
    {"CREATE VIEW v AS SELECT 1", "another program (tables v)", false},
};

START_TEST(a_foreign_database_is_left_as_it_is)
{
    struct db_opts o = {.url = e.url};
    struct rk_err why = {0};
    struct db *db = NULL;
    uint64_t before;

    made_elsewhere("store.db", FOREIGN[_i].sql);
    before = folder_sum();
    ck_assert_int_eq(db_open(&db, &o, &why), RK_PRECONDITION);
    ck_assert_ptr_null(db);
    ck_assert_msg(says(&why, FOREIGN[_i].says), "%s", why.msg);
    ck_assert_msg(says(&why, "give Rookery a store of its own"), "%s", why.msg);
    ck_assert_int_eq(db_origin_check_folder(rk_str_z(e.dir), e.url, &why), RK_PRECONDITION);
    if (!FOREIGN[_i].wal_only) /* there, SQLite may renew what stands in -shm */
        ck_assert_uint_eq(folder_sum(), before);
}
END_TEST

START_TEST(what_is_no_database_is_left_as_it_is)
{
    static const char text[] = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ1M3aG\n";
    struct db_opts o = {.url = e.url};
    struct rk_err why = {0};
    struct db *db = NULL;
    char path[200], url[220];
    uint64_t before;
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/store.db", e.dir);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    before = folder_sum();
    ck_assert_int_eq(db_open(&db, &o, &why), RK_PRECONDITION);
    ck_assert_msg(says(&why, "is no SQLite database"), "%s", why.msg);
    ck_assert_uint_eq(folder_sum(), before);
    (void)snprintf(url, sizeof url, "sqlite:%s", e.dir);
    o.url = url;
    ck_assert_int_eq(db_open(&db, &o, &why), RK_INVALID);
    ck_assert_msg(says(&why, "is not a file"), "%s", why.msg);
}
END_TEST

START_TEST(our_own_file_is_known_at_every_stage)
{
    struct db_opts o = {.url = e.url};
    enum db_origin origin = DB_ORIGIN_EMPTY;
    struct db *db = NULL, *second = NULL;
    char path[200];
    int64_t n = 0;

    (void)snprintf(path, sizeof path, "%s/store.db", e.dir);
    ck_ok(db_origin_of_file(path, &origin, err));
    ck_assert_int_eq(origin, DB_ORIGIN_ABSENT);
    ck_ok(db_open(&db, &o, err));
    ck_ok(db_origin_of_file(path, &origin, err)); /* marked before there is a table */
    ck_assert_int_eq(origin, DB_ORIGIN_OURS);
    ck_ok(db_open(&second, &o, err));
    db_close(second);
    ck_ok(store_migrate(db, err));
    db_close(db);

    /* as before there was a mark */
    made_elsewhere("store.db", "PRAGMA application_id=0; PRAGMA wal_checkpoint(TRUNCATE)");
    ck_ok(db_origin_of_file(path, &origin, err));
    ck_assert_int_eq(origin, DB_ORIGIN_OLD);
    ck_ok(db_open(&db, &o, err));
    ck_ok(db_get_i64(db, &n, err, "SELECT count(*) FROM account", DB_NOARGS));
    db_close(db);
    ck_ok(db_origin_of_file(path, &origin, err));
    ck_assert_int_eq(origin, DB_ORIGIN_OURS);
    ck_ok(db_origin_check_folder(rk_str_z(e.dir), e.url, err));
}
END_TEST

START_TEST(odd_names_of_files_are_no_parameters)
{
    static const char *const names[] = {"a?immutable=0&mode=rwc", "b#c.db", "d%20e.db", "f g.db"};

    for (size_t i = 0; i < RK_ARRAY_LEN(names); i++) {
        char path[200], url[220];
        struct db_opts o = {.url = url};
        enum db_origin origin = DB_ORIGIN_EMPTY;
        struct db *db = NULL;

        (void)snprintf(path, sizeof path, "%s/%s", e.dir, names[i]);
        (void)snprintf(url, sizeof url, "sqlite:%s", path);
        ck_ok(db_open(&db, &o, err));
        ck_ok(db_origin_of_file(path, &origin, err));
        ck_assert_int_eq(origin, DB_ORIGIN_OURS);
        db_close(db);
        ck_assert_int_eq(unlink(path), 0);
    }
}
END_TEST

START_TEST(a_folder_of_the_official_server_is_refused)
{
    static const char *const theirs[] = {"store.db", "events.db", "idp.db"};
    struct rk_str folder = rk_str_z(e.dir);
    struct rk_err why = {0};
    char url[200], path[200];
    uint64_t before;
    FILE *f;

    (void)snprintf(url, sizeof url, "sqlite:%s/rookery.db", e.dir);
    ck_ok(db_origin_check_folder(folder, url, err)); /* nothing there yet */
    for (size_t i = 0; i < RK_ARRAY_LEN(theirs); i++) {
        made_elsewhere(theirs[i], NETBIRD);
        before = folder_sum();
        ck_assert_int_eq(db_origin_check_folder(folder, url, &why), RK_PRECONDITION);
        ck_assert_msg(says(&why, "another server's data folder: "), "%s", why.msg);
        ck_assert_msg(says(&why, theirs[i]), "%s", why.msg);
        ck_assert_int_eq(db_origin_check_folder(folder, "postgres:host=x", &why), RK_PRECONDITION);
        ck_assert_uint_eq(folder_sum(), before);
        env_unlink(&e, theirs[i]);
    }
    (void)snprintf(path, sizeof path, "%s/store.json", e.dir); /* of releases without a database */
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    (void)fclose(f);
    ck_assert_int_eq(db_origin_check_folder(folder, url, &why), RK_PRECONDITION);
    ck_assert_msg(says(&why, "store.json"), "%s", why.msg);
    env_unlink(&e, "store.json");
    made_elsewhere("store.db", NETBIRD);
    (void)snprintf(path, sizeof path, "%s/store.key", e.dir);
    f = fopen(path, "w"); /* our own key: somebody put their file into our folder */
    ck_assert_ptr_nonnull(f);
    (void)fclose(f);
    ck_ok(db_origin_check_folder(folder, url, err));
    env_unlink(&e, "store.key");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("db_file");
    TCase *tc = tcase_create("lock");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_second_server_is_refused_and_told_who_is_first);
    tcase_add_loop_test(tc, another_name_in_another_folder_is_no_other_database, 0, 2);
    tcase_add_test(tc, the_lock_outlives_foreign_closes_and_ends_with_its_process);
    tcase_add_test(tc, a_place_that_cannot_be_written_is_named);
    tcase_add_test(tc, file_systems_of_several_machines_are_known);
    suite_add_tcase(s, tc);
    tc = tcase_create("origin");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_foreign_database_is_left_as_it_is, 0, (int)RK_ARRAY_LEN(FOREIGN));
    tcase_add_test(tc, what_is_no_database_is_left_as_it_is);
    tcase_add_test(tc, our_own_file_is_known_at_every_stage);
    tcase_add_test(tc, odd_names_of_files_are_no_parameters);
    tcase_add_test(tc, a_folder_of_the_official_server_is_refused);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
