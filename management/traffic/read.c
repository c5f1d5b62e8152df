/* SPDX-License-Identifier: BSD-3-Clause */
/* See read.h. */
#include "config.h"

#include "management/traffic/read.h"

#include "lib/base/num.h"
#include "management/traffic/impl.h"

#define COLUMNS                                                                                    \
    "seq, event_id, flow_id, reporter, user_id, policy_id, received_at, at, window_start, "        \
    "window_end, direction, protocol, routed, source_type, source_id, source_ip, source_port, "    \
    "dest_type, dest_id, dest_ip, dest_port, rx_packets, tx_packets, rx_bytes, tx_bytes, starts, " \
    "ends, drops"
/* Whether any message of the flow tells of it. */
#define HAS(column)                                                                                \
    "EXISTS (SELECT 1 FROM traffic_event e WHERE e.reporter = t.reporter AND e.flow_id = "         \
    "t.flow_id AND e." column " > 0)"
#define HAS_NONE "NOT " HAS("starts") " AND NOT " HAS("ends") " AND NOT " HAS("drops")
#define OF_TYPE                                                                                    \
    "($11 < 0 OR ($11 = 1 AND " HAS("starts") ") OR ($11 = 2 AND " HAS(                            \
        "ends") ") OR ($11 = 3 AND " HAS("drops") ") OR ($11 = 0 AND " HAS_NONE "))"
/* Of the newest flows in the time: however many are kept, an answer has an end. */
#define MATCHING                                                                                   \
    " FROM (SELECT * FROM traffic_event WHERE account_id = $1 AND is_first = 1 AND at >= $2 AND "  \
    "at <= $3 ORDER BY at DESC LIMIT $12) t WHERE ($4 = '' OR user_id = $4) AND ($5 = '' OR "      \
    "reporter = $5) AND ($6 = '' OR source_id = $6) AND ($7 = '' OR dest_id = $7) AND ($8 < 0 OR " \
    "protocol = $8) AND ($9 < 0 OR direction = $9) AND ($10 < 0 OR routed = $10) AND " OF_TYPE

static const char SQL_COUNT[] = "SELECT COUNT(*)" MATCHING;
static const char SQL_LIST[] =
    "SELECT " COLUMNS MATCHING " ORDER BY at DESC, seq DESC LIMIT $13 OFFSET $14";

/* Messages of several flows at once, a question for each would be slow: which flow, then the rest.
 * A flow may have very many. */
#define FLOWS_AT_ONCE 24
#define FLOW(n, reporter, flow)                                                                    \
    "SELECT * FROM (SELECT " #n                                                                    \
    " AS n, at, window_start, window_end, policy_id, rx_packets, tx_packets, rx_bytes, tx_bytes, " \
    "starts, ends, drops FROM traffic_event WHERE reporter = $" #reporter " AND flow_id = $" #flow \
    " ORDER BY seq LIMIT 1000) q" #n " "
#define AND_FLOW(n, reporter, flow) "UNION ALL " FLOW(n, reporter, flow)
static const char SQL_FLOWS[] = FLOW(0, 1, 2) AND_FLOW(1, 3, 4) AND_FLOW(2, 5, 6) AND_FLOW(3, 7, 8)
    AND_FLOW(4, 9, 10) AND_FLOW(5, 11, 12) AND_FLOW(6, 13, 14) AND_FLOW(7, 15, 16)
        AND_FLOW(8, 17, 18) AND_FLOW(9, 19, 20) AND_FLOW(10, 21, 22) AND_FLOW(11, 23, 24)
            AND_FLOW(12, 25, 26) AND_FLOW(13, 27, 28) AND_FLOW(14, 29, 30) AND_FLOW(15, 31, 32)
                AND_FLOW(16, 33, 34) AND_FLOW(17, 35, 36) AND_FLOW(18, 37, 38) AND_FLOW(19, 39, 40)
                    AND_FLOW(20, 41, 42) AND_FLOW(21, 43, 44) AND_FLOW(22, 45, 46)
                        AND_FLOW(23, 47, 48);

#define ARGS_MAX 14

struct question {
    const struct traffic_filter *f;
    struct db_val args[ARGS_MAX];
};

static void ask(struct question *q, struct rk_str account_id, const struct traffic_filter *f)
{
    *q = (struct question){.f = f,
                           .args = {db_text(account_id), db_i64(f->since_us), db_i64(f->until_us),
                                    db_text(f->user_id), db_text(f->reporter),
                                    db_text(f->source_id), db_text(f->dest_id), db_i64(f->protocol),
                                    db_i64(f->direction), db_i64(f->routed), db_i64(f->type)}};
    q->args[ARGS_MAX - 3] = db_i64(TRAFFIC_LOOK_MAX);
    q->args[ARGS_MAX - 2] = db_i64(f->wanted ? TRAFFIC_SEARCH_MAX : f->limit);
    q->args[ARGS_MAX - 1] = db_i64(f->wanted ? 0 : f->offset);
}

