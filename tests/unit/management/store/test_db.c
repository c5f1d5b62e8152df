/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of management/store/db and migrate on real SQLite and real PostgreSQL. */
#include "config.h"

#include "management/store/db.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "management/store/migrate.h"
#include "tests/unit/management/store_env.h"
#include "tests/unit/run.h"

static const char SQL_T[] = "CREATE TABLE t (id TEXT PRIMARY KEY, n BIGINT, b BLOB, u TEXT UNIQUE)";
static const char SQL_T_PG[] =
    "CREATE TABLE t (id TEXT PRIMARY KEY, n BIGINT, b BYTEA, u TEXT UNIQUE)";
static const char SQL_INSERT[] = "INSERT INTO t (id, n, b, u) VALUES ($1, $2, $3, $4)";
static const char SQL_SELECT[] = "SELECT id, n, b, u FROM t WHERE n >= $1 ORDER BY n";
static const char SQL_COUNT[] = "SELECT count(*) FROM t";
static const char SQL_REVERSED[] = "SELECT n FROM t WHERE n < $2 AND n > $1 AND id <> $3";

static struct env e;
static struct db *db;

static void setup(int engine)
{
    env_open(&e, engine);
    db = env_db(&e);
    ck_ok(db_script(db, e.pg ? SQL_T_PG : SQL_T, err));
}

static void teardown(void)
{
    db_close(db);
    db = NULL;
    env_close(&e);
}

static int64_t count(void)
{
    int64_t n = -1;

    ck_ok(db_get_i64(db, &n, err, SQL_COUNT, DB_NOARGS));
    return n;
}

static enum rk_code insert(struct db *d, const char *id, int64_t n, struct rk_err *err)
{
    return db_exec(d, err, NULL, SQL_INSERT,
                   DB_ARGS(db_textz(id), db_i64(n), db_blob(RK_STR("\0\xff")), db_null()));
}

START_TEST(values_come_back_as_they_went_in)
{
    struct rk_arena *mem = rk_arena_new(0);
    struct db_rows *rows = NULL;

    setup(_i);
    ck_ok(db_exec(db, err, NULL, SQL_INSERT,
                  DB_ARGS(db_text(RK_STR("a\xc3\xa4")), db_i64(INT64_MIN),
                          db_blob(RK_STR("\0\1\0")), db_text(RK_STR("")))));
    ck_ok(db_exec(db, err, NULL, SQL_INSERT,
                  DB_ARGS(db_textz("b"), db_i64(INT64_MAX), db_blob(rk_str_of(NULL, 0)),
                          db_text_opt(RK_STR("")))));
    ck_ok(db_query(db, &rows, err, SQL_SELECT, DB_ARGS(db_i64(INT64_MIN))));
    ck_assert(db_next(rows));
    ck_assert(rk_str_eqz(db_col_text(rows, 0, mem), "a\xc3\xa4"));
    ck_assert(db_col_i64(rows, 1) == INT64_MIN);
    ck_assert(rk_str_eq(db_col_blob(rows, 2, mem), RK_STR("\0\1\0")));
    ck_assert(!db_col_null(rows, 3));
    ck_assert_uint_eq(db_col_text_peek(rows, 3).n, 0);
    ck_assert(db_next(rows));
    ck_assert(db_col_i64(rows, 1) == INT64_MAX);
    ck_assert(!db_col_null(rows, 2));
    ck_assert(db_col_null(rows, 3));
    ck_assert(!db_next(rows));
    ck_assert(!db_next(rows));
    ck_ok(db_end(rows, err));
    db_rows_free(rows);
    rk_arena_free(mem);
    teardown();
}
END_TEST

START_TEST(parameters_go_by_number_not_by_appearance)
{
    int64_t n = 0;

    setup(_i);
    for (int64_t i = 1; i <= 5; i++) {
        char id[8];

        (void)snprintf(id, sizeof id, "r%d", (int)i);
        ck_ok(insert(db, id, i, err));
    }
    ck_ok(db_get_i64(db, &n, err, SQL_REVERSED, DB_ARGS(db_i64(2), db_i64(4), db_textz("x"))));
    ck_assert_int_eq(n, 3);
    teardown();
}
END_TEST

