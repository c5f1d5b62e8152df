/* SPDX-License-Identifier: BSD-3-Clause */
/* SQLite files of other products; see foreign.h. */
#include "config.h"

#include "management/store/foreign_impl.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROWS_MAX 10000000

struct file {
    struct foreign base;
    sqlite3 *h;
    char *path;
};

static struct file *file_of(struct foreign *f)
{
    return rk_container_of(f, struct file, base);
}

static enum rk_code look(struct file *f, const char *path, struct rk_err *err)
{
    char journal[4200], uri[4200];
    sqlite3_stmt *s = NULL;

    if (access(path, R_OK))
        return rk_fail_errno(err, RK_NOT_FOUND, errno, "%s", path);
    (void)snprintf(journal, sizeof journal, "%s-journal", path);
    if (access(journal, F_OK) == 0)
        return rk_fail(err, RK_PRECONDITION,
                       "%s is there: start the old server once more and stop it in order", journal);
    (void)snprintf(uri, sizeof uri, "%s", path);
    if (sqlite3_open_v2(uri, &f->h, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(f->h, "SELECT count(*) FROM sqlite_master", -1, &s, NULL) != SQLITE_OK ||
        sqlite3_step(s) != SQLITE_ROW) {
        (void)rk_fail(err, RK_INVALID, "%s: %s", path, sqlite3_errmsg(f->h));
        (void)sqlite3_finalize(s);
        return RK_INVALID;
    }
    (void)sqlite3_finalize(s);
    return RK_OK;
}

enum rk_code foreign_recover(const char *copy, struct rk_err *err)
{
    sqlite3 *h = NULL;
    enum rk_code rc = RK_OK;

    if (sqlite3_open_v2(copy, &h, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
        sqlite3_exec(h, "PRAGMA journal_mode = DELETE; SELECT count(*) FROM sqlite_master", NULL,
                     NULL, NULL) != SQLITE_OK)
        rc = rk_fail(err, RK_INVALID, "%s: %s", copy, sqlite3_errmsg(h));
    (void)sqlite3_close_v2(h);
    return rc;
}

static void file_close(struct foreign *base)
{
    struct file *f = file_of(base);

    (void)sqlite3_close_v2(f->h);
    free(f->path);
    free(f);
}

static bool file_has(struct foreign *base, const char *table, const char *column)
{
    struct file *f = file_of(base);
    sqlite3_stmt *s = NULL;
    bool hit;

    if (sqlite3_prepare_v2(f->h,
                           "SELECT 1 FROM pragma_table_info(?1) WHERE ?2 IS NULL OR name = ?2", -1,
                           &s, NULL) != SQLITE_OK)
        return false;
    (void)sqlite3_bind_text(s, 1, table, -1, SQLITE_STATIC);
    if (column)
        (void)sqlite3_bind_text(s, 2, column, -1, SQLITE_STATIC);
    hit = sqlite3_step(s) == SQLITE_ROW;
    (void)sqlite3_finalize(s);
    return hit;
}

static struct db_val value(sqlite3_stmt *s, int i, struct rk_arena *mem)
{
    struct db_val v = {.type = DB_NULL};

    switch (sqlite3_column_type(s, i)) {
    case SQLITE_INTEGER:
        return db_i64(sqlite3_column_int64(s, i));
    case SQLITE_NULL:
        return v;
    case SQLITE_BLOB:
        v.type = DB_BLOB;
        v.s.p = sqlite3_column_blob(s, i);
        break;
    default:
        v.type = DB_TEXT;
        v.s.p = (const char *)sqlite3_column_text(s, i);
        break;
    }
    v.s.n = (size_t)sqlite3_column_bytes(s, i);
    v.s = rk_arena_dup(mem, v.s);
    return v;
}

static enum rk_code rows(struct file *f, sqlite3_stmt *s, struct rk_arena *mem,
                         struct foreign_table *out, struct rk_err *err)
{
    size_t n = (size_t)sqlite3_column_count(s), cap = 0;
    struct rk_str *names = rk_new_n(mem, struct rk_str, n + 1);
    int rc;

    for (size_t i = 0; i < n; i++)
        names[i] = rk_arena_dup(mem, rk_str_z(sqlite3_column_name(s, (int)i)));
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct foreign_row r = {.names = names, .v = rk_new_n(mem, struct db_val, n + 1), .n = n};

        if (out->n == ROWS_MAX)
            return rk_fail(err, RK_LIMIT, "%s: too many rows", f->path);
        for (size_t i = 0; i < n; i++)
            r.v[i] = value(s, (int)i, mem);
        out->rows = rk_arena_grow(mem, out->rows, out->n, &cap, sizeof *out->rows);
        out->rows[out->n++] = r;
    }
    return rc == SQLITE_DONE ? RK_OK
                             : rk_fail(err, RK_INVALID, "%s: %s", f->path, sqlite3_errmsg(f->h));
}

static enum rk_code file_read(struct foreign *base, const char *table, struct rk_arena *mem,
                              struct foreign_table *out, struct rk_err *err)
{
    struct file *f = file_of(base);
    char sql[120];
    sqlite3_stmt *s = NULL;
    enum rk_code rc;

    (void)snprintf(sql, sizeof sql, "SELECT * FROM \"%s\" ORDER BY rowid", table);
    if (sqlite3_prepare_v2(f->h, sql, -1, &s, NULL) != SQLITE_OK)
        return rk_fail(err, RK_INVALID, "%s: %s", f->path, sqlite3_errmsg(f->h));
    rc = rows(f, s, mem, out, err);
    (void)sqlite3_finalize(s);
    return rc;
}

static const struct foreign_ops OPS = {.has = file_has, .read = file_read, .close = file_close};

enum rk_code foreign_open_file(const char *path, struct foreign **out, struct rk_err *err)
{
    struct file *f = rk_calloc(1, sizeof *f);
    enum rk_code rc;

    f->base.ops = &OPS;
    f->path = rk_str_dupz(rk_str_z(path));
    rc = look(f, path, err);
    if (rc) {
        file_close(&f->base);
        return rc;
    }
    *out = &f->base;
    return RK_OK;
}
