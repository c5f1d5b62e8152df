/* SPDX-License-Identifier: BSD-3-Clause */
/* Checking and reading a dump back: see dump.h. */
#include "config.h"

#include <sodium.h>
#include <stdlib.h>

#include "lib/base/enc.h"
#include "lib/base/map.h"
#include "lib/base/num.h"
#include "lib/crypto/hash.h"
#include "lib/crypto/secret.h"
#include "lib/json/pull.h"
#include "management/store/dump_impl.h"
#include "management/store/migrate.h"

struct reader {
    FILE *in;
    char *buf; /* getline's */
    size_t size;
    struct rk_str line; /* without its end */
    struct hash_sha256_state sha;
    size_t number;
};

static bool next_line(struct reader *r)
{
    ssize_t n = getline(&r->buf, &r->size, r->in);

    if (n <= 0 || r->buf[n - 1] != '\n')
        return false;
    r->number++;
    r->line = rk_str_of(r->buf, (size_t)n - 1);
    if (r->line.n == 0 || r->line.p[0] != '.')
        hash_sha256_add(&r->sha, rk_str_of(r->buf, (size_t)n));
    return true;
}

static void reader_done(struct reader *r)
{
    free(r->buf);
    rewind(r->in);
}

static enum rk_code damaged(const struct reader *r, const char *what, struct rk_err *err)
{
    return rk_fail(err, RK_INVALID, "the backup is damaged: %s (line %zu)", what, r->number);
}

/* ---- checking */

static bool manifest_read(struct rk_str line, struct rk_arena *mem, struct dump_info *i)
{
    struct json_pull r = json_pull_of(rk_arena_dup(mem, line), mem);
    struct rk_str key;

    json_pull_enter(&r, '{');
    while (json_pull_key(&r, &key)) {
        if (rk_str_eqz(key, "created_at"))
            i->created_unix_us = json_pull_i64(&r);
        else if (rk_str_eqz(key, "schema"))
            i->schema = json_pull_i64(&r);
        else if (rk_str_eqz(key, "program"))
            i->program = json_pull_str(&r);
        else if (rk_str_eqz(key, "engine"))
            i->engine = json_pull_str(&r);
        else if (rk_str_eqz(key, "store_key"))
            i->store_key = json_pull_str(&r);
        else if (rk_str_eqz(key, "secrets"))
            i->secrets = json_pull_str(&r);
        else
            json_pull_skip(&r);
    }
    return json_pull_done(&r);
}

static enum rk_code head_read(struct reader *r, struct rk_arena *mem, struct dump_info *i,
                              struct rk_err *err)
{
    if (!next_line(r) || !rk_str_starts(r->line, RK_STR("rookery-backup ")))
        return rk_fail(err, RK_INVALID, "this is not a backup of Rookery");
    if (!rk_str_eqz(r->line, DUMP_MAGIC))
        return rk_fail(err, RK_PRECONDITION,
                       "this backup was made by a newer release (%.*s): use that one",
                       RK_STR_ARG(r->line));
    if (!next_line(r))
        return damaged(r, "it ends early", err);
    if (!manifest_read(r->line, mem, i))
        return damaged(r, "its manifest cannot be read", err);
    if (i->schema > (int64_t)SCHEMA_SQL_N)
        return rk_fail(
            err, RK_PRECONDITION,
            "this backup has schema %lld, this program knows up to %zu: it was made by a "
            "newer release (%.*s)",
            (long long)i->schema, (size_t)SCHEMA_SQL_N, RK_STR_ARG(i->program));
    return i->schema < 1 ? damaged(r, "its manifest has no schema", err) : RK_OK;
}

static enum rk_code table_check(struct reader *r, struct rk_arena *mem, struct dump_info *i,
                                struct rk_err *err)
{
    struct dump_table *t = &i->tables[i->n_tables];
    char want[80];
    struct rk_str name, cols;