START_TEST(errors_have_the_same_code_on_both)
{
    struct db_rows *rows = NULL;
    static const char bad_sql[] = "SELEKT 1";
    static const char no_table[] = "SELECT x FROM nowhere";
    static const char check[] = "INSERT INTO t (id, n) VALUES (NULL, 1)";

    setup(_i);
    ck_ok(insert(db, "a", 1, err));
    ck_fails(insert(db, "a", 2, err), RK_EXISTS);
    ck_fails(db_exec(db, err, NULL, bad_sql, DB_NOARGS), RK_INTERNAL);
    ck_fails(db_exec(db, err, NULL, no_table, DB_NOARGS), RK_INTERNAL);
    if (e.pg) /* an SQLite text key may be NULL unless the table has no rowid */
        ck_fails(db_exec(db, err, NULL, check, DB_NOARGS), RK_INVALID);
    ck_fails(insert(db, "\xff", 2, err), RK_INVALID);
    ck_fails(db_exec(db, err, NULL, SQL_INSERT,
                     DB_ARGS(db_text(RK_STR("a\0b")), db_i64(1), db_null(), db_null())),
             RK_INVALID);
    ck_fails(db_exec(db, err, NULL, SQL_INSERT, DB_ARGS(db_textz("q"))), RK_INTERNAL);
    ck_ok(db_query(db, &rows, err, SQL_SELECT, DB_ARGS(db_i64(0))));
    ck_assert(db_next(rows));
    ck_assert_int_eq(db_col_i64(rows, 0), 0); /* a text */
    ck_assert_int_eq(db_col_i64(rows, 1), 0); /* sticky: reads as nothing from here on */
    ck_assert(!db_next(rows));
    ck_fails(db_end(rows, err), RK_INTERNAL);
    db_rows_free(rows);
    ck_assert_int_eq(count(), 1);
    teardown();
}
END_TEST

START_TEST(two_statements_are_read_at_once)
{
    static const char other[] = "SELECT n FROM t WHERE n = $1";
    struct db_rows *a = NULL, *b = NULL, *c = NULL;
    int n = 0;

    setup(_i);
    ck_ok(insert(db, "a", 1, err));
    ck_ok(insert(db, "b", 2, err));
    ck_ok(db_query(db, &a, err, SQL_SELECT, DB_ARGS(db_i64(0))));
    while (db_next(a)) {
        ck_ok(db_query(db, &b, err, other, DB_ARGS(db_i64(db_col_i64(a, 1)))));
        ck_assert(db_next(b));
        ck_assert_int_eq(db_col_i64(a, 1), db_col_i64(b, 0));
        db_rows_free(b);
        n++;
        ck_fails(db_query(db, &c, err, SQL_SELECT, DB_ARGS(db_i64(0))), RK_INTERNAL);
    }
    ck_assert_int_eq(n, 2);
    ck_ok(db_end(a, err));
    db_rows_free(a);
    teardown();
}
END_TEST

static enum rk_code put_two(struct db *d, void *arg, struct rk_err *err)
{
    enum rk_code *then = arg;
    enum rk_code rc = insert(d, "x", 1, err);

    if (rc == RK_OK)
        rc = insert(d, "y", 2, err);
    return rc ? rc : *then ? rk_fail(err, *then, "as told") : RK_OK;
}

START_TEST(a_transaction_is_all_or_nothing)
{
    enum rk_code then = RK_FORBIDDEN;

    setup(_i);
    ck_fails(db_tx(db, put_two, &then, err), RK_FORBIDDEN);
    ck_assert_int_eq(count(), 0);
    then = RK_OK;
    ck_ok(db_tx(db, put_two, &then, err));
    ck_assert_int_eq(count(), 2);
    ck_fails(db_tx(db, put_two, &then, err), RK_EXISTS);
    ck_assert_int_eq(count(), 2);
    teardown();
}
END_TEST

