/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network as a file says it (management/wanted): what applying it would do, doing it, and the
 * file of the network as it is. Each step goes through the handler that the same change by hand
 * takes, all of them inside one mutation, so checks, rights and events are the same, and nothing is
 * done when one of them is refused.
 */
#ifndef MGMT_REST_PLAN_H
#define MGMT_REST_PLAN_H

#include "management/rest/rest.h"

struct plan_request {     /* open; borrowed for the call */
    struct rk_str text;   /* of the file: YAML or JSON */
    bool apply;           /* else nothing is done */
    int64_t serial;       /* that the network must have; -1: whatever */
    struct rk_str digest; /* of the plan that this applies; empty: none */
};

/**
 * Appends the answer, an object: {"ok", "serial", "digest", "steps": [{"op", "kind", "name",
 * "line", "fields"}], "tests": [{"test", "ok", "why"}]} and the members of management/review: what
 * it would do, or did. Of a plan "ok" is false when a test does not hold; of an apply "setup_keys"
 * shows the new ones. In a trial (op->trial) nothing is appended. Blocks; store thread. Errors:
 * RK_INVALID "line L: …", RK_BAD_REQUEST (no YAML), RK_LIMIT, RK_FORBIDDEN, RK_PRECONDITION (the
 * network has moved; a test does not hold), those of the steps.
 */
enum rk_code rest_plan_run(struct rest *r, struct op *op, const struct plan_request *q,
                           struct rk_buf *out, struct rk_err *err) RK_MUST;

/** Appends the file. Errors: RK_FORBIDDEN. */
enum rk_code rest_plan_export(const struct op *op, struct rk_buf *out, struct rk_err *err) RK_MUST;

#endif