    if (i->n_tables == DUMP_TABLES_MAX)
        return damaged(r, "too many tables", err);
    (void)rk_str_cut(rk_str_sub(r->line, 1, r->line.n), ' ', &name, &cols);
    *t = (struct dump_table){.name = rk_arena_dup(mem, name)};
    while (next_line(r)) {
        if (r->line.n && r->line.p[0] == '=') {
            (void)snprintf(want, sizeof want, "=%lld %016llx%016llx", (long long)t->rows,
                           (unsigned long long)t->sum[0], (unsigned long long)t->sum[1]);
            if (!rk_str_eqz(r->line, want))
                return damaged(r, "a table does not add up", err);
            i->n_tables++;
            i->rows += t->rows;
            return RK_OK;
        }
        t->rows++;
        dump_sum_add(t->sum, r->line);
    }
    return damaged(r, "it ends early", err);
}

enum rk_code dump_check(FILE *in, struct rk_arena *mem, struct dump_info *out, struct rk_err *err)
{
    struct reader r = {.in = in};
    struct dump_info i = {0};
    uint8_t sha[HASH_SHA256_SIZE];
    char hex[RK_HEX_LEN(HASH_SHA256_SIZE) + 1];
    enum rk_code rc;

    hash_sha256_init(&r.sha);
    rc = head_read(&r, mem, &i, err);
    for (;;) {
        if (rc == RK_OK && !next_line(&r))
            rc = damaged(&r, "it ends early", err);
        if (rc || r.line.n == 0 || r.line.p[0] != '>')
            break;
        rc = table_check(&r, mem, &i, err);
    }
    hash_sha256_end(&r.sha, sha);
    rk_hex_encode_to(hex, rk_str_of(sha, sizeof sha));
    if (rc == RK_OK && (r.line.n != 1 + strlen(hex) || r.line.p[0] != '.' ||
                        !rk_str_eqz(rk_str_sub(r.line, 1, r.line.n), hex)))
        rc = damaged(&r, "its checksum is wrong", err);
    if (rc == RK_OK && fgetc(in) != EOF)
        rc = damaged(&r, "something follows its end", err);
    reader_done(&r);
    if (rc == RK_OK)
        *out = i;
    return rc;
}

/* ---- rows */

static bool unescape(struct rk_arena *mem, struct rk_str in, struct rk_str *out)
{
    char *to;
    size_t n = 0;

    if (rk_str_find_c(in, '\\') == in.n) {
        *out = in;
        return true;
    }
    to = rk_arena_alloc(mem, in.n);
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];

        if (c == '\\') {
            if (++i == in.n)
                return false;
            c = in.p[i] == 't' ? '\t' : in.p[i] == 'n' ? '\n' : in.p[i];
        }
        to[n++] = c;
    }
    *out = rk_str_of(to, n);
    return true;
}

static bool value_read(struct rk_arena *mem, struct rk_str s, struct db_val *out)
{
    struct rk_str rest = rk_str_sub(s, 1, s.n);
    uint8_t *bytes;
    size_t n = 0;

    switch (s.n ? s.p[0] : 0) {
    case 'N':
        *out = db_null();
        return s.n == 1;
    case 'I':
        *out = db_i64(0);
        return rk_parse_i64(rest, INT64_MIN, INT64_MAX, &out->i, NULL) == RK_OK;
    case 'T':
        *out = db_text((struct rk_str){0});
        return unescape(mem, rest, &out->s);
    case 'B':
        bytes = rk_arena_alloc(mem, rest.n + 1);
        if (rk_base64_decode(rest, bytes, rest.n + 1, &n, NULL))
            return false;
        *out = db_blob(rk_str_of(bytes, n));
        return true;
    default:
        return false;
    }
}

static const char *insert_of(struct rk_arena *mem, struct rk_str table, struct rk_str cols,
                             size_t *n)
{
    struct rk_str names = {0}, marks = {0}, one;

    *n = 0;
    while (cols.n) {
        (void)rk_str_cut(cols, ' ', &one, &cols);
        names = rk_arena_printf(mem, "%.*s%s\"%.*s\"", RK_STR_ARG(names), *n ? ", " : "",
                                RK_STR_ARG(one));
        marks = rk_arena_printf(mem, "%.*s%s$%zu", RK_STR_ARG(marks), *n ? ", " : "", *n + 1);
        (*n)++;
    }
    return rk_arena_printf(mem, "INSERT INTO \"%.*s\" (%.*s) VALUES (%.*s)", RK_STR_ARG(table),
                           RK_STR_ARG(names), RK_STR_ARG(marks))
        .p;
}

