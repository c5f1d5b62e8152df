/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SQLite behind the database seam (db_impl.h).
 *
 * Durability: WAL with synchronous=FULL, so a COMMIT has been through fsync when it returns:
 * neither kill -9 nor a power cut takes an acknowledged write back.
 */
#include "config.h"

#include "management/store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "management/store/db_impl.h"
#include "management/store/db_origin.h"
#include "management/store/db_sqlite_guard.h"

#define BUSY_MS_DEFAULT   5000
#define READER_CACHE_KIB  256
#define WRITER_CACHE_KIB  8192
#define WAL_SIZE_LIMIT    (64 << 20) /* bytes; a WAL that grew past this is cut at a checkpoint */
#define STMT_TEXT_IN_MSGS 60

#define TEXT_OF(macro)  TEXT_OF_(macro)
#define TEXT_OF_(value) #value

static const char SQL_MARK[] = "PRAGMA application_id=" TEXT_OF(DB_ORIGIN_SQLITE_ID);

struct lite {
    struct db db;
    sqlite3 *h;
    char *path;
    struct db_guard *guard;
    unsigned era;
    int busy_ms;
    int cache_kib;
};

struct lite_stmt {
    struct db_stmt st;
    sqlite3_stmt *h;
    int n_params;
    int param[DB_ARGS_MAX]; /* index of $1, $2 …; 0: not in the text */
};

static struct lite *lite_of(struct db *db)
{
    return rk_container_of(db, struct lite, db);
}

static struct lite_stmt *stmt_of(struct db_stmt *st)
{
    return rk_container_of(st, struct lite_stmt, st);
}

/* Result code of SQLite as ours. */
static enum rk_code code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        return rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
                       rc == SQLITE_CONSTRAINT_ROWID
                   ? RK_EXISTS
                   : RK_INVALID;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
    case SQLITE_NOMEM:
        return RK_UNAVAILABLE;
    case SQLITE_TOOBIG:
        return RK_LIMIT;
    default:
        return RK_INTERNAL;
    }
}

static enum rk_code lite_fail(struct lite *l, int rc, const char *what, struct rk_err *err)
{
    if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED)
        l->db.retry = true;
    return rk_fail(err, code_of(rc), "database %s: %s: %s", l->path, what,
                   l->h ? sqlite3_errmsg(l->h) : sqlite3_errstr(rc));
}

/* ---- statements */

static enum rk_code lite_prepare(struct db *db, const char *sql, struct db_stmt **out,
                                 struct rk_err *err)
{
    struct lite *l = lite_of(db);
    struct lite_stmt *s = rk_calloc(1, sizeof *s);
    int rc = sqlite3_prepare_v3(l->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->h, NULL);
    char name[16];

    if (rc != SQLITE_OK || !s->h) {
        enum rk_code code = lite_fail(l, rc == SQLITE_OK ? SQLITE_MISUSE : rc, "prepare", err);

        free(s);
        return code;
    }
    s->n_params = sqlite3_bind_parameter_count(s->h);
    for (int i = 0; i < DB_ARGS_MAX; i++) {
        (void)snprintf(name, sizeof name, "$%d", i + 1);
        s->param[i] = sqlite3_bind_parameter_index(s->h, name);
    }
    *out = &s->st;
    return RK_OK;
}

static void lite_stmt_free(struct db *db, struct db_stmt *st)
{
    (void)db;
    (void)sqlite3_finalize(stmt_of(st)->h);
    free(stmt_of(st));
}

static int bind_one(sqlite3_stmt *h, int i, const struct db_val *v, sqlite3_destructor_type life)
{
    /* A NULL pointer would bind NULL instead of the empty value. */
    const char *p = v->s.n ? v->s.p : "";

    switch (v->type) {
    case DB_NULL:
        return sqlite3_bind_null(h, i);
    case DB_I64:
        return sqlite3_bind_int64(h, i, v->i);
    case DB_TEXT:
        return sqlite3_bind_text64(h, i, p, v->s.n, life, SQLITE_UTF8);
    case DB_BLOB:
        return sqlite3_bind_blob64(h, i, p, v->s.n, life);
    }
    return SQLITE_MISUSE;
}

