/* SPDX-License-Identifier: BSD-3-Clause */
/* What commands ask the daemon; see control/proto.h. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/config/version.h"
#include "agent/control/proto.h"
#include "agent/daemon/app_priv.h"
#include "agent/daemon/recover.h"
#include "lib/crypto/secret.h"

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
    set(o, "profileName", json_string(a->profile_name));
    set(o, "sshServer", json_pack("{s:b,s:[]}", "enabled", 0, "sessions"));
    if (a->run)
        runloop_engine_status(a->run, o);
    return o;
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
        (void)rk_fail(&err, RK_PRECONDITION, "not connected: \"rook up\" first");
    else if (!n)
        (void)rk_fail(&err, RK_BAD_REQUEST, "no network named");
    if (err.code || host_select(engine_host(e), ids, n, select,
                                json_is_true(json_object_get(args, "append")), &err))
        ctl_fail(r, &err);
    else
        ctl_reply(r, NULL);
}

static void reply_or_fail(struct ctl_req *r, json_t *result, const struct rk_err *err)
{
    if (err->code) {
        json_decref(result);
        ctl_fail(r, err);
    } else {
        ctl_reply(r, result);
    }
}

/* ---- what is at hand */

static void call_status(struct app *a, struct ctl_req *r, const json_t *args RK_UNUSED)
{
    ctl_reply(r, status_json(a));
}

static json_t *text_json(struct rk_str s)
{
    return json_stringn(s.p ? s.p : "", s.n);
}

static void call_version(struct app *a, struct ctl_req *r, const json_t *args RK_UNUSED)
{
    const struct settings *s = &a->profile->settings;

    ctl_reply(r, json_pack("{s:s,s:s,s:I,s:o,s:o,s:b}", "version", PACKAGE_VERSION, "speaks",
                           AGENT_WIRE_VERSION, "pid", (json_int_t)getpid(), "caFile",
                           text_json(a->o->ca_file), "interface", text_json(s->interface_name),
                           "disableDns", (int)s->disable_dns));
}

static bool may_networks(struct app *a, struct ctl_req *r)
{
    struct rk_err err = {0};

    if (!a->o->disable_networks)
        return true;
    (void)rk_fail(&err, RK_FORBIDDEN,
                  "networks are not chosen here: the daemon runs with --disable-networks");
    ctl_fail(r, &err);
    return false;
}

static void call_networks(struct app *a, struct ctl_req *r, const json_t *args RK_UNUSED)
{
    struct engine *e = a->run ? runloop_engine(a->run) : NULL;

    if (may_networks(a, r))
        ctl_reply(r,
                  json_pack("{s:o}", "networks", e ? host_networks(engine_host(e)) : json_array()));
}

static void call_select(struct app *a, struct ctl_req *r, const json_t *args)
{
    if (may_networks(a, r))
        select_networks(a, r, args, true);
}

static void call_deselect(struct app *a, struct ctl_req *r, const json_t *args)
{
    if (may_networks(a, r))
        select_networks(a, r, args, false);
}

/* ---- profiles */

static struct rk_str text_of(const json_t *args, const char *name)
{
    const json_t *v = json_object_get(args, name);

    return rk_str_of(json_string_value(v), json_string_length(v));
}

static void call_profiles(struct app *a, struct ctl_req *r, const json_t *args RK_UNUSED)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);

    ctl_reply(r, json_pack("{s:o}", "profiles",
                           profiles_list(a->profiles, profiles_user(mem, ctl_uid(r)))));
}

static bool may_profiles(struct app *a, struct ctl_req *r)
{
    struct rk_err err = {0};

    if (!a->o->disable_profiles)
        return true;
    (void)rk_fail(&err, RK_FORBIDDEN,
                  "profiles are not changed here: the daemon runs with --disable-profiles");
    ctl_fail(r, &err);
    return false;
}

static void call_profile_add(struct app *a, struct ctl_req *r, const json_t *args)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct rk_str user = profiles_user(mem, ctl_uid(r));
    struct profile_ref ref = {0};
    struct rk_err err = {0};

    if (!may_profiles(a, r))
        return;
    if (profiles_add(a->profiles, mem, user, text_of(args, "name"), &ref, &err))
        ctl_fail(r, &err);
    else
        ctl_reply(
            r, json_pack("{s:s%,s:s%}", "id", ref.id.p, ref.id.n, "name", ref.name.p, ref.name.n));
}