START_TEST(savepoints_undo_a_part)
{
    setup(_i);
    ck_ok(db_begin(db, err));
    ck_ok(insert(db, "a", 1, err));
    ck_ok(db_savepoint(db, err));
    ck_ok(insert(db, "b", 1, err));
    ck_ok(db_savepoint(db, err));
    ck_fails(insert(db, "b", 1, err), RK_EXISTS);
    ck_ok(db_savepoint_undo(db, err));
    ck_ok(insert(db, "c", 1, err));
    ck_ok(db_savepoint_release(db, err));
    ck_ok(db_savepoint(db, err));
    ck_ok(insert(db, "d", 1, err));
    ck_fails(insert(db, "d", 1, err), RK_EXISTS);
    ck_ok(db_savepoint_undo(db, err));
    ck_ok(db_commit(db, err));
    ck_assert_int_eq(count(), 3);
    teardown();
}
END_TEST

START_TEST(lazy_statements_tell_their_errors_later)
{
    setup(_i);
    db_set_lazy(db, true);
    ck_ok(db_begin(db, err));
    for (int i = 0; i < 1000; i++) { /* more than are ever on their way at once */
        char id[16];

        (void)snprintf(id, sizeof id, "%d", i);
        ck_ok(insert(db, id, i, err));
    }
    ck_ok(db_sync(db, err));
    ck_ok(db_savepoint(db, err));
    ck_ok(insert(db, "x", 1, err));
    {
        struct rk_err why = {0};
        enum rk_code rc = insert(db, "x", 2, &why);

        if (rc == RK_OK)
            rc = db_sync(db, &why);
        ck_assert_int_eq(rc, RK_EXISTS);
    }
    ck_ok(db_savepoint_undo(db, err));
    ck_ok(insert(db, "y", 1, err));
    ck_assert_int_eq(count(), 1001);
    ck_ok(db_commit(db, err));
    ck_ok(db_begin(db, err));
    ck_ok(insert(db, "z", 1, err));
    if (insert(db, "z", 1, NULL) == RK_OK) /* the error comes with the commit, and undoes all */
        ck_fails(db_commit(db, err), RK_EXISTS);
    else
        db_rollback(db);
    ck_assert_int_eq(count(), 1001);
    ck_ok(db_begin(db, err));
    ck_ok(insert(db, "z", 1, err));
    db_rollback(db);
    ck_assert_int_eq(count(), 1001);
    teardown();
}
END_TEST

START_TEST(a_lock_that_stays_is_unavailable_and_can_be_retried)
{
    struct db *other;

    setup(_i);
    other = env_db(&e);
    ck_ok(insert(db, "a", 1, err));
    ck_ok(db_begin(other, err));
    ck_ok(insert(other, "z", 1, err));
    if (e.pg) { /* rows lock, not the file */
        ck_ok(db_begin(db, err));
        ck_fails(insert(db, "z", 1, err), RK_UNAVAILABLE);
        ck_assert(db_should_retry(db));
        db_rollback(db);
    } else {
        ck_fails(db_begin(db, err), RK_UNAVAILABLE);
        ck_assert(db_should_retry(db));
    }
    ck_assert_int_eq(count(), 1); /* readers go on */
    db_rollback(other);
    db_close(other);
    ck_ok(insert(db, "z", 1, err));
    teardown();
}
END_TEST

struct racer {
    pthread_t thread;
    struct db *db;
    enum rk_code rc;
};

static enum rk_code bump(struct db *d, void *arg, struct rk_err *err)
{
    static const char read[] = "SELECT n FROM t WHERE id = 'c'";
    static const char write[] = "UPDATE t SET n = $1 WHERE id = 'c'";
    static const char lock[] = "UPDATE t SET n = n WHERE id = 'c'";
    int64_t n = 0;
    enum rk_code rc = db_exec(d, err, NULL, lock, DB_NOARGS);