static struct traffic_counts counts_of(struct db_rows *rows, int col)
{
    return (struct traffic_counts){db_col_i64(rows, col),     db_col_i64(rows, col + 1),
                                   db_col_i64(rows, col + 2), db_col_i64(rows, col + 3),
                                   db_col_i64(rows, col + 4), db_col_i64(rows, col + 5),
                                   db_col_i64(rows, col + 6)};
}

static struct traffic_end end_of(struct db_rows *rows, int col, struct rk_arena *mem)
{
    return (struct traffic_end){.type = (enum traffic_end_type)db_col_i64(rows, col),
                                .id = db_col_text(rows, col + 1, mem),
                                .ip = db_col_text(rows, col + 2, mem),
                                .port = db_col_i64(rows, col + 3)};
}

static struct traffic_row row_of(struct db_rows *rows, struct rk_arena *mem)
{
    return (struct traffic_row){.seq = db_col_i64(rows, 0),
                                .event_id = db_col_blob(rows, 1, mem),
                                .flow_id = db_col_blob(rows, 2, mem),
                                .reporter = db_col_text(rows, 3, mem),
                                .user_id = db_col_text(rows, 4, mem),
                                .policy_id = db_col_text(rows, 5, mem),
                                .received_us = db_col_i64(rows, 6),
                                .at_us = db_col_i64(rows, 7),
                                .window_start_us = db_col_i64(rows, 8),
                                .window_end_us = db_col_i64(rows, 9),
                                .direction = (enum traffic_direction)db_col_i64(rows, 10),
                                .protocol = db_col_i64(rows, 11),
                                .routed = db_col_bool(rows, 12),
                                .source = end_of(rows, 13, mem),
                                .dest = end_of(rows, 17, mem),
                                .n = counts_of(rows, 21)};
}

/* ---- flows out of their messages */

static void happened(struct traffic_flow *f, enum traffic_type type, int64_t n, int64_t at_us)
{
    if (n)
        f->happened[f->n_happened++] = (struct traffic_happened){type, at_us};
}

