/* SPDX-License-Identifier: BSD-3-Clause */
/* See history.h. */
#include "config.h"

#include "management/ops/history.h"

#include "lib/base/num.h"
#include "lib/json/pull.h"
#include "management/ops/addresses.h"
#include "management/ops/refs.h"
#include "management/ops/services.h"
#include "management/store/store.h"

#define DAY_US (INT64_C(86400) * 1000000)

static const char SQL_LIST[] =
    "SELECT seq, version, at, actor, op, kind, entity_id, before, after, serial FROM journal WHERE "
    "account_id = $1 AND ($2 = '' OR kind = $2) AND ($3 = '' OR entity_id = $3) AND "
    "($4 = '' OR actor = $4) AND at >= $5 AND at <= $6 AND ($7 = 0 OR seq = $7) "
    "ORDER BY seq DESC LIMIT $8 OFFSET $9";

/* Where a moment lies: backwards from the end, as far as it is away. */
static const char SQL_LAST[] =
    "SELECT seq FROM journal WHERE account_id = $1 AND at <= $2 ORDER BY seq DESC LIMIT 1";
/* The first of some entries of each entity has in `before` what it was until then. Memberships
 * share the group's id and are all read, with what they are after it. kind || '': not by the index
 * of entities, which would read the whole journal. */
static const char SQL_FIRST[] =
    "SELECT j.seq, j.version, j.at, j.actor, j.op, j.kind, j.entity_id, j.before, '', j.serial "
    "FROM "
    "journal j JOIN (SELECT min(seq) AS seq FROM journal WHERE account_id = $1 AND seq > $2 AND "
    "seq <= $3 AND kind <> 'group_peer' GROUP BY kind || '', entity_id || '') f ON f.seq = j.seq "
    "WHERE j.account_id = $1 UNION ALL SELECT seq, version, at, actor, op, kind, entity_id, "
    "before, after, serial FROM journal WHERE account_id = $1 AND seq > $2 AND seq <= $3 AND "
    "kind || '' = 'group_peer' ORDER BY 1 DESC LIMIT 100001";
static const char SQL_BEGIN[] =
    "SELECT h.base_seq, (SELECT at FROM journal WHERE account_id = $1 ORDER BY seq LIMIT 1) FROM "
    "account_head h WHERE h.account_id = $1";
static const char SQL_TOGETHER[] =
    "SELECT seq, version, at, actor, op, kind, entity_id, before, after, serial FROM journal WHERE "
    "account_id = $1 AND version = (SELECT version FROM journal WHERE account_id = $1 AND seq = $2)"
    " ORDER BY seq DESC";
static const char SQL_SINCE[] =
    "SELECT seq, version, at, actor, op, kind, entity_id, before, after, serial FROM journal WHERE "
    "account_id = $1 AND kind = $2 AND entity_id = $3 AND version > $4 ORDER BY seq";

static const char SQL_AFTER[] =
    "SELECT seq, version, at, actor, op, kind, entity_id, before, after, serial FROM journal WHERE "
    "account_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
static const char SQL_SPAN[] =
    "SELECT base_seq, journal_seq FROM account_head WHERE account_id = $1";

struct entries {
    struct history_entry *v;
    size_t n, cap;
    size_t bytes, max_bytes; /* of the states; max_bytes 0: as many as there are */
};

static enum rk_code read_all(struct rk_arena *mem, struct db_rows *rows, struct entries *out,
                             struct rk_err *err)
{
    while (db_next(rows)) {
        out->v = rk_arena_grow(mem, out->v, out->n, &out->cap, sizeof *out->v);
        out->v[out->n++] = (struct history_entry){.seq = db_col_i64(rows, 0),
                                                  .version = db_col_i64(rows, 1),
                                                  .at_us = db_col_i64(rows, 2),
                                                  .actor = db_col_text(rows, 3, mem),
                                                  .op = db_col_text(rows, 4, mem),
                                                  .kind = db_col_text(rows, 5, mem),
                                                  .id = db_col_text(rows, 6, mem),
                                                  .before = db_col_text(rows, 7, mem),
                                                  .after = db_col_text(rows, 8, mem),
                                                  .serial = db_col_i64(rows, 9)};
        out->bytes += out->v[out->n - 1].before.n + out->v[out->n - 1].after.n;
        if (out->max_bytes && out->bytes > out->max_bytes)
            return rk_fail(err, RK_INVALID,
                           "what was changed since then is more than %zu MiB: ask about a later "
                           "moment",
                           out->max_bytes >> 20);
    }
    return db_end(rows, err);
}

