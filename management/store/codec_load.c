/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading entities: first the tables, then the child rows and the lists of groups, which find their
 * owners through a map. Everything goes into the caller's arena.
 */
#include "config.h"

#include "lib/base/map.h"
#include "lib/crypto/vault.h"
#include "management/store/codec_sql.h"

/* Where the lists and children of one struct go. */
struct owner {
    const struct col *cols;
    size_t n_cols;
    void *base;
};

struct load {
    struct store *s;
    struct rk_str account_id;
    struct rk_str id;     /* of the one entity, or empty: the whole account */
    struct rk_map owners; /* "kind/id" -> struct owner */
};

/* ---- one field */

static enum rk_code read_json(struct load *l, struct db_rows *rows, int i, void *base,
                              const struct col *c, struct rk_err *err)
{
    /* The text is copied once; the parts become views of the copy. */
    struct json_pull r = json_pull_of(db_col_text(rows, i, l->s->mem), l->s->mem);

    if (r.p == r.end) /* NULL, or the column failed: db_end tells */
        return RK_OK;
    r.stored = true;
    if (!codec_json_read(&r, base, c) || !json_pull_done(&r))
        return rk_fail(err, RK_INTERNAL, "column %s is not the JSON it should be", c->name);
    return RK_OK;
}

static enum rk_code read_address(struct db_rows *rows, int i, void *base, const struct col *c,
                                 struct rk_err *err)
{
    struct rk_str raw = db_col_blob_peek(rows, i);
    struct rk_ip ip = {0};
    size_t bits = c->type == C_PREFIX ? 1 : 0;

    if (raw.n == 0)
        return RK_OK;
    if (rk_ip_from_bytes(rk_str_sub(raw, 0, raw.n - bits), &ip, NULL))
        return rk_fail(err, RK_INTERNAL, "column %s is no address", c->name);
    if (bits) {
        struct rk_prefix p = {.ip = ip, .bits = (uint8_t)raw.p[raw.n - 1]};

        if (p.bits > rk_ip_size(&ip) * 8)
            return rk_fail(err, RK_INTERNAL, "column %s is no prefix", c->name);
        AT(base, c->off, struct rk_prefix) = p;
    } else {
        AT(base, c->off, struct rk_ip) = ip;
    }
    return RK_OK;
}

static enum rk_code read_sealed(struct load *l, struct db_rows *rows, int i, const char *table,
                                struct rk_str id, void *base, const struct col *c,
                                struct rk_err *err)
{
    struct rk_str sealed = db_col_text_peek(rows, i);

    if (sealed.n == 0)
        return RK_OK;
    return vault_open(l->s->vault, l->s->mem, codec_seal_context(l->s->mem, table, c->name, id),
                      sealed, &AT(base, c->off, struct rk_str), err);
}

static enum rk_code range_fail(const struct col *c, int64_t v, struct rk_err *err)
{
    return rk_fail(err, RK_INTERNAL, "column %s: %lld is out of range", c->name, (long long)v);
}

/* Integers narrower than the column. */
static enum rk_code read_number(struct db_rows *rows, int i, void *base, const struct col *c,
                                struct rk_err *err)
{
    int64_t v = db_col_i64(rows, i);

    switch (c->type) {
    case C_U64:
        if (v < 0)
            return range_fail(c, v, err);
        AT(base, c->off, uint64_t) = (uint64_t)v;
        return RK_OK;
    case C_I32:
        if (v < INT32_MIN || v > INT32_MAX)
            return range_fail(c, v, err);
        AT(base, c->off, int32_t) = (int32_t)v;
        return RK_OK;
    case C_U32:
        if (v < 0 || v > UINT32_MAX)
            return range_fail(c, v, err);
        AT(base, c->off, uint32_t) = (uint32_t)v;
        return RK_OK;
    case C_U16:
        if (v < 0 || v > UINT16_MAX)
            return range_fail(c, v, err);
        AT(base, c->off, uint16_t) = (uint16_t)v;
        return RK_OK;
    case C_ENUM_NUM:
        if (v < 0 || v > 255)
            return range_fail(c, v, err);
        AT(base, c->off, int) = (int)v;
        return RK_OK;
    default:
        AT(base, c->off, int64_t) = v;
        return RK_OK;
    }
}

