/* SPDX-License-Identifier: BSD-3-Clause */
/* What management asks this agent to do: debug bundles, made by the owner of the engine. */
#include "config.h"

#include "agent/engine/engine_priv.h"
#include "lib/base/id.h"
#include "lib/grpc/status.h"
#include "schema/pb_arena.h"

#define JOB_MAX_BYTES ((size_t)1 << 20)

static const ProtobufCMessage *job_hello(struct mgmt_client_stream_user *u RK_UNUSED,
                                         struct rk_arena *mem)
{
    Management__JobRequest *r = rk_new(mem, Management__JobRequest);
    char id[RK_UUID_LEN + 1];

    management__job_request__init(r);
    rk_uuid(id);
    r->id = pb_bytes_of(rk_arena_dup(mem, rk_str_z(id)));
    return &r->base;
}

void engine_job_done(struct engine *e, struct rk_str id, const char *key, const char *reason)
{
    Management__JobResponse answer = MANAGEMENT__JOB_RESPONSE__INIT;
    Management__BundleResult result = MANAGEMENT__BUNDLE_RESULT__INIT;

    answer.id = pb_bytes_of(id);
    answer.status = key ? MANAGEMENT__JOB_STATUS__succeeded : MANAGEMENT__JOB_STATUS__failed;
    answer.reason = pb_bytes_of(rk_str_z(reason));
    if (key) {
        result.upload_key = (char *)(uintptr_t)key;
        answer.workload_results_case = MANAGEMENT__JOB_RESPONSE__WORKLOAD_RESULTS_BUNDLE;
        answer.bundle = &result;
    }
    rk_log(e->log, RK_INFO, key ? "job of management done" : "job of management failed",
           kv_z("why", key ? "" : reason));
    if (e->job)
        mgmt_client_stream_send(e->job, &answer.base);
}

static void job_message(struct mgmt_client_stream_user *u, struct rk_str plain)
{
    struct engine *e = rk_container_of(u, struct engine, job_user);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(JOB_MAX_BYTES);
    const Management__JobRequest *req =
        pb_unpack(mem, &management__job_request__descriptor, plain, NULL);

    if (!req || !req->id.len)
        return;
    if (req->workload_parameters_case != MANAGEMENT__JOB_REQUEST__WORKLOAD_PARAMETERS_BUNDLE ||
        !e->user->ops->bundle)
        engine_job_done(e, pb_bytes(req->id), NULL, "this agent has no such job");
    else
        e->user->ops->bundle(e->user, pb_bytes(req->id), req->bundle);
}

static void job_refused(struct mgmt_client_stream_user *u, int status, const struct rk_err *why)
{
    struct engine *e = rk_container_of(u, struct engine, job_user);

    e->job = NULL;
    if (grpc_status_code(status) == RK_FORBIDDEN)
        engine_end(e, why);
}

void engine_jobs_start(struct engine *e)
{
    static const struct mgmt_client_stream_ops ops = {
        .hello = job_hello, .message = job_message, .refused = job_refused};

    e->job_user.ops = &ops;
    e->job = mgmt_client_stream(e->o.mgc, MGMT_CLIENT_JOB, &e->job_user);
}
