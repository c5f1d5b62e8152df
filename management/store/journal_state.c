/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables against the journal: see journal_state.h. */
#include "config.h"

#include "management/store/journal_state.h"

#include <stdio.h>

#include "lib/base/map.h"
#include "lib/crypto/vault.h"
#include "management/store/codec.h"

/* The last entry of every entity. Memberships have many under one id and are looked at one by one.
 */
static const char SQL_LAST[] =
    "SELECT j.kind, j.entity_id, j.seq, j.op, j.after FROM journal j JOIN (SELECT kind, entity_id, "
    "max(seq) AS seq FROM journal WHERE account_id = $1 AND kind <> 'group_peer' GROUP BY kind, "
    "entity_id) l ON l.seq = j.seq WHERE j.account_id = $1";
static const char SQL_MEMBERS[] = "SELECT entity_id, seq, op, before, after FROM journal WHERE "
                                  "account_id = $1 AND kind = 'group_peer' ORDER BY seq";
static const char SQL_BASE[] = "SELECT base_seq FROM account_head WHERE account_id = $1";
static const char SQL_ACCOUNTS[] = "SELECT account_id FROM account_head ORDER BY account_id";
static const char SQL_BEGIN[] = "BEGIN";
static const char SQL_BEGIN_PG[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
static const char SQL_END[] = "ROLLBACK";

struct last { /* what the journal says of one entity */
    int64_t seq;
    struct rk_str after; /* empty: deleted */
    bool seen;           /* the entity was found in the tables */
};

struct cmp {
    struct store *s;
    struct rk_str account_id;
    struct rk_map last; /* "kind/id" -> struct last */
    bool pruned;        /* entries are gone: what has none is not suspicious */
    struct journal_report *out;
};

static struct rk_str key_of(struct cmp *c, struct rk_str kind, struct rk_str id, struct rk_str more)
{
    return rk_arena_printf(c->s->mem, "%.*s/%.*s/%.*s", RK_STR_ARG(kind), RK_STR_ARG(id),
                           RK_STR_ARG(more));
}

static void differs(struct cmp *c, int64_t seq, const char *what, struct rk_str kind,
                    struct rk_str id)
{
    if (c->out->broken)
        return;
    c->out->broken = true;
    c->out->bad_seq = seq;
    (void)snprintf(c->out->reason, sizeof c->out->reason, "%.*s %.*s %s", RK_STR_ARG(kind),
                   RK_STR_ARG(id), what);
}

/* ---- what the journal says */

static struct last *last_of(struct cmp *c, struct rk_str key)
{
    struct last *l = rk_map_get(&c->last, key);

    if (l)
        return l;
    l = rk_new(c->s->mem, struct last);
    rk_map_put(&c->last, key, l);
    return l;
}

static enum rk_code entities_read(struct cmp *c, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(c->s->db, &rows, err, SQL_LAST, DB_ARGS(db_text(c->account_id)));

    while (rc == RK_OK && db_next(rows)) {
        struct rk_str kind = db_col_text_peek(rows, 0), id = db_col_text_peek(rows, 1);

        *last_of(c, key_of(c, kind, id, (struct rk_str){0})) =
            (struct last){.seq = db_col_i64(rows, 2), .after = db_col_text(rows, 4, c->s->mem)};
    }
    return rc ? rc : db_end(rows, err);
}

static enum rk_code members_read(struct cmp *c, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(c->s->db, &rows, err, SQL_MEMBERS, DB_ARGS(db_text(c->account_id)));

    while (rc == RK_OK && db_next(rows)) {
        struct rk_str after = db_col_text(rows, 4, c->s->mem);
        struct rk_str state = after.n ? after : db_col_text(rows, 3, c->s->mem);
        struct rk_str group = db_col_text_peek(rows, 0);

        *last_of(c, key_of(c, RK_STR("group_peer"), group, state)) =
            (struct last){.seq = db_col_i64(rows, 1), .after = after};
    }
    return rc ? rc : db_end(rows, err);
}

/* ---- against the tables */

/* A copy of the entity with every journaled column written over it: columns that are younger than
 * the entry stay as they are, and are not compared by that. */
static enum rk_code overlay(struct cmp *c, const struct codec *k, void *copy, struct rk_str id,
                            struct rk_str after, struct rk_err *err)
{
    struct json_pull r = json_pull_of(after, c->s->mem);
    struct rk_str key;

    r.stored = true;
    json_pull_enter(&r, '{');
    while (json_pull_key(&r, &key)) {
        const struct col *col = NULL;
        const char *table = NULL;

        for (size_t t = 0; t < k->n_tables && !col; t++)
            for (size_t i = 0; i < k->tables[t].n_cols && !k->tables[t].once && !col; i++)
                if (rk_str_eqz(key, k->tables[t].cols[i].name)) {
                    col = &k->tables[t].cols[i];
                    table = k->tables[t].name;
                }
        if (!col) {
            json_pull_skip(&r);
            continue;
        }
        if (col->type == C_IP)
            AT(copy, col->off, struct rk_ip) = (struct rk_ip){0};
        if (col->type == C_PREFIX)
            AT(copy, col->off, struct rk_prefix) = (struct rk_prefix){0};
        if (!codec_json_read(&r, copy, col))
            break;
        if (col->type == C_SEALED && AT(copy, col->off, struct rk_str).n) {
            struct rk_str context = codec_seal_context(c->s->mem, table, col->name, id);
            enum rk_code rc =
                vault_open(c->s->vault, c->s->mem, context, AT(copy, col->off, struct rk_str),
                           &AT(copy, col->off, struct rk_str), err);

            if (rc)
                return rc;
        }
    }
    return r.fault ? rk_fail(err, RK_INTERNAL, "journal: %s of %.*s cannot be read",
                             entity_kind_text(k->kind), RK_STR_ARG(id))
                   : RK_OK;
}

static bool same(enum entity_kind kind, const void *journaled, void *now)
{
    /* written without the journal, see the header */
    if (kind == ENT_PAT)
        ((struct pat *)now)->last_used_us = ((const struct pat *)journaled)->last_used_us;
    return store_equal(kind, journaled, now);
}

static enum rk_code one_compare(struct cmp *c, enum entity_kind kind, const void *entity,
                                struct rk_err *err)
{
    struct rk_str text = rk_str_z(entity_kind_text(kind)), id = entity_id(kind, entity);
    size_t size = entity_size(kind);
    void *journaled = rk_arena_alloc(c->s->mem, size), *now = rk_arena_alloc(c->s->mem, size);
    struct last *l;
    enum rk_code rc;

    if (!id.n)
        id = c->account_id;
    l = rk_map_get(&c->last, key_of(c, text, id, (struct rk_str){0}));
    if (!l || !l->after.n) {
        if (l || !c->pruned)
            differs(c, l ? l->seq : 0,
                    l ? "is in the tables, the journal says it was deleted"
                      : "is in the tables and not in the journal",
                    text, id);
        return RK_OK;
    }
    l->seen = true;
    memcpy(journaled, entity, size);
    memcpy(now, entity, size);
    rc = overlay(c, codec_of(kind), journaled, id, l->after, err);
    if (rc == RK_OK && !same(kind, journaled, now))
        differs(c, l->seq, "is not in the tables as the journal has it", text, id);
    return rc;
}

static void member_compare(struct cmp *c, const struct group_peer *gp)
{
    struct rk_str state =
        rk_arena_printf(c->s->mem, "{\"peer\":\"%.*s\"}", RK_STR_ARG(gp->peer_id));
    struct last *l = rk_map_get(&c->last, key_of(c, RK_STR("group_peer"), gp->group_id, state));

    if (l && l->after.n)
        l->seen = true;
    else if (l || !c->pruned)
        differs(c, l ? l->seq : 0, "has a member that the journal does not have", RK_STR("group"),
                gp->group_id);
}

static enum rk_code tables_compare(struct cmp *c, const struct account_data *d, struct rk_err *err)
{
    enum rk_code rc = one_compare(c, ENT_ACCOUNT, &d->account, err);

    if (rc == RK_OK)
        rc = one_compare(c, ENT_SETTINGS, &d->settings, err);
    if (rc == RK_OK)
        rc = one_compare(c, ENT_DNS_SETTINGS, &d->dns_settings, err);
    for (int k = 0; rc == RK_OK && k < ENT_COUNT && !c->out->broken; k++) {
        enum entity_kind kind = (enum entity_kind)k;
        const void *items = NULL;
        size_t n = 0;

        if (kind == ENT_GROUP_PEER || !account_data_table(d, kind, &items, &n))
            continue;
        for (size_t i = 0; rc == RK_OK && i < n && !c->out->broken; i++)
            rc = one_compare(c, kind, (const char *)items + i * entity_size(kind), err);
    }
    for (size_t i = 0; rc == RK_OK && i < d->n_group_peers && !c->out->broken; i++)
        member_compare(c, &d->group_peers[i]);
    return rc;
}

/* What the journal has and the tables do not. */
static void rest_compare(struct cmp *c)
{
    struct rk_str key, kind, id, more;
    size_t pos = 0;
    void *p;

    while (!c->out->broken && rk_map_next(&c->last, &pos, &key, &p)) {
        struct last *l = p;

        if (l->seen || !l->after.n)
            continue;
        (void)rk_str_cut(key, '/', &kind, &more);
        (void)rk_str_cut(more, '/', &id, &more);
        differs(c, l->seq, "is in the journal and not in the tables", kind, id);
    }
}

enum rk_code journal_state_verify(struct store *s, struct rk_str account_id,
                                  struct journal_report *out, struct rk_err *err)
{
    struct cmp c = {.s = s, .account_id = account_id, .out = out};
    struct account_data d = {0};
    int64_t base = 0;
    enum rk_code rc = db_get_i64(s->db, &base, err, SQL_BASE, DB_ARGS(db_text(account_id)));

    c.pruned = base > 0;
    rk_map_init(&c.last, true);
    if (rc == RK_OK)
        rc = entities_read(&c, err);
    if (rc == RK_OK)
        rc = members_read(&c, err);
    if (rc == RK_OK)
        rc = store_load(s, account_id, &d, err);
    if (rc == RK_NOT_FOUND) { /* a deleted account: its rows went with it, unjournaled */
        struct last *l =
            rk_map_get(&c.last, key_of(&c, RK_STR("account"), account_id, (struct rk_str){0}));

        if (l && l->after.n)
            differs(&c, l->seq, "is in the journal and not in the tables", RK_STR("account"),
                    account_id);
        rc = RK_OK;
    } else if (rc == RK_OK) {
        rc = tables_compare(&c, &d, err);
        rest_compare(&c);
    }
    rk_map_done(&c.last);
    return rc;
}

static enum rk_code verify_in_tx(struct db *db, const struct vault *vault, struct rk_arena *mem,
                                 struct rk_str *account_id, struct journal_report *out,
                                 struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, SQL_ACCOUNTS, DB_NOARGS);

    while (rc == RK_OK && !out->broken && db_next(rows)) {
        RK_CLEANUP(rk_arena_freep) struct rk_arena *scratch = rk_arena_new_wiping(0);
        struct store s = {.db = db, .vault = vault, .mem = scratch};

        *account_id = db_col_text(rows, 0, mem);
        rc = journal_verify(db, *account_id, out, err);
        if (rc == RK_OK && !out->broken)
            rc = journal_state_verify(&s, *account_id, out, err);
    }
    return rc ? rc : db_end(rows, err);
}

enum rk_code journal_state_verify_all(struct db *db, const struct vault *vault,
                                      struct rk_arena *mem, struct rk_str *account_id,
                                      struct journal_report *out, struct rk_err *err)
{
    bool pg = db_engine_of(db) == DB_PG;
    enum rk_code rc = db_script(db, pg ? SQL_BEGIN_PG : SQL_BEGIN, err);

    *out = (struct journal_report){0};
    if (rc == RK_OK) {
        rc = verify_in_tx(db, vault, mem, account_id, out, err);
        if (db_script(db, SQL_END, NULL)) /* nothing was written: the connection is closed next */
            return rc;
    }
    return rc;
}