static enum rk_code read_field(struct load *l, struct db_rows *rows, int i, const char *table,
                               struct rk_str id, void *base, const struct col *c,
                               struct rk_err *err)
{
    switch (c->type) {
    case C_TEXT:
    case C_REF:
        AT(base, c->off, struct rk_str) = db_col_text(rows, i, l->s->mem);
        return RK_OK;
    case C_SEALED:
        return read_sealed(l, rows, i, table, id, base, c, err);
    case C_BOOL:
        AT(base, c->off, bool) = db_col_bool(rows, i);
        return RK_OK;
    case C_ENUM: {
        struct rk_str text = db_col_text_peek(rows, i);

        if (!c->io->parse(text, &AT(base, c->off, int)))
            return rk_fail(err, RK_INTERNAL, "column %s: unknown word \"%.*s\"", c->name,
                           RK_STR_ARG(text));
        return RK_OK;
    }
    case C_IP:
    case C_PREFIX:
        return read_address(rows, i, base, c, err);
    case C_STRS:
    case C_OBJ:
    case C_LIST:
        return read_json(l, rows, i, base, c, err);
    case C_TIME:
    case C_I64:
    case C_U64:
    case C_I32:
    case C_U32:
    case C_U16:
    case C_ENUM_NUM:
        return read_number(rows, i, base, c, err);
    case C_GROUPS:
    case C_CHILDREN:
        break;
    }
    return RK_OK;
}

static enum rk_code read_cols(struct load *l, struct db_rows *rows, int *i, const char *table,
                              struct rk_str id, void *base, const struct col *cols, size_t n_cols,
                              struct rk_err *err)
{
    for (size_t c = 0; c < n_cols; c++) {
        enum rk_code rc;

        if (!col_is_own(&cols[c]))
            continue;
        rc = read_field(l, rows, (*i)++, table, id, base, &cols[c], err);
        if (rc)
            return rk_wrap(err, "%s %.*s", table, RK_STR_ARG(id));
    }
    return RK_OK;
}

/* ---- owners of lists */

static struct rk_str owner_key(struct rk_arena *mem, struct rk_str kind, struct rk_str id)
{
    return rk_arena_printf(mem, "%.*s/%.*s", RK_STR_ARG(kind), RK_STR_ARG(id));
}

static void owner_add(struct load *l, const char *kind, struct rk_str id, const struct col *cols,
                      size_t n_cols, void *base)
{
    struct owner *o;
    bool any = false;

    for (size_t i = 0; i < n_cols; i++)
        if (!col_is_own(&cols[i])) {
            any = true;
            col_set_empty(&cols[i], base); /* a row says so when it is absent */
        }
    if (!any)
        return;
    o = rk_new(l->s->mem, struct owner);
    *o = (struct owner){.cols = cols, .n_cols = n_cols, .base = base};
    (void)rk_map_put(&l->owners, owner_key(l->s->mem, rk_str_z(kind), id), o);
}

static struct owner *owner_find(struct load *l, struct rk_str kind, struct rk_str id)
{
    char key[160];
    int n = snprintf(key, sizeof key, "%.*s/%.*s", RK_STR_ARG(kind), RK_STR_ARG(id));

    if (n < 0 || (size_t)n >= sizeof key) /* user ids of providers can be long */
        return rk_map_get(&l->owners, owner_key(l->s->mem, kind, id));
    return rk_map_get(&l->owners, rk_str_of(key, (size_t)n));
}

/* ---- tables */

static enum rk_code row_read(struct load *l, const struct codec *c, struct db_rows *rows,
                             char *base, struct rk_err *err)
{
    struct rk_str id = db_col_text(rows, 0, l->s->mem);
    enum rk_code rc = RK_OK;
    int i = 1;

    if (c->off_id != CODEC_NO_FIELD)
        AT(base, c->off_id, struct rk_str) = id;
    if (c->off_account != CODEC_NO_FIELD)
        AT(base, c->off_account, struct rk_str) = l->account_id;
    for (size_t t = 0; rc == RK_OK && t < c->n_tables; t++)
        rc = read_cols(l, rows, &i, c->tables[t].name, id, base, c->tables[t].cols,
                       c->tables[t].n_cols, err);
    return rc;
}

/* Rows of one entity kind. items: an arena array, or the caller's one struct (single). */
static enum rk_code table_load(struct load *l, const struct codec *c, char **items, size_t *n,
                               bool single, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    const struct codec_sql *sql = codec_sql_of(c->kind);
    size_t size = entity_size(c->kind), cap = 0;
    bool one = l->id.n && !c->is_account;
    const struct db_val args[2] = {db_text(l->account_id), db_text(l->id)};
    enum rk_code rc =
        db_query(l->s->db, &rows, err, one ? sql->select_one : sql->select_all, args, one ? 2 : 1);

    while (rc == RK_OK && db_next(rows)) {
        if (!single)
            *items = rk_arena_grow(l->s->mem, *items, *n, &cap, size);
        else if (*n)
            return rk_fail(err, RK_INTERNAL, "two rows of %s", c->tables[0].name);
        memset(*items + *n * size, 0, size);
        rc = row_read(l, c, rows, *items + *n * size, err);
        (*n)++;
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc)
        return rc;
    /* the array is at rest now: its elements may be pointed at */
    for (size_t i = 0; i < *n; i++) {
        char *base = *items + i * size;

        for (size_t t = 0; t < c->n_tables; t++)
            owner_add(l, entity_kind_text(c->kind), codec_entity_id(c, l->account_id, base),
                      c->tables[t].cols, c->tables[t].n_cols, base);
    }
    return RK_OK;
}

