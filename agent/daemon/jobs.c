/* SPDX-License-Identifier: BSD-3-Clause */
/* One thing at a time that takes its time: what commands wait for; see app_priv.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/client/setting.h"
#include "agent/daemon/app_priv.h"
#include "lib/base/num.h"

#define UP_TIMEOUT_MS 50000
#define SETUP_KEY_MAX 128
#define TOKEN_MAX     ((size_t)64 << 10)

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
    profile_free(j->next);
    json_decref(j->flows);
    rk_arena_free(j->mem);
    *j = (struct job){0};
}

void job_done(struct app *a, json_t *result)
{
    struct ctl_req *req = a->job.req;

    job_clear(a);
    if (req)
        ctl_reply(req, result);
    else
        json_decref(result);
}

void job_fail(struct app *a, const struct rk_err *err)
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
        app_end_foreground(a, &copy);
}

void job_hint(struct rk_err *err, const char *what)
{
    size_t n = strlen(err->msg);

    if (n + strlen(what) + sizeof " ()" <= sizeof err->msg)
        (void)snprintf(err->msg + n, sizeof err->msg - n, " (%s)", what);
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
    job_hint(&err, "\"rook doctor\" looks for the reason");
    if (!a->run) {
        a->shown = AGENT_LOGIN_FAILED;
        a->shown_err = err;
    }
    job_fail(a, &err);
}

struct profile *job_profile(struct app *a)
{
    return a->job.next ? a->job.next : a->profile;
}

/* Nothing runs any more: the other profile takes its place. */
static enum rk_code use_other(struct app *a, struct rk_err *err)
{
    struct job *j = &a->job;
    struct profile *next = j->next;

    j->next = NULL;
    return next ? app_switch(a, &j->ref, next, err) : RK_OK;
}

/* false: there is nothing more to do, or it goes on later. */
static bool stopped(struct app *a)
{
    struct job *j = &a->job;
    struct rk_err err = {0};

    if (a->run) {
        runloop_stop(a->run); /* on_run_ended comes back */
        return false;
    }
    if (use_other(a, &err)) {
        job_fail(a, &err);
        return false;
    }
    if (j->kind == JOB_DOWN || j->kind == JOB_LOGOUT || j->kind == JOB_SELECT) {
        a->shown = j->kind == JOB_LOGOUT || a->profile->fresh ? AGENT_NEEDS_LOGIN : AGENT_IDLE;
        a->shown_err = (struct rk_err){0};
        job_done(a, NULL);
        return false;
    }
    return true;
}

void job_advance(struct app *a)
{
    struct job *j = &a->job;
    struct rk_err err = {0};

    if (j->step == STEP_STOP) {
        if (!stopped(a))
            return;
        j->step = STEP_ENROL;
    }
    if (j->step == STEP_ENROL) {
        flow_login(a);
        return;
    }
    if (j->kind == JOB_LOGIN) {
        job_done(a, NULL);
        return;
    }
    if (app_start_run(a, &err))
        job_fail(a, &err);
}

/* ---- beginning */

/* Apply what a command wants changed; on any error the profile is as it was. */
static enum rk_code apply_settings(struct app *a, struct profile *p, const json_t *settings,
                                   bool *changed, struct rk_err *err)
{
    const char *flag;
    const json_t *v;
    enum rk_code rc = RK_OK;

    *changed = json_object_size(settings) > 0;
    if (!*changed)
        return RK_OK;
    if (a->o->disable_update_settings)
        return rk_fail(err, RK_FORBIDDEN,
                       "settings are not changed here: the daemon runs with "
                       "--disable-update-settings");
    json_object_foreach ((json_t *)(uintptr_t)settings, flag, v) {
        if (rc == RK_OK && !json_is_string(v))
            rc = rk_fail(err, RK_BAD_REQUEST, "setting %s is not a text", flag);
        if (rc == RK_OK)
            rc = setting_set(p, rk_str_z(flag), rk_str_z(json_string_value(v)), err);
    }
    if (rc == RK_OK)
        rc = profile_save(p, err);
    if (rc && profile_reload(p, NULL))
        rk_log(a->log, RK_ERROR, "profile cannot be read back");
    return rc;
}

