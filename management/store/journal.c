/* SPDX-License-Identifier: BSD-3-Clause */
/* The journal and its hash chain: see journal.h. */
#include "config.h"

#include "management/store/journal.h"

#include <stdio.h>

#include "lib/base/buf.h"

#define PAGE       1000
#define ROW_MAX    ((size_t)16 << 20) /* two states of the largest entity */
#define PRUNE_STEP 10000

static const char *const OPS[] = {"create", "update", "delete"};

static const char SQL_ADD[] =
    "INSERT INTO journal (account_id, seq, version, serial, at, actor, op, kind, entity_id, before,"
    " after, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
static const char SQL_PAGE[] =
    "SELECT seq, version, serial, at, actor, op, kind, entity_id, before, after, hash FROM journal "
    "WHERE account_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT 1000";
static const char SQL_HEAD[] = "SELECT journal_seq, journal_hash, base_seq, base_hash FROM "
                               "account_head WHERE account_id = $1";
static const char SQL_ACCOUNTS[] = "SELECT account_id FROM account_head ORDER BY account_id";
static const char SQL_LAST_OLD[] = "SELECT seq, hash FROM journal WHERE account_id = $1 AND "
                                   "seq <= $2 AND (at < $3 OR seq <= $4) ORDER BY seq DESC LIMIT 1";
static const char SQL_PRUNE[] = "DELETE FROM journal WHERE account_id = $1 AND seq <= $2";
static const char SQL_REBASE[] =
    "UPDATE account_head SET base_seq = $2, base_hash = $3 WHERE account_id = $1";

static void add_i64(struct rk_buf *b, int64_t v)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        rk_buf_addc(b, (char)((uint64_t)v >> shift));
}

static void add_text(struct rk_buf *b, struct rk_str s)
{
    add_i64(b, (int64_t)s.n);
    rk_buf_add(b, s);
}

/* op is the stored text, so that an altered one is noticed, too. */
static enum rk_code row_hash(const uint8_t prev[HASH_SHA256_SIZE], const struct journal_row *r,
                             struct rk_str op, uint8_t out[HASH_SHA256_SIZE], struct rk_err *err)
{
    struct rk_buf b;

    rk_buf_init(&b, ROW_MAX);
    rk_buf_add(&b, rk_str_of(prev, HASH_SHA256_SIZE));
    add_i64(&b, r->version);
    add_i64(&b, r->serial);
    add_i64(&b, r->at_us);
    add_text(&b, r->actor);
    add_text(&b, op);
    add_text(&b, r->kind);
    add_text(&b, r->entity_id);
    add_text(&b, r->before);
    add_text(&b, r->after);
    if (!b.full)
        hash_sha256(rk_buf_str(&b), out);
    rk_buf_done(&b);
    return b.full ? rk_fail(err, RK_LIMIT, "journal row is too large") : RK_OK;
}

enum rk_code journal_append(struct db *db, struct journal_head *head, const struct journal_row *row,
                            struct rk_err *err)
{
    uint8_t hash[HASH_SHA256_SIZE];
    struct rk_str op = rk_str_z(OPS[row->op]);
    enum rk_code rc = row_hash(head->hash, row, op, hash, err);

    if (rc == RK_OK)
        rc = db_exec(db, err, NULL, SQL_ADD,
                     DB_ARGS(db_text(row->account_id), db_i64(head->seq + 1), db_i64(row->version),
                             db_i64(row->serial), db_i64(row->at_us), db_text(row->actor),
                             db_text(op), db_text(row->kind), db_text(row->entity_id),
                             db_text(row->before), db_text(row->after),
                             db_blob(rk_str_of(hash, sizeof hash))));
    if (rc)
        return rc;
    head->seq++;
    memcpy(head->hash, hash, sizeof hash);
    return RK_OK;
}

enum rk_code journal_step(struct journal_head *at, int64_t seq, const struct journal_row *row,
                          struct rk_str op, struct rk_str hash, bool *fits, struct rk_err *err)
{
    uint8_t want[HASH_SHA256_SIZE] = {0};
    enum rk_code rc = row_hash(at->hash, row, op, want, err);

    if (rc)
        return rc;
    *fits = seq == at->seq + 1 && hash.n == sizeof want && memcmp(hash.p, want, sizeof want) == 0;
    if (*fits) {
        at->seq = seq;
        memcpy(at->hash, want, sizeof want);
    }
    return RK_OK;
}

/* ---- checking */

static bool hash_copy(struct rk_str from, uint8_t to[HASH_SHA256_SIZE])
{
    if (from.n != HASH_SHA256_SIZE)
        return false;
    memcpy(to, from.p, HASH_SHA256_SIZE);
    return true;
}

static void broken(struct journal_report *r, int64_t seq, const char *why)
{
    r->broken = true;
    r->bad_seq = seq;
    (void)snprintf(r->reason, sizeof r->reason, "%s", why);
}

