/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ?dry_run=true: a mutation is run to its end and undone, and the answer says what it would do
 * (management/review) instead of what was done. Rows of routes.c that can be tried go through
 * rest_tried; with the parameter all others refuse.
 */
#ifndef MGMT_REST_TRIED_H
#define MGMT_REST_TRIED_H

#include "lib/http/router.h"

struct tried { /* route->arg of rest_tried */
    http_handler *handler;
};

/** The handler itself, or a trial of it. */
http_handler rest_tried;

/** The request asks for a trial. Errors: RK_INVALID (neither true nor false, or the route cannot
 *  be tried). */
enum rk_code rest_wants_trial(const struct http_req *req, bool *out, struct rk_err *err) RK_MUST;

#endif