enum rk_code history_list(struct op *op, const struct history_filter *f, struct history_entry **out,
                          size_t *n, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct entries all = {0};
    enum rk_code rc = op_may(op, PERM_EVENTS, PERM_READ, err);

    if (rc == RK_OK)
        rc = db_query(op->db, &rows, err, SQL_LIST,
                      DB_ARGS(db_text(op_account(op)), db_text(f->kind), db_text(f->id),
                              db_text(f->actor), db_i64(f->since_us),
                              db_i64(f->until_us ? f->until_us : INT64_MAX), db_i64(f->seq),
                              db_i64(f->limit), db_i64(f->offset)));
    if (rc == RK_OK)
        rc = read_all(op->mem, rows, &all, err);
    for (size_t i = 0; i < all.n; i++)
        all.v[i].vault = mgmt_vault(op->m);
    *out = all.v;
    *n = all.n;
    return rc;
}

enum rk_code history_after(struct db *db, struct rk_arena *mem, struct rk_str account_id,
                           int64_t seq, int64_t limit, struct history_entry **out, size_t *n,
                           struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct entries all = {0};
    enum rk_code rc = db_query(db, &rows, err, SQL_AFTER,
                               DB_ARGS(db_text(account_id), db_i64(seq), db_i64(limit)));

    if (rc == RK_OK)
        rc = read_all(mem, rows, &all, err);
    *out = all.v;
    *n = all.n;
    return rc;
}

enum rk_code history_span(struct db *db, struct rk_str account_id, int64_t *before, int64_t *last,
                          struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, SQL_SPAN, DB_ARGS(db_text(account_id)));

    *before = *last = 0;
    while (rc == RK_OK && db_next(rows)) {
        *before = db_col_i64(rows, 0);
        *last = db_col_i64(rows, 1);
    }
    return rc ? rc : db_end(rows, err);
}

/* ---- fields */

static struct json_pull pull_of(struct rk_arena *mem, struct rk_str json)
{
    struct json_pull r = json_pull_of(json, mem);

    r.stored = true;
    json_pull_enter(&r, '{');
    return r;
}

/* The text of the value that is next. */
static struct rk_str pull_raw(struct json_pull *r)
{
    const char *from;

    (void)json_pull_next(r); /* past blanks */
    from = r->p;
    json_pull_skip(r);
    return rk_str_of(from, (size_t)(r->p - from));
}

static struct rk_str raw_of(struct rk_arena *mem, struct rk_str json, struct rk_str want)
{
    struct json_pull r = pull_of(mem, json);
    struct rk_str key;

    while (json_pull_key(&r, &key)) {
        struct rk_str value = pull_raw(&r);

        if (rk_str_eq(key, want))
            return value;
    }
    return (struct rk_str){0};
}

struct rk_str history_text(struct rk_arena *mem, const struct history_entry *e, const char *column)
{
    struct json_pull r = pull_of(mem, e->after.n ? e->after : e->before);
    struct rk_str key;

    while (json_pull_key(&r, &key)) {
        if (rk_str_eqz(key, column) && json_pull_next(&r) == '"')
            return json_pull_str(&r);
        json_pull_skip(&r);
    }
    return (struct rk_str){0};
}

static struct rk_str unquoted(struct rk_str s)
{
    return s.n >= 2 && s.p[0] == '"' ? rk_str_sub(s, 1, s.n - 2) : s;
}

/* Sealed columns are another text each time. */
static bool same_sealed(const struct history_entry *e, struct rk_str key, struct rk_str is,
                        struct rk_str was)
{
    enum entity_kind kind;

    return rk_str_ends(key, RK_STR("_sealed")) && entity_kind_parse(e->kind, &kind) &&
           store_same_sealed(e->vault, kind, e->id, key, unquoted(is), unquoted(was));
}