/* Agents may say what they like. */
static int64_t plus(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static void add(struct traffic_flow *f, struct db_rows *rows, struct rk_arena *mem)
{
    struct traffic_counts n = counts_of(rows, 5), *sum = &f->r.n;
    int64_t at = db_col_i64(rows, 1);

    while (f->cap_happened < f->n_happened + 3) /* three more at most */
        f->happened =
            rk_arena_grow(mem, f->happened, f->cap_happened, &f->cap_happened, sizeof *f->happened);
    f->r.window_start_us = rk_min_i64(f->r.window_start_us, db_col_i64(rows, 2));
    f->r.window_end_us = rk_max_i64(f->r.window_end_us, db_col_i64(rows, 3));
    if (!f->r.policy_id.n)
        f->r.policy_id = db_col_text(rows, 4, mem);
    *sum = (struct traffic_counts){plus(sum->rx_packets, n.rx_packets),
                                   plus(sum->tx_packets, n.tx_packets),
                                   plus(sum->rx_bytes, n.rx_bytes),
                                   plus(sum->tx_bytes, n.tx_bytes),
                                   plus(sum->starts, n.starts),
                                   plus(sum->ends, n.ends),
                                   plus(sum->drops, n.drops)};
    happened(f, TRAFFIC_START, n.starts, at);
    happened(f, TRAFFIC_ENDED, n.ends, at);
    happened(f, TRAFFIC_DROP, n.drops, at);
}

/* n is FLOWS_AT_ONCE at most. */
static enum rk_code put_together(struct db *db, struct traffic_flow *v, size_t n,
                                 struct rk_arena *mem, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    struct db_val args[FLOWS_AT_ONCE * 2];
    enum rk_code rc;

    for (size_t i = 0; i < FLOWS_AT_ONCE; i++) { /* no machine: no messages */
        args[2 * i] = db_text(i < n ? v[i].r.reporter : RK_STR(""));
        args[2 * i + 1] = db_blob(i < n ? v[i].r.flow_id : RK_STR(""));
        if (i < n)
            v[i].r.n = (struct traffic_counts){0};
    }
    rc = db_query(db, &rows, err, SQL_FLOWS, args, RK_ARRAY_LEN(args));
    while (!rc && db_next(rows)) {
        int64_t which = db_col_i64(rows, 0);

        if (which >= 0 && which < (int64_t)n)
            add(&v[which], rows, mem);
    }
    return rc ? rc : db_end(rows, err);
}

/* ---- lists */

struct page {
    struct traffic_flow *v;
    size_t n, cap;
};

static void keep(struct page *p, const struct traffic_row *r, struct rk_arena *mem)
{
    p->v = rk_arena_grow(mem, p->v, p->n, &p->cap, sizeof *p->v);
    p->v[p->n++] = (struct traffic_flow){.r = *r};
}

/* All that match are looked at when a text is searched for, else the page alone. */
static enum rk_code read_page(struct db *db, const struct question *q, struct rk_arena *mem,
                              struct page *p, int64_t *total, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *one = rk_arena_new(0);
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    const struct traffic_filter *f = q->f;
    enum rk_code rc = db_query(db, &rows, err, SQL_LIST, q->args, ARGS_MAX);
    int64_t seen = 0;

    while (!rc && db_next(rows)) {
        struct traffic_row r;

        if (!f->wanted) {
            r = row_of(rows, mem);
            keep(p, &r, mem);
            continue;
        }
        rk_arena_reset(one);
        r = row_of(rows, one);
        if (!f->wanted(f->arg, &r))
            continue;
        if (seen >= f->offset && seen < f->offset + f->limit) {
            r = row_of(rows, mem);
            keep(p, &r, mem);
        }
        seen++;
    }
    if (f->wanted)
        *total = seen;
    return rc ? rc : db_end(rows, err);
}

static enum rk_code list(struct db *db, const struct question *q, struct rk_arena *mem,
                         struct page *p, int64_t *total, struct rk_err *err)
{
    enum rk_code rc = RK_OK;

    if (!q->f->wanted)
        rc = db_get_i64(db, total, err, SQL_COUNT, q->args, ARGS_MAX - 2);
    if (!rc)
        rc = read_page(db, q, mem, p, total, err);
    for (size_t i = 0; i < p->n && !rc; i += FLOWS_AT_ONCE)
        rc = put_together(db, &p->v[i], rk_min_size(p->n - i, FLOWS_AT_ONCE), mem, err);
    return rc;
}

enum rk_code traffic_list(struct traffic *t, struct rk_str account_id,
                          const struct traffic_filter *f, struct rk_arena *mem,
                          struct traffic_flow **out, size_t *n, int64_t *total, struct rk_err *err)
{
    struct page p = {0};
    struct question q;
    enum rk_code rc;

    ask(&q, account_id, f);
    (void)pthread_mutex_lock(&t->lock);
    rc = list(t->reader, &q, mem, &p, total, err);
    (void)pthread_mutex_unlock(&t->lock);
    *out = p.v;
    *n = p.n;
    return rc;
}

/* ---- all of them, for who takes them elsewhere */

static const char SQL_AFTER[] = "SELECT " COLUMNS ", account_id FROM traffic_event WHERE seq > $1 "
                                "ORDER BY seq LIMIT $2";
static const char SQL_LAST[] = "SELECT COALESCE(MAX(seq), 0) FROM traffic_event";
#define COL_ACCOUNT 28

static enum rk_code after(struct db *db, int64_t seq, int64_t most, struct rk_arena *mem,
                          struct traffic_told **out, size_t *n, struct rk_err *err)
{
    RK_CLEANUP(db_rows_freep) struct db_rows *rows = NULL;
    enum rk_code rc = db_query(db, &rows, err, SQL_AFTER, DB_ARGS(db_i64(seq), db_i64(most)));
    size_t cap = 0;

    *out = NULL;
    *n = 0;
    while (!rc && db_next(rows)) {
        *out = rk_arena_grow(mem, *out, *n, &cap, sizeof **out);
        (*out)[(*n)++] =
            (struct traffic_told){db_col_text(rows, COL_ACCOUNT, mem), row_of(rows, mem)};
    }
    return rc ? rc : db_end(rows, err);
}

enum rk_code traffic_after(struct traffic *t, int64_t seq, int64_t most, struct rk_arena *mem,
                           struct traffic_told **out, size_t *n, struct rk_err *err)
{
    enum rk_code rc;

    (void)pthread_mutex_lock(&t->lock);
    rc = after(t->reader, seq, most, mem, out, n, err);
    (void)pthread_mutex_unlock(&t->lock);
    return rc;
}

enum rk_code traffic_last(struct traffic *t, int64_t *seq, struct rk_err *err)
{
    enum rk_code rc;

    (void)pthread_mutex_lock(&t->lock);
    rc = db_get_i64(t->reader, seq, err, SQL_LAST, DB_NOARGS);
    (void)pthread_mutex_unlock(&t->lock);
    return rc;
}
