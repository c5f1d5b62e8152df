/* SPDX-License-Identifier: BSD-3-Clause */
/* Job: an agent opens a stream, says hello, and answers what it is given. See jobs.h. */
#include "config.h"

#include <stdlib.h>

#include "management/rpc/jobs.h"
#include "management/rpc/rpc_impl.h"

/* Of one message of an agent; a result is a key and a short text. */
#define ANSWER_ARENA ((size_t)1 << 20)

/* grpc_call_data() of a Job call: what is known between hello and the end. */
struct job_call {
    struct rpc *rpc;
    struct rk_key from;        /* who said hello; nobody else is heard on this stream */
    struct job_stream *stream; /* NULL until the peer is known */
};

struct hello {
    struct rpc_job job;
    const struct snapshot *snap; /* referenced */
};

static void hello_open(struct grpc_call *c, const struct envelope_peer *from,
                       const struct snapshot *snap)
{
    struct job_call *jc = grpc_call_data(c);
    const struct peer *p = snap_peer_at(snap, snap_index_by_key(snap, rk_str_z(from->text)));

    if (!p)
        rpc_fail_status(c, GRPC_PERMISSION_DENIED, "peer is not registered");
    else if (jc && !jc->stream)
        jc->stream = job_stream_open(jc->rpc->jobs, c, p, &from->shared);
}

static void hello_run(struct rpc_job *j, struct db *db)
{
    struct hello *h = rk_container_of(j, struct hello, job);
    struct rpc *r = rpc_of(j->call);

    if (mgmt_snapshot_of_peer(r->o.mgmt, db, rk_str_z(j->peer.text), &h->snap, &j->err) ==
        RK_NOT_FOUND) {
        j->status = GRPC_PERMISSION_DENIED;
        (void)rk_fail(&j->err, RK_FORBIDDEN, "peer is not registered");
    }
}

static void hello_reply(struct rpc_job *j)
{
    struct hello *h = rk_container_of(j, struct hello, job);

    if (!grpc_call_is_over(j->call))
        hello_open(j->call, &j->peer, h->snap);
    snap_unref(h->snap);
}

static void hello(struct grpc_call *c, struct rk_str body)
{
    struct rpc *r = rpc_of(c);
    struct hello *h = rk_new(grpc_call_arena(c), struct hello);
    struct job_call *jc;

    if (!rpc_open(c, grpc_call_arena(c), body, &management__job_request__descriptor, &h->job.peer))
        return;
    jc = rk_calloc(1, sizeof *jc);
    jc->rpc = r;
    jc->from = h->job.peer.key;
    grpc_call_set_data(c, jc);
    h->snap = mgmt_snapshot_of_peer_try(r->o.mgmt, rk_str_z(h->job.peer.text));
    if (h->snap) {
        hello_open(c, &h->job.peer, h->snap);
        snap_unref(h->snap);
        envelope_peer_wipe(&h->job.peer);
        return;
    }
    h->job.run = hello_run;
    h->job.reply = hello_reply;
    rpc_job_submit(&h->job, c);
}

static void answer(struct grpc_call *c, const struct job_call *jc, struct rk_str body)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(ANSWER_ARENA);
    RK_CLEANUP(envelope_peer_wipe) struct envelope_peer from = {0};
    const Management__JobResponse *r =
        rpc_open(c, mem, body, &management__job_response__descriptor, &from);
    struct job_answer a;

    if (!r)
        return;
    if (!rk_key_eq(&from.key, &jc->from)) {
        rpc_fail_status(c, GRPC_PERMISSION_DENIED, "peer is not registered");
        return;
    }
    a = (struct job_answer){.id = pb_bytes(r->id),
                            .ok = r->status == MANAGEMENT__JOB_STATUS__succeeded,
                            .reason = pb_bytes(r->reason)};
    if (r->workload_results_case == MANAGEMENT__JOB_RESPONSE__WORKLOAD_RESULTS_BUNDLE)
        a.result = rk_str_z(r->bundle->upload_key);
    if ((a.ok && r->workload_results_case != MANAGEMENT__JOB_RESPONSE__WORKLOAD_RESULTS_BUNDLE) ||
        (!a.ok && r->status != MANAGEMENT__JOB_STATUS__failed)) {
        rk_log(grpc_call_log(c), RK_WARN, "job answer without result", kv_z("peer", from.text));
        return;
    }
    job_stream_answer(jc->stream, &a);
}

void rpc_job_message(struct grpc_call *c, struct rk_str body)
{
    struct job_call *jc = grpc_call_data(c);

    if (!jc)
        hello(c, body);
    else if (jc->stream)
        answer(c, jc, body);
    else /* an answer to nothing, while the hello is looked up */
        rpc_fail_status(c, GRPC_INVALID_ARGUMENT, "invalid request message");
}

void rpc_job_half_closed(struct grpc_call *c)
{
    grpc_call_finish(c);
}

void rpc_job_ended(struct grpc_call *c, enum rk_code why)
{
    struct job_call *jc = grpc_call_data(c);

    (void)why;
    if (!jc)
        return;
    grpc_call_set_data(c, NULL);
    if (jc->stream)
        job_stream_close(jc->stream);
    free(jc);
}
