/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/peers/{peerId}/jobs */
#include "config.h"

#include "management/ops/jobs.h"

#include <stdlib.h>

#include "management/rest/handlers.h"

static void put_job(struct rk_buf *b, const struct job *j)
{
    jw_obj(b);
    jw_kstr(b, "id", j->id);
    jw_ktime(b, "created_at", j->created_at_us);
    if (j->completed_at_us)
        jw_ktime(b, "completed_at", j->completed_at_us);
    jw_kstr(b, "triggered_by", j->triggered_by);
    jw_kplain(b, "status", rk_str_z(job_status_text(j->status)));
    if (j->failed_reason.n)
        jw_kstr(b, "failed_reason", j->failed_reason);
    jw_kobj(b, "workload");
    jw_kstr(b, "type", j->type);
    jw_kobj(b, "parameters");
    jw_kbool(b, "bundle_for", j->bundle_for);
    jw_kint(b, "bundle_for_time", j->bundle_for_min);
    jw_kint(b, "log_file_count", j->log_file_count);
    jw_kbool(b, "anonymize", j->anonymize);
    jw_obj_end(b);
    jw_kobj(b, "result");
    if (j->result.n)
        jw_kstr(b, "upload_key", j->result);
    jw_obj_end(b);
    jw_obj_end(b);
    jw_obj_end(b);
}

static int newest_first(const void *a, const void *b)
{
    const struct job *const *x = a, *const *y = b;

    if ((*x)->created_at_us != (*y)->created_at_us)
        return (*x)->created_at_us < (*y)->created_at_us ? 1 : -1;
    return rk_str_cmp((*x)->id, (*y)->id);
}

static enum rk_code check_peer(struct http_req *req, struct rk_err *err)
{
    enum rk_code rc = op_may(op_of(req), PERM_REMOTE_JOBS, PERM_READ, err);

    if (!rc && !snap_peer(op_of(req)->snap, param(req, 0)))
        rc = rk_fail(err, RK_NOT_FOUND, "peer not found: %.*s", RK_STR_ARG(param(req, 0)));
    return rc;
}

enum rk_code rest_jobs_list(struct http_req *req, struct http_resp *resp, struct db *db,
                            struct rk_err *err)
{
    struct snap_iter it = snap_iter(op_of(req)->snap, ENT_JOB);
    const struct job **jobs = NULL, *j;
    size_t n = 0, cap = 0;
    enum rk_code rc = check_peer(req, err);

    (void)db;
    if (rc)
        return rc;
    while ((j = snap_next(&it)) != NULL) {
        if (!rk_str_eq(j->peer_id, param(req, 0)))
            continue;
        jobs = rk_arena_grow(req->mem, jobs, n, &cap, sizeof *jobs);
        jobs[n++] = j;
    }
    if (n)
        qsort(jobs, n, sizeof *jobs, newest_first);
    jw_arr(&resp->body);
    for (size_t i = 0; i < n; i++)
        put_job(&resp->body, jobs[i]);
    jw_arr_end(&resp->body);
    return answer_done(resp);
}

enum rk_code rest_jobs_get(struct http_req *req, struct http_resp *resp, struct db *db,
                           struct rk_err *err)
{
    const struct job *j = snap_find(op_of(req)->snap, ENT_JOB, param(req, 1));
    enum rk_code rc = check_peer(req, err);

    (void)db;
    if (rc)
        return rc;
    if (!j)
        return rk_fail(err, RK_NOT_FOUND, "job: %.*s not found", RK_STR_ARG(param(req, 1)));
    put_job(&resp->body, j);
    return answer_done(resp);
}

struct workload_in {
    struct rk_str type;
    struct job_input *parameters;
};

struct job_in {
    struct workload_in *workload;
};

static const struct jr_field PARAMETERS[] = {
    JR(struct job_input, bundle_for, JR_BOOL),
    JR(struct job_input, bundle_for_time, JR_INT),
    JR(struct job_input, log_file_count, JR_INT),
    JR(struct job_input, anonymize, JR_BOOL),
};
static const struct jr_field WORKLOAD[] = {
    JR(struct workload_in, type, JR_STR),
    JR_SUB(struct workload_in, parameters, "parameters", JR_OPT_OBJ, struct job_input, PARAMETERS),
};
static const struct jr_field JOB[] = {
    JR_SUB(struct job_in, workload, "workload", JR_OPT_OBJ, struct workload_in, WORKLOAD),
};

enum rk_code rest_jobs_create(struct http_req *req, struct http_resp *resp, struct db *db,
                              struct rk_err *err)
{
    struct rest_jobs *jobs = rest_of(req)->o.jobs;
    struct job_in in = {0};
    struct job_input input = {0};
    const struct job *j;
    enum rk_code rc = BODY(req, JOB, &in, err);

    (void)db;
    if (rc)
        return rc;
    if (in.workload && in.workload->parameters)
        input = *in.workload->parameters;
    if (in.workload)
        input.type = in.workload->type;
    rc = job_create(op_of(req), param(req, 0), &input, jobs && jobs->can_reach(jobs, param(req, 0)),
                    &j, err);
    if (rc)
        return rc;
    put_job(&resp->body, j);
    return answer_done(resp);
}
