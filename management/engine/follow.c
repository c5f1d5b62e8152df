/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commits of other processes, applied as changes: what the journal has behind our state is read,
 * checked against the hash chain, and becomes the same list of changes that a mutation of our own
 * leaves. Costs what the change costs, not what the account does. Where that cannot be (rows that
 * were pruned, a chain that is not ours, a row of an older version) the caller reads all of it.
 */
#include "config.h"

#include "management/engine/engine_impl.h"

#include "lib/json/pull.h"

/* Beyond this many rows reading the tables is not dearer. The limit stands in the text below. */
#define FOLLOW_MAX 5000

static const char SQL_NEWS[] =
    "SELECT h.version, h.serial, h.journal_seq, h.journal_hash, j.seq, j.version, j.serial, j.at, "
    "j.actor, j.op, j.kind, j.entity_id, j.before, j.after, j.hash FROM account_head h LEFT JOIN "
    "journal j ON j.account_id = h.account_id AND j.seq > $2 WHERE h.account_id = $1 "
    "ORDER BY j.seq LIMIT 5001";

enum {
    N_VERSION,
    N_SERIAL,
    N_SEQ,
    N_HASH,
    J_SEQ,
    J_VERSION,
    J_SERIAL,
    J_AT,
    J_ACTOR,
    J_OP,
    J_KIND,
    J_ID,
    J_BEFORE,
    J_AFTER,
    J_HASH
};

static struct rk_str member_of(struct rk_str json, struct rk_arena *mem)
{
    struct json_pull r = json_pull_of(json, mem);
    struct rk_str key, peer = {0};

    json_pull_enter(&r, '{');
    while (json_pull_key(&r, &key)) {
        if (rk_str_eqz(key, "peer"))
            peer = json_pull_str(&r);
        else
            json_pull_skip(&r);
    }
    return json_pull_done(&r) ? peer : rk_str_of(NULL, 0);
}

static bool member_follow(struct lane *l, struct work *w, struct rk_str group, struct db_rows *rows)
{
    struct rk_str after = db_col_text(rows, J_AFTER, l->mem);
    struct group_peer *gp = rk_new(l->mem, struct group_peer);

    *gp = (struct group_peer){
        .group_id = group,
        .peer_id = member_of(after.n ? after : db_col_text(rows, J_BEFORE, l->mem), l->mem)};
    work_record(w, l->mem, ENT_GROUP_PEER, group, after.n ? NULL : gp, after.n ? gp : NULL);
    return gp->peer_id.n > 0;
}

/* One row as a change. false: not by this way. */
static bool change_follow(struct lane *l, struct work *w, struct db_rows *rows)
{
    struct store s = {.db = l->db, .vault = mgmt_vault(l->m), .mem = l->mem};
    struct rk_str id = db_col_text(rows, J_ID, l->mem), json;
    const void *before, *after = NULL;
    const struct change *latest;
    enum entity_kind kind;
    struct rk_err err = {0};

    if (!entity_kind_parse(db_col_text_peek(rows, J_KIND), &kind))
        return false;
    if (kind == ENT_GROUP_PEER)
        return member_follow(l, w, id, rows);
    latest = work_latest(w, l->mem, kind, id, rk_str_of(NULL, 0));
    before = latest ? latest->after : mgmt_entity_of(w->old, kind, id);
    json = db_col_text(rows, J_AFTER, l->mem);
    if (!json.n && kind == ENT_ACCOUNT)
        return false; /* deleted: the tables tell */
    if (json.n && store_from_json(&s, w->a->id, kind, id, json, before, &after, &err)) {
        rk_log(l->m->opts.log, RK_INFO, "journal was not followed: reads the account",
               kv_str("account", w->a->id), KV_ERR(&err));
        return false;
    }
    work_record(w, l->mem, kind, id, before, after);
    return true;
}

/* Is it the next row of our chain? */
static enum rk_code row_check(struct db_rows *rows, struct journal_head *at, bool *fits,
                              struct rk_err *err)
{
    struct journal_row r = {.version = db_col_i64(rows, J_VERSION),
                            .serial = db_col_i64(rows, J_SERIAL),
                            .at_us = db_col_i64(rows, J_AT),
                            .actor = db_col_text_peek(rows, J_ACTOR),
                            .kind = db_col_text_peek(rows, J_KIND),
                            .entity_id = db_col_text_peek(rows, J_ID),
                            .before = db_col_text_peek(rows, J_BEFORE),
                            .after = db_col_text_peek(rows, J_AFTER)};

    return journal_step(at, db_col_i64(rows, J_SEQ), &r, db_col_text_peek(rows, J_OP),
                        db_col_blob_peek(rows, J_HASH), fits, err);
}

static void head_read(struct db_rows *rows, struct news *out)
{
    struct rk_str hash = db_col_blob_peek(rows, N_HASH);

    *out = (struct news){.version = db_col_i64(rows, N_VERSION),
                         .serial = (uint64_t)db_col_i64(rows, N_SERIAL),
                         .head.seq = db_col_i64(rows, N_SEQ)};
    if (hash.n == sizeof out->head.hash)
        memcpy(out->head.hash, hash.p, hash.n);
}

enum rk_code work_follow(struct lane *l, struct work *w, struct news *out, bool *followed,
                         struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct journal_head at = w->a->head;
    bool fits = true, any = false;
    size_t n = 0;
    enum rk_code rc =
        db_query(l->db, &rows, err, SQL_NEWS, DB_ARGS(db_text(w->a->id), db_i64(w->a->head.seq)));

    *followed = false;
    while (rc == RK_OK && fits && db_next(rows)) {
        if (!any)
            head_read(rows, out);
        any = true;
        if (db_col_null(rows, J_SEQ)) /* nothing new */
            continue;
        if (n == 0)
            out->first_at_us = db_col_i64(rows, J_AT);
        fits = n++ < FOLLOW_MAX;
        if (fits)
            rc = row_check(rows, &at, &fits, err);
        if (rc == RK_OK && fits)
            fits = change_follow(l, w, rows);
    }
    if (rc == RK_OK)
        rc = db_end(rows, err);
    if (rc == RK_OK && !any)
        rc = rk_fail(err, RK_NOT_FOUND, "account %.*s", RK_STR_ARG(w->a->id));
    if (rc || !fits || !journal_head_eq(&at, &out->head)) {
        work_truncate(w, l->mem, 0);
        return rc;
    }
    w->serial = out->serial;
    w->serial_applied = snap_serial(w->old);
    w->cur = w->old;
    work_apply(l, w, w->n);
    out->rows = n;
    *followed = true;
    return RK_OK;
}
