/* SPDX-License-Identifier: BSD-3-Clause */
/* /api/peers/{peerId}/jobs */
#include "config.h"

#include "management/ops/jobs.h"

#include <stdlib.h>

#include "management/rest/handlers.h"

static void put_job(struct rk_buf *b, const struct job *j)
{
    json_put_obj(b);
    json_put_key_str(b, "id", j->id);
    json_put_key_time(b, "created_at", j->created_at_us);
    if (j->completed_at_us)
        json_put_key_time(b, "completed_at", j->completed_at_us);
    json_put_key_str(b, "triggered_by", j->triggered_by);
    json_put_key_plain(b, "status", rk_str_z(job_status_text(j->status)));
    if (j->failed_reason.n)
        json_put_key_str(b, "failed_reason", j->failed_reason);
    json_put_key_obj(b, "workload");
    json_put_key_str(b, "type", j->type);
    json_put_key_obj(b, "parameters");
    json_put_key_bool(b, "bundle_for", j->bundle_for);
    json_put_key_int(b, "bundle_for_time", j->bundle_for_min);
    json_put_key_int(b, "log_file_count", j->log_file_count);
    json_put_key_bool(b, "anonymize", j->anonymize);
    json_put_obj_end(b);
    json_put_key_obj(b, "result");
    if (j->result.n)
        json_put_key_str(b, "upload_key", j->result);
    json_put_obj_end(b);
    json_put_obj_end(b);
    json_put_obj_end(b);
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
    json_put_arr(&resp->body);
    for (size_t i = 0; i < n; i++)
        put_job(&resp->body, jobs[i]);
    json_put_arr_end(&resp->body);
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

static const struct json_field PARAMETERS[] = {
    JSON_FIELD(struct job_input, bundle_for, JSON_BOOL),
    JSON_FIELD(struct job_input, bundle_for_time, JSON_INT),
    JSON_FIELD(struct job_input, log_file_count, JSON_INT),
    JSON_FIELD(struct job_input, anonymize, JSON_BOOL),
};
static const struct json_field WORKLOAD[] = {
    JSON_FIELD(struct workload_in, type, JSON_STR),
    JSON_FIELD_SUB(struct workload_in, parameters, "parameters", JSON_OPT_OBJ, struct job_input,
                   PARAMETERS),
};
static const struct json_field JOB[] = {
    JSON_FIELD_SUB(struct job_in, workload, "workload", JSON_OPT_OBJ, struct workload_in, WORKLOAD),
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
