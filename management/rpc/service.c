/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of methods and the life of the service; see service.h. */
#include "config.h"

#include "management/ops/report_gate.h"
#include "management/rpc/service.h"

#include <stdlib.h>

#include "management/rpc/jobs.h"
#include "management/rpc/rpc_impl.h"

#define METHOD(name) "/management.ManagementService/" name

/* ---- calls without anything behind them */

static void server_key(struct grpc_call *c, struct rk_str body)
{
    (void)body;
    rk_metric_add(rpc_of(c)->key_requests, 1);
    grpc_call_reply(c, rpc_of(c)->server_key);
}

static void login(struct grpc_call *c, struct rk_str body)
{
    rk_metric_add(rpc_of(c)->login_requests, 1);
    rpc_login(c, body);
}

static void sync_request(struct grpc_call *c, struct rk_str body)
{
    rk_metric_add(rpc_of(c)->sync_requests, 1);
    rpc_sync(c, body);
}

static void is_healthy(struct grpc_call *c, struct rk_str body)
{
    (void)body;
    grpc_call_reply(c, (struct rk_str){0});
}

/* Publishing a service from an agent: not done yet (docs/reverse-proxy.md). */
static void expose(struct grpc_call *c, struct rk_str body)
{
    (void)body;
    rpc_fail_status(c, GRPC_UNIMPLEMENTED, "exposing services is not supported by this server");
}

static const struct grpc_method METHODS[] = {
    {.path = METHOD("GetServerKey"), .kind = GRPC_UNARY, .message = server_key},
    {.path = METHOD("isHealthy"), .kind = GRPC_UNARY, .message = is_healthy},
    {.path = METHOD("Login"), .kind = GRPC_UNARY, .message = login},
    {.path = METHOD("Sync"),
     .kind = GRPC_SERVER_STREAM,
     .message = sync_request,
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

/* ---- life */

static void make_metrics(struct rpc *r)
{
    static const char name[] = "management_calls_total", help[] = "Calls of agents by outcome.";
    struct rk_metrics *m = r->o.metrics;

    r->logins = rk_metric_counter(m, name, "call=\"login\",ok=\"true\"", help);
    r->logins_failed = rk_metric_counter(m, name, "call=\"login\",ok=\"false\"", help);
    r->syncs = rk_metric_counter(m, name, "call=\"sync\",ok=\"true\"", help);
    r->syncs_failed = rk_metric_counter(m, name, "call=\"sync\",ok=\"false\"", help);
    /* by the names of the official server, for dashboards that are there */
    r->key_requests = rk_metric_counter(m, "management_grpc_key_request_counter_total", NULL,
                                        "Requests for the key of this server.");
    r->login_requests = rk_metric_counter(m, "management_grpc_login_request_counter_total", NULL,
                                          "Login requests.");
    r->sync_requests =
        rk_metric_counter(m, "management_grpc_sync_request_counter_total", NULL, "Sync requests.");
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
    r->gate = report_gate_new();
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
    report_gate_free(r->gate);
    rk_arena_free(r->mem);
    free(r);
}