    (void)arg;
    if (rc == RK_OK)
        rc = db_get_i64(d, &n, err, read, DB_NOARGS);
    return rc ? rc : db_exec(d, err, NULL, write, DB_ARGS(db_i64(n + 1)));
}

static void *race(void *arg)
{
    struct racer *r = arg;
    struct rk_err err = {0};

    for (int i = 0; i < 50 && r->rc == RK_OK; i++)
        r->rc = db_tx(r->db, bump, NULL, &err);
    return NULL;
}

START_TEST(racing_transactions_lose_nothing)
{
    static const char read[] = "SELECT n FROM t WHERE id = 'c'";
    struct racer r[4] = {0};
    int64_t n = 0;

    setup(_i);
    ck_ok(insert(db, "c", 0, err));
    for (size_t i = 0; i < RK_ARRAY_LEN(r); i++) {
        struct db_opts o = {.url = e.url, .busy_ms = 5000};

        ck_ok(db_open(&r[i].db, &o, err));
        ck_assert_int_eq(pthread_create(&r[i].thread, NULL, race, &r[i]), 0);
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(r); i++) {
        ck_assert_int_eq(pthread_join(r[i].thread, NULL), 0);
        ck_assert_int_eq(r[i].rc, RK_OK);
        db_close(r[i].db);
    }
    ck_ok(db_get_i64(db, &n, err, read, DB_NOARGS));
    ck_assert_int_eq(n, 200);
    teardown();
}
END_TEST

START_TEST(a_full_disk_is_unavailable_and_heals)
{
    struct rlimit keep, tight;
    struct stat st;
    char wal[120];
    int64_t before = 0;
    static char big[100000];

    setup(0);
    ck_ok(insert(db, "a", 1, err));
    (void)snprintf(wal, sizeof wal, "%s/store.db-wal", e.dir);
    ck_assert_int_eq(stat(wal, &st), 0);
    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &keep), 0);
    tight = keep;
    tight.rlim_cur = (rlim_t)st.st_size + 8192; /* write() beyond fails, as on a full disk */
    before = count();
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &tight), 0);
    memset(big, 'x', sizeof big);
    ck_ok(db_begin(db, err));
    ck_ok(insert(db, "b", 2, err));
    {
        struct rk_err err = {0};
        enum rk_code rc = db_exec(
            db, &err, NULL, SQL_INSERT,
            DB_ARGS(db_textz("c"), db_i64(3), db_blob(rk_str_of(big, sizeof big)), db_null()));

        if (rc == RK_OK)
            rc = db_commit(db, &err);
        else
            db_rollback(db);
        ck_assert_msg(rc == RK_UNAVAILABLE, "%s: %s", rk_code_name(rc), err.msg);
    }
    ck_assert_int_eq(count(), before);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &keep), 0);
    ck_ok(insert(db, "b", 2, err));
    ck_assert_int_eq(count(), before + 1);
    teardown();
}
END_TEST

START_TEST(a_database_that_goes_away_is_noticed)
{
    char path[120], aside[120];

    setup(0);
    ck_ok(insert(db, "a", 1, err));
    (void)snprintf(path, sizeof path, "%s/store.db", e.dir);
    (void)snprintf(aside, sizeof aside, "%s/aside.db", e.dir);
    ck_assert_int_eq(rename(path, aside), 0);
    ck_fails(insert(db, "b", 2, err), RK_UNAVAILABLE);
    ck_fails(db_begin(db, err), RK_UNAVAILABLE);
    ck_assert(db_is_broken(db));
    ck_assert_int_eq(rename(aside, path), 0);
    ck_ok(insert(db, "b", 2, err)); /* connects anew */
    ck_assert(!db_is_broken(db));
    ck_assert_int_eq(count(), 2);
    teardown();
}
END_TEST

