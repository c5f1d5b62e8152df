/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon; see app.h. */
#include "config.h"

#include "agent/daemon/app.h"

#include <linux/netlink.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/client/login.h"
#include "agent/client/sso.h"
#include "agent/config/version.h"
#include "agent/control/proto.h"
#include "agent/control/server.h"
#include "agent/daemon/recover.h"
#include "agent/daemon/runloop.h"
#include "agent/dns/resolver.h"
#include "agent/os/route.h"
#include "lib/base/loop_uv.h"
#include "lib/base/notify.h"
#include "lib/base/num.h"
#include "lib/base/trim.h"
#include "lib/grpc/status.h"
#include "lib/net/way.h"
#include "schema/pb_arena.h"

#define UP_TIMEOUT_MS  50000
#define LOGIN_RETRY_MS 30000
#define SETUP_KEY_MAX  128
#define TOKEN_MAX      ((size_t)64 << 10)
#define FLOW_MAX       ((size_t)1 << 20)

enum job_kind { JOB_NONE, JOB_UP, JOB_LOGIN, JOB_DOWN, JOB_LOGOUT, JOB_SSO };
enum job_step { STEP_STOP, STEP_ENROL, STEP_RUN };

struct job {
    enum job_kind kind;
    enum job_step step;
    struct ctl_req *req; /* NULL: nobody waits for the answer (any more) */
    char *setup_key;     /* wiped; NULL: none */
    char *token;         /* of a person; wiped; NULL: none */
    bool for_ever;       /* of the daemon itself: it waits for its server as long as it takes */
    struct rk_timer *timer;
};

struct app {
    const struct daemon_opts *o;
    struct profile *profile;
    struct rk_log *log;
    struct rk_loop *loop;
    struct nl_sock *route;
    struct state *state;
    struct tls_ctx *tls;
    struct dns_resolver *resolver;
    struct ctl_user ctl_user;
    struct ctl_server *ctl;
    uv_signal_t sig_int, sig_term;
    struct runloop_user run_user;
    struct runloop *run;
    enum agent_status shown; /* while there is no run loop */
    struct rk_err shown_err;
    struct job job;
    struct mgmt_client *mgc; /* of a login or logout under way */
    struct login_user login_user;
    struct login *login;
    struct mgmt_client_call_user call_user;
    struct mgmt_client_call *call;
    struct rk_timer *trim; /* until the start or a connection has settled */
    struct rk_timer *watchdog;
    struct events events;
    bool foreground;       /* see app_opts */
    struct rk_err end_err; /* why the foreground ends */
    bool quitting;
};

static void job_advance(struct app *a);
static void begin_quit(struct app *a);

/* ---- jobs */

static void wipe_text(char *s)
{
    if (s)
        rk_secret_wipe(s, strlen(s));
    free(s);
}

static void job_clear(struct app *a)
{
    struct job *j = &a->job;

    rk_timer_cancel(&j->timer);
    login_cancel(a->login);
    a->login = NULL;
    mgmt_client_call_cancel(a->call);
    a->call = NULL;
    mgmt_client_close(a->mgc);
    a->mgc = NULL;
    wipe_text(j->setup_key);
    wipe_text(j->token);
    *j = (struct job){0};
}

static void job_done(struct app *a, json_t *result)
{
    struct ctl_req *req = a->job.req;

    job_clear(a);
    if (req)
        ctl_reply(req, result);
    else
        json_decref(result);
}

/* The connection will not come (back) by itself. */
static void end_foreground(struct app *a, const struct rk_err *err)
{
    if (!a->foreground || a->quitting)
        return;
    a->end_err = *err;
    begin_quit(a);
}

static void job_fail(struct app *a, const struct rk_err *err)
{
    struct ctl_req *req = a->job.req;
    struct rk_err copy = *err;
    bool for_ever;

    if (!req && a->job.kind != JOB_NONE)
        rk_log(a->log, RK_ERROR, "not connected", KV_ERR(&copy));
    for_ever = a->job.for_ever;
    job_clear(a);
    if (req)
        ctl_fail(req, &copy);
    if (for_ever && !a->quitting)
        end_foreground(a, &copy);
}

