/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing entities: SQL texts are made once from the tables of domain/columns.c (names only, never
 * values) and live as long as the process, so that their addresses key the statement caches.
 */
#include "config.h"

#include <assert.h>
#include <pthread.h>

#include "lib/crypto/vault.h"
#include "management/store/codec_sql.h"

#define SQL_TEXT_MAX 8192

static struct codec_sql TEXTS[ENT_COUNT];
static pthread_once_t texts_once = PTHREAD_ONCE_INIT;

/* ---- making the texts */

static const char *text_keep(struct rk_buf *b)
{
    char *z;

    assert(!b->full);
    z = rk_str_dupz(rk_buf_str(b));
    rk_buf_done(b);
    return z;
}

/* "INSERT INTO t (k, account_id, a, b) VALUES ($1, $2, $3, $4)"; $2 only where there is account_id.
 */
static const char *insert_text(const struct codec *c, size_t t, bool try)
{
    const struct table *tb = &c->tables[t];
    bool account = c->has_account && t == 0;
    struct rk_buf b;

    rk_buf_init(&b, SQL_TEXT_MAX);
    rk_buf_printf(&b, "INSERT INTO %s (%s", tb->name, c->key);
    if (account)
        rk_buf_addz(&b, ", account_id");
    for (size_t i = 0; i < tb->n_cols; i++)
        if (col_is_own(&tb->cols[i]))
            rk_buf_printf(&b, ", %s", tb->cols[i].name);
    rk_buf_addz(&b, ") VALUES ($1");
    if (account)
        rk_buf_addz(&b, ", $2");
    for (size_t i = 0, n = account ? 3 : 2; i < tb->n_cols; i++)
        if (col_is_own(&tb->cols[i]))
            rk_buf_printf(&b, ", $%zu", n++);
    rk_buf_addz(&b, try ? ") ON CONFLICT DO NOTHING" : ")");
    return text_keep(&b);
}

/* "UPDATE t SET a = $2, b = $3 WHERE k = $1"; NULL without columns of its own. */
static const char *update_text(const struct codec *c, size_t t)
{
    const struct table *tb = &c->tables[t];
    struct rk_buf b;
    size_t n = 2;

    rk_buf_init(&b, SQL_TEXT_MAX);
    rk_buf_printf(&b, "UPDATE %s SET ", tb->name);
    for (size_t i = 0; i < tb->n_cols; i++)
        if (col_is_own(&tb->cols[i])) {
            rk_buf_printf(&b, "%s%s = $%zu", n > 2 ? ", " : "", tb->cols[i].name, n);
            n++;
        }
    rk_buf_printf(&b, " WHERE %s = $1", c->key);
    if (n == 2) {
        rk_buf_done(&b);
        return NULL;
    }
    return text_keep(&b);
}

/* All own columns of the joined tables, of one entity or of an account. */
static const char *select_text(const struct codec *c, bool one)
{
    struct rk_buf b;

    rk_buf_init(&b, SQL_TEXT_MAX);
    rk_buf_printf(&b, "SELECT t0.%s", c->key);
    for (size_t t = 0; t < c->n_tables; t++)
        for (size_t i = 0; i < c->tables[t].n_cols; i++)
            if (col_is_own(&c->tables[t].cols[i]))
                rk_buf_printf(&b, ", t%zu.%s", t, c->tables[t].cols[i].name);
    rk_buf_printf(&b, " FROM %s t0", c->tables[0].name);
    for (size_t t = 1; t < c->n_tables; t++)
        rk_buf_printf(&b, " JOIN %s t%zu ON t%zu.%s = t0.%s", c->tables[t].name, t, t, c->key,
                      c->key);
    if (c->is_account)
        rk_buf_printf(&b, " WHERE t0.%s = $1", c->key);
    else
        rk_buf_printf(&b, " WHERE t0.account_id = $1%s", one ? " AND t0.id = $2" : "");
    rk_buf_printf(&b, " ORDER BY t0.%s", c->key);
    return text_keep(&b);
}