static enum rk_code bind_all(struct lite *l, struct lite_stmt *s, const struct db_val *args,
                             size_t n_args, sqlite3_destructor_type life, struct rk_err *err)
{
    int bound = 0;

    for (size_t i = 0; i < n_args; i++) {
        int rc;

        if (s->param[i] == 0)
            continue;
        bound++;
        rc = bind_one(s->h, s->param[i], &args[i], life);
        if (rc != SQLITE_OK)
            return lite_fail(l, rc, "bind", err);
    }
    if (bound != s->n_params)
        return rk_fail(err, RK_INTERNAL, "database: %zu arguments for %d parameters: %.*s", n_args,
                       s->n_params, STMT_TEXT_IN_MSGS, s->st.sql);
    return RK_OK;
}

static enum rk_code lite_run(struct db *db, struct db_stmt *st, const struct db_val *args,
                             size_t n_args, int64_t *changed, struct rk_err *err)
{
    struct lite *l = lite_of(db);
    struct lite_stmt *s = stmt_of(st);
    /* Rows are stepped after the call, when the caller's values may be gone. */
    enum rk_code rc = bind_all(l, s, args, n_args, changed ? SQLITE_STATIC : SQLITE_TRANSIENT, err);
    int step;

    if (rc || !changed) {
        if (rc)
            (void)sqlite3_clear_bindings(s->h);
        return rc;
    }
    do
        step = sqlite3_step(s->h);
    while (step == SQLITE_ROW);
    if (step != SQLITE_DONE)
        rc = lite_fail(l, step, "run", err);
    else
        *changed = sqlite3_changes64(l->h);
    (void)sqlite3_reset(s->h);
    (void)sqlite3_clear_bindings(s->h);
    return rc;
}

static enum rk_code lite_step(struct db *db, struct db_stmt *st, bool *row, struct rk_err *err)
{
    int rc = sqlite3_step(stmt_of(st)->h);

    *row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? RK_OK : lite_fail(lite_of(db), rc, "read", err);
}

static void lite_reset(struct db *db, struct db_stmt *st)
{
    (void)db;
    (void)sqlite3_reset(stmt_of(st)->h);
    (void)sqlite3_clear_bindings(stmt_of(st)->h);
}

static enum rk_code lite_column(struct db_stmt *st, int col, struct db_val *out, struct rk_err *err)
{
    sqlite3_stmt *h = stmt_of(st)->h;

    if (col < 0 || col >= sqlite3_data_count(h))
        return rk_fail(err, RK_INTERNAL, "database: no column %d", col);
    switch (sqlite3_column_type(h, col)) {
    case SQLITE_NULL:
        *out = db_null();
        return RK_OK;
    case SQLITE_INTEGER:
        *out = db_i64(sqlite3_column_int64(h, col));
        return RK_OK;
    case SQLITE_TEXT:
        out->s.p = (const char *)sqlite3_column_text(h, col);
        out->s.n = (size_t)sqlite3_column_bytes(h, col);
        out->type = DB_TEXT;
        return RK_OK;
    case SQLITE_BLOB:
        out->s.p = sqlite3_column_blob(h, col);
        out->s.n = (size_t)sqlite3_column_bytes(h, col);
        out->type = DB_BLOB;
        return RK_OK;
    default:
        return rk_fail(err, RK_INTERNAL, "database: column %d is a float", col);
    }
}

static enum rk_code lite_script(struct db *db, const char *sql, struct rk_err *err)
{
    struct lite *l = lite_of(db);
    int rc = sqlite3_exec(l->h, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? RK_OK : lite_fail(l, rc, "script", err);
}

/* ---- connection */

/* Serialises file_create. */
static pthread_mutex_t creation = PTHREAD_MUTEX_INITIALIZER;

/*
 * An absent file is made with our own mode: SQLite would take the umask's, and gives the WAL and
 * shared-memory files the mode of the database.
 *
 * A file that is there is not touched: SQLite holds its locks with fcntl(2), and POSIX drops all of
 * the process's when it closes *any* descriptor of the file. Other programs would then take the
 * database for unused and remove the WAL that we write to. For the same reason no thread may open
 * the new file before its first descriptor is closed.
 */
static enum rk_code file_create(const char *path, struct rk_err *err)
{
    int fd, why = 0;

    (void)pthread_mutex_lock(&creation);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)close(fd);
    else if (errno != EEXIST)
        why = errno;
    (void)pthread_mutex_unlock(&creation);
    return why ? rk_fail_errno(err, RK_UNAVAILABLE, why, "database %s", path) : RK_OK;
}

/* Looks at the file before it is touched: the first pragma would write into a stranger's. */
static enum rk_code lite_connect(struct lite *l, struct rk_err *err)
{
    char pragmas[400];
    enum db_origin origin;
    enum rk_code code = db_guard_look(l->guard, &l->era, err);
    int rc;

