/* SPDX-License-Identifier: BSD-3-Clause */
/* The common half of the database seam: see db.h. */
#include "config.h"

#include "management/store/db.h"

#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "management/store/db_impl.h"

#define DB_SAVEPOINTS 3 /* nested levels: one mutation, one try inside it, one spare */

void db_stmts_drop(struct db *db)
{
    for (size_t i = 0; i < DB_BUCKETS; i++)
        while (db->stmts[i]) {
            struct db_stmt *st = db->stmts[i];

            db->stmts[i] = st->next;
            db->ops->stmt_free(db, st);
        }
}

void db_close(struct db *db)
{
    if (!db)
        return;
    db_rollback(db);
    db_stmts_drop(db);
    db->ops->close(db);
}

void db_closep(struct db **db)
{
    db_close(*db);
    *db = NULL;
}

enum db_engine db_engine_of(const struct db *db)
{
    return db->engine;
}

bool db_should_retry(const struct db *db)
{
    return db->retry;
}

bool db_was_refused(const struct db *db)
{
    return db->refused;
}

bool db_is_broken(const struct db *db)
{
    return db->broken;
}

/* ---- statements */

static enum rk_code stmt_find(struct db *db, const char *sql, struct db_stmt **out,
                              struct rk_err *err)
{
    size_t bucket = ((uintptr_t)sql >> 4 ^ (uintptr_t)sql >> 12) % DB_BUCKETS;
    enum rk_code rc;

    for (struct db_stmt *st = db->stmts[bucket]; st; st = st->next)
        if (st->sql == sql) {
            *out = st;
            return RK_OK;
        }
    rc = db->ops->prepare(db, sql, out, err);
    if (rc)
        return rc;
    (*out)->sql = sql;
    (*out)->next = db->stmts[bucket];
    (*out)->rows = (struct db_rows){.db = db, .stmt = *out};
    db->stmts[bucket] = *out;
    return RK_OK;
}

/* Both engines must refuse the same texts, so the check stands in front of both. */
static enum rk_code args_check(const struct db_val *args, size_t n_args, struct rk_err *err)
{
    if (n_args > DB_ARGS_MAX)
        return rk_fail(err, RK_INTERNAL, "database: %zu arguments", n_args);
    for (size_t i = 0; i < n_args; i++)
        if (args[i].type == DB_TEXT && args[i].s.n &&
            (memchr(args[i].s.p, 0, args[i].s.n) || !rk_str_utf8_ok(args[i].s)))
            return rk_fail(err, RK_INVALID, "text is not valid UTF-8");
    return RK_OK;
}

void db_forget(struct db *db)
{
    db_stmts_drop(db);
}

void db_set_lazy(struct db *db, bool on)
{
    db->lazy = on;
}

enum rk_code db_sync(struct db *db, struct rk_err *err)
{
    if (db->n_sent == 0)
        return RK_OK;
    db->n_sent = 0;
    return db->ops->sync(db, err);
}

/* The statement, with the connection in a state to run it. */
static enum rk_code prepare(struct db *db, struct db_stmt **st, const char *sql,
                            const struct db_val *args, size_t n_args, struct rk_err *err)
{
    enum rk_code rc = args_check(args, n_args, err);

    if (rc == RK_OK && !db->tx)
        rc = db->ops->ready(db, err);
    else if (rc == RK_OK && !db->ops->in_tx(db)) /* what follows would not be part of it */
        rc = rk_fail(err, RK_UNAVAILABLE, "database: transaction was lost");
    if (rc == RK_OK)
        rc = stmt_find(db, sql, st, err);
    if (rc == RK_OK && (*st)->rows.open)
        rc = rk_fail(err, RK_INTERNAL, "database: statement is open already");
    return rc;
}

static enum rk_code start(struct db *db, struct db_stmt **st, int64_t *changed, const char *sql,
                          const struct db_val *args, size_t n_args, struct rk_err *err)
{
    enum rk_code rc = prepare(db, st, sql, args, n_args, err);

    if (rc == RK_OK)
        rc = db_sync(db, err);
    return rc ? rc : db->ops->run(db, *st, args, n_args, changed, err);
}