START_TEST(a_server_that_cuts_the_connection_is_survived)
{
    static const char kill_others[] = "SELECT count(pg_terminate_backend(pid)) FROM "
                                      "pg_stat_activity WHERE datname = current_database() AND "
                                      "pid <> pg_backend_pid()";
    struct db *other;
    int64_t n;

    if (_i == 0)
        return;
    setup(_i);
    other = env_db(&e);
    ck_ok(insert(db, "a", 1, err));
    ck_ok(db_begin(db, err));
    ck_ok(insert(db, "b", 2, err));
    ck_ok(db_get_i64(other, &n, err, kill_others, DB_NOARGS));
    ck_assert_int_ge(n, 1);
    ck_fails(insert(db, "c", 3, err), RK_UNAVAILABLE);
    ck_assert(db_is_broken(db));
    db_rollback(db);
    ck_assert_int_eq(count(), 1); /* connected anew, half a transaction is gone */
    db_close(other);
    teardown();
}
END_TEST

/* A pooler or an administrator ends idle connections; the next use, whatever it is, does not hear
 * of it, and nothing happens twice. */
START_TEST(a_closed_idle_connection_is_renewed)
{
    static const char kill_others[] = "SELECT count(pg_terminate_backend(pid, 10000)) FROM "
                                      "pg_stat_activity WHERE datname = current_database() AND "
                                      "pid <> pg_backend_pid()";
    struct db *other;
    int64_t n;

    if (_i == 0)
        return;
    setup(_i);
    other = env_db(&e);
    for (int use = 0; use < 3; use++) {
        ck_ok(insert(db, use == 0 ? "a" : use == 1 ? "b" : "c", use, err));
        ck_ok(db_get_i64(other, &n, err, kill_others, DB_NOARGS));
        ck_assert_int_ge(n, 1); /* the backend is gone: pg_terminate_backend has waited for it */
        if (use == 0) {
            ck_ok(insert(db, "x", 10, err));
        } else if (use == 1) {
            db_set_lazy(db, true);
            ck_ok(db_begin(db, err));
            ck_ok(insert(db, "y", 11, err));
            ck_ok(db_commit(db, err));
            db_set_lazy(db, false);
        } else {
            ck_ok(db_script(db, "INSERT INTO t (id, n) VALUES ('z', 12)", err));
        }
    }
    ck_assert_int_eq(count(), 6);
    db_close(other);
    teardown();
}
END_TEST

/* Who waits for news must hear that some may be lost, also when another use of the connection was
 * the one to renew it. */
START_TEST(a_renewed_connection_does_not_listen)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rk_str news;
    int64_t n = 0;
    bool got = true;

    if (_i == 0)
        return; /* SQLite has no news */
    setup(_i);
    ck_ok(db_listen(db, "news", err));
    ck_ok(db_wait_notify(db, 1, -1, mem, &got, &news, err));
    ck_fails(db_script(db, "SELECT pg_terminate_backend(pg_backend_pid())", err), RK_UNAVAILABLE);
    ck_ok(db_get_i64(db, &n, err, "SELECT 1", DB_NOARGS)); /* connected again */
    ck_fails(db_wait_notify(db, 1, -1, mem, &got, &news, err), RK_UNAVAILABLE);
    ck_ok(db_listen(db, "news", err));
    ck_ok(db_notify(db, "news", RK_STR("hello"), err));
    ck_ok(db_wait_notify(db, 5000, -1, mem, &got, &news, err));
    ck_assert(got && rk_str_eqz(news, "hello"));
    teardown();
}
END_TEST

START_TEST(files_are_private)
{
    struct stat st;
    char path[120];

    setup(0);
    ck_ok(insert(db, "a", 1, err));
    for (int i = 0; i < 3; i++) {
        static const char *const names[] = {"store.db", "store.db-wal", "store.db-shm"};

        (void)snprintf(path, sizeof path, "%s/%s", e.dir, names[i]);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_eq(st.st_mode & 0777, 0600);
    }
    teardown();
}
END_TEST

