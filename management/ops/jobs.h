/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on jobs for agents (debug bundles). Store thread. */
#ifndef MGMT_OPS_JOBS_H
#define MGMT_OPS_JOBS_H

#include "management/ops/op.h"

#define JOB_MIN_VERSION "0.64.0" /* the first agent that takes jobs */

struct job_input { /* open; borrowed for the call */
    struct rk_str type;
    bool bundle_for, anonymize;
    int64_t bundle_for_time, log_file_count;
};

/** Store a pending job, which gives it to the agent. reachable: the agent holds a job stream.
 *  Errors: RK_BAD_REQUEST (parameters, not connected, another job waits), RK_FORBIDDEN,
 *  RK_NOT_FOUND, RK_PRECONDITION (agent too old). */
enum rk_code job_create(struct op *op, struct rk_str peer_id, const struct job_input *in,
                        bool reachable, const struct job **out, struct rk_err *err) RK_MUST;

#endif