struct str_list history_fields(struct rk_arena *mem, const struct history_entry *e)
{
    struct str_list out = {0};
    size_t cap = 0;
    struct json_pull r;
    struct rk_str key;

    if (!e->before.n || !e->after.n)
        return out;
    r = pull_of(mem, e->after);
    while (json_pull_key(&r, &key)) {
        struct rk_str is = pull_raw(&r), was = raw_of(mem, e->before, key);

        if (rk_str_eq(is, was) || same_sealed(e, key, is, was))
            continue;
        out.v = rk_arena_grow(mem, out.v, out.n, &cap, sizeof *out.v);
        out.v[out.n++] = rk_str_ends(key, RK_STR("_sealed")) ? rk_str_sub(key, 0, key.n - 7) : key;
    }
    return out;
}

enum rk_code history_time(struct rk_str text, int64_t now_us, int64_t *out_us, struct rk_err *err)
{
    int64_t ago_ms, days;

    if (rk_str_eqz(text, "now")) {
        *out_us = now_us;
    } else if (rk_str_eqz(text, "yesterday")) {
        *out_us = now_us - DAY_US;
    } else if (rk_str_ends(text, RK_STR("d")) &&
               rk_parse_i64(rk_str_sub(text, 0, text.n - 1), 0, 36500, &days, NULL) == RK_OK) {
        *out_us = now_us - days * DAY_US;
    } else if (rk_parse_duration_ms(text, &ago_ms, NULL) == RK_OK) {
        *out_us = now_us - ago_ms * 1000;
    } else if (rk_time_parse_us(text, out_us, NULL)) {
        return rk_fail(err, RK_INVALID,
                       "\"%.*s\" is no moment: write 2026-01-02T15:04:05Z, now, yesterday, or how "
                       "long ago, such as 90m or 7d",
                       RK_STR_ARG(text));
    }
    return RK_OK;
}

/* ---- states */

static enum rk_code entity_of(struct op *op, enum entity_kind kind, const struct history_entry *e,
                              struct rk_str json, const void **out, struct rk_err *err)
{
    struct store s = {.db = op->db, .vault = mgmt_vault(op->m), .mem = op->mem};
    struct group_peer *gp;

    *out = NULL;
    if (kind != ENT_GROUP_PEER)
        return json.n ? store_from_json(&s, op_account(op), kind, e->id, json, NULL, out, err)
                      : RK_OK;
    gp = rk_new(op->mem, struct group_peer);
    gp->group_id = e->id;
    gp->peer_id = history_text(op->mem, e, "peer");
    *out = gp;
    return RK_OK;
}

/* An entry backwards. Accounts and their heads are not taken back. */
static enum rk_code reversed(struct op *op, const struct history_entry *e, struct change *out,
                             bool *use, struct rk_err *err)
{
    const void *was = NULL;
    enum rk_code rc;

    *use = false;
    if (!entity_kind_parse(e->kind, &out->kind) || out->kind == ENT_ACCOUNT)
        return RK_OK;
    rc = entity_of(op, out->kind, e, e->before, &was, err);
    if (rc)
        return rc;
    *use = true;
    out->id = e->id;
    if (out->kind == ENT_GROUP_PEER) {
        out->before = e->after.n ? was : NULL;
        out->after = e->after.n ? NULL : was;
        return RK_OK;
    }
    out->after = was;
    return RK_OK;
}

/* The last entry up to a moment; 0: none. */
static enum rk_code last_entry(struct op *op, int64_t at_us, int64_t *seq, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc =
        db_query(op->db, &rows, err, SQL_LAST, DB_ARGS(db_text(op_account(op)), db_i64(at_us)));

    *seq = 0;
    while (rc == RK_OK && db_next(rows))
        *seq = db_col_i64(rows, 0);
    return rc ? rc : db_end(rows, err);
}

static enum rk_code first_entries(struct op *op, int64_t from_us, int64_t to_us,
                                  struct entries *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    int64_t from, to = INT64_MAX;
    enum rk_code rc = last_entry(op, from_us, &from, err);

    out->max_bytes = HISTORY_BYTES;
    if (rc == RK_OK && to_us != INT64_MAX)
        rc = last_entry(op, to_us, &to, err);
    if (rc == RK_OK)
        rc = db_query(op->db, &rows, err, SQL_FIRST,
                      DB_ARGS(db_text(op_account(op)), db_i64(from), db_i64(to)));
    if (rc == RK_OK)
        rc = read_all(op->mem, rows, out, err);
    if (rc == RK_OK && out->n > HISTORY_ENTITIES)
        rc = rk_fail(err, RK_INVALID, "more than %d objects were changed since then",
                     HISTORY_ENTITIES);
    return rc;
}

