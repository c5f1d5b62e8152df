/* SPDX-License-Identifier: BSD-3-Clause */
/* Parameters of a query as numbers and times. One that is absent or empty leaves *out as it is. */
#ifndef MGMT_REST_QUERY_H
#define MGMT_REST_QUERY_H

#include <stdint.h>

#include "lib/http/msg.h"

/** No parameter that this server alone has stands twice, for whoever reads such a query might take
 *  one or the other: dry_run anywhere, and all of our own paths. Errors: RK_INVALID. */
enum rk_code query_check(const struct http_req *req, struct rk_err *err) RK_MUST;

/** Errors: RK_INVALID (names the parameter and what it may be). */
enum rk_code query_int(struct http_req *req, const char *name, int64_t min, int64_t max,
                       int64_t *out, struct rk_err *err) RK_MUST;

/** RFC 3339, to microseconds since 1970. Errors: RK_INVALID. */
enum rk_code query_time(struct http_req *req, const char *name, int64_t *out,
                        struct rk_err *err) RK_MUST;

#endif
