/* SPDX-License-Identifier: BSD-3-Clause */
/* See query.h. */
#include "config.h"

#include "management/rest/query.h"

#include "lib/base/num.h"

static bool is_ours(const struct http_req *req, struct rk_str name)
{
    return rk_str_eqz(name, "dry_run") || rk_str_starts(req->path, RK_STR("/api/x/")) ||
           rk_str_starts(req->path, RK_STR("/api/events"));
}

enum rk_code query_check(const struct http_req *req, struct rk_err *err)
{
    struct rk_str name, value, other;

    for (size_t pos = 0; http_form_next(req->mem, req->query, &pos, &name, &value);) {
        if (!is_ours(req, name))
            continue;
        for (size_t more = pos; http_form_next(req->mem, req->query, &more, &other, &value);)
            if (rk_str_eq(name, other))
                return rk_fail(err, RK_INVALID, "%.*s stands twice in the query; nothing was done",
                               RK_STR_ARG(name));
    }
    return RK_OK;
}

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