START_TEST(urls_are_told_apart)
{
    struct db *none = NULL;
    struct db_opts bad = {.url = "sqlite:"};
    struct db_opts nowhere = {.url = "sqlite:/nonexistent/dir/x.db"};
    struct db_opts no_server = {.url = "host=/nonexistent dbname=x"};

    ck_assert(db_url_is_pg("postgres://u@h/d"));
    ck_assert(db_url_is_pg("postgresql:///d"));
    ck_assert(db_url_is_pg("host=x dbname=y"));
    ck_assert(db_url_is_pg("user=x dbname=y"));
    ck_assert(db_url_is_pg("host = 'x' password = 'a b'"));
    ck_assert(db_url_is_pg("postgres:service=x"));
    ck_assert(!db_url_is_pg("sqlite:/a"));
    ck_assert(!db_url_is_pg("sqlite:/a=b"));
    ck_assert(!db_url_is_pg("/var/lib/x.db"));
    ck_assert(!db_url_is_pg("/var/lib/a=b.db"));
    ck_fails(db_open(&none, &bad, err), RK_INVALID);
    ck_fails(db_open(&none, &nowhere, err), RK_UNAVAILABLE);
    ck_fails(db_open(&none, &no_server, err), RK_UNAVAILABLE);
    ck_assert_ptr_null(none);
}
END_TEST

#define SECRET "tops3cret"

/* What engine postgres is given: every form of libpq is taken, and nothing else is. */
static const struct {
    const char *dsn;
    bool good;
} DSNS[] = {
    {"postgres://u:" SECRET "@localhost:1/d?sslmode=disable", true},
    {"postgresql://u:" SECRET "@localhost:1,localhost:2/d", true},
    {"postgresql:///d?host=/nonexistent&password=" SECRET, true},
    {"host=/nonexistent password=" SECRET, true},
    {"host = /nonexistent user = u password = " SECRET, true},
    {"  host='/nonexistent' password='a b\\'" SECRET "' dbname = x ", true},
    {"dbname=x\thost=/nonexistent\npassword=" SECRET, true},
    {"port=1 host=localhost password=" SECRET, true},
    {SECRET, false},
    {"", false},
    {"   ", false},
    {"/var/lib/" SECRET, false},
    {"sqlite:/tmp/" SECRET, false},
    {"mysql://u:" SECRET "@tcp(localhost)/d", false},
    {"host=x password=" SECRET " and more", false},
    {"host=x password='" SECRET, false},
    {"host=x nonsense=" SECRET, false},
    {"postgres://u:" SECRET "%zz@localhost/d", false},
    {"postgres://u:a/" SECRET "@localhost/d", false},
    {"postgres://u:a@" SECRET "@localhost/d", false},
    {"postgres://u:a@[::1/" SECRET, false},
    {"postgres://localhost/d?pass=" SECRET, false},
};

/* A password never reaches a text, and no file is named after one. */
START_TEST(a_stated_engine_is_never_another)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rk_str dsn = rk_str_z(DSNS[_i].dsn);
    struct rk_err why = {0};
    const char *url = NULL;
    enum rk_code rc =
        db_url_make(mem, RK_STR("postgres"), dsn, RK_STR("/nonexistent/x"), &url, &why);

    ck_assert_msg((rc == RK_OK) == DSNS[_i].good, "%s: %s", DSNS[_i].dsn, why.msg);
    ck_assert_msg(!strstr(why.msg, SECRET), "%s", why.msg);
    if (rc) {
        ck_assert_int_eq(rc, RK_INVALID);
        ck_assert_ptr_null(url);
        return;
    }
    ck_assert(db_url_is_pg(url));
    {
        struct db_opts o = {.url = url};
        struct db *none = NULL;

        ck_assert_int_eq(db_open(&none, &o, &why), RK_UNAVAILABLE);
        ck_assert_ptr_null(none);
        ck_assert_msg(strstr(why.msg, "connect") && !strstr(why.msg, SECRET), "%s", why.msg);
    }
}
END_TEST

