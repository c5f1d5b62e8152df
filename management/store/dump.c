/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing and checking a dump: see dump.h. The other direction is in dump_load.c. */
#include "config.h"

#include "management/store/dump.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/base/enc.h"
#include "lib/base/num.h"
#include "lib/crypto/hash.h"
#include "lib/json/json.h"
#include "management/store/dump_impl.h"
#include "management/store/migrate.h"

static const char SQL_TABLES_LITE[] =
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
    "AND name NOT IN ('node', 'lease', 'cluster_count', 'signal_parcel', 'schema_migration') ORDER "
    "BY name";
static const char SQL_TABLES_PG[] =
    "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() "
    "AND table_type = 'BASE TABLE' AND table_name NOT IN ('node', 'lease', 'cluster_count', "
    "'signal_parcel', 'schema_migration', 'traffic_migration', 'traffic_event') ORDER BY "
    "table_name COLLATE \"C\"";
static const char SQL_COLUMNS_LITE[] = "SELECT name FROM pragma_table_info($1) ORDER BY name";
static const char SQL_COLUMNS_PG[] =
    "SELECT column_name::text FROM information_schema.columns WHERE table_schema = "
    "current_schema() AND table_name = $1 ORDER BY column_name COLLATE \"C\"";
static const char SQL_SCHEMA[] = "SELECT max(number) FROM schema_migration";

enum rk_code dump_names(struct db *db, const char *sql, struct rk_arena *mem, struct rk_str table,
                        struct str_list *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct str_list l = {0};
    size_t cap = 0;
    enum rk_code rc = table.n ? db_query(db, &rows, err, sql, DB_ARGS(db_text(table)))
                              : db_query(db, &rows, err, sql, DB_NOARGS);

    while (rc == RK_OK && db_next(rows)) {
        l.v = rk_arena_grow(mem, l.v, l.n, &cap, sizeof *l.v);
        l.v[l.n++] = db_col_text(rows, 0, mem);
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc == RK_OK)
        *out = l;
    return rc;
}

enum rk_code dump_tables(struct db *db, struct rk_arena *mem, struct str_list *out,
                         struct rk_err *err)
{
    bool pg = db_engine_of(db) == DB_PG;

    return dump_names(db, pg ? SQL_TABLES_PG : SQL_TABLES_LITE, mem, (struct rk_str){0}, out, err);
}

/* ---- lines */

void dump_sum_add(uint64_t sum[2], struct rk_str line)
{
    uint8_t h[HASH_BLAKE2B128_SIZE];
    uint64_t v[2];

    hash_blake2b128(line, h);
    memcpy(v, h, sizeof v);
    sum[0] += v[0]; /* addition, so the order of rows does not matter; the same row twice does */
    sum[1] += v[1];
}

struct writer {
    FILE *out;
    struct hash_sha256_state sha;
    struct rk_buf line;
    int failed; /* errno of what went wrong first */
};

static void put(struct writer *w, struct rk_str s)
{
    hash_sha256_add(&w->sha, s);
    if (fwrite(s.p, 1, s.n, w->out) != s.n && !w->failed)
        w->failed = errno ? errno : EIO;
}

static void put_line(struct writer *w)
{
    rk_buf_addc(&w->line, '\n');
    put(w, rk_buf_str(&w->line));
    rk_buf_clear(&w->line);
}

static void add_escaped(struct rk_buf *b, struct rk_str s)
{
    size_t from = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c != '\t' && c != '\n' && c != '\\')
            continue;
        rk_buf_add(b, rk_str_sub(s, from, i - from));
        rk_buf_addc(b, '\\');
        rk_buf_addc(b, c == '\t' ? 't' : c == '\n' ? 'n' : '\\');
        from = i + 1;
    }
    rk_buf_add(b, rk_str_sub(s, from, s.n));
}

static void add_value(struct rk_buf *b, const struct db_val *v)
{
    char *room;

    switch (v->type) {
    case DB_NULL:
        rk_buf_addc(b, 'N');
        break;
    case DB_I64:
        rk_buf_printf(b, "I%lld", (long long)v->i);
        break;
    case DB_TEXT:
        rk_buf_addc(b, 'T');
        add_escaped(b, v->s);
        break;
    case DB_BLOB:
        rk_buf_addc(b, 'B');
        room = rk_buf_room(b, RK_BASE64_LEN(v->s.n) + 1);
        if (room) {
            rk_base64_encode_to(room, v->s);
            rk_buf_added(b, RK_BASE64_LEN(v->s.n));
        }
        break;
    }
}

/* ---- a table */

static const char *select_of(struct rk_arena *mem, struct rk_str table, const struct str_list *cols)
{
    struct rk_str list = {0};

    for (size_t i = 0; i < cols->n; i++)
        list = rk_arena_printf(mem, "%.*s%s\"%.*s\"", RK_STR_ARG(list), i ? ", " : "",
                               RK_STR_ARG(cols->v[i]));
    return rk_arena_printf(mem, "SELECT %.*s FROM \"%.*s\"", RK_STR_ARG(list), RK_STR_ARG(table)).p;
}