/* The journal reaches back to the moment, and the account was there. */
static enum rk_code check_reach(struct op *op, int64_t at_us, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    char text[RK_TIME_TEXT];
    int64_t base = 0, first = 0;
    enum rk_code rc = db_query(op->db, &rows, err, SQL_BEGIN, DB_ARGS(db_text(op_account(op))));

    if (rc == RK_OK && db_next(rows)) {
        base = db_col_i64(rows, 0);
        first = db_col_null(rows, 1) ? INT64_MAX : db_col_i64(rows, 1);
        while (db_next(rows))
            ;
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc || at_us >= first || at_us >= mgmt_now_us(op->m))
        return rc;
    if (first == INT64_MAX)
        return rk_fail(err, RK_INVALID, "the journal is empty: nothing is known of the past");
    (void)rk_time_format_us(first, text);
    return rk_fail(err, RK_INVALID, "%s %s: ask about a later moment",
                   base ? "the journal reaches back to" : "the account was made at", text);
}

enum rk_code history_at(struct op *op, int64_t at_us, const struct snapshot **out,
                        struct rk_err *err)
{
    struct entries e = {0};
    struct change *c;
    size_t n = 0;
    enum rk_code rc = op_may(op, PERM_EVENTS, PERM_READ, err);

    if (rc == RK_OK)
        rc = check_reach(op, at_us, err);
    if (rc == RK_OK)
        rc = first_entries(op, at_us, INT64_MAX, &e, err);
    c = rk_new_n(op->mem, struct change, e.n + 1);
    for (size_t i = 0; i < e.n && rc == RK_OK; i++) {
        bool use;

        rc = reversed(op, &e.v[i], &c[n], &use, err);
        n += use;
    }
    if (rc == RK_OK)
        *out = snap_apply(op->snap, c, n, snap_serial(op->snap));
    return rc;
}

enum rk_code history_between(struct op *op, const struct snapshot *from, const struct snapshot *to,
                             int64_t from_us, int64_t to_us, struct change **out, size_t *n,
                             struct rk_err *err)
{
    struct entries e = {0};
    enum rk_code rc = first_entries(op, from_us, to_us, &e, err);

    *n = 0;
    *out = rk_new_n(op->mem, struct change, e.n + 1);
    for (size_t i = 0; i < e.n && rc == RK_OK; i++) {
        struct change *c = &(*out)[*n];
        bool use;

        *c = (struct change){0};
        rc = reversed(op, &e.v[i], c, &use, err);
        if (rc || !use)
            continue;
        if (c->kind == ENT_GROUP_PEER) { /* reversed() looks backwards */
            const void *then = c->before;

            c->before = c->after;
            c->after = then;
        } else {
            c->before = c->after;
            c->after = snap_find(to, c->kind, c->id);
            if (!c->before && !c->after)
                continue; /* came and went */
            if (c->before)
                c->before = snap_find(from, c->kind, c->id);
        }
        *n += 1;
    }
    return rc;
}

/* ---- taking back */

/* What may be taken back, and what right it takes; in the order in which things are made. */
static const struct {
    enum entity_kind kind;
    enum perm_module module;
} KINDS[] = {{ENT_GROUP, PERM_GROUPS},
             {ENT_POSTURE, PERM_POLICIES},
             {ENT_NETWORK, PERM_NETWORKS},
             {ENT_PEER, PERM_PEERS},
             {ENT_RESOURCE, PERM_NETWORKS},
             {ENT_ROUTER, PERM_NETWORKS},
             {ENT_POLICY, PERM_POLICIES},
             {ENT_ROUTE, PERM_ROUTES},
             {ENT_NS_GROUP, PERM_NAMESERVERS},
             {ENT_ZONE, PERM_DNS},
             {ENT_RECORD, PERM_DNS},
             {ENT_DNS_SETTINGS, PERM_DNS},
             {ENT_PROXY_DOMAIN, PERM_SERVICES},
             {ENT_SERVICE, PERM_SERVICES},
             {ENT_SETTINGS, PERM_SETTINGS},
             {ENT_GROUP_PEER, PERM_GROUPS}};

