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
static const char SQL_DROP_DAYS[] =
    "DELETE FROM traffic_event WHERE seq IN (SELECT seq FROM traffic_event WHERE day < $1 LIMIT "
    "$2)";
static const char SQL_DROP_OLDEST[] =
    "DELETE FROM traffic_event WHERE seq IN (SELECT seq FROM traffic_event WHERE seq <= (SELECT "
    "COALESCE(MAX(seq), 0) FROM traffic_event) - $1 ORDER BY seq LIMIT $2)";

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

enum rk_code traffic_rows_drop(struct db *db, int64_t day, int64_t keep_rows, int64_t most,
                               bool *more, struct rk_err *err)
{
    int64_t old = 0, beyond = 0;
    enum rk_code rc = db_exec(db, err, &old, SQL_DROP_DAYS, DB_ARGS(db_i64(day), db_i64(most)));

    if (!rc && keep_rows)
        rc = db_exec(db, err, &beyond, SQL_DROP_OLDEST, DB_ARGS(db_i64(keep_rows), db_i64(most)));
    *more = old == most || beyond == most;
    return rc;
}