enum rk_code db_query(struct db *db, struct db_rows **rows, struct rk_err *err, const char *sql,
                      const struct db_val *args, size_t n_args)
{
    struct db_stmt *st = NULL;
    enum rk_code rc = start(db, &st, NULL, sql, args, n_args, err);

    if (rc)
        return rc;
    st->rows.open = true;
    st->rows.at_row = false;
    st->rows.at_end = false;
    st->rows.err = (struct rk_err){0};
    *rows = &st->rows;
    return RK_OK;
}

bool db_next(struct db_rows *rows)
{
    struct db *db;

    if (!rows || rows->err.code || rows->at_end)
        return false;
    db = rows->db;
    rows->at_row = false;
    if (db->ops->step(db, rows->stmt, &rows->at_row, &rows->err))
        rows->at_row = false;
    rows->at_end = !rows->at_row; /* SQLite would start over */
    return rows->at_row;
}

enum rk_code db_end(struct db_rows *rows, struct rk_err *err)
{
    if (rows->err.code)
        return rk_fail(err, rows->err.code, "%s", rows->err.msg);
    return RK_OK;
}

void db_rows_free(struct db_rows *rows)
{
    if (!rows || !rows->open)
        return;
    rows->open = false;
    rows->db->ops->reset(rows->db, rows->stmt);
}

void db_rows_freep(struct db_rows **rows)
{
    db_rows_free(*rows);
    *rows = NULL;
}

/* Column in the wanted type; NULL and errors give an empty value. */
static struct db_val column(struct db_rows *rows, int col, enum db_type want)
{
    struct db_val v = {0};

    if (rows->err.code || !rows->at_row)
        return (struct db_val){.type = DB_NULL};
    if (rows->stmt->rows.db->ops->column(rows->stmt, col, &v, &rows->err))
        return (struct db_val){.type = DB_NULL};
    if (v.type != DB_NULL && v.type != want) {
        (void)rk_fail(&rows->err, RK_INTERNAL, "database: column %d has another type", col);
        return (struct db_val){.type = DB_NULL};
    }
    return v;
}

bool db_col_null(struct db_rows *rows, int col)
{
    struct db_val v = {.type = DB_NULL};

    if (rows->err.code == RK_OK && rows->at_row)
        (void)rows->db->ops->column(rows->stmt, col, &v, &rows->err);
    return v.type == DB_NULL;
}

struct db_val db_col_any(struct db_rows *rows, int col)
{
    struct db_val v = {.type = DB_NULL};

    if (rows->err.code == RK_OK && rows->at_row)
        (void)rows->db->ops->column(rows->stmt, col, &v, &rows->err);
    return v;
}

int64_t db_col_i64(struct db_rows *rows, int col)
{
    return column(rows, col, DB_I64).i;
}

bool db_col_bool(struct db_rows *rows, int col)
{
    return column(rows, col, DB_I64).i != 0;
}

struct rk_str db_col_text_peek(struct db_rows *rows, int col)
{
    return column(rows, col, DB_TEXT).s;
}

struct rk_str db_col_blob_peek(struct db_rows *rows, int col)
{
    return column(rows, col, DB_BLOB).s;
}

struct rk_str db_col_text(struct db_rows *rows, int col, struct rk_arena *mem)
{
    return rk_arena_dup(mem, column(rows, col, DB_TEXT).s);
}

struct rk_str db_col_blob(struct db_rows *rows, int col, struct rk_arena *mem)
{
    return rk_arena_dup(mem, column(rows, col, DB_BLOB).s);
}

enum rk_code db_exec(struct db *db, struct rk_err *err, int64_t *changed, const char *sql,
                     const struct db_val *args, size_t n_args)
{
    struct db_stmt *st = NULL;
    int64_t n = 0;
    enum rk_code rc;

    if (db->lazy && db->tx && !changed && db->ops->send) {
        rc = prepare(db, &st, sql, args, n_args, err);
        return rc ? rc : db->ops->send(db, st, args, n_args, err);
    }
    rc = start(db, &st, &n, sql, args, n_args, err);
    if (rc == RK_OK && changed)
        *changed = n;
    return rc;
}