    if (code == RK_OK)
        code = db_origin_of_file(l->path, &origin, err);
    if (code)
        return code;
    rc = sqlite3_open_v2(l->path, &l->h,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(l->h, l->busy_ms);
    if (rc != SQLITE_OK)
        return lite_fail(l, rc, "open", err);
    if (sqlite3_db_readonly(l->h, "main") == 1) /* SQLite would say so at the first write */
        return rk_fail(err, RK_UNAVAILABLE, "database %s cannot be written by user %u", l->path,
                       (unsigned)geteuid());
    if (origin != DB_ORIGIN_OURS) /* before there is a WAL, so that it stands in the file itself */
        code = lite_script(&l->db, SQL_MARK, err);
    if (code)
        return code;
    (void)snprintf(pragmas, sizeof pragmas,
                   "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                   "PRAGMA cache_size=-%d; PRAGMA journal_size_limit=%d; PRAGMA trusted_schema=OFF;"
                   "PRAGMA temp_store=MEMORY; SELECT 1 FROM sqlite_schema LIMIT 1;",
                   l->cache_kib, WAL_SIZE_LIMIT);
    code = lite_script(&l->db, pragmas, err);
    return code ? code : db_guard_watch(l->guard, err);
}

static void lite_disconnect(struct lite *l)
{
    db_stmts_drop(&l->db);
    (void)sqlite3_close_v2(l->h);
    l->h = NULL;
}

/* A connection to files that do not stand at their places any more is closed: what it writes would
 * be lost without an error. Opens what stands there now, if anything does. */
static enum rk_code lite_ready(struct db *db, struct rk_err *err)
{
    struct lite *l = lite_of(db);
    int moved = 0;
    enum rk_code rc;

    if (l->h && !db->broken && l->era == db_guard_era(l->guard) &&
        sqlite3_file_control(l->h, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && !moved)
        return RK_OK;
    db->broken = true;
    for (size_t i = 0; i < DB_BUCKETS; i++)
        for (struct db_stmt *st = db->stmts[i]; st; st = st->next)
            if (st->rows.open)
                return rk_fail(err, RK_UNAVAILABLE, "database %s is gone", l->path);
    lite_disconnect(l);
    rc = lite_connect(l, err);
    db->broken = rc != RK_OK;
    return rc;
}

static enum rk_code lite_may_write(struct db *db, struct rk_err *err)
{
    struct lite *l = lite_of(db);
    bool again = false;
    enum rk_code rc = db_guard_may_write(l->guard, l->era, &again, err);

    db->broken |= again;
    return rc;
}

static enum rk_code lite_committed(struct db *db, struct rk_err *err)
{
    struct lite *l = lite_of(db);

    return db_guard_committed(l->guard, l->era, err);
}

static bool lite_in_tx(struct db *db)
{
    struct lite *l = lite_of(db);

    return l->h && !sqlite3_get_autocommit(l->h);
}

static void lite_close(struct db *db)
{
    struct lite *l = lite_of(db);

    (void)sqlite3_close_v2(l->h);
    db_guard_put(l->guard);
    free(l->path);
    free(l);
}

static const struct db_ops OPS = {
    .prepare = lite_prepare,
    .stmt_free = lite_stmt_free,
    .run = lite_run,
    .step = lite_step,
    .reset = lite_reset,
    .column = lite_column,
    .script = lite_script,
    .ready = lite_ready,
    .in_tx = lite_in_tx,
    .may_write = lite_may_write,
    .committed = lite_committed,
    .close = lite_close,
};

enum rk_code db_sqlite_open(struct db **out, const struct db_opts *opts, struct rk_err *err)
{
    struct rk_str path = db_sqlite_path(opts->url);
    RK_CLEANUP(db_closep) struct db *db = NULL;
    struct lite *l;
    enum rk_code rc;

    l = rk_calloc(1, sizeof *l);
    db = &l->db;
    *db = (struct db){.ops = &OPS, .engine = DB_SQLITE};
    l->path = rk_str_dupz(path);
    l->guard = db_guard_get(l->path);
    l->busy_ms = opts->busy_ms > 0 ? opts->busy_ms : BUSY_MS_DEFAULT;
    l->cache_kib = opts->writer ? WRITER_CACHE_KIB : READER_CACHE_KIB;
    rc = opts->existing ? RK_OK : file_create(l->path, err);
    if (rc == RK_OK)
        rc = lite_connect(l, err);
    if (rc == RK_OK) {
        *out = db;
        db = NULL;
    }
    return rc;
}