static void child_texts(const struct col *c, struct codec_child_sql *out)
{
    struct rk_buf b;
    size_t n = 4;

    rk_buf_init(&b, SQL_TEXT_MAX);
    rk_buf_printf(&b, "INSERT INTO %s (%s, ord, account_id", c->child, c->child_owner);
    for (size_t i = 0; i < c->n_sub; i++)
        if (col_is_own(&c->sub[i]))
            rk_buf_printf(&b, ", %s", c->sub[i].name);
    rk_buf_addz(&b, ") VALUES ($1, $2, $3");
    for (size_t i = 0; i < c->n_sub; i++)
        if (col_is_own(&c->sub[i]))
            rk_buf_printf(&b, ", $%zu", n++);
    rk_buf_addc(&b, ')');
    out->insert = text_keep(&b);

    rk_buf_init(&b, SQL_TEXT_MAX);
    rk_buf_printf(&b, "DELETE FROM %s WHERE %s = $1", c->child, c->child_owner);
    out->delete_all = text_keep(&b);

    for (int one = 0; one < 2; one++) {
        rk_buf_init(&b, SQL_TEXT_MAX);
        rk_buf_printf(&b, "SELECT %s", c->child_owner);
        for (size_t i = 0; i < c->n_sub; i++)
            if (col_is_own(&c->sub[i]))
                rk_buf_printf(&b, ", %s", c->sub[i].name);
        rk_buf_printf(&b, " FROM %s WHERE account_id = $1", c->child);
        if (one)
            rk_buf_printf(&b, " AND %s = $2", c->child_owner);
        rk_buf_printf(&b, " ORDER BY %s, ord", c->child_owner);
        *(one ? &out->select_one : &out->select_all) = text_keep(&b);
    }
}

static void texts_make(void)
{
    for (int k = 0; k < ENT_COUNT; k++) {
        const struct codec *c = codec_of((enum entity_kind)k);
        struct codec_sql *s = &TEXTS[k];
        struct rk_buf b;
        size_t children = 0;

        if (!c)
            continue;
        for (size_t t = 0; t < c->n_tables; t++) {
            s->insert[t] = insert_text(c, t, false);
            s->insert_try[t] = insert_text(c, t, true);
            s->update[t] = update_text(c, t);
            for (size_t i = 0; i < c->tables[t].n_cols; i++)
                if (c->tables[t].cols[i].type == C_CHILDREN) {
                    assert(children < CHILDREN_MAX);
                    child_texts(&c->tables[t].cols[i], &s->child[children++]);
                }
        }
        rk_buf_init(&b, SQL_TEXT_MAX);
        rk_buf_printf(&b, "DELETE FROM %s WHERE %s = $1", c->tables[0].name, c->key);
        s->delete_one = text_keep(&b);
        s->select_all = select_text(c, false);
        s->select_one = select_text(c, true);
    }
}

const struct codec_sql *codec_sql_of(enum entity_kind k)
{
    (void)pthread_once(&texts_once, texts_make);
    return &TEXTS[k];
}

/* ---- values */

struct rk_str codec_entity_id(const struct codec *c, struct rk_str account_id, const void *entity)
{
    return c->off_id == CODEC_NO_FIELD ? account_id : CAT(entity, c->off_id, struct rk_str);
}

static enum rk_code json_arg(struct rk_arena *mem, const void *base, const struct col *c,
                             struct db_val *out, struct rk_err *err)
{
    struct rk_buf b;

    rk_buf_init(&b, CODEC_JSON_MAX);
    codec_json_value(&b, base, c);
    if (!b.full)
        *out = db_text(rk_arena_dup(mem, rk_buf_str(&b)));
    rk_buf_done(&b);
    return b.full ? rk_fail(err, RK_LIMIT, "%s is too large", c->name) : RK_OK;
}

static struct db_val address_arg(struct rk_arena *mem, const struct rk_ip *ip, const uint8_t *bits)
{
    size_t n = rk_ip_size(ip);
    char *raw;

    if (!n)
        return db_null();
    raw = rk_arena_alloc(mem, n + 1);
    memcpy(raw, ip->b, n);
    if (bits)
        raw[n] = (char)*bits;
    return db_blob(rk_str_of(raw, n + (bits ? 1 : 0)));
}

static enum rk_code sealed_arg(struct store *s, const char *table, struct rk_str id,
                               struct rk_str plain, const struct col *c, struct db_val *out,
                               struct rk_err *err)
{
    struct rk_str sealed = {0};

    if (plain.n) {
        enum rk_code rc = vault_seal(
            s->vault, s->mem, codec_seal_context(s->mem, table, c->name, id), plain, &sealed, err);

        if (rc)
            return rc;
    }
    *out = db_text(sealed);
    return RK_OK;
}