enum rk_code db_get_i64(struct db *db, int64_t *out, struct rk_err *err, const char *sql,
                        const struct db_val *args, size_t n_args)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, sql, args, n_args);
    int64_t v;

    if (rc)
        return rc;
    if (!db_next(rows)) {
        rc = db_end(rows, err);
        return rc ? rc : rk_fail(err, RK_NOT_FOUND, "no such row");
    }
    v = db_col_i64(rows, 0);
    rc = db_end(rows, err);
    if (rc == RK_OK)
        *out = v;
    return rc;
}

enum rk_code db_script(struct db *db, const char *sql, struct rk_err *err)
{
    enum rk_code rc = db->tx ? RK_OK : db->ops->ready(db, err);

    return rc ? rc : db->ops->script(db, sql, err);
}

/* ---- transactions */

static const char SQL_BEGIN_SQLITE[] = "BEGIN IMMEDIATE";
static const char SQL_BEGIN_PG[] = "BEGIN";
static const char SQL_COMMIT[] = "COMMIT";
static const char SQL_ROLLBACK[] = "ROLLBACK";
static const char *const SQL_SAVEPOINT[DB_SAVEPOINTS] = {"SAVEPOINT sp1", "SAVEPOINT sp2",
                                                         "SAVEPOINT sp3"};
static const char *const SQL_RELEASE[DB_SAVEPOINTS] = {
    "RELEASE SAVEPOINT sp1", "RELEASE SAVEPOINT sp2", "RELEASE SAVEPOINT sp3"};
static const char *const SQL_UNDO[DB_SAVEPOINTS] = {
    "ROLLBACK TO SAVEPOINT sp1", "ROLLBACK TO SAVEPOINT sp2", "ROLLBACK TO SAVEPOINT sp3"};

enum rk_code db_may_write(struct db *db, struct rk_err *err)
{
    return db->ops->may_write ? db->ops->may_write(db, err) : RK_OK;
}

enum rk_code db_begin(struct db *db, struct rk_err *err)
{
    enum rk_code rc = RK_INTERNAL;

    assert(!db->tx);
    db->retry = false;
    for (int i = 0; i < 3; i++) { /* a BEGIN that found a dead connection has done nothing */
        rc = db_exec(db, err, NULL, db->engine == DB_PG ? SQL_BEGIN_PG : SQL_BEGIN_SQLITE,
                     DB_NOARGS);
        if (rc == RK_OK) {
            rc = db_may_write(db, err);
            if (rc && db->ops->script(db, SQL_ROLLBACK, NULL))
                db->broken = true;
        }
        if (rc == RK_OK || !db->broken)
            break;
    }
    if (rc == RK_OK) {
        db->tx = true;
        db->depth = 0;
    }
    return rc;
}

void db_rollback(struct db *db)
{
    struct rk_err ignored = {0};
    int64_t none;
    bool retry = db->retry; /* the reason stays readable after the rollback */

    if (!db->tx)
        return;
    if (db_sync(db, &ignored))
        ignored = (struct rk_err){0}; /* it is undone anyway */
    for (size_t i = 0; i < DB_BUCKETS; i++)
        for (struct db_stmt *st = db->stmts[i]; st; st = st->next)
            db_rows_free(&st->rows);
    if (db->ops->in_tx(db) && db_exec(db, &ignored, &none, SQL_ROLLBACK, DB_NOARGS))
        db->broken = true; /* a connection that cannot roll back is closed before its next use */
    db->tx = false;
    db->depth = 0;
    db->retry = retry;
}

enum rk_code db_commit(struct db *db, struct rk_err *err)
{
    enum rk_code rc;
    int64_t none; /* asks for an answer: a commit is never lazy */