/* Of the one that the command means. */
static void with_profile(struct app *a, struct ctl_req *r, const json_t *args, bool remove)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    struct profile_ref ref = {0};
    struct rk_err err = {0};
    enum rk_code rc;

    if (!may_profiles(a, r))
        return;
    rc = profiles_find(a->profiles, mem, profiles_user(mem, ctl_uid(r)), text_of(args, "profile"),
                       &ref, &err);
    if (rc == RK_OK && a->job.next && rk_str_eq(a->job.ref.path, ref.path))
        rc = rk_fail(&err, RK_PRECONDITION, "another command uses this profile, try again later");
    if (rc == RK_OK && remove)
        rc = profiles_remove(a->profiles, &ref, &err);
    else if (rc == RK_OK)
        rc = profiles_rename(a->profiles, &ref, text_of(args, "name"), &err);
    if (rc == RK_OK && !remove && rk_str_eqz(ref.path, a->profile->path)) {
        free(a->profile_name);
        a->profile_name = rk_str_dupz(profiles_active(a->profiles, mem).name);
        profile_set_name(a->profile, a->profile_name);
    }
    reply_or_fail(r,
                  json_pack("{s:s%,s:s%}", "id", ref.id.p ? ref.id.p : "", ref.id.n, "name",
                            ref.name.p ? ref.name.p : "", ref.name.n),
                  &err);
}

static void call_profile_rename(struct app *a, struct ctl_req *r, const json_t *args)
{
    with_profile(a, r, args, false);
}

static void call_profile_remove(struct app *a, struct ctl_req *r, const json_t *args)
{
    with_profile(a, r, args, true);
}

/* ---- what a crash would leave behind */

static void call_states(struct app *a, struct ctl_req *r, const json_t *args RK_UNUSED)
{
    ctl_reply(r, json_pack("{s:o}", "states", state_names(a->state)));
}

static void change_states(struct app *a, struct ctl_req *r, const json_t *args, bool clean)
{
    RK_CLEANUP(rk_arena_freep) struct rk_arena *mem = rk_arena_new(0);
    bool all = json_is_true(json_object_get(args, "all"));
    struct rk_str name = text_of(args, "name");
    struct rk_err err = {0};
    json_t *names, *v;
    size_t i, n = 0;

    if (a->run || a->job.kind != JOB_NONE) {
        (void)rk_fail(&err, RK_PRECONDITION,
                      "the connection needs what is noted there: \"rook down\" first");
        ctl_fail(r, &err);
        return;
    }
    names = state_names(a->state);
    json_array_foreach (names, i, v) {
        struct rk_str one = rk_str_z(json_string_value(v));

        if (!all && !rk_str_eq(one, name))
            continue;
        if (clean && recover_one(a->state, a->route, rk_arena_dupz(mem, one), a->log, &err))
            break;
        if (!clean)
            state_set(a->state, rk_arena_dupz(mem, one), NULL);
        n++;
    }
    json_decref(names);
    if (!all && !n && !err.code)
        (void)rk_fail(&err, RK_NOT_FOUND, "no state \"%.*s\" is noted (see \"rook state list\")",
                      RK_STR_ARG(rk_str_sub(name, 0, 60)));
    reply_or_fail(r, json_pack("{s:I}", "states", (json_int_t)n), &err);
}

static void call_state_clean(struct app *a, struct ctl_req *r, const json_t *args)
{
    change_states(a, r, args, true);
}

static void call_state_delete(struct app *a, struct ctl_req *r, const json_t *args)
{
    change_states(a, r, args, false);
}

/* ---- for people who look for an error */

static const char *level_text(const struct rk_log *log)
{
    return rk_log_enabled(log, RK_DEBUG)  ? "debug"
           : rk_log_enabled(log, RK_INFO) ? "info"
           : rk_log_enabled(log, RK_WARN) ? "warn"
                                          : "error";
}

static void call_log_level(struct app *a, struct ctl_req *r, const json_t *args)
{
    struct rk_str text = text_of(args, "level");
    enum rk_log_level level;
    struct rk_err err = {0};
    json_t *was = json_pack("{s:s}", "was", level_text(a->log));

    if (text.n && rk_log_level_parse(text, &level, &err) == RK_OK) {
        rk_log_set_level(a->log, level);
        rk_log(a->log, RK_INFO, "log level", kv_str("now", text));
    }
    reply_or_fail(r, was, &err);
}

static void call_persistence(struct app *a, struct ctl_req *r, const json_t *args)
{
    sync_keep_set(&a->keep, json_is_true(json_object_get(args, "on")));
    ctl_reply(r, NULL);
}

