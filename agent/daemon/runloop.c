/* SPDX-License-Identifier: BSD-3-Clause */
/* Attempts to be connected; see runloop.h. */
#include "config.h"

#include "agent/daemon/runloop.h"

#include <stdlib.h>

#include "agent/client/backoff.h"
#include "agent/client/login.h"
#include "agent/os/route.h"
#include "lib/base/num.h"

/* After this the network is given up, as official agents do: somebody must look. */
#define GIVE_UP_MS (INT64_C(90) * 86400000)

/* An attempt that lasted this long was a success: the next wait starts small again. A server that
 * takes logins but ends every stream must not see a login a second from each agent. */
#define STEADY_MS 15000

enum phase { NEW, WAITING, LOGGING_IN, STARTING, RUNNING, CLOSING, ENDED };

struct runloop {
    struct runloop_opts o;
    struct runloop_user *user;
    enum phase phase;
    bool cancelled;
    enum agent_status status;
    struct rk_err last;
    struct backoff wait;
    int64_t since_ms; /* of the first attempt since it last ran */
    struct rk_timer *timer;
    struct rk_arena *mem;
    char *host;
    uint16_t port;
    bool tls;
    struct mgmt_client *mgc;
    struct login_user login_user;
    struct login *login;
    struct engine_user engine_user;
    struct engine *engine;
    bool was_running;   /* this attempt got as far as RUNNING */
    int64_t running_ms; /* when it did */
    bool denied;        /* management wants other credentials */
    struct rk_err why;  /* how this attempt ended */
};

static void attempt(void *arg);

const char *agent_status_name(enum agent_status s)
{
    static const char *const names[] = {"Idle",       "Connecting",  "Connected",
                                        "NeedsLogin", "LoginFailed", "SessionExpired"};

    return names[s];
}

static void set_status(struct runloop *r, enum agent_status s)
{
    if (r->status == s)
        return;
    r->status = s;
    rk_log(r->o.log, RK_INFO, "status", kv_z("now", agent_status_name(s)));
    if (r->user->ops->changed)
        r->user->ops->changed(r->user);
}

static void end(struct runloop *r, const struct rk_err *why)
{
    struct runloop_user *u = r->user;
    struct rk_err copy = *why;

    r->phase = ENDED;
    rk_timer_cancel(&r->timer);
    host_release(r->o.route, r->o.state, r->o.log);
    if (r->denied && !r->cancelled)
        set_status(r, AGENT_NEEDS_LOGIN);
    else
        set_status(r, AGENT_IDLE);
    u->ops->ended(u, &copy);
}

/* Everything of the attempt is gone: what now? */
static void attempt_over(struct runloop *r)
{
    static const struct rk_err none;
    int64_t wait;

    mgmt_client_close(r->mgc);
    r->mgc = NULL;
    if (r->cancelled) {
        end(r, &none);
        return;
    }
    if (r->denied) {
        end(r, &r->why);
        return;
    }
    if (r->was_running && rk_loop_now_ms(r->o.loop) - r->running_ms >= STEADY_MS)
        backoff_reset(&r->wait);
    if (r->was_running) {
        r->since_ms = rk_loop_now_ms(r->o.loop);
    } else if (rk_loop_now_ms(r->o.loop) - r->since_ms > GIVE_UP_MS) {
        end(r, &r->why);
        return;
    }
    wait = backoff_next_ms(&r->wait);
    rk_log(r->o.log, RK_WARN, "not connected, trying again", kv_i64("in_ms", wait),
           KV_ERR(&r->why));
    r->phase = WAITING;
    set_status(r, AGENT_CONNECTING);
    rk_timer_start(r->o.loop, &r->timer, wait, attempt, r);
}

static void over_soon(void *arg)
{
    attempt_over(arg);
}

