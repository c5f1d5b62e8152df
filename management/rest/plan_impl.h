/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by plan.c (doing it) and plan_answer.c (saying it). */
#ifndef MGMT_REST_PLAN_IMPL_H
#define MGMT_REST_PLAN_IMPL_H

#include "management/rest/plan.h"
#include "management/wanted/claims.h"
#include "management/wanted/steps.h"

struct plan_key { /* a setup key that was made */
    struct rk_str name, key;
};

struct plan_run { /* arena: the engine may look at it until done */
    struct rest *rest;
    struct op *op;
    const struct plan_request *q;
    struct rk_arena *mem;
    struct want_node *tree; /* checked, as it was read */
    /* of the last attempt */
    const struct snapshot *before; /* one reference: the objects there are borrow from it */
    struct want_plan plan;
    struct want_set *have;
    uint64_t serial; /* before it */
    struct rk_str digest;
    const struct want_node *claims;
    struct want_verdict *verdicts; /* one for each claim */
    bool claims_hold;
    struct plan_key *keys;
    size_t n_keys, cap_keys;
};

/** Judge the claims of the file by a state. Errors: RK_INVALID, RK_NOT_FOUND, with the line. */
enum rk_code plan_judge(struct plan_run *r, const struct snapshot *s, struct rk_err *err) RK_MUST;

/** The error of the first claim that does not hold. */
enum rk_code plan_refuse(const struct plan_run *r, struct rk_err *err);

/** The answer; trial: what it would do, or did. */
void plan_answer(const struct plan_run *r, const struct mgmt_trial *trial, struct rk_buf *out);

#endif