static enum rk_code rows_write(struct writer *w, struct db *db, struct rk_arena *mem,
                               const struct str_list *cols, struct dump_table *t,
                               struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, select_of(mem, t->name, cols), DB_NOARGS);

    while (rc == RK_OK && !w->failed && db_next(rows)) {
        for (size_t i = 0; i < cols->n; i++) {
            struct db_val v = db_col_any(rows, (int)i);

            if (i)
                rk_buf_addc(&w->line, '\t');
            add_value(&w->line, &v);
        }
        if (w->line.full)
            return rk_fail(err, RK_LIMIT, "a row of %.*s is too large", RK_STR_ARG(t->name));
        t->rows++;
        dump_sum_add(t->sum, rk_buf_str(&w->line));
        put_line(w);
    }
    return rc ? rc : db_end(rows, err);
}

static enum rk_code table_write(struct writer *w, struct db *db, struct rk_arena *mem,
                                struct dump_table *t, struct rk_err *err)
{
    bool pg = db_engine_of(db) == DB_PG;
    struct str_list cols = {0};
    enum rk_code rc =
        dump_names(db, pg ? SQL_COLUMNS_PG : SQL_COLUMNS_LITE, mem, t->name, &cols, err);

    if (rc)
        return rc;
    rk_buf_printf(&w->line, ">%.*s", RK_STR_ARG(t->name));
    for (size_t i = 0; i < cols.n; i++)
        rk_buf_printf(&w->line, " %.*s", RK_STR_ARG(cols.v[i]));
    put_line(w);
    rc = rows_write(w, db, mem, &cols, t, err);
    rk_buf_printf(&w->line, "=%lld %016llx%016llx", (long long)t->rows,
                  (unsigned long long)t->sum[0], (unsigned long long)t->sum[1]);
    put_line(w);
    return rc;
}

/* ---- the whole */

static void manifest_write(struct writer *w, const struct dump_info *i)
{
    json_put_obj(&w->line);
    json_put_key_int(&w->line, "created_at", i->created_unix_us);
    json_put_key_str(&w->line, "program", i->program);
    json_put_key_str(&w->line, "engine", i->engine);
    json_put_key_int(&w->line, "schema", i->schema);
    json_put_key_str(&w->line, "store_key", i->store_key);
    json_put_key_str(&w->line, "secrets", i->secrets);
    json_put_obj_end(&w->line);
    put_line(w);
}

static enum rk_code all_write(struct writer *w, struct db *db, struct rk_arena *mem,
                              struct dump_info *i, struct rk_err *err)
{
    struct str_list tables = {0};
    enum rk_code rc = db_get_i64(db, &i->schema, err, SQL_SCHEMA, DB_NOARGS);

    if (rc == RK_OK)
        rc = dump_tables(db, mem, &tables, err);
    if (rc == RK_OK && tables.n > DUMP_TABLES_MAX)
        rc = rk_fail(err, RK_LIMIT, "too many tables");
    rk_buf_addz(&w->line, DUMP_MAGIC);
    put_line(w);
    manifest_write(w, i);
    for (size_t k = 0; rc == RK_OK && k < tables.n; k++) {
        struct dump_table *t = &i->tables[i->n_tables++];

        *t = (struct dump_table){.name = tables.v[k]};
        rc = table_write(w, db, mem, t, err);
        i->rows += t->rows;
    }
    return rc;
}

static enum rk_code end_write(struct writer *w, struct rk_err *err)
{
    uint8_t sha[HASH_SHA256_SIZE];
    char hex[RK_HEX_LEN(HASH_SHA256_SIZE) + 1];

    hash_sha256_end(&w->sha, sha);
    rk_hex_encode_to(hex, rk_str_of(sha, sizeof sha));
    if (!w->failed && (fprintf(w->out, ".%s\n", hex) < 0 || fflush(w->out)))
        w->failed = errno;
    if (w->failed)
        return rk_fail_errno(err, RK_UNAVAILABLE, w->failed, "%s",
                             w->failed == ENOSPC ? "the disk has no room for it" : "write");
    return RK_OK;
}

enum rk_code dump_write(struct db *db, FILE *out, const struct dump_opts *opts,
                        struct rk_arena *mem, struct dump_info *info, struct rk_err *err)
{
    bool pg = db_engine_of(db) == DB_PG;
    struct dump_info i = {.created_unix_us = rk_unix_us(),
                          .program = RK_STR(PACKAGE_VERSION),
                          .engine = pg ? RK_STR("postgres") : RK_STR("sqlite"),
                          .store_key = opts->store_key,
                          .secrets = opts->secrets};
    struct writer w = {.out = out};
    enum rk_code rc =
        db_script(db, pg ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN", err);

    if (rc)
        return rc;
    hash_sha256_init(&w.sha);
    rk_buf_init(&w.line, DUMP_LINE_MAX);
    rc = all_write(&w, db, mem, &i, err);
    if (db_script(db, "ROLLBACK", rc ? NULL : err) && rc == RK_OK)
        rc = RK_UNAVAILABLE;
    if (rc == RK_OK)
        rc = end_write(&w, err);
    rk_buf_done(&w.line);
    db_forget(db); /* its statements are in mem */
    if (rc == RK_OK && info)
        *info = i;
    return rc;
}