/* Else routing is legacy. */
static bool marks_work(const struct app *a)
{
    return !a->o->legacy_routing && !a->o->skip_socket_mark && rule_marks_work(a->route);
}

static void open_mgc(struct app *a, bool tls, const char *host, uint16_t port)
{
    struct mgmt_client_opts opts = {.loop = a->loop,
                                    .log = a->log,
                                    .host = host,
                                    .port = port,
                                    .tls = tls ? a->tls : NULL,
                                    .fwmark = marks_work(a) ? ROUTE_MARK_CONTROL : 0,
                                    .private_key = a->profile->private_key};

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

    if (!a->profile->settings.management_url.n)
        return rk_fail(err, RK_INVALID, "no management server yet: use --management-url");
    rc = profile_url(mem, a->profile->settings.management_url, &tls, &host, &port, err);
    if (rc == RK_OK)
        open_mgc(a, tls, host, port);
    return rc;
}

/* ---- logging in */

static void on_login(struct login_user *u, const Management__LoginResponse *msg RK_UNUSED,
                     const struct rk_err *err)
{
    struct app *a = rk_container_of(u, struct app, login_user);

    a->login = NULL;
    mgmt_client_close(a->mgc);
    a->mgc = NULL;
    if (err) {
        a->shown = err->code == RK_FORBIDDEN ? AGENT_NEEDS_LOGIN : AGENT_LOGIN_FAILED;
        a->shown_err = *err;
        job_fail(a, err);
        return;
    }
    a->shown = AGENT_IDLE;
    a->shown_err = (struct rk_err){0};
    a->job.step = STEP_RUN;
    job_advance(a);
}

static const struct login_ops LOGIN_OPS = {.done = on_login};