/* End the attempt; attempt_over comes when all of it is down. */
static void close_attempt(struct runloop *r, const struct rk_err *why)
{
    if (r->phase == CLOSING) {
        if (r->engine)
            engine_stop(r->engine, !r->cancelled);
        return;
    }
    r->why = why ? *why : (struct rk_err){0};
    if (why)
        r->last = *why;
    r->phase = CLOSING;
    rk_timer_cancel(&r->timer);
    login_cancel(r->login);
    r->login = NULL;
    if (r->engine)
        engine_stop(r->engine, !r->cancelled && !r->denied); /* on_engine_stopped goes on */
    else
        rk_timer_start(r->o.loop, &r->timer, 0, over_soon, r);
}

/* ---- engine */

static void on_engine_started(struct engine_user *u, const struct rk_err *err)
{
    struct runloop *r = rk_container_of(u, struct runloop, engine_user);

    if (r->phase != STARTING)
        return; /* stopped meanwhile */
    if (err) {
        close_attempt(r, err);
        return;
    }
    r->phase = RUNNING;
    r->was_running = true;
    r->running_ms = rk_loop_now_ms(r->o.loop);
    r->last = (struct rk_err){0};
    set_status(r, AGENT_CONNECTED);
}

static void on_engine_ended(struct engine_user *u, const struct rk_err *why)
{
    struct runloop *r = rk_container_of(u, struct runloop, engine_user);

    if (r->phase == RUNNING)
        close_attempt(r, why);
}

static void on_engine_changed(struct engine_user *u)
{
    struct runloop *r = rk_container_of(u, struct runloop, engine_user);

    if (r->user->ops->changed)
        r->user->ops->changed(r->user);
}

static void on_engine_stopped(struct engine_user *u)
{
    struct runloop *r = rk_container_of(u, struct runloop, engine_user);

    engine_free(r->engine);
    r->engine = NULL;
    attempt_over(r);
}

static void on_engine_bundle(struct engine_user *u, struct rk_str id,
                             const Management__BundleParameters *p)
{
    struct runloop *r = rk_container_of(u, struct runloop, engine_user);

    if (r->user->ops->bundle)
        r->user->ops->bundle(r->user, id, p);
    else
        engine_job_done(r->engine, id, NULL, "this agent makes no bundles");
}

static const struct engine_ops ENGINE_OPS = {.started = on_engine_started,
                                             .bundle = on_engine_bundle,
                                             .ended = on_engine_ended,
                                             .changed = on_engine_changed,
                                             .stopped = on_engine_stopped};

static bool want_marks(const struct runloop *r)
{
    const struct daemon_opts *d = r->o.daemon;

    return !d->legacy_routing && !d->skip_socket_mark && rule_marks_work(r->o.route);
}

static void on_login(struct login_user *u, const Management__LoginResponse *msg,
                     const struct rk_err *err)
{
    struct runloop *r = rk_container_of(u, struct runloop, login_user);
    struct engine_opts opts = {.loop = r->o.loop,
                               .log = r->o.log,
                               .route = r->o.route,
                               .state = r->o.state,
                               .mgc = r->mgc,
                               .tls = r->o.tls,
                               .resolver = r->o.resolver,
                               .profile = r->o.profile,
                               .daemon = r->o.daemon,
                               .events = r->o.events,
                               .keep = r->o.keep,
                               .marks = want_marks(r)};
    struct rk_err why = {0};

    r->login = NULL;
    if (err) {
        r->denied = err->code == RK_FORBIDDEN;
        close_attempt(r, err);
        return;
    }
    r->engine_user.ops = &ENGINE_OPS;
    if (engine_new(&opts, msg, &r->engine_user, &r->engine, &why)) {
        close_attempt(r, &why);
        return;
    }
    r->phase = STARTING;
    if (engine_start(r->engine, &why)) { /* cannot happen with a new one */
        engine_free(r->engine);
        r->engine = NULL;
        close_attempt(r, &why);
    }
}

static const struct login_ops LOGIN_OPS = {.done = on_login};