/* Value of one own column; id and table only matter for C_SEALED. */
static enum rk_code arg_of(struct store *s, const char *table, struct rk_str id, const void *base,
                           const struct col *c, struct db_val *out, struct rk_err *err)
{
    switch (c->type) {
    case C_TEXT:
        *out = db_text(CAT(base, c->off, struct rk_str));
        return RK_OK;
    case C_REF:
        *out = db_text_opt(CAT(base, c->off, struct rk_str));
        return RK_OK;
    case C_SEALED:
        return sealed_arg(s, table, id, CAT(base, c->off, struct rk_str), c, out, err);
    case C_TIME:
        *out = db_time(CAT(base, c->off, int64_t));
        return RK_OK;
    case C_I64:
        *out = db_i64(CAT(base, c->off, int64_t));
        return RK_OK;
    case C_U64:
        if (CAT(base, c->off, uint64_t) > INT64_MAX)
            return rk_fail(err, RK_INVALID, "%s is too large", c->name);
        *out = db_i64((int64_t)CAT(base, c->off, uint64_t));
        return RK_OK;
    case C_I32:
        *out = db_i64(CAT(base, c->off, int32_t));
        return RK_OK;
    case C_U32:
        *out = db_i64(CAT(base, c->off, uint32_t));
        return RK_OK;
    case C_U16:
        *out = db_i64(CAT(base, c->off, uint16_t));
        return RK_OK;
    case C_BOOL:
        *out = db_bool(CAT(base, c->off, bool));
        return RK_OK;
    case C_ENUM:
        *out = db_textz(c->io->text(CAT(base, c->off, int)));
        return RK_OK;
    case C_ENUM_NUM:
        *out = db_i64(CAT(base, c->off, int));
        return RK_OK;
    case C_IP:
        *out = address_arg(s->mem, &CAT(base, c->off, struct rk_ip), NULL);
        return RK_OK;
    case C_PREFIX:
        *out = address_arg(s->mem, &CAT(base, c->off, struct rk_prefix).ip,
                           &CAT(base, c->off, struct rk_prefix).bits);
        return RK_OK;
    case C_STRS:
    case C_OBJ:
    case C_LIST:
        return json_arg(s->mem, base, c, out, err);
    case C_GROUPS:
    case C_CHILDREN:
        break;
    }
    return rk_fail(err, RK_INTERNAL, "column %s has no value", c->name);
}

/* Values of all own columns behind the first `n` of args; *n grows. */
static enum rk_code args_of(struct store *s, const char *table, struct rk_str id, const void *base,
                            const struct col *cols, size_t n_cols, struct db_val *args, size_t *n,
                            struct rk_err *err)
{
    for (size_t i = 0; i < n_cols; i++) {
        enum rk_code rc;

        if (!col_is_own(&cols[i]))
            continue;
        assert(*n < DB_ARGS_MAX);
        rc = arg_of(s, table, id, base, &cols[i], &args[*n], err);
        if (rc)
            return rc;
        (*n)++;
    }
    return RK_OK;
}

/* ---- lists of groups and child rows */

static const char SQL_REF_ADD[] = "INSERT INTO group_ref (owner_kind, owner_id, role, ord, "
                                  "group_id, account_id) VALUES ($1, $2, $3, $4, $5, $6)";
static const char SQL_REF_DEL[] =
    "DELETE FROM group_ref WHERE owner_kind = $1 AND owner_id = $2 AND role = $3";
static const char SQL_REF_DEL_ALL[] =
    "DELETE FROM group_ref WHERE owner_kind = $1 AND owner_id = $2";

/* The rows of one list; of one whose rows are elsewhere only that it is absent. */
static enum rk_code refs_add(struct store *s, struct rk_str account_id, const char *owner_kind,
                             struct rk_str owner_id, const struct col *c, const void *base,
                             struct rk_err *err)
{
    const struct str_list *l = &CAT(base, c->off, struct str_list);

    if (col_is_null(c, base))
        return db_exec(s->db, err, NULL, SQL_REF_ADD,
                       DB_ARGS(db_textz(owner_kind), db_text(owner_id), db_textz(c->name),
                               db_i64(-1), db_textz(""), db_text(account_id)));
    if (c->type != C_GROUPS)
        return RK_OK;
    for (size_t i = 0; i < l->n; i++) {
        enum rk_code rc =
            db_exec(s->db, err, NULL, SQL_REF_ADD,
                    DB_ARGS(db_textz(owner_kind), db_text(owner_id), db_textz(c->name),
                            db_i64((int64_t)i), db_text(l->v[i]), db_text(account_id)));

        if (rc)
            return rc;
    }
    return RK_OK;
}

