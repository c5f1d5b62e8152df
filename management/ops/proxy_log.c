/* SPDX-License-Identifier: BSD-3-Clause */
/* See proxy_log.h. */
#include "config.h"

#include "management/ops/proxy_log.h"

static const char SQL_ADD[] =
    "INSERT INTO proxy_log (id, account_id, service_id, at, method, host, path, duration_ms, "
    "status_code, source_ip, reason, user_id, auth_method, country, city, subdivision, "
    "bytes_upload, bytes_download, protocol, metadata) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, "
    "$10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) ON CONFLICT DO NOTHING";
static const char SQL_SWEEP[] = "DELETE FROM proxy_log WHERE at < $1";
static const char SQL_MANY[] =
    "SELECT account_id FROM proxy_log GROUP BY account_id HAVING COUNT(*) > $1";
static const char SQL_CUT[] =
    "DELETE FROM proxy_log WHERE account_id = $1 AND at <= (SELECT at FROM "
    "proxy_log WHERE account_id = $1 ORDER BY at DESC LIMIT 1 OFFSET $2)";

enum rk_code proxy_log_add(struct db *db, const struct proxy_log *e, struct rk_err *err)
{
    return db_exec(db, err, NULL, SQL_ADD,
                   DB_ARGS(db_text(e->id), db_text(e->account_id), db_text(e->service_id),
                           db_i64(e->at_us), db_text(e->method), db_text(e->host), db_text(e->path),
                           db_i64(e->duration_ms), db_i64(e->status_code), db_text(e->source_ip),
                           db_text(e->reason), db_text(e->user_id), db_text(e->auth_method),
                           db_text(e->country), db_text(e->city), db_text(e->subdivision),
                           db_i64(e->bytes_upload), db_i64(e->bytes_download), db_text(e->protocol),
                           db_text(e->metadata)));
}