    assert(db->tx);
    if (!db->ops->in_tx(db)) { /* an error ended it behind our back */
        db->tx = false;
        return rk_fail(err, RK_UNAVAILABLE, "database: transaction was lost");
    }
    rc = db_exec(db, err, &none, SQL_COMMIT, DB_NOARGS);
    if (rc)
        db_rollback(db);
    db->tx = false;
    db->depth = 0;
    return rc == RK_OK && db->ops->committed ? db->ops->committed(db, err) : rc;
}

enum rk_code db_savepoint(struct db *db, struct rk_err *err)
{
    enum rk_code rc;

    assert(db->tx && db->depth < DB_SAVEPOINTS);
    rc = db_exec(db, err, NULL, SQL_SAVEPOINT[db->depth], DB_NOARGS);
    if (rc == RK_OK)
        db->depth++;
    return rc;
}

enum rk_code db_savepoint_release(struct db *db, struct rk_err *err)
{
    assert(db->depth > 0);
    db->depth--;
    return db_exec(db, err, NULL, SQL_RELEASE[db->depth], DB_NOARGS);
}

enum rk_code db_savepoint_undo(struct db *db, struct rk_err *err)
{
    enum rk_code rc;
    int64_t none;
    bool retry;

    assert(db->depth > 0);
    db->depth--;
    if (db_sync(db, err) && db->broken) /* other errors are undone with the rest */
        return RK_UNAVAILABLE;
    retry = db->retry;
    if (!db->ops->in_tx(db))
        return rk_fail(err, RK_UNAVAILABLE, "database: transaction was lost");
    rc = db_exec(db, err, &none, SQL_UNDO[db->depth], DB_NOARGS);
    if (rc == RK_OK)
        rc = db_exec(db, err, NULL, SQL_RELEASE[db->depth], DB_NOARGS);
    db->retry = retry;
    return rc;
}

enum rk_code db_tx(struct db *db, db_tx_fn *fn, void *arg, struct rk_err *err)
{
    enum rk_code rc = RK_INTERNAL;

    for (int i = 0; i < DB_TX_TRIES; i++) {
        rc = db_begin(db, err);
        if (rc == RK_OK) {
            rc = fn(db, arg, err);
            if (rc)
                db_rollback(db);
            else
                rc = db_commit(db, err);
        }
        if (rc == RK_OK || !db->retry)
            return rc;
        (void)poll(NULL, 0, 5 << i); /* let the other side finish: 5 … 80 ms */
    }
    return rc;
}

/* ---- notifications */

static const char SQL_NOTIFY[] = "SELECT pg_notify($1, $2)";

enum rk_code db_listen(struct db *db, const char *channel, struct rk_err *err)
{
    char sql[80];
    enum rk_code rc;

    if (db->engine != DB_PG)
        return RK_OK;
    for (const char *c = channel; *c; c++)
        assert((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_');
    if ((size_t)snprintf(sql, sizeof sql, "LISTEN %s", channel) >= sizeof sql)
        return rk_fail(err, RK_INTERNAL, "channel name is too long");
    rc = db_script(db, sql, err);
    db->listens = rc == RK_OK;
    return rc;
}

enum rk_code db_notify(struct db *db, const char *channel, struct rk_str payload,
                       struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc;

    if (db->engine != DB_PG)
        return RK_OK;
    rc = db_query(db, &rows, err, SQL_NOTIFY, DB_ARGS(db_textz(channel), db_text(payload)));
    if (rc == RK_OK)
        while (db_next(rows))
            ;
    return rc ? rc : db_end(rows, err);
}

enum rk_code db_wait_notify(struct db *db, int timeout_ms, int wake_fd, struct rk_arena *mem,
                            bool *got, struct rk_str *payload, struct rk_err *err)
{
    struct pollfd p = {.fd = wake_fd, .events = POLLIN};

    if (db->engine == DB_PG)
        return db_pg_wait(db, timeout_ms, wake_fd, mem, got, payload, err);
    *got = false;
    (void)poll(&p, wake_fd >= 0 ? 1 : 0, timeout_ms);
    return RK_OK;
}
