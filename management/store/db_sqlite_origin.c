/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose SQLite file it is: see db_origin.h. */
#include "config.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/base/arena.h"
#include "management/store/db_origin.h"

#define LOOK_BUSY_MS 10000 /* somebody checkpoints, or copies the file */

/* ---- SQLite */

/* "file:/path?immutable=1" with what has a meaning in a URI escaped. Owned. */
static char *immutable_uri(const char *path)
{
    static const char hex[] = "0123456789abcdef";
    char *uri = rk_malloc(strlen(path) * 3 + sizeof "file:?immutable=1"), *p = uri;

    memcpy(p, "file:", 5);
    p += 5;
    for (; *path; path++)
        if (*path == '%' || *path == '?' || *path == '#') {
            *p++ = '%';
            *p++ = hex[(unsigned char)*path >> 4];
            *p++ = hex[(unsigned char)*path & 15];
        } else {
            *p++ = *path;
        }
    memcpy(p, "?immutable=1", sizeof "?immutable=1");
    return uri;
}

static int first_i64(sqlite3 *h, const char *sql, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(h, sql, -1, &st, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    (void)sqlite3_finalize(st);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int tables_read(sqlite3 *h, struct db_tables *t)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(h,
                                "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') "
                                "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
                                -1, &st, NULL);

    while (rc == SQLITE_OK || rc == SQLITE_ROW) {
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
            db_tables_add(t, (const char *)sqlite3_column_text(st, 0));
    }
    (void)sqlite3_finalize(st);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Made by us before files had a mark: our first migration stands in its list. */
static bool is_old(sqlite3 *h)
{
    int64_t n = 0;

    return first_i64(h,
                     "SELECT count(*) FROM schema_migration WHERE number = 1 AND "
                     "name = '0001_init' AND checksum <> '' AND applied_at > 0",
                     &n) == SQLITE_OK &&
           n == 1;
}

/* What is in an open database; *other: it is somebody else's. */
static int look(sqlite3 *h, enum db_origin *out, struct db_tables *t, bool *other)
{
    int64_t id = 0;
    int rc = first_i64(h, "PRAGMA application_id", &id);

    *t = (struct db_tables){0};
    *other = false;
    *out = DB_ORIGIN_OURS;
    if (rc != SQLITE_OK || id == DB_ORIGIN_SQLITE_ID)
        return rc;
    rc = tables_read(h, t);
    if (t->n == 0 && id == 0)
        *out = DB_ORIGIN_EMPTY;
    else if (id == 0 && is_old(h))
        *out = DB_ORIGIN_OLD;
    else
        *other = rc == SQLITE_OK;
    return rc;
}

static int look_by(const char *name, int flags, enum db_origin *out, struct db_tables *t,
                   bool *other)
{
    sqlite3 *h = NULL;
    int rc = sqlite3_open_v2(name, &h, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | flags, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(h, LOOK_BUSY_MS);
    if (rc == SQLITE_OK)
        rc = look(h, out, t, other);
    (void)sqlite3_close(h);
    return rc & 0xff;
}

/* A database that was never checkpointed has all its tables in the WAL. */
static bool has_wal(const char *path)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct stat st;

    return stat(RK_CAT(mem, rk_str_z(path), RK_STR("-wal")).p, &st) == 0 && st.st_size > 0;
}

enum rk_code db_origin_of_file(const char *path, enum db_origin *out, struct rk_err *err)
{
    RK_CLEANUP(rk_freep) char *uri = immutable_uri(path);
    struct db_tables t = {0};
    struct stat st;
    bool other = false;
    int rc;

    if (stat(path, &st)) {
        if (errno != ENOENT)
            return rk_fail_errno(err, RK_UNAVAILABLE, errno, "database %s", path);
        *out = DB_ORIGIN_ABSENT;
        return RK_OK;
    }
    if (!S_ISREG(st.st_mode))
        return rk_fail(err, RK_INVALID, "database %s is not a file", path);
    rc = look_by(uri, SQLITE_OPEN_URI, out, &t, &other);
    /* The look without locks sees half of what another connection checkpoints at the moment: what
     * it finds wrong counts only when a look that waits its turn finds it, too. */
    if (rc != SQLITE_OK || (!other && *out == DB_ORIGIN_EMPTY && has_wal(path)))
        rc = look_by(path, 0, out, &t, &other);
    if (rc == SQLITE_NOTADB)
        return rk_fail(err, RK_PRECONDITION,
                       "%s is no SQLite database" DB_ORIGIN_LEFT "give Rookery a store of its own",
                       path);
    if (rc != SQLITE_OK)
        return rk_fail(err, RK_UNAVAILABLE, "database %s: %s", path, sqlite3_errstr(rc));
    return other ? db_tables_foreign(path, &t, err) : RK_OK;
}