struct load {
    struct reader r;
    struct db *db;
    struct rk_arena *sql; /* statements: live as long as the connection */
    struct str_list want; /* tables of this pass */
};

static bool wanted(const struct load *l, struct rk_str table)
{
    for (size_t i = 0; i < l->want.n; i++)
        if (rk_str_eq(l->want.v[i], table))
            return true;
    return false;
}

static enum rk_code row_insert(struct load *l, const char *sql, size_t n_cols, struct rk_arena *row,
                               struct rk_err *err)
{
    struct db_val v[DB_ARGS_MAX];
    struct rk_str rest = l->r.line, one;
    size_t n = 0;

    for (bool more = true; more;) {
        more = rk_str_cut(rest, '\t', &one, &rest);
        if (n == n_cols || !value_read(row, one, &v[n++]))
            return damaged(&l->r, "a value", err);
    }
    if (n != n_cols)
        return damaged(&l->r, "a row", err);
    return db_exec(l->db, err, NULL, sql, v, n);
}

static enum rk_code table_load(struct load *l, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *row = rk_arena_new(0);
    struct rk_str name, cols;
    const char *sql = NULL;
    size_t n_cols = 0;
    enum rk_code rc = RK_OK;
    bool skip;

    (void)rk_str_cut(rk_str_sub(l->r.line, 1, l->r.line.n), ' ', &name, &cols);
    skip = !wanted(l, name);
    if (!skip)
        sql = insert_of(l->sql, name, cols, &n_cols);
    if (n_cols > DB_ARGS_MAX)
        return damaged(&l->r, "too many columns", err);
    while (rc == RK_OK && next_line(&l->r) && !(l->r.line.n && l->r.line.p[0] == '=')) {
        if (!skip)
            rc = row_insert(l, sql, n_cols, row, err);
        rk_arena_reset(row);
    }
    return rc;
}

/* ---- order: what others refer to comes first */

static const char SQL_REFS_LITE[] = "SELECT DISTINCT \"table\" FROM pragma_foreign_key_list($1)";
static const char SQL_REFS_PG[] =
    "SELECT DISTINCT t.relname::text FROM pg_constraint c JOIN pg_class t ON t.oid = c.confrelid "
    "JOIN pg_class f ON f.oid = c.conrelid WHERE c.contype = 'f' AND f.relname = $1 AND "
    "f.relnamespace = current_schema()::regnamespace";

/* Tables whose references are all in `done`: the next pass. */
static enum rk_code pass_of(struct db *db, struct rk_arena *mem, const struct str_list *all,
                            struct rk_map *done, struct str_list *out, struct rk_err *err)
{
    bool pg = db_engine_of(db) == DB_PG;
    size_t cap = 0;

    *out = (struct str_list){0};
    for (size_t i = 0; i < all->n; i++) {
        struct str_list refs = {0};
        bool free_now = true;
        enum rk_code rc;

        if (rk_map_get(done, all->v[i]))
            continue;
        rc = dump_names(db, pg ? SQL_REFS_PG : SQL_REFS_LITE, mem, all->v[i], &refs, err);
        if (rc)
            return rc;
        for (size_t k = 0; k < refs.n; k++)
            free_now &= rk_str_eq(refs.v[k], all->v[i]) || rk_map_get(done, refs.v[k]);
        if (free_now) {
            out->v = rk_arena_grow(mem, out->v, out->n, &cap, sizeof *out->v);
            out->v[out->n++] = all->v[i];
        }
    }
    return RK_OK;
}