static enum rk_code head_load(struct db *db, struct rk_str account_id, struct journal_head *end,
                              struct journal_head *base, struct journal_report *report,
                              struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, SQL_HEAD, DB_ARGS(db_text(account_id)));

    if (rc)
        return rc;
    if (!db_next(rows)) {
        rc = db_end(rows, err);
        return rc ? rc : rk_fail(err, RK_NOT_FOUND, "account %.*s", RK_STR_ARG(account_id));
    }
    end->seq = db_col_i64(rows, 0);
    base->seq = db_col_i64(rows, 2);
    if (!hash_copy(db_col_blob_peek(rows, 1), end->hash) ||
        !hash_copy(db_col_blob_peek(rows, 3), base->hash))
        broken(report, end->seq, "the head of the journal is damaged");
    return db_end(rows, err);
}

/* One page behind *at, up to the head that was read (a live server goes on writing); *more false at
 * the end. */
static enum rk_code page_verify(struct db *db, struct rk_str account_id, int64_t end_seq,
                                struct journal_head *at, bool *more, struct journal_report *report,
                                struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, SQL_PAGE,
                               DB_ARGS(db_text(account_id), db_i64(at->seq), db_i64(end_seq)));
    size_t n = 0;

    while (rc == RK_OK && !report->broken && db_next(rows)) {
        int64_t seq = db_col_i64(rows, 0);
        struct journal_row r = {.version = db_col_i64(rows, 1),
                                .serial = db_col_i64(rows, 2),
                                .at_us = db_col_i64(rows, 3),
                                .actor = db_col_text_peek(rows, 4),
                                .kind = db_col_text_peek(rows, 6),
                                .entity_id = db_col_text_peek(rows, 7),
                                .before = db_col_text_peek(rows, 8),
                                .after = db_col_text_peek(rows, 9)};
        struct rk_str stored = db_col_blob_peek(rows, 10);
        uint8_t hash[HASH_SHA256_SIZE] = {0};

        n++;
        report->rows++;
        rc = row_hash(at->hash, &r, db_col_text_peek(rows, 5), hash, err);
        if (rc)
            break;
        if (seq != at->seq + 1)
            broken(report, at->seq + 1, "a row is missing");
        else if (stored.n != sizeof hash || memcmp(stored.p, hash, sizeof hash) != 0)
            broken(report, seq, "the row or one before it was altered");
        at->seq = seq;
        memcpy(at->hash, hash, sizeof hash);
    }
    *more = n == PAGE && !report->broken;
    return rc ? rc : db_end(rows, err);
}

enum rk_code journal_verify(struct db *db, struct rk_str account_id, struct journal_report *out,
                            struct rk_err *err)
{
    struct journal_report report = {.rows = out->rows};
    struct journal_head end = {0}, at = {0};
    bool more = true;
    enum rk_code rc = head_load(db, account_id, &end, &at, &report, err);

    while (rc == RK_OK && more && !report.broken)
        rc = page_verify(db, account_id, end.seq, &at, &more, &report, err);
    if (rc)
        return rc;
    if (!report.broken && at.seq < end.seq)
        broken(&report, at.seq + 1, "the end of the journal is missing");
    else if (!report.broken && memcmp(at.hash, end.hash, sizeof at.hash) != 0)
        broken(&report, at.seq, "the end of the journal is not the one that was written");
    *out = report;
    return RK_OK;
}

enum rk_code journal_verify_all(struct db *db, struct rk_arena *mem, struct rk_str *account_id,
                                struct journal_report *out, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, SQL_ACCOUNTS, DB_NOARGS);

    *out = (struct journal_report){0};
    while (rc == RK_OK && !out->broken && db_next(rows)) {
        *account_id = db_col_text(rows, 0, mem);
        rc = journal_verify(db, *account_id, out, err);
    }
    return rc ? rc : db_end(rows, err);
}

/* ---- pruning */

enum rk_code journal_prune_step(struct db *db, void *arg, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct journal_prune *p = arg;
    struct journal_report report = {0};
    struct journal_head end = {0}, base = {0};
    uint8_t hash[HASH_SHA256_SIZE];
    int64_t seq;
    enum rk_code rc = head_load(db, p->account_id, &end, &base, &report, err);

    p->dropped = 0;
    if (rc == RK_OK) /* in steps, so that the lock is short; the last row always stays */
        rc = db_query(db, &rows, err, SQL_LAST_OLD,
                      DB_ARGS(db_text(p->account_id),
                              db_i64(base.seq + PRUNE_STEP < end.seq - 1 ? base.seq + PRUNE_STEP
                                                                         : end.seq - 1),
                              db_i64(p->before_us),
                              db_i64(p->keep_rows > 0 ? end.seq - p->keep_rows : 0)));
    if (rc || !db_next(rows))
        return rc ? rc : db_end(rows, err);
    seq = db_col_i64(rows, 0);
    if (!hash_copy(db_col_blob_peek(rows, 1), hash))
        return rk_fail(err, RK_PRECONDITION, "journal row %lld is damaged", (long long)seq);
    rc = db_exec(db, err, &p->dropped, SQL_PRUNE, DB_ARGS(db_text(p->account_id), db_i64(seq)));
    if (rc == RK_OK)
        rc = db_exec(
            db, err, NULL, SQL_REBASE,
            DB_ARGS(db_text(p->account_id), db_i64(seq), db_blob(rk_str_of(hash, sizeof hash))));
    return rc;
}
