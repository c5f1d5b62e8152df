/* SPDX-License-Identifier: BSD-3-Clause */
/* See proxy_log.h. */
#include "config.h"

#include "management/ops/proxy_log.h"

static const char SQL_ADD[] =
    "INSERT INTO proxy_log (id, account_id, service_id, at, method, host, path, duration_ms, "
    "status_code, source_ip, reason, user_id, auth_method, country, city, subdivision, "
    "bytes_upload, bytes_download, protocol, metadata) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, "
    "$10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) ON CONFLICT DO NOTHING";
static const char SQL_SWEEP[] = "DELETE FROM proxy_log WHERE at < $1";

enum rk_code proxy_log_add(struct db *db, const struct proxy_log *e, struct rk_err *err)
{
    return db_exec(db, err, NULL, SQL_ADD,
                   DB_ARGS(db_text(e->id), db_text(e->account_id), db_text(e->service_id),
                           db_i64(e->at_us), db_text(e->method), db_text(e->host), db_text(e->path),
                           db_i64(e->duration_ms), db_i64(e->status_code), db_text(e->source_ip),
                           db_text(e->reason), db_text(e->user_id), db_text(e->auth_method),
                           db_text(e->country), db_text(e->city), db_text(e->subdivision),
                           db_i64(e->bytes_upload), db_i64(e->bytes_download), db_text(e->protocol),
                           db_text(e->metadata)));
}

enum rk_code proxy_log_sweep(struct db *db, int64_t before_us, struct rk_err *err)
{
    return db_exec(db, err, NULL, SQL_SWEEP, DB_ARGS(db_i64(before_us)));
}
