/* SPDX-License-Identifier: BSD-3-Clause */
/* What all calls stand on: opening a request, answering, work on the store pool; see rpc_impl.h. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>

#include "management/rpc/rpc_impl.h"

void rpc_fail_status(struct grpc_call *c, enum grpc_status status, const char *fmt, ...)
{
    char text[240];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    grpc_call_fail_status(c, status, rk_str_z(text));
}

void rpc_fail(struct grpc_call *c, struct rk_err *err)
{
    if (err->code == RK_BAD_REQUEST)
        err->code = RK_INVALID;
    grpc_call_fail(c, err);
}

void *rpc_open(struct grpc_call *c, struct rk_arena *mem, struct rk_str wire,
               const ProtobufCMessageDescriptor *type, struct envelope_peer *peer)
{
    struct rk_str plain, sender;
    void *msg = NULL;

    switch (envelope_open(rpc_of(c)->o.envelope, mem, wire, peer, &plain, &sender)) {
    case ENVELOPE_OK:
        msg = pb_unpack(mem, type, plain, NULL);
        break;
    case ENVELOPE_BAD_KEY:
        rpc_fail_status(c, GRPC_INVALID_ARGUMENT, "provided wgPubKey %.*s is invalid",
                        RK_STR_ARG(sender));
        return NULL;
    case ENVELOPE_BAD_FORM: /* before any handler sees it, so by the number of the transport */
        rpc_fail_status(c, GRPC_INTERNAL, "malformed message");
        return NULL;
    case ENVELOPE_BAD_BODY:
        break;
    }
    if (!msg)
        rpc_fail_status(c, GRPC_INVALID_ARGUMENT, "invalid request message");
    return msg;
}

void rpc_reply_sealed(struct grpc_call *c, const struct box_shared *shared, struct rk_str plain)
{
    grpc_call_send_owned(c, envelope_seal(rpc_of(c)->o.envelope, shared, plain));
    grpc_call_finish(c);
}

void rpc_reply_msg(struct grpc_call *c, const struct box_shared *shared,
                   const ProtobufCMessage *msg)
{
    struct rk_err err = {0};
    struct rk_str plain;

    if (pb_pack(grpc_call_arena(c), msg, &plain, &err))
        grpc_call_fail(c, &err);
    else
        rpc_reply_sealed(c, shared, plain);
}

static void job_run(struct rk_work *w, struct db *db)
{
    struct rpc_job *j = rk_container_of(w, struct rpc_job, work);

    j->run(j, db);
}

/* Loop: once for the end of run, and once more when it began something. */
static void job_step(struct rpc_job *j)
{
    struct grpc_call *call = j->call;

    if (--j->more > 0)
        return;
    if (j->err.code == RK_OK)
        j->reply(j);
    else if (j->status != GRPC_OK)
        rpc_fail_status(call, j->status, "%s", j->err.msg);
    else
        rpc_fail(call, &j->err);
    envelope_peer_wipe(&j->peer);
    grpc_call_unref(call);
}

static void job_done(struct rk_work *w, enum rk_code rc)
{
    struct rpc_job *j = rk_container_of(w, struct rpc_job, work);

    if (rc)
        (void)rk_fail(&j->err, RK_UNAVAILABLE, "the server is stopping");
    job_step(j);
}

static void job_later(struct rk_task *t)
{
    job_step(rk_container_of(t, struct rpc_job, later));
}

void rpc_job_finish(struct rpc_job *j)
{
    j->later.run = job_later;
    rk_loop_post(j->work.loop, &j->later);
}

void rpc_job_submit(struct rpc_job *j, struct grpc_call *call)
{
    enum rk_code rc;

    j->work = (struct rk_work){.run = job_run, .done = job_done, .loop = grpc_call_loop(call)};
    j->call = grpc_call_ref(call);
    j->more = 1;
    rc = rk_pool_submit(rpc_of(call)->o.store, &j->work);
    if (rc == RK_OK)
        return;
    (void)rk_fail(&j->err, RK_UNAVAILABLE, "too many requests wait");
    grpc_call_fail(call, &j->err);
    envelope_peer_wipe(&j->peer);
    grpc_call_unref(call);
}