/* Where everything stands, for who knows the code. */
static json_t *internal_json(struct app *a)
{
    static const char *const kinds[] = {"none",   "up",  "login",  "down",
                                        "logout", "sso", "select", "extend"};
    static const char *const steps[] = {"stop", "enrol", "run"};

    return json_pack("{s:s,s:s,s:b,s:b,s:o}", "job", kinds[a->job.kind], "jobStep",
                     a->job.kind == JOB_NONE ? "" : steps[a->job.step], "jobAwaited",
                     a->job.req != NULL, "managementCall", a->call || a->login, "runLoop",
                     a->run ? runloop_json(a->run) : json_null());
}

static void call_debug(struct app *a, struct ctl_req *r, const json_t *args)
{
    json_t *o = json_object();
    struct rk_buf log;

    if (json_is_true(json_object_get(args, "log"))) {
        rk_buf_init(&log, (size_t)4 << 20);
        rk_log_kept(a->log, &log);
        set(o, "log", json_stringn_nocheck(log.p ? log.p : "", log.n));
        rk_buf_done(&log);
    }
    set(o, "status", status_json(a));
    set(o, "config", profile_shown(a->profile));
    set(o, "states", state_names(a->state));
    set(o, "logLevel", json_string(level_text(a->log)));
    set(o, "internal", internal_json(a));
    set(o, "networkMap", sync_keep_json(&a->keep));
    set(o, "pid", json_integer(getpid()));
    set(o, "stateDir", json_stringn(a->o->state_dir.p ? a->o->state_dir.p : "", a->o->state_dir.n));
    ctl_reply(r, o);
}

/* ---- who may what */

static void call_job(struct app *a, struct ctl_req *r, const char *call, const json_t *args)
{
    static const struct {
        const char *name;
        enum job_kind kind;
    } jobs[] = {{"up", JOB_UP},         {"login", JOB_LOGIN}, {"down", JOB_DOWN},
                {"logout", JOB_LOGOUT}, {"sso", JOB_SSO},     {"profile_select", JOB_SELECT},
                {"extend", JOB_EXTEND}};
    struct rk_err err = {0};

    for (size_t i = 0; i < RK_ARRAY_LEN(jobs); i++)
        if (strcmp(call, jobs[i].name) == 0) {
            job_begin(a, r, jobs[i].kind, args);
            return;
        }
    (void)rk_fail(&err, RK_NOT_FOUND,
                  "the daemon does not know the call %s: it runs another version (\"rook service "
                  "restart\")",
                  call);
    ctl_fail(r, &err);
}

static const struct call {
    const char *name;
    bool everybody; /* else root, or with --allow-users */
    void (*run)(struct app *a, struct ctl_req *r, const json_t *args);
} CALLS[] = {
    {"status", true, call_status},
    {"version", true, call_version},
    {"networks", true, call_networks},
    {"profiles", true, call_profiles},
    {"states", true, call_states},
    {"networks_select", false, call_select},
    {"networks_deselect", false, call_deselect},
    {"profile_add", false, call_profile_add},
    {"profile_rename", false, call_profile_rename},
    {"profile_remove", false, call_profile_remove},
    {"state_clean", false, call_state_clean},
    {"state_delete", false, call_state_delete},
    {"log_level", false, call_log_level},
    {"persistence", false, call_persistence},
    {"debug", false, call_debug},
};

static void on_request(struct ctl_user *u, struct ctl_req *r, const char *call, const json_t *args)
{
    struct app *a = rk_container_of(u, struct app, ctl_user);
    const struct call *c = NULL;
    struct rk_err err = {0};

    for (size_t i = 0; i < RK_ARRAY_LEN(CALLS) && !c; i++)
        if (strcmp(call, CALLS[i].name) == 0)
            c = &CALLS[i];
    if (!(c && c->everybody) && ctl_uid(r) != 0 && ctl_uid(r) != geteuid() && !a->o->allow_users)
        (void)rk_fail(&err, RK_FORBIDDEN,
                      "only root may do this (try sudo; \"rook service run --allow-users\" lets "
                      "everybody)");
    else if (!(c && c->everybody) && a->quitting)
        (void)rk_fail(&err, RK_UNAVAILABLE, "the daemon is ending");
    if (err.code)
        ctl_fail(r, &err);
    else if (c)
        c->run(a, r, args);
    else
        call_job(a, r, call, args);
}

static void on_gone(struct ctl_user *u, struct ctl_req *r)
{
    struct app *a = rk_container_of(u, struct app, ctl_user);

    if (a->job.req == r)
        a->job.req = NULL; /* the job itself goes on */
}

const struct ctl_ops CALLS_OPS = {.request = on_request, .gone = on_gone};
