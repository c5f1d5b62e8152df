/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A debug bundle that management has asked for: this program as a child, as "rook debug bundle" or
 * "rook debug for", which asks the daemon in turn; so the daemon itself neither packs nor uploads.
 * One at a time. Loop thread.
 */
#ifndef RK_AGENT_BUNDLE_JOB_H
#define RK_AGENT_BUNDLE_JOB_H

#include "agent/config/options.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "lib/base/loop.h"
#include "schema/gen/management.pb-c.h"

struct bundle_job;

struct bundle_job_user { /* embedded in the owner's struct */
    /** Last call; the job is gone. key: where it was uploaded to; NULL: why not. Lent. */
    void (*done)(struct bundle_job_user *u, struct rk_str id, const char *key, const char *reason);
};

/** Owned until done: bundle_job_cancel. Errors: RK_PRECONDITION (nowhere to upload to),
 *  RK_INTERNAL (no child). */
enum rk_code bundle_job_start(struct rk_loop *loop, struct rk_log *log, const struct daemon_opts *d,
                              struct rk_str id, const Management__BundleParameters *p,
                              struct bundle_job_user *user, struct bundle_job **out,
                              struct rk_err *err) RK_MUST;

/** The child is ended, and no callback follows; handles die on later turns. Accepts NULL. */
void bundle_job_cancel(struct bundle_job *j);

#endif
