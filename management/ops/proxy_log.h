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

struct proxy_log_filter { /* open; empty texts and zeros take all */
    struct rk_str source_ip, host, user_id, method;
    struct rk_str path;        /* part of it */
    struct rk_str search;      /* part of id, address, host with path */
    struct rk_str search_user; /* or this user */
    int success;               /* 1: status 200 to 399; 2: all others */
    int64_t status_code, since_us, until_us;
    struct rk_str sort; /* a name of the API: "timestamp", "url", …; others: timestamp */
    bool ascending;
    int64_t limit, offset;
};

struct proxy_log_page {
    struct proxy_log *v;
    size_t n;
    int64_t total; /* that fit the filter */
};

/** RK_FORBIDDEN. arena */
enum rk_code proxy_log_read(struct op *op, const struct proxy_log_filter *f,
                            struct proxy_log_page *out, struct rk_err *err) RK_MUST;

/** Entries older than that go, and of an account that has more than `most` (visitors make them) the
 *  oldest. */
enum rk_code proxy_log_sweep(struct db *db, int64_t before_us, int64_t most,
                             struct rk_err *err) RK_MUST;

#endif