START_TEST(an_engine_that_is_unknown_is_refused)
{
    static const char *const unknown[] = {"mysql", "postgres ql", "sqlite3", "file"};
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rk_str path = RK_STR("/x/y.db"), none = {0};
    const char *url = NULL;

    for (size_t i = 0; i < RK_ARRAY_LEN(unknown); i++)
        ck_fails(db_url_make(mem, rk_str_z(unknown[i]), none, path, &url, err), RK_INVALID);
    ck_ok(db_url_make(mem, none, none, path, &url, err));
    ck_assert_str_eq(url, "sqlite:/x/y.db");
    ck_ok(db_url_make(mem, RK_STR("SQLite"), RK_STR("postgres://ignored"), path, &url, err));
    ck_assert_str_eq(url, "sqlite:/x/y.db");
    ck_fails(db_url_check("rookery.db", err), RK_INVALID);
    ck_fails(db_url_check("mysql://x", err), RK_INVALID);
}
END_TEST

/* PostgreSQL has no file to look at: the tables of its schema say whose it is. */
START_TEST(a_foreign_schema_is_left_as_it_is)
{
    static const char tables[] = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = "
                                 "c.relnamespace WHERE n.nspname = 'public'";
    struct rk_err why = {0};
    int64_t before = 0, after = 0;

    if (_i == 0)
        return;
    setup(_i); /* with a table t */
    ck_ok(db_script(db,
                    "CREATE TABLE accounts (id text); CREATE TABLE setup_keys (id text);"
                    "CREATE TABLE peers (id text)",
                    err));
    ck_ok(db_get_i64(db, &before, err, tables, DB_NOARGS));
    ck_assert_int_eq(store_migrate(db, &why), RK_PRECONDITION);
    ck_assert_msg(strstr(why.msg, "PostgreSQL database belongs to a NetBird server"), "%s",
                  why.msg);
    ck_ok(db_get_i64(db, &after, err, tables, DB_NOARGS));
    ck_assert_int_eq(after, before);
    ck_ok(db_script(db, "CREATE SCHEMA ours; SET search_path TO ours", err));
    ck_ok(store_migrate(db, err)); /* a schema of its own in the same database */
    teardown();
}
END_TEST

/* ---- migrations */

START_TEST(migrations_run_once_and_in_order)
{
    static const struct schema_sql two[] = {
        {1, "0001_a", "CREATE TABLE m (id @autoid@, b @bytes@);"},
        {2, "0002_b",
         "CREATE TABLE n (id TEXT PRIMARY KEY) @norowid@; INSERT INTO m (b) VALUES "
         "(NULL); INSERT INTO m (b) VALUES (NULL);"},
    };
    static const struct schema_sql altered[] = {{1, "0001_a", "CREATE TABLE other (x BIGINT);"}};
    static const struct schema_sql broken[] = {
        {1, "0001_a", "CREATE TABLE m (id @autoid@, b @bytes@);"},
        {2, "0002_b",
         "CREATE TABLE n (id TEXT PRIMARY KEY) @norowid@; INSERT INTO m (b) VALUES "
         "(NULL); INSERT INTO m (b) VALUES (NULL);"},
        {3, "0003_c", "CREATE TABLE o (x BIGINT); INSERT INTO nowhere VALUES (1);"},
    };
    static const char sum[] = "SELECT count(*) FROM m WHERE id <= 2";
    static const char gone[] = "SELECT count(*) FROM o";
    int64_t n = 0;

    setup(_i);
    ck_ok(db_script(db, "DROP TABLE t", err));
    ck_ok(store_migrate_with(db, two, 1, err));
    ck_ok(store_migrate_with(db, two, 2, err));
    ck_ok(store_migrate_with(db, two, 2, err));
    ck_ok(db_get_i64(db, &n, err, sum, DB_NOARGS));
    ck_assert_int_eq(n, 2);
    ck_fails(store_migrate_with(db, two, 1, err), RK_PRECONDITION); /* older program */
    ck_fails(store_migrate_with(db, altered, 1, err), RK_PRECONDITION);
    ck_fails(store_migrate_with(db, broken, 3, err), RK_INTERNAL);
    ck_fails(db_get_i64(db, &n, err, gone, DB_NOARGS), RK_INTERNAL);
    ck_ok(store_migrate_with(db, two, 2, err));
    teardown();
}
END_TEST