/* The lists of every rule of a policy go with the rule. */
static enum rk_code child_refs_del(struct store *s, const struct col *c, const void *base,
                                   struct rk_err *err)
{
    const char *items = CAT(base, c->off, const char *);
    size_t n = CAT(base, c->off_n, size_t);
    bool any = false;

    for (size_t i = 0; i < c->n_sub; i++)
        any |= c->sub[i].type == C_GROUPS;
    for (size_t i = 0; any && i < n; i++) {
        enum rk_code rc =
            db_exec(s->db, err, NULL, SQL_REF_DEL_ALL,
                    DB_ARGS(db_textz(c->child),
                            db_text(CAT(items + i * c->elem, c->sub[0].off, struct rk_str))));

        if (rc)
            return rc;
    }
    return RK_OK;
}

static enum rk_code children_add(struct store *s, struct rk_str account_id, struct rk_str owner,
                                 const struct col *c, const struct codec_child_sql *sql,
                                 const void *base, struct rk_err *err)
{
    const char *items = CAT(base, c->off, const char *);
    size_t n = CAT(base, c->off_n, size_t);
    enum rk_code rc = RK_OK;

    for (size_t i = 0; rc == RK_OK && i < n; i++) {
        const char *item = items + i * c->elem;
        struct db_val args[DB_ARGS_MAX] = {db_text(owner), db_i64((int64_t)i), db_text(account_id)};
        size_t n_args = 3;

        rc = args_of(s, c->child, owner, item, c->sub, c->n_sub, args, &n_args, err);
        if (rc == RK_OK)
            rc = db_exec(s->db, err, NULL, sql->insert, args, n_args);
        for (size_t j = 0; rc == RK_OK && j < c->n_sub; j++)
            if (c->sub[j].type == C_GROUPS)
                rc = refs_add(s, account_id, c->child, CAT(item, c->sub[0].off, struct rk_str),
                              &c->sub[j], item, err);
    }
    return rc;
}

/* Bytes of a field that is compared as a whole; 0 for the others. */
static size_t plain_size(enum col_type t)
{
    switch (t) {
    case C_TIME:
    case C_I64:
    case C_U64:
        return 8;
    case C_I32:
    case C_U32:
    case C_ENUM:
    case C_ENUM_NUM:
        return 4;
    case C_U16:
        return 2;
    case C_BOOL:
        return sizeof(bool);
    default:
        return 0;
    }
}

static bool cols_equal(const struct col *cols, size_t n_cols, const void *a, const void *b);

static bool list_equal(const struct col *c, const void *a, const void *b)
{
    const char *x = CAT(a, c->off, const char *), *y = CAT(b, c->off, const char *);
    size_t n = CAT(a, c->off_n, size_t);

    if (n != CAT(b, c->off_n, size_t))
        return false;
    for (size_t i = 0; x != y && i < n; i++)
        if (!cols_equal(c->sub, c->n_sub, x + i * c->elem, y + i * c->elem))
            return false;
    return true;
}

static bool col_equal(const struct col *c, const void *a, const void *b)
{
    size_t n = plain_size(c->type);

    if (col_is_null(c, a) != col_is_null(c, b))
        return false;
    if (n)
        return memcmp((const char *)a + c->off, (const char *)b + c->off, n) == 0;
    switch (c->type) {
    case C_IP:
        return rk_ip_eq(&CAT(a, c->off, struct rk_ip), &CAT(b, c->off, struct rk_ip));
    case C_PREFIX:
        return rk_prefix_cmp(&CAT(a, c->off, struct rk_prefix),
                             &CAT(b, c->off, struct rk_prefix)) == 0;
    case C_STRS:
    case C_GROUPS:
        return str_list_eq(&CAT(a, c->off, struct str_list), &CAT(b, c->off, struct str_list));
    case C_OBJ:
        return cols_equal(c->sub, c->n_sub, (const char *)a + c->off, (const char *)b + c->off);
    case C_LIST:
    case C_CHILDREN:
        return list_equal(c, a, b);
    default: /* the texts */
        return rk_str_eq(CAT(a, c->off, struct rk_str), CAT(b, c->off, struct rk_str));
    }
}