static size_t rank_of(enum entity_kind kind)
{
    for (size_t i = 0; i < RK_ARRAY_LEN(KINDS); i++)
        if (KINDS[i].kind == kind)
            return i;
    return RK_ARRAY_LEN(KINDS);
}

struct undo { /* arena: the engine may look at it until done */
    struct op *op;
    struct entries e;
    struct change *c; /* the entries backwards */
    struct rk_str meta;
};

/* Nobody changed it since. */
static enum rk_code check_latest(struct op *op, struct db *db, const struct history_entry *e,
                                 enum entity_kind kind, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct entries since = {0};
    const void *mine = NULL, *other = NULL;
    char text[RK_TIME_TEXT];
    enum rk_code rc = db_query(
        db, &rows, err, SQL_SINCE,
        DB_ARGS(db_text(op_account(op)), db_text(e->kind), db_text(e->id), db_i64(e->version)));

    if (rc == RK_OK)
        rc = read_all(op->mem, rows, &since, err);
    for (size_t i = 0; i < since.n && rc == RK_OK; i++) {
        if (kind == ENT_GROUP_PEER) {
            RK_IGNORE(entity_of(op, kind, e, e->before, &mine, NULL));
            RK_IGNORE(entity_of(op, kind, &since.v[i], since.v[i].before, &other, NULL));
            if (!rk_str_eq(((const struct group_peer *)mine)->peer_id,
                           ((const struct group_peer *)other)->peer_id))
                continue;
        }
        rc = rk_fail(err, RK_PRECONDITION,
                     "%.*s %.*s was changed since: entry %lld of %s by %.*s; take that back first",
                     RK_STR_ARG(e->kind), RK_STR_ARG(e->id), (long long)since.v[i].seq,
                     rk_time_format_us(since.v[i].at_us, text).p, RK_STR_ARG(since.v[i].actor));
    }
    return rc;
}

/* A group that came with the entry has had no other members since. */
static enum rk_code check_members(struct op *op, struct db *db, const struct history_entry *e,
                                  const struct change *c, struct rk_err *err)
{
    struct history_entry members = *e;

    if (c->kind != ENT_GROUP || c->after)
        return RK_OK;
    members.kind = RK_STR("group_peer");
    return check_latest(op, db, &members, ENT_GROUP, err);
}

static enum rk_code put_member(struct tx *tx, const struct change *c, struct rk_err *err)
{
    const struct group_peer *gp = c->after ? c->after : c->before;
    enum rk_code rc;

    if (!c->after)
        return tx_group_del_peer(tx, gp->group_id, gp->peer_id, err);
    rc = refs_check(tx, c->kind, gp, err);
    return rc ? rc : tx_group_add_peer(tx, gp->group_id, gp->peer_id, err);
}

static enum rk_code put_back(struct tx *tx, const struct change *c, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    if (c->kind == ENT_GROUP_PEER)
        return put_member(tx, c, err);
    if (!c->after)
        return tx_get(tx, c->kind, c->id) ? tx_del(tx, c->kind, c->id, err) : RK_OK;
    if (c->kind == ENT_RECORD) /* else the store says it, in words of its own */
        rc = refs_check(tx, c->kind, c->after, err);
    if (c->kind == ENT_SERVICE)
        rc = service_port_free(tx, c->after, err);
    if (rc == RK_OK)
        rc = tx_put(tx, c->kind, c->after, err);
    if (rc == RK_EXISTS)
        rc = rk_fail(err, RK_PRECONDITION, "another %s has a name, address or key of %.*s by now",
                     entity_kind_text(c->kind), RK_STR_ARG(c->id));
    return rc;
}

/* Deleted by this undo. */
static bool goes(void *arg, enum entity_kind kind, struct rk_str id)
{
    const struct undo *u = arg;

    for (size_t i = 0; i < u->e.n; i++)
        if (u->c[i].kind == kind && !u->c[i].after && rk_str_eq(u->c[i].id, id))
            return true;
    return false;
}

