/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Jobs for agents (debug bundles) and their Job streams. Whoever stores a pending job gives it to
 * the agent by doing so: the engine's change reaches the stream that is open; the answer comes back
 * as the job's new status. A job that is pending when its agent's stream opens or ends is failed.
 *
 *   tx_put(ENT_JOB, pending) ──commit──▶ jobs ──▶ JobRequest on the stream
 *   tx_put(ENT_JOB, succeeded|failed) ◀── mgmt_submit ◀── JobResponse
 */
#ifndef MGMT_RPC_JOBS_H
#define MGMT_RPC_JOBS_H

#include <stdbool.h>

#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/crypto/box.h"
#include "lib/grpc/call.h"
#include "management/engine/engine.h"
#include "management/rpc/envelope.h"
#include "management/snapshot/snapshot.h"

struct jobs;
struct job_stream;

/** Registers an observer. Everything is lent until jobs_free. Owned: jobs_free. */
struct jobs *jobs_new(struct mgmt *m, struct envelope *envelope, struct rk_log *log);
void jobs_free(struct jobs *j); /* after mgmt is closed; accepts NULL */

/** Learn of the jobs that were pending when the process started. Store thread. */
enum rk_code jobs_load(struct jobs *j, struct db *db, struct rk_err *err) RK_MUST;

/** Can a job be given to this peer now? Any thread. */
bool jobs_can_reach(struct jobs *j, struct rk_str peer_id);

/** The peer's new stream; an older one is ended with OK. Loop thread of the call. Owned:
 *  job_stream_close. */
struct job_stream *job_stream_open(struct jobs *j, struct grpc_call *call, const struct peer *p,
                                   const struct box_shared *shared);

struct job_answer { /* open; borrowed for the call */
    struct rk_str id;
    bool ok;
    struct rk_str reason; /* when not ok */
    struct rk_str result; /* upload key */
};

/** What the agent says about a job of its own; about others' and finished ones it is not heard. */
void job_stream_answer(struct job_stream *s, const struct job_answer *a);

/** The call is over. Loop thread. */
void job_stream_close(struct job_stream *s);

#endif