/* All tables in passes, each after what it refers to. fn is called with each pass. */
static enum rk_code in_order(struct db *db, struct rk_arena *mem,
                             enum rk_code (*fn)(void *arg, const struct str_list *pass,
                                                struct rk_err *err),
                             void *arg, struct rk_err *err)
{
    struct str_list all = {0}, pass = {0};
    struct rk_map done;
    size_t n = 0;
    enum rk_code rc = dump_tables(db, mem, &all, err);

    rk_map_init(&done, true);
    while (rc == RK_OK && n < all.n) {
        rc = pass_of(db, mem, &all, &done, &pass, err);
        if (rc == RK_OK && pass.n == 0)
            rc = rk_fail(err, RK_INTERNAL, "tables refer to each other in a circle");
        if (rc == RK_OK)
            rc = fn(arg, &pass, err);
        for (size_t i = 0; i < pass.n; i++)
            rk_map_put(&done, pass.v[i], &done);
        n += pass.n;
    }
    rk_map_done(&done);
    return rc;
}

/* ---- loading */

static enum rk_code pass_load(void *arg, const struct str_list *pass, struct rk_err *err)
{
    struct load *l = arg;
    enum rk_code rc = RK_OK;

    l->want = *pass;
    rewind(l->r.in);
    l->r.number = 0;
    while (rc == RK_OK && next_line(&l->r) && !(l->r.line.n && l->r.line.p[0] == '.'))
        if (l->r.line.n && l->r.line.p[0] == '>')
            rc = table_load(l, err);
    return rc;
}

static const char SQL_SEQUENCE[] =
    "SELECT setval(pg_get_serial_sequence('event', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM "
    "event), false)";
static const char SQL_PRESENCE[] =
    "UPDATE peer_status SET connected = 0, session_token = 0, node = NULL";

static enum rk_code load_tx(struct db *db, void *arg, struct rk_err *err)
{
    struct load *l = arg;
    int64_t n;
    enum rk_code rc;

    db_set_lazy(db, true);
    rc = in_order(db, l->sql, pass_load, l, err);
    db_set_lazy(db, false);
    if (rc == RK_OK)
        rc = db_sync(db, err);
    if (rc == RK_OK) /* nobody is connected to the copy */
        rc = db_exec(db, err, &n, SQL_PRESENCE, DB_NOARGS);
    if (rc == RK_OK && db_engine_of(db) == DB_PG)
        rc = db_get_i64(db, &n, err, SQL_SEQUENCE, DB_NOARGS);
    return rc;
}

enum rk_code dump_load(FILE *in, const struct dump_info *info, struct db *db, struct rk_err *err)
{
    struct load l = {.r = {.in = in}, .db = db, .sql = rk_arena_new(0)};
    bool empty = false;
    enum rk_code rc = store_migrate_with(db, SCHEMA_SQL, (size_t)info->schema, err);

    if (rc == RK_OK)
        rc = dump_is_empty(db, &empty, err);
    if (rc == RK_OK && !empty)
        rc = rk_fail(err, RK_EXISTS, "the database is not empty");
    if (rc == RK_OK)
        rc = db_tx(db, load_tx, &l, err);
    if (rc == RK_OK)
        rc = store_migrate(db, err);
    reader_done(&l.r);
    db_forget(db); /* its statements are in our arena */
    rk_arena_free(l.sql);
    return rc;
}

enum rk_code dump_is_empty(struct db *db, bool *out, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct str_list tables = {0};
    enum rk_code rc = dump_tables(db, mem, &tables, err);

    *out = true;
    for (size_t i = 0; rc == RK_OK && *out && i < tables.n; i++) {
        int64_t n = 0;

        rc = db_get_i64(db, &n, err,
                        rk_arena_printf(mem,
                                        "SELECT count(*) FROM (SELECT 1 FROM \"%.*s\" LIMIT "
                                        "1) x",
                                        RK_STR_ARG(tables.v[i]))
                            .p,
                        DB_NOARGS);
        *out = n == 0;
    }
    db_forget(db);
    return rc;
}

struct clear {
    struct db *db;
    struct rk_arena *mem;
    struct str_list order;
    size_t cap;
};

