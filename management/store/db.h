/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam between our SQL and the two engines: connection, statement, row. Knows nothing of the
 * domain. SQL is written once, with $1 … $n; SQLite (db_sqlite.c) and PostgreSQL (db_pg.c) stand
 * behind the same calls.
 *
 * A struct db is one connection and belongs to one thread at a time (a store thread, or the
 * engine's writer). All calls block. Nothing here logs.
 *
 * Errors, the same from both engines:
 *   RK_EXISTS       a unique index refused the row (message names the index or columns)
 *   RK_INVALID      a foreign key, CHECK or NOT NULL refused the row
 *   RK_UNAVAILABLE  locked for too long, disk full, file or server gone: nothing was changed
 *   RK_INTERNAL     our bug: bad SQL, wrong column type, missing table
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct db;
struct db_rows;

enum db_engine { DB_SQLITE, DB_PG };

enum db_type { DB_NULL, DB_I64, DB_TEXT, DB_BLOB };

struct db_val { /* build with db_text … below; the bytes are borrowed for the call */
    enum db_type type;
    int64_t i;
    struct rk_str s;
};

static inline struct db_val db_null(void)
{
    return (struct db_val){.type = DB_NULL};
}

static inline struct db_val db_i64(int64_t i)
{
    return (struct db_val){.type = DB_I64, .i = i};
}

static inline struct db_val db_bool(bool b)
{
    return db_i64(b ? 1 : 0);
}

/** Must be valid UTF-8 without NUL bytes (PostgreSQL refuses others: RK_INVALID on both). */
static inline struct db_val db_text(struct rk_str s)
{
    return (struct db_val){.type = DB_TEXT, .s = s};
}

static inline struct db_val db_textz(const char *z)
{
    return db_text(rk_str_z(z));
}

/** Empty text becomes NULL (optional references under a unique index or foreign key). */
static inline struct db_val db_text_opt(struct rk_str s)
{
    return s.n ? db_text(s) : db_null();
}

static inline struct db_val db_blob(struct rk_str s)
{
    return (struct db_val){.type = DB_BLOB, .s = s};
}

/** Microseconds since 1970; 0 (unset) becomes NULL. */
static inline struct db_val db_time(int64_t unix_us)
{
    return unix_us ? db_i64(unix_us) : db_null();
}

#define DB_ARGS(...)                                                                               \
    (const struct db_val[]){__VA_ARGS__},                                                          \
        sizeof((const struct db_val[]){__VA_ARGS__}) / sizeof(struct db_val)
#define DB_NOARGS NULL, 0

#define DB_ARGS_MAX 64 /* values of one statement: the widest table has fewer columns */

/*
 * The store URL says which engine it is for:
 *   sqlite:PATH, or an absolute path
 *   postgres:DSN, where DSN is whatever libpq takes; a DSN that can be nothing else
 *   ("postgres://…", "postgresql://…", "host = … dbname = …") may stand without the prefix
 * Everything else is refused: nothing is ever taken for the name of a file because it is not
 * understood. Error texts never show a DSN, for it may hold a password.
 */
struct db_opts {
    const char *url;
    int busy_ms; /* how long to wait for a lock before RK_UNAVAILABLE; 0: 5000 */
    bool writer; /* SQLite: a larger page cache, for the connection that writes */
    /* SQLite: the file must be there. For all connections but the first one of a server: a new
     * empty file in the place of one that was moved away would take its WAL when it comes back. */
    bool existing;

    /* PostgreSQL only. */
    const char *name; /* the server shows it for the connection; NULL: "rookery" */
    int connect_s;    /* for each address of the DSN; 0: 5 */
    /* Asked before each transaction and lone statement, and before connecting anew: true refuses
     * them at once (RK_UNAVAILABLE), so that nobody waits for a server that is known to be away. */
    bool (*away)(void *arg);
    void *away_arg;
};

/** Open one connection. The database of an SQLite path is created (mode 0600) when it is absent.
 *  Owned: db_close. Errors: RK_UNAVAILABLE (cannot be reached or opened), RK_INVALID (bad URL),
 *  RK_PRECONDITION (another program's database: untouched). */
enum rk_code db_open(struct db **out, const struct db_opts *opts, struct rk_err *err) RK_MUST;
void db_close(struct db *db);   /* accepts NULL; rolls an open transaction back */
void db_closep(struct db **db); /* for RK_CLEANUP */

enum db_engine db_engine_of(const struct db *db);

/** True for URLs that name PostgreSQL. */
bool db_url_is_pg(const char *url);

/** Whether a URL can be opened as far as its text goes. Errors: RK_INVALID. */
enum rk_code db_url_check(const char *url, struct rk_err *err) RK_MUST;

/** The URL of an engine that was stated ("sqlite", "postgres"; empty: sqlite): of dsn for
 *  PostgreSQL, else of the file `path`. arena. Errors: RK_INVALID (unknown engine, DSN missing or
 *  not one of libpq's). */
enum rk_code db_url_make(struct rk_arena *mem, struct rk_str engine, struct rk_str dsn,
                         struct rk_str path, const char **out, struct rk_err *err) RK_MUST;

/* ---- statements */

/** Run a statement that returns rows. `sql` must outlive the connection (a static text): it is
 *  prepared once per connection and found again by its address. *rows is owned: db_rows_free, or
 *  it is released by db_end. One open db_rows per statement; several statements may be open. */
enum rk_code db_query(struct db *db, struct db_rows **rows, struct rk_err *err, const char *sql,
                      const struct db_val *args, size_t n_args) RK_MUST;

/** Next row; false at the end or after any error (sticky: ask db_end). */
bool db_next(struct db_rows *rows);

/** Error of any step or column since db_query; RK_OK if there was none. Releases nothing. */
enum rk_code db_end(struct db_rows *rows, struct rk_err *err) RK_MUST;
void db_rows_free(struct db_rows *rows);
void db_rows_freep(struct db_rows **rows); /* for RK_CLEANUP */

/* Columns of the current row, from 0. NULL reads as empty, 0 or false. Another type than the one
 * asked for is an error of the rows (RK_INTERNAL). */
bool db_col_null(struct db_rows *rows, int col);
int64_t db_col_i64(struct db_rows *rows, int col);
bool db_col_bool(struct db_rows *rows, int col);
/** Copied to the arena, with a NUL behind it. */
struct rk_str db_col_text(struct db_rows *rows, int col, struct rk_arena *mem);
struct rk_str db_col_blob(struct db_rows *rows, int col, struct rk_arena *mem);
/** In the column's own type, borrowed until the next db_next: for what copies whole tables. */
struct db_val db_col_any(struct db_rows *rows, int col);
/** Borrowed until the next db_next: for columns that are parsed at once. */
struct rk_str db_col_text_peek(struct db_rows *rows, int col);
struct rk_str db_col_blob_peek(struct db_rows *rows, int col);

/** Run a statement without rows. changed (may be NULL) gets the number of rows touched. */
enum rk_code db_exec(struct db *db, struct rk_err *err, int64_t *changed, const char *sql,
                     const struct db_val *args, size_t n_args) RK_MUST;

/**
 * Lazy mode, for many small writes in one transaction: a db_exec that asks for no count may be sent
 * without waiting for its answer (PostgreSQL; nothing changes on SQLite). Its error then comes from
 * a later call of the same transaction, at the latest from db_sync, db_savepoint_undo excepted.
 */
void db_set_lazy(struct db *db, bool on);
/** Wait for everything that was sent; the first error of it. */
enum rk_code db_sync(struct db *db, struct rk_err *err) RK_MUST;

/** Forget every prepared statement: for statements whose text does not outlive the connection. */
void db_forget(struct db *db);

/** A query of exactly one row and one number. Errors: RK_NOT_FOUND without a row. */
enum rk_code db_get_i64(struct db *db, int64_t *out, struct rk_err *err, const char *sql,
                        const struct db_val *args, size_t n_args) RK_MUST;

/** Several statements separated by ';' without arguments or results; not cached. For migrations. */
enum rk_code db_script(struct db *db, const char *sql, struct rk_err *err) RK_MUST;

/* ---- transactions */

typedef enum rk_code db_tx_fn(struct db *db, void *arg, struct rk_err *err);

/** Whether what is written would be kept: not when somebody removed one of SQLite's files while
 * they were in use. Errors: RK_UNAVAILABLE, with what to do. */
enum rk_code db_may_write(struct db *db, struct rk_err *err) RK_MUST;

/** Run fn in a transaction: committed on RK_OK, else rolled back and fn's code returned. When the
 *  engine reports a lock or serialization conflict, all of it is run again, up to DB_TX_TRIES
 *  times, so fn must start from scratch. Not nested. */
#define DB_TX_TRIES 5
enum rk_code db_tx(struct db *db, db_tx_fn *fn, void *arg, struct rk_err *err) RK_MUST;

/* The pieces, for the engine's group commit. begin takes the write lock at once (SQLite). */
enum rk_code db_begin(struct db *db, struct rk_err *err) RK_MUST;
enum rk_code db_commit(struct db *db, struct rk_err *err) RK_MUST; /* on failure: rolled back */
void db_rollback(struct db *db); /* harmless without a transaction */
/** Partial undo inside a transaction. One level at a time. */
enum rk_code db_savepoint(struct db *db, struct rk_err *err) RK_MUST;
enum rk_code db_savepoint_release(struct db *db, struct rk_err *err) RK_MUST;
enum rk_code db_savepoint_undo(struct db *db, struct rk_err *err) RK_MUST;

/** After an error: was it a conflict that a new try of the whole transaction may solve? Cleared by
 *  the next db_begin. */
bool db_should_retry(const struct db *db);

/** The connection is unusable (server gone); db_begin and db_query try to reconnect once each. */
bool db_is_broken(const struct db *db);

/** The last statement or transaction was refused by db_opts.away: nothing new was learnt. */
bool db_was_refused(const struct db *db);

/* ---- PostgreSQL notifications (no-ops that succeed on SQLite) */

/** Subscribe to a channel on this connection; again after db_wait_notify has failed. */
enum rk_code db_listen(struct db *db, const char *channel, struct rk_err *err) RK_MUST;
/** Notify with the current transaction (delivered at commit). */
enum rk_code db_notify(struct db *db, const char *channel, struct rk_str payload,
                       struct rk_err *err) RK_MUST;
/** Wait up to timeout_ms for one notification; wake_fd (or -1) readable ends the wait early.
 *  *got false when none came. payload is a copy in mem. RK_UNAVAILABLE also when the connection was
 *  renewed since db_listen: news may be lost. */
enum rk_code db_wait_notify(struct db *db, int timeout_ms, int wake_fd, struct rk_arena *mem,
                            bool *got, struct rk_str *payload, struct rk_err *err) RK_MUST;

#endif
