/* SPDX-License-Identifier: BSD-3-Clause */
/* Jobs that the server gives to an agent (debug bundles). */
#ifndef MGMT_DOMAIN_JOB_H
#define MGMT_DOMAIN_JOB_H

#include "management/domain/types.h"

enum job_status { JOB_PENDING, JOB_SUCCEEDED, JOB_FAILED };

const char *job_status_text(enum job_status s);
bool job_status_parse(struct rk_str s, enum job_status *out);

struct job {
    struct rk_str id; /* UUID */
    struct rk_str account_id;
    struct rk_str peer_id;
    struct rk_str type; /* "bundle" */
    bool bundle_for;
    int64_t bundle_for_min;
    int64_t log_file_count;
    bool anonymize;
    enum job_status status;
    struct rk_str failed_reason;
    struct rk_str result; /* upload key */
    struct rk_str triggered_by;
    int64_t created_at_us;
    int64_t completed_at_us;
};

#endif
