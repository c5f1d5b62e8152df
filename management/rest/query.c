/* SPDX-License-Identifier: BSD-3-Clause */
/* See query.h. */
#include "config.h"

#include "management/rest/query.h"

#include "lib/base/num.h"

enum rk_code query_int(struct http_req *req, const char *name, int64_t min, int64_t max,
                       int64_t *out, struct rk_err *err)
{
    struct rk_str text;

    if (!http_req_query(req, name, &text) || !text.n)
        return RK_OK;
    return rk_parse_i64(text, min, max, out, NULL)
               ? rk_fail(err, RK_INVALID, "%s must be a number from %lld to %lld", name,
                         (long long)min, (long long)max)
               : RK_OK;
}

enum rk_code query_time(struct http_req *req, const char *name, int64_t *out, struct rk_err *err)
{
    struct rk_str text;

    if (!http_req_query(req, name, &text) || !text.n)
        return RK_OK;
    return rk_time_parse_us(text, out, NULL)
               ? rk_fail(err, RK_INVALID, "%s must be a time like 2026-01-02T15:04:05Z", name)
               : RK_OK;
}
