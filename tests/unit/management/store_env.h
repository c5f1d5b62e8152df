/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Databases for store tests: a fresh SQLite file in a temporary directory, or a fresh database of
 * the PostgreSQL that tests/lib/pg.sh started (RK_TEST_PG). A test that takes an env runs once on
 * each engine: register it with tcase_add_loop_test(tc, fn, env_first(), env_engines()).
 */
#ifndef TESTS_STORE_ENV_H
#define TESTS_STORE_ENV_H

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "management/store/db.h"

#define ck_ok(call)                                                                                \
    do {                                                                                           \
        struct rk_err ck_err_ = {0}, *err = &ck_err_;                                              \
        enum rk_code ck_rc_ = (call);                                                              \
        ck_assert_msg(ck_rc_ == RK_OK, "%s: %s: %s", #call, rk_code_name(ck_rc_), ck_err_.msg);    \
    } while (0)

#define ck_fails(call, code)                                                                       \
    do {                                                                                           \
        struct rk_err ck_err_ = {0}, *err = &ck_err_;                                              \
        enum rk_code ck_rc_ = (call);                                                              \
        ck_assert_msg(ck_rc_ == (code), "%s: got %s (%s), want %s", #call, rk_code_name(ck_rc_),   \
                      ck_err_.msg, rk_code_name(code));                                            \
    } while (0)

struct env {
    char dir[64];
    char name[40]; /* PostgreSQL: the database */
    char url[320];
    bool pg;
};

/** Engines to loop over: SQLite, and PostgreSQL when there is one. */
static inline int env_engines(void)
{
    if (getenv("RK_TEST_PG"))
        return 2;
    (void)fprintf(stderr, "NOTE: RK_TEST_PG is not set: the PostgreSQL half is SKIPPED "
                          "(run the test under tests/lib/pg.sh)\n");
    return 1;
}

/** The first of them; under on_pg.sh PostgreSQL, since SQLite has its turn without it. */
static inline int env_first(void)
{
    return getenv("RK_TEST_PG_ONLY") ? 1 : 0;
}

static inline void env_pg_admin(const char *what, const char *name)
{
    struct db_opts o = {.url = getenv("RK_TEST_PG")};
    struct db *db = NULL;
    char sql[120];

    (void)snprintf(sql, sizeof sql, "%s DATABASE %s", what, name);
    ck_ok(db_open(&db, &o, err));
    ck_ok(db_script(db, sql, err));
    db_close(db);
}

static inline void env_open(struct env *e, int engine)
{
    static int serial;

    *e = (struct env){.pg = engine == 1};
    (void)snprintf(e->dir, sizeof e->dir, "/tmp/rookery-store.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(e->dir));
    (void)snprintf(e->url, sizeof e->url, "sqlite:%s/store.db", e->dir);
    if (!e->pg)
        return;
    (void)snprintf(e->name, sizeof e->name, "t_%d_%d", (int)getpid(), serial++);
    env_pg_admin("CREATE", e->name);
    /* of two dbname words the last one counts */
    (void)snprintf(e->url, sizeof e->url, "%s dbname=%s", getenv("RK_TEST_PG"), e->name);
}

static inline void env_unlink(const struct env *e, const char *file)
{
    char path[200];

    (void)snprintf(path, sizeof path, "%s/%s", e->dir, file);
    (void)unlink(path);
}

static inline void env_close(struct env *e)
{
    if (e->pg)
        env_pg_admin("DROP", e->name);
    env_unlink(e, "store.db");
    env_unlink(e, "store.db-wal");
    env_unlink(e, "store.db-shm");
    env_unlink(e, "store.db.lock");
    ck_assert_int_eq(rmdir(e->dir), 0);
}

static inline struct db *env_db(const struct env *e)
{
    struct db_opts o = {.url = e->url, .busy_ms = 300};
    struct db *db = NULL;

    ck_ok(db_open(&db, &o, err));
    return db;
}

#endif