/* A run of child rows of one owner is complete: hand it over, and let its items own their lists. */
static void run_end(struct load *l, const struct codec *c, const struct col *col,
                    struct rk_str owner_id, char *items, size_t n)
{
    struct owner *o = n ? owner_find(l, rk_str_z(entity_kind_text(c->kind)), owner_id) : NULL;

    if (!o)
        return;
    AT(o->base, col->off, char *) = items;
    AT(o->base, col->off_n, size_t) = n;
    for (size_t i = 0; i < n; i++) {
        char *item = items + i * col->elem;

        owner_add(l, col->child, CAT(item, col->sub[0].off, struct rk_str), col->sub, col->n_sub,
                  item);
    }
}

static enum rk_code children_load(struct load *l, const struct codec *c, const struct col *col,
                                  const struct codec_child_sql *sql, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    const struct db_val args[2] = {db_text(l->account_id), db_text(l->id)};
    struct rk_str owner = {0};
    char *items = NULL;
    size_t n = 0, cap = 0;
    enum rk_code rc = db_query(l->s->db, &rows, err, l->id.n ? sql->select_one : sql->select_all,
                               args, l->id.n ? 2 : 1);

    while (rc == RK_OK && db_next(rows)) {
        int i = 1;

        if (!rk_str_eq(owner, db_col_text_peek(rows, 0))) {
            run_end(l, c, col, owner, items, n);
            owner = db_col_text(rows, 0, l->s->mem);
            items = NULL;
            n = cap = 0;
        }
        items = rk_arena_grow(l->s->mem, items, n, &cap, col->elem);
        memset(items + n * col->elem, 0, col->elem);
        if (col->off_owner)
            AT(items + n * col->elem, col->off_owner, struct rk_str) = owner;
        rc = read_cols(l, rows, &i, col->child, owner, items + n * col->elem, col->sub, col->n_sub,
                       err);
        n++;
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc == RK_OK)
        run_end(l, c, col, owner, items, n);
    return rc;
}

static enum rk_code kind_load(struct load *l, const struct codec *c, char **items, size_t *n,
                              bool single, struct rk_err *err)
{
    enum rk_code rc = table_load(l, c, items, n, single, err);
    size_t child = 0;

    for (size_t t = 0; rc == RK_OK && t < c->n_tables; t++)
        for (size_t i = 0; rc == RK_OK && i < c->tables[t].n_cols; i++)
            if (c->tables[t].cols[i].type == C_CHILDREN)
                rc = children_load(l, c, &c->tables[t].cols[i],
                                   &codec_sql_of(c->kind)->child[child++], err);
    return rc;
}

/* ---- lists of groups */

static const char SQL_REFS[] = "SELECT owner_kind, owner_id, role, group_id FROM group_ref "
                               "WHERE account_id = $1 ORDER BY owner_kind, owner_id, role, ord";
static const char SQL_REFS_ONE[] =
    "SELECT owner_kind, owner_id, role, group_id FROM group_ref WHERE account_id = $1 AND "
    "owner_kind = $2 AND owner_id = $3 ORDER BY owner_kind, owner_id, role, ord";

static const struct col *list_of(const struct owner *o, struct rk_str role)
{
    for (size_t i = 0; o && i < o->n_cols; i++)
        if ((o->cols[i].type == C_GROUPS || o->cols[i].or_null) &&
            rk_str_eqz(role, o->cols[i].name))
            return &o->cols[i];
    return NULL;
}

/* Rows arrive list by list. Rows without an owner in memory are left alone. */
static enum rk_code refs_read(struct load *l, struct db_rows *rows, struct rk_err *err)
{
    struct rk_str kind = {0}, id = {0}, role = {0};
    const struct col *col = NULL;
    struct owner *owner = NULL;
    struct str_list *list;
    size_t cap = 0;