/* What came back has all that it needs, and nothing needs what is about to go. */
static enum rk_code check_whole(struct undo *u, struct tx *tx, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    tx_show_own(tx);
    for (size_t i = 0; i < u->e.n && rc == RK_OK; i++) {
        const struct change *c = &u->c[i];

        if (c->kind == ENT_GROUP_PEER)
            continue;
        rc = c->after ? refs_check(tx, c->kind, c->after, err)
                      : refs_unused(tx, c->kind, c->id, goes, u, err);
    }
    return rc;
}

static bool has_settings(const struct undo *u)
{
    for (size_t i = 0; i < u->e.n; i++)
        if (u->c[i].kind == ENT_SETTINGS)
            return true;
    return false;
}

static enum rk_code undo_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct undo *u = arg;
    enum rk_code rc = RK_OK;

    for (size_t i = 0; i < u->e.n && rc == RK_OK; i++) {
        rc = check_latest(u->op, tx->db, &u->e.v[i], u->c[i].kind, err);
        if (rc == RK_OK)
            rc = check_members(u->op, tx->db, &u->e.v[i], &u->c[i], err);
    }
    for (size_t k = 0; k < RK_ARRAY_LEN(KINDS) && rc == RK_OK; k++) /* what comes back, first */
        for (size_t i = 0; i < u->e.n && rc == RK_OK; i++)
            if (u->c[i].kind == KINDS[k].kind && u->c[i].after)
                rc = put_back(tx, &u->c[i], err);
    if (rc == RK_OK)
        rc = check_whole(u, tx, err);
    for (size_t k = RK_ARRAY_LEN(KINDS); k-- > 0 && rc == RK_OK;)
        for (size_t i = 0; i < u->e.n && rc == RK_OK; i++)
            if (u->c[i].kind == KINDS[k].kind && !u->c[i].after)
                rc = put_back(tx, &u->c[i], err);
    if (rc == RK_OK && has_settings(u))
        rc = addr6_reconcile_all(tx, u->op->mem, err); /* of machines that came since, too */
    if (rc == RK_OK) {
        tx_raise_serial(tx);
        rc = tx_event(tx, ACT_CHANGE_UNDO, u->e.v[0].id, u->meta, err);
    }
    return rc;
}

static enum rk_code undo_prepare(struct undo *u, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    u->c = rk_new_n(u->op->mem, struct change, u->e.n + 1);
    for (size_t i = 0; i < u->e.n && rc == RK_OK; i++) {
        const struct history_entry *e = &u->e.v[i];
        size_t rank;
        bool use;

        rc = reversed(u->op, e, &u->c[i], &use, err);
        rank = use ? rank_of(u->c[i].kind) : RK_ARRAY_LEN(KINDS);
        if (rc == RK_OK && rank == RK_ARRAY_LEN(KINDS))
            rc = rk_fail(err, RK_PRECONDITION, "entry %lld: a change of %.*s cannot be taken back",
                         (long long)e->seq, RK_STR_ARG(e->kind));
        if (rc == RK_OK)
            rc = op_may(u->op, KINDS[rank].module, PERM_UPDATE, err);
    }
    return rc;
}

enum rk_code history_undo(struct op *op, int64_t seq, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct undo *u = rk_new(op->mem, struct undo);
    enum rk_code rc = op_may(op, PERM_EVENTS, PERM_READ, err);

    u->op = op;
    if (rc == RK_OK)
        rc = db_query(op->db, &rows, err, SQL_TOGETHER,
                      DB_ARGS(db_text(op_account(op)), db_i64(seq)));
    if (rc == RK_OK)
        rc = read_all(op->mem, rows, &u->e, err);
    db_rows_free(rows);
    rows = NULL;
    if (rc == RK_OK && u->e.n == 0)
        rc = rk_fail(err, RK_NOT_FOUND, "no entry %lld in the journal", (long long)seq);
    if (rc == RK_OK)
        rc = undo_prepare(u, err);
    if (rc)
        return rc;
    u->meta = META(op->mem, {"entry", rk_arena_printf(op->mem, "%lld", (long long)seq)},
                   {"kind", u->e.v[0].kind});
    return op_mutate(op, undo_tx, u, err);
}
