/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing and dropping rows; see row.h. */
#include "config.h"

#include "management/traffic/row.h"

#define US_PER_DAY INT64_C(86400000000)

static const char SQL_PUT[] =
    "INSERT INTO traffic_event (account_id, day, event_id, received_at, at, window_start, "
    "window_end, reporter, flow_id, is_first, user_id, policy_id, direction, protocol, routed, "
    "source_type, source_id, source_ip, source_port, dest_type, dest_id, dest_ip, dest_port, "
    "rx_packets, tx_packets, rx_bytes, tx_bytes, starts, ends, drops) VALUES ($1, $2, $3, $4, $5, "
    "$6, $7, $8, $9, CASE WHEN EXISTS (SELECT 1 FROM traffic_event WHERE reporter = $8 AND "
    "flow_id = $9) THEN 0 ELSE 1 END, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, "
    "$22, $23, $24, $25, $26, $27, $28, $29) ON CONFLICT (account_id, event_id) DO NOTHING";
/* The last ones of a slice: of old days, of what is too many. */
static const char SQL_END_DAYS[] =
    "SELECT COALESCE(MAX(seq), 0) FROM (SELECT seq FROM traffic_event WHERE day < $1 ORDER BY day, "
    "seq LIMIT $2) s";
static const char SQL_END_OLDEST[] =
    "SELECT COALESCE(MAX(seq), 0) FROM (SELECT seq FROM traffic_event WHERE seq <= (SELECT "
    "COALESCE(MAX(seq), 0) FROM traffic_event) - $1 ORDER BY seq LIMIT $2) s";
/* A flow that goes on is listed by the first of its messages that stays. */
static const char SQL_FIRST[] =
    "UPDATE traffic_event SET is_first = 1 WHERE seq IN (SELECT MIN(n.seq) FROM traffic_event d "
    "JOIN traffic_event n ON n.reporter = d.reporter AND n.flow_id = d.flow_id WHERE d.seq <= $1 "
    "AND d.day < $2 AND d.is_first = 1 AND (n.seq > $1 OR n.day >= $2) GROUP BY n.reporter, "
    "n.flow_id)";
static const char SQL_DROP[] = "DELETE FROM traffic_event WHERE seq <= $1 AND day < $2";
/* Held until the transaction is over: what stands later in the order is committed later, as who
 * reads behind a place relies on, and of each flow one message is the first. Any fixed number. */
static const char SQL_ALONE_PG[] = "SELECT pg_advisory_xact_lock(7226519205)";

enum rk_code traffic_row_put(struct db *db, struct rk_str account_id, const struct traffic_row *r,
                             struct rk_err *err)
{
    return db_exec(db, err, NULL, SQL_PUT,
                   DB_ARGS(db_text(account_id), db_i64(r->received_us / US_PER_DAY),
                           db_blob(r->event_id), db_i64(r->received_us), db_i64(r->at_us),
                           db_i64(r->window_start_us), db_i64(r->window_end_us),
                           db_text(r->reporter), db_blob(r->flow_id), db_text(r->user_id),
                           db_text(r->policy_id), db_i64((int64_t)r->direction),
                           db_i64(r->protocol), db_bool(r->routed), db_i64((int64_t)r->source.type),
                           db_text(r->source.id), db_text(r->source.ip), db_i64(r->source.port),
                           db_i64((int64_t)r->dest.type), db_text(r->dest.id), db_text(r->dest.ip),
                           db_i64(r->dest.port), db_i64(r->n.rx_packets), db_i64(r->n.tx_packets),
                           db_i64(r->n.rx_bytes), db_i64(r->n.tx_bytes), db_i64(r->n.starts),
                           db_i64(r->n.ends), db_i64(r->n.drops)));
}

enum rk_code traffic_rows_alone(struct db *db, struct rk_err *err)
{
    return db_engine_of(db) == DB_PG ? db_script(db, SQL_ALONE_PG, err) : RK_OK;
}

/* A slice whose end a query finds, of days before `day`. */
static enum rk_code drop(struct db *db, const char *sql_end, int64_t limit, int64_t day,
                         int64_t most, int64_t *gone, struct rk_err *err)
{
    int64_t end = 0;
    enum rk_code rc = db_get_i64(db, &end, err, sql_end, DB_ARGS(db_i64(limit), db_i64(most)));

    if (!rc && end)
        rc = db_exec(db, err, NULL, SQL_FIRST, DB_ARGS(db_i64(end), db_i64(day)));
    if (!rc && end)
        rc = db_exec(db, err, gone, SQL_DROP, DB_ARGS(db_i64(end), db_i64(day)));
    return rc;
}

enum rk_code traffic_rows_drop(struct db *db, int64_t day, int64_t keep_rows, int64_t most,
                               bool *more, struct rk_err *err)
{
    int64_t old = 0, beyond = 0;
    enum rk_code rc = drop(db, SQL_END_DAYS, day, day, most, &old, err);

    if (!rc && keep_rows)
        rc = drop(db, SQL_END_OLDEST, keep_rows, INT64_MAX, most, &beyond, err);
    *more = old >= most || beyond >= most;
    return rc;
}
