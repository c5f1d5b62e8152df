/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of methods, and what all calls share. See service.h. */
#include "config.h"

#include "management/rpc/service.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "management/rpc/jobs.h"
#include "management/rpc/rpc_impl.h"

#define METHOD(name) "/management.ManagementService/" name

/* ---- shared by all calls ----------------------------------------------------------------------
 */

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

/* ---- calls without anything behind them
 * ---------------------------------------------------------- */

static void server_key(struct grpc_call *c, struct rk_str body)
{
    (void)body;
    grpc_call_reply(c, rpc_of(c)->server_key);
}

static void is_healthy(struct grpc_call *c, struct rk_str body)
{
    (void)body;
    grpc_call_reply(c, (struct rk_str){0});
}

/* Publishing a service from an agent needs the reverse proxy, which this server does not have. */
static void expose(struct grpc_call *c, struct rk_str body)
{
    (void)body;
    rpc_fail_status(c, GRPC_UNIMPLEMENTED, "exposing services is not supported by this server");
}

static const struct grpc_method METHODS[] = {
    {.path = METHOD("GetServerKey"), .kind = GRPC_UNARY, .message = server_key},
    {.path = METHOD("isHealthy"), .kind = GRPC_UNARY, .message = is_healthy},
    {.path = METHOD("Login"), .kind = GRPC_UNARY, .message = rpc_login},
    {.path = METHOD("Sync"),
     .kind = GRPC_SERVER_STREAM,
     .message = rpc_sync,
     .drained = rpc_sync_drained,
     .ended = rpc_sync_ended},
    {.path = METHOD("SyncMeta"), .kind = GRPC_UNARY, .message = rpc_sync_meta},
    {.path = METHOD("Logout"), .kind = GRPC_UNARY, .message = rpc_logout},
    {.path = METHOD("ExtendAuthSession"), .kind = GRPC_UNARY, .message = rpc_extend},
    {.path = METHOD("GetDeviceAuthorizationFlow"), .kind = GRPC_UNARY, .message = rpc_device_flow},
    {.path = METHOD("GetPKCEAuthorizationFlow"), .kind = GRPC_UNARY, .message = rpc_pkce_flow},
    {.path = METHOD("Job"),
     .kind = GRPC_BIDI,
     .message = rpc_job_message,
     .half_closed = rpc_job_half_closed,
     .ended = rpc_job_ended},
    {.path = METHOD("CreateExpose"), .kind = GRPC_UNARY, .message = expose},
    {.path = METHOD("RenewExpose"), .kind = GRPC_UNARY, .message = expose},
    {.path = METHOD("StopExpose"), .kind = GRPC_UNARY, .message = expose},
};

/* ---- life
 * ----------------------------------------------------------------------------------------- */

static void make_metrics(struct rpc *r)
{
    static const char name[] = "management_calls_total", help[] = "Calls of agents by outcome.";
    struct rk_metrics *m = r->o.metrics;

    r->logins = rk_metric_counter(m, name, "call=\"login\",ok=\"true\"", help);
    r->logins_failed = rk_metric_counter(m, name, "call=\"login\",ok=\"false\"", help);
    r->syncs = rk_metric_counter(m, name, "call=\"sync\",ok=\"true\"", help);
    r->syncs_failed = rk_metric_counter(m, name, "call=\"sync\",ok=\"false\"", help);
}

enum rk_code rpc_new(const struct rpc_opts *o, struct rpc **out, struct rk_err *err)
{
    struct rpc *r = rk_calloc(1, sizeof *r);
    Management__ServerKeyResponse key = MANAGEMENT__SERVER_KEY_RESPONSE__INIT;
    enum rk_code rc;

    r->o = *o;
    r->mem = rk_arena_new_wiping(0);
    key.key = pb_text(r->mem, rk_str_z(envelope_key_text(o->envelope)));
    rc = pb_pack(r->mem, &key.base, &r->server_key, err);
    if (rc) {
        rpc_free(r);
        return rc;
    }
    rpc_flows_init(r);
    r->jobs = jobs_new(o->mgmt, o->envelope, o->log);
    make_metrics(r);
    *out = r;
    return RK_OK;
}

enum rk_code rpc_load(struct rpc *r, struct db *db, struct rk_err *err)
{
    return jobs_load(r->jobs, db, err);
}

bool rpc_can_reach(struct rpc *r, struct rk_str peer_id)
{
    return jobs_can_reach(r->jobs, peer_id);
}

enum rk_code rpc_attach(struct rpc *r, struct edge *e, struct rk_err *err)
{
    return edge_add_grpc(e, METHODS, RK_ARRAY_LEN(METHODS), r, err);
}

void rpc_free(struct rpc *r)
{
    if (!r)
        return;
    jobs_free(r->jobs);
    rk_arena_free(r->mem);
    free(r);
}