static enum rk_code cut(struct db *db, int64_t most, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct str_list accounts = {0};
    size_t cap = 0;
    enum rk_code rc = db_query(db, &rows, err, SQL_MANY, DB_ARGS(db_i64(most)));

    while (rc == RK_OK && db_next(rows)) {
        accounts.v = rk_arena_grow(mem, accounts.v, accounts.n, &cap, sizeof *accounts.v);
        accounts.v[accounts.n++] = db_col_text(rows, 0, mem);
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    for (size_t i = 0; rc == RK_OK && i < accounts.n; i++)
        rc = db_exec(db, err, NULL, SQL_CUT, DB_ARGS(db_text(accounts.v[i]), db_i64(most)));
    return rc;
}

enum rk_code proxy_log_sweep(struct db *db, int64_t before_us, int64_t most, struct rk_err *err)
{
    enum rk_code rc = db_exec(db, err, NULL, SQL_SWEEP, DB_ARGS(db_i64(before_us)));

    return rc ? rc : cut(db, most, err);
}

/* ---- reading */

#define WHERE                                                                                      \
    "FROM proxy_log WHERE account_id = $1 AND ($2 = '' OR source_ip = $2) AND "                    \
    "($3 = '' OR host = $3) AND ($4 = '' OR user_id = $4) AND ($5 = '' OR method = $5) AND "       \
    "($6 = '' OR LOWER(path) LIKE $6 ESCAPE '!') AND "                                             \
    "($7 = 0 OR ($7 = 1 AND status_code BETWEEN 200 AND 399) OR "                                  \
    "($7 = 2 AND status_code NOT BETWEEN 200 AND 399)) AND ($8 = 0 OR status_code = $8) AND "      \
    "at >= $9 AND at <= $10 AND ($11 = '' OR LOWER(id) LIKE $11 ESCAPE '!' OR "                    \
    "source_ip LIKE $11 ESCAPE '!' OR LOWER(host || path) LIKE $11 ESCAPE '!' OR "                 \
    "($12 <> '' AND user_id = $12))"

static const char SQL_COUNT[] = "SELECT COUNT(*) " WHERE;
static const char SQL_READ[] =
    "SELECT id, service_id, at, method, host, path, duration_ms, status_code, source_ip, reason, "
    "user_id, auth_method, country, city, subdivision, bytes_upload, bytes_download, protocol, "
    "metadata " WHERE " ORDER BY ";

static const struct {
    const char *name, *columns; /* each with the direction behind it */
} SORTS[] = {
    {"timestamp", "at"},
    {"url", "host || path"},
    {"host", "host"},
    {"path", "path"},
    {"method", "method"},
    {"status_code", "status_code"},
    {"duration", "duration_ms"},
    {"source_ip", "source_ip"},
    {"user_id", "user_id"},
    {"reason", "reason"},
    {"auth_method", "auth_method"},
};

/* A part of a text, for LIKE: lower case, with what has a meaning there escaped. */
static struct rk_str pattern(struct rk_arena *mem, struct rk_str s)
{
    char *p = rk_arena_alloc(mem, s.n * 2 + 3);
    size_t n = 0;

    if (!s.n)
        return s;
    p[n++] = '%';
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '%' || c == '_' || c == '!')
            p[n++] = '!';
        p[n++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    p[n++] = '%';
    return rk_str_of(p, n);
}

static const char *read_sql(struct rk_arena *mem, const struct proxy_log_filter *f)
{
    const char *columns = SORTS[0].columns, *way = f->ascending ? "ASC" : "DESC";

    for (size_t i = 0; i < RK_ARRAY_LEN(SORTS); i++)
        if (rk_str_eqz(f->sort, SORTS[i].name))
            columns = SORTS[i].columns;
    return rk_arena_printf(mem, "%s%s %s, at %s, id %s LIMIT $13 OFFSET $14", SQL_READ, columns,
                           way, way, way)
        .p;
}

static struct proxy_log of_row(struct db_rows *rows, struct rk_arena *mem)
{
    return (struct proxy_log){.id = db_col_text(rows, 0, mem),
                              .service_id = db_col_text(rows, 1, mem),
                              .at_us = db_col_i64(rows, 2),
                              .method = db_col_text(rows, 3, mem),
                              .host = db_col_text(rows, 4, mem),
                              .path = db_col_text(rows, 5, mem),
                              .duration_ms = db_col_i64(rows, 6),
                              .status_code = db_col_i64(rows, 7),
                              .source_ip = db_col_text(rows, 8, mem),
                              .reason = db_col_text(rows, 9, mem),
                              .user_id = db_col_text(rows, 10, mem),
                              .auth_method = db_col_text(rows, 11, mem),
                              .country = db_col_text(rows, 12, mem),
                              .city = db_col_text(rows, 13, mem),
                              .subdivision = db_col_text(rows, 14, mem),
                              .bytes_upload = db_col_i64(rows, 15),
                              .bytes_download = db_col_i64(rows, 16),
                              .protocol = db_col_text(rows, 17, mem),
                              .metadata = db_col_text(rows, 18, mem)};
}

enum rk_code proxy_log_read(struct op *op, const struct proxy_log_filter *f,
                            struct proxy_log_page *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct rk_str path = pattern(op->mem, f->path), search = pattern(op->mem, f->search);
    /* the filter's are those of both statements, the last two of reading alone */
    const struct db_val args[] = {
        db_text(op_account(op)), db_text(f->source_ip),
        db_text(f->host),        db_text(f->user_id),
        db_text(f->method),      db_text(path),
        db_i64(f->success),      db_i64(f->status_code),
        db_i64(f->since_us),     db_i64(f->until_us ? f->until_us : INT64_MAX),
        db_text(search),         db_text(f->search_user),
        db_i64(f->limit),        db_i64(f->offset)};
    size_t cap = 0, n = RK_ARRAY_LEN(args);
    enum rk_code rc = op_may(op, PERM_SERVICES, PERM_READ, err);

    *out = (struct proxy_log_page){0};
    if (!rc)
        rc = db_get_i64(op->db, &out->total, err, SQL_COUNT, args, n - 2);
    if (!rc)
        rc = db_query(op->db, &rows, err, read_sql(op->mem, f), args, n);
    while (!rc && db_next(rows)) {
        out->v = rk_arena_grow(op->mem, out->v, out->n, &cap, sizeof *out->v);
        out->v[out->n++] = of_row(rows, op->mem);
    }
    return rc ? rc : db_end(rows, err);
}
