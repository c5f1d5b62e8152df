/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon's life; see app.h. */
#include "config.h"

#include "agent/daemon/app.h"

#include <linux/netlink.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/control/proto.h"
#include "agent/daemon/app_priv.h"
#include "agent/daemon/recover.h"
#include "agent/os/route.h"
#include "lib/base/notify.h"
#include "lib/base/num.h"
#include "lib/base/trim.h"
#include "lib/net/way.h"

#define TRIM_EVERY_MAX_MS 60000

bool app_marks(const struct app *a)
{
    return !a->o->legacy_routing && !a->o->skip_socket_mark && rule_marks_work(a->route);
}

/* The connection will not come (back) by itself. */
void app_end_foreground(struct app *a, const struct rk_err *err)
{
    if (!a->foreground || a->quitting)
        return;
    a->end_err = *err;
    app_begin_quit(a);
}

/* ---- the run loop */

/* Soon after a change, then ever more seldom: what follows it in the background takes seconds
 * (ports of the router) to a minute. */
static void on_settled(void *arg)
{
    struct app *a = arg;

    rk_trim();
    a->trim_ms = rk_min_i64(2 * a->trim_ms, TRIM_EVERY_MAX_MS);
    rk_timer_start(a->loop, &a->trim, a->trim_ms, on_settled, a);
}

static void trim_later(struct app *a)
{
    if (a->quitting)
        return;
    a->trim_ms = RK_TRIM_AFTER_MS;
    rk_timer_start(a->loop, &a->trim, a->trim_ms, on_settled, a);
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
    a->connected = true;
    trim_later(a);
    if (a->job.kind == JOB_UP && a->job.step == STEP_RUN)
        job_done(a, NULL);
}

static void on_run_ended(struct runloop_user *u, const struct rk_err *why)
{
    struct app *a = rk_container_of(u, struct app, run_user);
    struct rk_err copy = *why;

    a->shown = runloop_status(a->run);
    if (a->shown == AGENT_NEEDS_LOGIN && a->connected && state_get(a->state, STATE_LOGIN))
        a->shown = AGENT_SESSION_EXPIRED;
    a->connected = false;
    a->shown_err = copy;
    runloop_free(a->run);
    a->run = NULL;
    if (a->quitting) {
        quit_if_done(a);
        return;
    }
    if (a->job.kind == JOB_NONE) {
        if (copy.code)
            app_end_foreground(a, &copy);
        return;
    }
    if (a->job.step == STEP_RUN)
        job_fail(a, &copy);
    else
        job_advance(a);
}

static void on_bundle_done(struct bundle_job_user *u, struct rk_str id, const char *key,
                           const char *reason)
{
    struct app *a = rk_container_of(u, struct app, bundle_user);
    struct engine *e = a->run ? runloop_engine(a->run) : NULL;

    a->bundle = NULL;
    if (e)
        engine_job_done(e, id, key, reason);
}

static void on_bundle(struct runloop_user *u, struct rk_str id,
                      const Management__BundleParameters *p)
{
    struct app *a = rk_container_of(u, struct app, run_user);
    struct engine *e = runloop_engine(a->run);
    struct rk_err err = {0};

    a->bundle_user.done = on_bundle_done;
    if (a->bundle)
        (void)rk_fail(&err, RK_PRECONDITION, "another bundle is being made");
    else if (bundle_job_start(a->loop, a->log, a->o, id, p, &a->bundle_user, &a->bundle, &err) ==
             RK_OK)
        rk_log(a->log, RK_INFO, "management asks for a debug bundle");
    if (err.code && e)
        engine_job_done(e, id, NULL, err.msg);
}

static const struct runloop_ops RUN_OPS = {
    .changed = on_run_changed, .bundle = on_bundle, .ended = on_run_ended};

enum rk_code app_start_run(struct app *a, struct rk_err *err)
{
    struct runloop_opts opts = {.loop = a->loop,
                                .log = a->log,
                                .route = a->route,
                                .state = a->state,
                                .tls = a->tls,
                                .resolver = a->resolver,
                                .profile = a->profile,
                                .events = &a->events,
                                .keep = &a->keep,
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

/* ---- start and end */

void app_begin_quit(struct app *a)
{
    struct rk_err err = {0};

    a->quitting = true;
    (void)rk_fail(&err, RK_UNAVAILABLE, "the daemon is ending");
    job_fail(a, &err);
    ctl_server_close(a->ctl);
    a->ctl = NULL;
    bundle_job_cancel(a->bundle);
    a->bundle = NULL;
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
    app_begin_quit(a);
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
            app_end_foreground(a, &err);
        }
        return;
    }
    if (a->o->setup_key.n) { /* as `up` with that key would do */
        a->job = (struct job){.kind = JOB_UP, .for_ever = true};
        a->job.setup_key = rk_str_dupz(a->o->setup_key);
        job_advance(a);
    } else if (app_start_run(a, &err)) {
        host_release(a->route, a->state, a->log);
        rk_log(a->log, RK_ERROR, "not connected", KV_ERR(&err));
        app_end_foreground(a, &err);
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

enum rk_code app_switch(struct app *a, const struct profile_ref *ref, struct profile *next,
                        struct rk_err *err)
{
    enum rk_code rc = profiles_activate(a->profiles, ref, err);

    if (rc) {
        profile_free(next);
        return rc;
    }
    state_free(a->state); /* nothing of it is to be undone: no run loop is left */
    a->state = state_open(ref->state_path.p, a->log);
    profile_free(a->profile);
    a->profile = next;
    free(a->profile_name);
    a->profile_name = rk_str_dupz(ref->name);
    rk_log(a->log, RK_INFO, "profile", kv_z("name", a->profile_name), kv_str("id", ref->id));
    return RK_OK;
}

static void open_state(struct app *a, const struct app_opts *opts)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct profile_ref r = profiles_active(opts->profiles, mem);

    a->profile_name = rk_str_dupz(r.name);
    a->state = state_open(r.state_path.p, a->log);
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
    a->ctl_user.ops = &CALLS_OPS;
    /* the socket first: it also keeps a second daemon from cleaning up after a living one */
    rc = ctl_server_open(a->loop, a->log, path.p, &a->ctl_user, &a->ctl, err);
    if (rc)
        return rc;
    if (!app_marks(a))
        net_way_watch();
    names.loop = a->loop;
    a->resolver = dns_resolver_new(&names);
    dns_resolver_mark(a->resolver, app_marks(a) ? ROUTE_MARK_CONTROL : 0);
    open_state(a, opts);
    if (state_damaged(a->state))
        assume_all(a);
    recover(a->state, a->route, connects(a, opts->connect) && !a->o->setup_key.n, a->log);
    return RK_OK;
}

enum rk_code app_run(const struct app_opts *opts, struct rk_err *err)
{
    struct app a = {.o = opts->daemon,
                    .profiles = opts->profiles,
                    .profile = opts->profile,
                    .log = opts->log,
                    .foreground = opts->foreground};
    enum rk_code rc;

    rk_trim_always();
    rc = open_all(&a, opts, err);
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
    profile_free(a.profile);
    free(a.profile_name);
    events_done(&a.events);
    sync_keep_set(&a.keep, false);
    tls_ctx_free(a.tls);
    nl_close(a.route);
    if (rc == RK_OK && a.end_err.code)
        rc = rk_fail(err, a.end_err.code, "%s", a.end_err.msg);
    return rc;
}