static bool cols_equal(const struct col *cols, size_t n_cols, const void *a, const void *b)
{
    for (size_t i = 0; i < n_cols; i++)
        if (!col_equal(&cols[i], a, b))
            return false;
    return true;
}

/* What hangs on an entity in other tables: before NULL inserts, else the differences are written.
 */
static enum rk_code hangers_write(struct store *s, const struct codec *c, struct rk_str account_id,
                                  struct rk_str id, const void *before, const void *after,
                                  struct rk_err *err)
{
    const struct codec_sql *sql = codec_sql_of(c->kind);
    const char *kind = entity_kind_text(c->kind);
    size_t child = 0;

    for (size_t t = 0; t < c->n_tables; t++)
        for (size_t i = 0; i < c->tables[t].n_cols; i++) {
            const struct col *col = &c->tables[t].cols[i];
            const struct codec_child_sql *cs =
                col->type == C_CHILDREN ? &sql->child[child++] : NULL;
            enum rk_code rc = RK_OK;

            if (col_is_own(col) || (before && col_equal(col, before, after)))
                continue;
            if (before && cs) {
                rc = child_refs_del(s, col, before, err);
                if (rc == RK_OK)
                    rc = db_exec(s->db, err, NULL, cs->delete_all, DB_ARGS(db_text(id)));
            }
            if (before && rc == RK_OK && (!cs || col->or_null)) {
                rc = db_exec(s->db, err, NULL, SQL_REF_DEL,
                             DB_ARGS(db_textz(kind), db_text(id), db_textz(col->name)));
            }
            if (rc == RK_OK && cs)
                rc = children_add(s, account_id, id, col, cs, after, err);
            if (rc == RK_OK && (!cs || col->or_null))
                rc = refs_add(s, account_id, kind, id, col, after, err);
            if (rc)
                return rc;
        }
    return RK_OK;
}

/* ---- entities */

enum rk_code store_insert(struct store *s, struct rk_str account_id, enum entity_kind kind,
                          const void *entity, bool *taken, struct rk_err *err)
{
    const struct codec *c = codec_of(kind);
    const struct codec_sql *sql = codec_sql_of(kind);
    struct rk_str id = codec_entity_id(c, account_id, entity);

    if (taken)
        *taken = false;
    for (size_t t = 0; t < c->n_tables; t++) {
        struct db_val args[DB_ARGS_MAX] = {db_text(id)};
        bool account = c->has_account && t == 0;
        size_t n = account ? 2 : 1;
        int64_t changed = 0;
        enum rk_code rc;

        args[1] = db_text(account_id);
        rc = args_of(s, c->tables[t].name, id, entity, c->tables[t].cols, c->tables[t].n_cols, args,
                     &n, err);
        if (rc == RK_OK)
            rc = db_exec(s->db, err, &changed,
                         taken && t == 0 ? sql->insert_try[t] : sql->insert[t], args, n);
        if (rc)
            return rc;
        if (taken && t == 0 && changed == 0) {
            *taken = true;
            return RK_OK;
        }
    }
    return hangers_write(s, c, account_id, id, NULL, entity, err);
}

static bool table_equal(const struct table *t, const void *a, const void *b)
{
    for (size_t i = 0; i < t->n_cols; i++)
        if (col_is_own(&t->cols[i]) && !col_equal(&t->cols[i], a, b))
            return false;
    return true;
}

enum rk_code store_update(struct store *s, struct rk_str account_id, enum entity_kind kind,
                          const void *before, const void *after, struct rk_err *err)
{
    const struct codec *c = codec_of(kind);
    const struct codec_sql *sql = codec_sql_of(kind);
    struct rk_str id = codec_entity_id(c, account_id, after);

    for (size_t t = 0; t < c->n_tables; t++) {
        struct db_val args[DB_ARGS_MAX] = {db_text(id)};
        size_t n = 1;
        int64_t changed = 0;
        enum rk_code rc;

        if (!sql->update[t] || c->tables[t].once || table_equal(&c->tables[t], before, after))
            continue;
        rc = args_of(s, c->tables[t].name, id, after, c->tables[t].cols, c->tables[t].n_cols, args,
                     &n, err);
        if (rc == RK_OK)
            rc = db_exec(s->db, err, &changed, sql->update[t], args, n);
        if (rc == RK_OK && changed != 1)
            rc = rk_fail(err, RK_NOT_FOUND, "%s %.*s is not stored", entity_kind_text(kind),
                         RK_STR_ARG(id));
        if (rc)
            return rc;
    }
    return hangers_write(s, c, account_id, id, before, after, err);
}