static void *migrate_thread(void *arg)
{
    struct racer *r = arg;
    struct rk_err err = {0};

    r->rc = store_migrate(r->db, &err);
    if (r->rc)
        (void)fprintf(stderr, "migrate: %s\n", err.msg);
    return NULL;
}

START_TEST(the_real_schema_migrates_while_others_try_too)
{
    struct racer r[4] = {0};
    static const char tables[] = "SELECT count(*) FROM account";
    int64_t n = -1;

    setup(_i);
    ck_ok(db_script(db, "DROP TABLE t", err));
    for (size_t i = 0; i < RK_ARRAY_LEN(r); i++) {
        struct db_opts o = {.url = e.url};

        ck_ok(db_open(&r[i].db, &o, err));
        ck_assert_int_eq(pthread_create(&r[i].thread, NULL, migrate_thread, &r[i]), 0);
    }
    for (size_t i = 0; i < RK_ARRAY_LEN(r); i++) {
        ck_assert_int_eq(pthread_join(r[i].thread, NULL), 0);
        ck_assert_int_eq(r[i].rc, RK_OK);
        db_close(r[i].db);
    }
    ck_ok(db_get_i64(db, &n, err, tables, DB_NOARGS));
    ck_assert_int_eq(n, 0);
    teardown();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("db");
    TCase *tc = tcase_create("db");
    int engines = env_engines();

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, values_come_back_as_they_went_in, env_first(), engines);
    tcase_add_loop_test(tc, parameters_go_by_number_not_by_appearance, env_first(), engines);
    tcase_add_loop_test(tc, errors_have_the_same_code_on_both, env_first(), engines);
    tcase_add_loop_test(tc, two_statements_are_read_at_once, env_first(), engines);
    tcase_add_loop_test(tc, a_transaction_is_all_or_nothing, env_first(), engines);
    tcase_add_loop_test(tc, savepoints_undo_a_part, env_first(), engines);
    tcase_add_loop_test(tc, lazy_statements_tell_their_errors_later, env_first(), engines);
    tcase_add_loop_test(tc, a_lock_that_stays_is_unavailable_and_can_be_retried, env_first(),
                        engines);
    tcase_add_loop_test(tc, racing_transactions_lose_nothing, env_first(), engines);
    tcase_add_test(tc, a_full_disk_is_unavailable_and_heals);
    tcase_add_test(tc, a_database_that_goes_away_is_noticed);
    tcase_add_loop_test(tc, a_server_that_cuts_the_connection_is_survived, env_first(), engines);
    tcase_add_loop_test(tc, a_closed_idle_connection_is_renewed, env_first(), engines);
    tcase_add_loop_test(tc, a_renewed_connection_does_not_listen, env_first(), engines);
    tcase_add_test(tc, files_are_private);
    tcase_add_test(tc, urls_are_told_apart);
    tcase_add_loop_test(tc, a_stated_engine_is_never_another, 0, (int)RK_ARRAY_LEN(DSNS));
    tcase_add_test(tc, an_engine_that_is_unknown_is_refused);
    tcase_add_loop_test(tc, a_foreign_schema_is_left_as_it_is, env_first(), engines);
    tcase_add_loop_test(tc, migrations_run_once_and_in_order, env_first(), engines);
    tcase_add_loop_test(tc, the_real_schema_migrates_while_others_try_too, env_first(), engines);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