    while (db_next(rows)) {
        if (!rk_str_eq(kind, db_col_text_peek(rows, 0)) ||
            !rk_str_eq(id, db_col_text_peek(rows, 1)) ||
            !rk_str_eq(role, db_col_text_peek(rows, 2))) {
            kind = db_col_text(rows, 0, l->s->mem);
            id = db_col_text(rows, 1, l->s->mem);
            role = db_col_text(rows, 2, l->s->mem);
            owner = owner_find(l, kind, id);
            col = list_of(owner, role);
            cap = 0;
            if (col) /* absent, until its first group comes */
                AT(owner->base, col->off, void *) = NULL;
        }
        if (!col || db_col_text_peek(rows, 3).n == 0)
            continue;
        list = &AT(owner->base, col->off, struct str_list);
        list->v = rk_arena_grow(l->s->mem, list->v, list->n, &cap, sizeof *list->v);
        list->v[list->n++] = db_col_text(rows, 3, l->s->mem);
    }
    return db_end(rows, err);
}

static enum rk_code refs_load(struct load *l, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(l->s->db, &rows, err, SQL_REFS, DB_ARGS(db_text(l->account_id)));

    return rc ? rc : refs_read(l, rows, err);
}

static enum rk_code refs_load_one(struct load *l, struct rk_str kind, struct rk_str id,
                                  struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(l->s->db, &rows, err, SQL_REFS_ONE,
                               DB_ARGS(db_text(l->account_id), db_text(kind), db_text(id)));

    return rc ? rc : refs_read(l, rows, err);
}

/* ---- public */

static const char SQL_MEMBERS[] =
    "SELECT group_id, peer_id FROM grp_peer WHERE account_id = $1 ORDER BY group_id, peer_id";

static enum rk_code members_load(struct load *l, struct account_data *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct rk_str group = {0};
    size_t cap = 0;
    enum rk_code rc = db_query(l->s->db, &rows, err, SQL_MEMBERS, DB_ARGS(db_text(l->account_id)));

    while (rc == RK_OK && db_next(rows)) {
        if (!rk_str_eq(group, db_col_text_peek(rows, 0)))
            group = db_col_text(rows, 0, l->s->mem); /* one copy for all its members */
        out->group_peers = rk_arena_grow(l->s->mem, out->group_peers, out->n_group_peers, &cap,
                                         sizeof *out->group_peers);
        out->group_peers[out->n_group_peers++] =
            (struct group_peer){.group_id = group, .peer_id = db_col_text(rows, 1, l->s->mem)};
    }
    return rc ? rc : db_end(rows, err);
}

enum rk_code store_load(struct store *s, struct rk_str account_id, struct account_data *out,
                        struct rk_err *err)
{
    struct load l = {.s = s, .account_id = rk_arena_dup(s->mem, account_id)};
    struct account_data d = {0};
    enum rk_code rc = RK_OK;

    rk_map_init(&l.owners, true);
    for (int k = 0; rc == RK_OK && k < ENT_COUNT; k++) {
        const struct codec *c = codec_of((enum entity_kind)k);
        char *base, *items;
        size_t n = 0;
        bool single;

        if (!c)
            continue;
        base = (char *)&d + c->off_items;
        single = c->off_n == CODEC_NO_FIELD;
        items = single ? base : NULL;
        rc = kind_load(&l, c, &items, &n, single, err);
        if (!single) {
            AT(&d, c->off_items, char *) = items;
            AT(&d, c->off_n, size_t) = n;
        } else if (rc == RK_OK && n == 0) {
            rc = rk_fail(err, k == ENT_ACCOUNT ? RK_NOT_FOUND : RK_INTERNAL,
                         k == ENT_ACCOUNT ? "account %.*s" : "account %.*s has no settings",
                         RK_STR_ARG(account_id));
        }
    }
    if (rc == RK_OK)
        rc = members_load(&l, &d, err);
    if (rc == RK_OK)
        rc = refs_load(&l, err);
    rk_map_done(&l.owners);
    if (rc == RK_OK)
        *out = d;
    return rc;
}

enum rk_code store_load_one(struct store *s, struct rk_str account_id, enum entity_kind kind,
                            struct rk_str id, const void **out, struct rk_err *err)
{
    const struct codec *c = codec_of(kind);
    struct load l = {.s = s,
                     .account_id = rk_arena_dup(s->mem, account_id),
                     .id = c->is_account ? rk_str_of(NULL, 0) : id};
    char *items = NULL;
    size_t n = 0, pos = 0;
    struct rk_str key;
    void *owner;
    enum rk_code rc;

    rk_map_init(&l.owners, true);
    rc = kind_load(&l, c, &items, &n, false, err);
    while (rc == RK_OK && rk_map_next(&l.owners, &pos, &key, &owner)) {
        struct rk_str owner_kind, owner_id;

        if (rk_str_cut(key, '/', &owner_kind, &owner_id))
            rc = refs_load_one(&l, owner_kind, owner_id, err);
    }
    rk_map_done(&l.owners);
    if (rc == RK_OK)
        *out = n ? items : NULL;
    return rc;
}