static void start_login(struct app *a)
{
    struct login_opts opts = {.loop = a->loop,
                              .log = a->log,
                              .route = a->route,
                              .profile = a->profile,
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
    a->job.step = STEP_STOP;
    job_advance(a);
}

static const struct mgmt_client_call_ops LOGOUT_OPS = {.done = on_logout};

static void start_logout(struct app *a)
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

static void on_flow(struct mgmt_client_call_user *u, int status, struct rk_str plain,
                    const struct rk_err *err)
{
    struct app *a = rk_container_of(u, struct app, call_user);
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(FLOW_MAX);
    const Management__DeviceAuthorizationFlow *f;
    struct rk_err bad = {0};

    a->call = NULL;
    if (status == GRPC_NOT_FOUND || status == GRPC_UNIMPLEMENTED) {
        (void)rk_fail(&bad, RK_NOT_FOUND, "this server has no login for people: use --setup-key");
        job_fail(a, &bad);
        return;
    }
    if (status != GRPC_OK) {
        job_fail(a, err);
        return;
    }
    f = pb_unpack(mem, &management__device_authorization_flow__descriptor, plain, &bad);
    if (!f || !f->providerconfig) {
        (void)rk_fail(&bad, RK_BAD_REQUEST, "management's answer about the login is malformed");
        job_fail(a, &bad);
        return;
    }
    job_done(a, sso_flow_json(f->providerconfig, a->o->ca_file));
}

static const struct mgmt_client_call_ops FLOW_OPS = {.done = on_flow};

static void start_flow(struct app *a)
{
    Management__DeviceAuthorizationFlowRequest req =
        MANAGEMENT__DEVICE_AUTHORIZATION_FLOW_REQUEST__INIT;
    struct rk_err err = {0};

    if (dial(a, &err)) {
        job_fail(a, &err);
        return;
    }
    a->call_user.ops = &FLOW_OPS;
    a->call = mgmt_client_call(a->mgc, MGMT_CLIENT_DEVICE_FLOW, &req.base, &a->call_user);
}

/* ---- the run loop */

static void on_settled(void *arg)
{
    (void)arg;
    rk_trim();
}

static void trim_later(struct app *a)
{
    if (!a->quitting)
        rk_timer_start(a->loop, &a->trim, RK_TRIM_AFTER_MS, on_settled, NULL);
}

/* The service manager learns that this loop turns. */
static void on_watchdog(void *arg)
{
    struct app *a = arg;

    rk_notify("WATCHDOG=1");
    rk_timer_start(a->loop, &a->watchdog, rk_notify_watchdog_ms(), on_watchdog, a);
}

static void tell_manager(struct app *a)
{
    rk_notify("READY=1");
    if (rk_notify_watchdog_ms())
        on_watchdog(a);
}

static void quit_if_done(struct app *a)
{
    if (a->quitting)
        rk_timer_cancel(&a->trim);
    if (a->quitting && !a->run)
        rk_timer_cancel(&a->watchdog);
    if (!a->quitting || a->run)
        return;
    dns_resolver_free(
        a->resolver); /* nobody asks any more; what is under way would hold the loop */
    a->resolver = NULL;
    rk_loop_stop(a->loop);
}

static void on_run_changed(struct runloop_user *u)
{
    struct app *a = rk_container_of(u, struct app, run_user);

    if (!a->run || runloop_status(a->run) != AGENT_CONNECTED)
        return;
    trim_later(a);
    if (a->job.kind == JOB_UP && a->job.step == STEP_RUN)
        job_done(a, NULL);
}

static void on_run_ended(struct runloop_user *u, const struct rk_err *why)
{
    struct app *a = rk_container_of(u, struct app, run_user);
    struct rk_err copy = *why;

    a->shown = runloop_status(a->run);
    a->shown_err = copy;
    runloop_free(a->run);
    a->run = NULL;
    if (a->quitting) {
        quit_if_done(a);
        return;
    }
    if (a->job.kind == JOB_NONE) {
        if (copy.code)
            end_foreground(a, &copy);
        return;
    }
    if (a->job.step == STEP_RUN)
        job_fail(a, &copy);
    else
        job_advance(a);
}

static const struct runloop_ops RUN_OPS = {.changed = on_run_changed, .ended = on_run_ended};

static enum rk_code start_run(struct app *a, struct rk_err *err)
{
    struct runloop_opts opts = {.loop = a->loop,
                                .log = a->log,
                                .route = a->route,
                                .state = a->state,
                                .tls = a->tls,
                                .resolver = a->resolver,
                                .profile = a->profile,
                                .events = &a->events,
                                .daemon = a->o};
    enum rk_code rc;

    a->run_user.ops = &RUN_OPS;
    a->run = runloop_new(&opts, &a->run_user);
    rc = runloop_start(a->run, err);
    if (rc) {
        runloop_free(a->run);
        a->run = NULL;
    }
    return rc;
}

static void on_job_timeout(void *arg)
{
    struct app *a = arg;
    struct rk_err err = {0};
    const struct rk_err *last = a->run     ? runloop_last_err(a->run)
                                : a->login ? login_last_err(a->login)
                                           : NULL;
    bool known = last && last->code;

    (void)rk_fail(&err, RK_TIMEOUT, "not connected yet%s%s%s",
                  a->run ? ", still trying in the background" : "", known ? ": " : "",
                  known ? last->msg : "");
    if (!a->run) {
        a->shown = AGENT_LOGIN_FAILED;
        a->shown_err = err;
    }
    job_fail(a, &err);
}

/* The next thing that the job needs; comes here again when that is done. */
static void job_advance(struct app *a)
{
    struct job *j = &a->job;
    struct rk_err err = {0};

    if (j->step == STEP_STOP) {
        if (a->run) {
            runloop_stop(a->run); /* on_run_ended comes back */
            return;
        }
        if (j->kind == JOB_DOWN || j->kind == JOB_LOGOUT) {
            a->shown = j->kind == JOB_LOGOUT ? AGENT_NEEDS_LOGIN : AGENT_IDLE;
            a->shown_err = (struct rk_err){0};
            job_done(a, NULL);
            return;
        }
        j->step = STEP_ENROL;
    }
    if (j->step == STEP_ENROL) {
        start_login(a);
        return;
    }
    if (j->kind == JOB_LOGIN) {
        job_done(a, NULL);
        return;
    }
    if (start_run(a, &err))
        job_fail(a, &err);
}

/* ---- requests */

static void set(json_t *o, const char *name, json_t *value)
{
    (void)json_object_set_new(o, name, value);
}

static json_t *status_json(struct app *a)
{
    const struct settings *s = &a->profile->settings;
    const struct rk_err *err = a->run ? runloop_last_err(a->run) : &a->shown_err;
    enum agent_status now = a->run ? runloop_status(a->run) : a->shown;
    char key[RK_KEY_TEXT + 1];
    json_t *o = json_object();
    struct rk_key pub;

    rk_key_public(&a->profile->private_key, &pub);
    rk_key_format(&pub, key);
    set(o, "daemonVersion", json_string(PACKAGE_VERSION));
    set(o, "daemonStatus", json_string(agent_status_name(now)));
    set(o, "daemonError", json_string(err->msg));
    set(o, "peers", json_pack("{s:i,s:i,s:[]}", "total", 0, "connected", 0, "details"));
    set(o, "management",
        json_pack("{s:s%,s:b,s:s}", "url", s->management_url.p ? s->management_url.p : "",
                  s->management_url.n, "connected", 0, "error", err->msg));
    set(o, "adminUrl", json_stringn(s->admin_url.p ? s->admin_url.p : "", s->admin_url.n));
    set(o, "signal", json_pack("{s:s,s:b,s:s}", "url", "", "connected", 0, "error", ""));
    set(o, "relays", json_pack("{s:i,s:i,s:[]}", "total", 0, "available", 0, "details"));
    set(o, "netbirdIp", json_string(""));
    set(o, "publicKey", json_string(key));
    set(o, "usesKernelInterface", json_false());
    set(o, "wireguardPort", json_integer(0));
    set(o, "fqdn", json_string(""));
    set(o, "quantumResistance", json_false());
    set(o, "quantumResistancePermissive", json_false());
    set(o, "networks", json_array());
    set(o, "forwardingRules", json_integer(0));
    set(o, "dnsServers", json_array());
    set(o, "events", events_json(&a->events));
    set(o, "lazyConnectionEnabled", json_false());
    set(o, "profileName", json_string("default"));
    set(o, "sshServer", json_pack("{s:b,s:[]}", "enabled", 0, "sessions"));
    if (a->run)
        runloop_engine_status(a->run, o);
    return o;
}

/* Apply what a command wants changed; on any error the profile is as it was. */
static enum rk_code apply_settings(struct app *a, const json_t *settings, bool *changed,
                                   struct rk_err *err)
{
    const char *flag;
    const json_t *v;
    enum rk_code rc = RK_OK;

    *changed = json_object_size(settings) > 0;
    if (!*changed)
        return RK_OK;
    json_object_foreach ((json_t *)(uintptr_t)settings, flag, v) {
        if (rc == RK_OK && !json_is_string(v))
            rc = rk_fail(err, RK_BAD_REQUEST, "setting %s is not a text", flag);
        if (rc == RK_OK)
            rc = profile_set(a->profile, rk_str_z(flag), rk_str_z(json_string_value(v)), err);
    }
    if (rc == RK_OK)
        rc = profile_save(a->profile, err);
    if (rc && profile_reload(a->profile, NULL))
        rk_log(a->log, RK_ERROR, "profile cannot be read back");
    return rc;
}

/* One job at a time. false: it was refused, and the command has its answer. */
static bool may_begin(struct app *a, struct ctl_req *r, enum job_kind kind)
{
    struct rk_err err = {0};

    if (kind == JOB_DOWN && a->job.kind != JOB_NONE) { /* down ends what is under way */
        (void)rk_fail(&err, RK_CANCELLED, "cancelled by another command");
        job_fail(a, &err);
        return true;
    }
    if (a->job.kind != JOB_NONE)
        (void)rk_fail(&err, RK_PRECONDITION, "another command is under way, try again later");
    else if (kind == JOB_DOWN && !a->run)
        (void)rk_fail(&err, RK_PRECONDITION, "not connected");
    if (err.code)
        ctl_fail(r, &err);
    return !err.code;
}

/* Credentials and time limit of a command that connects. */
static void job_fill(struct app *a, const json_t *args)
{
    const char *key = json_string_value(json_object_get(args, "setup_key"));
    const char *token = json_string_value(json_object_get(args, "token"));
    const json_t *timeout = json_object_get(args, "timeout_ms");
    int64_t timeout_ms = json_is_integer(timeout) ? json_integer_value(timeout) : UP_TIMEOUT_MS;
    struct job *j = &a->job;

    if (key && *key && strlen(key) <= SETUP_KEY_MAX)
        j->setup_key = rk_str_dupz(rk_str_z(key));
    if (token && *token && strlen(token) <= TOKEN_MAX)
        j->token = rk_str_dupz(rk_str_z(token));
    if (j->kind == JOB_UP || j->kind == JOB_LOGIN || j->kind == JOB_SSO)
        rk_timer_start(a->loop, &j->timer,
                       rk_max_i64(100, rk_min_i64(timeout_ms, 24 * 3600 * 1000)), on_job_timeout,
                       a);
}

static void begin_job(struct app *a, struct ctl_req *r, enum job_kind kind, const json_t *args)
{
    bool connected = a->run && runloop_status(a->run) == AGENT_CONNECTED;
    struct rk_err err = {0};
    bool changed = false;

    if (!may_begin(a, r, kind))
        return;
    if ((kind == JOB_UP || kind == JOB_LOGIN || kind == JOB_SSO) &&
        apply_settings(a, json_object_get(args, "settings"), &changed, &err)) {
        ctl_fail(r, &err);
        return;
    }
    if (kind == JOB_UP && connected && !changed) {
        ctl_reply(r, json_pack("{s:b}", "already", 1));
        return;
    }
    a->job = (struct job){.kind = kind, .req = r};
    job_fill(a, args);
    if (kind == JOB_LOGOUT)
        start_logout(a);
    else if (kind == JOB_SSO)
        start_flow(a);
    else
        job_advance(a);
}

#define NETWORKS_MAX 1024 /* ids of one command */

static void select_networks(struct app *a, struct ctl_req *r, const json_t *args, bool select)
{
    struct engine *e = a->run ? runloop_engine(a->run) : NULL;
    const json_t *list = json_object_get(args, "ids"), *v;
    struct rk_str ids[NETWORKS_MAX];
    struct rk_err err = {0};
    size_t i, n = 0;

    json_array_foreach (list, i, v)
        if (n < NETWORKS_MAX && json_is_string(v))
            ids[n++] = rk_str_z(json_string_value(v));
    if (!e)
        (void)rk_fail(&err, RK_PRECONDITION, "not connected");
    else if (!n)
        (void)rk_fail(&err, RK_BAD_REQUEST, "no network named");
    if (err.code || host_select(engine_host(e), ids, n, select,
                                json_is_true(json_object_get(args, "append")), &err))
        ctl_fail(r, &err);
    else
        ctl_reply(r, NULL);
}

static void do_call(struct app *a, struct ctl_req *r, const char *call, const json_t *args)
{
    static const struct {
        const char *name;
        enum job_kind kind;
    } jobs[] = {{"up", JOB_UP},
                {"login", JOB_LOGIN},
                {"down", JOB_DOWN},
                {"logout", JOB_LOGOUT},
                {"sso", JOB_SSO}};
    struct rk_err err = {0};

    for (size_t i = 0; i < RK_ARRAY_LEN(jobs); i++)
        if (strcmp(call, jobs[i].name) == 0) {
            begin_job(a, r, jobs[i].kind, args);
            return;
        }
    if (strcmp(call, "networks_select") == 0 || strcmp(call, "networks_deselect") == 0) {
        select_networks(a, r, args, strcmp(call, "networks_select") == 0);
        return;
    }
    (void)rk_fail(&err, RK_NOT_FOUND, "the daemon does not know the call %s", call);
    ctl_fail(r, &err);
}

static void on_request(struct ctl_user *u, struct ctl_req *r, const char *call, const json_t *args)
{
    struct app *a = rk_container_of(u, struct app, ctl_user);
    struct engine *e = a->run ? runloop_engine(a->run) : NULL;
    struct rk_err err = {0};

    if (strcmp(call, "status") == 0) {
        ctl_reply(r, status_json(a));
    } else if (strcmp(call, "version") == 0) {
        ctl_reply(r,
                  json_pack("{s:s,s:s}", "version", PACKAGE_VERSION, "speaks", AGENT_WIRE_VERSION));
    } else if (strcmp(call, "networks") == 0) {
        ctl_reply(r,
                  json_pack("{s:o}", "networks", e ? host_networks(engine_host(e)) : json_array()));
    } else if (ctl_uid(r) != 0 && ctl_uid(r) != geteuid() && !a->o->allow_users) {
        (void)rk_fail(&err, RK_FORBIDDEN, "only root may do this (see --allow-users)");
        ctl_fail(r, &err);
    } else if (a->quitting) {
        (void)rk_fail(&err, RK_UNAVAILABLE, "the daemon is ending");
        ctl_fail(r, &err);
    } else {
        do_call(a, r, call, args);
    }
}

static void on_gone(struct ctl_user *u, struct ctl_req *r)
{
    struct app *a = rk_container_of(u, struct app, ctl_user);

    if (a->job.req == r)
        a->job.req = NULL; /* the job itself goes on */
}

static const struct ctl_ops CTL_OPS = {.request = on_request, .gone = on_gone};

/* ---- start and end */

static void begin_quit(struct app *a)
{
    struct rk_err err = {0};

    a->quitting = true;
    (void)rk_fail(&err, RK_UNAVAILABLE, "the daemon is ending");
    job_fail(a, &err);
    ctl_server_close(a->ctl);
    a->ctl = NULL;
    uv_close((uv_handle_t *)&a->sig_int, NULL);
    uv_close((uv_handle_t *)&a->sig_term, NULL);
    if (a->run)
        runloop_stop(a->run);
    quit_if_done(a);
}

static void on_signal(uv_signal_t *h, int number)
{
    struct app *a = h->data;

    if (a->quitting)
        return;
    rk_log(a->log, RK_INFO, "ending", kv_i64("signal", number));
    begin_quit(a);
}

static void watch_signals(struct app *a)
{
    uv_loop_t *uv = rk_loop_uv(a->loop);

    (void)signal(SIGPIPE, SIG_IGN);
    (void)uv_signal_init(uv, &a->sig_int);
    (void)uv_signal_init(uv, &a->sig_term);
    a->sig_int.data = a->sig_term.data = a;
    (void)uv_signal_start(&a->sig_int, on_signal, SIGINT);
    (void)uv_signal_start(&a->sig_term, on_signal, SIGTERM);
}

/* Does a connection start with the daemon? */
static bool connects(const struct app *a, bool connect)
{
    const struct settings *s = &a->profile->settings;

    return s->management_url.n && (connect || (!s->disable_auto_connect && !a->profile->fresh));
}

static void auto_connect(struct app *a, bool connect)
{
    struct rk_err err = {0};

    if (!connects(a, connect)) {
        a->shown = a->profile->fresh ? AGENT_NEEDS_LOGIN : AGENT_IDLE;
        if (connect) {
            (void)rk_fail(&err, RK_INVALID, "no management server yet: use --management-url");
            end_foreground(a, &err);
        }
        return;
    }
    if (a->o->setup_key.n) { /* as `up` with that key would do */
        a->job = (struct job){.kind = JOB_UP, .for_ever = true};
        a->job.setup_key = rk_str_dupz(a->o->setup_key);
        job_advance(a);
    } else if (start_run(a, &err)) {
        host_release(a->route, a->state, a->log);
        rk_log(a->log, RK_ERROR, "not connected", KV_ERR(&err));
        end_foreground(a, &err);
    }
}

/* No state file tells what an earlier run left: all that goes by fixed names, then. The sysctls'
 * former values are lost. */
static void assume_all(struct app *a)
{
    const struct daemon_opts *d = a->o;

    rk_log(a->log, RK_WARN,
           "rules, routes and firewall of an earlier run are removed if there are "
           "any; changed sysctls stay as they are");
    state_set(a->state, STATE_ROUTES, json_pack("{s:i}", "table", (int)ROUTE_TABLE_OVERLAY));
    state_set(a->state, STATE_FIREWALL,
              json_pack("{s:s%,s:s,s:b}", "table", d->nft_table.p, d->nft_table.n, "iface", "wt0",
                        "others", 1));
}

static enum rk_code open_all(struct app *a, const struct app_opts *opts, struct rk_err *err)
{
    struct dns_resolver_opts names = {.log = a->log, .backup = opts->resolv_backup};
    struct tls_client_opts tls = {.ca_file = a->o->ca_file.n ? a->o->ca_file.p : NULL};
    struct rk_str path;
    enum rk_code rc;

    if (!ctl_path(a->o->daemon_addr, &path))
        return rk_fail(err, RK_INVALID, "daemon address \"%.*s\" is not unix:///PATH",
                       RK_STR_ARG(a->o->daemon_addr));
    rc = nl_open(NETLINK_ROUTE, &a->route, err);
    if (rc == RK_OK)
        rc = tls_client_new(&tls, &a->tls, err);
    if (rc == RK_OK)
        rc = rk_loop_new(&a->loop, err);
    if (rc)
        return rc;
    a->ctl_user.ops = &CTL_OPS;
    /* the socket first: it also keeps a second daemon from cleaning up after a living one */
    rc = ctl_server_open(a->loop, a->log, path.p, &a->ctl_user, &a->ctl, err);
    if (rc)
        return rc;
    if (!marks_work(a))
        net_way_watch();
    names.loop = a->loop;
    a->resolver = dns_resolver_new(&names);
    a->state = state_open(opts->state_path, a->log);
    if (state_damaged(a->state))
        assume_all(a);
    recover(a->state, a->route, connects(a, opts->connect) && !a->o->setup_key.n, a->log);
    return RK_OK;
}

enum rk_code app_run(const struct app_opts *opts, struct rk_err *err)
{
    struct app a = {.o = opts->daemon,
                    .profile = opts->profile,
                    .log = opts->log,
                    .foreground = opts->foreground};
    enum rk_code rc = open_all(&a, opts, err);

    if (rc == RK_OK) {
        watch_signals(&a);
        rk_log(a.log, RK_INFO, "daemon started", kv_z("version", PACKAGE_VERSION),
               kv_str("socket", a.o->daemon_addr));
        auto_connect(&a, opts->connect);
        trim_later(&a);
        tell_manager(&a);
    } else if (a.loop) {
        rk_loop_stop(a.loop);
    }
    if (a.loop) {
        rk_loop_run(a.loop);
        rk_loop_free(a.loop);
    }
    state_free(a.state);
    events_done(&a.events);
    tls_ctx_free(a.tls);
    nl_close(a.route);
    if (rc == RK_OK && a.end_err.code)
        rc = rk_fail(err, a.end_err.code, "%s", a.end_err.msg);
    return rc;
}
