/* SPDX-License-Identifier: BSD-3-Clause */
/* Logging in, logging out, longer sessions: what a job asks management; see app_priv.h. */
#include "config.h"

#include <string.h>

#include "agent/client/meta.h"
#include "agent/client/sso.h"
#include "agent/daemon/app_priv.h"
#include "agent/os/route.h"
#include "lib/grpc/status.h"
#include "schema/pb_arena.h"

#define LOGIN_RETRY_MS 30000
#define FLOW_MAX       ((size_t)1 << 20)

static void open_mgc(struct app *a, bool tls, const char *host, uint16_t port)
{
    struct mgmt_client_opts opts = {.loop = a->loop,
                                    .log = a->log,
                                    .host = host,
                                    .port = port,
                                    .tls = tls ? a->tls : NULL,
                                    .fwmark = app_marks(a) ? ROUTE_MARK_CONTROL : 0,
                                    .private_key = job_profile(a)->private_key};

    a->mgc = mgmt_client_open(&opts);
    rk_key_wipe(&opts.private_key);
}

static enum rk_code dial(struct app *a, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    uint16_t port;
    char *host;
    bool tls;
    enum rk_code rc;

    if (!job_profile(a)->settings.management_url.n)
        return rk_fail(err, RK_INVALID, "no management server yet: use --management-url");
    rc = profile_url(mem, job_profile(a)->settings.management_url, &tls, &host, &port, err);
    if (rc == RK_OK)
        open_mgc(a, tls, host, port);
    return rc;
}

/* ---- logging in */

/* Whom to suggest at the next login. */
static void keep_hint(struct app *a, struct rk_str token)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    struct rk_str email = sso_email(mem, token);

    if (email.n)
        state_set(a->state, STATE_LOGIN, json_pack("{s:s%}", "email", email.p, email.n));
}

static void login_failed(struct app *a, const struct rk_err *err)
{
    struct rk_err copy = *err;

    if (err->code == RK_UNAUTHENTICATED)
        job_hint(&copy, "--ca-file of the daemon names an authority to trust");
    else if (err->code == RK_NOT_FOUND && a->job.setup_key)
        job_hint(&copy, "setup keys expire, can be used up, and belong to one server");
    a->shown = err->code == RK_FORBIDDEN ? AGENT_NEEDS_LOGIN : AGENT_LOGIN_FAILED;
    a->shown_err = copy;
    job_fail(a, &copy);
}

static void on_login(struct login_user *u, const Management__LoginResponse *msg RK_UNUSED,
                     const struct rk_err *err)
{
    struct app *a = rk_container_of(u, struct app, login_user);

    a->login = NULL;
    mgmt_client_close(a->mgc);
    a->mgc = NULL;
    if (err) {
        login_failed(a, err);
        return;
    }
    a->shown = AGENT_IDLE;
    a->shown_err = (struct rk_err){0};
    a->profile->fresh = false;
    if (a->job.token)
        keep_hint(a, rk_str_z(a->job.token));
    a->job.step = STEP_RUN;
    job_advance(a);
}

static const struct login_ops LOGIN_OPS = {.done = on_login};

void flow_login(struct app *a)
{
    struct login_opts opts = {.loop = a->loop,
                              .log = a->log,
                              .route = a->route,
                              .profile = job_profile(a),
                              .setup_key = rk_str_z(a->job.setup_key),
                              .token = rk_str_z(a->job.token),
                              .retry_ms = a->job.for_ever ? LOGIN_FOR_EVER : LOGIN_RETRY_MS};
    struct rk_err err = {0};

    a->shown = AGENT_CONNECTING;
    a->shown_err = (struct rk_err){0};
    if (dial(a, &err)) {
        job_fail(a, &err);
        return;
    }
    opts.mgc = a->mgc;
    a->login_user.ops = &LOGIN_OPS;
    a->login = login_start(&opts, &a->login_user);
}

static void on_logout(struct mgmt_client_call_user *u, int status, struct rk_str plain RK_UNUSED,
                      const struct rk_err *err)
{
    struct app *a = rk_container_of(u, struct app, call_user);
    struct rk_err copy = {0};

    a->call = NULL;
    if (status != GRPC_OK && status != GRPC_NOT_FOUND) { /* not known there: as good as gone */
        copy = *err;
        (void)rk_wrap(&copy, "deregister");
        job_fail(a, &copy);
        return;
    }
    if (a->job.next) { /* not the active one: what runs goes on */
        job_done(a, NULL);
        return;
    }
    a->job.step = STEP_STOP;
    job_advance(a);
}

static const struct mgmt_client_call_ops LOGOUT_OPS = {.done = on_logout};

void flow_logout(struct app *a)
{
    Management__Empty none = MANAGEMENT__EMPTY__INIT;
    struct rk_err err = {0};

    if (dial(a, &err)) {
        job_fail(a, &err);
        return;
    }
    a->call_user.ops = &LOGOUT_OPS;
    a->call = mgmt_client_call(a->mgc, MGMT_CLIENT_LOGOUT, &none.base, &a->call_user);
}

/* ---- where people log in */

static void ask_flow(struct app *a, enum mgmt_client_method method);

