/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What db.c and the two engines share; nobody else includes this.
 *
 *   db_open.c    which engine a URL names
 *   db.c         statement cache, sticky rows, columns, transactions
 *   db_sqlite.c  } struct db_ops: connect, prepare, run, step, column
 *   db_pg.c      }
 */
#ifndef STORE_DB_IMPL_H
#define STORE_DB_IMPL_H

#include "management/store/db.h"

/* A prepared statement; the engines put their own behind it. Also holds the one db_rows that may be
 * open on it, so a query allocates nothing. */
struct db_rows {
    struct db *db;
    struct db_stmt *stmt;
    bool open;
    bool at_row;
    bool at_end;
    struct rk_err err; /* sticky; code RK_OK while all is well */
};

struct db_stmt {
    const char *sql; /* the key is this address */
    struct db_stmt *next;
    struct db_rows rows;
};

struct db_ops {
    enum rk_code (*prepare)(struct db *db, const char *sql, struct db_stmt **out,
                            struct rk_err *err);
    void (*stmt_free)(struct db *db, struct db_stmt *st);
    /* Bind and start; `changed` NULL: rows will be stepped, else run to the end. */
    enum rk_code (*run)(struct db *db, struct db_stmt *st, const struct db_val *args, size_t n_args,
                        int64_t *changed, struct rk_err *err);
    /* Start a statement whose success is told later, by `sync`; NULL: the engine has no use for it.
     */
    enum rk_code (*send)(struct db *db, struct db_stmt *st, const struct db_val *args,
                         size_t n_args, struct rk_err *err);
    enum rk_code (*sync)(struct db *db, struct rk_err *err);
    enum rk_code (*step)(struct db *db, struct db_stmt *st, bool *row, struct rk_err *err);
    void (*reset)(struct db *db, struct db_stmt *st);
    /* Current row's column in its own type, borrowed until the next step. */
    enum rk_code (*column)(struct db_stmt *st, int col, struct db_val *out, struct rk_err *err);
    enum rk_code (*script)(struct db *db, const char *sql, struct rk_err *err);
    /* Make the connection usable outside a transaction (reconnect); the cache may be dropped. */
    enum rk_code (*ready)(struct db *db, struct rk_err *err);
    bool (*in_tx)(struct db *db);
    /* Both may be NULL. After BEGIN: may be written? `broken` set: on a new connection, perhaps.
     * After COMMIT: may it be acknowledged? */
    enum rk_code (*may_write)(struct db *db, struct rk_err *err);
    enum rk_code (*committed)(struct db *db, struct rk_err *err);
    void (*close)(struct db *db);
};

#define DB_BUCKETS 256

struct db { /* first member of each engine's own struct */
    const struct db_ops *ops;
    enum db_engine engine;
    bool retry;      /* the last error was a conflict */
    bool broken;     /* the connection is gone */
    bool refused;    /* the last use was, for the store is known to be away */
    bool tx;         /* between begin and commit/rollback */
    bool lazy;       /* db_set_lazy */
    unsigned n_sent; /* statements that wait for `sync` */
    unsigned depth;  /* open savepoints */
    bool listens;    /* this very session was told to; a new one does not know of it */
    struct db_stmt *stmts[DB_BUCKETS];
};

enum rk_code db_sqlite_open(struct db **out, const struct db_opts *opts,
                            struct rk_err *err) RK_MUST;
/** The libpq text that a PostgreSQL URL names. Borrowed from url. */
struct rk_str db_pg_dsn(const char *url);
/** The file that an SQLite URL names ("sqlite:PATH", "sqlite://PATH", "PATH"). Borrowed from url.
 */
struct rk_str db_sqlite_path(const char *url);
enum rk_code db_pg_open(struct db **out, const struct db_opts *opts, struct rk_err *err) RK_MUST;

/** Forget all prepared statements (after a reconnect, and at close). */
void db_stmts_drop(struct db *db);

/* The three calls of db.h that only PostgreSQL does anything for. */
enum rk_code db_pg_wait(struct db *db, int timeout_ms, int wake_fd, struct rk_arena *mem, bool *got,
                        struct rk_str *payload, struct rk_err *err) RK_MUST;

#endif