/* One job at a time. false: it was refused, and the command has its answer. */
static bool may_begin(struct app *a, struct ctl_req *r, enum job_kind kind, const json_t *args)
{
    bool connected = a->run && runloop_status(a->run) == AGENT_CONNECTED;
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
    else if (kind == JOB_EXTEND && connected && !json_object_get(args, "token"))
        (void)rk_fail(&err, RK_UNAUTHENTICATED, "the person must log in for that");
    else if (kind == JOB_EXTEND && !connected)
        (void)rk_fail(&err, RK_PRECONDITION,
                      "not connected: there is no session to extend (\"rook up\" logs in)");
    if (err.code)
        ctl_fail(r, &err);
    return !err.code;
}

/* Another profile than the active one? It is loaded, and changes nothing yet. */
static enum rk_code name_profile(struct app *a, struct ctl_req *r, const json_t *args,
                                 struct job *j, struct rk_err *err)
{
    const char *handle = json_string_value(json_object_get(args, "profile"));
    struct profile_ref active;
    enum rk_code rc;

    if (!handle || !*handle)
        return RK_OK;
    if (a->o->disable_profiles)
        return rk_fail(err, RK_FORBIDDEN,
                       "profiles are not changed here: the daemon runs with --disable-profiles");
    j->mem = rk_arena_new(0);
    active = profiles_active(a->profiles, j->mem);
    rc = profiles_find(a->profiles, j->mem, profiles_user(j->mem, ctl_uid(r)), rk_str_z(handle),
                       &j->ref, err);
    if (rc == RK_OK && !rk_str_eq(j->ref.path, active.path))
        rc = profile_load(j->ref.path.p, &j->next, err);
    return rc;
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
    if (j->kind != JOB_DOWN && j->kind != JOB_LOGOUT && j->kind != JOB_SELECT)
        rk_timer_start(a->loop, &j->timer,
                       rk_max_i64(100, rk_min_i64(timeout_ms, 24 * 3600 * 1000)), on_job_timeout,
                       a);
}

static void start(struct app *a)
{
    switch (a->job.kind) {
    case JOB_LOGOUT:
        flow_logout(a);
        return;
    case JOB_SSO:
        flow_sso(a);
        return;
    case JOB_EXTEND:
        flow_extend(a);
        return;
    case JOB_NONE:
    case JOB_UP:
    case JOB_LOGIN:
    case JOB_DOWN:
    case JOB_SELECT:
        break;
    }
    job_advance(a);
}

/* Nothing to do: it is connected already, as wanted. */
static bool is_so(const struct app *a, const struct job *j, const json_t *args, bool changed)
{
    bool connected = a->run && runloop_status(a->run) == AGENT_CONNECTED;

    if (changed || j->next)
        return false;
    if (j->kind == JOB_SELECT)
        return true;
    return connected &&
           (j->kind == JOB_UP || (j->kind == JOB_LOGIN && !json_object_get(args, "setup_key") &&
                                  !json_object_get(args, "token")));
}

void job_begin(struct app *a, struct ctl_req *r, enum job_kind kind, const json_t *args)
{
    struct job job = {.kind = kind, .req = r};
    struct rk_err err = {0};
    bool changed = false, sets = kind == JOB_UP || kind == JOB_LOGIN || kind == JOB_SSO;

    if (!may_begin(a, r, kind, args))
        return;
    if (name_profile(a, r, args, &job, &err) ||
        (sets && apply_settings(a, job.next ? job.next : a->profile,
                                json_object_get(args, "settings"), &changed, &err))) {
        profile_free(job.next);
        rk_arena_free(job.mem);
        ctl_fail(r, &err);
        return;
    }
    if (is_so(a, &job, args, changed)) {
        rk_arena_free(job.mem);
        ctl_reply(r, json_pack("{s:b}", "already", 1));
        return;
    }
    a->job = job;
    job_fill(a, args);
    start(a);
}