/* Both flows are asked for: in a browser of this machine, or of another. */
static void flows_done(struct app *a)
{
    json_t *flows = a->job.flows;
    const json_t *login = a->job.next ? NULL : state_get(a->state, STATE_LOGIN);
    const char *hint = json_string_value(json_object_get(login, "email"));
    struct rk_err err = {0};

    if (!json_object_size(flows)) {
        (void)rk_fail(&err, RK_NOT_FOUND, "this server has no login for people: use --setup-key");
        job_fail(a, &err);
        return;
    }
    if (hint)
        (void)json_object_set_new(flows, "login_hint", json_string(hint));
    job_done(a, json_incref(flows));
}

static enum rk_code take_flow(struct app *a, bool pkce, struct rk_str plain, struct rk_err *err)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(FLOW_MAX);
    const Management__ProviderConfig *p = NULL;

    if (pkce) {
        const Management__PKCEAuthorizationFlow *f =
            pb_unpack(mem, &management__pkceauthorization_flow__descriptor, plain, NULL);

        p = f ? f->providerconfig : NULL;
    } else {
        const Management__DeviceAuthorizationFlow *f =
            pb_unpack(mem, &management__device_authorization_flow__descriptor, plain, NULL);

        p = f ? f->providerconfig : NULL;
    }
    if (!p)
        return rk_fail(err, RK_BAD_REQUEST, "management's answer about the login is malformed");
    (void)json_object_set_new(a->job.flows, pkce ? "pkce" : "device",
                              sso_flow_json(p, a->o->ca_file));
    return RK_OK;
}

static bool flow_taken(struct app *a, bool pkce, int status, struct rk_str plain,
                       const struct rk_err *err)
{
    struct rk_err bad = {0};

    a->call = NULL;
    if (status == GRPC_NOT_FOUND || status == GRPC_UNIMPLEMENTED)
        return true;
    if (status != GRPC_OK)
        bad = *err;
    else if (take_flow(a, pkce, plain, &bad) == RK_OK)
        return true;
    job_fail(a, &bad);
    return false;
}

static void on_device_flow(struct mgmt_client_call_user *u, int status, struct rk_str plain,
                           const struct rk_err *err)
{
    struct app *a = rk_container_of(u, struct app, call_user);

    if (flow_taken(a, false, status, plain, err))
        flows_done(a);
}

static void on_pkce_flow(struct mgmt_client_call_user *u, int status, struct rk_str plain,
                         const struct rk_err *err)
{
    struct app *a = rk_container_of(u, struct app, call_user);

    if (flow_taken(a, true, status, plain, err))
        ask_flow(a, MGMT_CLIENT_DEVICE_FLOW);
}

static void ask_flow(struct app *a, enum mgmt_client_method method)
{
    static const struct mgmt_client_call_ops device = {.done = on_device_flow},
                                             pkce = {.done = on_pkce_flow};
    Management__DeviceAuthorizationFlowRequest dr =
        MANAGEMENT__DEVICE_AUTHORIZATION_FLOW_REQUEST__INIT;
    Management__PKCEAuthorizationFlowRequest pr = MANAGEMENT__PKCEAUTHORIZATION_FLOW_REQUEST__INIT;
    bool first = method == MGMT_CLIENT_PKCE_FLOW;

    a->call_user.ops = first ? &pkce : &device;
    a->call = mgmt_client_call(a->mgc, method, first ? &pr.base : &dr.base, &a->call_user);
}

void flow_sso(struct app *a)
{
    struct rk_err err = {0};

    a->job.flows = json_object();
    if (dial(a, &err))
        job_fail(a, &err);
    else
        ask_flow(a, MGMT_CLIENT_PKCE_FLOW);
}

/* ---- a longer session */

static void on_extended(struct mgmt_client_call_user *u, int status, struct rk_str plain,
                        const struct rk_err *err)
{
    struct app *a = rk_container_of(u, struct app, call_user);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(FLOW_MAX);
    const Management__ExtendAuthSessionResponse *msg;
    struct engine *e = a->run ? runloop_engine(a->run) : NULL;
    struct rk_err copy = {0};

    a->call = NULL;
    if (status != GRPC_OK) {
        copy = *err;
        if (status == GRPC_UNIMPLEMENTED)
            (void)rk_fail(&copy, RK_PRECONDITION,
                          "this server cannot extend sessions: \"rook down\", then \"rook up\"");
        else
            (void)rk_wrap(&copy, "extend the session");
        job_fail(a, &copy);
        return;
    }
    msg = pb_unpack(mem, &management__extend_auth_session_response__descriptor, plain, &copy);
    if (!msg) {
        job_fail(a, &copy);
        return;
    }
    if (e)
        engine_session_extended(e, msg->sessionexpiresat);
    keep_hint(a, rk_str_z(a->job.token));
    job_done(a, e && engine_session_ms(e)
                    ? json_pack("{s:I}", "expires_unix_ms", (json_int_t)engine_session_ms(e))
                    : NULL);
}

void flow_extend(struct app *a)
{
    static const struct mgmt_client_call_ops ops = {.done = on_extended};
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new_wiping(0);
    Management__ExtendAuthSessionRequest r = MANAGEMENT__EXTEND_AUTH_SESSION_REQUEST__INIT;
    struct rk_err err = {0};

    if (dial(a, &err)) {
        job_fail(a, &err);
        return;
    }
    r.jwttoken = pb_text(mem, rk_str_z(a->job.token));
    r.meta = meta_build(mem, a->route, a->profile, NULL, 0);
    a->call_user.ops = &ops;
    a->call = mgmt_client_call(a->mgc, MGMT_CLIENT_EXTEND, &r.base, &a->call_user);
}