enum rk_code store_delete(struct store *s, enum entity_kind kind, const void *entity,
                          struct rk_err *err)
{
    const struct codec *c = codec_of(kind);
    struct rk_str id = codec_entity_id(c, rk_str_of(NULL, 0), entity);
    enum rk_code rc = RK_OK;
    int64_t changed = 0;

    for (size_t t = 0; rc == RK_OK && t < c->n_tables; t++)
        for (size_t i = 0; rc == RK_OK && i < c->tables[t].n_cols; i++)
            if (c->tables[t].cols[i].type == C_CHILDREN)
                rc = child_refs_del(s, &c->tables[t].cols[i], entity, err);
    if (rc == RK_OK)
        rc = db_exec(s->db, err, NULL, SQL_REF_DEL_ALL,
                     DB_ARGS(db_textz(entity_kind_text(kind)), db_text(id)));
    if (rc == RK_OK)
        rc = db_exec(s->db, err, &changed, codec_sql_of(kind)->delete_one, DB_ARGS(db_text(id)));
    if (rc == RK_OK && changed != 1)
        rc = rk_fail(err, RK_NOT_FOUND, "%s %.*s is not stored", entity_kind_text(kind),
                     RK_STR_ARG(id));
    return rc;
}

static const char SQL_MEMBER_ADD[] = "INSERT INTO grp_peer (group_id, peer_id, account_id) VALUES "
                                     "($1, $2, $3) ON CONFLICT DO NOTHING";
static const char SQL_MEMBER_DEL[] = "DELETE FROM grp_peer WHERE group_id = $1 AND peer_id = $2";

enum rk_code store_member_add(struct store *s, struct rk_str account_id, struct rk_str group_id,
                              struct rk_str peer_id, struct rk_err *err)
{
    return db_exec(s->db, err, NULL, SQL_MEMBER_ADD,
                   DB_ARGS(db_text(group_id), db_text(peer_id), db_text(account_id)));
}

enum rk_code store_member_del(struct store *s, struct rk_str group_id, struct rk_str peer_id,
                              struct rk_err *err)
{
    return db_exec(s->db, err, NULL, SQL_MEMBER_DEL, DB_ARGS(db_text(group_id), db_text(peer_id)));
}

/* ---- JSON of whole entities */

enum rk_code store_json(struct store *s, enum entity_kind kind, const void *entity,
                        struct rk_str *out, struct rk_err *err)
{
    const struct codec *c = codec_of(kind);
    struct seal seal = {.vault = s->vault, .mem = s->mem};
    struct rk_buf b;
    enum rk_code rc = RK_OK;

    rk_buf_init(&b, CODEC_JSON_MAX);
    json_put_obj(&b);
    if (c->off_id != CODEC_NO_FIELD) {
        seal.id = CAT(entity, c->off_id, struct rk_str);
        json_put_key(&b, "id");
        json_put_str(&b, seal.id);
    }
    for (size_t t = 0; t < c->n_tables; t++) {
        seal.table = c->tables[t].name;
        codec_json_cols(&b, entity, c->tables[t].cols, c->tables[t].n_cols, &seal);
    }
    json_put_obj_end(&b);
    if (seal.rc)
        rc = rk_fail(err, seal.rc, "%s", seal.err.msg);
    else if (b.full)
        rc = rk_fail(err, RK_LIMIT, "%s is too large", entity_kind_text(kind));
    else
        *out = rk_arena_dup(s->mem, rk_buf_str(&b));
    rk_buf_done(&b);
    return rc;
}

void store_set_account(enum entity_kind kind, void *entity, struct rk_str account_id)
{
    const struct codec *c = codec_of(kind);

    if (c && c->off_account != CODEC_NO_FIELD)
        AT(entity, c->off_account, struct rk_str) = account_id;
}

bool store_equal(enum entity_kind kind, const void *a, const void *b)
{
    const struct codec *c = codec_of(kind);

    for (size_t t = 0; t < c->n_tables; t++)
        if (!c->tables[t].once && !cols_equal(c->tables[t].cols, c->tables[t].n_cols, a, b))
            return false;
    return true;
}
