/* SPDX-License-Identifier: BSD-3-Clause */
/* PostgreSQL databases of other products; see foreign.h. One read-only snapshot for all tables. */
#include "config.h"

#include <stdlib.h>

#include "lib/base/buf.h"
#include "management/store/foreign_impl.h"

#define ROWS_MAX    10000000
#define COLUMNS_MAX 200

struct server {
    struct foreign base;
    struct db *db;
    struct rk_arena *sql; /* texts of statements outlive the connection */
};

static struct server *server_of(struct foreign *f)
{
    return rk_container_of(f, struct server, base);
}

static const char SQL_HAS[] =
    "SELECT count(*) FROM information_schema.columns WHERE table_schema = current_schema() "
    "AND table_name = $1 AND ($2 = '' OR column_name = $2)";

static bool server_has(struct foreign *f, const char *table, const char *column)
{
    int64_t n = 0;

    return db_get_i64(server_of(f)->db, &n, NULL, SQL_HAS,
                      DB_ARGS(db_textz(table), db_textz(column ? column : ""))) == RK_OK &&
           n > 0;
}

/* ---- a table */

struct column {
    struct rk_str name, type;
};

static const char SQL_COLUMNS[] =
    "SELECT column_name::text, data_type::text FROM information_schema.columns "
    "WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position";

static enum rk_code columns_of(struct server *s, const char *table, struct rk_arena *mem,
                               struct column *c, size_t *n, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(s->db, &rows, err, SQL_COLUMNS, DB_ARGS(db_textz(table)));

    *n = 0;
    while (rc == RK_OK && db_next(rows)) {
        if (*n == COLUMNS_MAX)
            return rk_fail(err, RK_LIMIT, "%s has too many columns", table);
        c[(*n)++] = (struct column){db_col_text(rows, 0, mem), db_col_text(rows, 1, mem)};
    }
    return rc ? rc : db_end(rows, err);
}

/* As SQLite would have it: numbers, texts, bytes; times in UTC. */
static void put_column(struct rk_buf *b, const struct column *c)
{
    bool whole = rk_str_ends(c->type, RK_STR("int")) || rk_str_eqz(c->type, "integer");
    bool time = rk_str_starts(c->type, RK_STR("timestamp"));

    if (rk_str_eqz(c->type, "bytea"))
        rk_buf_printf(b, "\"%.*s\"", RK_STR_ARG(c->name));
    else if (whole)
        rk_buf_printf(b, "\"%.*s\"::bigint", RK_STR_ARG(c->name));
    else if (rk_str_eqz(c->type, "boolean"))
        rk_buf_printf(b, "\"%.*s\"::int::bigint", RK_STR_ARG(c->name));
    else if (time)
        rk_buf_printf(b, "to_char(\"%.*s\"%s, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
                      RK_STR_ARG(c->name),
                      rk_str_ends(c->type, RK_STR("with time zone")) ? " AT TIME ZONE 'UTC'" : "");
    else
        rk_buf_printf(b, "\"%.*s\"::text", RK_STR_ARG(c->name));
}

static const char *select_of(struct server *s, const char *table, const struct column *c, size_t n)
{
    struct rk_buf b;
    const char *sql;
    bool by_id = false;

    rk_buf_init(&b, 1 << 16);
    rk_buf_addz(&b, "SELECT ");
    for (size_t i = 0; i < n; i++) {
        if (i)
            rk_buf_addz(&b, ", ");
        put_column(&b, &c[i]);
        by_id = by_id || rk_str_eqz(c[i].name, "id");
    }
    rk_buf_printf(&b, " FROM \"%s\" ORDER BY %s", table, by_id ? "\"id\"" : "ctid");
    sql = rk_arena_dupz(s->sql, rk_buf_str(&b));
    rk_buf_done(&b);
    return sql;
}

static struct db_val copy_of(struct db_rows *rows, size_t i, struct rk_arena *mem)
{
    struct db_val v = db_col_any(rows, (int)i);

    if (v.type == DB_TEXT || v.type == DB_BLOB)
        v.s = rk_arena_dup(mem, v.s);
    return v;
}

static enum rk_code server_read(struct foreign *f, const char *table, struct rk_arena *mem,
                                struct foreign_table *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct server *s = server_of(f);
    struct column *c = rk_new_n(mem, struct column, COLUMNS_MAX);
    struct rk_str *names;
    size_t n, cap = 0;
    enum rk_code rc = columns_of(s, table, mem, c, &n, err);

    if (rc)
        return rc;
    names = rk_new_n(mem, struct rk_str, n + 1);
    for (size_t i = 0; i < n; i++)
        names[i] = c[i].name;
    rc = db_query(s->db, &rows, err, select_of(s, table, c, n), DB_NOARGS);
    while (rc == RK_OK && db_next(rows)) {
        struct foreign_row r = {.names = names, .v = rk_new_n(mem, struct db_val, n + 1), .n = n};

        if (out->n == ROWS_MAX)
            return rk_fail(err, RK_LIMIT, "%s: too many rows", table);
        for (size_t i = 0; i < n; i++)
            r.v[i] = copy_of(rows, i, mem);
        out->rows = rk_arena_grow(mem, out->rows, out->n, &cap, sizeof *out->rows);
        out->rows[out->n++] = r;
    }
    return rc ? rc : db_end(rows, err);
}

/* ---- */

static void server_close(struct foreign *f)
{
    struct server *s = server_of(f);

    db_close(s->db);
    rk_arena_free(s->sql);
    free(s);
}

static const struct foreign_ops OPS = {
    .has = server_has, .read = server_read, .close = server_close};

enum rk_code foreign_open_pg(const char *url, struct foreign **out, struct rk_err *err)
{
    struct server *s = rk_calloc(1, sizeof *s);
    struct db_opts o = {.url = url, .existing = true};
    enum rk_code rc;

    s->base.ops = &OPS;
    s->sql = rk_arena_new(0);
    rc = db_open(&s->db, &o, err);
    if (rc == RK_OK)
        rc = db_script(s->db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
    if (rc) {
        server_close(&s->base);
        return rc;
    }
    *out = &s->base;
    return RK_OK;
}