static void attempt(void *arg)
{
    struct runloop *r = arg;
    struct mgmt_client_opts mo = {.loop = r->o.loop,
                                  .log = r->o.log,
                                  .host = r->host,
                                  .port = r->port,
                                  .tls = r->tls ? r->o.tls : NULL,
                                  .fwmark = want_marks(r) ? ROUTE_MARK_CONTROL : 0,
                                  .private_key = r->o.profile->private_key};
    struct login_opts lo = {
        .loop = r->o.loop, .log = r->o.log, .route = r->o.route, .profile = r->o.profile};

    r->phase = LOGGING_IN;
    dns_resolver_mark(r->o.resolver, mo.fwmark);
    r->was_running = false;
    set_status(r, AGENT_CONNECTING);
    r->mgc = mgmt_client_open(&mo);
    rk_key_wipe(&mo.private_key);
    lo.mgc = r->mgc;
    r->login_user.ops = &LOGIN_OPS;
    r->login = login_start(&lo, &r->login_user);
}

/* ---- from outside */

struct runloop *runloop_new(const struct runloop_opts *opts, struct runloop_user *user)
{
    struct runloop *r = rk_calloc(1, sizeof *r);

    r->o = *opts;
    r->user = user;
    r->mem = rk_arena_new(0);
    r->wait = (struct backoff){
        .first_ms = 1000, .max_ms = 15000, .factor_permille = 1700, .spread_permille = 1000};
    return r;
}

enum rk_code runloop_start(struct runloop *r, struct rk_err *err)
{
    struct rk_str host;
    enum rk_code rc;

    if (r->cancelled)
        return rk_fail(err, RK_PRECONDITION, "already stopped");
    if (r->phase != NEW)
        return rk_fail(err, RK_PRECONDITION, "already started");
    if (!r->o.profile->settings.management_url.n)
        return rk_fail(err, RK_INVALID, "no management URL: use --management-url");
    rc = profile_url(r->mem, r->o.profile->settings.management_url, &r->tls, &r->host, &r->port,
                     err);
    if (rc)
        return rc;
    host = rk_str_z(r->host);
    dns_resolver_names(r->o.resolver, DNS_ROLE_MANAGEMENT, &host, 1);
    r->phase = WAITING;
    r->since_ms = rk_loop_now_ms(r->o.loop);
    set_status(r, AGENT_CONNECTING);
    rk_timer_start(r->o.loop, &r->timer, 0, attempt, r);
    return RK_OK;
}

void runloop_stop(struct runloop *r)
{
    if (r->cancelled)
        return;
    r->cancelled = true;
    if (r->phase != NEW && r->phase != ENDED)
        close_attempt(r, NULL);
}

void runloop_free(struct runloop *r)
{
    if (!r)
        return;
    rk_arena_free(r->mem);
    free(r);
}

enum agent_status runloop_status(const struct runloop *r)
{
    return r->status;
}

const struct rk_err *runloop_last_err(const struct runloop *r)
{
    return &r->last;
}

void runloop_engine_status(struct runloop *r, json_t *out)
{
    if (r->engine && (r->phase == RUNNING || r->phase == STARTING))
        engine_status(r->engine, out);
}

struct engine *runloop_engine(struct runloop *r)
{
    return r->phase == RUNNING ? r->engine : NULL;
}

json_t *runloop_json(const struct runloop *r)
{
    static const char *const phases[] = {"new",     "waiting", "logging in", "starting",
                                         "running", "closing", "ended"};

    return json_pack("{s:s,s:b,s:s,s:s,s:I,s:b,s:b}", "phase", phases[r->phase], "cancelled",
                     (int)r->cancelled, "status", agent_status_name(r->status), "lastError",
                     r->last.msg, "sinceMs", (json_int_t)(rk_loop_now_ms(r->o.loop) - r->since_ms),
                     "engine", r->engine != NULL, "login", r->login != NULL);
}