static enum rk_code pass_note(void *arg, const struct str_list *pass, struct rk_err *err)
{
    struct clear *c = arg;

    (void)err;
    for (size_t i = 0; i < pass->n; i++) {
        c->order.v = rk_arena_grow(c->mem, c->order.v, c->order.n, &c->cap, sizeof *c->order.v);
        c->order.v[c->order.n++] = pass->v[i];
    }
    return RK_OK;
}

static enum rk_code clear_tx(struct db *db, void *arg, struct rk_err *err)
{
    struct clear *c = arg;
    enum rk_code rc;

    c->order.n = 0;
    rc = in_order(db, c->mem, pass_note, c, err);
    for (size_t i = c->order.n; rc == RK_OK && i-- > 0;)
        rc = db_exec(db, err, NULL,
                     rk_arena_printf(c->mem, "DELETE FROM \"%.*s\"", RK_STR_ARG(c->order.v[i])).p,
                     DB_NOARGS);
    return rc;
}

enum rk_code dump_clear(struct db *db, struct rk_err *err)
{
    struct clear c = {.db = db, .mem = rk_arena_new(0)};
    enum rk_code rc = db_tx(db, clear_tx, &c, err);

    db_forget(db);
    rk_arena_free(c.mem);
    return rc;
}

/* ---- secrets under a passphrase */

enum { SALT = crypto_pwhash_SALTBYTES, NONCE = crypto_secretbox_NONCEBYTES };

static enum rk_code stretch(struct rk_str passphrase, const uint8_t *salt,
                            uint8_t key[crypto_secretbox_KEYBYTES], struct rk_err *err)
{
    if (passphrase.n < 8)
        return rk_fail(err, RK_INVALID, "a passphrase has at least 8 characters");
    if (crypto_pwhash(key, crypto_secretbox_KEYBYTES, passphrase.p, passphrase.n, salt,
                      crypto_pwhash_OPSLIMIT_MODERATE, (size_t)64 << 20,
                      crypto_pwhash_ALG_ARGON2ID13))
        return rk_fail(err, RK_UNAVAILABLE, "not enough memory for the passphrase");
    return RK_OK;
}

enum rk_code dump_secrets_seal(struct rk_arena *mem, struct rk_str plain, struct rk_str passphrase,
                               struct rk_str *out, struct rk_err *err)
{
    size_t n = SALT + NONCE + crypto_secretbox_MACBYTES + plain.n;
    uint8_t *b = rk_arena_alloc(mem, n), key[crypto_secretbox_KEYBYTES];
    enum rk_code rc;

    rk_secret_random(b, SALT + NONCE);
    rc = stretch(passphrase, b, key, err);
    if (rc)
        return rc;
    (void)crypto_secretbox_easy(b + SALT + NONCE, (const uint8_t *)plain.p, plain.n, b + SALT, key);
    rk_secret_wipe(key, sizeof key);
    *out = rk_base64_encode(mem, rk_str_of(b, n));
    return RK_OK;
}

enum rk_code dump_secrets_open(struct rk_arena *mem, struct rk_str sealed, struct rk_str passphrase,
                               struct rk_str *out, struct rk_err *err)
{
    uint8_t *b = rk_arena_alloc(mem, sealed.n + 1), *plain, key[crypto_secretbox_KEYBYTES];
    size_t n = 0, head = SALT + NONCE + crypto_secretbox_MACBYTES;
    enum rk_code rc = rk_base64_decode(sealed, b, sealed.n + 1, &n, err);

    if (rc || n < head)
        return rk_fail(err, RK_INVALID, "the secrets in the backup are damaged");
    rc = stretch(passphrase, b, key, err);
    if (rc)
        return rc;
    plain = rk_arena_alloc(mem, n - head + 1);
    if (crypto_secretbox_open_easy(plain, b + SALT + NONCE, n - SALT - NONCE, b + SALT, key))
        rc = rk_fail(err, RK_UNAUTHENTICATED, "this is not the passphrase of the backup");
    else
        *out = rk_str_of(plain, n - head);
    rk_secret_wipe(key, sizeof key);
    return rc;
}
