/* SPDX-License-Identifier: BSD-3-Clause */
/* Who visited services of the reverse proxy, as proxies tell it. Rows, not entities. Store thread.
 */
#ifndef MGMT_OPS_PROXY_LOG_H
#define MGMT_OPS_PROXY_LOG_H

#include "management/ops/op.h"

struct proxy_log { /* open; empty texts: not known */
    struct rk_str id, account_id, service_id;
    int64_t at_us;
    struct rk_str method, host, path;
    int64_t duration_ms, status_code;
    struct rk_str source_ip, reason, user_id, auth_method;
    struct rk_str country, city, subdivision;
    int64_t bytes_upload, bytes_download;
    struct rk_str protocol; /* "http", "tcp", "udp", "tls" */
    struct rk_str metadata; /* JSON object; may be empty */
};

/** One that is there already (told twice) changes nothing. */
enum rk_code proxy_log_add(struct db *db, const struct proxy_log *e, struct rk_err *err) RK_MUST;

/** Entries older than that go. */
enum rk_code proxy_log_sweep(struct db *db, int64_t before_us, struct rk_err *err) RK_MUST;

#endif
