/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on jobs; see jobs.h. */
#include "config.h"

#include "management/ops/jobs.h"

#include "lib/base/id.h"
#include "management/domain/version.h"

#define BUNDLE_MIN_MAX 5
#define LOG_FILES_MAX  1000

struct save {
    struct rk_arena *mem;
    struct job job;
};

static enum rk_code check_input(const struct job_input *in, struct rk_err *err)
{
    if (!rk_str_eqz(in->type, "bundle"))
        return rk_fail(err, RK_BAD_REQUEST, "workload.type must be \"bundle\"");
    if (in->bundle_for && (in->bundle_for_time < 1 || in->bundle_for_time > BUNDLE_MIN_MAX))
        return rk_fail(err, RK_BAD_REQUEST, "bundle_for_time must be between 1 and %d, got %lld",
                       BUNDLE_MIN_MAX, (long long)in->bundle_for_time);
    if (in->log_file_count < 1 || in->log_file_count > LOG_FILES_MAX)
        return rk_fail(err, RK_BAD_REQUEST, "log-file-count must be between 1 and %d, got %lld",
                       LOG_FILES_MAX, (long long)in->log_file_count);
    return RK_OK;
}

static bool has_pending(const struct snapshot *s, struct rk_str peer_id)
{
    struct snap_iter it = snap_iter(s, ENT_JOB);
    const struct job *j;

    while ((j = snap_next(&it)) != NULL)
        if (j->status == JOB_PENDING && rk_str_eq(j->peer_id, peer_id))
            return true;
    return false;
}

static enum rk_code check_peer(const struct op *op, struct rk_str peer_id, bool reachable,
                               struct rk_err *err)
{
    const struct peer *p = snap_peer(op->snap, peer_id);

    if (!p)
        return rk_fail(err, RK_NOT_FOUND, "peer not found: %.*s", RK_STR_ARG(peer_id));
    if (!version_has_feature(p->meta.version, JOB_MIN_VERSION))
        return rk_fail(
            err, RK_PRECONDITION,
            "peer version %.*s does not meet the minimum required version " JOB_MIN_VERSION
            " for remote jobs",
            RK_STR_ARG(p->meta.version));
    if (!reachable)
        return rk_fail(err, RK_BAD_REQUEST, "peer not connected");
    return RK_OK;
}

static enum rk_code create_tx(struct tx *tx, void *arg, struct rk_err *err)
{
    struct save *s = arg;
    const struct peer *p = tx_get(tx, ENT_PEER, s->job.peer_id);
    enum rk_code rc;

    if (!p)
        return rk_fail(err, RK_NOT_FOUND, "peer not found: %.*s", RK_STR_ARG(s->job.peer_id));
    if (has_pending(tx->snap, p->id))
        return rk_fail(err, RK_BAD_REQUEST, "peer already has pending job");
    s->job.created_at_us = tx->now_us;
    rc = tx_put(tx, ENT_JOB, &s->job, err);
    return rc ? rc
              : tx_event(tx, ACT_PEER_JOB_CREATE, p->id,
                         META(s->mem, {"for_peer_name", p->name}, {"job_type", s->job.type}), err);
}

enum rk_code job_create(struct op *op, struct rk_str peer_id, const struct job_input *in,
                        bool reachable, const struct job **out, struct rk_err *err)
{
    struct save *s = rk_new(op->mem, struct save);
    enum rk_code rc = check_input(in, err);

    if (!rc)
        rc = op_may(op, PERM_REMOTE_JOBS, PERM_CREATE, err);
    if (!rc)
        rc = check_peer(op, peer_id, reachable, err);
    if (rc)
        return rc;
    s->mem = op->mem;
    s->job = (struct job){.id = rk_uuid_new(op->mem),
                          .account_id = op_account(op),
                          .peer_id = peer_id,
                          .type = in->type,
                          .bundle_for = in->bundle_for,
                          .bundle_for_min = in->bundle_for_time,
                          .log_file_count = in->log_file_count,
                          .anonymize = in->anonymize,
                          .status = JOB_PENDING,
                          .triggered_by = rk_arena_dup(op->mem, op->user->id)};
    rc = op_mutate(op, create_tx, s, err);
    if (!rc)
        *out = &s->job;
    return rc;
}
